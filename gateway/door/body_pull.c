/* Reads an eg_body_source ahead of its sending. */
#include "body_pull.h"

#include "door_limits.h"

#include <assert.h>
#include <stdlib.h>

typedef struct half {
    uint8_t *bytes;
    size_t len, taken;
} half;

struct eg_pull {
    eg_body_source source;
    eg_pull_options options;
    eg_task task;          /* read_done on the worker */
    half halves[2];
    unsigned fill, drain;  /* which half is read into next, which is sent from */
    size_t cap;
    int64_t got;           /* bytes read so far */
    bool reading, end;
    bool at_hand;          /* the last read waited for nothing, so that none is made ahead */
    eg_err error;
    size_t read_n;         /* the running read's own, until read_done */
    eg_err read_error;
};

static void read_done(void *arg);

eg_pull *eg_pull_new(eg_body_source source, const eg_pull_options *o) {
    eg_pull *p = calloc(1, sizeof *p);
    if (p == NULL) {
        if (source.close != NULL) {
            source.close(source.ctx);
        }
        return NULL;
    }
    p->source = source;
    p->options = *o;
    p->task = (eg_task){.run = read_done, .arg = p};
    p->cap = EG_DOOR_SOURCE_HALF;
    if (source.size >= 0 && (uint64_t)source.size < p->cap) {
        p->cap = source.size > 0 ? (size_t)source.size : 1;
    }
    return p;
}

void eg_pull_free(eg_pull *p) {
    if (p == NULL) {
        return;
    }
    if (p->source.close != NULL) {
        p->source.close(p->source.ctx);
    }
    free(p->halves[0].bytes);
    free(p->halves[1].bytes);
    free(p);
}

static void read_in_pool(void *arg) {
    eg_pull *p = arg;
    half *h = &p->halves[p->fill];
    size_t n = 0;
    p->read_error = p->source.read(p->source.ctx, h->bytes, p->cap, &n);
    p->read_n = n;
    eg_handoff_push(p->options.worker, &p->task);
}

/* What a read gave becomes what is sent. */
static void take_read(eg_pull *p) {
    half *h = &p->halves[p->fill];
    bool too_much = p->read_n > p->cap || (p->source.size >= 0 && (int64_t)p->read_n > p->source.size - p->got);
    if (p->read_error != EG_OK || too_much) {
        p->error = p->read_error != EG_OK ? p->read_error : EG_ERR_INTERNAL;
    } else if (p->read_n == 0) {
        p->end = true;
        p->error = p->source.size >= 0 && p->got < p->source.size ? EG_ERR_CORRUPT : EG_OK;
    } else {
        p->got += (int64_t)p->read_n;
        /* What is said to be whole is whole: the end is known without another read. */
        p->end = p->source.size >= 0 && p->got >= p->source.size;
        h->len = p->read_n;
        h->taken = 0;
        p->fill ^= 1;
    }
}

static void read_done(void *arg) {
    eg_pull *p = arg;
    p->reading = false;
    take_read(p);
    p->options.ready(p->options.arg);
}

/* On the worker, without a way to the pool and back. */
static bool read_here(eg_pull *p) {
    half *h = &p->halves[p->fill];
    size_t n = 0;
    eg_err e = p->source.try_read != NULL ? p->source.try_read(p->source.ctx, h->bytes, p->cap, &n) : EG_ERR_BUSY;
    p->at_hand = e != EG_ERR_BUSY;
    if (p->at_hand) {
        p->read_error = e;
        p->read_n = n;
        take_read(p);
    }
    return p->at_hand;
}

static bool is_empty(const half *h) {
    return h->taken == h->len;
}

void eg_pull_kick(eg_pull *p) {
    const bool empty = is_empty(&p->halves[0]) && is_empty(&p->halves[1]);
    if (p->reading || p->end || p->error != EG_OK || !is_empty(&p->halves[p->fill])) {
        return;
    }
    if (empty) {
        p->fill = p->drain = 0; /* the half whose memory is in the processor's cache */
    }
    half *h = &p->halves[p->fill];
    if (p->source.size == 0) {
        p->end = true;
        return;
    }
    if (h->bytes == NULL) {
        h->bytes = malloc(p->cap);
        if (h->bytes == NULL) {
            p->error = EG_ERR_NO_MEMORY;
            return;
        }
    }
    if (read_here(p)) {
        return;
    }
    p->reading = true;
    if (eg_pool_submit(p->options.pool, read_in_pool, p) != EG_OK) {
        p->reading = false;
        *p->options.starved = true;
    }
}

void eg_pull_ahead(eg_pull *p) {
    if (!p->at_hand) {
        eg_pull_kick(p);
    }
}

bool eg_pull_reading(const eg_pull *p) {
    return p->reading;
}

bool eg_pull_has_some(const eg_pull *p) {
    return p->halves[p->drain].taken < p->halves[p->drain].len || p->end || p->error != EG_OK;
}

eg_err eg_pull_error(const eg_pull *p) {
    return p->halves[p->drain].taken < p->halves[p->drain].len ? EG_OK : p->error;
}

eg_pull_status eg_pull_take(eg_pull *p, void *buf, size_t cap, size_t *ret_n) {
    eg_bytes some = {NULL, 0};
    eg_pull_status s = eg_pull_peek(p, &some);
    if (s == EG_PULL_BYTES) {
        size_t n = some.len < cap ? some.len : cap;
        memcpy(buf, some.ptr, n);
        eg_pull_skip(p, n);
        *ret_n = n;
    }
    return s;
}

void eg_pull_skip(eg_pull *p, size_t n) {
    half *h = &p->halves[p->drain];
    assert(n > 0 && n <= h->len - h->taken);
    h->taken += n;
    p->drain ^= h->taken == h->len;
}

eg_pull_status eg_pull_peek(const eg_pull *p, eg_bytes *ret) {
    const half *h = &p->halves[p->drain];
    if (h->taken < h->len) {
        *ret = (eg_bytes){h->bytes + h->taken, h->len - h->taken};
        return EG_PULL_BYTES;
    }
    return p->error != EG_OK ? EG_PULL_BROKEN : p->end ? EG_PULL_END : EG_PULL_WAIT;
}

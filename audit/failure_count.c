/* Adds up failures before authentication by error and source network, in a bounded table. */
#include "failure_count.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS (2 * EG_FAILURE_ROWS_MAX)
#define PREFIX_LEN 48

typedef struct row {
    uint64_t count; /* 0 = free */
    eg_err code;
    char prefix[PREFIX_LEN];
    int64_t first_ns;
    int64_t last_ns;
} row;

typedef struct table {
    unsigned used;
    row slots[SLOTS];
    row beyond[EG_ERR_COUNT]; /* of sources that found no row */
} table;

struct eg_failure_count {
    const eg_clock *clock;
    eg_sum_emit emit;
    void *ctx;
    pthread_mutex_t lock;
    table *now;
    table *spare; /* the flusher's */
};

/* The network that one site or subscriber has: /24 of IPv4, /48 of IPv6. */
static void network_of(eg_str address, char ret[PREFIX_LEN]) {
    char text[INET6_ADDRSTRLEN];
    uint8_t a[16];
    snprintf(text, sizeof text, "%.*s", (int)(address.len < sizeof text ? address.len : sizeof text - 1), address.ptr ? address.ptr : "");
    if (eg_str_starts(eg_str_of(text), "::ffff:") && strchr(text, '.')) {
        memmove(text, text + 7, strlen(text + 7) + 1);
    }
    if (inet_pton(AF_INET, text, a) == 1) {
        snprintf(ret, PREFIX_LEN, "%u.%u.%u.0/24", a[0], a[1], a[2]);
    } else if (inet_pton(AF_INET6, text, a) == 1) {
        memset(a + 6, 0, 10);
        inet_ntop(AF_INET6, a, text, sizeof text);
        snprintf(ret, PREFIX_LEN, "%s/48", text);
    } else {
        snprintf(ret, PREFIX_LEN, "unknown");
    }
}

static size_t slot_of(eg_err code, const char *prefix) {
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)code; /* FNV-1a: collisions cost probes, and the table is bounded */
    for (; *prefix; prefix++) {
        h = (h ^ (uint8_t)*prefix) * 0x100000001b3u;
    }
    return (size_t)(h % SLOTS);
}

static row *find(table *t, eg_err code, const char *prefix) {
    size_t at = slot_of(code, prefix);
    while (t->slots[at].count && (t->slots[at].code != code || strcmp(t->slots[at].prefix, prefix) != 0)) {
        at = (at + 1) % SLOTS;
    }
    if (t->slots[at].count == 0) {
        if (t->used == EG_FAILURE_ROWS_MAX) {
            return &t->beyond[code];
        }
        t->used++;
        snprintf(t->slots[at].prefix, PREFIX_LEN, "%s", prefix);
    }
    return &t->slots[at];
}

static void add(table *t, eg_err code, const char *prefix, const row *what) {
    row *r = prefix[0] ? find(t, code, prefix) : &t->beyond[code];
    r->code = code;
    if (r->count == 0 || what->first_ns < r->first_ns) {
        r->first_ns = what->first_ns;
    }
    if (r->count == 0 || what->last_ns > r->last_ns) {
        r->last_ns = what->last_ns;
    }
    r->count += what->count;
}

eg_failure_count *eg_failure_count_new(const eg_clock *clock, eg_sum_emit emit, void *ctx) {
    eg_failure_count *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    f->clock = clock;
    f->emit = emit;
    f->ctx = ctx;
    f->now = calloc(1, sizeof *f->now);
    f->spare = calloc(1, sizeof *f->spare);
    if (!f->now || !f->spare) {
        eg_failure_count_free(f);
        return NULL;
    }
    return f;
}

void eg_failure_count_free(eg_failure_count *f) {
    if (f) {
        pthread_mutex_destroy(&f->lock);
        free(f->now);
        free(f->spare);
        free(f);
    }
}

void eg_failure_count_add(eg_failure_count *f, eg_err e, eg_str source_address) {
    if ((unsigned)e >= EG_ERR_COUNT) {
        e = EG_ERR_INTERNAL;
    }
    char prefix[PREFIX_LEN];
    network_of(source_address, prefix);
    int64_t now = eg_wall_ns(f->clock);
    pthread_mutex_lock(&f->lock);
    add(f->now, e, prefix, &(row){.count = 1, .first_ns = now, .last_ns = now});
    pthread_mutex_unlock(&f->lock);
}

static void emit(eg_failure_count *f, const row *r, bool beyond) {
    if (r->count == 0) {
        return;
    }
    const eg_audit_extra span = {.first_ns = r->first_ns, .last_ns = r->last_ns};
    const eg_audit_record record = {
        .event = "request.refused",
        .outcome = eg_err_outcome(r->code),
        .rule = beyond ? EG_LIT("sources beyond the table of this minute") : EG_LIT("before authentication"),
        .error = r->code,
        .status = eg_err_http_status(r->code),
        .source_address = beyond ? (eg_str){NULL, 0} : eg_str_of(r->prefix),
        .count = r->count,
    };
    if (f->emit(f->ctx, &record, &span) != EG_OK) {
        pthread_mutex_lock(&f->lock);
        add(f->now, r->code, beyond ? "" : r->prefix, r);
        pthread_mutex_unlock(&f->lock);
    }
}

void eg_failure_count_flush(eg_failure_count *f) {
    pthread_mutex_lock(&f->lock);
    table *t = f->now;
    f->now = f->spare;
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        emit(f, &t->slots[i], false);
    }
    for (size_t i = 0; i < EG_ERR_COUNT; i++) {
        emit(f, &t->beyond[i], true);
    }
    memset(t, 0, sizeof *t);
    f->spare = t;
}

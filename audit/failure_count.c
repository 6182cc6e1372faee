/* Adds up failures before authentication by error, rule and source network, in a bounded table. */
#include "failure_count.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS (2 * EG_FAILURE_ROWS_MAX)
#define PREFIX_LEN 48
#define RULE_LEN 128

typedef struct row {
    uint64_t count; /* 0 = free */
    eg_err code;
    char prefix[PREFIX_LEN];
    char rule[RULE_LEN]; /* what denied it; "" = none */
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

static size_t slot_of(const row *what) {
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)what->code; /* FNV-1a: collisions cost probes, and the table is bounded */
    const char *const texts[] = {what->prefix, what->rule};
    for (size_t i = 0; i < 2; i++) {
        for (const char *z = texts[i]; *z; z++) {
            h = (h ^ (uint8_t)*z) * 0x100000001b3u;
        }
    }
    return (size_t)(h % SLOTS);
}

static bool same(const row *a, const row *b) {
    return a->code == b->code && strcmp(a->prefix, b->prefix) == 0 && strcmp(a->rule, b->rule) == 0;
}

static row *find(table *t, const row *what) {
    size_t at = slot_of(what);
    while (t->slots[at].count && !same(&t->slots[at], what)) {
        at = (at + 1) % SLOTS;
    }
    if (t->slots[at].count == 0) {
        if (t->used == EG_FAILURE_ROWS_MAX) {
            return &t->beyond[what->code];
        }
        t->used++;
        snprintf(t->slots[at].prefix, PREFIX_LEN, "%s", what->prefix);
        snprintf(t->slots[at].rule, RULE_LEN, "%s", what->rule);
    }
    return &t->slots[at];
}

static void add(table *t, const row *what) {
    row *r = what->prefix[0] ? find(t, what) : &t->beyond[what->code];
    r->code = what->code;
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

void eg_failure_count_add(eg_failure_count *f, eg_err e, eg_str source_address, eg_str rule) {
    const int64_t now = eg_wall_ns(f->clock);
    row what = {.count = 1, .code = (unsigned)e < EG_ERR_COUNT ? e : EG_ERR_INTERNAL, .first_ns = now, .last_ns = now};
    network_of(source_address, what.prefix);
    snprintf(what.rule, sizeof what.rule, "%.*s", EG_FMT(rule));
    pthread_mutex_lock(&f->lock);
    add(f->now, &what);
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
        .rule = beyond ? EG_LIT("sources beyond the table of this minute") : r->rule[0] ? eg_str_of(r->rule) : EG_LIT("before authentication"),
        .error = r->code,
        .status = eg_err_http_status(r->code),
        .source_address = beyond ? (eg_str){NULL, 0} : eg_str_of(r->prefix),
        .count = r->count,
    };
    if (f->emit(f->ctx, &record, &span) != EG_OK) {
        pthread_mutex_lock(&f->lock);
        add(f->now, r);
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

/* Keys of submissions, bound to who, where and what. */
#include "idempotency.h"

#include <pthread.h>
#include <stdlib.h>

/* Row: u8 version, u32 batch id, u64 seconds since 1970, digest of the body. */
#define VERSION 1
#define ROW_LEN (1 + 4 + 8 + EG_SHA256_LEN)
#define BUSY_MAX 256
#define SWEEP_MAX 4096

eg_err eg_idempotency_of(const eg_idempotency_ask *ask, eg_idempotency *ret, eg_problem *p) {
    eg_str key = ask->key;
    bool printable = key.len > 0 && key.len <= EG_IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; printable && i < key.len; i++) {
        printable = key.ptr[i] >= 0x20 && key.ptr[i] <= 0x7e;
    }
    if (!printable) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "Idempotency-Key must be 1 to %d printable ASCII characters", EG_IDEMPOTENCY_KEY_MAX);
    }
    const eg_bytes nul = {(const uint8_t *)"", 1};
    const eg_bytes parts[] = {eg_str_bytes(eg_str_of(ask->who->tenant)), nul, eg_str_bytes(eg_str_of(ask->who->object_id)), nul, eg_str_bytes(ask->cluster), nul,
                              eg_str_bytes(eg_str_of(ask->route)), nul, eg_str_bytes(key)};
    *ret = (eg_idempotency){0};
    eg_sha256_v(parts, sizeof parts / sizeof *parts, ret->slot);
    eg_sha256(ask->body, ret->body);
    return EG_OK;
}

static bool row_is_fresh(eg_bytes row, int64_t now_s) {
    return row.len == ROW_LEN && row.ptr[0] == VERSION && (int64_t)eg_get_u64(row.ptr + 5) > now_s - EG_IDEMPOTENCY_KEPT_S;
}

eg_err eg_idempotency_find(eg_kv_txn *t, eg_idempotency *i, int64_t now_s, eg_problem *p) {
    eg_bytes row;
    EG_TRY(eg_kv_get(t, EG_DB_IDEMPOTENCY, (eg_bytes){i->slot, sizeof i->slot}, &row));
    if (!row_is_fresh(row, now_s)) {
        return EG_ERR_NOT_FOUND;
    }
    if (!eg_ct_eq(row.ptr + 13, i->body, sizeof i->body)) {
        return eg_fail(p, EG_ERR_IDEMPOTENCY_MISMATCH, "this Idempotency-Key was used for a request with another body; a new request needs a new key");
    }
    i->id = eg_get_u32(row.ptr + 1);
    return EG_OK;
}

static eg_err apply_keep(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const eg_idempotency *i = ctx;
    const eg_bytes slot = {i->slot, sizeof i->slot};
    eg_bytes old;
    eg_err e = eg_kv_get(t, EG_DB_IDEMPOTENCY, slot, &old);
    if (e == EG_OK && row_is_fresh(old, i->time_s)) {
        return eg_fail(p, EG_ERR_IDEMPOTENCY_BUSY, "a request with this Idempotency-Key was accepted a moment ago; ask again");
    }
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    uint8_t row[ROW_LEN] = {VERSION};
    eg_put_u32(row + 1, i->id);
    eg_put_u64(row + 5, (uint64_t)i->time_s);
    memcpy(row + 13, i->body, sizeof i->body);
    return eg_kv_put(t, EG_DB_IDEMPOTENCY, slot, (eg_bytes){row, sizeof row});
}

eg_txn_op eg_idempotency_keep(eg_idempotency *i) {
    return (eg_txn_op){apply_keep, i};
}

static eg_err apply_expire(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_idempotency_sweep *s = ctx;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_IDEMPOTENCY, (eg_bytes){s->start, sizeof s->start}, &c));
    eg_bytes k, v;
    eg_err e = EG_OK;
    for (int seen = 0; seen < SWEEP_MAX && (e = eg_kv_cursor_next(c, &k, &v)) == EG_OK; seen++) {
        if (!row_is_fresh(v, s->now_s)) {
            EG_TRY(eg_kv_cursor_del(c));
        }
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_txn_op eg_idempotency_expire(eg_idempotency_sweep *s) {
    return (eg_txn_op){apply_expire, s};
}

struct eg_idempotency_busy {
    pthread_mutex_t lock;
    size_t count;
    uint8_t slots[BUSY_MAX][EG_SHA256_LEN];
};

eg_idempotency_busy *eg_idempotency_busy_new(void) {
    eg_idempotency_busy *b = calloc(1, sizeof *b);
    if (b) {
        pthread_mutex_init(&b->lock, NULL);
    }
    return b;
}

void eg_idempotency_busy_free(eg_idempotency_busy *b) {
    if (b) {
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
}

static size_t index_of(const eg_idempotency_busy *b, const uint8_t *slot) {
    size_t i = 0;
    while (i < b->count && memcmp(b->slots[i], slot, EG_SHA256_LEN) != 0) {
        i++;
    }
    return i;
}

eg_err eg_idempotency_enter(eg_idempotency_busy *b, const eg_idempotency *i, eg_problem *p) {
    pthread_mutex_lock(&b->lock);
    eg_err e = EG_OK;
    if (index_of(b, i->slot) < b->count) {
        e = eg_fail(p, EG_ERR_IDEMPOTENCY_BUSY, "a request with this Idempotency-Key is being worked on; ask again");
    } else if (b->count == BUSY_MAX) {
        e = EG_ERR_BUSY;
    } else {
        memcpy(b->slots[b->count++], i->slot, EG_SHA256_LEN);
    }
    pthread_mutex_unlock(&b->lock);
    return e;
}

void eg_idempotency_leave(eg_idempotency_busy *b, const eg_idempotency *i) {
    pthread_mutex_lock(&b->lock);
    size_t at = index_of(b, i->slot);
    if (at < b->count) {
        memcpy(b->slots[at], b->slots[--b->count], EG_SHA256_LEN);
    }
    pthread_mutex_unlock(&b->lock);
}

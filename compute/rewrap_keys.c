/* Moves the wrapped keys of batches and clusters to the newest version of their tenant's key, one row a transaction. */
#include "batch_keys.h"
#include "batch_store.h"
#include "cluster_record.h"
#include "compute_object.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_ROWS 64

typedef struct found {
    char cluster[64];
    uint32_t id;
    char purpose[128];
    uint8_t was[EG_WRAPPED_KEY_MAX];
    size_t was_n;
    uint8_t now[EG_WRAPPED_KEY_MAX];
    size_t now_n;
} found;

typedef struct step {
    const eg_rewrap *what;
    uint8_t at[64 + 1 + 4];    /* the last row that was looked at */
    size_t at_len;
    found rows[STEP_ROWS];
    size_t count;
} step;

static eg_err look_at(step *st, eg_bytes k, eg_bytes v) {
    const uint8_t *zero = k.len > 5 && k.len <= sizeof st->at ? memchr(k.ptr, 0, k.len) : NULL;
    if (!zero || k.ptr + k.len - zero != 5 || zero - k.ptr > 63) {
        return EG_ERR_CORRUPT;
    }
    memcpy(st->at, k.ptr, k.len);
    st->at_len = k.len;
    eg_batch b;
    eg_batch_init(&b);
    const eg_str cluster = {(const char *)k.ptr, (size_t)(zero - k.ptr)};
    const eg_err e = eg_batch_record_decode(cluster, eg_get_u32(zero + 1), v, false, &b);
    if (e == EG_OK && eg_str_is(st->what->tenant, b.tenant) && eg_rewrap_wants(st->what, (eg_bytes){b.wrapped, b.wrapped_len})) {
        found *f = &st->rows[st->count++];
        *f = (found){.id = b.id, .was_n = b.wrapped_len};
        memcpy(f->cluster, b.cluster, sizeof f->cluster);
        memcpy(f->was, b.wrapped, b.wrapped_len);
        eg_batch_purpose(&b, f->purpose);
    }
    eg_batch_done(&b);
    return e;
}

/* EG_ERR_NOT_FOUND after the last row. */
static eg_err collect(eg_kv *kv, step *st) {
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    uint8_t from[sizeof st->at];
    const size_t from_len = st->at_len;
    memcpy(from, st->at, from_len);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_BATCH, (eg_bytes){from, from_len}, &c));
    st->count = 0;
    while (st->count < STEP_ROWS) {
        eg_bytes k;
        eg_bytes v;
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        if (k.len != from_len || memcmp(k.ptr, from, from_len) != 0) {
            EG_TRY(look_at(st, k, v));
        }
    }
    return EG_OK;
}

static eg_err patch(eg_batch *b, void *ctx) {
    const found *f = ctx;
    if (b->wrapped_len == f->was_n && memcmp(b->wrapped, f->was, f->was_n) == 0) {
        memcpy(b->wrapped, f->now, f->now_n);
        b->wrapped_len = f->now_n;
    }
    return EG_OK;
}

static eg_err move(eg_compute *c, const eg_rewrap *what, found *f) {
    const eg_keys *keys = c->o.keys;
    const eg_key_use use = {what->tenant, what->key, eg_str_of(f->purpose)};
    EG_TRY(keys->rewrap(keys->ctx, &use, (eg_bytes){f->was, f->was_n}, f->now, &f->now_n));
    eg_batch_update u = {f->cluster, f->id, patch, f};
    const eg_txn_op op = eg_batch_store_update(&u);
    const eg_err e = eg_commit(c->o.committer, &op, 1, NULL);
    return e == EG_ERR_BATCH_NOT_FOUND ? EG_OK : e;
}

static eg_err batches(eg_compute *c, step *st, uint64_t *moved) {
    for (eg_err e = EG_OK; e == EG_OK;) {
        e = collect(c->o.kv, st);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
            return e;
        }
        for (size_t i = 0; i < st->count; i++) {
            EG_TRY(move(c, st->what, &st->rows[i]));
            ++*moved;
        }
    }
    return EG_OK;
}

void eg_compute_forget_keys(eg_compute *c) { eg_batch_keys_clear(c->keys); }

eg_err eg_compute_rewrap(void *compute, const eg_rewrap *what, uint64_t *ret_moved) {
    eg_compute *c = compute;
    step *st = calloc(1, sizeof *st);
    if (!st) {
        return EG_ERR_NO_MEMORY;
    }
    st->what = what;
    eg_err e = batches(c, st, ret_moved);
    free(st);
    for (size_t i = 0; e == EG_OK && i < c->o.cluster_count; i++) {
        if (eg_str_is(what->tenant, c->o.clusters[i].tenant)) {
            e = eg_cluster_record_rewrap(&c->o, &c->o.clusters[i], what, ret_moved);
        }
    }
    return e;
}

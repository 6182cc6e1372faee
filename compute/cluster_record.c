/* Stores a cluster's generation, ports and wrapped key, and derives its secrets. */
#include "cluster_record.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define FORMAT 1
#define HEAD 16 /* u16 format, u64 generation, u16 port, u16 ui port, u16 length of the wrapped key that follows */

static eg_err decode(eg_bytes v, eg_cluster_record *ret) {
    if (v.len < HEAD) {
        return EG_ERR_CORRUPT;
    }
    if (eg_get_u16(v.ptr) != FORMAT) {
        return EG_ERR_FORMAT_VERSION;
    }
    eg_cluster_record r = {
        .generation = eg_get_u64(v.ptr + 2), .port = eg_get_u16(v.ptr + 10), .ui_port = eg_get_u16(v.ptr + 12), .wrapped_len = eg_get_u16(v.ptr + 14)};
    if (r.wrapped_len > EG_WRAPPED_KEY_MAX || v.len != HEAD + r.wrapped_len) {
        return EG_ERR_CORRUPT;
    }
    memcpy(r.wrapped, v.ptr + HEAD, r.wrapped_len);
    *ret = r;
    return EG_OK;
}

static eg_err read_record(eg_kv *kv, const char *name, eg_cluster_record *ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(kv, &t));
    eg_bytes v;
    EG_TRY(eg_kv_get(t, EG_DB_CLUSTER, eg_str_bytes(eg_str_of(name)), &v));
    return decode(v, ret);
}

typedef struct change {
    const char *name;
    const eg_cluster_record *record;
} change;

static eg_err write_record(eg_kv_txn *t, const char *name, const eg_cluster_record *r) {
    uint8_t v[HEAD + EG_WRAPPED_KEY_MAX];
    eg_put_u16(v, FORMAT);
    eg_put_u64(v + 2, r->generation);
    eg_put_u16(v + 10, r->port);
    eg_put_u16(v + 12, r->ui_port);
    eg_put_u16(v + 14, (uint16_t)r->wrapped_len);
    memcpy(v + HEAD, r->wrapped, r->wrapped_len);
    return eg_kv_put(t, EG_DB_CLUSTER, eg_str_bytes(eg_str_of(name)), (eg_bytes){v, HEAD + r->wrapped_len});
}

static eg_err get_record(eg_kv_txn *t, const char *name, eg_cluster_record *ret) {
    eg_bytes v;
    EG_TRY(eg_kv_get(t, EG_DB_CLUSTER, eg_str_bytes(eg_str_of(name)), &v));
    return decode(v, ret);
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const change *c = ctx;
    eg_cluster_record next = *c->record;
    eg_cluster_record stored = {0};
    const eg_err e = get_record(t, c->name, &stored);
    if (e == EG_OK) {
        next.wrapped_len = stored.wrapped_len;
        memcpy(next.wrapped, stored.wrapped, stored.wrapped_len);
    }
    return e == EG_OK || e == EG_ERR_NOT_FOUND ? write_record(t, c->name, &next) : e;
}

typedef struct rewrapping {
    const char *name;
    eg_cluster_record was;
    uint8_t now[EG_WRAPPED_KEY_MAX];
    size_t now_n;
} rewrapping;

static eg_err apply_rewrap(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const rewrapping *w = ctx;
    eg_cluster_record r = {0};
    EG_TRY(get_record(t, w->name, &r));
    if (r.wrapped_len != w->was.wrapped_len || memcmp(r.wrapped, w->was.wrapped, r.wrapped_len) != 0) {
        return EG_OK;
    }
    memcpy(r.wrapped, w->now, w->now_n);
    r.wrapped_len = w->now_n;
    return write_record(t, w->name, &r);
}

static eg_str purpose_of(const char *name, char buf[96]) {
    const int n = snprintf(buf, 96, "cluster:%s", name);
    return (eg_str){buf, n < 96 ? (size_t)n : 95};
}

eg_err eg_cluster_record_rewrap(const eg_compute_options *o, const eg_cluster_config *c, const eg_rewrap *what, uint64_t *ret_moved) {
    rewrapping w = {.name = c->name};
    char purpose[96];
    const eg_err e = read_record(o->kv, c->name, &w.was);
    const eg_bytes was = {w.was.wrapped, w.was.wrapped_len};
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && !eg_rewrap_wants(what, was))) {
        return EG_OK;
    }
    EG_TRY(e);
    const eg_key_use use = {what->tenant, what->key, purpose_of(c->name, purpose)};
    EG_TRY(o->keys->rewrap(o->keys->ctx, &use, was, w.now, &w.now_n));
    const eg_txn_op op = {apply_rewrap, &w};
    EG_TRY(eg_commit(o->committer, &op, 1, NULL));
    ++*ret_moved;
    return EG_OK;
}

eg_err eg_cluster_record_save(const eg_compute_options *o, const eg_cluster_config *c, const eg_cluster_record *r, eg_problem *p) {
    change ch = {.name = c->name, .record = r};
    eg_txn_op op = {.apply = apply, .ctx = &ch};
    return eg_commit(o->committer, &op, 1, p);
}

eg_err eg_cluster_record_load(const eg_compute_options *o, const eg_cluster_config *c, eg_cluster_record *ret, eg_secret **ret_key, eg_problem *p) {
    char purpose[96];
    const eg_str what = purpose_of(c->name, purpose);
    eg_cluster_record r = {0};
    eg_secret *key = NULL;
    eg_err e = read_record(o->kv, c->name, &r);
    if (e == EG_OK) {
        e = o->keys->unwrap(o->keys->ctx, eg_str_of(c->tenant), what, (eg_bytes){r.wrapped, r.wrapped_len}, &key);
    } else if (e == EG_ERR_NOT_FOUND) {
        e = o->keys->new_data_key(o->keys->ctx, eg_str_of(c->tenant), what, &key, r.wrapped, &r.wrapped_len);
        if (e == EG_OK) {
            e = eg_cluster_record_save(o, c, &r, p);
        }
    }
    if (e != EG_OK) {
        eg_secret_free(key);
        return eg_fail(p, e, "The key of cluster \"%s\" is not to be had: %s.", c->name, eg_err_code(e));
    }
    *ret = r;
    *ret_key = key;
    return EG_OK;
}

static void derive(const eg_secret *key, const char *what, uint8_t ret[EG_KEY_LEN]) {
    eg_hmac_sha256(eg_secret_bytes(key), eg_str_bytes(eg_str_of(what)), ret);
}

void eg_cluster_record_rpc_secret(const eg_secret *key, uint64_t generation, char ret[EG_CLUSTER_SECRET_TEXT]) {
    char what[64];
    uint8_t raw[EG_KEY_LEN];
    snprintf(what, sizeof what, "rpc:%llu", (unsigned long long)generation);
    derive(key, what, raw);
    eg_hex((eg_bytes){raw, sizeof raw}, ret);
    eg_cleanse(raw, sizeof raw);
}

void eg_cluster_record_ui_key(const eg_secret *key, uint64_t generation, uint8_t ret[EG_KEY_LEN]) {
    char what[64];
    snprintf(what, sizeof what, "ui:%llu", (unsigned long long)generation);
    derive(key, what, ret);
}

void eg_cluster_record_log_key(const eg_secret *key, const char *name, uint8_t ret[EG_KEY_LEN]) {
    char what[96];
    snprintf(what, sizeof what, "log:%s", name);
    derive(key, what, ret);
}

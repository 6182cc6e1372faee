/* Forgets the keys of a destroyed tenant, and checks that none of its wrapped keys opens any more. */
#include "erase.h"

#include "key_cache.h"
#include "key_stock.h"
#include "namespace.h"

#include <stdlib.h>

#define STEP_ROWS 64

static eg_err mark(void *ctx, const eg_account *a) {
    (void)ctx;
    atomic_store(&((eg_account *)(uintptr_t)a)->destroyed, true);
    return EG_OK;
}

eg_err eg_storage_forget_tenant(eg_storage *s, eg_str tenant) {
    EG_TRY(eg_storage_each_account(s, tenant, mark, NULL));
    eg_key_stock_forget(s->key_stock);
    eg_key_cache_clear(s->key_cache);
    return EG_OK;
}

typedef struct probe {
    eg_storage *store;
    eg_str tenant;
    uint64_t wrapped;
    uint64_t opened;
    const eg_account *accounts[EG_ACCOUNTS_MAX];
    size_t account_count;
    struct {
        eg_id id;
        uint8_t key[EG_WRAPPED_KEY_MAX];
        size_t n;
    } rows[STEP_ROWS];
    size_t count;
    eg_id at;
    bool begun;
} probe;

static void try_one(probe *p, eg_str purpose, eg_bytes wrapped) {
    eg_secret *key = NULL;
    const eg_keys *keys = p->store->keys;
    p->wrapped++;
    const eg_err e = keys->unwrap(keys->ctx, p->tenant, purpose, wrapped, &key);
    eg_secret_free(key);
    p->opened += e != EG_ERR_KEY_DESTROYED; /* an answer that isn't "destroyed" is no proof */
}

static void try_account(probe *p, const eg_account *a) {
    uint8_t copy[EG_WRAPPED_KEY_MAX];
    char buf[EG_ACCOUNT_PURPOSE_MAX];
    size_t n = 0;
    eg_kv_txn *t = NULL;
    eg_bytes wrapped;
    if (eg_kv_read_begin(p->store->kv, &t) != EG_OK) {
        p->opened++;
        return;
    }
    if (eg_storage_account_wrapped(t, a, &wrapped) == EG_OK && wrapped.len <= sizeof copy) {
        memcpy(copy, wrapped.ptr, wrapped.len);
        n = wrapped.len;
    }
    eg_kv_read_end(t);
    try_one(p, eg_storage_account_purpose(eg_str_of(a->name), buf), (eg_bytes){copy, n});
}

static bool is_ours(const probe *p, eg_bytes k, eg_bytes v, const eg_account **ret) {
    for (size_t i = 0; i < p->account_count; i++) {
        if (eg_record_fits(p->accounts[i], EG_ROW_INODE, k, v)) {
            *ret = p->accounts[i];
            return true;
        }
    }
    return false;
}

/* EG_ERR_NOT_FOUND after the last row. */
static eg_err collect(probe *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(p->store->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    const eg_id from = p->at;
    const bool begun = p->begun;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_INODE, begun ? eg_id_bytes(&from) : (eg_bytes){NULL, 0}, &c));
    p->count = 0;
    while (p->count < STEP_ROWS) {
        eg_bytes k;
        eg_bytes v;
        const eg_account *a = NULL;
        eg_inode i;
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        if (k.len != sizeof p->at.b || (begun && memcmp(k.ptr, from.b, k.len) == 0)) {
            continue;
        }
        memcpy(p->at.b, k.ptr, k.len);
        p->begun = true;
        if (!is_ours(p, k, v, &a) || eg_ns_inode_get(t, a, &p->at, &i) != EG_OK) {
            continue;
        }
        const eg_bytes wrapped = i.attr[EG_ATTR_WRAPPED_KEY];
        if (wrapped.len > 0 && wrapped.len <= EG_WRAPPED_KEY_MAX) {
            p->rows[p->count].id = p->at;
            memcpy(p->rows[p->count].key, wrapped.ptr, wrapped.len);
            p->rows[p->count++].n = wrapped.len;
        }
    }
    return EG_OK;
}

static eg_err add_account(void *ctx, const eg_account *a) {
    probe *p = ctx;
    p->accounts[p->account_count++] = a;
    return EG_OK;
}

static eg_err run(probe *p) {
    EG_TRY(eg_storage_each_account_loaded(p->store, p->tenant, add_account, p));
    for (size_t i = 0; i < p->account_count; i++) {
        try_account(p, p->accounts[i]);
    }
    for (eg_err e = EG_OK; e == EG_OK;) {
        e = collect(p);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
            return e;
        }
        for (size_t i = 0; i < p->count; i++) {
            char buf[EG_FILE_PURPOSE_MAX];
            try_one(p, eg_file_key_purpose(&p->rows[i].id, buf), (eg_bytes){p->rows[i].key, p->rows[i].n});
        }
    }
    return EG_OK;
}

eg_err eg_storage_probe_tenant(eg_storage *s, eg_str tenant, uint64_t *ret_wrapped, uint64_t *ret_opened) {
    probe *p = calloc(1, sizeof *p);
    if (!p) {
        return EG_ERR_NO_MEMORY;
    }
    p->store = s;
    p->tenant = tenant;
    const eg_err e = run(p);
    if (e == EG_OK) {
        *ret_wrapped = p->wrapped;
        *ret_opened = p->opened;
    }
    free(p);
    return e;
}

/* Forgets the keys of a destroyed tenant, and checks that none of its wrapped keys opens any more. */
#include "erase.h"

#include "inode_walk.h"
#include "key_cache.h"
#include "key_stock.h"

#include <stdlib.h>

#define STEP_KEYS 64

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
    eg_inode_walk walk;
    eg_str tenant;
    uint64_t wrapped;
    uint64_t opened;
    struct {
        eg_id id;
        uint8_t key[EG_WRAPPED_KEY_MAX];
        size_t n;
    } rows[STEP_KEYS];
    size_t count;
} probe;

static void try_one(probe *p, eg_str purpose, eg_bytes wrapped) {
    eg_secret *key = NULL;
    const eg_keys *keys = p->walk.store->keys;
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
    if (eg_kv_read_begin(p->walk.store->kv, &t) != EG_OK) {
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

static bool collect(void *ctx, const eg_account *a, const eg_inode *i) {
    (void)a;
    probe *p = ctx;
    const eg_bytes wrapped = i->attr[EG_ATTR_WRAPPED_KEY];
    if (wrapped.len > 0 && wrapped.len <= EG_WRAPPED_KEY_MAX) {
        p->rows[p->count].id = i->id;
        memcpy(p->rows[p->count].key, wrapped.ptr, wrapped.len);
        p->rows[p->count++].n = wrapped.len;
    }
    return p->count < STEP_KEYS;
}

static eg_err run(probe *p) {
    EG_TRY(eg_storage_each_account_loaded(p->walk.store, p->tenant, eg_inode_walk_add, &p->walk));
    for (size_t i = 0; i < p->walk.account_count; i++) {
        try_account(p, p->walk.accounts[i]);
    }
    for (eg_err e = EG_OK; e == EG_OK;) {
        p->count = 0;
        e = eg_inode_walk_step(&p->walk, collect, p);
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
    p->walk.store = s;
    p->tenant = tenant;
    const eg_err e = run(p);
    if (e == EG_OK) {
        *ret_wrapped = p->wrapped;
        *ret_opened = p->opened;
    }
    free(p);
    return e;
}

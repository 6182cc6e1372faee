/* Wraps the data keys of files and accounts under the newest version of their key, in steps of a bounded number of rows; touches no content. */
#include "rotation.h"

#include "key_cache.h"
#include "inode_walk.h"

#include <stdlib.h>

#define STEP_KEYS 64

typedef struct wrapped_key {
    uint8_t b[EG_WRAPPED_KEY_MAX];
    size_t n;
} wrapped_key;

typedef struct candidate {
    const eg_account *account;
    eg_id id;
    wrapped_key was;
    wrapped_key now;
} candidate;

typedef struct step {
    eg_inode_walk walk;
    const eg_rewrap *what;
    candidate keys[STEP_KEYS];
    size_t key_count;
} step;

static eg_bytes bytes_of(const wrapped_key *k) { return (eg_bytes){k->b, k->n}; }

static bool keep(wrapped_key *to, eg_bytes wrapped) {
    if (wrapped.len > sizeof to->b) {
        return false;
    }
    memcpy(to->b, wrapped.ptr, wrapped.len);
    to->n = wrapped.len;
    return true;
}

static bool collect(void *ctx, const eg_account *a, const eg_inode *i) {
    step *st = ctx;
    candidate *c = &st->keys[st->key_count];
    if (eg_rewrap_wants(st->what, i->attr[EG_ATTR_WRAPPED_KEY]) && keep(&c->was, i->attr[EG_ATTR_WRAPPED_KEY])) {
        c->account = a;
        c->id = i->id;
        st->key_count++;
    }
    return st->key_count < STEP_KEYS;
}

static eg_err ask_keeper(step *st) {
    const eg_keys *keys = st->walk.store->keys;
    for (size_t i = 0; i < st->key_count; i++) {
        candidate *c = &st->keys[i];
        char buf[EG_FILE_PURPOSE_MAX];
        const eg_key_use use = {st->what->tenant, st->what->key, eg_file_key_purpose(&c->id, buf)};
        EG_TRY(keys->rewrap(keys->ctx, &use, bytes_of(&c->was), c->now.b, &c->now.n));
    }
    return EG_OK;
}

/* Neither change counter nor times move: the file is the same. What was deleted or got another key meanwhile is left alone. */
static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const step *st = ctx;
    for (size_t i = 0; i < st->key_count; i++) {
        const candidate *c = &st->keys[i];
        eg_bytes stored;
        eg_inode n;
        const eg_err e = eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(&c->id), &stored);
        if (e == EG_ERR_NOT_FOUND) {
            continue;
        }
        EG_TRY(e);
        EG_TRY(eg_ns_inode_get(t, c->account, &c->id, &n));
        const eg_bytes now = n.attr[EG_ATTR_WRAPPED_KEY];
        if (now.len == c->was.n && memcmp(now.ptr, c->was.b, now.len) == 0) {
            n.attr[EG_ATTR_WRAPPED_KEY] = bytes_of(&c->now);
            EG_TRY(eg_ns_inode_put(t, c->account, &n));
        }
    }
    return EG_OK;
}

static eg_err files(step *st, const atomic_bool *stop, uint64_t *moved) {
    for (eg_err e = EG_OK; e == EG_OK && !*stop;) {
        st->key_count = 0;
        e = eg_inode_walk_step(&st->walk, collect, st);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
            return e;
        }
        if (st->key_count > 0) {
            EG_TRY(ask_keeper(st));
            const eg_txn_op op = {apply, st};
            EG_TRY(eg_commit(st->walk.store->committer, &op, 1, NULL));
            *moved += st->key_count;
        }
    }
    return EG_OK;
}

static eg_err apply_account(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const candidate *c = ctx;
    return eg_storage_account_rewrap(t, c->account, bytes_of(&c->now));
}

static eg_err accounts(step *st, uint64_t *moved) {
    const eg_keys *keys = st->walk.store->keys;
    for (size_t i = 0; i < st->walk.account_count; i++) {
        candidate c = {.account = st->walk.accounts[i]};
        char buf[EG_ACCOUNT_PURPOSE_MAX];
        bool wanted = false;
        {
            EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
            eg_bytes wrapped;
            EG_TRY(eg_kv_read_begin(st->walk.store->kv, &t));
            EG_TRY(eg_storage_account_wrapped(t, c.account, &wrapped));
            wanted = eg_rewrap_wants(st->what, wrapped) && keep(&c.was, wrapped);
        }
        if (wanted) {
            const eg_key_use use = {st->what->tenant, st->what->key, eg_storage_account_purpose(eg_str_of(c.account->name), buf)};
            EG_TRY(keys->rewrap(keys->ctx, &use, bytes_of(&c.was), c.now.b, &c.now.n));
            const eg_txn_op op = {apply_account, &c};
            EG_TRY(eg_commit(st->walk.store->committer, &op, 1, NULL));
            ++*moved;
        }
    }
    return EG_OK;
}

eg_err eg_storage_rewrap(eg_storage *s, const eg_rewrap *what, const atomic_bool *stop, uint64_t *ret_moved) {
    step *st = calloc(1, sizeof *st);
    if (!st) {
        return EG_ERR_NO_MEMORY;
    }
    uint64_t moved = 0;
    st->walk.store = s;
    st->what = what;
    eg_err e = eg_storage_each_account(s, what->tenant, eg_inode_walk_add, &st->walk);
    if (e == EG_OK) {
        e = accounts(st, &moved);
    }
    if (e == EG_OK) {
        e = files(st, stop, &moved);
    }
    *ret_moved += moved;
    free(st);
    return e;
}

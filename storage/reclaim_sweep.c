/* What a dead process or a forgotten upload left: segment files that no row names, and appends that nobody flushed for a week. */
#include "reclaim.h"

#include "blocks.h"

#define SHARDS 256
#define FORGOTTEN_NS ((int64_t)7 * 86400 * 1000000000)

typedef struct sweep {
    eg_storage *store;
    const atomic_bool *stop;
} sweep;

/* The order matters: "not pending" first, then the row, so that a commit in between is seen. */
static bool sweep_file(void *ctx, const eg_id *id) {
    const sweep *w = ctx;
    if (*w->stop) {
        return false;
    }
    if (eg_segment_store_pending(w->store->segments, id)) {
        return true;
    }
    eg_kv_txn *t = NULL;
    if (eg_kv_read_begin(w->store->kv, &t) != EG_OK) {
        return false;
    }
    eg_bytes stored;
    const eg_err e = eg_kv_get(t, EG_DB_FS_PLACE, eg_id_bytes(id), &stored);
    eg_kv_read_end(t);
    if (e == EG_ERR_NOT_FOUND) {
        (void)!eg_segment_store_unlink(w->store->segments, id);
    }
    return true;
}

typedef struct forgotten {
    const eg_account *account;
    uint8_t key[EG_POSITION_KEY_LEN];
    int64_t before_ns;
} forgotten;

static eg_err drop(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const forgotten *f = ctx;
    const eg_bytes k = {f->key, sizeof f->key};
    eg_bytes stored;
    EG_TRY(eg_kv_get(t, EG_DB_FS_STAGED, k, &stored));
    eg_staged x;
    EG_TRY(eg_content_staged_decode(f->account, k, stored, &x));
    if (x.staged_ns >= f->before_ns) {
        return EG_ERR_NOT_FOUND; /* replaced meanwhile */
    }
    const eg_id gone = x.segment;
    eg_id inode;
    memcpy(inode.b, f->key, sizeof inode.b);
    eg_inode i;
    EG_TRY(eg_ns_inode_get(t, f->account, &inode, &i));
    i.staged -= i.staged > 0;
    EG_TRY(eg_ns_inode_put(t, f->account, &i));
    EG_TRY(eg_kv_del(t, EG_DB_FS_STAGED, k));
    return eg_content_segment_drop(t, f->account, &inode, &gone);
}

/* The next staged row after *at; the account's name is copied out. */
static eg_err next_staged(eg_storage *s, uint8_t at[EG_POSITION_KEY_LEN], bool first, char name[EG_ACCOUNT_NAME_MAX + 1]) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_STAGED, first ? (eg_bytes){NULL, 0} : (eg_bytes){at, EG_POSITION_KEY_LEN}, &c));
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_next(c, &k, &v));
    if (!first && k.len == EG_POSITION_KEY_LEN && memcmp(k.ptr, at, k.len) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
    }
    eg_str account;
    EG_TRY(eg_content_staged_account(v, &account));
    if (k.len != EG_POSITION_KEY_LEN || account.len > EG_ACCOUNT_NAME_MAX) {
        return eg_record_corrupt();
    }
    memcpy(at, k.ptr, k.len);
    memcpy(name, account.ptr, account.len);
    name[account.len] = '\0';
    return EG_OK;
}

static eg_err sweep_staged(eg_storage *s, const atomic_bool *stop) {
    forgotten f = {.before_ns = eg_wall_ns(s->clock) - FORGOTTEN_NS};
    char name[EG_ACCOUNT_NAME_MAX + 1];
    for (bool first = true; !*stop; first = false) {
        const eg_err e = next_staged(s, f.key, first, name);
        if (e != EG_OK) {
            return e == EG_ERR_NOT_FOUND ? EG_OK : e;
        }
        if (eg_storage_account(s, eg_str_of(name), &f.account) != EG_OK) {
            continue;
        }
        eg_kv_txn *t = NULL;
        EG_TRY(eg_kv_read_begin(s->kv, &t));
        eg_bytes stored;
        eg_staged x = {.staged_ns = INT64_MAX};
        const eg_bytes k = {f.key, sizeof f.key};
        if (eg_kv_get(t, EG_DB_FS_STAGED, k, &stored) == EG_OK) {
            (void)!eg_content_staged_decode(f.account, k, stored, &x);
        }
        eg_kv_read_end(t);
        if (x.staged_ns < f.before_ns) {
            const eg_txn_op op = {drop, &f};
            (void)!eg_commit(s->committer, &op, 1, NULL);
        }
    }
    return EG_OK;
}

typedef struct forgotten_home {
    const eg_account *account;
    uint8_t key[EG_KV_KEY_MAX];
    size_t key_len;
    int64_t before_ns;
} forgotten_home;

static eg_err drop_home(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const forgotten_home *f = ctx;
    return eg_blocks_expire(t, f->account, (eg_bytes){f->key, f->key_len}, f->before_ns);
}

/* The next home of uncommitted blocks after f's; its account's name is copied out. */
static eg_err next_home(eg_storage *s, forgotten_home *f, char name[EG_ACCOUNT_NAME_MAX + 1]) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes v;
    const eg_bytes at = {f->key, f->key_len};
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_BLOCK, at, &c));
    EG_TRY(eg_kv_cursor_next(c, &k, &v));
    if (k.len == at.len && memcmp(k.ptr, at.ptr, at.len) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
    }
    eg_str account;
    if (k.len == 0 || k.ptr[0] != 'h') {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(eg_content_staged_account(v, &account));
    if (account.len > EG_ACCOUNT_NAME_MAX) {
        return eg_record_corrupt();
    }
    memcpy(f->key, k.ptr, k.len);
    f->key_len = k.len;
    memcpy(name, account.ptr, account.len);
    name[account.len] = '\0';
    return EG_OK;
}

static eg_err sweep_homes(eg_storage *s, const atomic_bool *stop) {
    forgotten_home f = {.key = {'h'}, .key_len = 1, .before_ns = eg_wall_ns(s->clock) - EG_BLOCKS_KEPT_NS};
    char name[EG_ACCOUNT_NAME_MAX + 1];
    while (!*stop) {
        const eg_err e = next_home(s, &f, name);
        if (e != EG_OK) {
            return e == EG_ERR_NOT_FOUND ? EG_OK : e;
        }
        const eg_txn_op op = {drop_home, &f};
        if (eg_storage_account(s, eg_str_of(name), &f.account) == EG_OK) {
            (void)!eg_commit(s->committer, &op, 1, NULL);
        }
    }
    return EG_OK;
}

eg_err eg_reclaim_sweep(eg_storage *s, const atomic_bool *stop) {
    sweep w = {s, stop};
    EG_TRY(eg_relocate_count(s, stop));
    for (unsigned shard = 0; shard < SHARDS && !*stop; shard++) {
        EG_TRY(eg_segment_store_each(s->segments, shard, sweep_file, &w));
    }
    EG_TRY(sweep_staged(s, stop));
    return sweep_homes(s, stop);
}

/* The rows of fs.lease: putting, finding beneath a directory, and taking old ones away. */
#include "lease_index.h"

#include "lease.h"

/* A longer path is keyed by this many bytes of it, 0xFF (which no UTF-8 has) and its digest; the row holds it whole. */
#define PATH_IN_KEY 400
#define ROW_MAX (EG_PATH_MAX + 256)
#define SWEEP_ROWS 256

static size_t key_of(const eg_id *root, eg_str path, uint8_t ret[EG_KV_KEY_MAX]) {
    size_t n = sizeof root->b;
    memcpy(ret, root->b, n);
    const size_t keep = path.len < PATH_IN_KEY ? path.len : PATH_IN_KEY;
    if (keep > 0) {
        memcpy(ret + n, path.ptr, keep);
    }
    n += keep;
    if (path.len > PATH_IN_KEY) {
        ret[n++] = 0xff;
        eg_sha256(eg_str_bytes(path), ret + n);
        n += EG_SHA256_LEN;
    }
    return n;
}

eg_err eg_lease_index_put(eg_kv_txn *t, const eg_lease_spot *at) {
    uint8_t key[EG_KV_KEY_MAX];
    const eg_bytes k = {key, key_of(&at->root, at->path, key)};
    eg_buf b;
    eg_record_start(&b, ROW_MAX);
    eg_record_text(&b, eg_str_bytes(eg_str_of(at->account->name)));
    eg_record_text(&b, eg_str_bytes(at->path));
    eg_err e = eg_record_seal(at->account, EG_ROW_LEASE, k, &b);
    if (e == EG_OK) {
        e = eg_kv_put(t, EG_DB_FS_LEASE, k, eg_buf_bytes(&b));
    }
    eg_buf_done(&b);
    return e;
}

eg_err eg_lease_index_del(eg_kv_txn *t, const eg_lease_spot *at) {
    uint8_t key[EG_KV_KEY_MAX];
    return eg_kv_del(t, EG_DB_FS_LEASE, (eg_bytes){key, key_of(&at->root, at->path, key)});
}

static eg_err decode(const eg_account *a, eg_bytes k, eg_bytes v, eg_lease_spot *ret) {
    eg_record_reader r;
    EG_TRY(eg_record_open(a, EG_ROW_LEASE, k, v, &r));
    (void)eg_record_get_text(&r);
    eg_lease_spot at = {.account = a, .path = eg_bytes_str(eg_record_get_text(&r))};
    EG_TRY(eg_record_end(&r));
    if (k.len < sizeof at.root.b) {
        return eg_record_corrupt();
    }
    memcpy(at.root.b, k.ptr, sizeof at.root.b);
    *ret = at;
    return EG_OK;
}

/* Follows the path of a row to what stands there now. *ret_alive: it has a lease that isn't free. */
static eg_err look(eg_kv_txn *t, const eg_lease_spot *at, eg_lease *ret, bool *ret_alive) {
    eg_entry e = {EG_KIND_DIRECTORY, at->root};
    for (eg_str rest = at->path; rest.ptr && at->path.len > 0;) {
        const eg_str name = eg_str_cut(&rest, '/');
        const eg_err found = e.kind != EG_KIND_DIRECTORY ? EG_ERR_NOT_FOUND : eg_ns_entry_get(t, at->account, &e.child, name, &e);
        if (found == EG_ERR_NOT_FOUND) {
            *ret_alive = false;
            return EG_OK;
        }
        EG_TRY(found);
    }
    eg_inode i;
    eg_bytes stored;
    const eg_err there = eg_kv_get(t, EG_DB_FS_INODE, eg_id_bytes(&e.child), &stored);
    if (there == EG_ERR_NOT_FOUND) { /* the whole filesystem is gone */
        *ret_alive = false;
        return EG_OK;
    }
    EG_TRY(there);
    EG_TRY(eg_ns_inode_get(t, at->account, &e.child, &i));
    EG_TRY(eg_lease_decode(i.attr[EG_ATTR_LEASE], ret));
    *ret_alive = ret->held;
    return EG_OK;
}

static bool beneath(eg_str path, eg_str directory) {
    return directory.len == 0 || (path.len > directory.len && memcmp(path.ptr, directory.ptr, directory.len) == 0 && path.ptr[directory.len] == '/');
}

eg_err eg_lease_index_beneath(eg_kv_txn *t, const eg_lease_spot *at, int64_t forward_ns, eg_problem *p) {
    uint8_t key[EG_KV_KEY_MAX];
    /* Without the digest: all paths that begin with it. */
    const size_t n = key_of(&at->root, (eg_str){at->path.ptr, at->path.len < PATH_IN_KEY ? at->path.len : PATH_IN_KEY}, key);
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_LEASE, (eg_bytes){key, n}, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len < n || memcmp(k.ptr, key, n) != 0))) {
            return EG_OK;
        }
        EG_TRY(e);
        eg_lease_spot row;
        eg_lease l;
        bool alive = false;
        EG_TRY(decode(at->account, k, v, &row));
        if (!beneath(row.path, at->path)) {
            continue;
        }
        EG_TRY(look(t, &row, &l, &alive));
        if (alive && eg_lease_locked(&l, forward_ns)) {
            return eg_fail(p, EG_ERR_LEASE_ID_MISSING, "There is currently a lease on a resource beneath the directory and no lease ID was specified in the request.");
        }
    }
}

typedef struct sweep {
    eg_storage *store;
    eg_lease_sweep *w;
    const eg_account *account;
} sweep;

/* One row: the next after w->at. It goes when it leads to no lease; that is looked at again within the transaction. */
static eg_err drop(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const sweep *s = ctx;
    const eg_bytes k = {s->w->at, s->w->at_len};
    eg_bytes v;
    eg_lease_spot row;
    eg_lease l;
    bool alive = false;
    EG_TRY(eg_kv_get(t, EG_DB_FS_LEASE, k, &v));
    EG_TRY(decode(s->account, k, v, &row));
    EG_TRY(look(t, &row, &l, &alive));
    return alive ? EG_ERR_EXISTS : eg_kv_del(t, EG_DB_FS_LEASE, k);
}

/* The next row; *ret_dead: nothing is leased there. */
static eg_err next(sweep *s, bool *ret_dead) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->store->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_LEASE, (eg_bytes){s->w->at, s->w->at_len}, &c));
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_next(c, &k, &v));
    if (k.len == s->w->at_len && memcmp(k.ptr, s->w->at, k.len) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
    }
    memcpy(s->w->at, k.ptr, k.len);
    s->w->at_len = k.len;
    eg_record_reader r;
    EG_TRY(eg_record_peek(v, &r));
    const eg_bytes name = eg_record_get_text(&r);
    s->account = r.bad ? NULL : eg_storage_account_loaded(s->store, eg_bytes_str(name));
    if (!s->account) {
        return EG_OK; /* nobody used the account yet: later */
    }
    eg_lease_spot row;
    eg_lease l;
    bool alive = true;
    EG_TRY(decode(s->account, k, v, &row));
    EG_TRY(look(t, &row, &l, &alive));
    *ret_dead = !alive;
    return EG_OK;
}

eg_err eg_lease_index_sweep(eg_storage *s, eg_lease_sweep *w) {
    sweep x = {.store = s, .w = w};
    for (int n = 0; n < SWEEP_ROWS; n++) {
        bool dead = false;
        const eg_err e = next(&x, &dead);
        if (e == EG_ERR_NOT_FOUND) {
            w->at_len = 0;
            return EG_OK;
        }
        EG_TRY(e);
        if (dead) {
            const eg_txn_op op = {drop, &x};
            const eg_err dropped = eg_commit(s->committer, &op, 1, NULL);
            if (dropped != EG_ERR_EXISTS && dropped != EG_ERR_NOT_FOUND) {
                EG_TRY(dropped);
            }
        }
    }
    return EG_OK;
}

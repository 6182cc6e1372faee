/* The key-value store over LMDB: transactions with a sticky error, cursors. */
#include "kv_env.h"

#include <stdlib.h>

#define KEPT ((size_t)2 << 20)          /* of a transaction's memory, for the next one */
#define RESERVE_SHARE 8u
#define RESERVE_MAX ((uint64_t)64 << 20)

/* Transactions. */

static MDB_txn *take_idle(eg_kv *kv) {
    pthread_mutex_lock(&kv->lock);
    MDB_txn *txn = kv->idle_count > 0 ? kv->idle[--kv->idle_count] : NULL;
    pthread_mutex_unlock(&kv->lock);
    return txn;
}

eg_err eg_kv_read_begin(eg_kv *kv, eg_kv_txn **ret) {
    eg_kv_txn *t = calloc(1, sizeof *t);
    if (!t) {
        return EG_ERR_NO_MEMORY;
    }
    t->kv = kv;
    t->txn = take_idle(kv);
    int rc = t->txn ? mdb_txn_renew(t->txn) : mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &t->txn);
    if (rc != 0) {
        if (t->txn) {
            mdb_txn_abort(t->txn);
        }
        free(t);
        return eg_kv_of_lmdb(rc);
    }
    *ret = t;
    return EG_OK;
}

void eg_kv_read_end(eg_kv_txn *t) {
    if (!t) {
        return;
    }
    eg_kv *kv = t->kv;
    mdb_txn_reset(t->txn);
    pthread_mutex_lock(&kv->lock);
    bool kept = kv->idle_count < EG_KV_READERS_KEPT;
    if (kept) {
        kv->idle[kv->idle_count++] = t->txn;
    }
    pthread_mutex_unlock(&kv->lock);
    if (!kept) {
        mdb_txn_abort(t->txn);
    }
    free(t);
}

eg_err eg_kv_write_begin(eg_kv *kv, eg_kv_txn **ret) {
    eg_kv_txn *t = calloc(1, sizeof *t);
    if (!t) {
        return EG_ERR_NO_MEMORY;
    }
    t->kv = kv;
    t->write = true;
    int rc = mdb_txn_begin(kv->env, NULL, 0, &t->txn);
    if (rc != 0) {
        free(t);
        return eg_kv_of_lmdb(rc);
    }
    static const uint8_t room[EG_KV_RECORD_HEADER];
    eg_buf_reset(&kv->changes);
    kv->unlogged = eg_buf_add(&kv->changes, room, sizeof room) != EG_OK;
    t->mark = kv->changes.len;
    eg_kv_digest_get(kv->digest, &t->sums);
    *ret = t;
    return EG_OK;
}

/* Not one of LMDB's nested transactions: each of those takes 3 MiB of memory and copies every page that the group has changed already. */
eg_err eg_kv_change_begin(eg_kv_txn *group, eg_kv_txn **ret) {
    EG_TRY(group->err);
    eg_kv_txn *t = calloc(1, sizeof *t);
    if (!t) {
        return EG_ERR_NO_MEMORY;
    }
    *t = (eg_kv_txn){.kv = group->kv, .txn = group->txn, .write = true, .parent = group, .mark = group->kv->changes.len};
    eg_kv_digest_get(t->kv->digest, &t->sums);
    *ret = t;
    return EG_OK;
}

/* Too many changes for a record, or no room for it: LMDB has them first, and a checkpoint makes them durable. */
static eg_err commit_unlogged(eg_kv *kv, MDB_txn *txn) {
    EG_TRY(eg_kv_of_lmdb(mdb_txn_commit(txn)));
    return eg_kv_checkpoint_now(kv);
}

/* Records bear LMDB's numbers one after the other: whether it made a transaction of what was committed. */
static bool made(const eg_kv *kv, uint64_t txnid) {
    MDB_envinfo info;
    return mdb_env_info(kv->env, &info) == 0 && info.me_last_txnid == txnid;
}

/* On the disk, then in LMDB, then answered: so nothing is seen that a power cut could take back. */
static eg_err commit_logged(eg_kv *kv, MDB_txn *txn) {
    const uint64_t txnid = mdb_txn_id(txn);
    eg_err e = kv->unlogged ? EG_ERR_LIMIT : eg_kv_log_append(kv->log, txnid, &kv->changes);
    if (e == EG_ERR_LIMIT && !kv->unlogged && eg_kv_log_used(kv->log) > 0) {
        e = eg_kv_checkpoint_begin(kv); /* the other file is empty */
        e = e == EG_OK ? eg_kv_log_append(kv->log, txnid, &kv->changes) : e;
    }
    if (e == EG_ERR_LIMIT) {
        return commit_unlogged(kv, txn);
    }
    if (e != EG_OK) {
        mdb_txn_abort(txn);
        return e;
    }
    e = eg_kv_of_lmdb(mdb_txn_commit(txn));
    if ((e != EG_OK || !made(kv, txnid)) && eg_kv_log_undo(kv->log) != EG_OK) {
        eg_kv_checkpoint_fail(kv);
    }
    return e;
}

static eg_err commit_whole(eg_kv *kv, MDB_txn *txn) {
    if (!kv->log) {
        return eg_kv_of_lmdb(mdb_txn_commit(txn));
    }
    if (eg_kv_checkpoint_failed(kv)) {
        mdb_txn_abort(txn);
        return EG_ERR_IO;
    }
    if (kv->changes.len > EG_KV_RECORD_HEADER || kv->unlogged) {
        return commit_logged(kv, txn);
    }
    const uint64_t txnid = mdb_txn_id(txn);
    EG_TRY(eg_kv_of_lmdb(mdb_txn_commit(txn)));
    return made(kv, txnid) ? eg_kv_checkpoint_now(kv) : EG_OK; /* nothing that we know of, but something of LMDB's own */
}

static void let_go(eg_kv_txn *t) {
    eg_kv_lent_done(t);
    free(t);
}

static void keep_little(eg_buf *b) {
    if (b->cap > KEPT) {
        const size_t max = b->max;
        eg_buf_done(b);
        eg_buf_init(b, max);
    }
}

eg_err eg_kv_write_commit(eg_kv_txn *t) {
    eg_err e = t->err == EG_OK ? eg_kv_digest_write(t) : t->err;
    if (e != EG_OK) {
        eg_kv_write_abort(t);
        return e;
    }
    e = commit_whole(t->kv, t->txn);
    if (e != EG_OK) {
        eg_kv_digest_set(t->kv->digest, &t->sums);
    }
    keep_little(&t->kv->changes);
    let_go(t);
    return e;
}

void eg_kv_write_abort(eg_kv_txn *t) {
    if (t) {
        mdb_txn_abort(t->txn);
        t->kv->changes.len = t->mark;
        eg_kv_digest_set(t->kv->digest, &t->sums);
        let_go(t);
    }
}

/* After some failures, such as a full map, LMDB takes nothing more in a transaction. */
static eg_err still_usable(const eg_kv_txn *t) {
    MDB_stat st;
    return eg_kv_of_lmdb(mdb_stat(t->txn, t->kv->dbis[EG_DB_META], &st));
}

/* What can't be taken back spoils the group. */
eg_err eg_kv_change_end(eg_kv_txn *t, eg_err result) {
    eg_kv *kv = t->kv;
    const eg_err e = result == EG_OK ? t->err : result;
    if (e != EG_OK) {
        eg_err undone = eg_kv_undo_back(t, 0);
        undone = undone == EG_OK ? still_usable(t) : undone;
        kv->changes.len = t->mark;
        eg_kv_digest_set(kv->digest, &t->sums);
        t->parent->err = undone == EG_OK ? EG_OK : t->err != EG_OK ? t->err : undone;
    }
    eg_buf_reset(&kv->undo);
    keep_little(&kv->undo);
    let_go(t);
    return e;
}

/* What can't be noted is no failure: the commit takes the long way. */
static void note(eg_kv_txn *t, eg_err e) { t->kv->unlogged = t->kv->unlogged || e != EG_OK; }

eg_err eg_kv_write_beside(eg_kv_txn *t, const char *path, uint64_t offset, eg_bytes bytes) {
    if (!t->write) {
        return EG_ERR_INVALID;
    }
    if (t->kv->log) {
        note(t, eg_kv_changes_write(&t->kv->changes, path, offset, bytes));
    }
    return EG_OK;
}

/* Pages that were given up and can be used again: each row of LMDB's database of free pages begins with its count. */
static eg_err free_pages(eg_kv_txn *t, uint64_t *ret) {
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    uint64_t n = 0;
    EG_TRY(eg_kv_of_lmdb(mdb_cursor_open(t->txn, 0, &cursor)));
    int rc;
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        size_t count = 0;
        if (v.mv_size >= sizeof count) {
            memcpy(&count, v.mv_data, sizeof count);
        }
        n += count;
    }
    mdb_cursor_close(cursor);
    *ret = n;
    return rc == MDB_NOTFOUND ? EG_OK : eg_kv_of_lmdb(rc);
}

eg_err eg_kv_extent_get(eg_kv *kv, eg_kv_extent *ret) {
    MDB_envinfo info;
    MDB_stat st;
    eg_kv_extent x;
    EG_TRY(eg_kv_of_lmdb(mdb_env_info(kv->env, &info)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_stat(kv->env, &st)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_get_fd(kv->env, &x.fd)));
    x.used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
    x.most = info.me_mapsize;
    *ret = x;
    return EG_OK;
}

eg_err eg_kv_has_room(eg_kv *kv, bool *ret) {
    MDB_envinfo info;
    MDB_stat st;
    EG_TRY(eg_kv_of_lmdb(mdb_env_info(kv->env, &info)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_stat(kv->env, &st)));
    const uint64_t share = info.me_mapsize / RESERVE_SHARE;
    const uint64_t reserve = (share < RESERVE_MAX ? share : RESERVE_MAX) / st.ms_psize;
    const uint64_t all = info.me_mapsize / st.ms_psize, used = info.me_last_pgno + 1;
    uint64_t unused = used < all ? all - used : 0;
    if (unused <= reserve) {
        EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
        uint64_t given_up = 0;
        EG_TRY(eg_kv_read_begin(kv, &t));
        EG_TRY(free_pages(t, &given_up));
        unused += given_up;
    }
    *ret = unused > reserve;
    return EG_OK;
}

static eg_err stick(eg_kv_txn *t, eg_err e) {
    if (e != EG_OK && t->err == EG_OK) {
        t->err = e;
    }
    return e;
}

eg_err eg_kv_get(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes *ret) {
    EG_TRY(t->err);
    MDB_val k = eg_kv_val(key);
    MDB_val v;
    EG_TRY(eg_kv_of_lmdb(mdb_get(t->txn, t->kv->dbis[db], &k, &v)));
    *ret = eg_kv_lend(t, db, eg_kv_bytes(v));
    return EG_OK;
}

/* The digest that a change of this database is a change of, or NULL. */
static eg_kv_digest *digest_of(const eg_kv_txn *t, eg_kv_db db) { return eg_kv_digest_covers(db) ? t->kv->digest : NULL; }

/* A store with a digest is changed by nobody who can't keep it. */
static bool may_change(const eg_kv_txn *t, eg_kv_db db) { return t->write && (t->kv->digest || !t->kv->has_digest || !eg_kv_digest_covers(db)); }

static eg_err note_before(eg_kv_txn *t, eg_kv_db db, eg_bytes key, const eg_bytes *before) {
    return t->parent ? eg_kv_undo_note(&t->kv->undo, db, key, before) : EG_OK;
}

/* With what stood there, for the digest and for a change of a group that may be taken back. Mostly nothing did, which the first try finds out on its way. */
static eg_err put_seen(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value, unsigned flags) {
    eg_kv_digest *d = digest_of(t, db);
    const eg_kv_row_hash now = d ? eg_kv_digest_hash(d, db, key, value) : (eg_kv_row_hash){0};
    const size_t mark = t->kv->undo.len;
    MDB_val k = eg_kv_val(key);
    MDB_val v = eg_kv_val(value);
    EG_TRY(note_before(t, db, key, NULL));
    int rc = mdb_put(t->txn, t->kv->dbis[db], &k, &v, MDB_NOOVERWRITE);
    if (rc == MDB_KEYEXIST && !(flags & MDB_NOOVERWRITE)) {
        const eg_bytes before = eg_kv_bytes(v);
        const eg_kv_row_hash was = d ? eg_kv_digest_hash(d, db, key, before) : now;
        t->kv->undo.len = mark;
        EG_TRY(note_before(t, db, key, &before));
        v = eg_kv_val(value);
        rc = mdb_put(t->txn, t->kv->dbis[db], &k, &v, 0);
        if (rc == 0 && d) {
            eg_kv_digest_take(d, db, was);
        }
    }
    if (rc == 0 && d) {
        eg_kv_digest_add(d, db, now);
    }
    t->kv->undo.len = rc == 0 ? t->kv->undo.len : mark;
    return eg_kv_of_lmdb(rc);
}

/* Noted before LMDB has it, which may move what is borrowed from the transaction; struck out again when it doesn't take it. */
static eg_err put(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value, unsigned flags) {
    EG_TRY(t->err);
    if (!may_change(t, db)) {
        return EG_ERR_INVALID;
    }
    MDB_val k = eg_kv_val(key);
    MDB_val v = eg_kv_val(value);
    const size_t mark = t->kv->changes.len;
    if (t->kv->log) {
        note(t, eg_kv_changes_put(&t->kv->changes, eg_kv_db_names[db], key, value));
    }
    const eg_err e = t->parent || digest_of(t, db) ? put_seen(t, db, key, value, flags) : eg_kv_of_lmdb(mdb_put(t->txn, t->kv->dbis[db], &k, &v, flags));
    t->kv->changes.len = e == EG_OK ? t->kv->changes.len : mark;
    eg_kv_written(t, db);
    return e;
}

eg_err eg_kv_put(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value) {
    return stick(t, put(t, db, key, value, 0));
}

eg_err eg_kv_put_new(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value) {
    eg_err e = put(t, db, key, value, MDB_NOOVERWRITE);
    return e == EG_ERR_EXISTS ? e : stick(t, e);
}

/* EG_ERR_NOT_FOUND; else what is known of the row before it goes. */
static eg_err see_before(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_kv_row_hash *ret) {
    const eg_kv_digest *d = digest_of(t, db);
    MDB_val k = eg_kv_val(key);
    MDB_val v;
    EG_TRY(eg_kv_of_lmdb(mdb_get(t->txn, t->kv->dbis[db], &k, &v)));
    const eg_bytes before = eg_kv_bytes(v);
    if (d) {
        *ret = eg_kv_digest_hash(d, db, key, before);
    }
    return note_before(t, db, key, &before);
}

eg_err eg_kv_del(eg_kv_txn *t, eg_kv_db db, eg_bytes key) {
    EG_TRY(t->err);
    if (!may_change(t, db)) {
        return stick(t, EG_ERR_INVALID);
    }
    MDB_val k = eg_kv_val(key);
    eg_kv_row_hash was = {0};
    const size_t mark = t->kv->changes.len;
    if (t->parent || digest_of(t, db)) {
        const eg_err e = see_before(t, db, key, &was);
        EG_TRY(e == EG_ERR_NOT_FOUND ? EG_OK : stick(t, e));
        if (e == EG_ERR_NOT_FOUND) {
            return EG_OK;
        }
    }
    if (t->kv->log) {
        note(t, eg_kv_changes_del(&t->kv->changes, eg_kv_db_names[db], key));
    }
    int rc = mdb_del(t->txn, t->kv->dbis[db], &k, NULL);
    if (rc == 0 && digest_of(t, db)) {
        eg_kv_digest_take(t->kv->digest, db, was);
    }
    t->kv->changes.len = rc == 0 ? t->kv->changes.len : mark;
    eg_kv_written(t, db);
    return rc == MDB_NOTFOUND ? EG_OK : stick(t, eg_kv_of_lmdb(rc));
}

/* Cursors. */

eg_err eg_kv_cursor_open(eg_kv_txn *t, eg_kv_db db, eg_bytes from, eg_kv_cursor **ret) {
    EG_TRY(t->err);
    if (from.len > EG_KV_KEY_MAX) {
        return EG_ERR_INVALID;
    }
    eg_kv_cursor *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->txn = t;
    c->db = db;
    c->from_len = from.len;
    if (from.len > 0) {
        memcpy(c->from, from.ptr, from.len);
    }
    int rc = mdb_cursor_open(t->txn, t->kv->dbis[db], &c->cursor);
    if (rc != 0) {
        free(c);
        return eg_kv_of_lmdb(rc);
    }
    *ret = c;
    return EG_OK;
}

eg_err eg_kv_cursor_next(eg_kv_cursor *c, eg_bytes *ret_key, eg_bytes *ret_value) {
    EG_TRY(c->txn->err);
    MDB_val k = {.mv_size = c->from_len, .mv_data = c->from};
    MDB_val v;
    MDB_cursor_op op = c->placed ? MDB_NEXT : c->from_len > 0 ? MDB_SET_RANGE : MDB_FIRST;
    EG_TRY(eg_kv_of_lmdb(mdb_cursor_get(c->cursor, &k, &v, op)));
    c->placed = true;
    *ret_key = eg_kv_lend(c->txn, c->db, eg_kv_bytes(k));
    *ret_value = eg_kv_lend(c->txn, c->db, eg_kv_bytes(v));
    return EG_OK;
}

eg_err eg_kv_cursor_prev_of(eg_kv_cursor *c, eg_bytes before, eg_bytes *ret_key, eg_bytes *ret_value) {
    EG_TRY(c->txn->err);
    if (before.len > EG_KV_KEY_MAX) {
        return EG_ERR_INVALID;
    }
    if (before.ptr && before.len == 0) {
        return EG_ERR_NOT_FOUND; /* no key is less than the empty one */
    }
    MDB_val k = eg_kv_val(before);
    MDB_val v;
    int rc = MDB_NOTFOUND;
    MDB_cursor_op op = MDB_LAST;
    if (before.ptr) {
        rc = mdb_cursor_get(c->cursor, &k, &v, MDB_SET_RANGE);
        op = rc == 0 ? MDB_PREV : MDB_LAST;
    }
    if (rc == 0 || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(c->cursor, &k, &v, op);
    }
    EG_TRY(eg_kv_of_lmdb(rc));
    c->placed = true;
    *ret_key = eg_kv_lend(c->txn, c->db, eg_kv_bytes(k));
    *ret_value = eg_kv_lend(c->txn, c->db, eg_kv_bytes(v));
    return EG_OK;
}

eg_err eg_kv_cursor_del(eg_kv_cursor *c) {
    EG_TRY(c->txn->err);
    if (!may_change(c->txn, c->db) || !c->placed) {
        return EG_ERR_INVALID;
    }
    MDB_val k;
    MDB_val v;
    uint8_t key[EG_KV_KEY_MAX];
    eg_kv_digest *d = digest_of(c->txn, c->db);
    EG_TRY(stick(c->txn, eg_kv_of_lmdb(mdb_cursor_get(c->cursor, &k, &v, MDB_GET_CURRENT))));
    const size_t n = k.mv_size < sizeof key ? k.mv_size : sizeof key;
    memcpy(key, k.mv_data, n);
    const eg_bytes before = eg_kv_bytes(v);
    const eg_kv_row_hash was = d ? eg_kv_digest_hash(d, c->db, (eg_bytes){key, n}, before) : (eg_kv_row_hash){0};
    EG_TRY(stick(c->txn, note_before(c->txn, c->db, (eg_bytes){key, n}, &before)));
    EG_TRY(stick(c->txn, eg_kv_of_lmdb(mdb_cursor_del(c->cursor, 0))));
    if (d) {
        eg_kv_digest_take(d, c->db, was);
    }
    eg_kv_written(c->txn, c->db);
    if (c->txn->kv->log) {
        note(c->txn, eg_kv_changes_del(&c->txn->kv->changes, eg_kv_db_names[c->db], (eg_bytes){key, n}));
    }
    return EG_OK;
}

void eg_kv_cursor_close(eg_kv_cursor *c) {
    if (c) {
        mdb_cursor_close(c->cursor);
        free(c);
    }
}

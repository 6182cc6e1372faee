/* The key-value store over LMDB: opening, transactions with a sticky error, cursors. */
#include <embergate/kv.h>

#include <embergate/durable_file.h>

#include "kv_txn.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define FORMAT "1"
#define LOCK_FILE "embergate.lock"
#define READERS_KEPT 64u
#define RESERVE_SHARE 8u
#define RESERVE_MAX ((uint64_t)64 << 20)

/* A sanitizer's shadow leaves no room for a terabyte of address space. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SMALL_MAP
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SMALL_MAP)
#define MAP_SIZE_DEFAULT ((uint64_t)16 << 30)
#else
#define MAP_SIZE_DEFAULT ((uint64_t)1 << 40)
#endif

struct eg_kv {
    MDB_env *env;
    MDB_dbi dbis[EG_DB_COUNT];
    int lock_fd;
    pthread_mutex_t lock;
    MDB_txn *idle[READERS_KEPT]; /* reset read transactions, each holding a reader slot */
    unsigned idle_count;
};

struct eg_kv_txn {
    eg_kv *kv;
    MDB_txn *txn;
    bool write;
    eg_err err;
};

struct eg_kv_cursor {
    MDB_cursor *cursor;
    eg_kv_txn *txn;
    bool placed;
    size_t from_len;
    uint8_t from[EG_KV_KEY_MAX];
};

static const char *const db_names[EG_DB_COUNT] = {
#define X(id, name) [EG_DB_##id] = name,
    EG_KV_DB_LIST(X)
#undef X
};

static eg_err from_lmdb(int rc) {
    switch (rc) {
    case MDB_SUCCESS:
        return EG_OK;
    case MDB_NOTFOUND:
        return EG_ERR_NOT_FOUND;
    case MDB_KEYEXIST:
        return EG_ERR_EXISTS;
    case MDB_MAP_FULL:
        return EG_ERR_MAP_FULL;
    case MDB_TXN_FULL:
        return EG_ERR_LIMIT;
    case MDB_READERS_FULL:
        return EG_ERR_BUSY;
    case MDB_BAD_VALSIZE:
    case EINVAL:
        return EG_ERR_INVALID;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
        return EG_ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return EG_ERR_FORMAT_VERSION;
    case ENOENT:
        return EG_ERR_IO; /* a missing file is not a missing key */
    default:
        return rc > 0 ? eg_err_from_errno(rc) : EG_ERR_INTERNAL;
    }
}

/* LMDB only reads what a put or get is given, but takes a pointer to non-const. */
static MDB_val as_val(eg_bytes b) {
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = b.ptr};
    return (MDB_val){.mv_size = b.len, .mv_data = u.out};
}

static eg_bytes as_bytes(MDB_val v) {
    return (eg_bytes){v.mv_data, v.mv_size};
}

/* Opening. */

/* The lock file holds the pid of who has the lock, for the message only: the lock itself is the kernel's. */
static eg_err take_lock(const char *dir, int *ret_fd, eg_problem *p) {
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd < 0 ? -1 : openat(dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int saved = errno;
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(saved), "Cannot open the lock file of \"%s\": %s.", dir, strerrordesc_np(saved));
    }
    char pid[24] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        close(fd);
        return eg_fail(p, EG_ERR_LOCKED, "The store \"%s\" is in use by process %s.", dir, pid[0] ? pid : "(unknown)");
    }
    int n = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
        saved = errno;
        close(fd);
        return eg_fail(p, eg_err_from_errno(saved), "Cannot write the lock file of \"%s\".", dir);
    }
    *ret_fd = fd;
    return EG_OK;
}

static eg_err wrong_format(eg_problem *p, eg_str found) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, EG_ERR_FORMAT_VERSION, "The store has format \"%.*s\"; this version reads format \"%s\".", EG_FMT(found), FORMAT);
    return eg_fail_hint(to, "Start the version of embergate that wrote it, or restore a backup made with this version.");
}

/* A new environment gets the format; an old one must have it before any database is made in it. */
static eg_err check_format(MDB_txn *txn, eg_problem *p) {
    MDB_stat st;
    MDB_dbi main_dbi;
    MDB_dbi meta;
    MDB_val key = {.mv_size = 6};
    MDB_val value = {.mv_size = sizeof FORMAT - 1};
    char name[] = "format";
    char format[] = FORMAT;
    key.mv_data = name;
    value.mv_data = format;
    int rc = mdb_dbi_open(txn, NULL, 0, &main_dbi);
    rc = rc ? rc : mdb_stat(txn, main_dbi, &st);
    if (rc == 0 && st.ms_entries == 0) {
        rc = mdb_dbi_open(txn, db_names[EG_DB_META], MDB_CREATE, &meta);
        return from_lmdb(rc ? rc : mdb_put(txn, meta, &key, &value, 0));
    }
    rc = rc ? rc : mdb_dbi_open(txn, db_names[EG_DB_META], 0, &meta);
    rc = rc ? rc : mdb_get(txn, meta, &key, &value);
    if (rc == MDB_NOTFOUND) {
        return wrong_format(p, EG_LIT("none"));
    }
    if (rc == 0 && !eg_str_is(eg_bytes_str(as_bytes(value)), FORMAT)) {
        return wrong_format(p, eg_bytes_str(as_bytes(value)));
    }
    return from_lmdb(rc);
}

static eg_err open_databases(eg_kv *kv, eg_problem *p) {
    MDB_txn *txn = NULL;
    EG_TRY(from_lmdb(mdb_txn_begin(kv->env, NULL, 0, &txn)));
    eg_err e = check_format(txn, p);
    for (int i = 0; e == EG_OK && i < EG_DB_COUNT; i++) {
        e = from_lmdb(mdb_dbi_open(txn, db_names[i], MDB_CREATE, &kv->dbis[i]));
    }
    if (e != EG_OK) {
        mdb_txn_abort(txn);
        return e;
    }
    return from_lmdb(mdb_txn_commit(txn));
}

static eg_err open_environment(const eg_kv_options *o, eg_kv *kv) {
    EG_TRY(from_lmdb(mdb_env_create(&kv->env)));
    /* NOTLS: read transactions move between threads. */
    unsigned flags = MDB_NOTLS | (o->no_sync ? MDB_NOSYNC : 0);
    EG_TRY(from_lmdb(mdb_env_set_maxdbs(kv->env, EG_DB_COUNT + 1)));
    EG_TRY(from_lmdb(mdb_env_set_maxreaders(kv->env, o->max_readers ? o->max_readers : 512)));
    EG_TRY(from_lmdb(mdb_env_set_mapsize(kv->env, o->map_size ? o->map_size : MAP_SIZE_DEFAULT)));
    return from_lmdb(mdb_env_open(kv->env, o->dir, flags, 0600));
}

eg_err eg_kv_open(const eg_kv_options *o, eg_kv **ret, eg_problem *p) {
    EG_TRY(eg_dir_make(o->dir, 0700, p));
    eg_kv *kv = calloc(1, sizeof *kv);
    if (!kv) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the store.");
    }
    pthread_mutex_init(&kv->lock, NULL);
    kv->lock_fd = -1;
    eg_problem inner = {0};
    eg_err e = take_lock(o->dir, &kv->lock_fd, &inner);
    if (e == EG_OK) {
        e = open_environment(o, kv);
    }
    if (e == EG_OK) {
        e = open_databases(kv, &inner);
    }
    if (e != EG_OK) {
        if (inner.message[0] == '\0') {
            eg_fail(&inner, e, "Cannot open the store \"%s\": %s.", o->dir, eg_err_code(e));
        }
        if (p) {
            *p = inner;
        }
        eg_kv_close(kv);
        return e;
    }
    *ret = kv;
    return EG_OK;
}

void eg_kv_close(eg_kv *kv) {
    if (!kv) {
        return;
    }
    for (unsigned i = 0; i < kv->idle_count; i++) {
        mdb_txn_abort(kv->idle[i]);
    }
    if (kv->env) {
        mdb_env_close(kv->env);
    }
    if (kv->lock_fd >= 0) {
        close(kv->lock_fd);
    }
    pthread_mutex_destroy(&kv->lock);
    free(kv);
}

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
        return from_lmdb(rc);
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
    bool kept = kv->idle_count < READERS_KEPT;
    if (kept) {
        kv->idle[kv->idle_count++] = t->txn;
    }
    pthread_mutex_unlock(&kv->lock);
    if (!kept) {
        mdb_txn_abort(t->txn);
    }
    free(t);
}

eg_err eg_kv_write_begin(eg_kv *kv, eg_kv_txn *parent, eg_kv_txn **ret) {
    eg_kv_txn *t = calloc(1, sizeof *t);
    if (!t) {
        return EG_ERR_NO_MEMORY;
    }
    t->kv = kv;
    t->write = true;
    int rc = mdb_txn_begin(kv->env, parent ? parent->txn : NULL, 0, &t->txn);
    if (rc != 0) {
        free(t);
        return from_lmdb(rc);
    }
    *ret = t;
    return EG_OK;
}

eg_err eg_kv_write_commit(eg_kv_txn *t) {
    eg_err e = t->err;
    if (e != EG_OK) {
        mdb_txn_abort(t->txn);
    } else {
        e = from_lmdb(mdb_txn_commit(t->txn));
    }
    free(t);
    return e;
}

void eg_kv_write_abort(eg_kv_txn *t) {
    if (t) {
        mdb_txn_abort(t->txn);
        free(t);
    }
}

/* Pages that were given up and can be used again: each row of LMDB's database of free pages begins with its count. */
static eg_err free_pages(eg_kv_txn *t, uint64_t *ret) {
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    uint64_t n = 0;
    EG_TRY(from_lmdb(mdb_cursor_open(t->txn, 0, &cursor)));
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
    return rc == MDB_NOTFOUND ? EG_OK : from_lmdb(rc);
}

eg_err eg_kv_extent_get(eg_kv *kv, eg_kv_extent *ret) {
    MDB_envinfo info;
    MDB_stat st;
    eg_kv_extent x;
    EG_TRY(from_lmdb(mdb_env_info(kv->env, &info)));
    EG_TRY(from_lmdb(mdb_env_stat(kv->env, &st)));
    EG_TRY(from_lmdb(mdb_env_get_fd(kv->env, &x.fd)));
    x.used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
    x.most = info.me_mapsize;
    *ret = x;
    return EG_OK;
}

eg_err eg_kv_has_room(eg_kv *kv, bool *ret) {
    MDB_envinfo info;
    MDB_stat st;
    EG_TRY(from_lmdb(mdb_env_info(kv->env, &info)));
    EG_TRY(from_lmdb(mdb_env_stat(kv->env, &st)));
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
    MDB_val k = as_val(key);
    MDB_val v;
    EG_TRY(from_lmdb(mdb_get(t->txn, t->kv->dbis[db], &k, &v)));
    *ret = as_bytes(v);
    return EG_OK;
}

static eg_err put(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value, unsigned flags) {
    EG_TRY(t->err);
    if (!t->write) {
        return EG_ERR_INVALID;
    }
    MDB_val k = as_val(key);
    MDB_val v = as_val(value);
    return from_lmdb(mdb_put(t->txn, t->kv->dbis[db], &k, &v, flags));
}

eg_err eg_kv_put(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value) {
    return stick(t, put(t, db, key, value, 0));
}

eg_err eg_kv_put_new(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value) {
    eg_err e = put(t, db, key, value, MDB_NOOVERWRITE);
    return e == EG_ERR_EXISTS ? e : stick(t, e);
}

eg_err eg_kv_del(eg_kv_txn *t, eg_kv_db db, eg_bytes key) {
    EG_TRY(t->err);
    if (!t->write) {
        return stick(t, EG_ERR_INVALID);
    }
    MDB_val k = as_val(key);
    int rc = mdb_del(t->txn, t->kv->dbis[db], &k, NULL);
    return rc == MDB_NOTFOUND ? EG_OK : stick(t, from_lmdb(rc));
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
    c->from_len = from.len;
    if (from.len > 0) {
        memcpy(c->from, from.ptr, from.len);
    }
    int rc = mdb_cursor_open(t->txn, t->kv->dbis[db], &c->cursor);
    if (rc != 0) {
        free(c);
        return from_lmdb(rc);
    }
    *ret = c;
    return EG_OK;
}

eg_err eg_kv_cursor_next(eg_kv_cursor *c, eg_bytes *ret_key, eg_bytes *ret_value) {
    EG_TRY(c->txn->err);
    MDB_val k = {.mv_size = c->from_len, .mv_data = c->from};
    MDB_val v;
    MDB_cursor_op op = c->placed ? MDB_NEXT : c->from_len > 0 ? MDB_SET_RANGE : MDB_FIRST;
    EG_TRY(from_lmdb(mdb_cursor_get(c->cursor, &k, &v, op)));
    c->placed = true;
    *ret_key = as_bytes(k);
    *ret_value = as_bytes(v);
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
    MDB_val k = as_val(before);
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
    EG_TRY(from_lmdb(rc));
    c->placed = true;
    *ret_key = as_bytes(k);
    *ret_value = as_bytes(v);
    return EG_OK;
}

eg_err eg_kv_cursor_del(eg_kv_cursor *c) {
    EG_TRY(c->txn->err);
    if (!c->txn->write || !c->placed) {
        return EG_ERR_INVALID;
    }
    return stick(c->txn, from_lmdb(mdb_cursor_del(c->cursor, 0)));
}

void eg_kv_cursor_close(eg_kv_cursor *c) {
    if (c) {
        mdb_cursor_close(c->cursor);
        free(c);
    }
}

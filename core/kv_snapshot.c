/* A consistent copy of the store while another process writes it. */
#include "kv_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* A sanitizer's shadow leaves no room for a terabyte of address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAP_SIZE ((size_t)16 << 30)
#else
#define MAP_SIZE ((size_t)1 << 40)
#endif
#define ROWS_A_TXN 20000

struct eg_kv_snapshot {
    MDB_env *env;
    MDB_txn *txn;
    int lock_fd;
};

static eg_err failed(eg_problem *p, int rc, const char *what) {
    const eg_err e = rc == MDB_MAP_FULL ? EG_ERR_MAP_FULL : rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID ? EG_ERR_CORRUPT
        : rc > 0 ? eg_err_from_errno(rc) : EG_ERR_INTERNAL;
    return eg_fail(p, e, "The store can't be %s: %s.", what, mdb_strerror(rc));
}

void eg_kv_snapshot_close(eg_kv_snapshot *s) {
    if (!s) {
        return;
    }
    if (s->txn) {
        mdb_txn_abort(s->txn);
    }
    if (s->env) {
        mdb_env_close(s->env);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    free(s);
}

static int open_env(const char *dir, unsigned flags, MDB_env **ret) {
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);
    rc = rc ? rc : mdb_env_set_maxdbs(env, EG_DB_COUNT + 1);
    rc = rc ? rc : mdb_env_set_mapsize(env, MAP_SIZE);
    rc = rc ? rc : mdb_env_open(env, dir, flags, 0600);
    if (rc != 0 && env) {
        mdb_env_close(env);
        env = NULL;
    }
    *ret = env;
    return rc;
}

static int open_in(const char *dir, const char *name) {
    char path[4096];
    const bool fits = snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path;
    errno = fits ? errno : ENAMETOOLONG;
    return fits ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
}

/* With a log LMDB's file is only good while a process has the store open: a crash may have left anything, until the next start has recovered it. While this is
 * held, no start sets it back. */
static eg_err hold(const char *dir, int *ret_fd, eg_problem *p) {
    const int log = open_in(dir, EG_KV_LOG_FIRST_FILE);
    if (log < 0) {
        return errno == ENOENT ? EG_OK : eg_fail(p, eg_err_from_errno(errno), "The store can't be read: %s.", strerrordesc_np(errno));
    }
    const int fd = open_in(dir, EG_KV_SNAPSHOT_LOCK);
    const bool held = fd >= 0 && flock(fd, LOCK_SH) == 0 && flock(log, LOCK_SH | LOCK_NB) != 0;
    close(log);
    if (!held) {
        if (fd >= 0) {
            close(fd);
        }
        return eg_fail(p, EG_ERR_BUSY, "The store is not open, or is being recovered.");
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_kv_snapshot_open(const char *dir, eg_kv_snapshot **ret, eg_problem *p) {
    EG_CLEANUP(eg_kv_snapshot_close_p) eg_kv_snapshot *s = calloc(1, sizeof *s);
    int dead = 0;
    if (!s) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the store.");
    }
    s->lock_fd = -1;
    EG_TRY(hold(dir, &s->lock_fd, p));
    int rc = open_env(dir, MDB_RDONLY | MDB_NOTLS, &s->env);
    if (rc == 0) {
        (void)mdb_reader_check(s->env, &dead);
        rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);
    }
    if (rc != 0) {
        return failed(p, rc, "read");
    }
    *ret = s;
    s = NULL;
    return EG_OK;
}

/* One database, in order, so that pages fill up and nothing is sorted again. */
static int copy_rows(MDB_cursor *from, MDB_env *to, const char *name) {
    MDB_val k;
    MDB_val v;
    int rc = mdb_cursor_get(from, &k, &v, MDB_FIRST);
    bool more = true;
    while (more) {
        MDB_txn *txn = NULL;
        MDB_dbi dbi = 0;
        int put = mdb_txn_begin(to, NULL, 0, &txn);
        put = put ? put : mdb_dbi_open(txn, name, MDB_CREATE, &dbi);
        for (size_t n = 0; put == 0 && rc == 0 && n < ROWS_A_TXN; n++) {
            put = mdb_put(txn, dbi, &k, &v, MDB_APPEND);
            rc = put ? rc : mdb_cursor_get(from, &k, &v, MDB_NEXT);
        }
        if (put != 0) {
            if (txn) {
                mdb_txn_abort(txn);
            }
            return put;
        }
        put = mdb_txn_commit(txn);
        if (put != 0) {
            return put;
        }
        more = rc == 0;
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int copy_all(MDB_txn *from, MDB_env *to) {
    for (size_t i = 0; i < EG_DB_COUNT; i++) {
        MDB_dbi dbi = 0;
        MDB_cursor *c = NULL;
        int rc = mdb_dbi_open(from, eg_kv_db_names[i], 0, &dbi);
        if (rc == MDB_NOTFOUND) {
            continue; /* a store that is older than this database */
        }
        rc = rc ? rc : mdb_cursor_open(from, dbi, &c);
        rc = rc ? rc : copy_rows(c, to, eg_kv_db_names[i]);
        if (c) {
            mdb_cursor_close(c);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

eg_err eg_kv_snapshot_write(eg_kv_snapshot *s, const char *to_dir, eg_problem *p) {
    MDB_env *to = NULL;
    char lock[4096];
    int rc = open_env(to_dir, MDB_NOSYNC | MDB_NOTLS, &to);
    rc = rc ? rc : copy_all(s->txn, to);
    rc = rc ? rc : mdb_env_sync(to, 1);
    if (to) {
        mdb_env_close(to);
    }
    if (rc != 0) {
        return failed(p, rc, "copied");
    }
    const int n = snprintf(lock, sizeof lock, "%s/lock.mdb", to_dir);
    if (n > 0 && (size_t)n < sizeof lock) {
        (void)unlink(lock); /* of no use to anybody else, and made anew */
    }
    return EG_OK;
}

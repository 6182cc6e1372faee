/* Opening the store: its lock, its format, and what a crash left. */
#include "kv_env.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define FORMAT "2"
#define OLD_FORMAT "1"    /* without a log; raised when it is opened */
#define DIGEST_FORMAT "3" /* with a digest (kv_digest.c), which the second has not */
#define LOCK_FILE "embergate.lock"
#define HOLD_TRIES 100 /* of 10 ms */

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


const char *const eg_kv_db_names[EG_DB_COUNT] = {
#define X(id, name) [EG_DB_##id] = name,
    EG_KV_DB_LIST(X)
#undef X
};

eg_err eg_kv_of_lmdb(int rc) {
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

/* The lock file holds the pid of who has the lock, for the message only: the lock itself is the kernel's. */
static eg_err take_lock(eg_kv *kv, const char *dir, eg_problem *p) {
    kv->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = kv->dir_fd < 0 ? -1 : openat(kv->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int saved = errno;
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
    kv->lock_fd = fd;
    return EG_OK;
}

static eg_err wrong_format(eg_problem *p, eg_str found) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, EG_ERR_FORMAT_VERSION, "The store has format \"%.*s\"; this version reads format \"%s\".", EG_FMT(found), DIGEST_FORMAT);
    return eg_fail_hint(to, "Start the version of embergate that wrote it, or restore a backup made with this version.");
}

/* A new environment gets the format; an old one must have it before any database is made in it. */
static eg_err check_format(MDB_txn *txn, bool *ret_digest, eg_problem *p) {
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
        rc = mdb_dbi_open(txn, eg_kv_db_names[EG_DB_META], MDB_CREATE, &meta);
        return eg_kv_of_lmdb(rc ? rc : mdb_put(txn, meta, &key, &value, 0));
    }
    rc = rc ? rc : mdb_dbi_open(txn, eg_kv_db_names[EG_DB_META], 0, &meta);
    rc = rc ? rc : mdb_get(txn, meta, &key, &value);
    if (rc == MDB_NOTFOUND) {
        return wrong_format(p, EG_LIT("none"));
    }
    *ret_digest = rc == 0 && eg_str_is(eg_bytes_str(eg_kv_bytes(value)), DIGEST_FORMAT);
    if (rc == 0 && eg_str_is(eg_bytes_str(eg_kv_bytes(value)), OLD_FORMAT)) {
        value = (MDB_val){.mv_size = sizeof FORMAT - 1, .mv_data = format};
        return eg_kv_of_lmdb(mdb_put(txn, meta, &key, &value, 0));
    }
    if (rc == 0 && !*ret_digest && !eg_str_is(eg_bytes_str(eg_kv_bytes(value)), FORMAT)) {
        return wrong_format(p, eg_bytes_str(eg_kv_bytes(value)));
    }
    return eg_kv_of_lmdb(rc);
}

eg_err eg_kv_say_digest(eg_kv_txn *t) {
    EG_TRY(eg_kv_put(t, EG_DB_META, eg_str_bytes(EG_LIT("format")), eg_str_bytes(EG_LIT(DIGEST_FORMAT))));
    t->kv->has_digest = true;
    return EG_OK;
}

static eg_err open_databases(eg_kv *kv, eg_problem *p) {
    MDB_txn *txn = NULL;
    EG_TRY(eg_kv_of_lmdb(mdb_txn_begin(kv->env, NULL, 0, &txn)));
    eg_err e = check_format(txn, &kv->has_digest, p);
    for (int i = 0; e == EG_OK && i < EG_DB_COUNT; i++) {
        e = eg_kv_of_lmdb(mdb_dbi_open(txn, eg_kv_db_names[i], MDB_CREATE, &kv->dbis[i]));
    }
    if (e != EG_OK) {
        mdb_txn_abort(txn);
        return e;
    }
    return eg_kv_of_lmdb(mdb_txn_commit(txn));
}

static eg_err open_environment(const eg_kv_options *o, eg_kv *kv) {
    EG_TRY(eg_kv_of_lmdb(mdb_env_create(&kv->env)));
    /* NOTLS: read transactions move between threads. */
    unsigned flags = MDB_NOTLS | (o->no_sync ? MDB_NOSYNC : 0);
    EG_TRY(eg_kv_of_lmdb(mdb_env_set_maxdbs(kv->env, EG_DB_COUNT + 1)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_set_maxreaders(kv->env, o->max_readers ? o->max_readers : 512)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_set_mapsize(kv->env, o->map_size ? o->map_size : MAP_SIZE_DEFAULT)));
    EG_TRY(eg_kv_of_lmdb(mdb_env_open(kv->env, o->dir, flags, 0600)));
    int dead = 0;
    return eg_kv_of_lmdb(mdb_reader_check(kv->env, &dead)); /* what a killed process had pinned, when a backup kept its slots */
}

/* Until it is let go of, no snapshot begins. Not taken: one is being read that began while a process of this kernel had the store open. Then that process left the
 * file as it is, and it may not be set back. A snapshot that finds the store closed lets go at once. */
static int hold_off_snapshots(const eg_kv *kv) {
    const struct timespec pause = {0, 10000000};
    const int fd = openat(kv->dir_fd, EG_KV_SNAPSHOT_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < HOLD_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return fd;
        }
        (void)nanosleep(&pause, NULL);
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static void close_environment(eg_kv *kv) {
    if (kv->env) {
        mdb_env_close(kv->env);
        kv->env = NULL;
    }
}

static uint64_t last_txnid(const eg_kv *kv) {
    MDB_envinfo info;
    return mdb_env_info(kv->env, &info) == 0 ? info.me_last_txnid : 0;
}

/* The file of LMDB as the base has it. A file that is older than its log is not the log's. */
static eg_err open_set_back(const eg_kv_options *o, eg_kv *kv, const eg_kv_base *base, bool alone, eg_problem *p) {
    const eg_err e = open_environment(o, kv);
    if (e == EG_OK && last_txnid(kv) < base->txnid) {
        return eg_fail(p, EG_ERR_CORRUPT, "The store \"%s\" is older than its log: put both back, or take both away.", o->dir);
    }
    if (!alone) {
        return e;
    }
    close_environment(kv);
    EG_TRY(eg_kv_set_back(kv->dir_fd, base));
    EG_TRY(open_environment(o, kv));
    return last_txnid(kv) == base->txnid ? EG_OK : EG_ERR_CORRUPT;
}

/* Both ways end with a checkpoint, before which nothing that the base needs is overwritten. */
static eg_err recover(const eg_kv_options *o, eg_kv *kv, const eg_kv_base *base, bool alone, eg_problem *p) {
    if (base->generation == 0) {
        EG_TRY(open_environment(o, kv));
        EG_TRY(open_databases(kv, p)); /* synced by LMDB: there is no base to set it back to */
        EG_TRY(eg_kv_of_lmdb(mdb_env_set_flags(kv->env, MDB_NOSYNC, 1)));
    } else {
        EG_TRY(open_set_back(o, kv, base, alone, p));
        EG_TRY(eg_kv_of_lmdb(mdb_env_set_flags(kv->env, MDB_NOSYNC, 1)));
        EG_TRY(eg_kv_checkpoint_pin(kv));
        EG_TRY(eg_kv_replay(kv, base, alone, p));
        if (!alone) {
            EG_TRY(eg_kv_checkpoint_now(kv)); /* what comes next may overwrite pages of the base */
        }
        EG_TRY(open_databases(kv, p));
    }
    return eg_kv_checkpoint_now(kv);
}

static eg_err open_logged(const eg_kv_options *o, eg_kv *kv, eg_problem *p) {
    eg_kv_base base = {0};
    EG_TRY(eg_kv_log_open(kv->dir_fd, &kv->log, &base, p));
    EG_TRY(eg_kv_checkpointer_new(kv, &kv->checkpointer));
    const int hold = hold_off_snapshots(kv);
    eg_err e = recover(o, kv, &base, hold >= 0, p);
    e = e == EG_OK ? eg_kv_log_mark_open(kv->log) : e;
    if (hold >= 0) {
        close(hold);
    }
    return e;
}

static eg_err open_all(const eg_kv_options *o, eg_kv *kv, eg_problem *p) {
    EG_TRY(take_lock(kv, o->dir, p));
    if (!o->no_sync) {
        return open_logged(o, kv, p);
    }
    EG_TRY(open_environment(o, kv));
    return open_databases(kv, p);
}

eg_err eg_kv_open(const eg_kv_options *o, eg_kv **ret, eg_problem *p) {
    EG_TRY(eg_dir_make(o->dir, 0700, p));
    eg_kv *kv = calloc(1, sizeof *kv);
    if (!kv) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the store.");
    }
    pthread_mutex_init(&kv->lock, NULL);
    eg_buf_init(&kv->changes, EG_KV_CHANGES_MAX);
    eg_buf_init(&kv->undo, EG_KV_UNDO_MAX);
    kv->dir_fd = kv->lock_fd = -1;
    eg_problem inner = {0};
    const eg_err e = open_all(o, kv, &inner);
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
    eg_kv_checkpointer_free(kv->checkpointer);
    close_environment(kv);
    eg_kv_log_close(kv->log);
    eg_buf_done(&kv->changes);
    eg_buf_done(&kv->undo);
    eg_kv_digest_free(kv->digest);
    if (kv->lock_fd >= 0) {
        close(kv->lock_fd);
    }
    if (kv->dir_fd >= 0) {
        close(kv->dir_fd);
    }
    pthread_mutex_destroy(&kv->lock);
    free(kv);
}

/* What a start does after a crash: LMDB's file is set back to the last checkpoint, and what the log has behind it is done again. */
#include "kv_env.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_BESIDE 255

eg_err eg_kv_set_back(int dir_fd, const eg_kv_base *base) {
    const int fd = openat(dir_fd, "data.mdb", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? EG_ERR_CORRUPT : eg_err_from_errno(errno);
    }
    eg_err e = EG_OK;
    for (int i = 0; i < 2 && e == EG_OK; i++) {
        uint8_t there[EG_KV_META_KEPT];
        const off_t at = (off_t)i * base->page_size;
        e = eg_pread_all(fd, there, sizeof there, at);
        if (e == EG_OK && memcmp(there, base->metas[i], sizeof there) != 0) {
            e = pwrite(fd, base->metas[i], sizeof there, at) == (ssize_t)sizeof there ? EG_OK : EG_ERR_IO;
        }
    }
    close(fd);
    return e;
}

typedef struct replay {
    eg_kv *kv;
    bool rows;
    MDB_txn *txn;
    int fd;                    /* of what was written to last beside the store */
    size_t path_len;
    char path[PATH_MAX_BESIDE + 1];
} replay;

static eg_err close_beside(replay *r) {
    const eg_err e = r->fd >= 0 && fdatasync(r->fd) < 0 ? eg_err_from_errno(errno) : EG_OK;
    if (r->fd >= 0) {
        close(r->fd);
    }
    r->fd = -1;
    r->path_len = 0;
    return e;
}

/* Beneath the directory that the store's own lies in. A file that isn't there was unlinked since: what was in it lies elsewhere. */
static eg_err open_beside(replay *r, eg_str path) {
    EG_TRY(close_beside(r));
    if (path.len == 0 || path.len > PATH_MAX_BESIDE) {
        return EG_ERR_CORRUPT;
    }
    memcpy(r->path, path.ptr, path.len);
    r->path[path.len] = '\0';
    r->path_len = path.len;
    if (r->path[0] == '/' || strstr(r->path, "..") || strlen(r->path) != path.len) {
        return EG_ERR_CORRUPT;
    }
    const int parent = openat(r->kv->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->fd = parent < 0 ? -1 : openat(parent, r->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    const int failed = r->fd < 0 ? errno : 0;
    if (parent >= 0) {
        close(parent);
    }
    return failed && failed != ENOENT ? eg_err_from_errno(failed) : EG_OK;
}

static eg_err write_beside(replay *r, const eg_kv_change *c) {
    if (c->name.len != r->path_len || memcmp(c->name.ptr, r->path, r->path_len) != 0) {
        EG_TRY(open_beside(r, c->name));
    }
    for (size_t done = 0; r->fd >= 0 && done < c->value.len;) {
        const ssize_t n = pwrite(r->fd, c->value.ptr + done, c->value.len - done, (off_t)(c->offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? eg_err_from_errno(errno) : EG_ERR_IO;
        }
        done += (size_t)n;
    }
    return EG_OK;
}

static eg_err do_again(void *ctx, const eg_kv_change *c) {
    replay *r = ctx;
    if (c->write) {
        return write_beside(r, c);
    }
    for (int i = 0; r->rows && i < EG_DB_COUNT; i++) {
        if (eg_str_is(c->name, eg_kv_db_names[i])) {
            MDB_dbi dbi = 0;
            MDB_val k = eg_kv_val(c->key), v = eg_kv_val(c->value);
            int rc = mdb_dbi_open(r->txn, eg_kv_db_names[i], 0, &dbi);
            rc = rc ? rc : c->put ? mdb_put(r->txn, dbi, &k, &v, 0) : mdb_del(r->txn, dbi, &k, NULL);
            return rc == MDB_NOTFOUND ? EG_ERR_CORRUPT : eg_kv_of_lmdb(rc);
        }
    }
    return r->rows ? EG_ERR_FORMAT_VERSION : EG_OK;
}

static eg_err replay_record(void *ctx, uint64_t txnid, eg_bytes changes) {
    replay *r = ctx;
    if (!r->rows) {
        return eg_kv_changes_each(changes, do_again, r);
    }
    EG_TRY(eg_kv_of_lmdb(mdb_txn_begin(r->kv->env, NULL, 0, &r->txn)));
    eg_err e = mdb_txn_id(r->txn) == txnid ? EG_OK : EG_ERR_CORRUPT;
    e = e == EG_OK ? eg_kv_changes_each(changes, do_again, r) : e;
    if (e != EG_OK) {
        mdb_txn_abort(r->txn);
        return e;
    }
    return eg_kv_of_lmdb(mdb_txn_commit(r->txn));
}

eg_err eg_kv_replay(eg_kv *kv, const eg_kv_base *base, bool rows, eg_problem *p) {
    replay r = {.kv = kv, .rows = rows, .fd = -1};
    eg_err e = eg_kv_log_each(kv->log, base, replay_record, &r);
    const eg_err synced = close_beside(&r);
    e = e == EG_OK ? synced : e;
    return e == EG_OK ? e : eg_fail(p, e, "What the store's log has can't be done again: %s.", eg_err_code(e));
}

bool eg_kv_is_beside(const eg_kv *kv, const char *path, int dir_fd) {
    struct stat a, b;
    const int parent = kv->log ? openat(kv->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const bool same = parent >= 0 && fstatat(parent, path, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(dir_fd, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    if (parent >= 0) {
        close(parent);
    }
    return same;
}

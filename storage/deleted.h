/* What was deleted and is kept for a while: paths of a filesystem, and filesystems of an account. Rows of fs.deleted. */
#ifndef EG_STORAGE_DELETED_H
#define EG_STORAGE_DELETED_H

#include "path_change.h"

/* Where names were deleted from. */
typedef struct eg_deleted_from {
    const eg_account *account;
    bool containers;           /* the account's filesystems; else the paths beneath `root` */
    eg_id root;
} eg_deleted_from;

typedef struct eg_deleted {
    eg_str name;               /* path, or name of the filesystem; borrowed from the row */
    eg_kind kind;
    eg_id inode;               /* the file or directory with all beneath it; the filesystem's root */
    uint64_t deletion;         /* the deletion's id: 100 ns since 1601, one of its own for each deletion of a name */
    int64_t created_ns;        /* of a filesystem */
    int64_t deleted_ns;
    int64_t until_ns;          /* then it is reclaimed */
} eg_deleted;

/* Keeps what was just cut off the tree; chooses d->deletion from deleted_ns. */
eg_err eg_deleted_put(eg_kv_txn *t, const eg_deleted_from *from, eg_deleted *d) EG_MUST_CHECK;
/* A deletion of `name`, or with deletion 0 the last one. What is past its time isn't there. EG_ERR_NOT_FOUND. */
eg_err eg_deleted_get(eg_kv_txn *t, const eg_deleted_from *from, eg_str name, uint64_t deletion, int64_t forward_ns, eg_deleted *ret) EG_MUST_CHECK;
eg_err eg_deleted_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_deleted *ret) EG_MUST_CHECK;
eg_err eg_deleted_del(eg_kv_txn *t, const eg_deleted_from *from, const eg_deleted *d) EG_MUST_CHECK;
/* For the due row: lets go of what a row keeps when its time has come. */
eg_err eg_deleted_purge(eg_kv_txn *t, const eg_account *a, eg_bytes key, const eg_id *inode, int64_t forward_ns) EG_MUST_CHECK;

/* In the order of names, those that begin with `prefix`, after the deletion `after` (len 0: from the start; else what
 * eg_deleted_mark made). fn's error ends the walk and is returned. */
typedef struct eg_deleted_walk {
    eg_deleted_from from;
    eg_str prefix;
    eg_bytes after;
    int64_t forward_ns;
    eg_err (*each)(void *ctx, const eg_deleted *d);
    void *ctx;
} eg_deleted_walk;
eg_err eg_deleted_each(eg_kv_txn *t, const eg_deleted_walk *w) EG_MUST_CHECK;
/* The key of a row: where a next page goes on. */
size_t eg_deleted_mark(const eg_deleted_from *from, const eg_deleted *d, uint8_t ret[EG_KV_KEY_MAX]);

/* Puts a deleted path back, at base.path. EG_ERR_PATH_NOT_FOUND, EG_ERR_PATH_EXISTS, EG_ERR_RENAME_PARENT_NOT_FOUND. */
typedef struct eg_path_undelete {
    eg_change base;
    eg_str source;             /* its path when it was deleted */
    const eg_grant *source_grant; /* of that path, when it is another than base.path; NULL = refused */
    uint64_t deletion;         /* 0 = the last one */
} eg_path_undelete;
eg_err eg_path_undelete_apply(eg_kv_txn *t, void *undelete, eg_problem *p);
/* Puts a deleted filesystem back, as c->container. */
typedef struct eg_container_undelete {
    eg_container_change base;
    eg_str source;
    uint64_t deletion;
} eg_container_undelete;
eg_err eg_container_undelete_apply(eg_kv_txn *t, void *undelete, eg_problem *p);

#endif

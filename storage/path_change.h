/* The changes of the tree, each one step of a transaction that checks its own conditions. */
#ifndef EG_STORAGE_PATH_CHANGE_H
#define EG_STORAGE_PATH_CHANGE_H

#include "conditions.h"
#include "grant.h"
#include "lease.h"

/* Common to all: where, under which conditions and lease, when. */
typedef struct eg_change {
    const eg_account *account;
    const eg_grant *grant;    /* asked within the transaction; NULL = refused */
    eg_str container;
    eg_str path;              /* "" = the root directory */
    eg_conditions conditions;
    int64_t now_ns;
    int64_t forward_ns;       /* eg_storage_forward_ns: of leases and expiry */
    bool has_lease;           /* the asker names a lease id */
    eg_id lease;
    eg_lease_ask lease_ask;   /* what an append, a flush or a create does with the lease in the same step */
    bool creates;             /* "If-None-Match: *" is about what stands there: set by create and rename themselves */
    bool lease_moved;         /* out: acquired or renewed in this step */
    size_t lease_len;         /* out: the lease afterwards, as EG_ATTR_LEASE has it */
    uint8_t lease_row[EG_LEASE_ROW_LEN];
    eg_inode after;           /* out: the inode afterwards; its attributes are not to be used */
} eg_change;

/* For every change of something that has a path, inside its transaction and before its first write: conditions and lease.
 * i: NULL when nothing stands there. Sets the lease attribute of *i to what it is after the change: a lease that ran out is gone. */
eg_err eg_change_check(eg_change *c, eg_inode *i, eg_problem *p) EG_MUST_CHECK;
/* The conditions alone. EG_ERR_CONDITION_NOT_MET; EG_ERR_PATH_EXISTS of what is created. */
eg_err eg_change_met(const eg_change *c, const eg_inode *i, eg_problem *p) EG_MUST_CHECK;
/* The same attribute again, for an inode that was read anew after the check. */
void eg_change_keep_lease(const eg_change *c, eg_inode *i);
/* After the last write of the change: makes a lease that it acquired findable. */
eg_err eg_change_finish(eg_kv_txn *t, const eg_change *c) EG_MUST_CHECK;

typedef struct eg_path_create {
    eg_change base;
    /* What to make: id, kind, mode before umask, attributes. Without an access control list of its own it gets that which its directory's
     * default says, else mode & ~umask; the group is its directory's. */
    eg_inode made;
    uint16_t umask;
    uint16_t parent_mode;     /* before umask, of directories made on the way */
    bool own_group;           /* the group in `made` stays, in the place of its directory's */
    eg_kind existing;         /* out: what stands there, when EG_ERR_PATH_EXISTS */
    const eg_place *place;    /* where base.path leads, when the same transaction has resolved it and changed no entry since; NULL = not known */
} eg_path_create;
/* A file takes the place of a file; a directory that is there stays, and so does what this same transaction id made. EG_ERR_PATH_EXISTS, EG_ERR_PATH_CONFLICT (an ancestor
 * is a file), EG_ERR_CONDITION_NOT_MET, EG_ERR_FILESYSTEM_NOT_FOUND. */
eg_err eg_path_create_apply(eg_kv_txn *t, void *create, eg_problem *p);

typedef struct eg_path_rename {
    eg_change base;           /* path, conditions: of the destination */
    eg_str source_container;
    eg_str source;
    const eg_grant *source_grant; /* NULL = refused */
    eg_conditions source_conditions;
    bool has_source_lease;
    eg_id source_lease;
    bool posix;               /* an existing directory as the destination is replaced when it is empty; else it is moved into */
    bool set[EG_ATTR_COUNT];  /* attributes that come with it */
    eg_bytes attr[EG_ATTR_COUNT];
    eg_str transaction_id;    /* kept with the inode; len 0 = none */
} eg_path_rename;
/* The ETag stays. EG_ERR_SOURCE_PATH_NOT_FOUND, EG_ERR_RENAME_PARENT_NOT_FOUND, EG_ERR_RENAME_SOURCE_INVALID (onto itself or beneath itself),
 * EG_ERR_RENAME_TYPE, EG_ERR_PATH_EXISTS, EG_ERR_PATH_INVALID (a path would get too long), EG_ERR_SOURCE_CONDITION_NOT_MET. */
eg_err eg_path_rename_apply(eg_kv_txn *t, void *rename, eg_problem *p);

typedef struct eg_path_delete {
    eg_change base;
    bool recursive;
    bool refuse_snapshots;    /* EG_ERR_SNAPSHOTS_PRESENT when the file has some; else they go with it */
    uint64_t deletion;        /* out: under which id it is kept for undelete; 0 = it isn't */
} eg_path_delete;
/* One write whatever lies beneath; the reclaimer does the rest. */
eg_err eg_path_delete_apply(eg_kv_txn *t, void *del, eg_problem *p);

typedef struct eg_path_update {
    eg_change base;
    bool set[EG_ATTR_COUNT];
    eg_bytes attr[EG_ATTR_COUNT];
    bool set_mode;
    uint16_t mode;
    bool touch;               /* moves the time of modification */
} eg_path_update;
eg_err eg_path_update_apply(eg_kv_txn *t, void *update, eg_problem *p);

/* Sets or takes away a file's time of expiry. EG_ERR_HTTP_HEADER when it has passed. */
typedef struct eg_path_expire {
    eg_change base;
    bool never;
    bool after_creation;      /* value_ns counts from the file's creation; else from 1970 */
    int64_t value_ns;
} eg_path_expire;
eg_err eg_path_expire_apply(eg_kv_txn *t, void *expire, eg_problem *p);

typedef struct eg_container_change {
    const eg_account *account;
    eg_str container;
    int64_t now_ns;
    eg_bytes encryption_scope; /* of a new one: attributes of its root directory */
    eg_bytes properties;
    eg_conditions conditions;
    int64_t forward_ns;
    bool has_lease;
    eg_id lease;
    eg_inode after;
} eg_container_change;
eg_err eg_container_create_apply(eg_kv_txn *t, void *change, eg_problem *p);  /* EG_ERR_FILESYSTEM_EXISTS */
eg_err eg_container_delete_apply(eg_kv_txn *t, void *change, eg_problem *p);

/* A step of its own for a lease: acquire, renew, change, release, break; of a path, or of a container (path ""). The ETag stays. */
typedef struct eg_path_lease {
    eg_change base;
    eg_lease_ask ask;
    eg_lease_of of;
    eg_lease lease;           /* out */
    uint32_t remaining_s;     /* out: after a break */
} eg_path_lease;
eg_err eg_path_lease_apply(eg_kv_txn *t, void *lease, eg_problem *p);

/* Resolves an existing path and its inode in one go, after asking for the grant's own need; EG_ERR_PATH_NOT_FOUND, EG_ERR_FILESYSTEM_NOT_FOUND. */
eg_err eg_path_find(eg_kv_txn *t, const eg_change *where, eg_place *ret_place, eg_inode *ret, eg_problem *p) EG_MUST_CHECK;
/* May its grant do `need` there? For steps that don't begin with eg_path_find: before the first write. */
eg_err eg_path_allowed(eg_kv_txn *t, const eg_change *where, eg_need need, eg_problem *p) EG_MUST_CHECK;
/* Puts "the filesystem isn't there" into words. Asks nothing: eg_path_allowed comes first. */
eg_err eg_path_resolve(eg_kv_txn *t, const eg_change *where, eg_str path, eg_place *ret, eg_problem *p) EG_MUST_CHECK;

#endif

/* The changes of the tree, each one step of a transaction that checks its own conditions. */
#ifndef EG_STORAGE_PATH_CHANGE_H
#define EG_STORAGE_PATH_CHANGE_H

#include "conditions.h"

/* Common to all: where, under which conditions, when. */
typedef struct eg_change {
    const eg_account *account;
    eg_str container;
    eg_str path;              /* "" = the root directory */
    eg_conditions conditions;
    int64_t now_ns;
    eg_inode after;           /* out: the inode afterwards; its attributes are not to be used */
} eg_change;

typedef struct eg_path_create {
    eg_change base;
    eg_inode made;            /* what to make: id, kind, mode, attributes */
    uint16_t parent_mode;     /* of directories made on the way */
    eg_kind existing;         /* out: what stands there, when EG_ERR_PATH_EXISTS */
} eg_path_create;
/* A file takes the place of a file; a directory that is there stays. EG_ERR_PATH_EXISTS, EG_ERR_PATH_CONFLICT (an ancestor
 * is a file), EG_ERR_CONDITION_NOT_MET, EG_ERR_FILESYSTEM_NOT_FOUND. */
eg_err eg_path_create_apply(eg_kv_txn *t, void *create, eg_problem *p);

typedef struct eg_path_rename {
    eg_change base;           /* path, conditions: of the destination */
    eg_str source;
    eg_conditions source_conditions;
    eg_str transaction_id;    /* kept with the inode; len 0 = none */
} eg_path_rename;
/* Onto an existing directory: into it. The ETag stays. */
eg_err eg_path_rename_apply(eg_kv_txn *t, void *rename, eg_problem *p);

typedef struct eg_path_delete {
    eg_change base;
    bool recursive;
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

typedef struct eg_container_change {
    const eg_account *account;
    eg_str container;
    int64_t now_ns;
    eg_bytes encryption_scope; /* of a new one: attribute of its root directory */
    eg_inode after;
} eg_container_change;
eg_err eg_container_create_apply(eg_kv_txn *t, void *change, eg_problem *p);  /* EG_ERR_FILESYSTEM_EXISTS */
eg_err eg_container_delete_apply(eg_kv_txn *t, void *change, eg_problem *p);

/* Resolves an existing path and its inode in one go; EG_ERR_PATH_NOT_FOUND, EG_ERR_FILESYSTEM_NOT_FOUND. */
eg_err eg_path_find(eg_kv_txn *t, const eg_change *where, eg_place *ret_place, eg_inode *ret, eg_problem *p) EG_MUST_CHECK;
/* Puts "the filesystem isn't there" into words. */
eg_err eg_path_resolve(eg_kv_txn *t, const eg_change *where, eg_str path, eg_place *ret, eg_problem *p) EG_MUST_CHECK;

#endif

/* A copy within an account: a new file that shares the content of another. */
#ifndef EG_STORAGE_COPY_H
#define EG_STORAGE_COPY_H

#include "content.h"

typedef struct eg_copy {
    eg_path_create create;     /* the destination; made: a new id, attributes, its own wrapped key; its content is filled in */
    eg_change source;          /* where it is copied from; conditions and lease of it */
    int64_t snapshot_ns;       /* of a snapshot; 0 = the file itself */
    const eg_inode *from;      /* as it was found */
    eg_bytes from_key;
    eg_bytes key;
} eg_copy;
/* EG_ERR_BUSY: the source changed meanwhile, look again. EG_ERR_SOURCE_PATH_NOT_FOUND; EG_ERR_RESOURCE_TYPE_MISMATCH: a directory;
 * EG_ERR_SOURCE_CONDITION_NOT_MET; and what eg_path_create_apply refuses. */
eg_err eg_copy_apply(eg_kv_txn *t, void *copy, eg_problem *p);

/* EG_ATTR_COPY: what the last copy onto a file was. */
typedef struct eg_copy_mark {
    eg_id id;
    int64_t done_ns;
    uint64_t bytes;
    eg_str source;             /* the address, without its query; borrowed */
} eg_copy_mark;
#define EG_COPY_MARK_MAX 4096
eg_err eg_copy_mark_encode(const eg_copy_mark *m, eg_buf *ret) EG_MUST_CHECK;   /* EG_ERR_LIMIT */
eg_err eg_copy_mark_decode(eg_bytes attr, eg_copy_mark *ret) EG_MUST_CHECK;     /* EG_ERR_NOT_FOUND: none */

#endif

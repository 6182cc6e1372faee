/* What has to happen at a time: files that expire, deleted things whose time of grace ends. Rows of fs.deleted in the order of time. */
#ifndef EG_STORAGE_DUE_H
#define EG_STORAGE_DUE_H

#include "namespace.h"

typedef enum eg_due_what {
    EG_DUE_NONE = 0,
    EG_DUE_EXPIRY,         /* place: the directory's id ‖ the file's name */
    EG_DUE_PURGE,          /* place: key of a row of fs.deleted */
} eg_due_what;

typedef struct eg_due {
    const eg_account *account;
    eg_due_what what;
    int64_t at_ns;         /* by eg_storage_forward_ns */
    eg_id inode;
    eg_bytes place;        /* a row that doesn't fit any more (moved, restored) does nothing */
} eg_due;
eg_err eg_due_put(eg_kv_txn *t, const eg_due *d) EG_MUST_CHECK;
/* The same for a file with EG_ATTR_EXPIRES that stands as `name` in `parent`; EG_OK without the attribute. */
eg_err eg_due_put_expiry(eg_kv_txn *t, const eg_account *a, const eg_id *parent, eg_str name, const eg_inode *i) EG_MUST_CHECK;

/* Does what is due; the reclaimer's thread. *ret_done: how many rows. */
eg_err eg_due_pass(eg_storage *s, const atomic_bool *stop, size_t *ret_done) EG_MUST_CHECK;

#endif

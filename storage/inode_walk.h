/* A walk over the inodes of some accounts, in steps of a bounded number of rows. */
#ifndef EG_STORAGE_INODE_WALK_H
#define EG_STORAGE_INODE_WALK_H

#include "namespace.h"

typedef struct eg_inode_walk {
    eg_storage *store;
    const eg_account *accounts[EG_ACCOUNTS_MAX]; /* rows of others are passed over */
    size_t account_count;
    eg_id at;                                    /* the last inode that was looked at */
    bool begun;
} eg_inode_walk;

/* For eg_storage_each_account: ctx is the walk. */
eg_err eg_inode_walk_add(void *walk, const eg_account *a) EG_MUST_CHECK;

/* True: there is room for more in this step. The inode is borrowed until it returns. */
typedef bool (*eg_inode_walk_fn)(void *ctx, const eg_account *a, const eg_inode *i);

/* The next rows, at most 512, within one read transaction. EG_ERR_NOT_FOUND after the last, EG_ERR_CORRUPT for a row that is one of ours and can't be read. */
eg_err eg_inode_walk_step(eg_inode_walk *w, eg_inode_walk_fn fn, void *ctx) EG_MUST_CHECK;

#endif

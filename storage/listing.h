/* Walks a directory, or all beneath it depth-first, in the byte order of names, page by page. */
#ifndef EG_STORAGE_LISTING_H
#define EG_STORAGE_LISTING_H

#include "grant.h"

typedef struct eg_listing {
    const eg_account *account;
    const eg_grant *grant;     /* asked for each directory that is entered; NULL = refused */
    eg_id directory;
    eg_str prefix;             /* the directory's path in its filesystem; "" = root */
    bool recursive;
    eg_str after;              /* path below the directory to go on behind; len 0 = from the start */
    bool inclusive;            /* `after` is a name, and itself part of the page when it is there */
    int64_t forward_ns;        /* eg_storage_forward_ns: files whose time is over are left out */
    size_t max;                /* entries of a page; `each` may lower it to what it was given so far */
    /* `path` is from the filesystem's root; everything is valid during the call only. */
    eg_err (*each)(void *ctx, eg_str path, const eg_inode *i);
    void *ctx;
} eg_listing;

/* *ret_last: the last path below the directory that was given, when more may follow; len 0 at the end. It is in ret_buf. */
eg_err eg_listing_run(eg_kv_txn *t, const eg_listing *l, eg_buf *ret_last) EG_MUST_CHECK;

/* A continuation token: base64url of (directory, recursive, last path) with a MAC. EG_ERR_QUERY when it isn't one of ours
 * for this directory. */
eg_err eg_listing_token(const eg_listing *l, eg_str last, eg_buf *ret) EG_MUST_CHECK;
eg_err eg_listing_token_read(const eg_listing *l, eg_str token, eg_arena *arena, eg_str *ret_after) EG_MUST_CHECK;

#endif

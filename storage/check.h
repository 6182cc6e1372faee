/* The walk over everything that is stored, verifying all of it. storage.h has what it tells; here is what its files share. */
#ifndef EG_STORAGE_CHECK_H
#define EG_STORAGE_CHECK_H

#include "blocks.h"
#include "id_map.h"

#define EG_CHECK_PATH_MAX (EG_PATH_MAX + 256)

typedef struct eg_check {
    eg_storage *store;
    eg_kv_txn *txn;
    const eg_check_sink *sink;
    eg_check_sums sums;
    eg_id_map *inodes;       /* reached: 1 */
    eg_id_map *segments;     /* met: 1 */
    eg_id_map *promised;     /* segments that an extent names: their bytes must be there */
    eg_id_map *owners;       /* of each segment, by the rows of fs.segment */
    uint8_t *plain;          /* one chunk */
    struct { const eg_account *account; uint64_t bytes; } stored[EG_ACCOUNTS_MAX]; /* by the rows of fs.place */
    size_t stored_count;
} eg_check;

/* One finding, named. */
EG_PRINTF(4, 5)
void eg_check_tell(eg_check *c, const char *kind, const char *where, const char *fmt, ...);
/* Calls fn for each row of a table; its error ends the walk. */
eg_err eg_check_each_row(eg_check *c, eg_kv_db db, eg_err (*fn)(eg_check *c, eg_bytes key, eg_bytes row)) EG_MUST_CHECK;
/* Remembers a segment as promised. */
eg_err eg_check_promise(eg_check *c, const eg_id *segment) EG_MUST_CHECK;
/* A file's manifest, keys, segments and chunks; `where` is its name. */
eg_err eg_check_file(eg_check *c, const eg_account *a, const eg_inode *i, const char *where) EG_MUST_CHECK;
/* Rows of segments and places against each other, and the files that lie there. */
eg_err eg_check_places(eg_check *c) EG_MUST_CHECK;
/* Rows of encryption scopes, leases, block lists and snapshots: every one is some account's. */
eg_err eg_check_beside(eg_check *c) EG_MUST_CHECK;
/* All rows against the store's digest. */
eg_err eg_check_digest(eg_check *c) EG_MUST_CHECK;
/* The account that a row names which begins with its name; NULL when it can't be opened. */
const eg_account *eg_check_account_of(eg_check *c, eg_bytes row);

#endif

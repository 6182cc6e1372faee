/* Where leases may be: fs.lease has a row for each path that was leased, so that what moves or deletes a directory finds the
 * leases beneath it without a walk. A row is a hint: the inode's own attribute decides. */
#ifndef EG_STORAGE_LEASE_INDEX_H
#define EG_STORAGE_LEASE_INDEX_H

#include "path_change.h"

/* A path in the filesystem whose root directory is `root`. */
typedef struct eg_lease_spot {
    const eg_account *account;
    eg_id root;
    eg_str path;
} eg_lease_spot;

eg_err eg_lease_index_put(eg_kv_txn *t, const eg_lease_spot *at) EG_MUST_CHECK;
eg_err eg_lease_index_del(eg_kv_txn *t, const eg_lease_spot *at) EG_MUST_CHECK;
/* EG_ERR_LEASE_ID_MISSING when something beneath the directory `at` is leased or breaking. Writes nothing. */
eg_err eg_lease_index_beneath(eg_kv_txn *t, const eg_lease_spot *at, int64_t forward_ns, eg_problem *p) EG_MUST_CHECK;
/* Takes rows away that lead to no lease any more; a bounded number a call, going on where the last one ended. */
typedef struct eg_lease_sweep {
    uint8_t at[EG_KV_KEY_MAX];
    size_t at_len;
} eg_lease_sweep;
eg_err eg_lease_index_sweep(eg_storage *s, eg_lease_sweep *w) EG_MUST_CHECK;

#endif

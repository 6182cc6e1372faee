/* How many sealed bytes an account has stored, kept in the transaction of each change, and the most that it may have. */
#ifndef EG_STORAGE_STORED_BYTES_H
#define EG_STORAGE_STORED_BYTES_H

#include "store.h"

/* The row of a new account: nothing stored. In the transaction that makes the account. */
eg_err eg_stored_begin(eg_kv_txn *t, const eg_account *a) EG_MUST_CHECK;
/* EG_ERR_NOT_FOUND: of a store that was made before rows were kept, and not counted yet. */
eg_err eg_stored_get(eg_kv_txn *t, const eg_account *a, uint64_t *ret) EG_MUST_CHECK;
/* A segment more. EG_ERR_STORED_QUOTA: that would be more than the account, or its tenant, may have. */
eg_err eg_stored_add(eg_kv_txn *t, const eg_account *a, uint64_t bytes) EG_MUST_CHECK;
/* A segment that nobody owns any more. */
eg_err eg_stored_take(eg_kv_txn *t, const eg_account *a, uint64_t bytes) EG_MUST_CHECK;

/* What an account and its tenant may store; 0 = no bound. */
typedef struct eg_stored_bounds {
    uint64_t account, tenant;
    const eg_account **peers;    /* of the tenant, the account itself too */
    size_t peer_count;
} eg_stored_bounds;

#endif

/* Batches in the key-value store: ids that are never used twice, names that are unique, and the steps of durable changes. */
#ifndef EMBERGATE_COMPUTE_BATCH_STORE_H
#define EMBERGATE_COMPUTE_BATCH_STORE_H

#include "batch_record.h"

/* EG_DB_BATCH: cluster, 00, u32 id → record. EG_DB_BATCH_NAME: cluster, 00, name → u32 id; with an empty name: the next id. */

/* The first id that was never used in a cluster. */
eg_err eg_batch_store_next_id(eg_kv_txn *t, eg_str cluster, uint32_t *ret) EG_MUST_CHECK;
/* Deleted ones are EG_ERR_BATCH_NOT_FOUND, as absent ones are. */
eg_err eg_batch_store_get(eg_kv_txn *t, eg_str cluster, uint32_t id, bool with_request, eg_batch *ret) EG_MUST_CHECK;
/* By number or by name, as it stands in a path. */
eg_err eg_batch_store_find(eg_kv_txn *t, eg_str cluster, eg_str id_or_name, bool with_request, eg_batch *ret) EG_MUST_CHECK;
/* Batches of a cluster by rising id: skips `from` visible ones, calls fn for at most `size`; *ret_total counts the visible. With `look_max` (0 = none)
 * EG_ERR_BUSY when there are more rows to look at. */
typedef struct eg_batch_page {
    uint64_t from, size;
    eg_err (*fn)(void *ctx, eg_batch *b);
    void *ctx;
    uint64_t look_max;
} eg_batch_page;
eg_err eg_batch_store_list(eg_kv_txn *t, eg_str cluster, const eg_batch_page *page, uint64_t *ret_total) EG_MUST_CHECK;
/* Every batch of every cluster that is not in a final state or is deleted and still there. */
eg_err eg_batch_store_unsettled(eg_kv_txn *t, eg_err (*fn)(void *ctx, eg_batch *b), void *ctx) EG_MUST_CHECK;

/* Batches of a cluster that ended before that moment (wall clock) and aren't deleted, the oldest first, until fn says EG_ERR_CANCELLED. Looks no further than at the first
 * that was made later. */
eg_err eg_batch_store_ended(eg_kv_txn *t, eg_str cluster, int64_t before_ns, eg_err (*fn)(void *ctx, eg_batch *b), void *ctx) EG_MUST_CHECK;

/* Writes a new batch, its name and the next id. EG_ERR_NAME_TAKEN. `record` and `batch` are borrowed until the commit is done. */
typedef struct eg_batch_insert {
    const eg_batch *batch;
    eg_bytes record;
} eg_batch_insert;
eg_txn_op eg_batch_store_insert(eg_batch_insert *i);

/* Reads a batch, lets `patch` change it, writes it back, all in the one writing transaction: no change of another thread is lost.
 * EG_ERR_BATCH_NOT_FOUND when it is gone. patch may refuse with an error. Takes the name away when patch set `deleted`. */
typedef struct eg_batch_update {
    const char *cluster;
    uint32_t id;
    eg_err (*patch)(eg_batch *b, void *ctx);
    void *ctx;
} eg_batch_update;
eg_txn_op eg_batch_store_update(eg_batch_update *u);

/* Removes a batch for good; its row of usage (EG_DB_USAGE, same key) stays. */
typedef struct eg_batch_remove {
    const char *cluster;
    uint32_t id;
} eg_batch_remove;
eg_txn_op eg_batch_store_remove(eg_batch_remove *r);

/* The row that outlives the batch: {"v":1,"tenant","owner","created","started","ended","state",sums}. */
eg_err eg_batch_store_put_usage(eg_kv_txn *t, const eg_batch *b) EG_MUST_CHECK;

#endif

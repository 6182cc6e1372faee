/* Write transactions, which only the committer begins. */
#ifndef EG_CORE_KV_TXN_H
#define EG_CORE_KV_TXN_H

#include <embergate/kv.h>

eg_err eg_kv_write_begin(eg_kv *kv, eg_kv_txn **ret) EG_MUST_CHECK;
/* Ends the transaction whatever comes. The sticky error, if there was one, is returned and nothing is written. */
eg_err eg_kv_write_commit(eg_kv_txn *t) EG_MUST_CHECK;
void eg_kv_write_abort(eg_kv_txn *t);
/* One change of several in a write transaction, one after the other: what one that failed did is taken back, and the others stay. */
eg_err eg_kv_change_begin(eg_kv_txn *group, eg_kv_txn **ret) EG_MUST_CHECK;
/* Returns `result`, or the sticky error of a change whose result was EG_OK. */
eg_err eg_kv_change_end(eg_kv_txn *t, eg_err result) EG_MUST_CHECK;
/* Whether more than the reserve is free, as of the last commit. */
eg_err eg_kv_has_room(eg_kv *kv, bool *ret) EG_MUST_CHECK;

/* The file of the store: bytes that are used after the last commit, and the most that it may have. */
typedef struct eg_kv_extent {
    int fd; /* LMDB's own */
    uint64_t used;
    uint64_t most;
} eg_kv_extent;
eg_err eg_kv_extent_get(eg_kv *kv, eg_kv_extent *ret) EG_MUST_CHECK;
/* Between two transactions, by who writes them. *extended is the caller's to keep, 0 at first. */
bool eg_kv_ahead(eg_kv *kv, uint64_t *extended); /* false: it can't be made longer */

/* kv_checkpoint.c: by who writes, before each transaction. EG_ERR_IO: a checkpoint failed, and nothing is promised until the next start. */
eg_err eg_kv_checkpoint_tick(eg_kv *kv, bool ahead) EG_MUST_CHECK;
/* The thread that makes checkpoints beside the commits; at the end the last one is made. */
eg_err eg_kv_checkpoints_start(eg_kv *kv) EG_MUST_CHECK;
void eg_kv_checkpoints_stop(eg_kv *kv);

#endif

/* The thread that deletes what was cut off the tree, in bounded steps, and once at start what a dead process left behind. */
#ifndef EG_STORAGE_RECLAIM_H
#define EG_STORAGE_RECLAIM_H

#include "store.h"

#include <stdatomic.h>

eg_err eg_reclaim_start(eg_storage *s, eg_reclaim **ret) EG_MUST_CHECK;
void eg_reclaim_stop(eg_reclaim *r);
/* There is something to do. Never blocks; NULL is harmless. */
void eg_reclaim_wake(eg_reclaim *r);

/* One pass over the queue, on the caller's thread; *ret_left: files that are still being read. For tests. */
eg_err eg_reclaim_pass(eg_storage *s, size_t *ret_left) EG_MUST_CHECK;
/* Files without a row, and appends that nobody flushed for a week. */
eg_err eg_reclaim_sweep(eg_storage *s, const atomic_bool *stop) EG_MUST_CHECK;

/* Adds up what lives in each pack, from the rows; before anything else is reclaimed. */
eg_err eg_relocate_count(eg_storage *s, const atomic_bool *stop) EG_MUST_CHECK;
/* Removes packs in which nothing lives, and moves what lives in mostly dead ones, at EG_RELOCATE_BYTES_A_SECOND. */
#define EG_RELOCATE_BYTES_A_SECOND ((uint64_t)16 << 20)
eg_err eg_relocate_pass(eg_storage *s, const atomic_bool *stop) EG_MUST_CHECK;

#endif

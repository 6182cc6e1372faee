/* Rotation of keys: the rows that say which run, the thread that does them, and storage's own part in it. */
#ifndef EG_STORAGE_ROTATION_H
#define EG_STORAGE_ROTATION_H

#include "store.h"

#include <stdatomic.h>

/* rewrap.c: one pass over all wrapped keys of this room. Stops early when *stop is set. */
eg_err eg_storage_rewrap(eg_storage *s, const eg_rewrap *what, const atomic_bool *stop, uint64_t *ret_moved) EG_MUST_CHECK;

#endif

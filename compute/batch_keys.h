/* The data keys of batches in use, so that a page of a log doesn't ask the keeper each time. */
#ifndef EMBERGATE_COMPUTE_BATCH_KEYS_H
#define EMBERGATE_COMPUTE_BATCH_KEYS_H

#include "batch_record.h"

/* A destroyed tenant key counts at the latest after this long. */
#define EG_BATCH_KEYS_TTL_S 60

typedef struct eg_batch_keys eg_batch_keys;
eg_batch_keys *eg_batch_keys_new(const eg_keys *keys, const eg_clock *clock); /* borrowed; NULL without memory */
void eg_batch_keys_free(eg_batch_keys *k);
/* Lets go of all. */
void eg_batch_keys_clear(eg_batch_keys *k);
/* A copy of the batch's data key, owned by the caller. May block (pool threads). The keeper's errors. Thread-safe. */
eg_err eg_batch_keys_get(eg_batch_keys *k, const eg_batch *b, eg_secret **ret) EG_MUST_CHECK;
/* The same without asking the keeper: EG_ERR_BUSY when the key isn't at hand. */
eg_err eg_batch_keys_peek(eg_batch_keys *k, const eg_batch *b, eg_secret **ret) EG_MUST_CHECK;

#endif

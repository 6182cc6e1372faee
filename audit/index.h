/* The index over all logs: by job, by actor, by time. */
#ifndef EG_AUDIT_INDEX_H
#define EG_AUDIT_INDEX_H

#include <embergate/kv.h>

#include "envelope.h"

#define EG_INDEX_KEY_MAX 256u

typedef enum eg_index_kind {
    EG_INDEX_TIME = 't',
    EG_INDEX_JOB = 'j',
    EG_INDEX_ACTOR = 'a',
} eg_index_kind;

/* log ‖ 00 ‖ kind, then what all rows of one question share: job ‖ 00, actor ‖ 00, or nothing. Returns its length. */
size_t eg_index_prefix(uint8_t out[EG_INDEX_KEY_MAX], eg_str log, eg_index_kind kind, eg_str value);
/* The rest of a key: time (8 bytes, order-preserving; only of EG_INDEX_TIME) and the record's index in its log (8 bytes). */
size_t eg_index_suffix(uint8_t *out, eg_index_kind kind, int64_t time_ns, uint64_t index);
/* Rows of one record, in a write transaction. */
eg_err eg_index_put(eg_kv_txn *t, const eg_envelope *v, uint64_t index);

#endif

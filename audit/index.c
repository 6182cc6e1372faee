/* Writes the index rows of a record: by job, by actor, by time. */
#include "index.h"

#include <assert.h>

size_t eg_index_prefix(uint8_t out[EG_INDEX_KEY_MAX], eg_str log, eg_index_kind kind, eg_str value) {
    assert(log.len <= EG_LOG_ID_MAX && value.len <= EG_AUDIT_JOB_MAX);
    size_t n = 0;
    memcpy(out, log.ptr, log.len);
    n += log.len;
    out[n++] = 0;
    out[n++] = (uint8_t)kind;
    if (kind != EG_INDEX_TIME) {
        if (value.len > 0) {
            memcpy(out + n, value.ptr, value.len);
        }
        n += value.len;
        out[n++] = 0;
    }
    return n;
}

size_t eg_index_suffix(uint8_t *out, eg_index_kind kind, int64_t time_ns, uint64_t index) {
    size_t n = 0;
    if (kind == EG_INDEX_TIME) {
        eg_put_u64(out, (uint64_t)time_ns ^ (uint64_t)1 << 63);
        n = 8;
    }
    eg_put_u64(out + n, index);
    return n + 8;
}

static eg_err put(eg_kv_txn *t, const eg_envelope *v, eg_index_kind kind, eg_str value, uint64_t index) {
    static const uint8_t present[1] = {1};
    uint8_t key[EG_INDEX_KEY_MAX];
    size_t n = eg_index_prefix(key, v->log, kind, value);
    n += eg_index_suffix(key + n, kind, v->time_ns, index);
    return eg_kv_put(t, EG_DB_AUDIT_INDEX, (eg_bytes){key, n}, (eg_bytes){present, 1});
}

eg_err eg_index_put(eg_kv_txn *t, const eg_envelope *v, uint64_t index) {
    EG_TRY(put(t, v, EG_INDEX_TIME, (eg_str){NULL, 0}, index));
    if (v->job.len > 0) {
        EG_TRY(put(t, v, EG_INDEX_JOB, v->job, index));
    }
    return v->actor.len > 0 ? put(t, v, EG_INDEX_ACTOR, v->actor, index) : EG_OK;
}

/* Fuzzes eg_batch_record_decode, eg_batch_record_encode and eg_batch_record_is_deleted: a stored batch that is accepted, stored and read again is the same.
 *
 *   ./dev fuzz batch_record */
#include "batch_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const eg_bytes in = {data, size};
    eg_batch b;
    eg_batch again;
    eg_batch_init(&b);
    eg_batch_init(&again);
    eg_err e = eg_batch_record_decode(EG_LIT("analytics"), 7, in, true, &b);
    if (e == EG_OK) {
        eg_buf first;
        eg_buf second;
        eg_buf_init(&first, EG_BATCH_RECORD_MAX);
        eg_buf_init(&second, EG_BATCH_RECORD_MAX);
        require(b.state > EG_BATCH_NONE && b.state < EG_BATCH_STATE_COUNT && b.owner_kind > EG_PRINCIPAL_NONE && b.owner_kind <= EG_PRINCIPAL_JOB);
        require(b.group_count <= EG_PRINCIPAL_GROUPS_MAX && b.wrapped_len <= EG_WRAPPED_KEY_MAX && b.tenant[0] != '\0' && b.owner[0] != '\0');
        require(eg_batch_record_encode(&b, &first) == EG_OK);
        bool deleted = !b.deleted;
        require(eg_batch_record_is_deleted(eg_buf_bytes(&first), &deleted) == EG_OK && deleted == b.deleted);
        require(eg_batch_record_decode(EG_LIT("analytics"), 7, eg_buf_bytes(&first), true, &again) == EG_OK);
        require(eg_batch_record_encode(&again, &second) == EG_OK && eg_str_eq(eg_buf_str(&first), eg_buf_str(&second)));
        eg_buf_done(&first);
        eg_buf_done(&second);
    } else {
        require(e == EG_ERR_CORRUPT || e == EG_ERR_FORMAT_VERSION || e == EG_ERR_LIMIT);
    }
    eg_batch_done(&again);
    eg_batch_done(&b);
    return 0;
}

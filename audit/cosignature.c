/* Verifies cosignatures: C2SP tlog-cosignature, on top of signed-note. */
#include "cosignature.h"

#include <embergate/encoding.h>
#include <inttypes.h>

#define BLOB_LEN (4 + 8 + 64) /* key id, time, Ed25519 */
#define TIME_MAX (INT64_MAX / INT64_C(1000000000)) /* so that it can be told in nanoseconds */

static bool verifies(eg_str body, const eg_verifier_key *k, const uint8_t blob[BLOB_LEN], int64_t *ret_time) {
    const uint64_t time = eg_get_u64(blob + 4);
    EG_CLEANUP(eg_buf_done) eg_buf message;
    eg_buf_init(&message, EG_CHECKPOINT_MAX + 64);
    eg_buf_addf(&message, "cosignature/v1\ntime %" PRIu64 "\n", time);
    if (time > (uint64_t)TIME_MAX || eg_buf_add(&message, body.ptr, body.len) != EG_OK || eg_ed25519_verify(k->public_key, eg_buf_bytes(&message), blob + 12) != EG_OK) {
        return false;
    }
    *ret_time = (int64_t)time;
    return true;
}

eg_err eg_cosignature_find(eg_str body, eg_str lines, const eg_verifier_key *k, eg_cosignature *ret) {
    eg_err e = EG_ERR_CORRUPT;
    while (lines.ptr && lines.len > 0) {
        const eg_str line = eg_str_cut(&lines, '\n');
        uint8_t blob[BLOB_LEN];
        eg_str name, text;
        size_t n = 0;
        int64_t time_s = 0;
        if (eg_note_line(line, &name, &text) && eg_str_is(name, k->name) && eg_unbase64(text, blob, sizeof blob, &n) == EG_OK && n == sizeof blob &&
            memcmp(blob, k->id, sizeof k->id) == 0 && verifies(body, k, blob, &time_s) && (e != EG_OK || time_s > ret->time_s)) {
            *ret = (eg_cosignature){time_s, line};
            e = EG_OK;
        }
    }
    return e;
}

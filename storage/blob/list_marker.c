/* Making and reading of markers. */
#include "list_marker.h"

#include <embergate/encoding.h>

#define RAW_MAX (EG_PATH_MAX + 64)
#define KEY_LEN (16 + 2 + EG_SHA256_LEN)

static eg_bytes key_of(const eg_name_walk *w, uint8_t key[KEY_LEN]) {
    memcpy(key, w->root.b, sizeof w->root.b);
    key[16] = 'B'; /* the tokens of the Data Lake API's listings have a shorter key */
    key[17] = w->shallow ? 1 : 0;
    eg_sha256(eg_str_bytes(w->prefix), key + 18);
    return (eg_bytes){key, KEY_LEN};
}

eg_err eg_list_marker(const eg_name_walk *w, eg_str name, bool beneath, eg_buf *ret) {
    uint8_t key[KEY_LEN];
    eg_buf raw;
    eg_record_start(&raw, RAW_MAX);
    eg_record_u8(&raw, beneath ? 1 : 0);
    eg_record_text(&raw, eg_str_bytes(name));
    eg_err e = eg_record_seal(w->account, EG_ROW_CONTINUATION, key_of(w, key), &raw);
    if (e == EG_OK) {
        e = eg_base64url(eg_buf_bytes(&raw), ret);
    }
    eg_buf_done(&raw);
    return e;
}

eg_err eg_list_marker_read(eg_str marker, eg_arena *arena, eg_name_walk *w) {
    uint8_t key[KEY_LEN];
    uint8_t raw[RAW_MAX];
    size_t n = 0;
    eg_record_reader r;
    if (eg_unbase64url(marker, raw, sizeof raw, &n) != EG_OK || n < 1 + EG_ROW_MAC_LEN ||
        !eg_record_fits(w->account, EG_ROW_CONTINUATION, key_of(w, key), (eg_bytes){raw, n}) || eg_record_peek((eg_bytes){raw, n}, &r) != EG_OK) {
        return EG_ERR_QUERY;
    }
    const bool beneath = eg_record_get_u8(&r) == 1;
    const eg_bytes name = eg_record_get_text(&r);
    if (r.bad || r.left != 0) {
        return EG_ERR_QUERY;
    }
    const eg_str kept = eg_arena_str(arena, eg_bytes_str(name));
    if (!kept.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    w->after = kept;
    w->after_beneath = beneath;
    return EG_OK;
}

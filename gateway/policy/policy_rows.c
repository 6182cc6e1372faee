/* Keys and rows of policies in the store. */
#include "policy_rows.h"

#include <stdio.h>

static uint8_t lower(char c) {
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* A role is the same at every scope, so that its id is its GUID. */
void eg_policy_id_digest(eg_policy_kind kind, eg_str id, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t folded[EG_POLICY_ID_MAX];
    if (kind == EG_POLICY_ROLES) {
        for (size_t i = id.len; i > 0; i--) {
            if (id.ptr[i - 1] == '/') {
                id = (eg_str){id.ptr + i, id.len - i};
                break;
            }
        }
    }
    while (id.len > 1 && id.ptr[id.len - 1] == '/') {
        id.len--;
    }
    const size_t n = id.len < sizeof folded ? id.len : sizeof folded;
    for (size_t i = 0; i < n; i++) {
        folded[i] = lower(id.ptr[i]);
    }
    eg_sha256((eg_bytes){folded, n}, ret);
}

eg_policy_key eg_policy_kind_prefix(eg_policy_kind kind) {
    eg_policy_key k = {.len = strlen(eg_policy_folders[kind]) + 1};
    memcpy(k.bytes, eg_policy_folders[kind], k.len);
    return k;
}

eg_policy_key eg_policy_document_key(eg_policy_kind kind, const uint8_t digest[EG_SHA256_LEN]) {
    eg_policy_key k = eg_policy_kind_prefix(kind);
    memcpy(k.bytes + k.len, digest, EG_SHA256_LEN);
    k.len += EG_SHA256_LEN;
    return k;
}

static eg_err parse(eg_bytes v, json_t **ret) {
    return eg_json_parse(eg_bytes_str(v), 2 * EG_POLICY_DOCUMENT_MAX + 4096, ret, NULL) == EG_OK ? EG_OK : EG_ERR_CORRUPT;
}

eg_err eg_policy_version_read(eg_kv_txn *t, uint64_t before, uint64_t *ret_version, json_t **ret) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    uint8_t key[8];
    eg_bytes k, v;
    eg_put_u64(key, before);
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_VERSION, (eg_bytes){NULL, 0}, &c));
    EG_TRY(eg_kv_cursor_prev_of(c, before ? (eg_bytes){key, sizeof key} : (eg_bytes){NULL, 0}, &k, &v));
    if (k.len != 8) {
        return EG_ERR_CORRUPT;
    }
    const uint64_t version = eg_get_u64(k.ptr);
    EG_TRY(parse(v, ret));
    *ret_version = version;
    return EG_OK;
}

eg_err eg_policy_version_get(eg_kv_txn *t, uint64_t version, json_t **ret) {
    uint8_t key[8];
    eg_bytes v;
    eg_put_u64(key, version);
    EG_TRY(eg_kv_get(t, EG_DB_POLICY_VERSION, (eg_bytes){key, sizeof key}, &v));
    return parse(v, ret);
}

eg_err eg_policy_version_put(eg_kv_txn *t, uint64_t version, const json_t *row) {
    uint8_t key[8];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    eg_put_u64(key, version);
    EG_TRY(eg_json_write(row, &text));
    return eg_kv_put(t, EG_DB_POLICY_VERSION, (eg_bytes){key, sizeof key}, eg_buf_bytes(&text));
}

void eg_policy_change_key(uint64_t version, uint32_t index, uint8_t ret[12]) {
    eg_put_u64(ret, version);
    eg_put_u32(ret + 8, index);
}

eg_err eg_policy_changes_each(eg_kv_txn *t, uint64_t version, eg_err (*each)(void *ctx, const json_t *change), void *ctx) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    uint8_t from[12];
    eg_bytes k, v;
    eg_err e;
    eg_policy_change_key(version, 0, from);
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_CHANGE, (eg_bytes){from, sizeof from}, &c));
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && k.len == 12 && eg_get_u64(k.ptr) == version) {
        EG_JSON_AUTO change = NULL;
        EG_TRY(parse(v, &change));
        EG_TRY(each(ctx, change));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_policy_changes_drop(eg_kv_txn *t, uint64_t version) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    uint8_t from[12];
    eg_bytes k, v;
    eg_err e;
    eg_policy_change_key(version, 0, from);
    EG_TRY(eg_kv_cursor_open(t, EG_DB_POLICY_CHANGE, (eg_bytes){from, sizeof from}, &c));
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK && k.len == 12 && eg_get_u64(k.ptr) == version) {
        EG_TRY(eg_kv_cursor_del(c));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

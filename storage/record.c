/* The encoding and the authentication that all rows of the namespace share. */
#include "record.h"

#include <embergate/metrics.h>

void eg_record_start(eg_buf *value, size_t max) {
    eg_buf_init(value, max);
    eg_record_u8(value, EG_ROW_VERSION);
}

void eg_record_u8(eg_buf *b, uint8_t v) { (void)eg_buf_add(b, &v, 1); }

void eg_record_u16(eg_buf *b, uint16_t v) {
    uint8_t raw[2];
    eg_put_u16(raw, v);
    (void)eg_buf_add(b, raw, sizeof raw);
}

void eg_record_u32(eg_buf *b, uint32_t v) {
    uint8_t raw[4];
    eg_put_u32(raw, v);
    (void)eg_buf_add(b, raw, sizeof raw);
}

void eg_record_u64(eg_buf *b, uint64_t v) {
    uint8_t raw[8];
    eg_put_u64(raw, v);
    (void)eg_buf_add(b, raw, sizeof raw);
}

void eg_record_bytes(eg_buf *b, eg_bytes v) {
    if (v.len > 0) {
        (void)eg_buf_add(b, v.ptr, v.len);
    }
}

void eg_record_text(eg_buf *b, eg_bytes v) {
    if (v.len > UINT16_MAX) {
        b->err = EG_ERR_LIMIT;
        return;
    }
    eg_record_u16(b, (uint16_t)v.len);
    eg_record_bytes(b, v);
}

/* HMAC over a digest: the digest frames kind and key length, so that no two rows share an input. */
static void mac_of(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes value, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t frame[3];
    frame[0] = (uint8_t)kind;
    eg_put_u16(frame + 1, (uint16_t)key.len);
    const eg_bytes parts[] = {{frame, sizeof frame}, key, value};
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256_v(parts, 3, digest);
    eg_hmac_sha256(eg_secret_bytes(a->mac_key), (eg_bytes){digest, sizeof digest}, ret);
}

eg_err eg_record_seal(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_buf *value) {
    if (value->err != EG_OK) {
        return value->err;
    }
    uint8_t mac[EG_SHA256_LEN];
    mac_of(a, kind, key, eg_buf_bytes(value), mac);
    return eg_buf_add(value, mac, EG_ROW_MAC_LEN);
}

eg_err eg_record_corrupt(void) {
    eg_metric_add(EG_METRIC_STORAGE_CORRUPT, 1);
    return EG_ERR_CORRUPT;
}

eg_err eg_record_peek(eg_bytes stored, eg_record_reader *ret) {
    if (stored.len < 1 + EG_ROW_MAC_LEN) {
        return eg_record_corrupt();
    }
    if (stored.ptr[0] != EG_ROW_VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    *ret = (eg_record_reader){stored.ptr + 1, stored.len - 1 - EG_ROW_MAC_LEN, false};
    return EG_OK;
}

bool eg_record_fits(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes stored) {
    if (stored.len < 1 + EG_ROW_MAC_LEN) {
        return false;
    }
    uint8_t mac[EG_SHA256_LEN];
    const size_t n = stored.len - EG_ROW_MAC_LEN;
    mac_of(a, kind, key, (eg_bytes){stored.ptr, n}, mac);
    return eg_ct_eq(mac, stored.ptr + n, EG_ROW_MAC_LEN);
}

eg_err eg_record_open(const eg_account *a, eg_row_kind kind, eg_bytes key, eg_bytes stored, eg_record_reader *ret) {
    return eg_record_fits(a, kind, key, stored) ? eg_record_peek(stored, ret) : eg_record_corrupt();
}

eg_bytes eg_record_get_bytes(eg_record_reader *r, size_t n) {
    if (r->bad || r->left < n) {
        r->bad = true;
        return (eg_bytes){NULL, 0};
    }
    const eg_bytes b = {r->p, n};
    r->p += n;
    r->left -= n;
    return b;
}

uint8_t eg_record_get_u8(eg_record_reader *r) {
    const eg_bytes b = eg_record_get_bytes(r, 1);
    return b.ptr ? b.ptr[0] : 0;
}

uint16_t eg_record_get_u16(eg_record_reader *r) {
    const eg_bytes b = eg_record_get_bytes(r, 2);
    return b.ptr ? eg_get_u16(b.ptr) : 0;
}

uint32_t eg_record_get_u32(eg_record_reader *r) {
    const eg_bytes b = eg_record_get_bytes(r, 4);
    return b.ptr ? eg_get_u32(b.ptr) : 0;
}

uint64_t eg_record_get_u64(eg_record_reader *r) {
    const eg_bytes b = eg_record_get_bytes(r, 8);
    return b.ptr ? eg_get_u64(b.ptr) : 0;
}

eg_bytes eg_record_get_text(eg_record_reader *r) {
    const size_t n = eg_record_get_u16(r);
    return eg_record_get_bytes(r, n);
}

eg_id eg_record_get_id(eg_record_reader *r) {
    eg_id id = {{0}};
    const eg_bytes b = eg_record_get_bytes(r, sizeof id.b);
    if (b.ptr) {
        memcpy(id.b, b.ptr, sizeof id.b);
    }
    return id;
}

eg_err eg_record_end(const eg_record_reader *r) {
    return r->bad || r->left != 0 ? eg_record_corrupt() : EG_OK;
}

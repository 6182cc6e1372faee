/* The recovery key as text: base32 in groups, with a check against mistyping. */
#include "recovery_key.h"

#define PREFIX "EGRK1"
#define CHECK_LEN 3
#define RAW_LEN (EG_KEY_LEN + CHECK_LEN) /* 280 bits: 56 characters exactly */
#define CHARS 56
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 section 6 */

static void check_of(const uint8_t key[EG_KEY_LEN], uint8_t ret[CHECK_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    eg_bytes parts[] = {eg_str_bytes(EG_LIT("embergate recovery key check v1")), {key, EG_KEY_LEN}};
    eg_sha256_v(parts, 2, digest);
    memcpy(ret, digest, CHECK_LEN);
}

eg_err eg_recovery_key_text(const eg_secret *key, eg_buf *ret) {
    eg_bytes k = eg_secret_bytes(key);
    if (k.len != EG_KEY_LEN) {
        return EG_ERR_INVALID;
    }
    uint8_t raw[RAW_LEN];
    memcpy(raw, k.ptr, EG_KEY_LEN);
    check_of(k.ptr, raw + EG_KEY_LEN);
    eg_buf_adds(ret, PREFIX);
    for (size_t i = 0; i < CHARS; i++) {
        unsigned value = 0;
        for (size_t bit = 5 * i; bit < 5 * i + 5; bit++) {
            value = value << 1 | (raw[bit / 8] >> (7 - bit % 8) & 1u);
        }
        if (i % 4 == 0) {
            eg_buf_add(ret, "-", 1);
        }
        eg_buf_add(ret, &base32[value], 1);
    }
    eg_cleanse(raw, sizeof raw);
    return ret->err;
}

/* Upper-cases one character; '\0' for those that only separate. */
static char folded(char c) {
    if (c >= 'a' && c <= 'z') {
        return (char)(c - 'a' + 'A');
    }
    return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n' ? '\0' : c;
}

static bool decode(eg_str text, uint8_t raw[RAW_LEN]) {
    size_t prefix = 0;
    size_t n = 0;
    memset(raw, 0, RAW_LEN);
    for (size_t i = 0; i < text.len; i++) {
        char c = folded(text.ptr[i]);
        if (c == '\0') {
            continue;
        }
        if (prefix < sizeof PREFIX - 1) {
            if (c != PREFIX[prefix++]) {
                return false;
            }
            continue;
        }
        const char *at = strchr(base32, c);
        if (!at || n == CHARS) {
            return false;
        }
        unsigned value = (unsigned)(at - base32);
        for (size_t b = 0; b < 5; b++) {
            size_t bit = 5 * n + b;
            raw[bit / 8] = (uint8_t)(raw[bit / 8] | (value >> (4 - b) & 1u) << (7 - bit % 8));
        }
        n++;
    }
    return n == CHARS;
}

eg_err eg_recovery_key_parse(eg_str text, eg_secret **ret, eg_problem *p) {
    uint8_t raw[RAW_LEN];
    uint8_t check[CHECK_LEN];
    bool good = text.len <= 256 && decode(text, raw);
    if (good) {
        check_of(raw, check);
        good = eg_ct_eq(check, raw + EG_KEY_LEN, CHECK_LEN);
    }
    eg_secret *key = good ? eg_secret_new(raw, EG_KEY_LEN) : NULL;
    eg_cleanse(raw, sizeof raw);
    if (!good) {
        return eg_fail(p, EG_ERR_INVALID, "The recovery key is mistyped: it is EGRK1 and 56 letters and digits, the last of which check the others.");
    }
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = key;
    return EG_OK;
}

/* Hex, base64 and base64url, strictly: what decodes has exactly one spelling. */
#include <embergate/encoding.h>

static const char hex_digits[] = "0123456789abcdef";
static const char alphabet_standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void eg_hex(eg_bytes in, char *ret) {
    for (size_t i = 0; i < in.len; i++) {
        ret[2 * i] = hex_digits[in.ptr[i] >> 4];
        ret[2 * i + 1] = hex_digits[in.ptr[i] & 15];
    }
    ret[2 * in.len] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

eg_err eg_unhex(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) {
    if (in.len % 2 != 0) {
        return EG_ERR_INVALID;
    }
    if (in.len / 2 > cap) {
        return EG_ERR_LIMIT;
    }
    for (size_t i = 0; i < in.len; i++) {
        if (hex_value(in.ptr[i]) < 0) {
            return EG_ERR_INVALID;
        }
    }
    for (size_t i = 0; i < in.len / 2; i++) {
        ret[i] = (uint8_t)(hex_value(in.ptr[2 * i]) << 4 | hex_value(in.ptr[2 * i + 1]));
    }
    *ret_n = in.len / 2;
    return EG_OK;
}

static eg_err encode(eg_bytes in, const char *alphabet, bool pad, eg_buf *ret) {
    if (in.len > SIZE_MAX / 4) {
        return ret->err = EG_ERR_LIMIT;
    }
    size_t tail = in.len % 3;
    size_t n = in.len / 3 * 4 + (tail == 0 ? 0 : pad ? 4 : tail + 1);
    char *out = NULL;
    EG_TRY(eg_buf_reserve(ret, n, &out));
    size_t i = 0;
    for (; i + 3 <= in.len; i += 3) {
        uint32_t v = (uint32_t)in.ptr[i] << 16 | (uint32_t)in.ptr[i + 1] << 8 | in.ptr[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (tail > 0) {
        uint32_t v = (uint32_t)in.ptr[i] << 16 | (tail == 2 ? (uint32_t)in.ptr[i + 1] << 8 : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        if (tail == 2) {
            *out++ = alphabet[v >> 6 & 63];
        }
        for (size_t k = tail; pad && k < 3; k++) {
            *out++ = '=';
        }
    }
    ret->len += n;
    return EG_OK;
}

eg_err eg_base64(eg_bytes in, eg_buf *ret) {
    return encode(in, alphabet_standard, true, ret);
}

eg_err eg_base64url(eg_bytes in, eg_buf *ret) {
    return encode(in, alphabet_url, false, ret);
}

static int base64_value(char c, const char *alphabet) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

/* `in` without padding. RFC 4648 section 3.5: bits that no byte uses must be zero. */
static eg_err decode(eg_str in, const char *alphabet, uint8_t *ret, size_t cap, size_t *ret_n) {
    static const uint8_t bytes_of_tail[] = {0, 0, 1, 2};
    size_t tail = in.len % 4;
    size_t n = in.len / 4 * 3 + bytes_of_tail[tail];
    if (tail == 1) {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < in.len; i++) {
        if (base64_value(in.ptr[i], alphabet) < 0) {
            return EG_ERR_INVALID;
        }
    }
    static const int unused_bits[] = {0, 0, 15, 3};
    if (tail != 0 && (base64_value(in.ptr[in.len - 1], alphabet) & unused_bits[tail]) != 0) {
        return EG_ERR_INVALID;
    }
    if (n > cap) {
        return EG_ERR_LIMIT;
    }
    uint32_t v = 0;
    size_t out = 0;
    for (size_t i = 0; i < in.len; i++) {
        v = v << 6 | (uint32_t)base64_value(in.ptr[i], alphabet);
        if (i % 4 != 0) {
            ret[out++] = (uint8_t)(v >> (6 - 2 * (i % 4)));
        }
    }
    *ret_n = n;
    return EG_OK;
}

eg_err eg_unbase64(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) {
    if (in.len % 4 != 0) {
        return EG_ERR_INVALID;
    }
    for (int i = 0; i < 2 && in.len > 0 && in.ptr[in.len - 1] == '='; i++) {
        in.len--;
    }
    return decode(in, alphabet_standard, ret, cap, ret_n);
}

eg_err eg_unbase64url(eg_str in, uint8_t *ret, size_t cap, size_t *ret_n) {
    return decode(in, alphabet_url, ret, cap, ret_n);
}

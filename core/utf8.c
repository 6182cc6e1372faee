/* Decides what is well-formed UTF-8 and what of it is safe to show. */
#include "utf8.h"

size_t eg_utf8_sequence(const char *p, size_t n, uint32_t *ret_code) {
    if (n == 0) {
        return 0;
    }
    uint8_t first = (uint8_t)p[0];
    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || len > n) {
        return 0;
    }
    uint32_t code = first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        uint8_t next = (uint8_t)p[i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        code = (code << 6) | (next & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    /* RFC 3629 section 3: no overlong forms, no surrogates, nothing above U+10FFFF. */
    if (code < least[len] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        return 0;
    }
    *ret_code = code;
    return len;
}

bool eg_utf8_unsafe(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool eg_utf8_valid(eg_str s) {
    uint32_t code = 0;
    for (size_t i = 0; i < s.len;) {
        size_t n = eg_utf8_sequence(s.ptr + i, s.len - i, &code);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

/* Text from anywhere as a JSON string: escaped, valid UTF-8, without control characters, bounded. */
#include "json_text.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS "\xe2\x80\xa6"    /* U+2026 */

/* Bytes of the well-formed character at the start of s; 0 when there is none. */
static size_t sequence(eg_str s) {
    uint8_t lead = (uint8_t)s.ptr[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return n <= s.len && eg_utf8_valid((eg_str){s.ptr, n}) ? n : 0;
}

static bool control(const char *p, size_t n) {
    uint8_t first = (uint8_t)p[0];
    return (n == 1 && (first < 0x20 || first == 0x7f)) || (n == 2 && first == 0xc2 && (uint8_t)p[1] < 0xa0);
}

/* Most text is this: copied in one piece. */
static size_t plain_run(eg_str s, size_t max) {
    size_t n = 0;
    while (n < s.len && n < max && (uint8_t)s.ptr[n] >= 0x20 && (uint8_t)s.ptr[n] < 0x7f && s.ptr[n] != '"' && s.ptr[n] != '\\') {
        n++;
    }
    return n;
}

eg_err eg_json_text(eg_buf *b, eg_str s, size_t max) {
    size_t start = b->len;
    eg_buf_add(b, "\"", 1);
    while (s.len > 0) {
        if (b->len - start > max) {
            eg_buf_adds(b, ELLIPSIS);
            break;
        }
        size_t n = plain_run(s, max - (b->len - start) + 1);
        if (n > 0) {
            eg_buf_add(b, s.ptr, n);
            s = (eg_str){s.ptr + n, s.len - n};
            continue;
        }
        n = sequence(s);
        if (n == 0 || control(s.ptr, n)) {
            eg_buf_adds(b, REPLACEMENT);
        } else if (*s.ptr == '"' || *s.ptr == '\\') {
            char escaped[2] = {'\\', *s.ptr};
            eg_buf_add(b, escaped, sizeof escaped);
        } else {
            eg_buf_add(b, s.ptr, n);
        }
        n = n ? n : 1;
        s = (eg_str){s.ptr + n, s.len - n};
    }
    return eg_buf_add(b, "\"", 1);
}

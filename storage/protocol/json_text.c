/* Escaping for JSON and XML. */
#include "json_text.h"

/* What isn't UTF-8 would spoil the whole page for everybody who lists. */
static eg_err plain(eg_buf *b, eg_str s, eg_err (*text)(eg_buf *b, eg_str s)) {
    char piece[256];
    while (s.len > 0 && b->err == EG_OK) {
        const size_t n = s.len < sizeof piece ? s.len : sizeof piece;
        for (size_t i = 0; i < n; i++) {
            piece[i] = (unsigned char)s.ptr[i] < 0x80 ? s.ptr[i] : '?';
        }
        (void)text(b, (eg_str){piece, n});
        s = (eg_str){s.ptr + n, s.len - n};
    }
    return b->err;
}

static eg_err json_escaped(eg_buf *b, eg_str s) {
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            continue;
        }
        (void)eg_buf_add(b, s.ptr + from, i - from);
        (void)eg_buf_addf(b, "\\u%04x", c);
        from = i + 1;
    }
    if (s.len > from) {
        (void)eg_buf_add(b, s.ptr + from, s.len - from);
    }
    return b->err;
}

eg_err eg_json_text(eg_buf *b, eg_str s) {
    (void)eg_buf_adds(b, "\"");
    (void)(eg_utf8_valid(s) ? json_escaped(b, s) : plain(b, s, json_escaped));
    return eg_buf_adds(b, "\"");
}

/* U+FFFE and U+FFFF, of which XML 1.0 section 2.2 has none. */
static bool not_a_character(eg_str s, size_t i) {
    return (unsigned char)s.ptr[i] == 0xef && i + 2 < s.len && (unsigned char)s.ptr[i + 1] == 0xbf && (unsigned char)s.ptr[i + 2] >= 0xbe;
}

static eg_err xml_escaped(eg_buf *b, eg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        const char *entity = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : c < 0x20 ? "?" : NULL;
        if (not_a_character(s, i)) {
            (void)eg_buf_adds(b, "?");
            i += 2;
            continue;
        }
        (void)(entity ? eg_buf_adds(b, entity) : eg_buf_add(b, s.ptr + i, 1));
    }
    return b->err;
}

eg_err eg_xml_text(eg_buf *b, eg_str s) { return eg_utf8_valid(s) ? xml_escaped(b, s) : plain(b, s, xml_escaped); }

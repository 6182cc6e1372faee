/* Escaping for JSON and XML. */
#include "json_text.h"

eg_err eg_json_text(eg_buf *b, eg_str s) {
    (void)eg_buf_adds(b, "\"");
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
    return eg_buf_adds(b, "\"");
}

eg_err eg_xml_text(eg_buf *b, eg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        const char *entity = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : c < 0x20 ? "?" : NULL;
        (void)(entity ? eg_buf_adds(b, entity) : eg_buf_add(b, s.ptr + i, 1));
    }
    return b->err;
}

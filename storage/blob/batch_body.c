/* Parsing of a batch, line by line: CRLF, or LF alone as some mail libraries write. */
#include "batch_body.h"

#define BOUNDARY_MAX 70 /* RFC 2046 section 5.1.1 */

static eg_str trimmed(eg_str s) {
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = (eg_str){s.ptr + 1, s.len - 1};
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

eg_err eg_batch_boundary(eg_str content_type, eg_str *ret) {
    eg_str rest = content_type;
    if (!eg_str_ieq(trimmed(eg_str_cut(&rest, ';')), EG_LIT("multipart/mixed"))) {
        return EG_ERR_HTTP_HEADER;
    }
    while (rest.ptr) {
        eg_str value = eg_str_cut(&rest, ';');
        const eg_str name = trimmed(eg_str_cut(&value, '='));
        value = trimmed(value.ptr ? value : EG_LIT(""));
        if (!eg_str_ieq(name, EG_LIT("boundary"))) {
            continue;
        }
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
            value = (eg_str){value.ptr + 1, value.len - 2};
        }
        if (value.len == 0 || value.len > BOUNDARY_MAX || memchr(value.ptr, '"', value.len)) {
            return EG_ERR_HTTP_HEADER;
        }
        *ret = value;
        return EG_OK;
    }
    return EG_ERR_HTTP_HEADER;
}

/* The next line without its end; false when there is none. */
static bool line(eg_batch_reader *r, eg_str *ret) {
    if (r->rest.len == 0) {
        return false;
    }
    const char *end = memchr(r->rest.ptr, '\n', r->rest.len);
    const size_t n = end ? (size_t)(end - r->rest.ptr) : r->rest.len;
    *ret = (eg_str){r->rest.ptr, n};
    if (n > 0 && ret->ptr[n - 1] == '\r') {
        ret->len--;
    }
    const size_t used = n + (end != NULL);
    r->rest = (eg_str){r->rest.ptr + used, r->rest.len - used};
    return true;
}

/* 0 = an ordinary line, 1 = "--boundary", 2 = "--boundary--". */
static int delimiter(const eg_batch_reader *r, eg_str l) {
    l = trimmed(l);
    if (l.len < 2 + r->boundary.len || memcmp(l.ptr, "--", 2) != 0 || memcmp(l.ptr + 2, r->boundary.ptr, r->boundary.len) != 0) {
        return 0;
    }
    const eg_str behind = {l.ptr + 2 + r->boundary.len, l.len - 2 - r->boundary.len};
    return behind.len == 0 ? 1 : eg_str_is(behind, "--") ? 2 : 0;
}

/* "name: value"; a name has no blanks (RFC 9112 section 5.1), a value no control characters. */
static eg_err header(eg_str l, eg_header *ret) {
    eg_str value = l;
    const eg_str name = eg_str_cut(&value, ':');
    if (!value.ptr || name.len == 0) {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < l.len; i++) {
        const unsigned char c = (unsigned char)l.ptr[i];
        if (c < 0x20 || c == 0x7f || (i < name.len && c == ' ')) {
            return EG_ERR_INVALID;
        }
    }
    *ret = (eg_header){name, trimmed(value)};
    return EG_OK;
}

/* The part's own headers, up to the empty line. */
static eg_err part_headers(eg_batch_reader *r, eg_batch_part *part) {
    eg_str l;
    bool http = false;
    while (line(r, &l)) {
        eg_header h;
        if (l.len == 0) {
            return http ? EG_OK : EG_ERR_INVALID;
        }
        EG_TRY(header(l, &h));
        if (eg_str_ieq(h.name, EG_LIT("Content-Type"))) {
            http = eg_str_ieq(h.value, EG_LIT("application/http"));
        } else if (eg_str_ieq(h.name, EG_LIT("Content-ID"))) {
            part->content_id = h.value;
        }
    }
    return EG_ERR_INVALID;
}

/* "DELETE /container/blob HTTP/1.1" */
static eg_err request_line(eg_batch_reader *r, eg_batch_part *part) {
    eg_str l;
    if (!line(r, &l)) {
        return EG_ERR_INVALID;
    }
    eg_str rest = l;
    part->method = eg_str_cut(&rest, ' ');
    part->target = rest.ptr ? eg_str_cut(&rest, ' ') : rest;
    if (!rest.ptr || !eg_str_is(rest, "HTTP/1.1") || part->method.len == 0 || part->target.len == 0 || part->target.ptr[0] != '/') {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < l.len; i++) {
        if ((unsigned char)l.ptr[i] < 0x20 || l.ptr[i] == 0x7f) {
            return EG_ERR_INVALID;
        }
    }
    return EG_OK;
}

/* The request's headers, and nothing but empty lines up to the next delimiter. */
static eg_err request_headers(eg_batch_reader *r, eg_batch_part *part) {
    eg_str l;
    bool ended = false;
    for (;;) {
        const eg_batch_reader here = *r;
        eg_header h;
        if (!line(r, &l)) {
            return EG_ERR_INVALID; /* the closing delimiter is missing */
        }
        if (delimiter(r, l) != 0) {
            *r = here;
            return EG_OK;
        }
        if (l.len == 0) {
            ended = true;
            continue;
        }
        EG_TRY(header(l, &h));
        if (ended || part->header_count == EG_BATCH_HEADERS_MAX) {
            return EG_ERR_INVALID; /* a body, or too many */
        }
        if (eg_str_ieq(h.name, EG_LIT("Content-Length")) && !eg_str_is(h.value, "0")) {
            return EG_ERR_INVALID;
        }
        part->headers[part->header_count++] = h;
    }
}

eg_err eg_batch_next(eg_batch_reader *r, eg_batch_part *ret) {
    eg_str l;
    for (;;) {
        if (!line(r, &l)) {
            return EG_ERR_INVALID;
        }
        const int d = delimiter(r, l);
        if (d == 2) {
            return r->begun ? EG_ERR_NOT_FOUND : EG_ERR_INVALID;
        }
        if (d == 1) {
            break;
        }
        if (r->begun || l.len > 0) {
            return EG_ERR_INVALID;
        }
    }
    r->begun = true;
    *ret = (eg_batch_part){.header_count = 0};
    EG_TRY(part_headers(r, ret));
    EG_TRY(request_line(r, ret));
    return request_headers(r, ret);
}

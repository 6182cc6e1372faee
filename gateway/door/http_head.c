/* The strict reader of an HTTP/1.1 request head. */
#include "http_head.h"

#define NOT_OURS EG_ERR_HTTP_FRAMING

enum { BLOCK = 8 };

/* Character classes, one bit each. */
enum { TCHAR = 1, TARGET = 2, HEX = 4, FIELD = 8, HOST = 16 };

/* TCHAR: RFC 9110 section 5.6.2. TARGET: RFC 3986 pchar, '/' and '?', with '%' looked at apart. FIELD: RFC 9110
 * section 5.5 (obs-text is above the table). HOST: the unreserved characters of a reg-name; sub-delims and escapes name no host of ours. */
static const uint8_t char_class[128] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  8,  0,  0,  0,  0,  0,  0, /* 0x00 */
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, /* 0x10 */
     8, 11,  8,  9, 11,  9, 11, 11, 10, 10, 11, 11, 10, 27, 27, 10, /* 0x20 */
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 10, 10,  8, 10,  8, 10, /* 0x30 */
    10, 31, 31, 31, 31, 31, 31, 27, 27, 27, 27, 27, 27, 27, 27, 27, /* 0x40 */
    27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,  8,  8,  8,  9, 27, /* 0x50 */
     9, 31, 31, 31, 31, 31, 31, 27, 27, 27, 27, 27, 27, 27, 27, 27, /* 0x60 */
    27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,  8,  9,  8, 27,  0, /* 0x70 */
};

static bool is(char c, unsigned classes) {
    uint8_t b = (uint8_t)c;
    return ((b < 128 ? char_class[b] : FIELD) & classes) != 0;
}

static bool all_are(eg_str s, unsigned classes) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is(s.ptr[i], classes)) {
            return false;
        }
    }
    return true;
}

static eg_str slice(eg_str s, size_t from, size_t to) {
    return (eg_str){s.ptr + from, to - from};
}

/* One line was ended by CRLF at `at` (its LF). True when it was the empty one. */
static eg_err end_of_line(eg_http_scan *s, size_t at, bool *ret_empty, eg_problem *p) {
    bool empty = at - 1 == s->line_start;
    if (empty && !s->first_line_done) {
        /* RFC 9112 section 2.2 lets a server skip it; nobody needs that, and it hides the start of a request. */
        return eg_fail(p, NOT_OURS, "an empty line stands before the request line");
    }
    s->first_line_done = true;
    s->line_start = at + 1;
    *ret_empty = empty;
    return EG_OK;
}

/* Whether one of eight bytes is below 0x20 or 0x7f. Of each byte only its own high bit is asked, and what a lower one borrows can't hide another:
 * it can at most make a byte above it look like one. */
static bool has_control(const uint8_t p[BLOCK]) {
    const uint64_t ones = 0x0101010101010101u, highs = 0x80 * ones;
    uint64_t w;
    memcpy(&w, p, sizeof w);
    const uint64_t del = w ^ (0x7f * ones);
    return ((((w - 0x20 * ones) & ~w) | ((del - ones) & ~del)) & highs) != 0;
}

/* On to the next byte that the loop below must look at; the last one before a bound is among them. */
static size_t skip_plain(const eg_http_scan *s, const eg_door_limits *limits, eg_bytes in, size_t first_line_max) {
    size_t end = in.len < limits->head_bytes ? in.len : limits->head_bytes;
    size_t at = s->at;
    if (!s->first_line_done && first_line_max < end) {
        end = first_line_max;
    }
    if (at > 0 && in.ptr[at - 1] == '\r') {
        return at;
    }
    /* Eight bytes at a time; a tab is FIELD too, and found one by one. */
    while (at + BLOCK < end && !has_control(in.ptr + at)) {
        at += BLOCK;
    }
    while (at + 1 < end && is((char)in.ptr[at], FIELD)) {
        at++;
    }
    return at;
}

eg_err eg_http_head_scan(eg_http_scan *s, const eg_door_limits *limits, eg_bytes in, size_t *ret_len, eg_problem *p) {
    size_t first_line_max = (size_t)EG_DOOR_METHOD_MAX + limits->target_bytes + sizeof "  HTTP/1.1";
    for (; s->at < in.len; s->at++) {
        s->at = skip_plain(s, limits, in, first_line_max);
        uint8_t b = in.ptr[s->at];
        if (s->at >= limits->head_bytes) {
            return eg_fail(p, EG_ERR_HTTP_HEAD_TOO_LARGE, "the request head is larger than %u bytes", limits->head_bytes);
        }
        if (!s->first_line_done && s->at > first_line_max) {
            return eg_fail(p, EG_ERR_HTTP_URI_TOO_LONG, "the request target is longer than %u bytes", limits->target_bytes);
        }
        bool after_cr = s->at > 0 && in.ptr[s->at - 1] == '\r';
        if (b == '\n') {
            bool empty = false;
            if (!after_cr) {
                return eg_fail(p, NOT_OURS, "a line of the request head ends with a bare LF");
            }
            EG_TRY(end_of_line(s, s->at, &empty, p));
            if (empty) {
                *ret_len = s->at + 1;
                return EG_OK;
            }
        } else if (after_cr) {
            return eg_fail(p, NOT_OURS, "a CR without LF stands in the request head");
        } else if (b != '\r' && !is((char)b, FIELD)) {
            return eg_fail(p, NOT_OURS, "a control character stands in the request head");
        }
    }
    *ret_len = 0;
    return EG_OK;
}

static eg_err parse_target(const eg_door_limits *limits, eg_http_head *h, eg_problem *p) {
    eg_str t = h->target;
    if (t.len > limits->target_bytes) {
        return eg_fail(p, EG_ERR_HTTP_URI_TOO_LONG, "the request target is longer than %u bytes", limits->target_bytes);
    }
    /* RFC 9112 section 3.2: absolute-form is for proxies, authority-form for CONNECT, asterisk-form for OPTIONS. */
    if (t.len == 0 || t.ptr[0] != '/') {
        return eg_fail(p, EG_ERR_HTTP_TARGET, "the request target does not begin with '/'");
    }
    size_t query = t.len;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] == '%') {
            if (t.len - i < 3 || !is(t.ptr[i + 1], HEX) || !is(t.ptr[i + 2], HEX)) {
                return eg_fail(p, EG_ERR_HTTP_TARGET, "the request target has a '%%' that two hex digits don't follow");
            }
            i += 2;
        } else if (!is(t.ptr[i], TARGET)) {
            return eg_fail(p, EG_ERR_HTTP_TARGET, "the request target has a character that must be percent-encoded");
        } else if (t.ptr[i] == '?' && query == t.len) {
            query = i;
        }
    }
    h->path = slice(t, 0, query);
    h->query = query < t.len ? slice(t, query + 1, t.len) : (eg_str){NULL, 0};
    return EG_OK;
}

static eg_err parse_request_line(const eg_door_limits *limits, eg_str line, eg_http_head *h, eg_problem *p) {
    eg_str rest = line;
    h->method = eg_str_cut(&rest, ' ');
    if (rest.ptr == NULL || h->method.len == 0 || h->method.len > EG_DOOR_METHOD_MAX || !all_are(h->method, TCHAR)) {
        return eg_fail(p, NOT_OURS, "the request line does not begin with a method");
    }
    h->target = eg_str_cut(&rest, ' ');
    /* HTTP/1.0 is refused: it has no Host that we could rely on and no chunked answers. */
    if (rest.ptr == NULL || !eg_str_is(rest, "HTTP/1.1")) {
        return eg_fail(p, NOT_OURS, "the request line does not end with HTTP/1.1");
    }
    EG_TRY(parse_target(limits, h, p));
    /* RFC 9110 section 9.3.6: to whoever stands before us what follows would be a tunnel, to us it would be requests. */
    if (eg_str_is(h->method, "CONNECT")) {
        return eg_fail(p, NOT_OURS, "CONNECT is for proxies");
    }
    return EG_OK;
}

typedef struct seen {
    bool host, content_length, transfer_encoding, authorization, expect;
} seen;

static eg_err once(bool *flag, eg_err e, const char *name, eg_problem *p) {
    if (*flag) {
        return eg_fail(p, e, "the request has more than one %s", name);
    }
    *flag = true;
    return EG_OK;
}

static eg_err on_host(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    EG_TRY(once(&s->host, NOT_OURS, "Host", p));
    eg_str host = v;
    size_t end = 0;
    if (v.len > 0 && v.ptr[0] == '[') { /* RFC 3986 IP-literal; what it means is not the door's affair */
        for (end = 1; end < v.len && (is(v.ptr[end], HEX) || v.ptr[end] == ':' || v.ptr[end] == '.'); end++) {
        }
        if (end == 1 || end >= v.len || v.ptr[end] != ']') {
            return eg_fail(p, EG_ERR_HTTP_HEADER, "Host is not a name or an address");
        }
        end++;
    } else {
        for (; end < v.len && is(v.ptr[end], HOST); end++) {
        }
    }
    host.len = end;
    if (end < v.len) {
        uint64_t port = 0;
        if (v.ptr[end] != ':' || eg_str_u64(slice(v, end + 1, v.len), 65535, &port) != EG_OK) {
            return eg_fail(p, EG_ERR_HTTP_HEADER, "Host is not a name or an address with an optional port");
        }
    }
    if (host.len == 0 || host.len > 255) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "Host is empty or too long");
    }
    h->host = host;
    return EG_OK;
}

static eg_err on_content_length(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    EG_TRY(once(&s->content_length, NOT_OURS, "Content-Length", p));
    uint64_t n = 0;
    /* RFC 9110 section 8.6 would let "5, 5" through; it means that somebody before us merged two. */
    if (v.len == 0 || v.len > 19 || eg_str_u64(v, INT64_MAX, &n) != EG_OK) {
        return eg_fail(p, NOT_OURS, "Content-Length is not a decimal number");
    }
    h->content_length = (int64_t)n;
    return EG_OK;
}

static eg_err on_transfer_encoding(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    EG_TRY(once(&s->transfer_encoding, NOT_OURS, "Transfer-Encoding", p));
    if (!eg_str_ieq(v, EG_LIT("chunked"))) {
        return eg_fail(p, NOT_OURS, "Transfer-Encoding is not \"chunked\"");
    }
    h->content_length = -1;
    return EG_OK;
}

static eg_err on_authorization(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    EG_TRY(once(&s->authorization, EG_ERR_HTTP_HEADER, "Authorization", p));
    h->authorization = v;
    return EG_OK;
}

static eg_err on_expect(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    EG_TRY(once(&s->expect, EG_ERR_HTTP_HEADER, "Expect", p));
    if (!eg_str_ieq(v, EG_LIT("100-continue"))) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "Expect is not \"100-continue\"");
    }
    h->expect_continue = true;
    return EG_OK;
}

static eg_str trim(eg_str v) {
    while (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t')) {
        v = slice(v, 1, v.len);
    }
    while (v.len > 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t')) {
        v.len--;
    }
    return v;
}

static eg_err on_connection(eg_http_head *h, seen *s, eg_str v, eg_problem *p) {
    (void)s;
    (void)p;
    for (eg_str rest = v; rest.ptr != NULL;) { /* "upgrade" is among what is ignored: RFC 9110 section 7.8 */
        if (eg_str_ieq(trim(eg_str_cut(&rest, ',')), EG_LIT("close"))) {
            h->close = true;
        }
    }
    return EG_OK;
}

/* The fields that decide where the request ends, whom it is for and what becomes of the connection. */
static const struct {
    const char *name;
    eg_err (*take)(eg_http_head *h, seen *s, eg_str value, eg_problem *p);
    bool hidden;  /* not among the request's headers */
    bool framing; /* no tab beside its value: RFC 9110 section 5.5 lets it stand, llhttp takes "chunked" with a tab for another coding */
} field_rules[] = {
    {"Host", on_host, false, false},
    {"Content-Length", on_content_length, false, true},
    {"Transfer-Encoding", on_transfer_encoding, false, true},
    {"Authorization", on_authorization, true, false},
    {"Expect", on_expect, false, false},
    {"Connection", on_connection, false, false},
};

static eg_err parse_field(const eg_door_limits *limits, eg_str line, eg_http_head *h, seen *s, eg_problem *p) {
    size_t max = limits->header_count < EG_DOOR_HEADER_COUNT_MAX ? limits->header_count : EG_DOOR_HEADER_COUNT_MAX;
    /* RFC 9112 section 5.2: obs-fold. */
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
        return eg_fail(p, NOT_OURS, "a header line begins with a blank");
    }
    eg_str value = line;
    eg_str name = eg_str_cut(&value, ':');
    /* RFC 9112 section 5.1: a blank before the colon is a smuggling tool; it is not a TCHAR. */
    if (value.ptr == NULL || name.len == 0 || !all_are(name, TCHAR)) {
        return eg_fail(p, NOT_OURS, "a header line has no field name and colon");
    }
    bool tab = memchr(value.ptr, '\t', value.len) != NULL;
    value = trim(value);
    bool hidden = false;
    for (size_t i = 0; i < sizeof field_rules / sizeof field_rules[0]; i++) {
        if (eg_str_ieq(name, eg_str_of(field_rules[i].name))) {
            if (tab && field_rules[i].framing) {
                return eg_fail(p, NOT_OURS, "a tab stands in %s", field_rules[i].name);
            }
            EG_TRY(field_rules[i].take(h, s, value, p));
            hidden = field_rules[i].hidden;
        }
    }
    if (hidden) {
        return EG_OK;
    }
    if (h->header_count >= max) {
        return eg_fail(p, EG_ERR_HTTP_HEAD_TOO_LARGE, "the request has more than %zu header fields", max);
    }
    h->headers[h->header_count++] = (eg_header){name, value};
    return EG_OK;
}

/* Cuts the line that CRLF ends; scan made sure that every LF follows a CR and that the head ends with an empty line. */
static bool next_line(eg_str *rest, eg_str *ret) {
    const char *lf = memchr(rest->ptr, '\n', rest->len);
    if (lf == NULL || lf == rest->ptr || lf[-1] != '\r') {
        return false;
    }
    size_t n = (size_t)(lf - rest->ptr);
    *ret = slice(*rest, 0, n - 1);
    *rest = slice(*rest, n + 1, rest->len);
    return true;
}

eg_err eg_http_head_parse(const eg_door_limits *limits, eg_str head, eg_http_head *ret, eg_problem *p) {
    eg_http_head *h = ret;
    seen s = {0};
    eg_str rest = head;
    eg_str line = {0};
    h->header_count = 0;
    h->authorization = (eg_str){NULL, 0};
    h->content_length = 0;
    h->expect_continue = false;
    h->close = false;
    if (!next_line(&rest, &line)) {
        return eg_fail(p, NOT_OURS, "the request has no request line");
    }
    EG_TRY(parse_request_line(limits, line, h, p));
    for (;;) {
        if (!next_line(&rest, &line)) {
            return eg_fail(p, NOT_OURS, "the request head has no end");
        }
        if (line.len == 0) {
            break;
        }
        EG_TRY(parse_field(limits, line, h, &s, p));
    }
    if (rest.len != 0) {
        return eg_fail(p, NOT_OURS, "bytes follow the request head");
    }
    if (!s.host) { /* RFC 9112 section 3.2 */
        return eg_fail(p, NOT_OURS, "the request has no Host");
    }
    /* RFC 9112 section 6.1: the classic of request smuggling. */
    if (s.content_length && s.transfer_encoding) {
        return eg_fail(p, NOT_OURS, "the request has both Content-Length and Transfer-Encoding");
    }
    return EG_OK;
}

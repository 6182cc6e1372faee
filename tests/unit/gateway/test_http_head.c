/* The head reader: what it accepts, and every refusal by its error. */
#include "door/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the three above first */
#include <cmocka.h>

static const eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;

/* As the door does it: scan in pieces of `step`, then parse a copy of exactly the head. */
static eg_err read_head(eg_str in, size_t step, eg_http_head *ret, size_t *ret_len, char **ret_copy) {
    eg_http_scan s = {0};
    eg_problem p = {0};
    size_t len = 0;
    for (size_t n = step; len == 0; n += step) {
        size_t have = n < in.len ? n : in.len;
        eg_err e = eg_http_head_scan(&s, &limits, (eg_bytes){(const uint8_t *)in.ptr, have}, &len, &p);
        if (e != EG_OK) {
            assert_int_equal(p.code, e);
            assert_true(p.message[0] != '\0');
            return e;
        }
        if (have == in.len && len == 0) {
            *ret_len = 0;
            return EG_OK;
        }
    }
    *ret_len = len;
    *ret_copy = malloc(len);
    assert_non_null(*ret_copy);
    memcpy(*ret_copy, in.ptr, len);
    eg_err e = eg_http_head_parse(&limits, (eg_str){*ret_copy, len}, ret, &p);
    assert_int_equal(p.code, e);
    return e;
}

#define H "Host: a.example\r\n"
#define GET "GET /x HTTP/1.1\r\n"
#define POST "POST /x HTTP/1.1\r\n" H
#define END "\r\n"

/* EG_LIT is no constant */
#define TEXT(s) {(s), sizeof(s) - 1}

static const struct {
    const char *what;
    eg_str head;
    eg_err expect;
} cases[] = {
    {"plain", TEXT(GET H END), EG_OK},
    {"odd method token", TEXT("M-SEARCH!#$ /x HTTP/1.1\r\n" H END), EG_OK},
    {"escaped NUL: decoding refuses it later", TEXT("GET /a%00b HTTP/1.1\r\n" H END), EG_OK},
    {"escaped slash and dots stay", TEXT("GET /a%2F%2e%2e/b HTTP/1.1\r\n" H END), EG_OK},
    {"two slashes", TEXT("GET //a/b HTTP/1.1\r\n" H END), EG_OK},
    {"query with slash and question mark", TEXT("GET /a?b=/c?d HTTP/1.1\r\n" H END), EG_OK},
    {"blanks around a value", TEXT(GET "Host: \t a.example \t\r\n" END), EG_OK},
    {"empty value", TEXT(GET H "X:\r\n" END), EG_OK},
    {"host with port", TEXT(GET "Host: A.example:8443\r\n" END), EG_OK},
    {"host is an IPv6 address", TEXT(GET "Host: [::1]:8443\r\n" END), EG_OK},
    {"obs-text in a value", TEXT(GET H "X: \xc3\xa9\r\n" END), EG_OK},
    {"length", TEXT(POST "Content-Length: 3\r\n" END), EG_OK},
    {"chunked", TEXT(POST "Transfer-Encoding: Chunked\r\n" END), EG_OK},
    {"upgrade is ignored", TEXT(GET H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" END), EG_OK},
    {"expect", TEXT(POST "Content-Length: 3\r\nExpect: 100-Continue\r\n" END), EG_OK},

    {"two lengths", TEXT(POST "Content-Length: 3\r\nContent-Length: 4\r\n" END), EG_ERR_HTTP_FRAMING},
    {"the same length twice", TEXT(POST "Content-Length: 3\r\nContent-Length: 3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"list of lengths", TEXT(POST "Content-Length: 3, 3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"negative length", TEXT(POST "Content-Length: -3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"signed length", TEXT(POST "Content-Length: +3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"hex length", TEXT(POST "Content-Length: 0x3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"empty length", TEXT(POST "Content-Length:\r\n" END), EG_ERR_HTTP_FRAMING},
    {"length past 63 bits", TEXT(POST "Content-Length: 9223372036854775808\r\n" END), EG_ERR_HTTP_FRAMING},
    {"length and chunked", TEXT(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" END), EG_ERR_HTTP_FRAMING},
    {"chunked and length", TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"coding before chunked", TEXT(POST "Transfer-Encoding: gzip, chunked\r\n" END), EG_ERR_HTTP_FRAMING},
    {"chunked twice", TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END), EG_ERR_HTTP_FRAMING},
    {"identity", TEXT(POST "Transfer-Encoding: identity\r\n" END), EG_ERR_HTTP_FRAMING},
    {"chunked behind a vertical tab", TEXT(POST "Transfer-Encoding: \x0b" "chunked\r\n" END), EG_ERR_HTTP_FRAMING},
    {"blank before the colon", TEXT(POST "Content-Length : 3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"bare LF after the request line", TEXT("GET /x HTTP/1.1\n" H END), EG_ERR_HTTP_FRAMING},
    {"bare LF after a field", TEXT(GET "Host: a.example\n\r\n"), EG_ERR_HTTP_FRAMING},
    {"bare CR in a value", TEXT(GET H "X: a\rb\r\n" END), EG_ERR_HTTP_FRAMING},
    {"CR CR LF", TEXT(GET H "X: a\r\r\n" END), EG_ERR_HTTP_FRAMING},
    {"folded line", TEXT(GET H "X: a\r\n b\r\n" END), EG_ERR_HTTP_FRAMING},
    {"folded first line", TEXT(GET " " H END), EG_ERR_HTTP_FRAMING},
    {"NUL in a value", TEXT(GET H "X: a\0b\r\n" END), EG_ERR_HTTP_FRAMING},
    {"NUL in the target", TEXT("GET /x\0y HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"DEL in a value", TEXT(GET H "X: a\x7f\r\n" END), EG_ERR_HTTP_FRAMING},
    {"empty line first", TEXT("\r\n" GET H END), EG_ERR_HTTP_FRAMING},
    {"no colon", TEXT(GET H "X\r\n" END), EG_ERR_HTTP_FRAMING},
    {"no name", TEXT(GET H ": x\r\n" END), EG_ERR_HTTP_FRAMING},
    {"name with a blank", TEXT(GET H "X Y: x\r\n" END), EG_ERR_HTTP_FRAMING},
    {"name with obs-text", TEXT(GET H "X\xe9: x\r\n" END), EG_ERR_HTTP_FRAMING},
    {"no host", TEXT(GET END), EG_ERR_HTTP_FRAMING},
    {"two hosts", TEXT(GET H H END), EG_ERR_HTTP_FRAMING},
    {"HTTP/1.0", TEXT("GET /x HTTP/1.0\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"HTTP/1.2", TEXT("GET /x HTTP/1.2\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"HTTP/0.9", TEXT("GET /x\r\n" END), EG_ERR_HTTP_FRAMING},
    {"HTTP/2 preface", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), EG_ERR_HTTP_FRAMING},
    {"lower-case version", TEXT("GET /x http/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"blank after the version", TEXT("GET /x HTTP/1.1 \r\n" H END), EG_ERR_HTTP_FRAMING},
    {"two blanks", TEXT("GET  /x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"tab as blank", TEXT("GET\t/x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"no method", TEXT(" /x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"method is no token", TEXT("G(T /x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"long method", TEXT("GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG /x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},

    {"absolute-form", TEXT("GET http://a.example/x HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"authority-form", TEXT("CONNECT a.example:443 HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"CONNECT of a path", TEXT("CONNECT /x HTTP/1.1\r\n" H END), EG_ERR_HTTP_FRAMING},
    {"asterisk-form", TEXT("OPTIONS * HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"fragment", TEXT("GET /x#y HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"raw non-ASCII", TEXT("GET /\xc3\xa9 HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"backslash", TEXT("GET /a\\b HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"half an escape", TEXT("GET /a%2 HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},
    {"escape without hex", TEXT("GET /a%zz HTTP/1.1\r\n" H END), EG_ERR_HTTP_TARGET},

    {"tab after chunked", TEXT(GET H "Transfer-Encoding: chunked\t\r\n" END), EG_ERR_HTTP_FRAMING},
    {"tab before the length", TEXT(GET H "Content-Length:\t3\r\n" END), EG_ERR_HTTP_FRAMING},
    {"empty host", TEXT(GET "Host:\r\n" END), EG_ERR_HTTP_HEADER},
    {"host with a path", TEXT(GET "Host: a/b\r\n" END), EG_ERR_HTTP_HEADER},
    {"host with userinfo", TEXT(GET "Host: u@a\r\n" END), EG_ERR_HTTP_HEADER},
    {"host with a bad port", TEXT(GET "Host: a:99999\r\n" END), EG_ERR_HTTP_HEADER},
    {"host without its bracket", TEXT(GET "Host: [::1\r\n" END), EG_ERR_HTTP_HEADER},
    {"two tokens", TEXT(GET H "Authorization: Bearer a\r\nauthorization: Bearer b\r\n" END), EG_ERR_HTTP_HEADER},
    {"other expectation", TEXT(POST "Expect: the-unexpected\r\n" END), EG_ERR_HTTP_HEADER},
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= 4096; step *= 16) { /* however the bytes arrive */
            eg_http_head h;
            size_t len = 0;
            char *copy = NULL;
            eg_err e = read_head(cases[i].head, step, &h, &len, &copy);
            if (e != cases[i].expect || (e == EG_OK && len != cases[i].head.len)) {
                fail_msg("%s, step %zu: %s, length %zu", cases[i].what, step, eg_err_code(e), len);
            }
            free(copy);
        }
    }
}

static void test_fields(void **state) {
    (void)state;
    eg_http_head h;
    size_t len = 0;
    char *copy = NULL;
    eg_str in = EG_LIT("PUT /a%20b/c?x=1&y HTTP/1.1\r\nhOST: Example.COM:8443\r\nX-One:  1 \r\nAuthorization: Bearer t\r\n"
                       "Content-Length: 007\r\nExpect: 100-continue\r\nConnection: keep-alive, Close\r\n\r\nrest");
    assert_int_equal(read_head(in, 7, &h, &len, &copy), EG_OK);
    assert_int_equal(len, in.len - 4);
    assert_true(eg_str_is(h.method, "PUT"));
    assert_true(eg_str_is(h.target, "/a%20b/c?x=1&y"));
    assert_true(eg_str_is(h.path, "/a%20b/c"));
    assert_true(eg_str_is(h.query, "x=1&y"));
    assert_true(eg_str_is(h.host, "Example.COM"));
    assert_true(eg_str_is(h.authorization, "Bearer t"));
    assert_int_equal(h.content_length, 7);
    assert_true(h.expect_continue);
    assert_true(h.close);
    assert_int_equal(h.header_count, 5);
    for (size_t i = 0; i < h.header_count; i++) {
        assert_false(eg_str_ieq(h.headers[i].name, EG_LIT("authorization")));
    }
    assert_true(eg_str_is(h.headers[1].name, "X-One") && eg_str_is(h.headers[1].value, "1"));
    free(copy);
}

static void test_defaults(void **state) {
    (void)state;
    eg_http_head h;
    size_t len = 0;
    char *copy = NULL;
    assert_int_equal(read_head(EG_LIT(GET H END), 1, &h, &len, &copy), EG_OK);
    assert_null(h.authorization.ptr);
    assert_int_equal(h.content_length, 0);
    assert_int_equal(h.query.len, 0);
    assert_false(h.close);
    free(copy);
    assert_int_equal(read_head(EG_LIT(POST "Transfer-Encoding: chunked\r\n" END), 1, &h, &len, &copy), EG_OK);
    assert_int_equal(h.content_length, -1);
    free(copy);
}

static void test_incomplete(void **state) {
    (void)state;
    eg_http_head h;
    size_t len = 1;
    char *copy = NULL;
    assert_int_equal(read_head(EG_LIT(GET "Host: a\r\n\r"), 3, &h, &len, &copy), EG_OK);
    assert_int_equal(len, 0);
}

/* Wherever a byte stands among those that are looked at together, and whatever stands beside it. */
static void test_every_byte_at_every_place(void **state) {
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);
        for (size_t at = 0; at < 20; at++) {
            char text[] = GET H "X: ab\x80\xff ~`!19AZ azcdefghi\x81klmn\r\n\r\n";
            const size_t before = sizeof(GET H "X: a") - 1;
            eg_http_head h;
            size_t len = 0;
            char *copy = NULL;
            text[before + at] = (char)c;
            const eg_err e = read_head((eg_str){text, sizeof text - 1}, sizeof text, &h, &len, &copy);
            if ((e == EG_OK) != fine) {
                fail_msg("byte %u at %zu: %s", c, at, eg_err_code(e));
            }
            free(copy);
        }
    }
}

static eg_err read_built(const char *before, char fill, size_t n, const char *after) {
    size_t a = strlen(before);
    size_t b = strlen(after);
    char *z = malloc(a + n + b);
    assert_non_null(z);
    memcpy(z, before, a);
    memset(z + a, fill, n);
    memcpy(z + a + n, after, b);
    eg_http_head h;
    size_t len = 0;
    char *copy = NULL;
    eg_err e = read_head((eg_str){z, a + n + b}, 1000, &h, &len, &copy);
    free(copy);
    free(z);
    return e;
}

static void test_bounds(void **state) {
    (void)state;
    const char *end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(read_built("GET /", 'a', limits.target_bytes - 1, end), EG_OK);
    assert_int_equal(read_built("GET /", 'a', limits.target_bytes, end), EG_ERR_HTTP_URI_TOO_LONG);
    assert_int_equal(read_built("GET /", 'a', 1 << 20, end), EG_ERR_HTTP_URI_TOO_LONG);
    const char *head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    size_t rest = strlen(head) + 4;
    assert_int_equal(read_built(head, 'a', limits.head_bytes - rest, "\r\n\r\n"), EG_OK);
    assert_int_equal(read_built(head, 'a', limits.head_bytes - rest + 1, "\r\n\r\n"), EG_ERR_HTTP_HEAD_TOO_LARGE);
    /* Refused before its end came. */
    assert_int_equal(read_built(head, 'a', limits.head_bytes, ""), EG_ERR_HTTP_HEAD_TOO_LARGE);
}

static void test_header_count(void **state) {
    (void)state;
    for (unsigned n = limits.header_count - 1; n <= limits.header_count; n++) {
        eg_buf b;
        eg_buf_init(&b, 16384);
        assert_int_equal(eg_buf_adds(&b, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"), EG_OK);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(eg_buf_addf(&b, "X-%u: y\r\n", i), EG_OK);
        }
        assert_int_equal(eg_buf_adds(&b, "\r\n"), EG_OK);
        eg_http_head h;
        size_t len = 0;
        char *copy = NULL;
        eg_err e = read_head(eg_buf_str(&b), 4096, &h, &len, &copy);
        assert_int_equal(e, n + 1 <= limits.header_count ? EG_OK : EG_ERR_HTTP_HEAD_TOO_LARGE);
        free(copy);
        eg_buf_done(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_fields), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_incomplete), cmocka_unit_test(test_every_byte_at_every_place), cmocka_unit_test(test_bounds), cmocka_unit_test(test_header_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

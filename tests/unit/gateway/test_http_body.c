/* The body framing reader: counted and chunked bodies in any pieces, and every malformed chunk. */
#include "door/http_body.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs the two above first */
#include <cmocka.h>

/* EG_LIT is no constant */
#define TEXT(s) {(s), sizeof(s) - 1}

static const struct {
    const char *what;
    int64_t length;
    eg_str in;
    eg_err expect;
    const char *body;    /* when OK */
    size_t rest;         /* bytes that belong to the next request */
    bool incomplete;
} cases[] = {
    {"none", 0, TEXT("next"), EG_OK, "", 4, false},
    {"counted", 5, TEXT("hellonext"), EG_OK, "hello", 4, false},
    {"counted, cut", 5, TEXT("hel"), EG_OK, "hel", 0, true},
    {"chunks", -1, TEXT("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nnext"), EG_OK, "hello", 4, false},
    {"hex sizes of both cases", -1, TEXT("a\r\n0123456789\r\nB\r\n0123456789a\r\n00\r\n\r\n"), EG_OK, "01234567890123456789a", 0, false},
    {"only the last chunk", -1, TEXT("0\r\n\r\n"), EG_OK, "", 0, false},
    {"chunk of CRLF", -1, TEXT("2\r\n\r\n\r\n0\r\n\r\n"), EG_OK, "\r\n", 0, false},
    {"end missing", -1, TEXT("3\r\nhel\r\n0\r\n"), EG_OK, "hel", 0, true},
    {"no size", -1, TEXT("\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"bad digit", -1, TEXT("3g\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"prefix 0x", -1, TEXT("0x3\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"negative", -1, TEXT("-3\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"blank before", -1, TEXT(" 3\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"blank after", -1, TEXT("3 \r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"too many digits", -1, TEXT("0000000000000003\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"overflow", -1, TEXT("fffffffffffffffff\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"extension", -1, TEXT("3;a=b\r\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"bare LF after the size", -1, TEXT("3\nhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"CR without LF after the size", -1, TEXT("3\rhel"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"chunk longer than said", -1, TEXT("3\r\nhello\r\n"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"bare LF after the data", -1, TEXT("3\r\nhel\n0\r\n\r\n"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"trailer", -1, TEXT("0\r\nX: y\r\n\r\n"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
    {"bare LF at the end", -1, TEXT("0\r\n\n"), EG_ERR_HTTP_FRAMING, NULL, 0, false},
};

static eg_err read_body(int64_t length, eg_str in, size_t step, eg_buf *body, size_t *ret_rest, bool *ret_done) {
    eg_http_body b;
    size_t at = 0;
    eg_http_body_init(&b, length);
    while (at < in.len && !b.done) {
        eg_bytes piece = {(const uint8_t *)in.ptr + at, in.len - at < step ? in.len - at : step};
        size_t used = 0;
        eg_bytes data = {NULL, 0};
        EG_TRY(eg_http_body_feed(&b, piece, &used, &data));
        assert_true(used > 0 && used <= piece.len && data.len <= used);
        assert_int_equal(eg_buf_add(body, data.ptr, data.len), EG_OK);
        at += used;
    }
    *ret_rest = in.len - at;
    *ret_done = b.done;
    return EG_OK;
}

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step < 64; step = step * 3) {
            eg_buf body;
            size_t rest = 0;
            bool done = false;
            eg_buf_init(&body, 1024);
            eg_err e = read_body(cases[i].length, cases[i].in, step, &body, &rest, &done);
            bool ok = e == cases[i].expect;
            if (ok && e == EG_OK) {
                ok = eg_str_is(eg_buf_str(&body), cases[i].body) && rest == cases[i].rest && done != cases[i].incomplete;
            }
            if (!ok) {
                fail_msg("%s, step %zu: %s, %zu bytes, rest %zu", cases[i].what, step, eg_err_code(e), body.len, rest);
            }
            eg_buf_done(&body);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

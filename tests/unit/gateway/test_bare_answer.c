/* The heads of answers without a body, as text. */
#include "door/bare_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static const struct {
    const char *what;
    int status;
    int64_t head_length;
    size_t bytes;
    bool has_source;
    int64_t size;
    bool close;
    const char *length; /* NULL = none may be said */
} cases[] = {
    {"HEAD of bytes", 200, -1, 7, false, 0, false, "\r\nContent-Length: 7\r\n"},
    {"HEAD of nothing", 200, -1, 0, false, 0, false, "\r\nContent-Length: 0\r\n"},
    {"HEAD with a length", 200, 5000000000, 0, false, 0, true, "\r\nContent-Length: 5000000000\r\n"},
    {"HEAD of a source", 206, -1, 0, true, 99, false, "\r\nContent-Length: 99\r\n"},
    {"HEAD of an endless source", 200, -1, 0, true, -1, false, NULL},
    {"204", 204, 3, 3, false, 0, false, NULL},
    {"304", 304, -1, 3, false, 0, true, NULL},
    {"304 with the length of the 200", 304, 12, 0, false, 0, false, "\r\nContent-Length: 12\r\n"},
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_response r = {.status = cases[i].status, .head_length = cases[i].head_length, .has_source = cases[i].has_source};
        eg_buf b;
        char line[64];
        r.bytes.len = cases[i].bytes;
        r.source.size = cases[i].size;
        r.headers[0].name = "ETag";
        r.headers[0].value = EG_LIT("\"1\"");
        r.headers[1].name = "X-Empty";
        r.header_count = 2;
        eg_buf_init(&b, 1024);
        assert_int_equal(eg_bare_answer(&r, true, cases[i].close, &b), EG_OK);
        print_message("%s\n", cases[i].what);
        (void)snprintf(line, sizeof line, "HTTP/1.1 %d ", r.status);
        assert_true(eg_str_starts(eg_buf_str(&b), line));
        assert_true(eg_str_ends(eg_buf_str(&b), "\r\n\r\n"));
        assert_non_null(strstr(b.ptr, "\r\nDate: "));
        assert_non_null(strstr(b.ptr, "\r\nETag: \"1\"\r\n"));
        assert_null(strstr(b.ptr, "Transfer-Encoding"));
        assert_int_equal(strstr(b.ptr, "\r\nConnection: close\r\n") != NULL, cases[i].close);
        if (cases[i].length != NULL) {
            assert_non_null(strstr(b.ptr, cases[i].length));
        } else {
            assert_null(strstr(b.ptr, "Content-Length"));
        }
        eg_buf_done(&b);
    }
}

static void test_which(void **state) {
    (void)state;
    for (int status = 200; status < 600; status++) {
        eg_response r = {.status = status};
        assert_true(eg_bare_answer_fits(&r, true));
        assert_int_equal(eg_bare_answer_fits(&r, false), status == 204 || status == 304);
    }
}

static void test_with_a_body(void **state) {
    (void)state;
    eg_response bytes = {.status = 200, .head_length = 5, .bytes = {(const uint8_t *)"1234567", 7}};
    eg_response source = {.status = 206, .head_length = -1, .has_source = true, .source = {.size = 99}};
    eg_response stream = {.status = 200, .head_length = -1, .has_source = true, .source = {.size = -1}};
    assert_true(eg_bare_answer_counted(&bytes));
    assert_true(eg_bare_answer_counted(&source));
    assert_false(eg_bare_answer_counted(&stream));
    eg_buf b;
    eg_buf_init(&b, 1024);
    assert_int_equal(eg_bare_answer(&bytes, false, false, &b), EG_OK);
    assert_non_null(strstr(b.ptr, "\r\nContent-Length: 7\r\n")); /* of the body that follows, whatever a HEAD would say */
    eg_buf_reset(&b);
    assert_int_equal(eg_bare_answer(&source, false, true, &b), EG_OK);
    assert_non_null(strstr(b.ptr, "\r\nContent-Length: 99\r\nConnection: close\r\n\r\n"));
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_which), cmocka_unit_test(test_with_a_body)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

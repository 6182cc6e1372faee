/* The Range header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "range_header.h"

static void ranges(void **state) {
    (void)state;
    const struct {
        const char *value;
        uint64_t length;
        eg_err want;
        uint64_t from, to;
    } cases[] = {
        {"bytes=0-4", 10, EG_OK, 0, 5},
        {"bytes=0-0", 1, EG_OK, 0, 1},
        {"bytes=5-", 10, EG_OK, 5, 10},
        {"bytes=5-33554431", 10, EG_OK, 5, 10},
        {"bytes=9-9223372036854775807", 10, EG_OK, 9, 10},
        {"bytes=-3", 10, EG_OK, 7, 10},
        {"bytes=-30", 10, EG_OK, 0, 10},
        {"bytes=10-", 10, EG_ERR_RANGE, 0, 0},
        {"bytes=0-", 0, EG_ERR_RANGE, 0, 0},
        {"bytes=-0", 10, EG_ERR_RANGE, 0, 0},
        {"bytes=-5", 0, EG_ERR_RANGE, 0, 0},
        {"bytes=0-1,3-4", 10, EG_ERR_RANGE, 0, 0},
        {"bytes=4-2", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=-", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=1", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes= 1-2", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=1-2x", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=+1-2", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"bytes=99999999999999999999-", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"items=0-1", 10, EG_ERR_HTTP_HEADER, 0, 0},
        {"", 10, EG_ERR_HTTP_HEADER, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t from = 0;
        uint64_t to = 0;
        assert_int_equal(eg_range_header_parse(eg_str_of(cases[i].value), cases[i].length, &from, &to), cases[i].want);
        assert_int_equal(from, cases[i].from);
        assert_int_equal(to, cases[i].to);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks the two forms of time, both ways, and what is no time. */
#include <embergate/clock.h>

#include "check.h"

static const int64_t sample = 1795399476123456000LL; /* 2026-11-23T02:04:36.123456Z */

static void rfc3339_round_trip(void **state) {
    (void)state;
    char text[EG_RFC3339_LEN];
    int64_t back = 0;
    eg_time_rfc3339(sample, text);
    assert_string_equal(text, "2026-11-23T02:04:36.123456Z");
    assert_int_equal(eg_time_parse_rfc3339(eg_str_of(text), &back), EG_OK);
    assert_true(back == sample);
    assert_int_equal(eg_time_parse_rfc3339(EG_LIT("2026-11-23T03:34:36+01:30"), &back), EG_OK);
    assert_true(back == sample / 1000000000 * 1000000000);
    eg_time_rfc3339(-1000, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static void rfc3339_refusals(void **state) {
    (void)state;
    static const char *const bad[] = {"", "2026-11-23", "2026-11-23T02:04:36", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z",
                                      "2026-11-23T02:04:60Z", "2026-11-23T02:04:36.Z", "2026-11-23T02:04:36.1234567890Z",
                                      "2026-11-23T02:04:36Zx", "2026-11-23 02:04:36Z", "2026-13-01T00:00:00Z", "9999-01-01T00:00:00Z",
                                      "2026-11-23T02:04:36+24:00", "-026-11-23T02:04:36Z"};
    int64_t back = 5;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_time_parse_rfc3339(eg_str_of(bad[i]), &back), EG_ERR_INVALID);
    }
    assert_true(back == 5);
}

static void http_date_round_trip(void **state) {
    (void)state;
    char text[EG_HTTP_DATE_LEN];
    eg_time_http_date(sample, text);
    assert_string_equal(text, "Mon, 23 Nov 2026 02:04:36 GMT");
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        int64_t back = 0;
        assert_int_equal(eg_time_parse_http_date(eg_str_of(forms[i]), &back), EG_OK);
        assert_true(back == 784111777LL * 1000000000);
    }
}

static void http_date_refusals(void **state) {
    (void)state;
    static const char *const bad[] = {"", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun, 6 Nov 1994 08:49:37 GMT", "now"};
    int64_t back = 5;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_time_parse_http_date(eg_str_of(bad[i]), &back), EG_ERR_INVALID);
    }
    assert_true(back == 5);
}

/* What the clock's 64 bits can't have is its end or its beginning where that was asked for, and never less than another day. */
static void far_away(void **state) {
    (void)state;
    const struct {
        const char *http, *rfc3339;
        int64_t want;
    } rows[] = {
        {"Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59.9999999Z", INT64_MAX},
        {"Mon, 01 Jan 0001 00:00:00 GMT", "0001-01-01T00:00:00Z", INT64_MIN},
        {"Sat, 12 Apr 2262 00:00:00 GMT", "2262-04-12T00:00:00Z", INT64_MAX},
        {"Tue, 21 Sep 1677 00:00:00 GMT", "1677-09-21T00:00:00+00:00", INT64_MIN},
        {"Fri, 11 Apr 2262 00:00:00 GMT", "2262-04-11T00:00:00Z", 9223286400LL * 1000000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t back = 5;
        assert_int_equal(eg_time_parse_http_date(eg_str_of(rows[i].http), &back), EG_OK);
        assert_true(back == rows[i].want);
        back = 5;
        assert_int_equal(eg_time_parse_rfc3339_far(eg_str_of(rows[i].rfc3339), &back), EG_OK);
        assert_true(back == rows[i].want);
    }
    int64_t back = 5;
    assert_int_equal(eg_time_parse_http_date(EG_LIT("Thu, 31 Dec 9999 23:59:59 GMT"), &back), EG_ERR_INVALID); /* it is a Friday */
    assert_int_equal(eg_time_parse_rfc3339_far(EG_LIT("9999-02-30T00:00:00Z"), &back), EG_ERR_INVALID);
    assert_true(back == 5);
}

static void the_system_clock_moves(void **state) {
    (void)state;
    int64_t before = eg_mono_ns(&eg_clock_system);
    assert_true(eg_wall_s(&eg_clock_system) > 1700000000);
    assert_true(eg_mono_ns(&eg_clock_system) >= before);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rfc3339_round_trip), cmocka_unit_test(rfc3339_refusals), cmocka_unit_test(http_date_round_trip),
                                       cmocka_unit_test(http_date_refusals), cmocka_unit_test(far_away), cmocka_unit_test(the_system_clock_moves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

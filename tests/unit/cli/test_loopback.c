/* The answer of a browser is believed only with our state, issuer and host, once each; all else changes nothing. */
#include "sign_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PORT 4321u
#define HEAD " HTTP/1.1\r\nHost: 127.0.0.1:4321\r\n\r\n"

static const eg_loopback_expected expected = {"the-state", "https://issuer", true};

static void test_answers(void **state) {
    (void)state;
    static const struct {
        const char *request;
        eg_err error;
    } rows[] = {
        {"GET /callback?code=abc&state=the-state&iss=https%3A%2F%2Fissuer" HEAD, EG_OK},
        {"GET /callback?state=the-state&iss=https://issuer&error=access_denied" HEAD, EG_OK},
        {"GET /callback?code=abc&state=another00&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=abc&state=&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=abc&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=abc&state=the-state&iss=https://elsewhere" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=abc&state=the-state" HEAD, EG_ERR_INVALID},                                         /* RFC 9207: owed */
        {"GET /callback?code=abc&code=def&state=the-state&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=abc&error=x&state=the-state&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?state=the-state&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /callback?code=%zz&state=the-state&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"POST /callback?code=abc&state=the-state&iss=https://issuer" HEAD, EG_ERR_INVALID},
        {"GET /favicon.ico" HEAD, EG_ERR_NOT_FOUND},
        {"GET /callback" HEAD, EG_ERR_NOT_FOUND},
        {"GET /callback?code=abc&state=the-state&iss=https://issuer\r\n\r\n", EG_ERR_INVALID},
        {"GET /callback?code=abc&state=the-state&iss=https://issuer HTTP/1.1\r\nHost: attacker.example\r\n\r\n", EG_ERR_INVALID},
        {"GET /callback?code=abc&state=the-state&iss=https://issuer HTTP/1.1\r\nHost: 127.0.0.1:4322\r\n\r\n", EG_ERR_INVALID},
        {"GET /callback?code=abc&state=the-state&iss=https://issuer HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nHost: 127.0.0.1:4321\r\n\r\n", EG_ERR_INVALID},
        {"", EG_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_loopback_answer a = {.code = "untouched"};
        eg_err e = eg_loopback_read(eg_str_of(rows[i].request), PORT, &expected, &a);
        if (e != rows[i].error) {
            fail_msg("%s: %s", rows[i].request, eg_err_code(e));
        }
        assert_true(e == EG_OK || strcmp(a.code, "untouched") == 0);
    }
}

static void test_what_is_read(void **state) {
    (void)state;
    eg_loopback_answer a = {.code = ""};
    assert_int_equal(eg_loopback_read(EG_LIT("GET /callback?code=a%2Bb+c&state=the-state&iss=https://issuer" HEAD), PORT, &expected, &a), EG_OK);
    assert_string_equal(a.code, "a+b c");
    assert_string_equal(a.error, "");
    assert_int_equal(
        eg_loopback_read(EG_LIT("GET /callback?error=access_denied&error_description=not+you&state=the-state&iss=https://issuer" HEAD), PORT, &expected, &a), EG_OK);
    assert_string_equal(a.error, "access_denied");
    assert_string_equal(a.description, "not you");
}

static void test_nobody_comes(void **state) {
    (void)state;
    eg_problem p = {0};
    EG_CLEANUP(eg_loopback_close) eg_loopback l = {.fd = -1};
    eg_loopback_answer a = {.code = ""};
    assert_int_equal(eg_loopback_open(&l, &p), EG_OK);
    assert_true(l.port > 0);
    assert_int_equal(eg_loopback_wait(&l, &expected, 0, &a, &p), EG_ERR_TIMEOUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_what_is_read), cmocka_unit_test(test_nobody_comes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

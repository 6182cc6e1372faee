/* Which addresses a configured name may lead to, and which URLs are of one host; test_jwks_cache.c fetches. */
#include "identity/https_fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static bool allowed(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return eg_https_address_allowed((const struct sockaddr *)&v4, sizeof v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return eg_https_address_allowed((const struct sockaddr *)&v6, sizeof v6);
}

static void test_addresses(void **state) {
    (void)state;
    static const char *const good[] = {"20.190.128.1", "10.1.2.3", "192.168.0.9", "127.0.0.1", "169.253.255.255", "169.255.0.1", "223.255.255.255",
                                       "2603:1036:3000::1", "fd00::5", "::1", "::ffff:10.1.2.3"};
    static const char *const bad[] = {"169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "fe80::1",
                                      "febf::1", "ff02::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::169.254.169.254", "::ffff:224.0.0.1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(allowed(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(allowed(bad[i]));
    }
}

static void test_what_is_no_internet_address(void **state) {
    (void)state;
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct sockaddr_in cut = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_false(eg_https_address_allowed(&other, sizeof other));
    assert_false(eg_https_address_allowed((const struct sockaddr *)&cut, sizeof cut - 1));
}

/* The address is looked at before a connection is made. */
static void test_a_refused_address_is_not_connected_to(void **state) {
    (void)state;
    eg_problem p = {0};
    eg_buf text;
    eg_buf_init(&text, 1000);
    assert_int_equal(eg_https_fetch_init(), EG_OK);
    assert_int_equal(eg_https_fetch("https://169.254.169.254/latest/meta-data", "", &text, &p), EG_ERR_UNAVAILABLE);
    assert_int_equal(eg_https_fetch("https://[::ffff:169.254.169.254]/", "", &text, &p), EG_ERR_UNAVAILABLE);
    assert_int_equal(eg_https_fetch("http://127.0.0.1/", "", &text, &p), EG_ERR_UNAVAILABLE);
    eg_buf_done(&text);
}

static void test_same_host(void **state) {
    (void)state;
    assert_true(eg_https_same_host("https://a.example/x", "https://A.example:443/y?z"));
    assert_false(eg_https_same_host("https://a.example/x", "https://a.example:444/x"));
    assert_false(eg_https_same_host("https://a.example/x", "http://a.example/x"));
    assert_false(eg_https_same_host("https://a.example/x", "https://a.example.evil/x"));
    assert_false(eg_https_same_host("https://a.example/x", "https://evil/@a.example"));
    assert_false(eg_https_same_host("not a url", "not a url"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_no_internet_address),
        cmocka_unit_test(test_a_refused_address_is_not_connected_to),
        cmocka_unit_test(test_same_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

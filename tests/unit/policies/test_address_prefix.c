/* Checks addresses and prefixes of both families. */
#include <stdio.h>
#include <string.h>

#include "policy_text.h"

static void containing(void **state) {
    (void)state;
    static const struct { const char *outer, *inner; bool owed; } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* the same host as an IPv6 socket sees it */
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.4", false},
        {"10.1.2.0/31", "10.1.2.1", true},
        {"0.0.0.0/0", "192.0.2.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"fe80::/10", "fe80::1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_policy_cidr outer, inner;
        assert_int_equal(eg_policy_cidr_parse(eg_str_of(rows[i].outer), &outer), EG_OK);
        assert_int_equal(eg_policy_address_parse(eg_str_of(rows[i].inner), &inner), EG_OK);
        if (eg_policy_cidr_contains(&outer, &inner) != rows[i].owed) {
            fail_msg("%s in %s", rows[i].inner, rows[i].outer);
        }
    }
}

static void refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08x", "10.0.0.1/24", "010.0.0.1", "10.0.0.0/-1", "::/129", "::1/64", "1.2.3.4.5",
                                      "localhost", "fe80::1%eth0", "10.0.0.0/8/8", " 10.0.0.1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_policy_cidr c;
        if (eg_policy_cidr_parse(eg_str_of(bad[i]), &c) != EG_ERR_INVALID) {
            fail_msg("%s was taken", bad[i]);
        }
    }
    eg_policy_cidr c;
    assert_int_equal(eg_policy_address_parse(EG_LIT("fe80::1%eth0"), &c), EG_OK);
    assert_int_equal(eg_policy_address_parse((eg_str){"10.0.0.1\0x", 10}, &c), EG_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(containing), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

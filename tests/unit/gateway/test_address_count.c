/* The bounds on connections hold, per address and in all, whatever comes and goes. */
#include "door/address_count.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static eg_address_key key_of(const char *text) {
    struct sockaddr_storage s = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&s, &v4, sizeof v4);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&s, &v6, sizeof v6);
    }
    return eg_address_key_of(&s);
}

static void test_keys(void **state) {
    (void)state;
    eg_address_key v4 = key_of("192.0.2.1");
    eg_address_key mapped = key_of("::ffff:192.0.2.1");
    eg_address_key other = key_of("192.0.2.2");
    assert_memory_equal(&v4, &mapped, sizeof v4);
    assert_memory_not_equal(&v4, &other, sizeof v4);
    eg_address_key a = key_of("2001:db8:1:2::1");
    eg_address_key b = key_of("2001:db8:1:2:ffff::9"); /* the same /64 */
    eg_address_key c = key_of("2001:db8:1:3::1");
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
}

static void test_bounds(void **state) {
    (void)state;
    eg_address_count *a = eg_address_count_new(5, 2);
    eg_address_key k[4] = {key_of("10.0.0.1"), key_of("10.0.0.2"), key_of("10.0.0.3"), key_of("10.0.0.4")};
    assert_true(eg_address_count_enter(a, k[0]));
    assert_true(eg_address_count_enter(a, k[0]));
    assert_false(eg_address_count_enter(a, k[0])); /* of one address */
    assert_true(eg_address_count_enter(a, k[1]));
    assert_true(eg_address_count_enter(a, k[1]));
    assert_true(eg_address_count_enter(a, k[2]));
    assert_false(eg_address_count_enter(a, k[3])); /* of all */
    eg_address_count_leave(a, k[0]);
    assert_true(eg_address_count_enter(a, k[3]));
    eg_address_count_free(a);
}

/* Against a plain count of every address, through many thousand random steps in a table that is nearly full. */
static void test_against_a_plain_count(void **state) {
    (void)state;
    enum { ADDRESSES = 200, TOTAL = 32, EACH = 3 };
    eg_address_count *a = eg_address_count_new(TOTAL, EACH);
    unsigned counts[ADDRESSES] = {0};
    unsigned total = 0;
    uint32_t random = 12345;
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned n = (random >> 8) % ADDRESSES;
        eg_address_key k = {{0}};
        k.bytes[0] = (uint8_t)n;
        k.bytes[15] = (uint8_t)(n * 7);
        if ((random >> 30) == 0 && counts[n] > 0) {
            eg_address_count_leave(a, k);
            counts[n]--;
            total--;
        } else {
            bool fits = total < TOTAL && counts[n] < EACH;
            assert_int_equal(eg_address_count_enter(a, k), fits);
            counts[n] += fits;
            total += fits;
        }
        if (total == TOTAL && (random & 15) == 0) { /* let most of them go */
            for (unsigned j = 0; j < ADDRESSES; j++) {
                eg_address_key g = {{0}};
                g.bytes[0] = (uint8_t)j;
                g.bytes[15] = (uint8_t)(j * 7);
                for (; counts[j] > 0 && j % 5 != 0; counts[j]--, total--) {
                    eg_address_count_leave(a, g);
                }
            }
        }
    }
    eg_address_count_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_against_a_plain_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

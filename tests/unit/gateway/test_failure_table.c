/* Failures are counted by key within a window, in bounded memory. */
#include "token_maker.h"

#include "identity/failure_table.h"

static eg_bytes key_of(const char *z) {
    return eg_str_bytes(eg_str_of(z));
}

static void counts_within_the_window(void **state) {
    (void)state;
    eg_failure_table *t = eg_failure_table_new(64, 60);
    assert_int_equal(eg_failure_table_count(t, key_of("a"), 100), 0);
    for (int i = 0; i < 3; i++) {
        eg_failure_table_add(t, key_of("a"), 100 + i);
    }
    assert_int_equal(eg_failure_table_count(t, key_of("a"), 159), 3);
    assert_int_equal(eg_failure_table_count(t, key_of("b"), 159), 0);
    assert_int_equal(eg_failure_table_count(t, key_of("a"), 160), 0);
    eg_failure_table_add(t, key_of("a"), 161);
    assert_int_equal(eg_failure_table_count(t, key_of("a"), 162), 1);
    eg_failure_table_free(t);
}

static void a_flood_does_not_wash_out_an_offender(void **state) {
    (void)state;
    eg_failure_table *t = eg_failure_table_new(16, 60);
    for (int i = 0; i < 10; i++) {
        eg_failure_table_add(t, key_of("offender"), 100);
    }
    for (int i = 0; i < 10000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        eg_failure_table_add(t, key_of(key), 100);
    }
    assert_int_equal(eg_failure_table_count(t, key_of("offender"), 101), 10);
    eg_failure_table_free(t);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(counts_within_the_window),
    cmocka_unit_test(a_flood_does_not_wash_out_an_offender),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

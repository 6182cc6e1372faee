/* Checks that secrets compare by content, are cleansed when given back, and stay out of core dumps. */
#include <embergate/secret.h>

#include "check.h"

static void holds_and_compares(void **state) {
    (void)state;
    eg_secret *s = eg_secret_new("0123456789abcdef", 16);
    assert_true(eg_secret_eq(s, eg_str_bytes(EG_LIT("0123456789abcdef"))));
    assert_false(eg_secret_eq(s, eg_str_bytes(EG_LIT("0123456789abcdeF"))));
    assert_false(eg_secret_eq(s, eg_str_bytes(EG_LIT("0123456789abcde"))));
    eg_secret *r = eg_secret_random(16);
    assert_false(eg_secret_eq(r, eg_secret_bytes(s)));
    eg_secret_free(r);
    eg_secret_free(s);
    eg_secret_free(NULL);
}

static void a_freed_slot_is_cleansed(void **state) {
    (void)state;
    eg_secret *s = eg_secret_new("TOPSECRETTOPSECRETTOPSECRET", 27);
    const uint8_t *where = eg_secret_bytes(s).ptr;
    eg_secret_free(s);
    /* The slot stays mapped; its first bytes link the free list. */
    for (size_t i = sizeof(void *); i < 27; i++) {
        assert_int_equal(where[i], 0);
    }
}

static void large_and_many(void **state) {
    (void)state;
    enum { N = 2000 };
    eg_secret *many[N];
    for (int i = 0; i < N; i++) {
        many[i] = eg_secret_random(32);
        assert_non_null(many[i]);
    }
    assert_memory_not_equal(eg_secret_bytes(many[0]).ptr, eg_secret_bytes(many[N - 1]).ptr, 32);
    for (int i = 0; i < N; i++) {
        eg_secret_free(many[i]);
    }
    eg_secret *large = eg_secret_random(100000);
    assert_int_equal(eg_secret_bytes(large).len, 100000);
    eg_secret_free(large);
}

/* "dd" among the flags of the mapping is MADV_DONTDUMP. */
static void excluded_from_core_dumps(void **state) {
    (void)state;
    eg_secret *s = eg_secret_random(32);
    uintptr_t want = (uintptr_t)eg_secret_bytes(s).ptr;
    FILE *f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    char line[512];
    bool inside = false;
    bool found = false;
    while (fgets(line, sizeof line, f)) {
        char *end = NULL;
        uintptr_t from = strtoul(line, &end, 16);
        if (*end == '-') {
            uintptr_t to = strtoul(end + 1, &end, 16);
            inside = *end == ' ' && want >= from && want < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = true;
            assert_non_null(strstr(line, " dd"));
        }
    }
    fclose(f);
    assert_true(found);
    eg_secret_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_and_compares), cmocka_unit_test(a_freed_slot_is_cleansed),
                                       cmocka_unit_test(large_and_many), cmocka_unit_test(excluded_from_core_dumps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks the arena's bound, alignment, zeroing and order of what is deferred. */
#include <embergate/arena.h>

#include "check.h"

#include <stdalign.h>

static void bound(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(100000);
    size_t given = 0;
    while (given < 100000) {
        char *p = eg_arena_alloc(a, 160);
        if (!p) {
            break;
        }
        for (size_t i = 0; i < 160; i++) {
            assert_int_equal(p[i], 0);
        }
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        memset(p, 1, 160);
        given += 160;
    }
    assert_in_range(given, 99840, 100000);
    assert_null(eg_arena_alloc(a, 160));
    assert_null(eg_arena_alloc(a, SIZE_MAX));
    assert_null(eg_arena_str(a, (eg_str){"x", SIZE_MAX}).ptr);
    eg_arena_free(a);
}

static void large_pieces_keep_the_chunk(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(1 << 20);
    char *small = eg_arena_alloc(a, 16);
    char *large = eg_arena_alloc(a, 50000);
    char *next = eg_arena_alloc(a, 16);
    assert_non_null(large);
    memset(large, 1, 50000);
    assert_ptr_equal(next, small + 16);
    eg_arena_free(a);
}

static void text(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(64);
    eg_str s = eg_arena_printf(a, "%s=%d", "a", 7);
    assert_string_equal(s.ptr, "a=7");
    assert_int_equal(eg_arena_str(a, (eg_str){"abcdef", 3}).ptr[3], 0);
    assert_null(eg_arena_printf(a, "%200s", "").ptr);
    eg_arena_free(a);
    eg_arena_free(NULL);
}

static char order[4];
static void note(void *p) {
    strncat(order, p, sizeof order - strlen(order) - 1);
}

static void deferred_runs_in_reverse(void **state) {
    (void)state;
    static char one[] = "1";
    static char two[] = "2";
    eg_arena *a = eg_arena_new(1000);
    assert_int_equal(eg_arena_defer(a, note, one), EG_OK);
    assert_int_equal(eg_arena_defer(a, note, two), EG_OK);
    eg_arena_free(a);
    assert_string_equal(order, "21");
    a = eg_arena_new(8);
    assert_int_equal(eg_arena_defer(a, note, one), EG_ERR_NO_MEMORY);
    eg_arena_free(a);
}

static void reset_forgets_everything(void **state) {
    (void)state;
    static char three[] = "3";
    eg_arena *a = eg_arena_new(40000);
    order[0] = '\0';
    for (int round = 0; round < 3; round++) {
        assert_int_equal(eg_arena_defer(a, note, three), EG_OK);
        char *small = eg_arena_alloc(a, 4000), *large = eg_arena_alloc(a, 30000);
        assert_non_null(small);
        assert_non_null(large);
        for (size_t i = 0; i < 4000; i++) {
            assert_int_equal(small[i], 0);
        }
        memset(small, 's', 4000);
        memset(large, 's', 30000);
        eg_arena_reset(a);
    }
    assert_string_equal(order, "333");
    eg_arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bound), cmocka_unit_test(large_pieces_keep_the_chunk), cmocka_unit_test(text),
                                       cmocka_unit_test(deferred_runs_in_reverse), cmocka_unit_test(reset_forgets_everything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A clock that is set is noticed, one that is disciplined is not. */
#include "process/clock_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000000LL

typedef struct hands {
    int64_t wall, mono;
} hands;

static int64_t wall(void *ctx) { return ((hands *)ctx)->wall; }
static int64_t mono(void *ctx) { return ((hands *)ctx)->mono; }

static void test_jumps(void **state) {
    (void)state;
    hands h = {1000 * SECOND, 5 * SECOND};
    eg_clock clock = {wall, mono, &h};
    eg_clock_watch w;
    eg_clock_watch_init(&w, &clock);
    assert_int_equal(eg_clock_watch_jump(&w), 0);
    h = (hands){1100 * SECOND, 105 * SECOND};
    assert_int_equal(eg_clock_watch_jump(&w), 0);
    h.wall += 3600 * SECOND;
    assert_int_equal(eg_clock_watch_jump(&w), 3600);
    assert_int_equal(eg_clock_watch_jump(&w), 0);
    h.wall -= 7200 * SECOND;
    assert_int_equal(eg_clock_watch_jump(&w), -7200);
    for (int i = 0; i < 100; i++) {
        h.wall += SECOND / 2 + SECOND / 10;
        h.mono += SECOND / 2;
        assert_int_equal(eg_clock_watch_jump(&w), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_jumps)};
    return cmocka_run_group_tests_name("clock_watch", tests, NULL, NULL);
}

/* Work in steps: when a pace rests, for how long, and that it ends resting. */
#include <embergate/pace.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A clock that moves when told, and by each rest. */
typedef struct hands {
    int64_t now_ns;
    unsigned rests;
} hands;

static int64_t now(void *ctx) { return ((hands *)ctx)->now_ns; }

static void rest(void *ctx, int64_t ns) {
    ((hands *)ctx)->now_ns += ns;
    ((hands *)ctx)->rests++;
}

static void rests_between_steps(void **state) {
    (void)state;
    hands h = {.now_ns = 1000};
    eg_pace p = {.work_ns = 100, .rest_ns = 50, .rests_ns = 1000, .mono_ns = now, .rest = rest, .ctx = &h, .since_ns = 1000};
    eg_pace_step(&p);
    assert_int_equal(h.rests, 0); /* no time has gone by */
    h.now_ns += 99;
    eg_pace_step(&p);
    assert_int_equal(h.rests, 0);
    h.now_ns += 1;
    eg_pace_step(&p);
    assert_int_equal(h.rests, 1);
    assert_int_equal(h.now_ns, 1150);
    eg_pace_step(&p);
    assert_int_equal(h.rests, 1); /* the rest counts as no work */
    h.now_ns += 5000; /* it had to wait for the processor: one rest, not fifty */
    eg_pace_step(&p);
    eg_pace_step(&p);
    assert_int_equal(h.rests, 2);
}

static void comes_to_an_end(void **state) {
    (void)state;
    hands h = {0};
    eg_pace p = {.work_ns = 10, .rest_ns = 50, .rests_ns = 200, .mono_ns = now, .rest = rest, .ctx = &h};
    for (int i = 0; i < 100; i++) {
        h.now_ns += 10;
        eg_pace_step(&p);
    }
    assert_int_equal(h.rests, 4);
}

static void none_never_rests(void **state) {
    (void)state;
    eg_pace none = {0}; /* no clock to ask */
    eg_pace_step(NULL);
    eg_pace_step(&none);
    assert_int_equal(none.rested_ns, 0);
}

static void the_systems_rests(void **state) {
    (void)state;
    eg_pace p = eg_pace_beside();
    assert_true(p.rests_ns <= 500000000); /* a change is in force within a second */
    p.since_ns -= p.work_ns;
    eg_pace_step(&p);
    assert_int_equal(p.rested_ns, EG_PACE_REST_NS);
    assert_true(p.since_ns > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rests_between_steps), cmocka_unit_test(comes_to_an_end), cmocka_unit_test(none_never_rests), cmocka_unit_test(the_systems_rests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

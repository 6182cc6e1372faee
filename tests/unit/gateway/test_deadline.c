/* Time-outs come in order, move when set again, and end when taken out. */
#include "door/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void test_order(void **state) {
    (void)state;
    const eg_door_limits l = EG_DOOR_LIMITS_DEFAULT;
    eg_deadlines d;
    eg_deadline a = {0}, b = {0}, c = {0};
    eg_deadlines_init(&d, &l);
    assert_int_equal(eg_deadlines_next(&d, 0), -1);
    eg_deadline_set(&d, &a, EG_WAIT_IDLE, 0);
    eg_deadline_set(&d, &b, EG_WAIT_HEAD, 10);
    eg_deadline_set(&d, &c, EG_WAIT_HEAD, 20);
    assert_int_equal(eg_deadlines_next(&d, 0), l.head_ms + 10);
    assert_null(eg_deadlines_expired(&d, l.head_ms + 9));
    assert_ptr_equal(eg_deadlines_expired(&d, l.head_ms + 10), &b);
    assert_int_equal(b.wait, EG_WAIT_HEAD);
    assert_null(eg_deadlines_expired(&d, l.head_ms + 10));
    eg_deadline_set(&d, &c, EG_WAIT_NONE, 30); /* taken out */
    assert_null(eg_deadlines_expired(&d, l.head_ms + 1000));
    assert_int_equal(eg_deadlines_next(&d, (int64_t)l.idle_ms + 5), 0); /* passed already */
    assert_ptr_equal(eg_deadlines_expired(&d, (int64_t)l.idle_ms + 5), &a);
    assert_int_equal(eg_deadlines_next(&d, 0), -1);
}

static void test_set_again_moves(void **state) {
    (void)state;
    const eg_door_limits l = EG_DOOR_LIMITS_DEFAULT;
    eg_deadlines d;
    eg_deadline a = {0}, b = {0};
    eg_deadlines_init(&d, &l);
    eg_deadline_set(&d, &a, EG_WAIT_BODY, 0);
    eg_deadline_set(&d, &b, EG_WAIT_BODY, 1);
    eg_deadline_set(&d, &a, EG_WAIT_BODY, 2);
    assert_ptr_equal(eg_deadlines_expired(&d, (int64_t)l.body_ms + 2), &b);
    assert_ptr_equal(eg_deadlines_expired(&d, (int64_t)l.body_ms + 2), &a);
    eg_deadline_set(&d, &a, EG_WAIT_NONE, 0); /* being out already is harmless */
    assert_null(eg_deadlines_expired(&d, INT64_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_set_again_moves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

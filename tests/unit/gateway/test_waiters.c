/* Who waits is called once, and no more wait than may. */
#include "identity/waiters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void called(void *ctx) {
    ++*(int *)ctx;
}

static void each_once(void **state) {
    (void)state;
    eg_waiter *one = NULL, *other = NULL;
    size_t count = 0;
    int calls[3] = {0};
    assert_int_equal(eg_waiters_add(&one, &count, called, &calls[0]), EG_OK);
    assert_int_equal(eg_waiters_add(&other, &count, called, &calls[1]), EG_OK);
    assert_int_equal(eg_waiters_add(&one, &count, called, &calls[2]), EG_OK);
    assert_int_equal(eg_waiters_add(&one, &count, NULL, NULL), EG_OK); /* nobody */
    assert_int_equal(count, 3);
    count -= eg_waiters_call(one);
    assert_int_equal(count, 1);
    assert_true(calls[0] == 1 && calls[1] == 0 && calls[2] == 1);
    count -= eg_waiters_call(other);
    assert_true(count == 0 && calls[1] == 1);
    assert_int_equal(eg_waiters_call(NULL), 0);
}

static int order[3], at;
static void in_turn(void *ctx) {
    order[at++] = *(int *)ctx;
}

static void first_come_first_called(void **state) {
    (void)state;
    eg_waiter *list = NULL;
    size_t count = 0;
    int numbers[3] = {1, 2, 3};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(eg_waiters_add(&list, &count, in_turn, &numbers[i]), EG_OK);
    }
    assert_int_equal(eg_waiters_call(list), 3);
    assert_true(order[0] == 1 && order[1] == 2 && order[2] == 3);
}

static void as_many_as_may(void **state) {
    (void)state;
    eg_waiter *list = NULL;
    size_t count = 0;
    int calls = 0;
    for (size_t i = 0; i < EG_WAITERS_MAX; i++) {
        assert_int_equal(eg_waiters_add(&list, &count, called, &calls), EG_OK);
    }
    eg_waiter *other = NULL;
    assert_int_equal(eg_waiters_add(&list, &count, called, &calls), EG_ERR_UNAVAILABLE);
    assert_int_equal(eg_waiters_add(&other, &count, called, &calls), EG_ERR_UNAVAILABLE);
    assert_null(other);
    assert_int_equal(eg_waiters_call(list), EG_WAITERS_MAX);
    assert_int_equal(calls, EG_WAITERS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_once), cmocka_unit_test(first_come_first_called), cmocka_unit_test(as_many_as_may)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

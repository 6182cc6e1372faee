/* Tasks from many threads all run, each thread's in its order, and wake whoever waits. */
#include "door/handoff.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

enum { THREADS = 4, EACH = 2000 };

static eg_handoff queue;
static eg_task tasks[THREADS][EACH];
static int ran[THREADS];

static void run(void *arg) {
    eg_task *t = arg;
    ptrdiff_t at = t - &tasks[0][0];
    assert_int_equal(ran[at / EACH], at % EACH);
    ran[at / EACH]++;
}

static void *push_all(void *arg) {
    eg_task *row = arg;
    for (int i = 0; i < EACH; i++) {
        row[i].run = run;
        row[i].arg = &row[i];
        eg_handoff_push(&queue, &row[i]);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int total = 0;
    assert_int_equal(eg_handoff_init(&queue), EG_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, push_all, tasks[i]), 0);
    }
    while (total < THREADS * EACH) {
        struct pollfd fd = {.fd = queue.event_fd, .events = POLLIN};
        if (eg_handoff_sleep(&queue)) {
            assert_int_equal(poll(&fd, 1, 10000), 1);
            eg_handoff_drain_event(&queue);
        }
        eg_handoff_awake(&queue);
        (void)eg_handoff_run(&queue);
        total = ran[0] + ran[1] + ran[2] + ran[3];
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_false(eg_handoff_run(&queue));
    eg_handoff_done(&queue);
    eg_handoff_done(&queue); /* twice is harmless */
}

static void count(void *arg) {
    ++*(int *)arg;
}

static void test_queued_once(void **state) {
    (void)state;
    int n = 0;
    eg_task t = {.run = count, .arg = &n};
    assert_int_equal(eg_handoff_init(&queue), EG_OK);
    eg_handoff_push(&queue, &t);
    eg_handoff_push(&queue, &t);
    assert_true(eg_handoff_run(&queue));
    assert_int_equal(n, 1);
    eg_handoff_push(&queue, &t);
    assert_true(eg_handoff_run(&queue));
    assert_int_equal(n, 2);
    eg_handoff_done(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_queued_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

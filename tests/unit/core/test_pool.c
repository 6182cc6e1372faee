/* Checks that the pool runs all it took and refuses what doesn't fit. */
#include <embergate/pool.h>

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_int done;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&done, 1);
}

static void runs_everything(void **state) {
    (void)state;
    eg_pool *p = NULL;
    atomic_store(&done, 0);
    assert_int_equal(eg_pool_start(4, 1000, &p), EG_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(eg_pool_submit(p, count, NULL), EG_OK);
    }
    eg_pool_stop(p);
    assert_int_equal(atomic_load(&done), 1000);
    eg_pool_stop(NULL);
}

static void hold(void *arg) {
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
}

static void a_full_queue_is_busy(void **state) {
    (void)state;
    eg_pool *p = NULL;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    atomic_store(&done, 0);
    assert_int_equal(eg_pool_start(1, 2, &p), EG_OK);
    pthread_mutex_lock(&lock);
    assert_int_equal(eg_pool_submit(p, hold, &lock), EG_OK);
    while (eg_pool_queued(p) > 0) {
        usleep(1000);
    }
    assert_int_equal(eg_pool_submit(p, count, NULL), EG_OK);
    assert_int_equal(eg_pool_submit(p, count, NULL), EG_OK);
    assert_int_equal(eg_pool_submit(p, count, NULL), EG_ERR_BUSY);
    assert_int_equal(eg_pool_queued(p), 2);
    pthread_mutex_unlock(&lock);
    eg_pool_stop(p);
    assert_int_equal(atomic_load(&done), 2);
}

static void sizes_are_bounded(void **state) {
    (void)state;
    eg_pool *p = NULL;
    assert_int_equal(eg_pool_start(0, 1, &p), EG_ERR_INVALID);
    assert_int_equal(eg_pool_start(1, 0, &p), EG_ERR_INVALID);
    assert_int_equal(eg_pool_start(100000, 1, &p), EG_ERR_INVALID);
    assert_null(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_everything), cmocka_unit_test(a_full_queue_is_busy), cmocka_unit_test(sizes_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A source is read ahead, in order, once at a time; its error comes after the bytes before it. */
#include "door/body_pull.h"
#include "door/door_limits.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

#define POOL_THREADS 2

typedef struct counter {
    uint8_t next;
    int64_t left;
    bool fails;
    unsigned tries, hits;      /* each third is no hit */
    atomic_int inside, closed;
} counter;

static eg_err count_up(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n) {
    counter *c = ctx;
    assert_int_equal(atomic_fetch_add(&c->inside, 1), 0);
    size_t n = c->left < (int64_t)cap ? (size_t)c->left : cap;
    eg_err e = c->fails && c->left == 0 ? EG_ERR_CORRUPT : EG_OK;
    for (size_t i = 0; i < n; i++) {
        buf[i] = c->next++;
    }
    c->left -= (int64_t)n;
    *ret_n = n;
    atomic_fetch_sub(&c->inside, 1);
    return e;
}

static eg_err count_here(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n) {
    counter *c = ctx;
    if (c->tries++ % 3 == 2) {
        return EG_ERR_BUSY;
    }
    c->hits++;
    return count_up(ctx, buf, cap, ret_n);
}

static void closed(void *ctx) {
    counter *c = ctx;
    atomic_fetch_add(&c->closed, 1);
}

static void nothing(void *arg) {
    (void)arg;
}

typedef struct fixture {
    eg_pool *pool;
    eg_handoff worker;
    bool starved;
} fixture;

static void start(fixture *f) {
    *f = (fixture){0};
    assert_int_equal(eg_pool_start(POOL_THREADS, 16, &f->pool), EG_OK);
    assert_int_equal(eg_handoff_init(&f->worker), EG_OK);
}

static void stop(fixture *f) {
    eg_pool_stop(f->pool);
    eg_handoff_done(&f->worker);
}

/* Takes all in uneven pieces; returns how it ended. */
static eg_pull_status take_all(fixture *f, eg_pull *p, uint64_t *ret_bytes) {
    uint8_t expected = 0;
    uint8_t buf[4093];
    *ret_bytes = 0;
    for (;;) {
        size_t n = 0;
        eg_pull_status s = eg_pull_take(p, buf, sizeof buf, &n);
        eg_pull_kick(p);
        if (s == EG_PULL_WAIT && !eg_pull_has_some(p)) {
            struct pollfd fd = {.fd = f->worker.event_fd, .events = POLLIN};
            if (eg_handoff_sleep(&f->worker)) {
                assert_int_equal(poll(&fd, 1, 10000), 1);
                eg_handoff_drain_event(&f->worker);
            }
            (void)eg_handoff_run(&f->worker);
        } else if (s != EG_PULL_BYTES && s != EG_PULL_WAIT) {
            return s;
        }
        for (size_t i = 0; s == EG_PULL_BYTES && i < n; i++) {
            assert_int_equal(buf[i], expected++);
        }
        *ret_bytes += n;
    }
}

static void check(int64_t said, int64_t there, bool fails, eg_pull_status ends, eg_err error) {
    fixture f;
    counter c = {.left = there, .fails = fails};
    uint64_t got = 0;
    start(&f);
    eg_pull *p = eg_pull_new((eg_body_source){said, count_up, closed, &c}, &(eg_pull_options){f.pool, &f.worker, nothing, NULL, &f.starved});
    assert_non_null(p);
    assert_int_equal(take_all(&f, p, &got), ends);
    assert_int_equal(eg_pull_error(p), error);
    assert_int_equal(got, there);
    assert_false(eg_pull_reading(p));
    assert_int_equal(atomic_load(&c.closed), 0);
    eg_pull_free(p);
    assert_int_equal(atomic_load(&c.closed), 1);
    stop(&f);
}

/* A source that gives more than it said would make the rest look like the beginning of the next answer. */
static void test_more_than_promised(void **state) {
    (void)state;
    fixture f;
    counter c = {.left = EG_DOOR_SOURCE_HALF + 50};
    uint64_t got = 0;
    start(&f);
    eg_pull *p = eg_pull_new((eg_body_source){EG_DOOR_SOURCE_HALF + 5, count_up, closed, &c}, &(eg_pull_options){f.pool, &f.worker, nothing, NULL, &f.starved});
    assert_non_null(p);
    assert_int_equal(take_all(&f, p, &got), EG_PULL_BROKEN);
    assert_int_equal(eg_pull_error(p), EG_ERR_INTERNAL);
    assert_int_equal(got, EG_DOOR_SOURCE_HALF);
    eg_pull_free(p);
    stop(&f);
}

static void test_ends(void **state) {
    (void)state;
    static const int64_t sizes[] = {0, 1, EG_DOOR_SOURCE_HALF - 1, EG_DOOR_SOURCE_HALF, EG_DOOR_SOURCE_HALF + 1, 10 * EG_DOOR_SOURCE_HALF + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check(sizes[i], sizes[i], false, EG_PULL_END, EG_OK);
        check(-1, sizes[i], false, EG_PULL_END, EG_OK);
        check(-1, sizes[i], true, EG_PULL_BROKEN, EG_ERR_CORRUPT);          /* its own error, after the bytes */
        check(sizes[i] + 1, sizes[i], false, EG_PULL_BROKEN, EG_ERR_CORRUPT); /* short of what was promised */
    }
}

/* What is at hand is read on the worker, in order with what isn't; and its error is the same. */
static void test_at_hand(void **state) {
    (void)state;
    for (int fails = 0; fails <= 1; fails++) {
        fixture f;
        counter c = {.left = 20 * EG_DOOR_SOURCE_HALF + 9, .fails = fails};
        uint64_t got = 0;
        start(&f);
        eg_pull *p = eg_pull_new((eg_body_source){fails ? -1 : c.left, count_up, closed, &c, count_here}, &(eg_pull_options){f.pool, &f.worker, nothing, NULL, &f.starved});
        assert_non_null(p);
        assert_int_equal(take_all(&f, p, &got), fails ? EG_PULL_BROKEN : EG_PULL_END);
        assert_int_equal(eg_pull_error(p), fails ? EG_ERR_CORRUPT : EG_OK);
        assert_int_equal(got, 20 * EG_DOOR_SOURCE_HALF + 9);
        assert_in_range(c.hits, 12, c.tries);
        eg_pull_free(p);
        stop(&f);
    }
}

/* The pool isn't needed then, and nothing is read before it is wanted. */
static void test_at_hand_without_pool(void **state) {
    (void)state;
    fixture f = {0};
    counter c = {.left = 2 * EG_DOOR_SOURCE_HALF};
    eg_bytes some = {NULL, 0};
    eg_pull *p = eg_pull_new((eg_body_source){c.left, count_up, closed, &c, count_here}, &(eg_pull_options){NULL, NULL, nothing, NULL, &f.starved});
    assert_non_null(p);
    eg_pull_kick(p);
    assert_false(eg_pull_reading(p));
    eg_pull_ahead(p);
    assert_int_equal(c.left, EG_DOOR_SOURCE_HALF);
    assert_int_equal(eg_pull_peek(p, &some), EG_PULL_BYTES);
    const uint8_t *where = some.ptr;
    eg_pull_skip(p, some.len);
    eg_pull_ahead(p);
    assert_int_equal(eg_pull_peek(p, &some), EG_PULL_WAIT);
    eg_pull_kick(p);
    assert_int_equal(eg_pull_peek(p, &some), EG_PULL_BYTES);
    assert_ptr_equal(some.ptr, where); /* the same memory again */
    eg_pull_skip(p, some.len);
    assert_int_equal(eg_pull_peek(p, &some), EG_PULL_END);
    eg_pull_free(p);
    assert_false(f.starved);
}

typedef struct held {
    atomic_int go, inside;
} held;

static void hold(void *arg) {
    held *h = arg;
    atomic_fetch_add(&h->inside, 1);
    while (atomic_load(&h->go) == 0) {
        (void)poll(NULL, 0, 1);
    }
}

/* Its threads are busy first, so that none makes room again by taking something up. */
static void fill(const fixture *f, held *h) {
    for (int i = 0; i < POOL_THREADS; i++) {
        assert_int_equal(eg_pool_submit(f->pool, hold, h), EG_OK);
    }
    while (atomic_load(&h->inside) < POOL_THREADS) {
        (void)poll(NULL, 0, 1);
    }
    while (eg_pool_submit(f->pool, hold, h) == EG_OK) {
    }
}

static void test_full_pool(void **state) {
    (void)state;
    fixture f;
    counter c = {.left = 100};
    held h = {0};
    uint64_t got = 0;
    start(&f);
    fill(&f, &h);
    eg_pull *p = eg_pull_new((eg_body_source){100, count_up, closed, &c}, &(eg_pull_options){f.pool, &f.worker, nothing, NULL, &f.starved});
    assert_non_null(p);
    eg_pull_kick(p);
    assert_true(f.starved);
    assert_false(eg_pull_reading(p));
    assert_false(eg_pull_has_some(p));
    atomic_store(&h.go, 1);
    while (eg_pool_queued(f.pool) > 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(take_all(&f, p, &got), EG_PULL_END);
    assert_int_equal(got, 100);
    eg_pull_free(p);
    stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends), cmocka_unit_test(test_at_hand), cmocka_unit_test(test_at_hand_without_pool), cmocka_unit_test(test_more_than_promised), cmocka_unit_test(test_full_pool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

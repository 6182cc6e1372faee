/* The stock of data keys: each given once, asked for in bunches, gone after a second and when it is told to forget. */
#include "storage_fixture.h"

#include "key_cache.h"
#include "key_stock.h"

static int64_t now_ns;
static int64_t moved_clock(void *ctx) {
    (void)ctx;
    return now_ns;
}

static const eg_clock clock_of_test = {moved_clock, moved_clock, NULL};
static const eg_keys *real;
static size_t calls, asked;

/* The keeper's own, counted. */
static eg_err counted(void *ctx, const eg_key_use *use, const eg_str *purposes, size_t n, eg_fresh_key *ret) {
    calls++;
    asked += n;
    return real->new_data_keys(ctx, use, purposes, n, ret);
}

#define USE (&(eg_key_use){EG_LIT(TENANT), EG_LIT(""), EG_LIT("")})

static eg_key_stock *stock_of(store *s, eg_keys *keys) {
    eg_key_stock *k = NULL;
    real = s->keys;
    *keys = *s->keys;
    keys->new_data_keys = counted;
    calls = asked = 0;
    now_ns = 1;
    assert_int_equal(eg_key_stock_new(keys, &clock_of_test, &k), EG_OK);
    return k;
}

static eg_id take(eg_key_stock *k) {
    eg_new_key n;
    assert_int_equal(eg_key_stock_take(k, USE, true, &n), EG_OK);
    eg_secret_free(n.key.secret);
    return n.inode;
}

static void each_is_given_once_and_opens_for_its_file_alone(void **state) {
    store *s = *state;
    eg_keys keys;
    eg_key_stock *k = stock_of(s, &keys);
    eg_id seen[200];
    for (size_t i = 0; i < 200; i++) {
        eg_new_key n;
        eg_secret *again = NULL;
        char purpose[EG_FILE_PURPOSE_MAX];
        assert_int_equal(eg_key_stock_take(k, USE, true, &n), EG_OK);
        const eg_bytes wrapped = {n.key.wrapped, n.key.wrapped_len};
        assert_int_equal(s->keys->unwrap(s->keys->ctx, EG_LIT(TENANT), eg_file_key_purpose(&n.inode, purpose), wrapped, &again), EG_OK);
        assert_true(eg_secret_eq(again, eg_secret_bytes(n.key.secret)));
        eg_secret_free(again);
        for (size_t j = 0; j < i; j++) {
            assert_false(eg_id_eq(&seen[j], &n.inode));
        }
        if (i > 0) {
            assert_int_equal(s->keys->unwrap(s->keys->ctx, EG_LIT(TENANT), eg_file_key_purpose(&seen[i - 1], purpose), wrapped, &again), EG_ERR_CORRUPT);
        }
        seen[i] = n.inode;
        eg_secret_free(n.key.secret);
    }
    assert_int_equal(calls, 9); /* 1, 2, 4, … 64, 64, 64 */
    eg_key_stock_free(k);
}

static void none_is_kept_for_longer_than_a_second(void **state) {
    store *s = *state;
    eg_keys keys;
    eg_new_key n;
    eg_key_stock *k = stock_of(s, &keys);
    for (int i = 0; i < 4; i++) {
        take(k);
    }
    assert_int_equal(asked, 7); /* three are left */
    now_ns += (int64_t)1001 * 1000000;
    assert_int_equal(eg_key_stock_take(k, USE, false, &n), EG_ERR_BUSY);
    take(k);
    assert_int_equal(asked, 8); /* and who uses few is not given many */
    eg_key_stock_free(k);
}

static void forgets_when_told(void **state) {
    store *s = *state;
    eg_keys keys;
    eg_new_key n;
    eg_key_stock *k = stock_of(s, &keys);
    assert_int_equal(eg_key_stock_take(k, USE, false, &n), EG_ERR_BUSY);
    assert_int_equal(calls, 0);
    for (int i = 0; i < 2; i++) {
        take(k);
    }
    assert_int_equal(eg_key_stock_take(k, USE, false, &n), EG_OK);
    eg_secret_free(n.key.secret);
    take(k);
    eg_key_stock_forget(k);
    assert_int_equal(eg_key_stock_take(k, USE, false, &n), EG_ERR_BUSY);
    assert_int_equal(s->keys->destroy_tenant(s->keys->ctx, EG_LIT(TENANT)), EG_OK);
    assert_int_equal(eg_key_stock_take(k, USE, true, &n), EG_ERR_KEY_DESTROYED);
    eg_key_stock_free(k);
}

/* More keys than there are shelves: the one used longest ago makes room. */
static void shelves_are_bounded(void **state) {
    store *s = *state;
    eg_keys keys;
    eg_key_stock *k = stock_of(s, &keys);
    for (int i = 0; i < 40; i++) {
        char name[16];
        eg_new_key n;
        snprintf(name, sizeof name, "key%d", i);
        const eg_key_use named = {EG_LIT(TENANT), eg_str_of(name), EG_LIT("")};
        assert_int_equal(eg_key_stock_take(k, &named, true, &n), EG_ERR_NOT_FOUND);
        assert_int_equal(s->keys->make_key(s->keys->ctx, named.tenant, named.key), EG_OK);
        for (int j = 0; j < 3; j++) {
            eg_str under;
            uint32_t version = 0;
            assert_int_equal(eg_key_stock_take(k, &named, true, &n), EG_OK);
            assert_true(eg_wrapped_key_head((eg_bytes){n.key.wrapped, n.key.wrapped_len}, &under, &version));
            assert_true(eg_str_eq(under, named.key));
            eg_secret_free(n.key.secret);
            now_ns++;
        }
    }
    eg_key_stock_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_given_once_and_opens_for_its_file_alone, store_open, store_close),
        cmocka_unit_test_setup_teardown(none_is_kept_for_longer_than_a_second, store_open, store_close),
        cmocka_unit_test_setup_teardown(forgets_when_told, store_open, store_close),
        cmocka_unit_test_setup_teardown(shelves_are_bounded, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

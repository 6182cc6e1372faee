/* The cache of verified tokens: bounded, by a keyed hash, and it makes room in the right order. */
#include "token_maker.h"

#include "identity/token_cache.h"

static void mark_of(unsigned n, uint8_t ret[EG_KEYED_HASH_LEN]) {
    static const uint8_t key[EG_KEYED_HASH_LEN] = {1};
    const eg_bytes in = {(const uint8_t *)&n, sizeof n};
    eg_keyed_hash(key, &in, 1, ret);
}

static void put(eg_token_cache *c, unsigned n, int64_t until, int64_t now) {
    uint8_t d[EG_KEYED_HASH_LEN];
    eg_verified v = {.principal = eg_principal_new(), .good_until_s = until, .issued_s = n};
    mark_of(n, d);
    eg_token_cache_put(c, d, &v, now);
    eg_principal_unref(v.principal);
}

static bool has(eg_token_cache *c, unsigned n) {
    uint8_t d[EG_KEYED_HASH_LEN];
    eg_verified v;
    mark_of(n, d);
    if (!eg_token_cache_get(c, d, &v)) {
        return false;
    }
    assert_int_equal(v.issued_s, n);
    eg_principal_unref(v.principal);
    return true;
}

static void found_and_dropped(void **state) {
    (void)state;
    eg_token_cache *c = eg_token_cache_new(1024);
    uint8_t d[EG_KEYED_HASH_LEN];
    assert_false(has(c, 1));
    put(c, 1, 100, 0);
    put(c, 1, 100, 0); /* again: no second entry, no leak */
    assert_true(has(c, 1));
    mark_of(1, d);
    d[15] ^= 1; /* the whole mark counts */
    eg_verified v;
    assert_false(eg_token_cache_get(c, d, &v));
    d[15] ^= 1;
    eg_token_cache_drop(c, d);
    assert_false(has(c, 1));
    eg_token_cache_free(c);
}

static void one_set_makes_room(void **state) {
    (void)state;
    eg_token_cache *c = eg_token_cache_new(8); /* a single set of 8 */
    for (unsigned n = 0; n < 8; n++) {
        put(c, n, n == 5 ? 50 : 1000, 0);
    }
    assert_true(has(c, 0)); /* used last now */
    put(c, 8, 1000, 60);    /* 5 has expired: it goes first */
    assert_false(has(c, 5));
    assert_true(has(c, 1));
    put(c, 9, 1000, 60);    /* then 2, the one used longest ago */
    assert_false(has(c, 2));
    assert_true(has(c, 0));
    assert_true(has(c, 1));
    eg_token_cache_free(c);
}

static void it_stays_within_its_bound(void **state) {
    (void)state;
    eg_token_cache *c = eg_token_cache_new(64);
    for (unsigned n = 0; n < 10000; n++) {
        put(c, n, 1000, 0);
    }
    unsigned held = 0;
    for (unsigned n = 0; n < 10000; n++) {
        held += has(c, n);
    }
    assert_int_equal(held, 64);
    assert_true(has(c, 9999));
    eg_token_cache_free(c);
}

static void a_token_has_one_mark_in_one_cache(void **state) {
    (void)state;
    eg_token_cache *one = eg_token_cache_new(64), *two = eg_token_cache_new(64);
    uint8_t a[EG_KEYED_HASH_LEN], b[EG_KEYED_HASH_LEN];
    eg_token_cache_mark(one, EG_LIT("eyJ.a.b"), a);
    eg_token_cache_mark(one, EG_LIT("eyJ.a.b"), b);
    assert_memory_equal(a, b, sizeof a);
    eg_token_cache_mark(one, EG_LIT("eyJ.a.c"), b);
    assert_memory_not_equal(a, b, sizeof a);
    eg_token_cache_mark(two, EG_LIT("eyJ.a.b"), b);
    assert_memory_not_equal(a, b, sizeof a);
    eg_token_cache_free(one);
    eg_token_cache_free(two);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_token_has_one_mark_in_one_cache),
    cmocka_unit_test(found_and_dropped),
    cmocka_unit_test(one_set_makes_room),
    cmocka_unit_test(it_stays_within_its_bound),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

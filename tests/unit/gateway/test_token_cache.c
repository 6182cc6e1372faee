/* The cache of verified tokens: bounded, by digest, and it makes room in the right order. */
#include "token_maker.h"

#include "identity/token_cache.h"

static void digest_of(unsigned n, uint8_t ret[EG_SHA256_LEN]) {
    eg_sha256((eg_bytes){(const uint8_t *)&n, sizeof n}, ret);
}

static void put(eg_token_cache *c, unsigned n, int64_t until, int64_t now) {
    uint8_t d[EG_SHA256_LEN];
    eg_verified v = {.principal = eg_principal_new(), .good_until_s = until, .issued_s = n};
    digest_of(n, d);
    eg_token_cache_put(c, d, &v, now);
    eg_principal_unref(v.principal);
}

static bool has(eg_token_cache *c, unsigned n) {
    uint8_t d[EG_SHA256_LEN];
    eg_verified v;
    digest_of(n, d);
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
    uint8_t d[EG_SHA256_LEN];
    assert_false(has(c, 1));
    put(c, 1, 100, 0);
    put(c, 1, 100, 0); /* again: no second entry, no leak */
    assert_true(has(c, 1));
    digest_of(1, d);
    d[31] ^= 1; /* the whole digest counts */
    eg_verified v;
    assert_false(eg_token_cache_get(c, d, &v));
    d[31] ^= 1;
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(found_and_dropped),
    cmocka_unit_test(one_set_makes_room),
    cmocka_unit_test(it_stays_within_its_bound),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

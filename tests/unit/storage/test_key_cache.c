/* The cache of data keys: it asks the keeper once, for a while, and for each wrapping anew. */
#include "storage_fixture.h"

#include "key_cache.h"

static int64_t now_ns;
static int64_t moved_clock(void *ctx) {
    (void)ctx;
    return now_ns;
}

/* A key as a new file gets one. */
static eg_err make(store *s, eg_key_cache *c, const eg_id *inode, uint8_t wrapped[EG_WRAPPED_KEY_MAX], size_t *n) {
    char buf[EG_FILE_PURPOSE_MAX];
    eg_secret *key = NULL;
    EG_TRY(s->keys->new_data_key(s->keys->ctx, EG_LIT(TENANT), eg_file_key_purpose(inode, buf), &key, wrapped, n));
    return eg_key_cache_keep(c, inode, (eg_bytes){wrapped, *n}, key);
}

static void lives_a_minute(void **state) {
    store *s = *state;
    const eg_clock clock = {moved_clock, moved_clock, NULL};
    const eg_str tenant = EG_LIT(TENANT);
    eg_key_cache *c = NULL;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    eg_file_key *a = NULL;
    eg_file_key *b = NULL;
    eg_file_key *d = NULL;
    now_ns = 1;
    const eg_id inode = eg_id_new();
    assert_int_equal(eg_key_cache_new(s->keys, &clock, &c), EG_OK);
    assert_int_equal(make(s, c, &inode, wrapped, &n), EG_OK);
    assert_int_equal(eg_key_cache_get(c, tenant, &inode, (eg_bytes){wrapped, n}, &a), EG_OK);
    assert_int_equal(eg_key_cache_get(c, tenant, &inode, (eg_bytes){wrapped, n}, &b), EG_OK);
    assert_ptr_equal(a, b);
    now_ns += (int64_t)61 * 1000000000;
    assert_int_equal(eg_key_cache_get(c, tenant, &inode, (eg_bytes){wrapped, n}, &d), EG_OK);
    assert_ptr_not_equal(a, d); /* unwrapped again; the old one still serves its users */
    assert_memory_equal(eg_file_key_bytes(a).ptr, eg_file_key_bytes(d).ptr, 32);
    eg_file_key_unref(a);
    eg_file_key_unref(b);
    eg_file_key_unref(d);
    eg_key_cache_free(c);
}

static void bound_to_its_file(void **state) {
    store *s = *state;
    const eg_str tenant = EG_LIT(TENANT);
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    eg_file_key *k = NULL;
    const eg_id inode = eg_id_new();
    const eg_id other = eg_id_new();
    eg_key_cache *c = s->storage->key_cache;
    assert_int_equal(make(s, c, &inode, wrapped, &n), EG_OK);
    assert_int_equal(eg_key_cache_get(c, tenant, &other, (eg_bytes){wrapped, n}, &k), EG_ERR_CORRUPT);
    wrapped[n - 1] ^= 1;
    assert_int_equal(eg_key_cache_get(c, tenant, &inode, (eg_bytes){wrapped, n}, &k), EG_ERR_CORRUPT);
    assert_null(k);
}

/* Far more files than it holds. */
static void bounded(void **state) {
    store *s = *state;
    const eg_str tenant = EG_LIT(TENANT);
    eg_key_cache *c = s->storage->key_cache;
    for (int i = 0; i < 50; i++) {
        uint8_t wrapped[EG_WRAPPED_KEY_MAX];
        size_t n = 0;
        eg_file_key *k = NULL;
        eg_id inode = eg_id_new();
        inode.b[0] = 7; /* all in one set */
        assert_int_equal(make(s, c, &inode, wrapped, &n), EG_OK);
        assert_int_equal(eg_key_cache_get(c, tenant, &inode, (eg_bytes){wrapped, n}, &k), EG_OK);
        eg_file_key_unref(k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lives_a_minute, store_open, store_close),
        cmocka_unit_test_setup_teardown(bound_to_its_file, store_open, store_close),
        cmocka_unit_test_setup_teardown(bounded, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

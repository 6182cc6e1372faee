/* Counters of stored bytes: what comes and goes is in them, what has no room is refused, an older store is counted. */
#include "storage_fixture.h"

#include "stored_bytes.h"

static uint64_t stored(store *s) {
    uint64_t n = 0;
    assert_int_equal(eg_storage_stored_bytes(s->storage, EG_LIT(ACCOUNT), &n), EG_OK);
    return n;
}

/* By the rows of places, which the counter must never differ from. */
static uint64_t added_up(store *s) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    eg_bytes k, v;
    uint64_t sum = 0;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, EG_DB_FS_PLACE, (eg_bytes){NULL, 0}, &c), EG_OK);
    while (eg_kv_cursor_next(c, &k, &v) == EG_OK) {
        eg_location l;
        assert_int_equal(eg_content_location_decode(store_account(s), k, v, &l), EG_OK);
        sum += l.owners > 0 ? l.stored : 0;
    }
    return sum;
}

static void reclaim_all(store *s) {
    for (size_t left = 1; left > 0;) {
        left = store_reclaim(s);
    }
}

static void comes_and_goes(void **state) {
    store *s = *state;
    store_quiet(s);
    char *large = calloc(1, 300000);
    assert_int_equal(stored(s), 0);
    store_write(s, "/data/small", "x", 1);
    store_write(s, "/data/large", large, 300000);
    assert_true(stored(s) > 300000);
    assert_int_equal(stored(s), added_up(s));
    const uint64_t both = stored(s);
    assert_int_equal(store_append(s, "/data/small", 1, "staged", 6), EG_OK);
    assert_true(stored(s) > both);
    assert_int_equal(store_append(s, "/data/small", 1, "again", 5), EG_OK); /* in the place of the other */
    assert_int_equal(stored(s), added_up(s));
    assert_int_equal(store_delete(s, "/data/large", ""), EG_OK);
    reclaim_all(s);
    assert_true(stored(s) < 300000);
    assert_int_equal(stored(s), added_up(s));
    assert_int_equal(store_delete(s, "/data/small", ""), EG_OK);
    reclaim_all(s);
    assert_int_equal(stored(s), 0);
    free(large);
}

static void bounded(void **state) {
    store *s = *state;
    eg_problem p = {0};
    store_quiet(s);
    char *body = calloc(1, 300000);
    const eg_stored_quota account[] = {{ACCOUNT, 700000, 0}};
    assert_int_equal(eg_storage_set_stored_quotas(s->storage, account, 1, &p), EG_OK);
    store_write(s, "/data/a", body, 300000);
    store_write(s, "/data/b", body, 300000);
    const uint64_t before = stored(s);
    assert_true(eg_storage_has_room(s->storage, EG_LIT(ACCOUNT), 1000) && !eg_storage_has_room(s->storage, EG_LIT(ACCOUNT), 300000));
    assert_true(eg_storage_has_room(s->storage, EG_LIT("another"), UINT64_MAX)); /* nothing is known of it: the commit decides */
    assert_int_equal(store_create(s, "/data/c"), EG_OK);
    assert_int_equal(store_append(s, "/data/c", 0, body, 300000), EG_ERR_STORED_QUOTA);
    assert_int_equal(stored(s), before);
    assert_int_equal(stored(s), added_up(s));
    assert_int_equal(store_append(s, "/data/c", 0, body, 1000), EG_OK);
    assert_int_equal(store_delete(s, "/data/a", ""), EG_OK);
    reclaim_all(s);
    assert_int_equal(store_append(s, "/data/c", 1000, body, 300000), EG_OK);
    assert_int_equal(stored(s), added_up(s));
    free(body);
}

static void bounded_by_tenant(void **state) {
    store *s = *state;
    eg_problem p = {0};
    store_quiet(s);
    char *body = calloc(1, 300000);
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT("other"), EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT("other"), EG_LIT(FS), &p), EG_OK);
    const eg_stored_quota both[] = {{ACCOUNT, 0, 500000}, {"other", 0, 500000}};
    assert_int_equal(eg_storage_set_stored_quotas(s->storage, both, 2, &p), EG_OK);
    store_write(s, "/data/a", body, 300000);
    assert_int_equal(store_create(s, "/data/b"), EG_OK);
    assert_int_equal(store_append(s, "/data/b", 0, body, 300000), EG_ERR_STORED_QUOTA);
    assert_false(eg_storage_has_room(s->storage, EG_LIT("other"), 300000)); /* the tenant's, whichever account it is for */
    assert_true(eg_storage_has_room(s->storage, EG_LIT("other"), 100000));
    EG_JSON_AUTO report = eg_storage_stored_report(s->storage);
    assert_int_equal(json_array_size(report), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(report, 0), "tenantQuotaBytes")), 500000);
    free(body);
}

static eg_err forget(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx;
    (void)p;
    return eg_kv_del(t, EG_DB_FS_ACCOUNT, (eg_bytes){(const uint8_t *)"u/" ACCOUNT, sizeof "u/" ACCOUNT - 1});
}

/* As it was before there were counters. */
static void an_older_store(void **state) {
    store *s = *state;
    eg_problem p = {0};
    uint64_t n = 0;
    store_quiet(s);
    store_write(s, "/data/a", "abc", 3);
    const eg_txn_op op = {.apply = forget};
    assert_int_equal(eg_commit(s->committer, &op, 1, &p), EG_OK);
    assert_int_equal(eg_storage_stored_bytes(s->storage, EG_LIT(ACCOUNT), &n), EG_ERR_NOT_FOUND);
    store_write(s, "/data/b", "abcdef", 6);
    assert_int_equal(store_delete(s, "/data/a", ""), EG_OK);
    reclaim_all(s);
    const eg_stored_quota none[] = {{ACCOUNT, 0, 0}};
    assert_int_equal(eg_storage_set_stored_quotas(s->storage, none, 1, &p), EG_OK);
    assert_true(stored(s) > 0);
    assert_int_equal(stored(s), added_up(s));
    assert_int_equal(eg_storage_set_stored_quotas(s->storage, none, 1, &p), EG_OK); /* once is enough */
    store_stop(s);
    store_start(s);
    assert_int_equal(stored(s), added_up(s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_and_goes, store_open, store_close), cmocka_unit_test_setup_teardown(bounded, store_open, store_close),
        cmocka_unit_test_setup_teardown(bounded_by_tenant, store_open, store_close), cmocka_unit_test_setup_teardown(an_older_store, store_open, store_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

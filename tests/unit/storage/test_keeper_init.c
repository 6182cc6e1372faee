/* Making a keeper directory and bringing its master key back by the recovery key. */
#include "keeper_fixture.h"

#include "keys/recovery_key.h"

static void init_and_tenants_happen_once(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_buf again;
    eg_buf_init(&again, 128);
    assert_int_equal(eg_keeper_init(f->dir, &again, &p), EG_ERR_EXISTS);
    assert_int_equal(again.len, 0);
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT(TENANT_A), &p), EG_ERR_EXISTS);
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT("AAAAAAAA-1111-4111-8111-111111111111"), &p), EG_ERR_INVALID);
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT("../x"), &p), EG_ERR_INVALID);
}

static void the_recovery_key_opens_the_master_key(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    eg_secret *key = NULL;
    eg_secret *again = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    char path[256];
    assert_int_equal(strncmp(f->recovery, "EGRK1-", 6), 0);
    assert_int_equal(strlen(f->recovery), 5 + 14 * 5);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT("x"), &key, w, &n), EG_OK);
    eg_keeper_local_free(k);
    snprintf(path, sizeof path, "%s/master.key", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_keeper_recover(f->dir, eg_str_of(f->recovery), &p), EG_OK);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("x"), (eg_bytes){w, n}, &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(key);
    eg_secret_free(again);
    eg_keeper_local_free(k);
}

static void another_recovery_key_does_not(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_secret *other = eg_secret_random(EG_KEY_LEN);
    eg_buf text;
    eg_buf_init(&text, 128);
    assert_int_equal(eg_recovery_key_text(other, &text), EG_OK);
    assert_int_equal(eg_keeper_recover(f->dir, eg_buf_str(&text), &p), EG_ERR_CORRUPT);
    flip(f, "recovery.sealed", -1);
    assert_int_equal(eg_keeper_recover(f->dir, eg_str_of(f->recovery), &p), EG_ERR_CORRUPT);
    eg_buf_done(&text);
    eg_secret_free(other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(init_and_tenants_happen_once, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(the_recovery_key_opens_the_master_key, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(another_recovery_key_does_not, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The keys of a keeper directory: what they do, and that tampering, other tenants and other purposes are refused.
 * covers: data_key.c keeper_file.c keeper_local.c */
#include "keeper_fixture.h"

static void keys_survive_a_restart(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    eg_secret *key = NULL;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), &key, wrapped, &n), EG_OK);
    assert_true(n > 32 && n <= EG_WRAPPED_KEY_MAX);
    eg_keeper_local_free(k);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    eg_secret *again = NULL;
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), (eg_bytes){wrapped, n}, &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(again);
    eg_secret_free(key);
    eg_keeper_local_free(k);
}

static void wrapped_keys_are_bound(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    eg_secret *key = NULL;
    eg_secret *none = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX + 1];
    size_t n = 0;
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), &key, w, &n), EG_OK);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:2"), (eg_bytes){w, n}, &none), EG_ERR_CORRUPT);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_B), EG_LIT("file:1"), (eg_bytes){w, n}, &none), EG_ERR_CORRUPT);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), (eg_bytes){w, n - 1}, &none), EG_ERR_CORRUPT);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), (eg_bytes){w, n + 1}, &none), EG_ERR_CORRUPT);
    for (size_t i = 0; i < n; i++) {
        w[i] ^= 0x10;
        assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("file:1"), (eg_bytes){w, n}, &none), EG_ERR_CORRUPT);
        w[i] ^= 0x10;
    }
    assert_null(none);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT(""), &none, w, &n), EG_ERR_INVALID);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT("33333333-3333-4333-8333-333333333333"), EG_LIT("x"), &none, w, &n), EG_ERR_NOT_FOUND);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT("../../../../../../etc/passwd-00000000"), EG_LIT("x"), &none, w, &n), EG_ERR_INVALID);
    eg_secret_free(key);
    eg_keeper_local_free(k);
}

static void tampered_files_are_refused(void **state) {
    const fixture *f = *state;
    static const char *const files[] = {"master.key", "token-signing.key", "log.key"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        static const struct {
            long at;
            eg_err expected;
        } cases[] = {{0, EG_ERR_CORRUPT}, {4, EG_ERR_FORMAT_VERSION}, {5, EG_ERR_CORRUPT}, {12, EG_ERR_CORRUPT}, {-1, EG_ERR_CORRUPT}};
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            eg_keys *k = NULL;
            eg_problem p = {0};
            flip(f, files[i], cases[c].at);
            assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), cases[c].expected);
            assert_non_null(strstr(p.message, files[i]));
            flip(f, files[i], cases[c].at);
        }
    }
    /* Another kind of file in a file's place. */
    char from[256];
    char to[256];
    snprintf(from, sizeof from, "%s/log.key", f->dir);
    snprintf(to, sizeof to, "%s/token-signing.key", f->dir);
    assert_int_equal(rename(from, to), 0);
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_ERR_NOT_FOUND);
}

static void a_damaged_tenant_is_its_own_trouble(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    eg_secret *key = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    flip(f, "tenants/" TENANT_A ".key", -1);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT("x"), &key, w, &n), EG_ERR_CORRUPT);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_B), EG_LIT("x"), &key, w, &n), EG_OK);
    eg_secret_free(key);
    eg_keeper_local_free(k);
}

static void a_tenants_file_does_not_serve_another(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    eg_secret *key = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    char a[256];
    char b[256];
    snprintf(a, sizeof a, "%s/tenants/%s.key", f->dir, TENANT_A);
    snprintf(b, sizeof b, "%s/tenants/%s.key", f->dir, TENANT_B);
    assert_int_equal(rename(a, b), 0);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_B), EG_LIT("x"), &key, w, &n), EG_ERR_CORRUPT);
    /* What destroying leaves: the header and version 0. */
    static const uint8_t destroyed[] = {'E', 'G', 'K', 'P', 1, 'T', 0, 0, 0, 0};
    assert_int_equal(eg_file_replace(AT_FDCWD, b, 0600, (eg_bytes){destroyed, sizeof destroyed}, &p), EG_OK);
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_B), EG_LIT("x"), &key, w, &n), EG_ERR_KEY_DESTROYED);
    eg_keeper_local_free(k);
}

static void open_directories_are_refused(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_keys *k = NULL;
    assert_int_equal(chmod(f->dir, 0750), 0);
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_ERR_CONFIG);
    assert_int_equal(chmod(f->dir, 0700), 0);
    struct stat st;
    char path[256];
    snprintf(path, sizeof path, "%s/master.key", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(keys_survive_a_restart, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(wrapped_keys_are_bound, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(tampered_files_are_refused, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_damaged_tenant_is_its_own_trouble, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_tenants_file_does_not_serve_another, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(open_directories_are_refused, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The life of keys in the keeper: names, versions, rewrapping, destruction, and the first format of the file. covers: key_list.c key_ring.c */
#include "keeper_fixture.h"

#include "keys/key_ring.h"

static eg_keys *open_keys(const fixture *f) {
    eg_keys *k = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_keeper_open_local(f->dir, &k, &p), EG_OK);
    return k;
}

static const eg_key_use own = {.tenant = {TENANT_A, 36}, .key = {"", 0}, .purpose = {"file:1", 6}};
static const eg_key_use named = {.tenant = {TENANT_A, 36}, .key = {"lake.finance", 12}, .purpose = {"file:1", 6}};

typedef struct wrapped_key {
    eg_secret *key;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n;
} wrapped_key;

static wrapped_key make(eg_keys *k, const eg_key_use *use) {
    wrapped_key x = {0};
    assert_int_equal(k->new_data_key_under(k->ctx, use, &x.key, x.w, &x.n), EG_OK);
    return x;
}

static eg_err opens(eg_keys *k, const wrapped_key *x) {
    eg_secret *again = NULL;
    const eg_err e = k->unwrap(k->ctx, own.tenant, own.purpose, (eg_bytes){x->w, x->n}, &again);
    if (e == EG_OK) {
        assert_true(eg_secret_eq(x->key, eg_secret_bytes(again)));
        eg_secret_free(again);
    }
    return e;
}

static uint32_t version_of(const wrapped_key *x, const char *name) {
    eg_str key;
    uint32_t version = 0;
    assert_true(eg_wrapped_key_head((eg_bytes){x->w, x->n}, &key, &version));
    assert_true(eg_str_is(key, name));
    return version;
}

static void names(void **state) {
    (void)state;
    static const char *const good[] = {"", "a", "lake.finance", "a-b", "0", "x1.y2"};
    static const char *const bad[] = {"-a", "a-", ".a", "a.", "a.b.c", "A", "a/b", "..", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(eg_key_name_ok(eg_str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(eg_key_name_ok(eg_str_of(bad[i])));
    }
    char longest[EG_KEY_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    assert_true(eg_key_name_ok((eg_str){longest, EG_KEY_NAME_MAX}));
    assert_false(eg_key_name_ok((eg_str){longest, EG_KEY_NAME_MAX + 1}));
}

static void rotation(void **state) {
    const fixture *f = *state;
    eg_keys *k = open_keys(f);
    wrapped_key first = make(k, &own);
    wrapped_key moved = first;
    uint32_t version = 0;
    assert_int_equal(version_of(&first, ""), 1);
    assert_int_equal(k->rotate_key(k->ctx, own.tenant, own.key, &version), EG_OK);
    assert_int_equal(version, 2);
    assert_int_equal(opens(k, &first), EG_OK);
    assert_int_equal(k->rewrap(k->ctx, &own, (eg_bytes){first.w, first.n}, moved.w, &moved.n), EG_OK);
    assert_int_equal(version_of(&moved, ""), 2);
    assert_int_equal(opens(k, &moved), EG_OK);
    wrapped_key second = make(k, &own);
    assert_int_equal(version_of(&second, ""), 2);
    assert_int_equal(k->retire_key(k->ctx, own.tenant, own.key, version), EG_OK);
    assert_int_equal(k->retire_key(k->ctx, own.tenant, own.key, 0), EG_ERR_INVALID);
    eg_keeper_local_free(k);
    k = open_keys(f); /* all of it is on disk */
    assert_int_equal(opens(k, &first), EG_OK);
    assert_int_equal(opens(k, &second), EG_OK);
    eg_buf json;
    eg_buf_init(&json, 65536);
    assert_int_equal(k->list_keys(k->ctx, own.tenant, &json), EG_OK);
    assert_non_null(strstr(json.ptr, "{\"tenant\":\"" TENANT_A "\",\"destroyed\":false,\"keys\":[{\"name\":\"\",\"current\":2,\"versions\":[{\"version\":1,"));
    assert_non_null(strstr(json.ptr, "\"state\":\"retired\"},{\"version\":2,"));
    assert_non_null(strstr(json.ptr, "\"state\":\"inUse\"}]}]}"));
    eg_buf_done(&json);
    /* A head that names a version which never was. */
    second.w[4] = 9;
    assert_int_equal(opens(k, &second), EG_ERR_CORRUPT);
    eg_secret_free(first.key);
    eg_secret_free(second.key);
    eg_keeper_local_free(k);
}

static void named_keys(void **state) {
    const fixture *f = *state;
    eg_keys *k = open_keys(f);
    eg_secret *none = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    assert_int_equal(k->new_data_key_under(k->ctx, &named, &none, w, &n), EG_ERR_NOT_FOUND);
    assert_int_equal(k->make_key(k->ctx, named.tenant, named.key), EG_OK);
    assert_int_equal(k->make_key(k->ctx, named.tenant, named.key), EG_ERR_EXISTS);
    assert_int_equal(k->make_key(k->ctx, named.tenant, EG_LIT("")), EG_ERR_INVALID);
    assert_int_equal(k->make_key(k->ctx, named.tenant, EG_LIT("../x")), EG_ERR_INVALID);
    assert_int_equal(k->make_key(k->ctx, EG_LIT("33333333-3333-4333-8333-333333333333"), EG_LIT("x")), EG_ERR_NOT_FOUND);
    wrapped_key x = make(k, &named);
    assert_int_equal(version_of(&x, "lake.finance"), 1);
    assert_int_equal(opens(k, &x), EG_OK);
    for (size_t i = 0; i < x.n; i++) {
        x.w[i] ^= 0x10;
        assert_int_equal(opens(k, &x), EG_ERR_CORRUPT);
        x.w[i] ^= 0x10;
    }
    /* From one key to another, and it is another tenant's nowhere. */
    assert_int_equal(k->rewrap(k->ctx, &own, (eg_bytes){x.w, x.n}, x.w, &x.n), EG_OK);
    assert_int_equal(version_of(&x, ""), 1);
    assert_int_equal(opens(k, &x), EG_OK);
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_B), own.purpose, (eg_bytes){x.w, x.n}, &none), EG_ERR_CORRUPT);
    eg_secret_free(x.key);
    eg_keeper_local_free(k);
}

/* Whether the file is there and holds more than the mark of a destroyed key. */
static bool anywhere(const char *dir, const char *name) {
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/tenants/%s", dir, name);
    return stat(path, &st) == 0 && st.st_size > 10;
}

static void destruction(void **state) {
    const fixture *f = *state;
    eg_keys *k = open_keys(f);
    uint32_t version = 0;
    assert_int_equal(k->make_key(k->ctx, named.tenant, named.key), EG_OK);
    assert_int_equal(k->rotate_key(k->ctx, own.tenant, own.key, &version), EG_OK);
    wrapped_key a = make(k, &own);
    wrapped_key b = make(k, &named);
    const eg_key_use others = {.tenant = {TENANT_B, 36}, .key = {"", 0}, .purpose = {"file:1", 6}};
    wrapped_key c = make(k, &others);
    assert_true(anywhere(f->dir, TENANT_A ".key"));
    assert_int_equal(k->destroy_tenant(k->ctx, own.tenant), EG_OK);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(opens(k, &a), EG_ERR_KEY_DESTROYED);
        assert_int_equal(opens(k, &b), EG_ERR_KEY_DESTROYED);
        assert_int_equal(k->rotate_key(k->ctx, own.tenant, own.key, &version), EG_ERR_KEY_DESTROYED);
        assert_int_equal(k->make_key(k->ctx, own.tenant, EG_LIT("new")), EG_ERR_KEY_DESTROYED);
        assert_false(anywhere(f->dir, TENANT_A ".key"));
        assert_false(anywhere(f->dir, TENANT_A ".lake.finance.key"));
        assert_int_equal(k->destroy_tenant(k->ctx, own.tenant), EG_OK); /* finishes what was interrupted, or does nothing */
        eg_keeper_local_free(k);
        k = open_keys(f);
    }
    eg_secret *still = NULL;
    assert_int_equal(k->unwrap(k->ctx, others.tenant, others.purpose, (eg_bytes){c.w, c.n}, &still), EG_OK);
    eg_secret_free(still);
    assert_int_equal(k->destroy_tenant(k->ctx, EG_LIT("33333333-3333-4333-8333-333333333333")), EG_ERR_NOT_FOUND);
    eg_problem p = {0};
    assert_int_equal(eg_keeper_add_tenant(f->dir, EG_LIT(TENANT_A), &p), EG_ERR_EXISTS);
    eg_secret_free(a.key);
    eg_secret_free(b.key);
    eg_secret_free(c.key);
    eg_keeper_local_free(k);
}

/* A crash between the mark and the named files: they open nothing, and the next attempt removes them. */
static void interrupted_destruction(void **state) {
    const fixture *f = *state;
    static const uint8_t mark[] = {'E', 'G', 'K', 'P', 1, 'T', 0, 0, 0, 0};
    char path[256];
    eg_problem p = {0};
    eg_keys *k = open_keys(f);
    assert_int_equal(k->make_key(k->ctx, named.tenant, named.key), EG_OK);
    wrapped_key b = make(k, &named);
    eg_keeper_local_free(k);
    snprintf(path, sizeof path, "%s/tenants/%s.key", f->dir, TENANT_A);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, (eg_bytes){mark, sizeof mark}, &p), EG_OK);
    k = open_keys(f);
    assert_int_equal(opens(k, &b), EG_ERR_KEY_DESTROYED);
    assert_true(anywhere(f->dir, TENANT_A ".lake.finance.key"));
    assert_int_equal(k->destroy_tenant(k->ctx, own.tenant), EG_OK);
    assert_false(anywhere(f->dir, TENANT_A ".lake.finance.key"));
    eg_secret_free(b.key);
    eg_keeper_local_free(k);
}

/* A file with one key and its number before the seal, as the first version of embergate wrote it. */
static void first_format(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    int fd = -1;
    eg_secret *master = NULL;
    eg_key_ring *r = NULL;
    static const uint8_t key[EG_KEY_LEN] = {7};
    const char name[] = "tenants/" TENANT_A ".key";
    assert_int_equal(eg_keeper_dir_open(f->dir, &fd, &p), EG_OK);
    assert_int_equal(eg_keeper_master_read(fd, &master, &p), EG_OK);
    eg_buf body;
    eg_buf_init(&body, 256);
    eg_buf_add(&body, "\0\0\0\1", 4);
    assert_int_equal(eg_keeper_seal(master, EG_KEEPER_TENANT, eg_str_bytes(eg_str_of(name)), (eg_bytes){key, sizeof key}, &body), EG_OK);
    assert_int_equal(eg_keeper_file_write(fd, name, EG_KEEPER_TENANT, eg_buf_bytes(&body), &p), EG_OK);
    assert_int_equal(eg_key_ring_read(fd, master, EG_LIT(TENANT_A), EG_LIT(""), &r), EG_OK);
    assert_int_equal(r->count, 1);
    assert_int_equal(eg_key_ring_current(r)->number, 1);
    assert_true(eg_secret_eq(eg_key_ring_current(r)->key, (eg_bytes){key, sizeof key}));
    assert_int_equal(eg_key_ring_rotate(r, 5), EG_OK);
    assert_int_equal(eg_key_ring_write(fd, master, r, &p), EG_OK);
    eg_key_ring_free(r);
    assert_int_equal(eg_key_ring_read(fd, master, EG_LIT(TENANT_A), EG_LIT(""), &r), EG_OK);
    assert_int_equal(r->count, 2);
    assert_true(eg_secret_eq(r->versions[0].key, (eg_bytes){key, sizeof key}));
    while (r->count < EG_KEY_VERSIONS_MAX) {
        assert_int_equal(eg_key_ring_rotate(r, 5), EG_OK);
    }
    assert_int_equal(eg_key_ring_rotate(r, 5), EG_ERR_LIMIT);
    assert_int_equal(eg_key_ring_write(fd, master, r, &p), EG_OK);
    eg_key_ring_free(r);
    /* The number before the seal is not under it; another one is noticed. */
    flip(f, name, 9);
    assert_int_equal(eg_key_ring_read(fd, master, EG_LIT(TENANT_A), EG_LIT(""), &r), EG_ERR_CORRUPT);
    eg_buf_done(&body);
    eg_secret_free(master);
    close(fd);
}

static void statements(void **state) {
    const fixture *f = *state;
    eg_keys *k = open_keys(f);
    uint8_t sig[64];
    uint8_t pub[32];
    const eg_str origin = EG_LIT("embergate/x/server");
    const eg_str good = EG_LIT(EG_STATEMENT_ERASURE "\n{}\n");
    assert_int_equal(k->sign_statement(k->ctx, origin, good, sig), EG_OK);
    assert_int_equal(k->log_public_key(k->ctx, origin, pub), EG_OK);
    assert_int_equal(eg_ed25519_verify(pub, eg_str_bytes(good), sig), EG_OK);
    assert_int_equal(k->sign_statement(k->ctx, origin, EG_LIT("embergate/x/server\n1\nAAAA\n"), sig), EG_ERR_INVALID);
    assert_int_equal(k->sign_statement(k->ctx, origin, EG_LIT(EG_STATEMENT_BACKUP), sig), EG_ERR_INVALID);
    assert_int_equal(k->sign_statement(k->ctx, EG_LIT(EG_STATEMENT_BACKUP), good, sig), EG_ERR_INVALID);
    eg_keeper_local_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(rotation, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(named_keys, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(destruction, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(interrupted_destruction, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(first_format, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(statements, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Client secrets: right ones pass, all others look the same, and failures are slowed down.
 * covers: local_principal.c local_admin.c */
#include "local_acts.h"

#include "identity/client_auth.h"
#include "identity/local_admin.h"

#include <pthread.h>

static eg_err try_from(eg_client_auth *a, const char *tenant, const char *client, const char *secret, const char *address) {
    eg_local_principal r = {0};
    eg_problem p = {0};
    eg_err e = eg_client_auth_check(a, eg_str_of(tenant), eg_str_of(client), eg_str_bytes(eg_str_of(secret)), address, &r, &p);
    if (e == EG_OK) {
        assert_string_equal(r.client_id, client);
        assert_string_equal(r.name, "loader");
        assert_int_equal(r.kind, EG_PRINCIPAL_SERVICE);
    } else {
        assert_null(strstr(p.message, "secret-text"));
    }
    return e;
}

static void the_secret_and_nothing_else(void **state) {
    fixture *f = *state;
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    assert_int_equal(strlen(f->secret), 43); /* 256 bits */
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.1"), EG_OK);
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.1"), EG_OK);
    assert_int_equal(try_from(a, TENANT, f->client_id, "secret-text", "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(try_from(a, TENANT, f->client_id, "", "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(try_from(a, OTHER_TENANT, f->client_id, f->secret, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(try_from(a, TENANT, "99999999-9999-4999-8999-999999999999", f->secret, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(try_from(a, TENANT, "no guid", f->secret, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    char longer[1024];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(try_from(a, TENANT, f->client_id, longer, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    eg_client_auth_free(a);
}

static void a_disabled_client_is_forgotten(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.1"), EG_OK);
    assert_int_equal(eg_identity_disable_local(f->kv, f->committer, eg_str_of(f->client_id), &p), EG_OK);
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    eg_client_auth_free(a);
}

static eg_err act(fixture *f, eg_local_act what, const char *name, eg_local_principal *ret, eg_buf *secret) {
    const eg_local_ask a = {.act = what, .tenant = EG_LIT(TENANT), .name = eg_str_of(name), .kind = EG_PRINCIPAL_SERVICE, .record = no_record};
    eg_problem p = {0};
    eg_buf_reset(secret);
    return eg_local_admin_change(f->identity, &a, ret, secret, &p);
}

/* An hour from its first use; then locked until it is armed again, with a new secret. */
static void break_glass_is_locked_after_its_hour(void **state) {
    fixture *f = *state;
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    eg_local_principal r = {0};
    eg_problem p = {0};
    eg_buf secret;
    eg_buf_init(&secret, 256);
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_ARM, "loader", &r, &secret), EG_ERR_EXISTS); /* an ordinary principal's name */
    assert_int_equal(act(f, EG_LOCAL_ARM, "glass", &r, &secret), EG_OK);
    f->offset_s = 90000; /* it may lie in its safe for long */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(eg_client_auth_check(a, EG_LIT(TENANT), eg_str_of(r.client_id), eg_buf_bytes(&secret), "192.0.2.1", &r, &p), EG_OK);
        assert_int_equal(eg_local_admin_use(f->identity, &r, &p), EG_OK);
        f->offset_s += 3500;
    }
    assert_int_equal(eg_client_auth_check(a, EG_LIT(TENANT), eg_str_of(r.client_id), eg_buf_bytes(&secret), "192.0.2.1", &r, &p), EG_OK);
    assert_int_equal(eg_local_admin_use(f->identity, &r, &p), EG_ERR_OAUTH_CLIENT);
    f->offset_s = 0; /* nor does a clock that is set back open it */
    assert_int_equal(eg_local_admin_use(f->identity, &r, &p), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(act(f, EG_LOCAL_ROTATE, "glass", &r, &secret), EG_ERR_INVALID);
    assert_int_equal(act(f, EG_LOCAL_ENABLE, "glass", &r, &secret), EG_ERR_INVALID);
    assert_int_equal(act(f, EG_LOCAL_ARM, "glass", &r, &secret), EG_OK);
    assert_int_equal(eg_local_admin_use(f->identity, &r, &p), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_REMOVE, "glass", &r, &secret), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_REMOVE, "glass", &r, &secret), EG_ERR_NOT_FOUND);
    eg_buf_done(&secret);
    eg_client_auth_free(a);
}

static void failures_are_throttled_by_client_and_address(void **state) {
    fixture *f = *state;
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.7"), EG_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    }
    assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", "192.0.2.1"), EG_ERR_TOO_MANY_REQUESTS);
    /* Who has proven the secret before is not locked out by others, nor is another address. */
    assert_int_equal(try_from(a, TENANT, f->client_id, f->secret, "192.0.2.1"), EG_OK);
    assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", "192.0.2.2"), EG_ERR_OAUTH_CLIENT);
    f->offset_s += 61;
    assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    /* A /64 is one address. */
    for (int i = 0; i < 10; i++) {
        char address[46];
        snprintf(address, sizeof address, "2001:db8::%x", i + 1);
        assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", address), EG_ERR_OAUTH_CLIENT);
    }
    assert_int_equal(try_from(a, TENANT, f->client_id, "wrong", "2001:db8::ffff"), EG_ERR_TOO_MANY_REQUESTS);
    eg_client_auth_free(a);
}

typedef struct attempt {
    eg_client_auth *auth;
    unsigned n;
    eg_err result;
} attempt;

static void *one_attempt(void *arg) {
    attempt *t = arg;
    eg_local_principal r;
    eg_problem p = {0};
    char address[32];
    snprintf(address, sizeof address, "198.51.100.%u", t->n);
    t->result = eg_client_auth_check(t->auth, EG_LIT(TENANT), EG_LIT("unknown"), eg_str_bytes(EG_LIT("x")), address, &r, &p);
    return NULL;
}

static void few_run_at_once(void **state) {
    fixture *f = *state;
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    attempt attempts[24];
    pthread_t threads[24];
    for (unsigned i = 0; i < 24; i++) {
        attempts[i] = (attempt){a, i, EG_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, one_attempt, &attempts[i]), 0);
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < 24; i++) {
        pthread_join(threads[i], NULL);
        assert_true(attempts[i].result == EG_ERR_OAUTH_CLIENT || attempts[i].result == EG_ERR_TOO_MANY_REQUESTS);
        refused += attempts[i].result == EG_ERR_TOO_MANY_REQUESTS;
    }
    assert_true(refused > 0);
    assert_true(refused < 24);
    eg_client_auth_free(a);
}

static void names_are_checked(void **state) {
    fixture *f = *state;
    char client[EG_UUID_LEN] = "";
    char object[EG_UUID_LEN] = "";
    eg_buf secret;
    eg_problem p = {0};
    eg_buf_init(&secret, 128);
    assert_int_equal(eg_identity_add_local(f->kv, f->committer, EG_LIT(TENANT), EG_LIT(""), EG_PRINCIPAL_USER, client, object, &secret, &p), EG_ERR_INVALID);
    assert_int_equal(eg_identity_add_local(f->kv, f->committer, EG_LIT(TENANT), EG_LIT("a\nb"), EG_PRINCIPAL_USER, client, object, &secret, &p), EG_ERR_INVALID);
    assert_int_equal(eg_identity_add_local(f->kv, f->committer, EG_LIT("t"), EG_LIT("ann"), EG_PRINCIPAL_USER, client, object, &secret, &p), EG_ERR_INVALID);
    assert_int_equal(eg_identity_add_local(f->kv, f->committer, EG_LIT(TENANT), EG_LIT("ann"), EG_PRINCIPAL_JOB, client, object, &secret, &p), EG_ERR_INVALID);
    assert_string_equal(client, "");
    assert_int_equal(secret.len, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_secret_and_nothing_else, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(a_disabled_client_is_forgotten, fixture_open, fixture_close), cmocka_unit_test_setup_teardown(break_glass_is_locked_after_its_hour, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(failures_are_throttled_by_client_and_address, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(few_run_at_once, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(names_are_checked, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

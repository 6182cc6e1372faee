/* The keeper behind its socket: the same keys through the client, and nothing beyond its table of messages.
 * covers: keeper_client.c */
#include "keeper_fixture.h"

#include "keys/keeper_protocol.h"

#include <pthread.h>

typedef struct served {
    eg_keeper_options options;
    char path[128];
    atomic_int stop;
    pthread_t thread;
    eg_err result;
} served;

static void *serve(void *arg) {
    served *s = arg;
    eg_problem p = {0};
    s->result = eg_keeper_run(&s->options, &s->stop, &p);
    return NULL;
}

static void start(const fixture *f, served *s, uid_t allowed) {
    eg_problem p = {0};
    snprintf(s->path, sizeof s->path, "%s/keeper.sock", f->top);
    s->options = (eg_keeper_options){.dir = f->dir, .gateway_uid = allowed};
    assert_int_equal(eg_ipc_listen(s->path, &s->options.listen_fd, &p), EG_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(served *s) {
    s->stop = 1;
    pthread_join(s->thread, NULL);
    assert_int_equal(s->result, EG_OK);
    close(s->options.listen_fd);
}

static void the_client_has_the_same_keys(void **state) {
    const fixture *f = *state;
    served s = {0};
    eg_keys *local = NULL;
    eg_keys *k = NULL;
    eg_problem p = {0};
    start(f, &s, geteuid());
    assert_int_equal(eg_keeper_open_local(f->dir, &local, &p), EG_OK);
    assert_int_equal(eg_keeper_client_new(s.path, &k), EG_OK);
    eg_secret *key = NULL;
    eg_secret *again = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    assert_int_equal(k->new_data_key(k->ctx, EG_LIT(TENANT_A), EG_LIT("x"), &key, w, &n), EG_OK);
    assert_int_equal(local->unwrap(local->ctx, EG_LIT(TENANT_A), EG_LIT("x"), (eg_bytes){w, n}, &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(again);
    again = NULL;
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_A), EG_LIT("x"), (eg_bytes){w, n}, &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(again);
    again = NULL;
    assert_int_equal(k->unwrap(k->ctx, EG_LIT(TENANT_B), EG_LIT("x"), (eg_bytes){w, n}, &again), EG_ERR_CORRUPT);
    eg_secret_free(key);
    assert_int_equal(k->installation_key(k->ctx, EG_LIT("digest"), &key), EG_OK);
    assert_int_equal(local->installation_key(local->ctx, EG_LIT("digest"), &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(again);
    again = NULL;
    assert_int_equal(k->installation_key(k->ctx, EG_LIT("digests"), &again), EG_OK);
    assert_false(eg_secret_eq(key, eg_secret_bytes(again)));
    eg_secret_free(again);
    again = NULL;
    assert_int_equal(k->installation_key(k->ctx, EG_LIT(""), &again), EG_ERR_INVALID);
    eg_secret_free(key);
    eg_buf a;
    eg_buf b;
    eg_buf_init(&a, 8192);
    eg_buf_init(&b, 8192);
    assert_int_equal(k->token_keys(k->ctx, &a), EG_OK);
    assert_int_equal(local->token_keys(local->ctx, &b), EG_OK);
    assert_true(eg_str_eq(eg_buf_str(&a), eg_buf_str(&b)));
    assert_int_equal(k->sign_token(k->ctx, EG_LIT("{}"), &a), EG_ERR_INVALID);
    eg_buf body;
    char path[256];
    uint8_t sig[64];
    uint8_t pub[32];
    checkpoint_body(&body, "o", 4, 0);
    assert_int_equal(k->sign_checkpoint(k->ctx, EG_LIT("o"), eg_buf_str(&body), sig), EG_OK);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT("o"), pub), EG_OK);
    assert_int_equal(eg_ed25519_verify(pub, eg_str_bytes(eg_buf_str(&body)), sig), EG_OK);
    eg_signed_checkpoint last = {.origin = EG_LIT("o"), .body = eg_buf_str(&body)};
    bool forgotten = true;
    memcpy(last.signature, sig, sizeof sig);
    assert_int_equal(k->recall_checkpoint(k->ctx, &last, false, &forgotten), EG_OK);
    assert_false(forgotten);
    last.signature[0] ^= 1;
    assert_int_equal(k->recall_checkpoint(k->ctx, &last, false, &forgotten), EG_ERR_INVALID);
    last.signature[0] ^= 1;
    snprintf(path, sizeof path, "%s/checkpoints/65c74c15a686187bb6bbf9958f494fc6.state", f->dir); /* SHA-256 of "o" */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(k->recall_checkpoint(k->ctx, &last, true, &forgotten), EG_OK);
    assert_true(forgotten);
    assert_int_equal(k->recall_checkpoint(k->ctx, &last, true, &forgotten), EG_OK);
    assert_false(forgotten);
    eg_buf_done(&body);
    eg_buf_done(&a);
    eg_buf_done(&b);
    stop(&s);
    assert_int_equal(k->log_public_key(k->ctx, EG_LIT("o"), pub), EG_ERR_KEEPER);
    eg_keeper_client_free(k);
    eg_keeper_local_free(local);
}

/* The life of a key through the socket. */
static void several_at_once(const eg_keys *k, const eg_key_use *use) {
    eg_fresh_key fresh[EG_FRESH_KEYS_MAX];
    eg_str purposes[EG_FRESH_KEYS_MAX + 1];
    char text[EG_FRESH_KEYS_MAX + 1][50];
    for (size_t i = 0; i <= EG_FRESH_KEYS_MAX; i++) {
        snprintf(text[i], sizeof text[i], "file:%044zu", i);
        purposes[i] = eg_str_of(text[i]);
    }
    assert_int_equal(k->new_data_keys(k->ctx, use, purposes, 0, fresh), EG_ERR_INVALID);
    assert_int_equal(k->new_data_keys(k->ctx, use, purposes, EG_FRESH_KEYS_MAX + 1, fresh), EG_ERR_INVALID);
    assert_int_equal(k->new_data_keys(k->ctx, use, purposes, EG_FRESH_KEYS_MAX, fresh), EG_OK);
    for (size_t i = 0; i < EG_FRESH_KEYS_MAX; i++) {
        eg_secret *again = NULL;
        assert_int_equal(k->unwrap(k->ctx, use->tenant, purposes[i], (eg_bytes){fresh[i].wrapped, fresh[i].wrapped_len}, &again), EG_OK);
        assert_true(eg_secret_eq(again, eg_secret_bytes(fresh[i].secret)));
        eg_secret_free(again);
        eg_secret_free(fresh[i].secret);
    }
    purposes[1] = EG_LIT("");
    assert_int_equal(k->new_data_keys(k->ctx, use, purposes, 2, fresh), EG_ERR_INVALID); /* all or none */
}

static void the_client_leads_a_keys_life(void **state) {
    const fixture *f = *state;
    served s = {0};
    eg_keys *k = NULL;
    start(f, &s, geteuid());
    assert_int_equal(eg_keeper_client_new(s.path, &k), EG_OK);
    const eg_key_use use = {EG_LIT(TENANT_A), EG_LIT("lake.finance"), EG_LIT("file:1")};
    eg_secret *key = NULL;
    eg_secret *again = NULL;
    uint8_t w[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    uint32_t version = 0;
    uint8_t sig[64];
    eg_buf json;
    eg_buf_init(&json, 65536);
    assert_int_equal(k->new_data_key_under(k->ctx, &use, &key, w, &n), EG_ERR_NOT_FOUND);
    assert_int_equal(k->make_key(k->ctx, use.tenant, use.key), EG_OK);
    assert_int_equal(k->make_key(k->ctx, use.tenant, use.key), EG_ERR_EXISTS);
    assert_int_equal(k->new_data_key_under(k->ctx, &use, &key, w, &n), EG_OK);
    several_at_once(k, &use);
    assert_int_equal(k->rotate_key(k->ctx, use.tenant, use.key, &version), EG_OK);
    assert_int_equal(version, 2);
    assert_int_equal(k->rewrap(k->ctx, &use, (eg_bytes){w, n}, w, &n), EG_OK);
    assert_int_equal(k->retire_key(k->ctx, use.tenant, use.key, 2), EG_OK);
    assert_int_equal(k->unwrap(k->ctx, use.tenant, use.purpose, (eg_bytes){w, n}, &again), EG_OK);
    assert_true(eg_secret_eq(key, eg_secret_bytes(again)));
    assert_int_equal(k->list_keys(k->ctx, use.tenant, &json), EG_OK);
    assert_non_null(strstr(json.ptr, "\"name\":\"lake.finance\",\"current\":2"));
    assert_int_equal(k->sign_statement(k->ctx, EG_LIT("o"), EG_LIT(EG_STATEMENT_BACKUP "\n"), sig), EG_OK);
    assert_int_equal(k->sign_statement(k->ctx, EG_LIT("o"), EG_LIT("o\n"), sig), EG_ERR_INVALID);
    assert_int_equal(k->destroy_tenant(k->ctx, use.tenant), EG_OK);
    eg_secret_free(again);
    assert_int_equal(k->unwrap(k->ctx, use.tenant, use.purpose, (eg_bytes){w, n}, &again), EG_ERR_KEY_DESTROYED);
    eg_secret_free(key);
    eg_buf_done(&json);
    stop(&s);
    eg_keeper_client_free(k);
}

static eg_err raw_call(const served *s, uint16_t type, size_t payload) {
    eg_ipc_client *c = eg_ipc_client_new(s->path, 1);
    eg_ipc_msg m;
    eg_problem p = {0};
    eg_ipc_msg_init(&m, type);
    uint8_t *fill = calloc(1, payload + 1);
    if (payload > 0) {
        assert_int_equal(eg_ipc_put(&m, (eg_bytes){fill, payload}), EG_OK);
    }
    eg_err e = eg_ipc_call(c, &m, 3000, &p);
    free(fill);
    eg_ipc_msg_done(&m);
    eg_ipc_client_free(c);
    return e;
}

static void other_messages_are_refused(void **state) {
    const fixture *f = *state;
    served s = {0};
    start(f, &s, geteuid());
    static const uint16_t unknown[] = {0, 16, 255, 65535};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_not_equal(raw_call(&s, unknown[i], 0), EG_OK);
    }
    assert_int_equal(raw_call(&s, EG_KEEPER_MSG_TOKEN_KEYS, 0), EG_OK);
    assert_int_equal(raw_call(&s, EG_KEEPER_MSG_TOKEN_KEYS, 1), EG_ERR_LIMIT);
    assert_int_equal(raw_call(&s, EG_KEEPER_MSG_SIGN_TOKEN, 20000), EG_ERR_LIMIT);
    assert_int_equal(raw_call(&s, EG_KEEPER_MSG_NEW_DATA_KEY, 10), EG_ERR_CORRUPT); /* a field is missing */
    stop(&s);
}

static void other_users_are_not_heard(void **state) {
    const fixture *f = *state;
    served s = {0};
    start(f, &s, geteuid() + 1);
    assert_int_not_equal(raw_call(&s, EG_KEEPER_MSG_TOKEN_KEYS, 0), EG_OK);
    stop(&s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_client_has_the_same_keys, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(the_client_leads_a_keys_life, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(other_messages_are_refused, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(other_users_are_not_heard, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

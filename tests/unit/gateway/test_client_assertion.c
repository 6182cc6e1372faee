/* A client's assertion counts when one of its own keys signed it, for this endpoint, now, and once for a purpose. covers: client_key.c client_auth.c */
#include "identity_fixture.h"

#include "identity/client_assertion.h"
#include "identity/client_auth.h"

#include <openssl/pem.h>

#define AUDIENCE "https://127.0.0.1:8443/" TENANT "/oauth2/v2.0/token"

static const char *const audiences[] = {AUDIENCE, NULL};

static void to_pem(EVP_PKEY *key, char ret[2048]) {
    BIO *b = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(b, key), 1);
    int n = BIO_read(b, ret, 2047);
    assert_true(n > 0);
    ret[n] = '\0';
    BIO_free(b);
}

static void add_key(fixture *f, EVP_PKEY *key) {
    char pem[2048];
    eg_problem p = {0};
    to_pem(key, pem);
    assert_int_equal(eg_identity_add_key(f->committer, eg_str_of(f->client_id), eg_str_of(pem), &p), EG_OK);
}

/* The claims of a good one, with one that differs: `more` replaces what has the same name. */
static void make(const fixture *f, const char *alg, EVP_PKEY *key, const char *more, eg_buf *out) {
    const json_int_t now = (json_int_t)eg_wall_s(&f->clock);
    char header[64], id[EG_UUID_LEN];
    eg_uuid_new(id);
    json_t *claims = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "iss", f->client_id, "sub", f->client_id, "aud", AUDIENCE, "jti", id, "iat", now, "exp", now + 300);
    if (more) {
        json_t *changes = json_loads(more, 0, NULL);
        assert_non_null(changes);
        const char *name;
        json_t *v;
        json_object_foreach(changes, name, v) {
            /* {"exp": -5} is relative to now */
            json_object_set_new(claims, name, json_is_integer(v) ? json_integer(now + json_integer_value(v)) : json_deep_copy(v));
        }
        json_decref(changes);
    }
    char *text = json_dumps(claims, 0);
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    maker_token(maker_named(alg), key, header, text, out);
    free(text);
    json_decref(claims);
}

static eg_err check(fixture *f, eg_str assertion) {
    char id[129];
    int64_t expires_s = 0;
    eg_problem p = {0};
    const eg_assertion_question q = {.kv = f->kv, .client_id = eg_str_of(f->client_id), .audiences = audiences, .now_s = eg_wall_s(&f->clock)};
    return eg_client_assertion_check(assertion, &q, id, &expires_s, &p);
}

static void each_algorithm_that_fits_its_key(void **state) {
    fixture *f = *state;
    static const char *const algs[] = {"RS256", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"};
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, 8192);
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        EVP_PKEY *key = maker_key(maker_named(algs[i]));
        make(f, algs[i], key, NULL, &token);
        assert_int_equal(check(f, eg_buf_str(&token)), EG_ERR_OAUTH_CLIENT); /* not registered */
        add_key(f, key);
        assert_int_equal(check(f, eg_buf_str(&token)), EG_OK);
        EVP_PKEY_free(key);
    }
}

static void what_is_refused(void **state) {
    fixture *f = *state;
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    add_key(f, key);
    static const struct {
        const char *more;
        eg_err error;
    } rows[] = {
        {NULL, EG_OK},
        {"{\"aud\":[\"" AUDIENCE "\"]}", EG_OK},
        {"{\"exp\":1}", EG_OK},
        {"{\"exp\":-61}", EG_ERR_OAUTH_CLIENT},
        {"{\"exp\":100000}", EG_ERR_OAUTH_CLIENT},
        {"{\"exp\":\"soon\"}", EG_ERR_OAUTH_CLIENT},
        {"{\"exp\":null}", EG_ERR_OAUTH_CLIENT},
        {"{\"nbf\":120}", EG_ERR_OAUTH_CLIENT},
        {"{\"iat\":120}", EG_ERR_OAUTH_CLIENT},
        {"{\"iat\":true}", EG_ERR_OAUTH_CLIENT},
        {"{\"aud\":\"https://elsewhere/token\"}", EG_ERR_OAUTH_CLIENT},
        {"{\"aud\":[\"" AUDIENCE "\",\"https://elsewhere/token\"]}", EG_ERR_OAUTH_CLIENT},
        {"{\"aud\":null}", EG_ERR_OAUTH_CLIENT},
        {"{\"iss\":\"somebody\"}", EG_ERR_OAUTH_CLIENT},
        {"{\"sub\":\"somebody\"}", EG_ERR_OAUTH_CLIENT},
        {"{\"jti\":null}", EG_ERR_OAUTH_CLIENT},
        {"{\"jti\":\"\"}", EG_ERR_OAUTH_CLIENT},
    };
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, 8192);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make(f, "ES256", key, rows[i].more, &token);
        eg_err e = check(f, eg_buf_str(&token));
        if (e != rows[i].error) {
            fail_msg("%s: %s", rows[i].more ? rows[i].more : "", eg_err_code(e));
        }
    }
    token.ptr[token.len - 3] = token.ptr[token.len - 3] == 'A' ? 'B' : 'A';
    assert_int_equal(check(f, eg_buf_str(&token)), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(check(f, EG_LIT("e30.e30.AA")), EG_ERR_OAUTH_CLIENT);
    assert_false(eg_client_assertion_is_jwt(EG_LIT("opaque")));
    assert_true(eg_client_assertion_is_jwt(EG_LIT("a.b.c")));
    EVP_PKEY_free(key);
}

static void keys_that_are_none(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    char pem[2048];
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    to_pem(weak, pem);
    assert_int_equal(eg_identity_add_key(f->committer, eg_str_of(f->client_id), eg_str_of(pem), &p), EG_ERR_INVALID);
    EVP_PKEY_free(weak);
    assert_int_equal(eg_identity_add_key(f->committer, eg_str_of(f->client_id), EG_LIT("no pem"), &p), EG_ERR_INVALID);
    assert_int_equal(eg_identity_add_key(f->committer, EG_LIT("no guid"), EG_LIT("x"), &p), EG_ERR_INVALID);
    for (int i = 0; i < EG_CLIENT_KEYS_MAX + 1; i++) {
        EVP_PKEY *key = maker_key(maker_named("ES256"));
        to_pem(key, pem);
        eg_err owed = i < EG_CLIENT_KEYS_MAX ? EG_OK : EG_ERR_LIMIT;
        assert_int_equal(eg_identity_add_key(f->committer, eg_str_of(f->client_id), eg_str_of(pem), &p), owed);
        assert_int_equal(eg_identity_add_key(f->committer, eg_str_of(f->client_id), eg_str_of(pem), &p), owed); /* the same again is one */
        EVP_PKEY_free(key);
    }
}

static void taken_once_for_a_purpose(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_local_principal r;
    EVP_PKEY *key = maker_key(maker_named("ES256"));
    add_key(f, key);
    EG_CLEANUP(eg_buf_done) eg_buf token;
    eg_buf_init(&token, 8192);
    make(f, "ES256", key, NULL, &token);
    eg_client_auth *a = eg_client_auth_new(f->kv, &f->clock);
    eg_client_proof proof = {eg_str_of(f->client_id), eg_buf_str(&token), EG_LIT("storage"), audiences, "192.0.2.1"};
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(OTHER_TENANT), &proof, &r, &p), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_OK);
    assert_string_equal(r.object_id, f->object_id);
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_ERR_OAUTH_CLIENT);
    assert_non_null(strstr(p.message, "used before"));
    proof.purpose = EG_LIT("management"); /* MSAL does so */
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_OK);
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_ERR_OAUTH_CLIENT);
    for (int i = 3; i < 120; i++) {
        assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_ERR_OAUTH_CLIENT);
    }
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_ERR_TOO_MANY_REQUESTS);
    make(f, "ES256", key, NULL, &token);
    proof = (eg_client_proof){eg_str_of(f->client_id), eg_buf_str(&token), EG_LIT("storage"), audiences, "192.0.2.2"};
    assert_int_equal(eg_identity_disable_local(f->kv, f->committer, eg_str_of(f->client_id), &p), EG_OK);
    assert_int_equal(eg_client_auth_check_key(a, EG_LIT(TENANT), &proof, &r, &p), EG_ERR_OAUTH_CLIENT);
    eg_client_auth_free(a);
    EVP_PKEY_free(key);
}

static void memory_forgets_nothing_that_is_live(void **state) {
    (void)state;
    eg_assertion_memory *m = eg_assertion_memory_new(8); /* one set */
    bool fresh = false;
    char text[4] = "a00";
    for (int i = 0; i < 8; i++) {
        text[1] = (char)('0' + i);
        assert_int_equal(eg_assertion_memory_take(m, eg_str_bytes(eg_str_of(text)), 100 + i, 50, &fresh), EG_OK);
        assert_true(fresh);
    }
    assert_int_equal(eg_assertion_memory_take(m, eg_str_bytes(EG_LIT("b")), 200, 99, &fresh), EG_ERR_TOO_MANY_REQUESTS);
    assert_int_equal(eg_assertion_memory_take(m, eg_str_bytes(EG_LIT("a00")), 200, 99, &fresh), EG_OK);
    assert_false(fresh);
    assert_int_equal(eg_assertion_memory_take(m, eg_str_bytes(EG_LIT("b")), 200, 100, &fresh), EG_OK); /* the first has expired */
    assert_true(fresh);
    eg_assertion_memory_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_algorithm_that_fits_its_key, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(what_is_refused, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(keys_that_are_none, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(taken_once_for_a_purpose, fixture_open, fixture_close),
        cmocka_unit_test(memory_forgets_nothing_that_is_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

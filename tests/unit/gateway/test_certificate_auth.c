/* Who a connection's certificate stands for, what a bound token is good with, and what ends both. covers: client_key.c */
#include "local_acts.h"

#include "identity/certificate_auth.h"
#include "identity/client_key.h"

#include <embergate/encoding.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static eg_err act_of(fixture *f, eg_local_act what, const char *name, eg_str proof, eg_local_principal *ret) {
    eg_problem p = {0};
    return local_act(f, (eg_local_ask){.act = what, .name = eg_str_of(name), .kind = EG_PRINCIPAL_SERVICE, .proof = eg_str_bytes(proof)}, ret, &p);
}

static eg_err act(fixture *f, eg_local_act what, const char *name, const char *proof) {
    eg_local_principal r;
    return act_of(f, what, name, eg_str_of(proof), &r);
}

/* A key, as PEM and as the door would see it. */
typedef struct key {
    char pem[2048];
    char hex[65];
    eg_peer_certificate seen;
} key;

static void make_key(const fixture *f, key *k) {
    EVP_PKEY *made = EVP_EC_gen("P-256");
    BIO *b = BIO_new(BIO_s_mem());
    uint8_t *der = NULL;
    assert_true(made && b && PEM_write_bio_PUBKEY(b, made) == 1);
    const int n = BIO_read(b, k->pem, sizeof k->pem - 1), m = i2d_PUBKEY(made, &der);
    assert_true(n > 0 && m > 0);
    k->pem[n] = '\0';
    k->seen = (eg_peer_certificate){.asked = true, .signs_in = true, .there = true, .from_s = eg_wall_s(&f->clock) - 10, .until_s = eg_wall_s(&f->clock) + 1000};
    eg_sha256((eg_bytes){der, (size_t)m}, k->seen.key);
    eg_random(k->seen.thumbprint, sizeof k->seen.thumbprint);
    eg_hex((eg_bytes){k->seen.key, EG_SHA256_LEN}, k->hex);
    OPENSSL_free(der);
    BIO_free(b);
    EVP_PKEY_free(made);
}

static key k, other;

static int set_up(void **state) {
    fixture_open(state);
    fixture *f = *state;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    make_key(f, &k);
    make_key(f, &other);
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", k.pem), EG_OK);
    return 0;
}

static eg_err by(fixture *f, const eg_peer_certificate *c) {
    eg_principal *who = NULL;
    eg_problem p = {0};
    eg_err e = eg_identity_by_certificate(f->identity, c, &who, &p);
    assert_true((e == EG_OK) == (who != NULL));
    if (who) {
        assert_string_equal(who->object_id, f->object_id);
        assert_string_equal(who->tenant, TENANT);
        assert_true(who->by_key && !who->bound);
        assert_int_equal(eg_identity_check(f->identity, who, &p), EG_OK);
    }
    eg_principal_unref(who);
    return e;
}

static void whose_key_it_is(void **state) {
    fixture *f = *state;
    eg_peer_certificate none = k.seen;
    none.there = false;
    for (int i = 0; i < 2; i++) { /* once from the store, once remembered */
        assert_int_equal(by(f, &k.seen), EG_OK);
        assert_int_equal(by(f, &other.seen), EG_ERR_CERTIFICATE);
        assert_int_equal(by(f, &none), EG_ERR_CERTIFICATE);
    }
    f->offset_s += 400;
    assert_int_equal(by(f, &k.seen), EG_OK);
    f->offset_s += 700; /* it has expired */
    assert_int_equal(by(f, &k.seen), EG_ERR_CERTIFICATE);
    f->offset_s = -20; /* and was not valid yet */
    assert_int_equal(by(f, &k.seen), EG_ERR_CERTIFICATE);
}

static void a_stranger_that_is_registered_is_none(void **state) {
    fixture *f = *state;
    assert_int_equal(by(f, &other.seen), EG_ERR_CERTIFICATE);
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", other.pem), EG_OK);
    assert_int_equal(by(f, &other.seen), EG_OK);
}

static void two_with_one_key(void **state) {
    fixture *f = *state;
    assert_int_equal(act(f, EG_LOCAL_ADD, "twin", ""), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "twin", k.pem), EG_OK);
    assert_int_equal(by(f, &k.seen), EG_ERR_CERTIFICATE);
    assert_int_equal(act(f, EG_LOCAL_REMOVE, "twin", ""), EG_OK); /* with its keys */
    assert_int_equal(by(f, &k.seen), EG_OK);
}

static void what_ends_it(void **state) {
    fixture *f = *state;
    eg_principal *who = NULL;
    eg_problem p = {0};
    assert_int_equal(act(f, EG_LOCAL_KEY_REMOVE, "loader", other.hex), EG_ERR_NOT_FOUND);
    assert_int_equal(act(f, EG_LOCAL_KEY_REMOVE, "loader", "beef"), EG_ERR_INVALID);
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", "no key"), EG_ERR_INVALID);
    assert_int_equal(eg_identity_by_certificate(f->identity, &k.seen, &who, &p), EG_OK);
    const uint64_t mark = eg_identity_revocation_mark(f->identity);
    assert_int_equal(act(f, EG_LOCAL_KEY_REMOVE, "loader", k.hex), EG_OK);
    assert_true(eg_identity_revocation_mark(f->identity) != mark);
    assert_int_equal(by(f, &k.seen), EG_ERR_CERTIFICATE);
    assert_int_equal(eg_identity_check(f->identity, who, &p), EG_ERR_TOKEN_REVOKED); /* what it is in the middle of */
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", k.pem), EG_OK);
    assert_int_equal(eg_identity_check(f->identity, who, &p), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_DISABLE, "loader", ""), EG_OK);
    assert_int_equal(eg_identity_check(f->identity, who, &p), EG_ERR_TOKEN_REVOKED);
    assert_int_equal(by(f, &k.seen), EG_ERR_CERTIFICATE);
    assert_int_equal(act(f, EG_LOCAL_ENABLE, "loader", ""), EG_OK);
    assert_int_equal(by(f, &k.seen), EG_OK); /* signed in anew, later than what was revoked */
    eg_principal_unref(who);
}

static eg_err client(fixture *f, const char *tenant, const char *id, const eg_peer_certificate *c, const char *address) {
    eg_local_principal r = {0};
    eg_problem p = {0};
    eg_peer peer = {.certificate = *c};
    snprintf(peer.address, sizeof peer.address, "%s", address);
    eg_err e = eg_certificate_client(f->identity, eg_str_of(tenant), eg_str_of(id), &peer, &r, &p);
    assert_int_equal(r.by_key, e == EG_OK);
    return e;
}

static void at_the_token_endpoint(void **state) {
    fixture *f = *state;
    eg_peer_certificate old = k.seen;
    old.until_s = old.from_s + 1;
    assert_int_equal(client(f, TENANT, f->client_id, &k.seen, "192.0.2.1"), EG_OK);
    assert_int_equal(client(f, TENANT, f->client_id, &other.seen, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(client(f, TENANT, f->client_id, &old, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(client(f, OTHER_TENANT, f->client_id, &k.seen, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(client(f, TENANT, "no guid", &k.seen, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    assert_int_equal(client(f, TENANT, "99999999-9999-4999-8999-999999999999", &k.seen, "192.0.2.1"), EG_ERR_OAUTH_CLIENT);
    for (int i = 0; i < 120; i++) {
        assert_int_equal(client(f, TENANT, f->client_id, &other.seen, "192.0.2.2"), EG_ERR_OAUTH_CLIENT);
    }
    assert_int_equal(client(f, TENANT, f->client_id, &other.seen, "192.0.2.2"), EG_ERR_TOO_MANY_REQUESTS);
    assert_int_equal(client(f, TENANT, f->client_id, &k.seen, "192.0.2.1"), EG_OK);
}

static eg_err use(fixture *f, const eg_buf *token, const eg_peer_certificate *c) {
    eg_principal *who = NULL;
    eg_problem p = {0};
    eg_err e = eg_identity_verify(f->identity, eg_buf_str(token), &(eg_token_use){.audience = EG_AUDIENCE_GATEWAY, .certificate = c}, &who, &p);
    eg_principal_unref(who);
    return e;
}

static void bound_tokens(void **state) {
    fixture *f = *state;
    char more[256];
    EG_CLEANUP(eg_buf_done) eg_buf text, digest, token;
    eg_buf_init(&text, 64);
    eg_buf_init(&digest, 64);
    eg_buf_init(&token, 8192);
    assert_int_equal(eg_base64url((eg_bytes){k.seen.thumbprint, EG_SHA256_LEN}, &text), EG_OK);
    assert_int_equal(eg_base64url((eg_bytes){k.seen.key, EG_SHA256_LEN}, &digest), EG_OK);
    snprintf(more, sizeof more, ",\"azp\":\"%s\",\"appid\":\"%s\",\"cnf\":{\"x5t#S256\":\"%s\"},\"eg_key\":\"%s\"", f->client_id, f->client_id, text.ptr, digest.ptr);
    fixture_token(f, "https://management.azure.com", more, &token);
    eg_peer_certificate none = k.seen, old = k.seen;
    none.there = false;
    old.until_s = eg_wall_s(&f->clock) - 1;
    for (int i = 0; i < 2; i++) { /* the second time from the cache */
        assert_int_equal(use(f, &token, &other.seen), EG_ERR_TOKEN_CERTIFICATE);
        assert_int_equal(use(f, &token, NULL), EG_ERR_TOKEN_CERTIFICATE);
        assert_int_equal(use(f, &token, &none), EG_ERR_TOKEN_CERTIFICATE);
        assert_int_equal(use(f, &token, &old), EG_ERR_TOKEN_CERTIFICATE);
        assert_int_equal(use(f, &token, &k.seen), EG_OK);
    }
    assert_int_equal(act(f, EG_LOCAL_KEY_REMOVE, "loader", k.hex), EG_OK);
    assert_int_equal(use(f, &token, &k.seen), EG_ERR_TOKEN_REVOKED);
}

static void nine_keys(void **state) {
    fixture *f = *state;
    key more;
    for (int i = 0; i < 7; i++) {
        make_key(f, &more);
        assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", more.pem), EG_OK);
    }
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", k.pem), EG_OK); /* is there */
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "loader", other.pem), EG_ERR_LIMIT);
    assert_int_equal(act(f, EG_LOCAL_ARM, "glass", ""), EG_OK);
    assert_int_equal(act(f, EG_LOCAL_KEY_ADD, "glass", other.pem), EG_ERR_INVALID);
}

#define WITH(t) cmocka_unit_test_setup_teardown(t, set_up, fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(whose_key_it_is), WITH(a_stranger_that_is_registered_is_none), WITH(two_with_one_key), WITH(what_ends_it), WITH(at_the_token_endpoint), WITH(bound_tokens), WITH(nine_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

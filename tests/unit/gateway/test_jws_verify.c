/* Every algorithm verifies with its own key and with no other, and no signature survives a change. */
#include "token_maker.h"

#include "identity/jws.h"

#include <embergate/crypto.h>

typedef struct made {
    const maker_alg *alg;
    EVP_PKEY *key;
    eg_jwk_set *set;
    eg_buf token;
} made;

static void make(made *m, const char *alg) {
    char header[128];
    eg_buf json;
    eg_problem p = {0};
    *m = (made){.alg = maker_named(alg)};
    m->key = maker_key(m->alg);
    eg_buf_init(&json, 8192);
    eg_buf_init(&m->token, 16384);
    maker_set(maker_jwk(m->alg, m->key, "k"), &json);
    assert_int_equal(eg_jwk_set_parse(eg_buf_str(&json), &m->set, &p), EG_OK);
    eg_buf_done(&json);
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"k\"}", alg);
    maker_token(m->alg, m->key, header, "{\"sub\":\"s\"}", &m->token);
}

static void drop(made *m) {
    EVP_PKEY_free(m->key);
    eg_jwk_set_unref(m->set);
    eg_buf_done(&m->token);
}

static eg_err verify(eg_str token, const eg_jwk_set *set) {
    eg_jws j = {0};
    eg_problem p = {0};
    eg_err e = eg_jws_parse(token, &j, &p);
    if (e == EG_OK) {
        e = eg_jws_verify(&j, &set->keys[0], &p);
    }
    eg_jws_done(&j);
    return e;
}

static void every_algorithm_verifies(void **state) {
    (void)state;
    for (size_t i = 0; i < MAKER_ALGS; i++) {
        made m;
        make(&m, maker_algs[i].alg);
        assert_int_equal(verify(eg_buf_str(&m.token), m.set), EG_OK);
        /* One changed character of the claims, and each kind of place in the signature. */
        char *dot = strrchr(m.token.ptr, '.');
        char *const places[] = {strchr(m.token.ptr, '.') + 3, dot + 1, dot + 20};
        for (size_t n = 0; n < sizeof places / sizeof places[0]; n++) {
            char was = *places[n];
            *places[n] = was == 'A' ? 'B' : 'A';
            eg_err e = verify(eg_buf_str(&m.token), m.set);
            assert_true(e == EG_ERR_TOKEN_SIGNATURE || e == EG_ERR_TOKEN_MALFORMED);
            *places[n] = was;
        }
        assert_int_equal(verify(eg_buf_str(&m.token), m.set), EG_OK);
        drop(&m);
    }
}

static void another_key_of_the_same_kind_does_not(void **state) {
    (void)state;
    static const char *const algs[] = {"RS256", "PS256", "ES256", "EdDSA"};
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        made a;
        made b;
        make(&a, algs[i]);
        make(&b, algs[i]);
        assert_int_equal(verify(eg_buf_str(&a.token), b.set), EG_ERR_TOKEN_SIGNATURE);
        drop(&a);
        drop(&b);
    }
}

/* The header says PS256, the key is pinned to RS256, and so on: the header never chooses. */
static void the_key_pins_the_algorithm(void **state) {
    (void)state;
    made rs;
    made es;
    make(&rs, "RS256");
    make(&es, "ES256");
    eg_buf token;
    eg_buf_init(&token, 16384);
    maker_token(maker_named("PS256"), rs.key, "{\"alg\":\"PS256\",\"kid\":\"k\"}", "{}", &token);
    assert_int_equal(verify(eg_buf_str(&token), rs.set), EG_ERR_TOKEN_ALGORITHM);
    maker_token(maker_named("RS512"), rs.key, "{\"alg\":\"RS512\",\"kid\":\"k\"}", "{}", &token);
    assert_int_equal(verify(eg_buf_str(&token), rs.set), EG_ERR_TOKEN_ALGORITHM);
    assert_int_equal(verify(eg_buf_str(&es.token), rs.set), EG_ERR_TOKEN_ALGORITHM);
    assert_int_equal(verify(eg_buf_str(&rs.token), es.set), EG_ERR_TOKEN_ALGORITHM);
    eg_buf_done(&token);
    drop(&rs);
    drop(&es);
}

/* The classic: a MAC keyed with the public key's own text. */
static void hs256_with_the_public_key(void **state) {
    (void)state;
    made rs;
    make(&rs, "RS256");
    eg_buf token;
    eg_buf pem;
    uint8_t mac[32];
    eg_buf_init(&token, 16384);
    eg_buf_init(&pem, 8192);
    maker_set(maker_jwk(rs.alg, rs.key, "k"), &pem);
    maker_b64("{\"alg\":\"HS256\",\"kid\":\"k\"}", 25, &token);
    eg_buf_adds(&token, ".e30");
    eg_hmac_sha256(eg_buf_bytes(&pem), eg_buf_bytes(&token), mac);
    eg_buf_adds(&token, ".");
    maker_b64(mac, sizeof mac, &token);
    assert_int_equal(verify(eg_buf_str(&token), rs.set), EG_ERR_TOKEN_ALGORITHM);
    eg_buf_done(&token);
    eg_buf_done(&pem);
    drop(&rs);
}

static void der_and_degenerate_ecdsa(void **state) {
    (void)state;
    made m;
    make(&m, "ES256");
    char *dot = strrchr(m.token.ptr, '.');
    size_t signed_len = (size_t)(dot - m.token.ptr);
    uint8_t sig[1024];
    static const uint8_t zeros[65];
    size_t n = maker_signature(m.alg, m.key, m.token.ptr, signed_len, true, sig);
    const struct {
        const uint8_t *p;
        size_t n;
    } bad[] = {{sig, n}, {zeros, 64}, {zeros, 63}, {zeros, 65}, {zeros, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_buf t;
        eg_buf_init(&t, 4096);
        eg_buf_add(&t, m.token.ptr, signed_len + 1);
        maker_b64(bad[i].p, bad[i].n, &t);
        assert_int_equal(verify(eg_buf_str(&t), m.set), EG_ERR_TOKEN_SIGNATURE);
        eg_buf_done(&t);
    }
    drop(&m);
}

static void ed25519_by_its_newer_name(void **state) {
    (void)state;
    made m;
    make(&m, "EdDSA");
    maker_token(m.alg, m.key, "{\"alg\":\"Ed25519\",\"kid\":\"k\"}", "{}", &m.token);
    assert_int_equal(verify(eg_buf_str(&m.token), m.set), EG_OK);
    drop(&m);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_algorithm_verifies),
    cmocka_unit_test(another_key_of_the_same_kind_does_not),
    cmocka_unit_test(the_key_pins_the_algorithm),
    cmocka_unit_test(hs256_with_the_public_key),
    cmocka_unit_test(der_and_degenerate_ecdsa),
    cmocka_unit_test(ed25519_by_its_newer_name),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

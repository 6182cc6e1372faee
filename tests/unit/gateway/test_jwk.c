/* Keys that an issuer publishes: those that may verify are taken, all others left out. */
#include "token_maker.h"

#include "identity/jws.h"

/* The error of a set of this one key; takes jwk. */
static eg_err parse_one(json_t *jwk) {
    eg_buf json;
    eg_jwk_set *set = NULL;
    eg_problem p = {0};
    eg_buf_init(&json, 65536);
    maker_set(jwk, &json);
    eg_err e = eg_jwk_set_parse(eg_buf_str(&json), &set, &p);
    eg_jwk_set_unref(set);
    eg_buf_done(&json);
    return e;
}

static json_t *changed(const maker_alg *a, const EVP_PKEY *k, const char *name, json_t *value) {
    json_t *j = maker_jwk(a, k, "k");
    if (value) {
        json_object_set_new(j, name, value);
    } else {
        json_object_del(j, name);
    }
    return j;
}

static void rsa_keys(void **state) {
    (void)state;
    const maker_alg *a = maker_named("RS256");
    EVP_PKEY *k = maker_key(a);
    assert_int_equal(parse_one(maker_jwk(a, k, "k")), EG_OK);
    assert_int_equal(parse_one(changed(a, k, "alg", NULL)), EG_OK);
    assert_int_equal(parse_one(changed(a, k, "use", NULL)), EG_OK);
    assert_int_equal(parse_one(changed(a, k, "key_ops", json_pack("[s]", "verify"))), EG_OK);
    assert_int_equal(parse_one(changed(a, k, "key_ops", json_pack("[s]", "encrypt"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "use", json_string("enc"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "alg", json_string("RSA-OAEP"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "alg", json_string("ES256"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "alg", json_string("HS256"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "kid", NULL)), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "kid", json_string(""))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "n", json_string("AQAB"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "n", json_string("not base64url!"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "e", json_string("AQ"))), EG_ERR_INVALID);   /* 1 */
    assert_int_equal(parse_one(changed(a, k, "e", json_string("AQAA"))), EG_ERR_INVALID); /* even */
    assert_int_equal(parse_one(changed(a, k, "kty", json_string("oct"))), EG_ERR_INVALID);
    EVP_PKEY_free(k);
    k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    assert_int_equal(parse_one(maker_jwk(a, k, "k")), EG_ERR_INVALID);
    EVP_PKEY_free(k);
}

static void curves(void **state) {
    (void)state;
    const maker_alg *a = maker_named("ES256");
    EVP_PKEY *k = maker_key(a);
    EVP_PKEY *other = maker_key(a);
    assert_int_equal(parse_one(maker_jwk(a, k, "k")), EG_OK);
    assert_int_equal(parse_one(changed(a, k, "alg", json_string("ES384"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "crv", json_string("P-384"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(a, k, "crv", json_string("secp256k1"))), EG_ERR_INVALID);
    /* Another key's x: not a point of the curve. */
    json_t *from = maker_jwk(a, other, "k");
    assert_int_equal(parse_one(changed(a, k, "x", json_incref(json_object_get(from, "x")))), EG_ERR_INVALID);
    json_decref(from);
    assert_int_equal(parse_one(changed(a, k, "x", json_string("AAAA"))), EG_ERR_INVALID);
    EVP_PKEY_free(k);
    EVP_PKEY_free(other);
    const maker_alg *ed = maker_named("EdDSA");
    k = maker_key(ed);
    assert_int_equal(parse_one(maker_jwk(ed, k, "k")), EG_OK);
    assert_int_equal(parse_one(changed(ed, k, "crv", json_string("X25519"))), EG_ERR_INVALID);
    assert_int_equal(parse_one(changed(ed, k, "x", json_string("AAAA"))), EG_ERR_INVALID);
    EVP_PKEY_free(k);
}

static void sets(void **state) {
    (void)state;
    eg_jwk_set *set = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_jwk_set_parse(EG_LIT("{}"), &set, &p), EG_ERR_INVALID);
    assert_int_equal(eg_jwk_set_parse(EG_LIT("{\"keys\":[]}"), &set, &p), EG_ERR_INVALID);
    assert_int_equal(eg_jwk_set_parse(EG_LIT("{\"keys\":[1,null,\"x\",{}]}"), &set, &p), EG_ERR_INVALID);
    assert_int_equal(eg_jwk_set_parse(EG_LIT("not json"), &set, &p), EG_ERR_BODY_JSON);
    eg_buf many;
    eg_buf_init(&many, 65536);
    eg_buf_adds(&many, "{\"keys\":[{}");
    for (int i = 0; i < EG_JWK_SET_KEYS_MAX; i++) {
        eg_buf_adds(&many, ",{}");
    }
    eg_buf_adds(&many, "]}");
    assert_int_equal(eg_jwk_set_parse(eg_buf_str(&many), &set, &p), EG_ERR_LIMIT);
    eg_buf_done(&many);
    /* One good key among strange ones; of two with one id the first counts. */
    const maker_alg *a = maker_named("ES256");
    EVP_PKEY *k = maker_key(a);
    EVP_PKEY *second = maker_key(a);
    json_t *doc = json_pack("{s:[{s:s},o,o]}", "keys", "kty", "future", maker_jwk(a, k, "k"), maker_jwk(a, second, "k"));
    eg_buf json;
    eg_buf_init(&json, 65536);
    assert_int_equal(eg_json_write(doc, &json), EG_OK);
    json_decref(doc);
    assert_int_equal(eg_jwk_set_parse(eg_buf_str(&json), &set, &p), EG_OK);
    assert_int_equal(set->count, 1);
    assert_int_equal(EVP_PKEY_eq(set->keys[0].key, k), 1);
    assert_non_null(eg_jwk_set_find(set, EG_LIT("k")));
    assert_null(eg_jwk_set_find(set, EG_LIT("K")));
    assert_null(eg_jwk_set_find(set, EG_LIT("")));
    eg_jwk_set_unref(set);
    eg_buf_done(&json);
    EVP_PKEY_free(k);
    EVP_PKEY_free(second);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rsa_keys),
    cmocka_unit_test(curves),
    cmocka_unit_test(sets),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

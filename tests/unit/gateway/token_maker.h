/* Makes keys and tokens with OpenSSL, good ones and bad ones: the other side of what identity verifies. */
#ifndef EG_TEST_TOKEN_MAKER_H
#define EG_TEST_TOKEN_MAKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <embergate/encoding.h>
#include <embergate/json.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct maker_alg {
    const char *alg;
    const char *type;   /* RSA, EC, ED25519 */
    const char *curve;
    const char *crv;
    const char *digest;
    int half;
} maker_alg;

static const maker_alg maker_algs[] = {
    {"RS256", "RSA", NULL, NULL, "SHA256", 0},
    {"RS384", "RSA", NULL, NULL, "SHA384", 0},
    {"RS512", "RSA", NULL, NULL, "SHA512", 0},
    {"PS256", "RSA", NULL, NULL, "SHA256", 0},
    {"PS384", "RSA", NULL, NULL, "SHA384", 0},
    {"PS512", "RSA", NULL, NULL, "SHA512", 0},
    {"ES256", "EC", "P-256", "P-256", "SHA256", 32},
    {"ES384", "EC", "P-384", "P-384", "SHA384", 48},
    {"ES512", "EC", "P-521", "P-521", "SHA512", 66},
    {"EdDSA", "ED25519", NULL, "Ed25519", NULL, 0},
};
#define MAKER_ALGS (sizeof maker_algs / sizeof maker_algs[0])

static inline const maker_alg *maker_named(const char *alg) {
    for (size_t i = 0; i < MAKER_ALGS; i++) {
        if (strcmp(maker_algs[i].alg, alg) == 0) {
            return &maker_algs[i];
        }
    }
    fail();
    return NULL;
}

static inline EVP_PKEY *maker_key(const maker_alg *a) {
    EVP_PKEY *k = NULL;
    if (strcmp(a->type, "RSA") == 0) {
        k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    } else if (strcmp(a->type, "EC") == 0) {
        k = EVP_EC_gen(a->curve);
    } else {
        k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    assert_non_null(k);
    return k;
}

static inline void maker_b64(const void *p, size_t n, eg_buf *out) {
    assert_int_equal(eg_base64url((eg_bytes){p, n}, out), EG_OK);
}

static inline void maker_bn(const EVP_PKEY *k, const char *param, const char *name, int width, json_t *to) {
    BIGNUM *n = NULL;
    uint8_t raw[1024];
    eg_buf text;
    eg_buf_init(&text, 2048);
    assert_int_equal(EVP_PKEY_get_bn_param(k, param, &n), 1);
    int len = width ? width : BN_num_bytes(n);
    assert_int_equal(BN_bn2binpad(n, raw, len), len);
    maker_b64(raw, (size_t)len, &text);
    json_object_set_new(to, name, json_string(text.ptr));
    eg_buf_done(&text);
    BN_free(n);
}

/* A JWK with kid, alg and use; the caller may change it. */
static inline json_t *maker_jwk(const maker_alg *a, const EVP_PKEY *k, const char *kid) {
    json_t *j = json_pack("{s:s,s:s,s:s}", "kid", kid, "alg", a->alg, "use", "sig");
    if (strcmp(a->type, "RSA") == 0) {
        json_object_set_new(j, "kty", json_string("RSA"));
        maker_bn(k, OSSL_PKEY_PARAM_RSA_N, "n", 0, j);
        maker_bn(k, OSSL_PKEY_PARAM_RSA_E, "e", 0, j);
        return j;
    }
    json_object_set_new(j, "crv", json_string(a->crv));
    if (strcmp(a->type, "EC") == 0) {
        json_object_set_new(j, "kty", json_string("EC"));
        maker_bn(k, OSSL_PKEY_PARAM_EC_PUB_X, "x", a->half, j);
        maker_bn(k, OSSL_PKEY_PARAM_EC_PUB_Y, "y", a->half, j);
        return j;
    }
    uint8_t raw[32];
    size_t n = sizeof raw;
    eg_buf text;
    eg_buf_init(&text, 64);
    assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
    maker_b64(raw, n, &text);
    json_object_set_new(j, "kty", json_string("OKP"));
    json_object_set_new(j, "x", json_string(text.ptr));
    eg_buf_done(&text);
    return j;
}

/* {"keys":[…]} of one key; takes jwk. */
static inline void maker_set(json_t *jwk, eg_buf *out) {
    json_t *set = json_pack("{s:[o]}", "keys", jwk);
    assert_non_null(set);
    assert_int_equal(eg_json_write(set, out), EG_OK);
    json_decref(set);
}

static inline size_t maker_raw_ecdsa(const uint8_t *der, size_t n, int half, uint8_t *raw) {
    const uint8_t *at = der;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &at, (long)n);
    assert_non_null(s);
    BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + half, half);
    ECDSA_SIG_free(s);
    return 2 * (size_t)half;
}

/* The signature over `text` as JOSE has it; with der, an ECDSA signature stays DER. */
static inline size_t maker_signature(const maker_alg *a, EVP_PKEY *k, const char *text, size_t len, bool der, uint8_t out[1024]) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    uint8_t sig[1024];
    size_t n = sizeof sig;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &options, a->digest, NULL, NULL, k, NULL), 1);
    if (a->alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const uint8_t *)text, len), 1);
    EVP_MD_CTX_free(ctx);
    if (a->half && !der) {
        return maker_raw_ecdsa(sig, n, a->half, out);
    }
    memcpy(out, sig, n);
    return n;
}

/* header.claims.signature, whatever the two texts are. */
static inline void maker_token(const maker_alg *a, EVP_PKEY *k, const char *header, const char *claims, eg_buf *out) {
    uint8_t sig[1024];
    eg_buf_reset(out);
    maker_b64(header, strlen(header), out);
    eg_buf_add(out, ".", 1);
    maker_b64(claims, strlen(claims), out);
    size_t n = maker_signature(a, k, out->ptr, out->len, false, sig);
    eg_buf_add(out, ".", 1);
    maker_b64(sig, n, out);
}

#endif

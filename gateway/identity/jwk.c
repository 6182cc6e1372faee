/* Public keys of issuers: JWK (RFC 7517, 7518, 8037) to OpenSSL's keys, each pinned to one algorithm. */
#include "jws.h"

#include <embergate/encoding.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define POINT_HALF_MAX 66

static const struct {
    const char *crv;
    const char *group;
    size_t half;
    eg_jws_alg alg;
} curves[] = {
    {"P-256", "prime256v1", 32, EG_JWS_ES256},
    {"P-384", "secp384r1", 48, EG_JWS_ES384},
    {"P-521", "secp521r1", 66, EG_JWS_ES512},
};

/* Builds and checks a public key from what was pushed. */
static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *check = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool ok = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
    if (ok) {
        check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        ok = check && EVP_PKEY_public_check(check) == 1; /* a point on its curve, a sane modulus */
    }
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    if (!ok) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static BIGNUM *number(const json_t *jwk, const char *name) {
    uint8_t raw[RSA_BITS_MAX / 8];
    size_t n = 0;
    if (eg_unbase64url(eg_json_str(jwk, name), raw, sizeof raw, &n) != EG_OK || n == 0) {
        return NULL;
    }
    return BN_bin2bn(raw, (int)n, NULL);
}

static EVP_PKEY *rsa_key(const json_t *jwk) {
    EVP_PKEY *key = NULL;
    BIGNUM *n = number(jwk, "n");
    BIGNUM *e = number(jwk, "e");
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    /* A public exponent beyond 64 bits only slows verification down. */
    bool fits = n && e && bld && BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX && BN_is_odd(e) && !BN_is_one(e) &&
                BN_num_bits(e) <= 64;
    if (fits && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        key = from_params("RSA", bld);
    }
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(e);
    return key;
}

static bool exactly(const json_t *jwk, const char *name, uint8_t *ret, size_t n) {
    size_t got = 0;
    return eg_unbase64url(eg_json_str(jwk, name), ret, n, &got) == EG_OK && got == n;
}

static EVP_PKEY *ec_key(const json_t *jwk, eg_jws_alg *ret_alg) {
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (!eg_str_is(eg_json_str(jwk, "crv"), curves[i].crv)) {
            continue;
        }
        size_t half = curves[i].half;
        uint8_t point[1 + 2 * POINT_HALF_MAX] = {4}; /* SEC 1 section 2.3.3: uncompressed */
        OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
        EVP_PKEY *key = NULL;
        if (bld && exactly(jwk, "x", point + 1, half) && exactly(jwk, "y", point + 1 + half, half) &&
            OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group, 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half) == 1) {
            key = from_params("EC", bld);
        }
        OSSL_PARAM_BLD_free(bld);
        *ret_alg = curves[i].alg;
        return key;
    }
    return NULL;
}

static EVP_PKEY *okp_key(const json_t *jwk) {
    uint8_t raw[32];
    if (!eg_str_is(eg_json_str(jwk, "crv"), "Ed25519") || !exactly(jwk, "x", raw, sizeof raw)) {
        return NULL;
    }
    return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, raw, sizeof raw);
}

/* RFC 7517 sections 4.2 and 4.3. */
static bool may_verify(const json_t *jwk) {
    const json_t *use = json_object_get(jwk, "use");
    const json_t *ops = json_object_get(jwk, "key_ops");
    if (use && !eg_str_is(eg_json_str(jwk, "use"), "sig")) {
        return false;
    }
    if (!ops) {
        return true;
    }
    size_t i;
    const json_t *op;
    json_array_foreach(ops, i, op) {
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0) {
            return true;
        }
    }
    return false;
}

static bool is_rsa(eg_jws_alg a) {
    return a >= EG_JWS_RS256 && a <= EG_JWS_PS512;
}

/* The key's type gives the algorithm, `alg` may only narrow it; an RSA key that names none is for RS256, as Entra's are. */
static bool read_key(const json_t *jwk, eg_jwk *ret) {
    eg_jws_alg named = eg_jws_alg_named(eg_json_str(jwk, "alg"));
    if (json_object_get(jwk, "alg") && named == EG_JWS_ALG_NONE) {
        return false;
    }
    eg_str kty = eg_json_str(jwk, "kty");
    if (eg_str_is(kty, "RSA")) {
        ret->alg = named == EG_JWS_ALG_NONE ? EG_JWS_RS256 : named;
        ret->key = is_rsa(ret->alg) ? rsa_key(jwk) : NULL;
    } else if (eg_str_is(kty, "EC")) {
        ret->key = ec_key(jwk, &ret->alg);
    } else if (eg_str_is(kty, "OKP")) {
        ret->alg = EG_JWS_EDDSA;
        ret->key = okp_key(jwk);
    }
    if (ret->key && named != EG_JWS_ALG_NONE && named != ret->alg) {
        EVP_PKEY_free(ret->key);
        ret->key = NULL;
    }
    return ret->key != NULL;
}

static bool copy_text(eg_str from, char *to, size_t size) {
    if (from.len >= size) {
        return false;
    }
    if (from.len > 0) {
        memcpy(to, from.ptr, from.len);
    }
    to[from.len] = '\0';
    return true;
}

static bool read_jwk(const json_t *jwk, eg_jwk *ret) {
    eg_str kid = eg_json_str(jwk, "kid");
    return json_is_object(jwk) && kid.len > 0 && copy_text(kid, ret->kid, sizeof ret->kid) &&
           copy_text(eg_json_str(jwk, "issuer"), ret->issuer, sizeof ret->issuer) && may_verify(jwk) && read_key(jwk, ret);
}

eg_err eg_jwk_set_parse(eg_str json, eg_jwk_set **ret, eg_problem *p) {
    EG_JSON_AUTO doc = NULL;
    EG_TRY(eg_json_parse(json, EG_JWK_SET_MAX, &doc, p));
    const json_t *keys = json_object_get(doc, "keys");
    size_t listed = json_array_size(keys);
    if (listed > EG_JWK_SET_KEYS_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "The key set has more than %d keys.", EG_JWK_SET_KEYS_MAX);
    }
    EG_CLEANUP(eg_jwk_set_unref_p) eg_jwk_set *set = calloc(1, sizeof *set + listed * sizeof set->keys[0]);
    if (!set) {
        return EG_ERR_NO_MEMORY;
    }
    set->refs = 1;
    for (size_t i = 0; i < listed; i++) {
        eg_jwk *k = &set->keys[set->count];
        if (read_jwk(json_array_get(keys, i), k) && !eg_jwk_set_find(set, eg_str_of(k->kid))) {
            set->count++;
            continue;
        }
        EVP_PKEY_free(k->key);
        *k = (eg_jwk){0};
    }
    if (set->count == 0) {
        return eg_fail(p, EG_ERR_INVALID, "The key set has no key that can verify tokens.");
    }
    *ret = set;
    set = NULL;
    return EG_OK;
}

static void copy_key(const eg_jwk *from, eg_jwk_set *to) {
    EVP_PKEY_up_ref(from->key);
    to->keys[to->count++] = *from;
}

eg_jwk_set *eg_jwk_set_keep(const eg_jwk_set *fresh, const eg_jwk_set *old, int64_t now_ns, int64_t until_ns) {
    eg_jwk_set *set = calloc(1, sizeof *set + (fresh->count + old->count) * sizeof set->keys[0]);
    if (!set) {
        return NULL;
    }
    set->refs = 1;
    for (size_t i = 0; i < fresh->count; i++) {
        copy_key(&fresh->keys[i], set);
    }
    for (size_t i = 0; i < old->count && set->count < EG_JWK_SET_KEYS_MAX; i++) {
        const eg_jwk *k = &old->keys[i];
        const int64_t until = k->good_until_ns ? k->good_until_ns : until_ns;
        if (until > now_ns && !eg_jwk_set_find(fresh, eg_str_of(k->kid))) {
            copy_key(k, set);
            set->keys[set->count - 1].good_until_ns = until;
        }
    }
    return set;
}

eg_jwk_set *eg_jwk_set_ref(eg_jwk_set *s) {
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void eg_jwk_set_unref(eg_jwk_set *s) {
    if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        for (size_t i = 0; i < s->count; i++) {
            EVP_PKEY_free(s->keys[i].key);
        }
        free(s);
    }
}

const eg_jwk *eg_jwk_set_find(const eg_jwk_set *s, eg_str kid) {
    for (size_t i = 0; i < s->count; i++) {
        if (eg_str_is(kid, s->keys[i].kid)) {
            return &s->keys[i];
        }
    }
    return NULL;
}

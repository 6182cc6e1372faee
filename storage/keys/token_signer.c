/* Signs the gateway's own tokens with ES256 through libjwt, after checking what they claim. */
#include "token_signer.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>
#include <embergate/json.h>

#include <jwt.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define COORDINATE_LEN 32
#define B64_LEN 44 /* base64url of 32 bytes, and NUL */

struct eg_token_signer {
    eg_secret *pem;
    char x[B64_LEN];
    char y[B64_LEN];
    char kid[B64_LEN];
};

eg_err eg_token_signer_make_key(eg_secret **ret_pem) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long n = 0;
    if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        n = BIO_get_mem_data(bio, &text);
    }
    eg_secret *pem = n > 0 ? eg_secret_new(text, (size_t)n) : NULL;
    BIO_free(bio);
    EVP_PKEY_free(key);
    if (!pem) {
        return EG_ERR_CRYPTO;
    }
    *ret_pem = pem;
    return EG_OK;
}

static bool encode32(const uint8_t raw[32], char ret[B64_LEN]) {
    EG_CLEANUP(eg_buf_done) eg_buf b;
    eg_buf_init(&b, B64_LEN - 1);
    if (eg_base64url((eg_bytes){raw, 32}, &b) != EG_OK || b.len != B64_LEN - 1) {
        return false;
    }
    memcpy(ret, b.ptr, B64_LEN);
    return true;
}

static bool coordinate(const EVP_PKEY *key, const char *name, char ret[B64_LEN]) {
    BIGNUM *n = NULL;
    uint8_t raw[COORDINATE_LEN];
    bool ok = EVP_PKEY_get_bn_param(key, name, &n) == 1 && BN_bn2binpad(n, raw, sizeof raw) == COORDINATE_LEN && encode32(raw, ret);
    BN_free(n);
    return ok;
}

/* RFC 7638 section 3.2: the required members of an EC key, in lexical order, without blanks. */
static bool thumbprint(eg_token_signer *s) {
    EG_CLEANUP(eg_buf_done) eg_buf b;
    uint8_t digest[EG_SHA256_LEN];
    eg_buf_init(&b, 256);
    if (eg_buf_addf(&b, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", s->x, s->y) != EG_OK) {
        return false;
    }
    eg_sha256(eg_str_bytes(eg_buf_str(&b)), digest);
    return encode32(digest, s->kid);
}

static bool is_p256(const EVP_PKEY *key) {
    char group[32];
    size_t n = 0;
    return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, &n) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static EVP_PKEY *read_pem(const eg_secret *pem) {
    eg_bytes b = eg_secret_bytes(pem);
    BIO *bio = BIO_new_mem_buf(b.ptr, (int)b.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

eg_err eg_token_signer_new(const eg_secret *pem, eg_token_signer **ret) {
    EG_CLEANUP(eg_token_signer_free_p) eg_token_signer *s = calloc(1, sizeof *s);
    eg_bytes b = eg_secret_bytes(pem);
    if (!s || !(s->pem = eg_secret_new(b.ptr, b.len))) {
        return EG_ERR_NO_MEMORY;
    }
    EVP_PKEY *key = read_pem(pem);
    bool ok = key && is_p256(key) && coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, s->x) &&
              coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, s->y) && thumbprint(s);
    EVP_PKEY_free(key);
    if (!ok) {
        return EG_ERR_CORRUPT;
    }
    *ret = s;
    s = NULL;
    return EG_OK;
}

void eg_token_signer_free(eg_token_signer *s) {
    if (s) {
        eg_secret_free(s->pem);
        free(s);
    }
}

/* "https://host[:port][/…]/{tid}/v2.0" */
static bool issuer_fits(eg_str iss, eg_str tid) {
    EG_CLEANUP(eg_buf_done) eg_buf tail;
    eg_buf_init(&tail, 64);
    if (eg_buf_addf(&tail, "/%.*s/v2.0", EG_FMT(tid)) != EG_OK) {
        return false;
    }
    return eg_str_starts(iss, "https://") && iss.len > sizeof "https://" - 1 + tail.len && iss.len < 512 && eg_str_ends(iss, tail.ptr);
}

eg_err eg_token_signer_check(eg_str claims_json, char ret_tenant[EG_UUID_LEN]) {
    EG_JSON_AUTO claims = NULL;
    int64_t iat = 0;
    int64_t exp = 0;
    if (eg_json_parse(claims_json, EG_TOKEN_CLAIMS_MAX, &claims, NULL) != EG_OK || !json_is_object(claims)) {
        return EG_ERR_INVALID;
    }
    eg_str tid = eg_json_str(claims, "tid");
    if (!eg_uuid_valid(tid) || !issuer_fits(eg_json_str(claims, "iss"), tid) || eg_json_str(claims, "aud").len == 0 ||
        eg_json_str(claims, "sub").len == 0) {
        return EG_ERR_INVALID;
    }
    if (eg_json_get_int(claims, "iat", 0, 1, INT64_MAX / 2, &iat, NULL) != EG_OK ||
        eg_json_get_int(claims, "exp", 0, 1, INT64_MAX / 2, &exp, NULL) != EG_OK || iat == 0 || exp <= iat || exp - iat > EG_TOKEN_LIFE_MAX_S) {
        return EG_ERR_INVALID;
    }
    /* By the keeper's own clock, so that nobody stores up tokens for the time after he was found out. */
    if (exp > eg_wall_s(&eg_clock_system) + EG_TOKEN_LIFE_MAX_S + 300) {
        return EG_ERR_INVALID;
    }
    memcpy(ret_tenant, tid.ptr, tid.len);
    ret_tenant[tid.len] = '\0';
    return EG_OK;
}

eg_err eg_token_signer_sign(const eg_token_signer *s, eg_str claims_json, eg_buf *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf claims;
    eg_buf_init(&claims, EG_TOKEN_CLAIMS_MAX);
    EG_TRY(eg_buf_add(&claims, claims_json.ptr, claims_json.len)); /* libjwt wants it NUL-terminated */
    jwt_t *jwt = NULL;
    char *text = NULL;
    eg_bytes pem = eg_secret_bytes(s->pem);
    if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims.ptr) == 0 && jwt_add_header(jwt, "kid", s->kid) == 0 &&
        jwt_add_header(jwt, "typ", "JWT") == 0 && jwt_set_alg(jwt, JWT_ALG_ES256, pem.ptr, (int)pem.len) == 0) {
        text = jwt_encode_str(jwt);
    }
    eg_err e = text ? eg_buf_adds(ret, text) : EG_ERR_CRYPTO;
    if (text) {
        eg_cleanse(text, strlen(text));
        free(text);
    }
    jwt_free(jwt); /* cleanses its copy of the key */
    return e;
}

eg_err eg_token_signer_jwk(const eg_token_signer *s, eg_buf *ret) {
    return eg_buf_addf(ret, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\",\"use\":\"sig\",\"alg\":\"ES256\"}", s->x, s->y, s->kid);
}

const char *eg_token_signer_kid(const eg_token_signer *s) {
    return s->kid;
}

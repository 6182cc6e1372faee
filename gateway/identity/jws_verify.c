/* Checks a JWS signature with OpenSSL's EVP (RFC 7518 section 3, RFC 8037), by the algorithm of the key. */
#include "jws.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const struct {
    const char *digest;
    size_t half;
    bool pss;
} methods[] = {
#define X(id, name, digest, type, half) [EG_JWS_##id] = {digest, half, EG_JWS_##id >= EG_JWS_PS256 && EG_JWS_##id <= EG_JWS_PS512},
    EG_JWS_ALG_LIST(X)
#undef X
};

#define DER_MAX 160 /* of an ECDSA signature over P-521 */

/* RFC 7518 section 3.4: r and s at full width; OpenSSL wants DER. Anything of another length, DER included, is refused. */
static bool to_der(const eg_jws *j, size_t half, uint8_t der[DER_MAX], size_t *ret_n) {
    if (j->signature_len != 2 * half) {
        return false;
    }
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(j->signature, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(j->signature + half, (int)half, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return false;
    }
    int n = i2d_ECDSA_SIG(sig, NULL);
    uint8_t *at = der;
    bool ok = n > 0 && n <= DER_MAX && i2d_ECDSA_SIG(sig, &at) == n;
    ECDSA_SIG_free(sig);
    if (ok) {
        *ret_n = (size_t)n;
    }
    return ok;
}

static bool start(EVP_MD_CTX *ctx, const eg_jwk *key) {
    EVP_PKEY_CTX *options = NULL; /* ctx's */
    if (EVP_DigestVerifyInit_ex(ctx, &options, methods[key->alg].digest, NULL, NULL, key->key, NULL) != 1) {
        return false;
    }
    /* RFC 7518 section 3.5: the salt is as long as the digest, MGF1 uses the same digest. */
    return !methods[key->alg].pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                                      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
}

eg_err eg_jws_verify(const eg_jws *j, const eg_jwk *key, eg_problem *p) {
    if (j->alg != key->alg || key->alg == EG_JWS_ALG_NONE) {
        return eg_fail(p, EG_ERR_TOKEN_ALGORITHM, "The token's algorithm is not the one of its issuer's key.");
    }
    uint8_t der[DER_MAX];
    const uint8_t *signature = j->signature;
    size_t n = j->signature_len;
    if (methods[key->alg].half > 0) {
        if (!to_der(j, methods[key->alg].half, der, &n)) {
            return eg_fail(p, EG_ERR_TOKEN_SIGNATURE, "The token's signature is invalid.");
        }
        signature = der;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && start(ctx, key) &&
                EVP_DigestVerify(ctx, signature, n, (const uint8_t *)j->signed_part.ptr, j->signed_part.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good ? EG_OK : eg_fail(p, EG_ERR_TOKEN_SIGNATURE, "The token's signature is invalid.");
}

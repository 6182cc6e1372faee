/* Ed25519 signatures (RFC 8032), from OpenSSL. */
#include <embergate/crypto.h>

#include <openssl/evp.h>

eg_err eg_ed25519_verify(const uint8_t pub[32], eg_bytes msg, const uint8_t sig[64]) {
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ready = key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1;
    bool valid = ready && EVP_DigestVerify(ctx, sig, 64, msg.ptr, msg.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return valid ? EG_OK : ready ? EG_ERR_CORRUPT : EG_ERR_CRYPTO;
}

eg_err eg_ed25519_sign(const uint8_t seed[32], eg_bytes msg, uint8_t ret_sig[64]) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 64;
    bool ok = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, ret_sig, &n, msg.ptr, msg.len) == 1 && n == 64;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok ? EG_OK : EG_ERR_CRYPTO;
}

eg_err eg_ed25519_public(const uint8_t seed[32], uint8_t ret_pub[32]) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    size_t n = 32;
    bool ok = key && EVP_PKEY_get_raw_public_key(key, ret_pub, &n) == 1 && n == 32;
    EVP_PKEY_free(key);
    return ok ? EG_OK : EG_ERR_CRYPTO;
}

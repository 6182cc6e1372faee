/* Signs the gateway's own tokens; the only user of libjwt. */
#ifndef EG_STORAGE_KEYS_TOKEN_SIGNER_H
#define EG_STORAGE_KEYS_TOKEN_SIGNER_H

#include <embergate/crypto.h>

#define EG_TOKEN_CLAIMS_MAX ((size_t)12288)
#define EG_TOKEN_LIFE_MAX_S 86400

typedef struct eg_token_signer eg_token_signer;

/* A new P-256 key as PKCS#8 PEM. */
eg_err eg_token_signer_make_key(eg_secret **ret_pem) EG_MUST_CHECK;
/* pem is copied. EG_ERR_CORRUPT when it holds no P-256 key. */
eg_err eg_token_signer_new(const eg_secret *pem, eg_token_signer **ret) EG_MUST_CHECK;
void eg_token_signer_free(eg_token_signer *s);
EG_DEFINE_CLEANUP(eg_token_signer, eg_token_signer_free)

/* What may be signed: an object whose iss is "https://…/{tid}/v2.0" and whose life is at most a day from now on.
 * EG_ERR_INVALID; ret_tenant (NUL-terminated) is its tid. */
eg_err eg_token_signer_check(eg_str claims_json, char ret_tenant[EG_UUID_LEN]) EG_MUST_CHECK;
/* claims_json was checked. Thread-safe. */
eg_err eg_token_signer_sign(const eg_token_signer *s, eg_str claims_json, eg_buf *ret) EG_MUST_CHECK;
/* RFC 7517 form of the public key; its kid is the RFC 7638 thumbprint. */
eg_err eg_token_signer_jwk(const eg_token_signer *s, eg_buf *ret) EG_MUST_CHECK;
const char *eg_token_signer_kid(const eg_token_signer *s);

#endif

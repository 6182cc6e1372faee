/* The seam of token verification: a compact JWS in strict form, the keys that may have signed it, and the check itself. */
#ifndef EG_GATEWAY_IDENTITY_JWS_H
#define EG_GATEWAY_IDENTITY_JWS_H

#include <embergate/json.h>

#define EG_JWS_MAX ((size_t)16384)
#define EG_JWS_SIGNATURE_MAX 1024 /* RSA of 8,192 bits */
#define EG_JWK_KID_MAX 256
#define EG_JWK_SET_MAX ((size_t)1 << 20)
#define EG_JWK_SET_KEYS_MAX 128

/* X(identifier, name in a header, digest, key type, bytes of r and of s). "none" and the HS family are not here, so they don't exist. */
#define EG_JWS_ALG_LIST(X)            \
    X(RS256, "RS256", "SHA256", "RSA", 0)   \
    X(RS384, "RS384", "SHA384", "RSA", 0)   \
    X(RS512, "RS512", "SHA512", "RSA", 0)   \
    X(PS256, "PS256", "SHA256", "RSA", 0)   \
    X(PS384, "PS384", "SHA384", "RSA", 0)   \
    X(PS512, "PS512", "SHA512", "RSA", 0)   \
    X(ES256, "ES256", "SHA256", "EC", 32)   \
    X(ES384, "ES384", "SHA384", "EC", 48)   \
    X(ES512, "ES512", "SHA512", "EC", 66)   \
    X(EDDSA, "EdDSA", NULL, "ED25519", 0)

typedef enum eg_jws_alg {
    EG_JWS_ALG_NONE = 0,
#define X(id, name, digest, type, half) EG_JWS_##id,
    EG_JWS_ALG_LIST(X)
#undef X
} eg_jws_alg;

/* "Ed25519" (RFC 9864) is EdDSA. EG_JWS_ALG_NONE when unknown. */
eg_jws_alg eg_jws_alg_named(eg_str name);

/* A token taken apart; nothing in it is to be believed before eg_jws_verify. */
typedef struct eg_jws {
    json_t *header;
    json_t *claims;
    eg_str kid;          /* in header; "" when absent */
    eg_jws_alg alg;
    eg_str signed_part;  /* borrowed from the token */
    size_t signature_len;
    uint8_t signature[EG_JWS_SIGNATURE_MAX];
} eg_jws;

/* EG_ERR_TOKEN_MALFORMED, _ALGORITHM or _TYPE. jws_parse.c */
eg_err eg_jws_parse(eg_str token, eg_jws *ret, eg_problem *p) EG_MUST_CHECK;
/* The same for a client's assertion: its header may bring the certificate along (x5c), as MSAL's does. It is not looked at. */
eg_err eg_jws_parse_assertion(eg_str token, eg_jws *ret, eg_problem *p) EG_MUST_CHECK;
void eg_jws_done(eg_jws *j); /* {0} is harmless */

/* A public key with the one algorithm that it may be used with. jwk.c */
typedef struct eg_jwk {
    char kid[EG_JWK_KID_MAX];
    char issuer[256];    /* Entra's common keys name their issuer; "" = none */
    eg_jws_alg alg;
    int64_t good_until_ns; /* monotonic: of a key that its issuer has withdrawn; 0 = it has not */
    void *key;           /* EVP_PKEY */
} eg_jwk;

typedef struct eg_jwk_set {
    int refs;            /* atomic */
    size_t count;
    eg_jwk keys[];
} eg_jwk_set;

/* RFC 7517. Keys that can't verify tokens for us (of another use, type or curve, too short, without kid) are left out.
 * EG_ERR_INVALID when none is left. */
eg_err eg_jwk_set_parse(eg_str json, eg_jwk_set **ret, eg_problem *p) EG_MUST_CHECK;
/* `fresh`, and those of `old` that it leaves out and that were not withdrawn before `now_ns`: each until its time, or until_ns when it goes only now. NULL without memory. */
eg_jwk_set *eg_jwk_set_keep(const eg_jwk_set *fresh, const eg_jwk_set *old, int64_t now_ns, int64_t until_ns);
eg_jwk_set *eg_jwk_set_ref(eg_jwk_set *s);
void eg_jwk_set_unref(eg_jwk_set *s);
EG_DEFINE_CLEANUP(eg_jwk_set, eg_jwk_set_unref)
/* NULL when there is none; borrowed from the set. */
const eg_jwk *eg_jwk_set_find(const eg_jwk_set *s, eg_str kid);

/* EG_ERR_TOKEN_ALGORITHM when the header names another algorithm than the key's, EG_ERR_TOKEN_SIGNATURE. jws_verify.c */
eg_err eg_jws_verify(const eg_jws *j, const eg_jwk *key, eg_problem *p) EG_MUST_CHECK;

#endif

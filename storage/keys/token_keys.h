/* The token-signing keys of a keeper: which signs at a moment, which verify, and how one takes over from the other. */
#ifndef EG_STORAGE_KEYS_TOKEN_KEYS_H
#define EG_STORAGE_KEYS_TOKEN_KEYS_H

#include "token_signer.h"

#define EG_TOKEN_KEYS_MAX 4u
/* A key verifies for so long after it signed the last token: their longest life, and clocks. */
#define EG_TOKEN_KEY_AFTER_S (EG_TOKEN_LIFE_MAX_S + 600)
#define EG_TOKEN_KEY_DELAY_MAX_S ((uint32_t)7 * 24 * 3600)

/* Immutable. In the order in which they sign: each from its moment until the next one's. */
typedef struct eg_token_keys eg_token_keys;

/* From what the file holds: a list, or one key's PEM alone (the first format). EG_ERR_CORRUPT, EG_ERR_FORMAT_VERSION. */
eg_err eg_token_keys_read(const eg_secret *plain, eg_token_keys **ret) EG_MUST_CHECK;
void eg_token_keys_free(eg_token_keys *k);
EG_DEFINE_CLEANUP(eg_token_keys, eg_token_keys_free)
/* What a file is to hold; a secret. */
eg_err eg_token_keys_write(const eg_token_keys *k, eg_buf *ret) EG_MUST_CHECK;

/* The one that signs now: borrowed. */
const eg_token_signer *eg_token_keys_signing(const eg_token_keys *k, int64_t now_s);
/* RFC 7517 set of all that sign, will sign, or have signed what may still be good. */
eg_err eg_token_keys_jwks(const eg_token_keys *k, int64_t now_s, eg_buf *ret) EG_MUST_CHECK;
/* {"keys":[{"kid","from","until"}]}, for people: from when on each signs, and until when it verifies. */
eg_err eg_token_keys_json(const eg_token_keys *k, int64_t now_s, eg_buf *ret) EG_MUST_CHECK;

/* The same with a new key that signs from delay_s on; those that are over are left out. end_old: nothing but the new key, from now on: all that was signed ends.
 * EG_ERR_EXISTS: one waits for its moment already. EG_ERR_LIMIT: as many as there may be can still have good tokens. */
eg_err eg_token_keys_rotate(const eg_token_keys *k, int64_t now_s, uint32_t delay_s, bool end_old, eg_token_keys **ret) EG_MUST_CHECK;

#endif

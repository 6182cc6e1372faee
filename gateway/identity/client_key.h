/* Public keys of local principals, with which they may prove themselves instead of by a secret. */
#ifndef EG_GATEWAY_IDENTITY_CLIENT_KEY_H
#define EG_GATEWAY_IDENTITY_CLIENT_KEY_H

#include "jws.h"

#include <embergate/identity.h>

#define EG_CLIENT_KEYS_MAX 8

/* Calls fn with each key of a client until it says EG_OK; EG_ERR_NOT_FOUND when none does, or there is none. A record that can't be read is none. */
eg_err eg_client_key_try(eg_kv *kv, eg_str client_id, eg_err (*fn)(void *ctx, const eg_jwk *key), void *ctx) EG_MUST_CHECK;
/* The algorithm may be one that fits the key's type; the key itself names none. */
bool eg_client_key_fits(const eg_jwk *key, eg_jws_alg alg);

#endif

/* Public keys of local principals, with which they may prove themselves instead of by a secret. */
#ifndef EG_GATEWAY_IDENTITY_CLIENT_KEY_H
#define EG_GATEWAY_IDENTITY_CLIENT_KEY_H

#include "jws.h"

#include <embergate/identity.h>

#define EG_CLIENT_KEYS_MAX 8
#define EG_CLIENT_KEY_SPKI_MAX 2048

/* A SubjectPublicKeyInfo, and its SHA-256, by which it is known. */
typedef struct eg_client_key {
    uint8_t spki[EG_CLIENT_KEY_SPKI_MAX];
    size_t n;
    uint8_t digest[EG_SHA256_LEN];
} eg_client_key;

/* From PEM: a public key, or a certificate's. EG_ERR_INVALID: another form, or a key that is too weak or of another kind. */
eg_err eg_client_key_read(eg_str pem, eg_client_key *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_client_key_digest(const eg_jwk *key, uint8_t ret[EG_SHA256_LEN]) EG_MUST_CHECK;
/* In a transaction; client_id is a GUID. EG_ERR_LIMIT; EG_ERR_NOT_FOUND. */
eg_err eg_client_key_put(eg_kv_txn *t, eg_str client_id, const eg_client_key *k, eg_problem *p) EG_MUST_CHECK;
eg_err eg_client_key_delete(eg_kv_txn *t, eg_str client_id, const uint8_t digest[EG_SHA256_LEN]) EG_MUST_CHECK;
eg_err eg_client_key_delete_all(eg_kv_txn *t, eg_str client_id) EG_MUST_CHECK;
eg_err eg_client_key_there(eg_kv_txn *t, eg_str client_id, const uint8_t digest[EG_SHA256_LEN]) EG_MUST_CHECK;
/* Whose key it is. EG_ERR_NOT_FOUND; EG_ERR_EXISTS when several clients have it. */
eg_err eg_client_key_owner(eg_kv *kv, const uint8_t digest[EG_SHA256_LEN], char ret[EG_UUID_LEN]) EG_MUST_CHECK;
/* Appends their digests, in hex, to a JSON list. */
eg_err eg_client_key_list(eg_kv *kv, eg_str client_id, json_t *to) EG_MUST_CHECK;

/* Calls fn with each key of a client until it says EG_OK; EG_ERR_NOT_FOUND when none does, or there is none. A record that can't be read is none. */
eg_err eg_client_key_try(eg_kv *kv, eg_str client_id, eg_err (*fn)(void *ctx, const eg_jwk *key), void *ctx) EG_MUST_CHECK;
/* The algorithm may be one that fits the key's type; the key itself names none. */
bool eg_client_key_fits(const eg_jwk *key, eg_jws_alg alg);

#endif

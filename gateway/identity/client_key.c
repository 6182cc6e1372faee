/* Keeps the public keys of local principals: one row each, beside the principal's. */
#include "client_key.h"

#include <embergate/encoding.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#define RECORD_VERSION 1
#define RECORD_MAX ((size_t)4096)
#define PEM_MAX ((size_t)65536)
#define KEY_MAX 160

/* key/{client id}/{SHA-256 of the key, hex}: in the database of principals. */
static eg_bytes row_prefix(eg_str client_id, char row[KEY_MAX]) {
    int n = snprintf(row, KEY_MAX, "key/%.*s/", EG_FMT(client_id));
    return (eg_bytes){(const uint8_t *)row, n > 0 && n < KEY_MAX ? (size_t)n : 0};
}

static bool of_client(eg_bytes key, eg_bytes prefix) {
    return key.len > prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
}

bool eg_client_key_fits(const eg_jwk *key, eg_jws_alg alg) {
    char group[32] = "";
    if (EVP_PKEY_is_a(key->key, "RSA")) {
        return alg >= EG_JWS_RS256 && alg <= EG_JWS_PS512;
    }
    if (EVP_PKEY_is_a(key->key, "ED25519")) {
        return alg == EG_JWS_EDDSA;
    }
    if (!EVP_PKEY_is_a(key->key, "EC") || EVP_PKEY_get_group_name(key->key, group, sizeof group, NULL) != 1) {
        return false;
    }
    return (strcmp(group, "prime256v1") == 0 && alg == EG_JWS_ES256) || (strcmp(group, "secp384r1") == 0 && alg == EG_JWS_ES384) ||
           (strcmp(group, "secp521r1") == 0 && alg == EG_JWS_ES512);
}

static EVP_PKEY *read_pem(eg_str pem) {
    BIO *b = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = b ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL;
    if (!key && b && BIO_reset(b) == 1) {
        X509 *certificate = PEM_read_bio_X509(b, NULL, NULL, NULL);
        key = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    BIO_free(b);
    return key;
}

static bool strong(EVP_PKEY *key) {
    static const eg_jws_alg one_each[] = {EG_JWS_RS256, EG_JWS_ES256, EG_JWS_ES384, EG_JWS_ES512, EG_JWS_EDDSA};
    const eg_jwk k = {.key = key};
    if (EVP_PKEY_is_a(key, "RSA") && (EVP_PKEY_get_bits(key) < 2048 || EVP_PKEY_get_bits(key) > 8192)) {
        return false;
    }
    for (size_t i = 0; i < sizeof one_each / sizeof one_each[0]; i++) {
        if (eg_client_key_fits(&k, one_each[i])) {
            return true;
        }
    }
    return false;
}

/* How many a client has, without `row` itself. */
static size_t count_others(eg_kv_txn *t, eg_bytes prefix, eg_bytes row) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    size_t n = 0;
    eg_bytes key, value;
    if (eg_kv_cursor_open(t, EG_DB_PRINCIPAL, prefix, &c) != EG_OK) {
        return EG_CLIENT_KEYS_MAX;
    }
    while (eg_kv_cursor_next(c, &key, &value) == EG_OK && of_client(key, prefix)) {
        n += !(key.len == row.len && memcmp(key.ptr, row.ptr, row.len) == 0);
    }
    return n;
}

eg_err eg_client_key_digest(const eg_jwk *key, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(key->key, &der);
    if (n <= 0) {
        return EG_ERR_CRYPTO;
    }
    eg_sha256((eg_bytes){der, (size_t)n}, ret);
    OPENSSL_free(der);
    return EG_OK;
}

static eg_bytes row_name(eg_str client_id, const uint8_t digest[EG_SHA256_LEN], char row[KEY_MAX]) {
    const eg_bytes prefix = row_prefix(client_id, row);
    eg_hex((eg_bytes){digest, EG_SHA256_LEN}, row + prefix.len);
    return (eg_bytes){prefix.ptr, prefix.len + (size_t)2 * EG_SHA256_LEN};
}

eg_err eg_client_key_read(eg_str pem, eg_client_key *ret, eg_problem *p) {
    if (pem.len == 0 || pem.len > PEM_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "A client's public key is a PEM file of at most %zu bytes.", PEM_MAX);
    }
    EVP_PKEY *key = read_pem(pem);
    uint8_t *at = ret->spki;
    int n = key && strong(key) ? i2d_PUBKEY(key, NULL) : 0;
    bool ok = n > 0 && (size_t)n <= sizeof ret->spki && i2d_PUBKEY(key, &at) == n;
    EVP_PKEY_free(key);
    if (!ok) {
        return eg_fail(p, EG_ERR_INVALID, "The file holds no public key or certificate with RSA of 2,048 to 8,192 bits, P-256, P-384, P-521 or Ed25519.");
    }
    ret->n = (size_t)n;
    eg_sha256((eg_bytes){ret->spki, ret->n}, ret->digest);
    return EG_OK;
}

eg_err eg_client_key_put(eg_kv_txn *t, eg_str client_id, const eg_client_key *k, eg_problem *p) {
    char row[KEY_MAX], prefix[KEY_MAX];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(eg_buf_done) eg_buf value;
    eg_buf_init(&text, RECORD_MAX);
    eg_buf_init(&value, RECORD_MAX);
    const eg_bytes name = row_name(client_id, k->digest, row);
    if (count_others(t, row_prefix(client_id, prefix), name) >= EG_CLIENT_KEYS_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "A client has at most %d public keys.", EG_CLIENT_KEYS_MAX);
    }
    EG_TRY(eg_base64url((eg_bytes){k->spki, k->n}, &text));
    EG_JSON_AUTO v = json_pack("{s:i,s:s}", "v", RECORD_VERSION, "spki", text.ptr);
    EG_TRY(v ? eg_json_write(v, &value) : EG_ERR_NO_MEMORY);
    return eg_kv_put(t, EG_DB_PRINCIPAL, name, eg_buf_bytes(&value));
}

eg_err eg_client_key_delete(eg_kv_txn *t, eg_str client_id, const uint8_t digest[EG_SHA256_LEN]) {
    char row[KEY_MAX];
    EG_TRY(eg_client_key_there(t, client_id, digest));
    return eg_kv_del(t, EG_DB_PRINCIPAL, row_name(client_id, digest, row));
}

eg_err eg_client_key_delete_all(eg_kv_txn *t, eg_str client_id) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    char row[KEY_MAX];
    eg_bytes key, value;
    const eg_bytes prefix = row_prefix(client_id, row);
    eg_err e;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, prefix, &c));
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK && of_client(key, prefix)) {
        EG_TRY(eg_kv_cursor_del(c));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

eg_err eg_client_key_there(eg_kv_txn *t, eg_str client_id, const uint8_t digest[EG_SHA256_LEN]) {
    char row[KEY_MAX];
    eg_bytes value;
    return eg_uuid_valid(client_id) ? eg_kv_get(t, EG_DB_PRINCIPAL, row_name(client_id, digest, row), &value) : EG_ERR_NOT_FOUND;
}

/* The row's name is enough: nothing is parsed. */
eg_err eg_client_key_owner(eg_kv *kv, const uint8_t digest[EG_SHA256_LEN], char ret[EG_UUID_LEN]) {
    static const char all[] = "key/";
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    char wanted[2 * EG_SHA256_LEN + 1];
    eg_bytes key, value;
    bool found = false;
    eg_err e;
    const size_t at = sizeof all - 1 + EG_UUID_LEN; /* the client's id, and a slash */
    eg_hex((eg_bytes){digest, EG_SHA256_LEN}, wanted);
    EG_TRY(eg_kv_read_begin(kv, &t));
    EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, eg_str_bytes(((eg_str){all, sizeof all - 1})), &c));
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK && of_client(key, eg_str_bytes(((eg_str){all, sizeof all - 1})))) {
        if (key.len != at + sizeof wanted - 1 || memcmp(key.ptr + at, wanted, sizeof wanted - 1) != 0) {
            continue;
        }
        if (found) {
            return EG_ERR_EXISTS; /* two who have one key can't be told apart by it */
        }
        found = true;
        memcpy(ret, key.ptr + sizeof all - 1, EG_UUID_LEN - 1);
        ret[EG_UUID_LEN - 1] = '\0';
    }
    return e != EG_OK && e != EG_ERR_NOT_FOUND ? e : found ? EG_OK : EG_ERR_NOT_FOUND;
}

eg_err eg_client_key_list(eg_kv *kv, eg_str client_id, json_t *to) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    char row[KEY_MAX];
    eg_bytes key, value;
    eg_err e;
    const eg_bytes prefix = row_prefix(client_id, row);
    EG_TRY(eg_kv_read_begin(kv, &t));
    EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, prefix, &c));
    while ((e = eg_kv_cursor_next(c, &key, &value)) == EG_OK && of_client(key, prefix)) {
        if (json_array_append_new(to, json_stringn((const char *)key.ptr + prefix.len, key.len - prefix.len)) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

typedef struct new_key {
    eg_str client_id;
    eg_client_key key;
} new_key;

static eg_err put_key(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const new_key *k = ctx;
    return eg_client_key_put(t, k->client_id, &k->key, p);
}

eg_err eg_identity_add_key(eg_committer *c, eg_str client_id, eg_str pem, eg_problem *p) {
    new_key k = {.client_id = client_id};
    if (!eg_uuid_valid(client_id)) {
        return eg_fail(p, EG_ERR_INVALID, "A client's id is a GUID.");
    }
    EG_TRY(eg_client_key_read(pem, &k.key, p));
    eg_txn_op op = {put_key, &k};
    return eg_commit(c, &op, 1, p);
}

static EVP_PKEY *read_record(eg_bytes value) {
    EG_JSON_AUTO v = NULL;
    uint8_t spki[EG_CLIENT_KEY_SPKI_MAX];
    const uint8_t *at = spki;
    size_t n = 0;
    if (eg_json_parse(eg_bytes_str(value), RECORD_MAX, &v, NULL) != EG_OK || json_integer_value(json_object_get(v, "v")) != RECORD_VERSION ||
        eg_unbase64url(eg_json_str(v, "spki"), spki, sizeof spki, &n) != EG_OK) {
        return NULL;
    }
    return d2i_PUBKEY(NULL, &at, (long)n);
}

eg_err eg_client_key_try(eg_kv *kv, eg_str client_id, eg_err (*fn)(void *ctx, const eg_jwk *key), void *ctx) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    char row[KEY_MAX];
    eg_bytes key, value;
    if (!eg_uuid_valid(client_id)) {
        return EG_ERR_NOT_FOUND;
    }
    const eg_bytes prefix = row_prefix(client_id, row);
    EG_TRY(eg_kv_read_begin(kv, &t));
    EG_TRY(eg_kv_cursor_open(t, EG_DB_PRINCIPAL, prefix, &c));
    while (eg_kv_cursor_next(c, &key, &value) == EG_OK && of_client(key, prefix)) {
        eg_jwk k = {.key = read_record(value)};
        const bool said = k.key && fn(ctx, &k) == EG_OK;
        EVP_PKEY_free(k.key);
        if (said) {
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}

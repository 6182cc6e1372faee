/* The cryptographic primitives that rooms use, all OpenSSL's: random bytes, digests, HKDF, scrypt, AES-256-GCM, Ed25519. */
#ifndef EMBERGATE_CRYPTO_H
#define EMBERGATE_CRYPTO_H

#include <embergate/secret.h>

#define EG_SHA256_LEN 32
#define EG_KEY_LEN 32       /* AES-256 */
#define EG_GCM_NONCE_LEN 12
#define EG_GCM_TAG_LEN 16

/* The system's generator; aborts the process if it fails, so callers need no branch. */
void eg_random(void *p, size_t n);
/* The same for what is no secret (ids, nonces, salts): taken from bytes that were made ahead, in the thread's ordinary memory. */
void eg_random_public(void *p, size_t n);
/* RFC 9562 version 4, lower case, with NUL. */
#define EG_UUID_LEN 37
void eg_uuid_new(char ret[EG_UUID_LEN]);
bool eg_uuid_valid(eg_str s);

void eg_sha256(eg_bytes in, uint8_t ret[EG_SHA256_LEN]);
/* Digest of several pieces, in order. */
void eg_sha256_v(const eg_bytes *in, size_t n, uint8_t ret[EG_SHA256_LEN]);
/* The same in pieces. NULL without memory. */
typedef struct eg_sha256_stream eg_sha256_stream;
eg_sha256_stream *eg_sha256_stream_new(void);
void eg_sha256_stream_add(eg_sha256_stream *s, eg_bytes b);
void eg_sha256_stream_end(eg_sha256_stream *s, uint8_t ret[EG_SHA256_LEN]); /* once */
void eg_sha256_stream_free(eg_sha256_stream *s);
/* SipHash-2-4 of several pieces under a random key of the caller's: for tables that are looked up by what a peer chose. Without the key nobody finds
 * two inputs with one hash; it is no digest for others to check. */
#define EG_KEYED_HASH_LEN 16
void eg_keyed_hash(const uint8_t key[EG_KEYED_HASH_LEN], const eg_bytes *in, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]);
void eg_md5(eg_bytes in, uint8_t ret[16]);  /* only for Content-MD5, never for security */
void eg_hmac_sha256(eg_bytes key, eg_bytes in, uint8_t ret[EG_SHA256_LEN]);
/* RFC 5869 extract and expand. n at most 255 * 32. */
eg_err eg_hkdf_sha256(eg_bytes key, eg_bytes salt, eg_bytes info, uint8_t *ret, size_t n) EG_MUST_CHECK;
/* RFC 7914 with N=2^15, r=8, p=1 (32 MiB, about 80 ms). */
eg_err eg_scrypt(eg_bytes password, eg_bytes salt, uint8_t *ret, size_t n) EG_MUST_CHECK;

/* One key for many messages; not thread-safe. The caller owns nonce uniqueness. */
typedef struct eg_aead eg_aead;
eg_aead *eg_aead_new(const uint8_t key[EG_KEY_LEN]);
void eg_aead_free(eg_aead *a);
/* ret has room for in.len + EG_GCM_TAG_LEN; the tag follows the ciphertext. ret may equal in.ptr. */
eg_err eg_aead_seal(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad, eg_bytes in, uint8_t *ret) EG_MUST_CHECK;
/* The same in pieces: begin, add as often as bytes come, end gives the tag. What was begun and not ended is dropped by the next begin. */
eg_err eg_aead_seal_begin(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad) EG_MUST_CHECK;
eg_err eg_aead_seal_add(eg_aead *a, eg_bytes in, uint8_t *ret) EG_MUST_CHECK;
eg_err eg_aead_seal_end(eg_aead *a, uint8_t ret_tag[EG_GCM_TAG_LEN]) EG_MUST_CHECK;
/* ret has room for in.len - EG_GCM_TAG_LEN. EG_ERR_CORRUPT when the tag doesn't fit; ret is then cleansed. */
eg_err eg_aead_open(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad, eg_bytes in, uint8_t *ret) EG_MUST_CHECK;
EG_DEFINE_CLEANUP(eg_aead, eg_aead_free)
EG_DEFINE_CLEANUP(eg_sha256_stream, eg_sha256_stream_free)

/* A small value sealed whole: random nonce ‖ ciphertext ‖ tag. For wrapped keys and sealed fields. */
#define EG_SEALED_OVERHEAD (EG_GCM_NONCE_LEN + EG_GCM_TAG_LEN)
eg_err eg_seal(eg_bytes key32, eg_bytes ad, eg_bytes in, eg_buf *ret) EG_MUST_CHECK;
eg_err eg_open_sealed(eg_bytes key32, eg_bytes ad, eg_bytes in, eg_buf *ret) EG_MUST_CHECK;

bool eg_ct_eq(const void *a, const void *b, size_t n);

/* RFC 8032. */
eg_err eg_ed25519_verify(const uint8_t pub[32], eg_bytes msg, const uint8_t sig[64]) EG_MUST_CHECK;
eg_err eg_ed25519_sign(const uint8_t seed[32], eg_bytes msg, uint8_t ret_sig[64]) EG_MUST_CHECK;
eg_err eg_ed25519_public(const uint8_t seed[32], uint8_t ret_pub[32]) EG_MUST_CHECK;

#endif

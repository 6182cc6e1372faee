/* What the keeper process does for the others: wrap, unwrap and sign with keys that never leave it. A seam (file today; PKCS#11, Key Vault). */
#ifndef EMBERGATE_KEYS_H
#define EMBERGATE_KEYS_H

#include <embergate/crypto.h>
#include <embergate/ipc.h>

#define EG_WRAPPED_KEY_MAX 160

/* All block (pool threads only), are thread-safe, and fail with EG_ERR_KEEPER when the keeper is away, EG_ERR_KEY_DESTROYED when
 * the tenant's key was destroyed, EG_ERR_CORRUPT when a wrapped key was tampered with or is bound to something else. */
typedef struct eg_keys {
    void *ctx;
    /* A new random 256-bit data key, and the same wrapped under the tenant's key. `purpose` (e.g. "file:{inode hex}") is authenticated. */
    eg_err (*new_data_key)(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n);
    eg_err (*unwrap)(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key);
    /* Claims as a JSON object → a signed JWT (libjwt, ES256; header kid and typ). NUL-terminated text in *ret. */
    eg_err (*sign_token)(void *ctx, eg_str claims_json, eg_buf *ret);
    /* RFC 7517 key set of the token-signing keys, public parts only. */
    eg_err (*token_keys)(void *ctx, eg_buf *ret_jwks);
    /* Ed25519 over a checkpoint body; refuses a body whose first line is not the log's origin, or whose size went back. */
    eg_err (*sign_checkpoint)(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]);
    eg_err (*log_public_key)(void *ctx, eg_str origin, uint8_t ret_pub[32]);
} eg_keys;

/* storage/keys/ implements both sides. */

/* Client of the keeper's socket. */
eg_err eg_keeper_client_new(const char *socket_path, eg_keys **ret) EG_MUST_CHECK;
void eg_keeper_client_free(eg_keys *k);

/* Makes a keeper directory (0700): master key, token-signing key, log key; returns the recovery key's text, to be printed
 * once ("EGRK1-XXXX-…"). The master key is also sealed under it, so that it opens a restored backup. */
eg_err eg_keeper_init(const char *dir, eg_buf *ret_recovery_key, eg_problem *p) EG_MUST_CHECK;
/* Makes a tenant's key; EG_ERR_EXISTS. Offline (init) or through the keeper's message table. */
eg_err eg_keeper_add_tenant(const char *dir, eg_str tenant, eg_problem *p) EG_MUST_CHECK;
/* Writes the master key anew from recovery.sealed and the recovery key's text. Offline. EG_ERR_INVALID when it is mistyped,
 * EG_ERR_CORRUPT when it belongs to another directory. */
eg_err eg_keeper_recover(const char *dir, eg_str recovery_key, eg_problem *p) EG_MUST_CHECK;
/* The keys of a directory, in this process: for init and tests, which have no keeper process yet. */
eg_err eg_keeper_open_local(const char *dir, eg_keys **ret, eg_problem *p) EG_MUST_CHECK;
void eg_keeper_local_free(eg_keys *k);

typedef struct eg_keeper_options {
    const char *dir;
    int listen_fd;
    uid_t gateway_uid;
} eg_keeper_options;
/* The process's body: loads keys, then serves until *stop. */
eg_err eg_keeper_run(const eg_keeper_options *o, const volatile int *stop, eg_problem *p) EG_MUST_CHECK;

#endif

/* What the keeper process does for the others: wrap, unwrap and sign with keys that never leave it. A seam (file today; PKCS#11, Key Vault). */
#ifndef EMBERGATE_KEYS_H
#define EMBERGATE_KEYS_H

#include <embergate/crypto.h>
#include <embergate/ipc.h>

#define EG_WRAPPED_KEY_MAX 160

/* A tenant has a key of its own, named "", and perhaps others: customer-managed keys, keys of encryption scopes. Names are
 * up to EG_KEY_NAME_MAX of a-z, 0-9, '-' and one '.'. Each key has versions; the newest wraps, all unwrap. */
#define EG_KEY_NAME_MAX 88

/* What a data key is for: whose, under which key, and the purpose that is authenticated with it. */
typedef struct eg_key_use {
    eg_str tenant;
    eg_str key;
    eg_str purpose;
} eg_key_use;

/* Under which key and version a wrapped data key is, as its clear head says; false when it is none. docs/KEYS.md has the layout. */
static inline bool eg_wrapped_key_head(eg_bytes wrapped, eg_str *ret_key, uint32_t *ret_version) {
    if (wrapped.len < 6 || (wrapped.ptr[0] != 1 && wrapped.ptr[0] != 2) || (wrapped.ptr[0] == 2 && wrapped.len < (size_t)6 + wrapped.ptr[5])) {
        return false;
    }
    *ret_version = eg_get_u32(wrapped.ptr + 1);
    *ret_key = wrapped.ptr[0] == 1 ? EG_LIT("") : (eg_str){(const char *)wrapped.ptr + 6, wrapped.ptr[5]};
    return true;
}

/* A data key and the same wrapped. */
typedef struct eg_fresh_key {
    eg_secret *secret;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t wrapped_len;
} eg_fresh_key;
#define EG_FRESH_KEYS_MAX 64

/* A checkpoint as the keeper signed it once. */
typedef struct eg_signed_checkpoint {
    eg_str origin;
    eg_str body;
    uint8_t signature[64];
} eg_signed_checkpoint;

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
    /* A new token-signing key, published at once, that signs from delay_s on; the one that signed till then verifies until its last token is over. end_old: the new one signs now, and
     * nothing that was signed before verifies. Durable. EG_ERR_EXISTS: one waits for its moment. *ret_json as list_token_keys gives it. */
    eg_err (*rotate_token_key)(void *ctx, uint32_t delay_s, bool end_old, eg_buf *ret_json);
    /* {"keys":[{"kid","state","from","until"}]} as text; states are waits, signs, verifies, over. */
    eg_err (*list_token_keys)(void *ctx, eg_buf *ret_json);
    /* Ed25519 over a checkpoint body; refuses a body whose first line is not the log's origin, or whose size went back. */
    eg_err (*sign_checkpoint)(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]);
    /* Shows the keeper what it signed: *ret_forgotten when it remembers less, as with an older copy of its files, and with `remember` it then remembers this, durably. EG_ERR_INVALID
     * when it never signed it, EG_ERR_CORRUPT when what it remembers is of the same size and another root. */
    eg_err (*recall_checkpoint)(void *ctx, const eg_signed_checkpoint *c, bool remember, bool *ret_forgotten);
    eg_err (*log_public_key)(void *ctx, eg_str origin, uint8_t ret_pub[32]);

    /* Like new_data_key, under a named key. EG_ERR_NOT_FOUND: the tenant has no such key. */
    eg_err (*new_data_key_under)(void *ctx, const eg_key_use *use, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n);
    /* Like n (1 to EG_FRESH_KEYS_MAX) calls of it, one for each purpose (use->purpose isn't looked at), asked for at once: all or none. */
    eg_err (*new_data_keys)(void *ctx, const eg_key_use *use, const eg_str *purposes, size_t n, eg_fresh_key *ret);
    /* The same data key under the newest version of use->key; it never leaves the keeper. ret_wrapped may be wrapped.ptr. */
    eg_err (*rewrap)(void *ctx, const eg_key_use *use, eg_bytes wrapped, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n);
    /* Life of a key: make (EG_ERR_EXISTS), a new version, versions below `below` marked as needed by no row. All durable when they return. */
    eg_err (*make_key)(void *ctx, eg_str tenant, eg_str key);
    eg_err (*rotate_key)(void *ctx, eg_str tenant, eg_str key, uint32_t *ret_version);
    eg_err (*retire_key)(void *ctx, eg_str tenant, eg_str key, uint32_t below);
    /* {"tenant","destroyed","keys":[{"name","current","versions":[{"version","created","state"}]}]} as text. */
    eg_err (*list_keys)(void *ctx, eg_str tenant, eg_buf *ret_json);
    /* Destroys all keys of the tenant, for good. Done again it finishes what a crash interrupted. EG_ERR_NOT_FOUND. */
    eg_err (*destroy_tenant)(void *ctx, eg_str tenant);
    /* Ed25519 with the key of the log `origin` over a statement, whose first line names its kind (EG_STATEMENT_*): never a checkpoint. */
    eg_err (*sign_statement)(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]);
    /* A key of the installation, of no tenant: always the same for a purpose of 1 to 64 bytes, as long as the master key is. EG_ERR_INVALID. */
    eg_err (*installation_key)(void *ctx, eg_str purpose, eg_secret **ret_key);
} eg_keys;

#define EG_STATEMENT_ERASURE "embergate erasure certificate v1"
#define EG_STATEMENT_BACKUP "embergate backup manifest v1"
#define EG_STATEMENT_MAX ((size_t)65536)

/* A rotation as other rooms take part in it: each moves the wrapped keys of its own rows that are under version `below` - 1 or earlier of a key
 * to the newest one, in bounded transactions, and adds how many to *ret_moved. Runs on the rotation's thread, and again until a pass moves none. */
typedef struct eg_rewrap {
    eg_str tenant;
    eg_str key;
    uint32_t below;
} eg_rewrap;
typedef struct eg_rewrapper {
    const char *name;          /* "storage", "audit", … */
    eg_err (*run)(void *room, const eg_rewrap *what, uint64_t *ret_moved);
    void *room;
} eg_rewrapper;
/* Whether a wrapped key is one that `what` moves. */
static inline bool eg_rewrap_wants(const eg_rewrap *what, eg_bytes wrapped) {
    eg_str key;
    uint32_t version;
    return eg_wrapped_key_head(wrapped, &key, &version) && version < what->below && eg_str_eq(key, what->key);
}

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
eg_err eg_keeper_run(const eg_keeper_options *o, const atomic_int *stop, eg_problem *p) EG_MUST_CHECK;

#endif

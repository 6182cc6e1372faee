/* The records of local principals, and who of them has which name. */
#ifndef EG_GATEWAY_IDENTITY_LOCAL_PRINCIPAL_H
#define EG_GATEWAY_IDENTITY_LOCAL_PRINCIPAL_H

#include <embergate/identity.h>

#define EG_LOCAL_SALT_LEN 16
#define EG_LOCAL_HASH_LEN 32

typedef struct eg_local_principal {
    char client_id[EG_UUID_LEN];
    char object_id[EG_UUID_LEN];
    char tenant[EG_UUID_LEN];
    char name[128];
    eg_principal_kind kind;
    bool disabled;
    uint8_t salt[EG_LOCAL_SALT_LEN];
    uint8_t hash[EG_LOCAL_HASH_LEN]; /* scrypt of the secret */
    bool has_password;               /* may sign in by HTTP Basic where a cluster takes it; no other use */
    uint8_t password_salt[EG_LOCAL_SALT_LEN];
    uint8_t password_hash[EG_LOCAL_HASH_LEN];
    bool emergency;                  /* a break-glass administrator */
    bool by_key;                     /* not stored: it has just proven itself by this one of its keys */
    uint8_t key[EG_SHA256_LEN];
    int64_t used_s;                  /* when it was first used since it was armed; 0 = not yet */
} eg_local_principal;

/* EG_ERR_NOT_FOUND, EG_ERR_CORRUPT, EG_ERR_FORMAT_VERSION. */
eg_err eg_local_principal_find(eg_kv *kv, eg_str client_id, eg_local_principal *ret) EG_MUST_CHECK;

/* The local principal of this name: EG_ERR_NOT_FOUND, EG_ERR_EXISTS when there are several. */
eg_err eg_local_principal_named(eg_kv *kv, eg_str tenant, eg_str name, eg_local_principal *ret) EG_MUST_CHECK;

/* A new one with fresh ids and no secret yet. EG_ERR_INVALID. */
eg_err eg_local_principal_init(eg_local_principal *r, eg_str tenant, eg_str name, eg_principal_kind kind, eg_problem *p) EG_MUST_CHECK;
/* 256 random bits in base64url, added to *ret; the record gets their scrypt. */
eg_err eg_local_principal_new_secret(eg_local_principal *r, eg_buf *ret) EG_MUST_CHECK;
#define EG_PASSWORD_MIN 15u  /* characters; NIST SP 800-63B-4 section 3.1.1.2: of a password that is the only proof */
#define EG_PASSWORD_MAX ((size_t)128)
/* The record gets the password's scrypt. EG_ERR_INVALID: too short or long, no text, a guess's first try, or a break-glass administrator's. */
eg_err eg_local_principal_set_password(eg_local_principal *r, eg_bytes password, eg_problem *p) EG_MUST_CHECK;
void eg_local_principal_drop_password(eg_local_principal *r);
/* In a transaction. */
eg_err eg_local_principal_find_in(eg_kv_txn *t, eg_str client_id, eg_local_principal *ret) EG_MUST_CHECK;
/* Takes the password of whoever has that object id, if it is a local principal with one. */
eg_err eg_local_principal_forget_password(eg_kv_txn *t, const char *tenant, const char *object_id) EG_MUST_CHECK;
eg_err eg_local_principal_insert(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;  /* EG_ERR_EXISTS */
eg_err eg_local_principal_replace(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;
eg_err eg_local_principal_delete(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;
eg_err eg_local_principal_each(eg_kv *kv, eg_err (*fn)(void *ctx, const eg_local_principal *r), void *ctx) EG_MUST_CHECK;

#endif

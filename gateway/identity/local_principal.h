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
    bool emergency;                  /* a break-glass administrator */
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
/* In a transaction. */
eg_err eg_local_principal_insert(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;  /* EG_ERR_EXISTS */
eg_err eg_local_principal_replace(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;
eg_err eg_local_principal_delete(eg_kv_txn *t, const eg_local_principal *r) EG_MUST_CHECK;
eg_err eg_local_principal_each(eg_kv *kv, eg_err (*fn)(void *ctx, const eg_local_principal *r), void *ctx) EG_MUST_CHECK;

#endif

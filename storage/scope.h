/* Encryption scopes of an account, and under which key the account's other files are sealed. Rows of fs.scope. */
#ifndef EG_STORAGE_SCOPE_H
#define EG_STORAGE_SCOPE_H

#include "record.h"

#define EG_SCOPE_NAME_MAX 63

typedef enum eg_scope_state {
    EG_SCOPE_NONE = 0,
    EG_SCOPE_ENABLED = 1,
    EG_SCOPE_DISABLED = 2,
} eg_scope_state;

typedef struct eg_scope {
    char name[EG_SCOPE_NAME_MAX + 1];  /* "" = the account itself */
    char key[EG_KEY_NAME_MAX + 1];     /* of the keeper; "" = the tenant's own */
    bool customer_managed;             /* keySource Microsoft.Keyvault; else Microsoft.Storage */
    eg_scope_state state;
    int64_t created_ns;
    int64_t modified_ns;
} eg_scope;

/* 3 to 63 of a-z, 0-9 and '-', as Azure has it. */
bool eg_scope_name_ok(eg_str name);
/* EG_ERR_SCOPE_NOT_FOUND. Without a row the account itself is enabled under the tenant's own key. */
eg_err eg_scope_get(eg_kv_txn *t, const eg_account *a, eg_str name, eg_scope *ret) EG_MUST_CHECK;
/* The same in a transaction of its own, and EG_ERR_SCOPE_DISABLED. */
eg_err eg_scope_use(eg_storage *s, const eg_account *a, eg_str name, eg_scope *ret) EG_MUST_CHECK;
eg_err eg_scope_put(eg_kv_txn *t, const eg_account *a, const eg_scope *scope) EG_MUST_CHECK;
/* The account itself first, then by name; until each fails. */
eg_err eg_scope_each(eg_kv_txn *t, const eg_account *a, eg_err (*each)(void *ctx, const eg_scope *scope), void *ctx) EG_MUST_CHECK;

#endif

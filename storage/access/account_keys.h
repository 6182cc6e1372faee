/* The two keys of an account, and the secret that its user delegation keys follow from: derived from the account's own key and a stored salt, so that the
 * store holds none of them, and renewing one is a new salt. */
#ifndef EG_STORAGE_ACCOUNT_KEYS_H
#define EG_STORAGE_ACCOUNT_KEYS_H

#include "store.h"

typedef enum eg_account_secret {
    EG_ACCOUNT_KEY_1 = 0,
    EG_ACCOUNT_KEY_2,
    EG_ACCOUNT_DELEGATION,
    EG_ACCOUNT_SECRET_COUNT
} eg_account_secret;

#define EG_ACCOUNT_KEY_LEN 64   /* as long as Azure's */

/* Makes the salts of an account that has none. */
eg_err eg_account_keys_ensure(eg_storage *s, const eg_account *a, eg_problem *p) EG_MUST_CHECK;
/* EG_ACCOUNT_KEY_LEN bytes, and since when. EG_ERR_KEY_DESTROYED. */
eg_err eg_account_keys_get(eg_storage *s, const eg_account *a, eg_account_secret which, eg_secret **ret, int64_t *ret_created_ns) EG_MUST_CHECK;
/* Which of the two keys signed the text: 1 or 2; 0 = none. Both are tried always. */
eg_err eg_account_keys_signed(eg_storage *s, const eg_account *a, eg_str text, const uint8_t signature[EG_SHA256_LEN], int *ret) EG_MUST_CHECK;
/* The account's row in the configuration; NULL = none. */
const eg_account_rules *eg_account_keys_rules(const eg_storage *s, eg_str account);
/* Are its keys good for anything? EG_ERR_KEY_AUTH_OFF. */
eg_err eg_account_keys_allowed(const eg_storage *s, eg_str account, eg_problem *p) EG_MUST_CHECK;
/* A step of a transaction: another salt. What was signed with the old one is worth nothing from then on. */
typedef struct eg_account_renewal {
    const eg_account *account;
    eg_account_secret which;
    int64_t now_ns;
} eg_account_renewal;
eg_err eg_account_keys_renew_apply(eg_kv_txn *t, void *renewal, eg_problem *p);

#endif

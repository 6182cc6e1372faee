/* The key under which the keys of a file's segments are sealed: the file's data key alone, or together with one that the caller brings. */
#ifndef EG_STORAGE_FILE_KEY_H
#define EG_STORAGE_FILE_KEY_H

#include "key_cache.h"
#include "namespace.h"

/* The key of a customer, 256 bits, and what is kept of it: its SHA-256. */
#define EG_CUSTOMER_KEY_LEN 32

/* What a new file is sealed under. */
typedef struct eg_file_key_plan {
    uint8_t wrapped[EG_WRAPPED_KEY_MAX]; /* out: attributes of `made` point into this struct, which must outlive it */
    size_t wrapped_len;
    bool must_not_wait;                  /* in: EG_ERR_BUSY when the keeper would have to be asked */
    uint8_t customer[EG_SHA256_LEN];
} eg_file_key_plan;

/* Gives *made a data key, and the id that goes with it, under the key of its EG_ATTR_ENCRYPTION_SCOPE or of the account, and sets EG_ATTR_WRAPPED_KEY, and EG_ATTR_CUSTOMER_KEY
 * when made->customer_key is there. Blocks on the keeper. EG_ERR_SCOPE_NOT_FOUND, EG_ERR_SCOPE_DISABLED. */
eg_err eg_file_key_make(eg_storage *s, const eg_account *a, eg_file_key_plan *plan, eg_inode *made) EG_MUST_CHECK;

/* The key of a file that is there. Blocks on the keeper when its data key isn't cached. EG_ERR_CUSTOMER_KEY_MISSING, _MISMATCH or
 * _UNUSED when i->customer_key is not what the file was made with; EG_ERR_SCOPE_DISABLED. */
eg_err eg_file_key_open(eg_storage *s, const eg_account *a, const eg_inode *i, eg_file_key **ret) EG_MUST_CHECK;
/* The same without the keeper: EG_ERR_BUSY when its data key isn't cached. */
eg_err eg_file_key_try(eg_storage *s, const eg_account *a, const eg_inode *i, eg_file_key **ret) EG_MUST_CHECK;
/* The same check without the key itself. */
eg_err eg_file_key_check_customer(const eg_inode *i) EG_MUST_CHECK;

#endif

/* User delegation keys: each follows from the account's delegation secret and from whose it is and how long it is good, so that none is stored. */
#ifndef EG_STORAGE_DELEGATION_KEY_H
#define EG_STORAGE_DELEGATION_KEY_H

#include "account_keys.h"

#define EG_DELEGATION_NS_MAX ((int64_t)7 * 24 * 3600 * 1000000000)

typedef struct eg_delegation {
    eg_str oid, tid, start, expiry, service, version;
    eg_str user_tenant;        /* of whom its signatures may be bound to; len 0 = not said */
} eg_delegation;

/* The key that a user delegation SAS is signed with; 32 bytes. */
eg_err eg_delegation_key(eg_storage *s, const eg_account *a, const eg_delegation *d, uint8_t ret[EG_SHA256_LEN]) EG_MUST_CHECK;

#endif

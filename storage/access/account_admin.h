/* Accounts and their keys as administrators see them: one JSON shape for the Resource Manager's routes and the command line. */
#ifndef EG_STORAGE_ACCOUNT_ADMIN_H
#define EG_STORAGE_ACCOUNT_ADMIN_H

#include "account_keys.h"

#include <embergate/json.h>

/* {"keys":[{"keyName","value","permissions","creationTime"}]}, as Azure Resource Manager's listKeys. Secret: whoever has it cleanses what it becomes. */
eg_err eg_account_keys_json(eg_storage *s, const eg_account *a, json_t **ret) EG_MUST_CHECK;
/* "key1", "key2". EG_ERR_INVALID. */
eg_err eg_account_key_named(eg_str name, eg_account_secret *ret) EG_MUST_CHECK;

#endif

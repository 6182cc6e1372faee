/* Whether a shared access signature is good for what it is shown for: the request itself, or the source that the request names. */
#ifndef EG_STORAGE_SAS_VERIFY_H
#define EG_STORAGE_SAS_VERIFY_H

#include "account_keys.h"
#include "sas.h"

typedef struct eg_sas_use {
    eg_storage *store;
    const eg_account *account;
    eg_request *rq;
    eg_str query;              /* that holds the signature */
    eg_sas_request at;         /* what it is shown for */
    bool of_source;            /* not of the request itself */
    eg_sas *sas;               /* in the request's arena, like bounds: set once it is good */
    eg_sas_bounds *bounds;
} eg_sas_use;

/* Signature, times, stored policy, address, protocol, resource; of an account SAS not yet which service and type. EG_ERR_AUTH_FAILED, EG_ERR_SAS_SOURCE_IP,
 * EG_ERR_SAS_PROTOCOL, EG_ERR_KEY_AUTH_OFF, EG_ERR_NOT_FOUND (the account has no keys). Doesn't block. */
eg_err eg_sas_verify(eg_sas_use *u) EG_MUST_CHECK;
/* Whom a good signature speaks for: of a delegation the delegator, with the groups that are known of it. */
eg_err eg_sas_principal(const eg_sas_use *u, eg_principal **ret) EG_MUST_CHECK;
/* Of a kind that names nobody; the signature is told by its digest. */
eg_err eg_sas_principal_new(eg_request *rq, eg_principal_kind kind, const uint8_t signature[EG_SIGNATURE_LEN], eg_principal **ret) EG_MUST_CHECK;

#endif

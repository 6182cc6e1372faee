/* Shared Key: a request signed with the account's key. Pure functions. */
#ifndef EG_STORAGE_SHARED_KEY_H
#define EG_STORAGE_SHARED_KEY_H

#include <embergate/http.h>

#define EG_SIGNATURE_LEN 32            /* HMAC-SHA256 */
#define EG_STRING_TO_SIGN_MAX 65536

typedef struct eg_shared_key {
    bool lite;
    eg_str account;
    uint8_t signature[EG_SIGNATURE_LEN];
} eg_shared_key;

/* "SharedKey account:base64" or "SharedKeyLite account:base64"; EG_ERR_NOT_FOUND when it is of another scheme, EG_ERR_AUTH_FAILED when malformed. */
eg_err eg_shared_key_parse(eg_str authorization, eg_shared_key *ret) EG_MUST_CHECK;
/* What the sender signed: Azure's "Authorize with Shared Key", for Blob and Data Lake. `with` says which form and which account. */
eg_err eg_shared_key_string(eg_request *rq, const eg_shared_key *with, eg_buf *ret) EG_MUST_CHECK;
/* x-ms-date, else Date, within 15 minutes of now. EG_ERR_AUTH_FAILED with the reason. */
eg_err eg_shared_key_date(eg_request *rq, int64_t now_ns, eg_problem *p) EG_MUST_CHECK;

#endif

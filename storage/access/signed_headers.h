/* Headers and parameters of a request that a user delegation SAS binds itself to (srh, srq). */
#ifndef EG_STORAGE_SIGNED_HEADERS_H
#define EG_STORAGE_SIGNED_HEADERS_H

#include "sas.h"

#define EG_SIGNED_HEADERS_MAX 16       /* names in each list */

/* Sets at->headers and at->parameters to what the signer must have signed, from the request as it came. EG_ERR_AUTH_FAILED: a name that can't be one, or what it
 * names is not in the request. */
eg_err eg_signed_headers_read(eg_request *rq, const eg_sas *sas, eg_sas_request *at) EG_MUST_CHECK;

#endif

/* Which version of the storage service a request asks for (x-ms-version). */
#ifndef EG_STORAGE_SERVICE_VERSION_H
#define EG_STORAGE_SERVICE_VERSION_H

#include <embergate/http.h>

/* Of requests that name none. */
#define EG_SERVICE_VERSION "2024-11-04"

/* Sets the answer's x-ms-version: what was asked for, when it is known. EG_ERR_HTTP_HEADER when it isn't a version, or one of before
 * bearer tokens. Never blocks. */
eg_err eg_service_version(eg_request *rq) EG_MUST_CHECK;

#endif

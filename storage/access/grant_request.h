/* From a request that the pipeline let through to what it may do in the tree. */
#ifndef EG_STORAGE_GRANT_REQUEST_H
#define EG_STORAGE_GRANT_REQUEST_H

#include "grant.h"

/* What the handlers of a row need of the path in the request's target: by the row's event, else by its action. */
eg_need eg_need_of(const eg_route *row);
/* The grant of a request: borrowed from it. Asks the pipeline about roles where the need is one of owners. Never blocks. */
eg_grant eg_grant_of(eg_request *rq);
/* The same for another place than the request's target, such as the source of a rename: roles must grant every one of the data actions
 * (NULL-terminated) at that container, else lists decide. */
eg_grant eg_grant_at(eg_request *rq, eg_str container, const char *const *actions);

#endif

/* From a request that the pipeline let through to what it may do in the tree. */
#ifndef EG_STORAGE_GRANT_REQUEST_H
#define EG_STORAGE_GRANT_REQUEST_H

#include "grant.h"

/* What the handlers of a row need of the path in the request's target: by the row's event, else by its action. */
eg_need eg_need_of(const eg_route *row);
/* The grant of a request: borrowed from it. Asks the pipeline about roles where the need is one of owners. Never blocks. */
eg_grant eg_grant_of(eg_request *rq);
/* The same for another place than the request's target, such as the source of a rename: roles must grant every one of the data actions
 * (NULL-terminated) at that container, else lists decide. `path`: as of eg_request_ops.decide_at. */
eg_grant eg_grant_at(eg_request *rq, eg_str container, eg_str path, const char *const *actions);

/* For the files that make grants: of whoever came by this way; and the resource id of a container, in the request's arena. */
eg_grant eg_grant_begin(eg_request *rq, eg_way way, const eg_principal *who, const eg_sas_bounds *bounds);
eg_str eg_grant_scope(eg_request *rq, eg_str container);

/* The place that a request names beside its target, as x-ms-rename-source and x-ms-copy-source do. */
typedef struct eg_source {
    const eg_account *account;
    eg_str container;
    eg_str path;
    eg_str query;              /* what stands behind its address, still encoded; may hold a shared access signature */
    const char *const *actions; /* that roles must grant there; NULL-terminated */
    eg_need need;
} eg_source;
/* What may be done there: by the signature in its address if there is one, and then by nothing else; without one as eg_grant_at. The signature's errors are those of
 * a request; what it doesn't allow is refused when the grant is asked, within the transaction. */
eg_err eg_source_grant(eg_request *rq, const eg_source *src, eg_grant *ret) EG_MUST_CHECK;

#endif

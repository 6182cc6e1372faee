/* What the handlers of both storage protocols share: where a request points, and how it is answered. */
#ifndef EG_STORAGE_TARGET_H
#define EG_STORAGE_TARGET_H

#include "content.h"
#include "grant_request.h"
#include "path_change.h"

/* Where a request points. */
typedef struct eg_target {
    eg_storage *store;
    const eg_account *account;
    eg_grant grant;          /* what the request may do; eg_target_change lends it, so the target outlives the change */
    eg_str container;
    eg_str path;             /* "" = the root directory; checked */
} eg_target;

/* The resource id of the container, for a route's scope. */
eg_err eg_target_container_scope(eg_request *rq, eg_str *ret) EG_MUST_CHECK;
/* Splits rq->path. Never blocks. EG_ERR_PATH_INVALID. */
eg_err eg_target_split(eg_request *rq, eg_str *ret_container, eg_str *ret_path) EG_MUST_CHECK;
/* Headers that ask for what isn't built: leases, customer-provided keys, … Never blocks. EG_ERR_STORAGE_NOT_BUILT. */
eg_err eg_target_refuse_unbuilt(eg_request *rq) EG_MUST_CHECK;
/* Refuses those, finds the account, names the resource for the
 * audit record and sets the headers that every answer has. Blocks on the keeper at an account's first use, but while rq->must_not_wait: EG_ERR_BUSY then. */
eg_err eg_target_open(eg_request *rq, eg_target *ret) EG_MUST_CHECK;
/* The same for routes without a container. */
eg_err eg_target_open_account(eg_request *rq, eg_target *ret) EG_MUST_CHECK;
/* Place, conditions, lease and time; of a read, or of a change that says itself what a ?snapshot= means to it. */
eg_err eg_target_where(eg_request *rq, const eg_target *d, eg_change *ret) EG_MUST_CHECK;
/* The same for a change; a snapshot can't be changed: EG_ERR_QUERY. */
eg_err eg_target_change(eg_request *rq, const eg_target *d, eg_change *ret) EG_MUST_CHECK;
/* One transaction: the change and the request's audit record. */
eg_err eg_target_commit(eg_request *rq, const eg_target *d, eg_txn_op op, int status) EG_MUST_CHECK;
/* The audit record of the request as a step; false when the pipeline lends none. */
bool eg_target_record(eg_request *rq, int status, eg_txn_op *ret);

/* ETag and Last-Modified. */
eg_err eg_target_etag(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* Path and inode, or its snapshot when the query names one, with its attributes in the request's arena. */
eg_err eg_target_find(eg_request *rq, const eg_target *d, eg_inode *ret) EG_MUST_CHECK;
/* What a read checks: its conditions (a failed If-None-Match or If-Modified-Since is EG_ERR_NOT_MODIFIED, after ETag and
 * Last-Modified were set), and a lease id if it names one. */
eg_err eg_target_check_read(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* The same of a container, whose lease has codes of its own. */
eg_err eg_target_check_container(eg_request *rq, const eg_inode *root) EG_MUST_CHECK;
/* x-ms-blob-public-access: EG_ERR_PUBLIC_ACCESS, for nothing is ever public. */
eg_err eg_target_refuse_public(eg_request *rq) EG_MUST_CHECK;
/* A query value: "true" or "false"; absent is `dflt`. */
eg_err eg_target_query_bool(eg_request *rq, const char *name, bool dflt, bool *ret) EG_MUST_CHECK;
eg_err eg_target_query_u64(eg_request *rq, const char *name, uint64_t *ret) EG_MUST_CHECK; /* EG_ERR_QUERY_MISSING */
/* The size of a page: absent or more than max is max. EG_ERR_QUERY, and EG_ERR_QUERY_RANGE when it is not positive. */
eg_err eg_target_query_page(eg_request *rq, const char *name, size_t max, size_t *ret) EG_MUST_CHECK;
/* Answers 501 in the surface's shape. */
eg_err eg_target_not_built(eg_request *rq, const char *what);
/* `versionid` in a query: EG_ERR_HNS_FEATURE, as accounts with a hierarchical namespace have no versions. */
eg_err eg_target_refuse_version(eg_request *rq, eg_str query) EG_MUST_CHECK;
/* Tells usage and metrics; read or written bytes of this request. */
void eg_target_moved(const eg_request *rq, eg_storage *s, uint64_t read, uint64_t written);

#endif

/* The headers and the operations of leases, which both protocols share. */
#ifndef EG_STORAGE_LEASE_REQUEST_H
#define EG_STORAGE_LEASE_REQUEST_H

#include "target.h"

/* Lease Blob, and the Data Lake's lease of a path. */
eg_err eg_lease_path(eg_request *rq);
/* Lease Container. */
eg_err eg_lease_container(eg_request *rq);

/* x-ms-lease-status, -state and -duration of what is answered. */
eg_err eg_lease_headers(eg_request *rq, const eg_inode *i) EG_MUST_CHECK;
/* An append with flush=true is two steps. */
typedef enum eg_lease_step {
    EG_LEASE_STEP_APPEND = 0,     /* without a flush */
    EG_LEASE_STEP_APPEND_FIRST,   /* a flush follows */
    EG_LEASE_STEP_FLUSH_SECOND,   /* that flush */
    EG_LEASE_STEP_FLUSH,
} eg_lease_step;
/* What of x-ms-lease-action (acquire, auto-renew, release, acquire-release) belongs to this step. */
eg_err eg_lease_read_action(eg_request *rq, eg_change *c, eg_lease_step step) EG_MUST_CHECK;
/* The lease that a create asks for: x-ms-proposed-lease-id and x-ms-lease-duration. */
eg_err eg_lease_read_proposed(eg_request *rq, eg_change *c) EG_MUST_CHECK;
/* An id from the header `name`; false when it isn't there. EG_ERR_HTTP_HEADER. */
eg_err eg_lease_read_id(eg_request *rq, const char *name, bool *ret_has, eg_id *ret) EG_MUST_CHECK;
/* x-ms-lease-renewed, when the step did. */
eg_err eg_lease_renewed(eg_request *rq, const eg_change *c) EG_MUST_CHECK;

#endif

/* Conditional headers (RFC 9110 section 13), as Azure Storage reads them: an ETag may come without its quotes. */
#ifndef EG_STORAGE_CONDITIONS_H
#define EG_STORAGE_CONDITIONS_H

#include "namespace.h"

typedef struct eg_conditions {
    eg_str if_match;            /* borrowed from the request; len 0 = none */
    eg_str if_none_match;
    bool has_modified_since;
    bool has_unmodified_since;
    int64_t modified_since_ns;
    int64_t unmodified_since_ns;
} eg_conditions;

/* If-Match and its kin. EG_ERR_HTTP_HEADER for a date that isn't one. */
eg_err eg_conditions_read(const eg_request *rq, eg_conditions *ret, eg_problem *p) EG_MUST_CHECK;
/* x-ms-source-if-match and its kin. */
eg_err eg_conditions_read_source(const eg_request *rq, eg_conditions *ret, eg_problem *p) EG_MUST_CHECK;
/* For a change. i: NULL when there is nothing. EG_ERR_CONDITION_NOT_MET; "If-None-Match: *" on what exists is EG_ERR_PATH_EXISTS.
 * EG_ERR_CONDITIONS_TOO_MANY for combinations that Azure has not. */
eg_err eg_conditions_check(const eg_conditions *c, const eg_inode *i, eg_problem *p) EG_MUST_CHECK;

/* For a read of what exists: also EG_ERR_NOT_MODIFIED; EG_ERR_CONDITION_UNSATISFIABLE for "If-None-Match: *". */
eg_err eg_conditions_check_read(const eg_conditions *c, const eg_inode *i, eg_problem *p) EG_MUST_CHECK;

#endif

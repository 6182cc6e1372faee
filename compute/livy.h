/* Livy's API over batches: the rows, and what their handlers share. docs/LIVY-API.md has the deliberate differences. */
#ifndef EMBERGATE_COMPUTE_LIVY_H
#define EMBERGATE_COMPUTE_LIVY_H

#include "compute_object.h"

const eg_route *eg_livy_routes(size_t *ret_n);

/* POST /batches. */
eg_err eg_livy_submit(eg_request *rq);

/* "" and oneself pass; anybody else is EG_ERR_DENIED_PROXY_USER, with both names in the record. */
eg_err eg_livy_check_proxy_user(eg_request *rq, eg_str asked) EG_MUST_CHECK;
/* The query's doAs, checked like that; {NULL,0} when absent. Every handler of batches asks it first. */
eg_err eg_livy_do_as(eg_request *rq, eg_str *ret) EG_MUST_CHECK;

/* Livy's object of one batch, with our extension "embergate". log is taken (NULL = the two marker lines); owner and proxy_user "" = null. */
json_t *eg_livy_batch_json(const eg_batch *b, const char *owner, const char *proxy_user, json_t *log, const eg_batch_usage *usage);
/* {"coreSeconds","memoryMiBSeconds","bytesRead","bytesWritten"}; seconds in eighths, which JSON numbers hold exactly. */
json_t *eg_livy_usage_json(const eg_batch_usage *u);
/* What it used up to now: the stored sums of an ended one, computed ones of a running one. */
eg_batch_usage eg_livy_usage_now(eg_compute *c, const eg_batch *b);

/* A page of `log` as Livy counts it: line 0 is "stdout: ", then the driver's lines, then "\nstderr: ". from and size as in the query: from < 0 is
 * the tail, size < 0 is all. Pure: which driver lines to read (first, count), and whether the markers stand before and after them. */
typedef struct eg_livy_page {
    uint64_t from, total;           /* as answered */
    bool stdout_mark, stderr_mark;
    uint64_t first, count;          /* driver lines */
} eg_livy_page;
eg_livy_page eg_livy_page_of(uint64_t driver_lines, int64_t from, int64_t size);

#endif

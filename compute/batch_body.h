/* The body of POST /batches: from JSON to a request that has passed every check. Pure but for looking at local files. */
#ifndef EMBERGATE_COMPUTE_BATCH_BODY_H
#define EMBERGATE_COMPUTE_BATCH_BODY_H

#include "job_place.h"

#include <embergate/json.h>

#define EG_BATCH_BODY_MAX (512u << 10)  /* bytes of the body */
#define EG_BATCH_ARGS_MAX 1000          /* entries */
#define EG_BATCH_ARGS_BYTES_MAX (96u << 10) /* of all arguments with a NUL each: what the launcher takes */
#define EG_BATCH_CONF_MAX 200           /* entries */
#define EG_BATCH_FILES_MAX 64           /* entries of each of jars, pyFiles, files, archives */
#define EG_BATCH_NAME_MAX 100           /* bytes */

/* What the cluster can give to one job; 0 = not bounded. */
typedef struct eg_batch_limits {
    eg_job_places places;
    unsigned workers;
    unsigned worker_cores;
    unsigned worker_memory_mb;
} eg_batch_limits;

/* *ret (owned by the caller) is an object with every member present and of one type:
 *   file, className ("" = none), name ("" = none), proxyUser ("" = none), driverMemory, executorMemory ("" = not said): text
 *   driverCores, executorCores, numExecutors: integers, 0 = not said
 *   args, jars, pyFiles, files, archives: lists of text; conf: object of text, without what the fields above say
 * Unknown members are ignored, as most of Livy's clients need. Errors: EG_ERR_BODY_JSON and EG_ERR_BODY_FIELD (the problem names the field),
 * EG_ERR_INVALID (no file), EG_ERR_FILE_REFUSED, EG_ERR_CONF_REFUSED. */
eg_err eg_batch_body_parse(eg_str body, const eg_batch_limits *limits, json_t **ret, eg_problem *p) EG_MUST_CHECK;

#endif

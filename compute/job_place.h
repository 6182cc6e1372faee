/* Where a job's code and data may come from: our own storage endpoint, or directories that the administrator allowed. */
#ifndef EMBERGATE_COMPUTE_JOB_PLACE_H
#define EMBERGATE_COMPUTE_JOB_PLACE_H

#include <embergate/bytes.h>

#define EG_JOB_PLACE_MAX 2048 /* bytes of one path or URI */

typedef struct eg_job_places {
    const char *public_url;          /* "https://host[:port]": its authority is ours */
    const char *const *file_roots;   /* absolute directories, NULL-terminated; NULL = none */
} eg_job_places;

typedef enum eg_job_place_kind {
    EG_JOB_PLACE_NONE = 0,
    EG_JOB_PLACE_STORAGE,            /* abfss:// on our endpoint: read by the job with its own identity */
    EG_JOB_PLACE_LOCAL,              /* an absolute path beneath one of file_roots: copied into the job's files */
} eg_job_place_kind;

/* Refuses control characters, NUL and invalid UTF-8, and what Spark would expand ("${"). EG_ERR_BODY_FIELD; `field` names the culprit. */
eg_err eg_job_place_text(eg_str value, size_t max, const char *field, eg_problem *p) EG_MUST_CHECK;
/* Whether `uri` is an abfss:// URI on our endpoint. EG_ERR_FILE_REFUSED says what is wrong with it. */
eg_err eg_job_place_storage(const eg_job_places *places, eg_str uri, const char *field, eg_problem *p) EG_MUST_CHECK;
/* Judges by the text alone; touches no file. EG_ERR_FILE_REFUSED, EG_ERR_BODY_FIELD. */
eg_err eg_job_place_check(const eg_job_places *places, eg_str uri, const char *field, eg_job_place_kind *ret, eg_problem *p) EG_MUST_CHECK;
/* Looks whether a local path is there: beneath its root, through no symbolic link (openat2), a regular file. Needs no right to read it;
 * who copies it (the launcher) opens it in the same way again. EG_ERR_FILE_REFUSED. */
eg_err eg_job_place_probe(const eg_job_places *places, eg_str path, const char *field, eg_problem *p) EG_MUST_CHECK;

#endif

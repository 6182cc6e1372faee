/* Owner, group and access control list: of one path, or of a directory and all beneath it, page by page. */
#ifndef EG_STORAGE_PATH_ACCESS_H
#define EG_STORAGE_PATH_ACCESS_H

#include "listing.h"
#include "path_change.h"

typedef enum eg_access_mode {
    EG_ACCESS_KEEP = 0,        /* the list stays as it is */
    EG_ACCESS_SET,
    EG_ACCESS_MODIFY,
    EG_ACCESS_REMOVE,
    EG_ACCESS_PERMISSIONS,     /* owner's, group's and others' rights and the sticky bit */
} eg_access_mode;

typedef struct eg_path_access {
    eg_change base;
    eg_access_mode mode;
    eg_acl spec;               /* of SET, MODIFY and REMOVE; default entries are for directories alone */
    uint16_t permissions;
    eg_str owner;              /* len 0: stays */
    eg_str group;
} eg_path_access;
/* EG_ERR_DENIED_DATA, EG_ERR_HTTP_HEADER for a list that can't be. */
eg_err eg_path_access_apply(eg_kv_txn *t, void *access, eg_problem *p);

#define EG_ACCESS_STEP_MAX 250   /* paths of one transaction */

/* A path whose list could not be changed. */
typedef struct eg_access_failure {
    size_t path;               /* where its path begins in `failed_paths` */
    size_t path_len;
    eg_kind kind;
    eg_err why;
} eg_access_failure;

/* One step of a recursive change: a transaction of at most EG_ACCESS_STEP_MAX paths. */
typedef struct eg_access_step {
    eg_path_access access;     /* mode SET, MODIFY or REMOVE; base.path is the directory, or a file */
    bool force;                /* goes on behind what is refused, and counts it */
    bool beneath;              /* the directory itself was done by a step before */
    eg_str after;              /* path beneath it to go on behind; len 0 = from the start */
    size_t max;                /* paths; 1 to EG_ACCESS_STEP_MAX */
    eg_buf failed_paths;       /* the caller's: emptied by each step */
    /* out */
    bool more;                 /* there is something behind `last` */
    bool refused;              /* something was refused, and without force that is the end */
    eg_listing listing;        /* what a continuation token is made from */
    char last[EG_PATH_MAX + 1];
    size_t last_len;
    size_t seen;
    size_t directories;
    size_t files;
    size_t failures;
    eg_access_failure failed[EG_ACCESS_STEP_MAX];
} eg_access_step;
eg_err eg_access_step_apply(eg_kv_txn *t, void *step, eg_problem *p);

#endif

/* Makes a point of a backup while the server writes. */
#ifndef GATEWAY_BACKUP_MAKE_H
#define GATEWAY_BACKUP_MAKE_H

#include "backup_repository.h"

typedef struct eg_backup_options {
    const char *state_dir;
    const char *to;
    const char *escrow;        /* NULL = {to}/escrow */
    size_t keep;               /* points; 0 = all */
} eg_backup_options;

typedef struct eg_backup_result {
    eg_backup_name point;
    size_t files;
    uint64_t bytes;            /* of the point, with what it shares with others */
    uint64_t copied;           /* bytes that were copied for it */
    double seconds;
    double held_seconds;       /* for how long the audit log was held */
} eg_backup_result;

eg_err eg_backup_make(const eg_backup_options *o, eg_backup_result *ret, eg_problem *p) EG_MUST_CHECK;

#endif

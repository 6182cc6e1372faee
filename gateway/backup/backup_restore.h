/* Verifies points and brings a state directory back from one. */
#ifndef GATEWAY_BACKUP_RESTORE_H
#define GATEWAY_BACKUP_RESTORE_H

#include "backup_repository.h"

/* Signature, list, and the digest of every file. *ret_files, *ret_bytes: what was read. EG_ERR_CORRUPT names the file. */
eg_err eg_backup_verify(const eg_backup_repository *r, const char *point, eg_str verifier_key, size_t *ret_files, uint64_t *ret_bytes, eg_problem *p) EG_MUST_CHECK;

typedef struct eg_restore_options {
    const char *from;
    const char *escrow;        /* NULL = {from}/escrow */
    const char *point;         /* NULL = the newest */
    const char *state_dir;     /* absolute; empty or not there */
    eg_str verifier_key;       /* "" = the one that the point names */
    eg_str recovery_key;
} eg_restore_options;

typedef struct eg_restore_result {
    eg_backup_name point;
    size_t files;
    uint64_t bytes;
    double seconds;
} eg_restore_result;

/* FORMAT is written last: a directory without it was not finished, and nothing serves it. */
eg_err eg_backup_restore(const eg_restore_options *o, eg_restore_result *ret, eg_problem *p) EG_MUST_CHECK;

#endif

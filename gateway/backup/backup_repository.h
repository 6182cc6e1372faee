/* A repository of backups: its points, and what they say about themselves. docs/BACKUP.md is the format. */
#ifndef GATEWAY_BACKUP_REPOSITORY_H
#define GATEWAY_BACKUP_REPOSITORY_H

#include "backup_list.h"

#include <embergate/json.h>

#define EG_BACKUP_NAME_LEN 32
#define EG_BACKUP_PATH_LEN 1024

typedef struct eg_backup_repository {
    int fd;
    int lock_fd;               /* exclusive for who writes; -1 = reading */
} eg_backup_repository;

/* write: makes it if missing, and finishes what a dead writer left. EG_ERR_LOCKED while another one writes. */
eg_err eg_backup_repository_open(const char *dir, bool write, eg_backup_repository *ret, eg_problem *p) EG_MUST_CHECK;
void eg_backup_repository_close(eg_backup_repository *r);

/* Names of the whole points, oldest first; freed by the caller with free(). */
typedef char eg_backup_name[EG_BACKUP_NAME_LEN];
eg_err eg_backup_points(const eg_backup_repository *r, eg_backup_name **ret, size_t *ret_n) EG_MUST_CHECK;
/* 1 to 31 of digits, 'T', 'Z' and '.'. */
bool eg_backup_name_ok(eg_str name);

typedef struct eg_backup_point {
    eg_backup_name name;
    json_t *manifest;
    eg_backup_list list;       /* sorted */
} eg_backup_point;
/* Its manifest, if it is signed (by verifier_key; "" = by the key it names itself), and its list, if it is the one that was signed. */
eg_err eg_backup_point_read(const eg_backup_repository *r, const char *name, eg_str verifier_key, eg_backup_point *ret, eg_problem *p) EG_MUST_CHECK;
void eg_backup_point_done(eg_backup_point *pt);
/* Where a file of a point lies, from the repository on. */
eg_err eg_backup_place(const char *point, const eg_backup_file *f, char ret[EG_BACKUP_PATH_LEN]) EG_MUST_CHECK;

/* Removes all but the newest `keep` points, and what of the pool no point names any more. A file is in the pool for an unbroken run of points, so only the next older point is asked. */
eg_err eg_backup_prune(const eg_backup_repository *r, size_t keep, eg_problem *p) EG_MUST_CHECK;

#endif

/* The list of a backup's files with their digests, and the paths that may stand in one. docs/BACKUP.md is the format. */
#ifndef GATEWAY_BACKUP_LIST_H
#define GATEWAY_BACKUP_LIST_H

#include <embergate/crypto.h>

#define EG_BACKUP_PATH_MAX 512
#define EG_BACKUP_LIST_MAX ((size_t)1 << 31)

typedef struct eg_backup_file {
    char *path;                /* as in the state directory; owned by the list */
    bool pooled;               /* in the pool that all points share; else in the point's own tree */
    bool sealed;               /* a secret, sealed under the backup's data key */
    uint64_t size;             /* of the file as it lies in the backup */
    uint8_t sha256[EG_SHA256_LEN];
} eg_backup_file;

typedef struct eg_backup_list {
    eg_backup_file *files;
    size_t count;
    size_t cap;
} eg_backup_list;

/* Relative, no empty, "." or ".." segments, printable ASCII without blanks. */
bool eg_backup_path_ok(eg_str path);
/* The path is copied. EG_ERR_INVALID for one that can't be in a list. */
eg_err eg_backup_list_add(eg_backup_list *l, const eg_backup_file *f) EG_MUST_CHECK;
void eg_backup_list_sort(eg_backup_list *l);
/* In a sorted list; NULL when it isn't there. */
const eg_backup_file *eg_backup_list_find(const eg_backup_list *l, const char *path);
eg_err eg_backup_list_write(const eg_backup_list *l, eg_buf *ret) EG_MUST_CHECK;
/* One line of it. */
eg_err eg_backup_list_line(const eg_backup_file *f, eg_buf *ret) EG_MUST_CHECK;
/* Whole lines only, sorted or not; EG_ERR_CORRUPT for anything else. *ret begins empty and is done by the caller in any case. */
eg_err eg_backup_list_parse(eg_str text, eg_backup_list *ret) EG_MUST_CHECK;
void eg_backup_list_done(eg_backup_list *l);

#endif

/* Copying of files into a backup and out of it: digests on the way, holes kept, nothing half there under its name. */
#ifndef GATEWAY_BACKUP_COPY_H
#define GATEWAY_BACKUP_COPY_H

#include <embergate/crypto.h>

typedef struct eg_backup_copy {
    int from_fd;               /* directories that the paths start at */
    int to_fd;
    const char *from;
    const char *to;            /* missing folders are made, 0700; through a temporary beside it */
    unsigned mode;
    uint64_t at_most;          /* bytes; 0 = all that is there */
} eg_backup_copy;
/* Not synced: the caller syncs the file system once. EG_ERR_NOT_FOUND when the source is gone. */
eg_err eg_backup_copy_file(const eg_backup_copy *c, uint64_t *ret_size, uint8_t ret_sha256[EG_SHA256_LEN]) EG_MUST_CHECK;
/* Reads at most `size` bytes (all that is there, when 0) and digests them. */
eg_err eg_backup_digest(int dir_fd, const char *path, uint64_t size, uint64_t *ret_size, uint8_t ret_sha256[EG_SHA256_LEN]) EG_MUST_CHECK;
/* Folders on the way to path, 0700. */
eg_err eg_backup_make_parents(int dir_fd, const char *path) EG_MUST_CHECK;
/* Calls each for every regular file beneath path, with its path from there on ("" + name); links are not followed. A folder that isn't there has none. */
typedef struct eg_backup_found {
    const char *path;
    uint64_t size;
    unsigned mode;
} eg_backup_found;
eg_err eg_backup_walk(int dir_fd, const char *path, eg_err (*each)(void *ctx, const eg_backup_found *f), void *ctx) EG_MUST_CHECK;
/* Removes a tree. What isn't there is EG_OK. */
eg_err eg_backup_remove_tree(int dir_fd, const char *path) EG_MUST_CHECK;

#endif

/* Files that are there whole or not at all. */
#ifndef EMBERGATE_DURABLE_FILE_H
#define EMBERGATE_DURABLE_FILE_H

#include <embergate/bytes.h>
#include <sys/types.h>

/* Temporary beside it, fsync, rename, fsync of the directory. After EG_OK a power cut loses nothing; before it the old
 * file stands. dir_fd may be AT_FDCWD. */
eg_err eg_file_replace(int dir_fd, const char *name, mode_t mode, eg_bytes content, eg_problem *p) EG_MUST_CHECK;
/* At most max bytes, regular files only, no symbolic link at the last component. EG_ERR_LIMIT, EG_ERR_NOT_FOUND. */
eg_err eg_file_read(int dir_fd, const char *name, size_t max, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_dir_make(const char *path, mode_t mode, eg_problem *p) EG_MUST_CHECK; /* with its parents (0755); exists = EG_OK */
eg_err eg_dir_sync(int dir_fd) EG_MUST_CHECK;
/* Writes all of it, through EINTR and short writes. */
eg_err eg_write_all(int fd, eg_bytes b) EG_MUST_CHECK;
eg_err eg_pread_all(int fd, void *p, size_t n, int64_t offset) EG_MUST_CHECK; /* EG_ERR_CORRUPT at an early end */
/* The same from the page cache alone, so that it never waits for the disk. EG_ERR_BUSY: not all of it is there; p then holds anything. */
eg_err eg_pread_cached(int fd, void *p, size_t n, int64_t offset) EG_MUST_CHECK;
/* Opens a file for reading when the kernel has all of its path in memory. EG_ERR_BUSY: not so, or any other reason. */
eg_err eg_open_cached(int dir_fd, const char *name, int *ret_fd) EG_MUST_CHECK;

/* Zeros at [from, to) of a file, so that what is written there later changes neither its length nor where it lies: a sync of that is one write and no more. */
eg_err eg_write_zeros(int fd, uint64_t from, uint64_t to) EG_MUST_CHECK;

#endif

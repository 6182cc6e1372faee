/* Files and folders of a backup. */
#include "backup_copy.h"

#include <embergate/durable_file.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)
#define PATH_LEN 1024
#define DEPTH_MAX 16

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static void free_bytes(uint8_t **b) { free(*b); }

eg_err eg_backup_make_parents(int dir_fd, const char *path) {
    char part[PATH_LEN];
    const size_t n = strlen(path);
    if (n >= sizeof part) {
        return EG_ERR_LIMIT;
    }
    memcpy(part, path, n + 1);
    for (char *at = strchr(part, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdirat(dir_fd, part, 0700) != 0 && errno != EEXIST) {
            return eg_err_from_errno(errno);
        }
        *at = '/';
    }
    return EG_OK;
}

static bool all_zero(const uint8_t *b, size_t n) {
    return n > 0 && b[0] == 0 && memcmp(b, b + 1, n - 1) == 0;
}

/* Zeros become a hole: a preallocated journal is mostly those. */
static eg_err put_piece(int fd, const uint8_t *b, size_t n, uint64_t at) {
    if (all_zero(b, n)) {
        return EG_OK;
    }
    for (size_t done = 0; done < n;) {
        const ssize_t w = pwrite(fd, b + done, n - done, (off_t)(at + done));
        if (w < 0 && errno == EINTR) {
            continue;
        }
        if (w <= 0) {
            return w == 0 ? EG_ERR_IO : eg_err_from_errno(errno);
        }
        done += (size_t)w;
    }
    return EG_OK;
}

/* out_fd -1 = only digest. */
static eg_err pump(int in_fd, int out_fd, uint64_t at_most, uint64_t *ret_size, uint8_t ret_sha256[EG_SHA256_LEN]) {
    EG_CLEANUP(eg_sha256_stream_free_p) eg_sha256_stream *sha = eg_sha256_stream_new();
    EG_CLEANUP(free_bytes) uint8_t *piece = malloc(PIECE);
    uint64_t size = 0;
    if (!sha || !piece) {
        return EG_ERR_NO_MEMORY;
    }
    (void)posix_fadvise(in_fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        const size_t want = at_most > 0 && at_most - size < PIECE ? (size_t)(at_most - size) : PIECE;
        const ssize_t n = want ? read(in_fd, piece, want) : 0;
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return eg_err_from_errno(errno);
        }
        if (n == 0) {
            break;
        }
        eg_sha256_stream_add(sha, (eg_bytes){piece, (size_t)n});
        EG_TRY(out_fd < 0 ? EG_OK : put_piece(out_fd, piece, (size_t)n, size));
        size += (uint64_t)n;
    }
    if (out_fd >= 0 && ftruncate(out_fd, (off_t)size) != 0) {
        return eg_err_from_errno(errno);
    }
    eg_sha256_stream_end(sha, ret_sha256);
    *ret_size = size;
    return EG_OK;
}

static int open_regular(int dir_fd, const char *path, eg_err *ret) {
    struct stat st;
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *ret = fd < 0 ? eg_err_from_errno(errno) : EG_OK;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        *ret = EG_ERR_INVALID;
        close(fd);
        return -1;
    }
    return fd;
}

eg_err eg_backup_digest(int dir_fd, const char *path, uint64_t size, uint64_t *ret_size, uint8_t ret_sha256[EG_SHA256_LEN]) {
    eg_err e = EG_OK;
    EG_CLEANUP(close_fd) int fd = open_regular(dir_fd, path, &e);
    return e != EG_OK ? e : pump(fd, -1, size, ret_size, ret_sha256);
}

eg_err eg_backup_copy_file(const eg_backup_copy *c, uint64_t *ret_size, uint8_t ret_sha256[EG_SHA256_LEN]) {
    char temporary[PATH_LEN];
    eg_err e = EG_OK;
    const int n = snprintf(temporary, sizeof temporary, "%s.partial", c->to);
    if (n < 0 || n >= (int)sizeof temporary) {
        return EG_ERR_LIMIT;
    }
    EG_CLEANUP(close_fd) int in = open_regular(c->from_fd, c->from, &e);
    EG_TRY(e);
    EG_TRY(eg_backup_make_parents(c->to_fd, c->to));
    EG_CLEANUP(close_fd) int out = openat(c->to_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, c->mode);
    if (out < 0) {
        return eg_err_from_errno(errno);
    }
    e = pump(in, out, c->at_most, ret_size, ret_sha256);
    if (e == EG_OK && renameat(c->to_fd, temporary, c->to_fd, c->to) != 0) {
        e = eg_err_from_errno(errno);
    }
    if (e != EG_OK) {
        (void)unlinkat(c->to_fd, temporary, 0);
    }
    return e;
}

typedef struct walk {
    eg_err (*each)(void *ctx, const eg_backup_found *f);
    void *ctx;
    char path[PATH_LEN];
    int depth;
} walk;

static eg_err walk_dir(walk *w, int fd);

static eg_err walk_entry(walk *w, int fd, const char *name) {
    struct stat st;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return EG_OK;
    }
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? EG_OK : eg_err_from_errno(errno);
    }
    const size_t before = strlen(w->path);
    const int n = snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof w->path - before || w->depth >= DEPTH_MAX) {
        return EG_ERR_LIMIT;
    }
    eg_err e = EG_OK;
    if (S_ISDIR(st.st_mode)) {
        const int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        w->depth++;
        e = below < 0 ? (errno == ENOENT ? EG_OK : eg_err_from_errno(errno)) : walk_dir(w, below);
        w->depth--;
    } else if (S_ISREG(st.st_mode)) {
        const eg_backup_found f = {w->path, (uint64_t)st.st_size, st.st_mode & 07777};
        e = w->each(w->ctx, &f);
    }
    w->path[before] = '\0';
    return e;
}

/* Takes fd. */
static eg_err walk_dir(walk *w, int fd) {
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = EG_OK;
    for (struct dirent *x; e == EG_OK && (x = readdir(d));) {
        e = walk_entry(w, fd, x->d_name);
    }
    closedir(d);
    return e;
}

eg_err eg_backup_walk(int dir_fd, const char *path, eg_err (*each)(void *ctx, const eg_backup_found *f), void *ctx) {
    walk w = {.each = each, .ctx = ctx};
    const int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EG_OK : eg_err_from_errno(errno);
    }
    return walk_dir(&w, fd);
}

eg_err eg_backup_remove_tree(int dir_fd, const char *path) {
    const int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EG_OK : eg_err_from_errno(errno);
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = EG_OK;
    for (struct dirent *x; e == EG_OK && (x = readdir(d));) {
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0 || unlinkat(fd, x->d_name, 0) == 0) {
            continue;
        }
        e = errno == EISDIR || errno == EPERM ? eg_backup_remove_tree(fd, x->d_name) : eg_err_from_errno(errno);
    }
    closedir(d);
    return e == EG_OK && unlinkat(dir_fd, path, AT_REMOVEDIR) != 0 ? eg_err_from_errno(errno) : e;
}

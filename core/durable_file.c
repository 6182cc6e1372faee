/* Whole-file replacement that survives a power cut, and bounded reading of small files. */
#include <embergate/durable_file.h>

#include <embergate/crypto.h>
#include <embergate/encoding.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_PIECE 16384u

static eg_err fail_errno(eg_problem *p, const char *what, const char *name) {
    int e = errno;
    return eg_fail(p, eg_err_from_errno(e), "Cannot %s \"%s\": %s.", what, name, strerrordesc_np(e) ? strerrordesc_np(e) : "unknown error");
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

eg_err eg_write_all(int fd, eg_bytes b) {
    while (b.len > 0) {
        ssize_t n = write(fd, b.ptr, b.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? EG_ERR_IO : eg_err_from_errno(errno);
        }
        b.ptr += n;
        b.len -= (size_t)n;
    }
    return EG_OK;
}

eg_err eg_pread_all(int fd, void *p, size_t n, int64_t offset) {
    uint8_t *out = p;
    while (n > 0) {
        ssize_t got = pread(fd, out, n, offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 ? EG_ERR_CORRUPT : eg_err_from_errno(errno);
        }
        out += got;
        n -= (size_t)got;
        offset += got;
    }
    return EG_OK;
}

eg_err eg_pread_cached(int fd, void *p, size_t n, int64_t offset) {
    const struct iovec whole = {p, n};
    /* Less than all, an end that comes too early and a file system that can't tell are all for whoever may wait. */
    return preadv2(fd, &whole, 1, offset, RWF_NOWAIT) == (ssize_t)n ? EG_OK : EG_ERR_BUSY;
}

/* What the kernel would have to ask the disk for, and a kernel that can't tell, are for whoever may wait. */
eg_err eg_open_cached(int dir_fd, const char *name, int *ret_fd) {
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW, .resolve = RESOLVE_CACHED};
    const long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
    if (fd < 0) {
        return EG_ERR_BUSY;
    }
    *ret_fd = (int)fd;
    return EG_OK;
}

eg_err eg_dir_sync(int dir_fd) {
    return fsync(dir_fd) == 0 ? EG_OK : eg_err_from_errno(errno);
}

/* The directory that holds `name`, and the name's last component (borrowed from `name`). */
static eg_err open_parent(int dir_fd, const char *name, int *ret_fd, const char **ret_last, eg_problem *p) {
    char dir[PATH_MAX] = ".";
    const char *slash = strrchr(name, '/');
    if (slash) {
        size_t n = slash == name ? 1 : (size_t)(slash - name);
        if (n >= sizeof dir) {
            return eg_fail(p, EG_ERR_LIMIT, "The path \"%s\" is too long.", name);
        }
        memcpy(dir, name, n);
        dir[n] = '\0';
    }
    const char *last = slash ? slash + 1 : name;
    if (last[0] == '\0' || strlen(last) > NAME_MAX - 24) {
        return eg_fail(p, EG_ERR_INVALID, "\"%s\" is no name for a file.", name);
    }
    int fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(p, "open the directory", dir);
    }
    *ret_fd = fd;
    *ret_last = last;
    return EG_OK;
}

static eg_err write_temporary(int parent, const char *temporary, mode_t mode, eg_bytes content, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0700);
    if (fd < 0) {
        return fail_errno(p, "create", temporary);
    }
    eg_err e = eg_write_all(fd, content);
    if (e != EG_OK) {
        return eg_fail(p, e, "Cannot write \"%s\": %s.", temporary, eg_err_code(e));
    }
    if (fchmod(fd, mode) != 0) {
        return fail_errno(p, "set the mode of", temporary);
    }
    return fsync(fd) == 0 ? EG_OK : fail_errno(p, "sync", temporary);
}

eg_err eg_file_replace(int dir_fd, const char *name, mode_t mode, eg_bytes content, eg_problem *p) {
    EG_CLEANUP(close_fd) int parent = -1;
    const char *last = NULL;
    EG_TRY(open_parent(dir_fd, name, &parent, &last, p));
    uint8_t random[8];
    char suffix[2 * sizeof random + 1];
    eg_random(random, sizeof random);
    eg_hex((eg_bytes){random, sizeof random}, suffix);
    char temporary[NAME_MAX + 1];
    snprintf(temporary, sizeof temporary, ".%s.%s", last, suffix);
    eg_err e = write_temporary(parent, temporary, mode, content, p);
    if (e == EG_OK && renameat(parent, temporary, parent, last) != 0) {
        e = fail_errno(p, "rename into place", name);
    }
    if (e != EG_OK) {
        unlinkat(parent, temporary, 0);
        return e;
    }
    return fsync(parent) == 0 ? EG_OK : fail_errno(p, "sync the directory of", name);
}

/* Straight into the caller's buffer, so that no second copy of a key is left behind. */
static eg_err read_whole(int fd, size_t max, eg_buf *ret) {
    for (size_t left = max;;) {
        size_t room = ret->max - ret->len;
        size_t ask = left < room ? left : room;
        ask = ask < 65536 ? ask : 65536;
        char probe;
        char *at = &probe; /* when nothing more may come, one byte tells whether more is there */
        if (ask > 0) {
            EG_TRY(eg_buf_reserve(ret, ask, &at));
        }
        ssize_t n = read(fd, at, ask > 0 ? ask : 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0 && ret->ptr) {
            ret->ptr[ret->len] = '\0'; /* reserve ended it where all that was asked for would have */
        }
        if (n <= 0) {
            return n == 0 ? EG_OK : eg_err_from_errno(errno);
        }
        if (ask == 0) {
            return EG_ERR_LIMIT;
        }
        ret->len += (size_t)n;
        left -= (size_t)n;
    }
}

eg_err eg_file_read(int dir_fd, const char *name, size_t max, eg_buf *ret, eg_problem *p) {
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    EG_CLEANUP(close_fd) int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ELOOP) {
            return eg_fail(p, EG_ERR_INVALID, "\"%s\" is a symbolic link.", name);
        }
        return fail_errno(p, "open", name);
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail_errno(p, "examine", name);
    }
    if (!S_ISREG(st.st_mode)) {
        return eg_fail(p, EG_ERR_INVALID, "\"%s\" is not a regular file.", name);
    }
    size_t before = ret->len;
    eg_err e = read_whole(fd, max, ret);
    if (e != EG_OK) {
        ret->len = before;
        size_t allowed = max < ret->max - before ? max : ret->max - before;
        return e == EG_ERR_LIMIT ? eg_fail(p, e, "\"%s\" is larger than the %zu bytes allowed.", name, allowed)
                                 : eg_fail(p, e, "Cannot read \"%s\".", name);
    }
    return EG_OK;
}

static eg_err make_one(const char *path, mode_t mode, eg_problem *p) {
    if (mkdir(path, mode) == 0 || errno == EEXIST) {
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            return EG_OK;
        }
        return eg_fail(p, EG_ERR_EXISTS, "\"%s\" exists and is not a directory.", path);
    }
    return fail_errno(p, "create the directory", path);
}

eg_err eg_dir_make(const char *path, mode_t mode, eg_problem *p) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        return eg_fail(p, EG_ERR_INVALID, "\"%s\" is no name for a directory.", path);
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            EG_TRY(make_one(part, 0755, p));
            part[i] = '/';
        }
    }
    return make_one(path, mode, p);
}

/* In pieces: the kernel keeps what one call writes as one block of memory, and looks through all of that block's pages for each page that is written into it later. */
eg_err eg_write_zeros(int fd, uint64_t from, uint64_t to) {
    static const uint8_t zeros[ZEROS_PIECE];
    while (from < to) {
        const uint64_t left = to - from;
        const ssize_t put = pwrite(fd, zeros, left < sizeof zeros ? (size_t)left : sizeof zeros, (off_t)from);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? eg_err_from_errno(errno) : EG_ERR_IO;
        }
        from += (uint64_t)put;
    }
    return EG_OK;
}

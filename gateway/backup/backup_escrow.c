/* Keeps the escrows of key files: written whole, overwritten before they are removed. */
#include "backup_escrow.h"

#include <embergate/crypto.h>
#include <embergate/durable_file.h>
#include <embergate/json.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX ((size_t)8192)
#define LIST_MAX ((size_t)65536)
#define PATH_MAX_HERE 4096

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static eg_err open_dir(const char *path, int *ret, eg_problem *p) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        const int saved = errno;
        return eg_fail(p, eg_err_from_errno(saved), "'%s' can't be opened: %s", path, strerror(saved));
    }
    *ret = fd;
    return EG_OK;
}

static bool is_key_file(const char *name) {
    const size_t n = strlen(name);
    return n >= 40 && n < 200 && strcmp(name + n - 4, ".key") == 0 && eg_uuid_valid((eg_str){name, 36});
}

/* In place, so that the blocks that held the key are those written, as far as file system and disk keep to that. */
static eg_err overwrite(int dir_fd, const char *name) {
    EG_CLEANUP(close_fd) int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    uint8_t noise[KEY_FILE_MAX];
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return eg_err_from_errno(errno);
    }
    const size_t n = st.st_size < (off_t)sizeof noise ? (size_t)st.st_size : sizeof noise;
    eg_random(noise, n);
    EG_TRY(eg_write_all(fd, (eg_bytes){noise, n}));
    return fsync(fd) == 0 ? EG_OK : eg_err_from_errno(errno);
}

static eg_err wipe(int dir_fd, const char *name) {
    EG_TRY(overwrite(dir_fd, name));
    return unlinkat(dir_fd, name, 0) == 0 ? EG_OK : eg_err_from_errno(errno);
}

/* Calls fn for every key file of a directory. */
static eg_err each(int dir_fd, eg_err (*fn)(void *ctx, int dir_fd, const char *name), void *ctx) {
    const int again = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    if (!d) {
        const int saved = errno;
        if (again >= 0) {
            close(again);
        }
        return eg_err_from_errno(saved);
    }
    eg_err e = EG_OK;
    for (struct dirent *x; e == EG_OK && (x = readdir(d));) {
        if (is_key_file(x->d_name)) {
            e = fn(ctx, dir_fd, x->d_name);
        }
    }
    closedir(d);
    return e;
}

static eg_err copy_in(void *ctx, int from_fd, const char *name) {
    const int *to_fd = ctx;
    EG_CLEANUP(eg_buf_done) eg_buf now;
    EG_CLEANUP(eg_buf_done) eg_buf there;
    eg_buf_init(&now, KEY_FILE_MAX);
    eg_buf_init(&there, KEY_FILE_MAX);
    const eg_err e = eg_file_read(from_fd, name, KEY_FILE_MAX, &now, NULL);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK; /* destroyed at this moment: the second walk removes it */
    }
    EG_TRY(e);
    if (eg_file_read(*to_fd, name, KEY_FILE_MAX, &there, NULL) == EG_OK) {
        if (there.len == now.len && memcmp(there.ptr, now.ptr, now.len) == 0) {
            return EG_OK;
        }
        EG_TRY(overwrite(*to_fd, name)); /* what it held may have been destroyed */
    }
    return eg_file_replace(*to_fd, name, 0600, eg_buf_bytes(&now), NULL);
}

static eg_err drop_gone(void *ctx, int to_fd, const char *name) {
    const int *from_fd = ctx;
    return faccessat(*from_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? EG_OK : wipe(to_fd, name);
}

eg_err eg_escrow_sync(const char *keeper_dir, const char *escrow_dir, eg_problem *p) {
    char tenants[PATH_MAX_HERE];
    EG_CLEANUP(close_fd) int from = -1;
    EG_CLEANUP(close_fd) int to = -1;
    const int n = snprintf(tenants, sizeof tenants, "%s/tenants", keeper_dir);
    if (n < 0 || n >= (int)sizeof tenants) {
        return eg_fail(p, EG_ERR_LIMIT, "the path of the keeper is too long");
    }
    EG_TRY(eg_dir_make(escrow_dir, 0700, p));
    EG_TRY(open_dir(tenants, &from, p));
    EG_TRY(open_dir(escrow_dir, &to, p));
    eg_err e = each(from, copy_in, &to);
    e = e != EG_OK ? e : each(to, drop_gone, &from);
    e = e != EG_OK ? e : eg_dir_sync(to);
    return e == EG_OK ? e : eg_fail(p, e, "the keys could not be copied to the escrow '%s': %s", escrow_dir, eg_err_code(e));
}

static eg_err wipe_tenant(void *ctx, int dir_fd, const char *name) {
    const eg_str *tenant = ctx;
    return eg_str_eq((eg_str){name, 36}, *tenant) ? wipe(dir_fd, name) : EG_OK;
}

eg_err eg_escrow_erase(const char *escrow_dir, eg_str tenant, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = -1;
    EG_TRY(open_dir(escrow_dir, &fd, p));
    eg_err e = each(fd, wipe_tenant, &tenant);
    e = e != EG_OK ? e : eg_dir_sync(fd);
    return e == EG_OK ? e : eg_fail(p, e, "the escrow '%s' could not be erased: %s", escrow_dir, eg_err_code(e));
}

static eg_err list_path(const char *state_dir, char ret[PATH_MAX_HERE], eg_problem *p) {
    const int n = snprintf(ret, PATH_MAX_HERE, "%s/escrows.json", state_dir);
    return n > 0 && n < PATH_MAX_HERE ? EG_OK : eg_fail(p, EG_ERR_LIMIT, "the path of the state directory is too long");
}

static eg_err read_list(const char *state_dir, json_t **ret, eg_problem *p) {
    char path[PATH_MAX_HERE];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, LIST_MAX);
    EG_TRY(list_path(state_dir, path, p));
    const eg_err e = eg_file_read(AT_FDCWD, path, LIST_MAX, &text, NULL);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = json_array();
        return *ret ? EG_OK : EG_ERR_NO_MEMORY;
    }
    EG_JSON_AUTO v = NULL;
    if (e != EG_OK || eg_json_parse(eg_buf_str(&text), LIST_MAX, &v, NULL) != EG_OK || !json_is_array(v)) {
        return eg_fail(p, EG_ERR_CORRUPT, "'%s' can't be read", path);
    }
    *ret = json_incref(v);
    return EG_OK;
}

eg_err eg_escrow_remember(const char *state_dir, const char *escrow_dir, eg_problem *p) {
    char path[PATH_MAX_HERE];
    EG_JSON_AUTO v = NULL;
    size_t i;
    const json_t *x;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, LIST_MAX);
    EG_TRY(read_list(state_dir, &v, p));
    json_array_foreach(v, i, x) {
        if (json_is_string(x) && strcmp(json_string_value(x), escrow_dir) == 0) {
            return EG_OK;
        }
    }
    EG_TRY(json_array_append_new(v, json_string(escrow_dir)) == 0 ? EG_OK : EG_ERR_NO_MEMORY);
    EG_TRY(eg_json_write(v, &text));
    EG_TRY(list_path(state_dir, path, p));
    return eg_file_replace(AT_FDCWD, path, 0600, eg_buf_bytes(&text), p);
}

eg_err eg_escrow_erase_all(const char *state_dir, eg_str tenant, eg_buf *ret_json, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_JSON_AUTO out = json_array();
    size_t i;
    const json_t *x;
    EG_TRY(read_list(state_dir, &v, p));
    json_array_foreach(v, i, x) {
        eg_problem ignored = {0};
        const char *path = json_is_string(x) ? json_string_value(x) : "";
        const eg_err e = eg_escrow_erase(path, tenant, &ignored);
        json_array_append_new(out, json_pack("{s:s, s:s}", "path", path, "state", e == EG_OK ? "erased" : "unreachable"));
    }
    return eg_json_write(out, ret_json);
}

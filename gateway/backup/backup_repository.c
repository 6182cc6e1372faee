/* Opens repositories, lists, reads and removes points. */
#include "backup_repository.h"

#include "../process/signed_statement.h"
#include "backup_copy.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_FILE "BACKUP"
#define MARK "embergate backup 1\n"
#define DELETING ".deleting-"
#define PARTIAL ".partial-"
#define POINTS_MAX 100000
#define MANIFEST_MAX ((size_t)1 << 17)

bool eg_backup_name_ok(eg_str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!((c >= '0' && c <= '9') || c == 'T' || c == 'Z' || (c == '.' && i > 0))) {
            return false;
        }
    }
    return name.len > 0 && name.len < EG_BACKUP_NAME_LEN;
}

void eg_backup_repository_close(eg_backup_repository *r) {
    if (r->lock_fd >= 0) {
        close(r->lock_fd);
    }
    if (r->fd >= 0) {
        close(r->fd);
    }
    *r = (eg_backup_repository){-1, -1};
}

static eg_err check_mark(const eg_backup_repository *r, const char *dir, bool write, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 64);
    const eg_err e = eg_file_read(r->fd, MARK_FILE, 64, &text, NULL);
    if (e == EG_OK && eg_str_is(eg_buf_str(&text), MARK)) {
        return EG_OK;
    }
    if (e == EG_OK) {
        return eg_fail(p, EG_ERR_FORMAT_VERSION, "'%s' holds backups of another version of embergate", dir);
    }
    if (!write) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "'%s' is no repository of backups", dir);
    }
    return eg_file_replace(r->fd, MARK_FILE, 0600, eg_str_bytes(EG_LIT(MARK)), p);
}

/* Calls fn for each name in points/. */
static eg_err each_name(const eg_backup_repository *r, eg_err (*fn)(void *ctx, const char *name), void *ctx) {
    const int fd = openat(r->fd, "points", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        const int saved = errno;
        if (fd >= 0) {
            close(fd);
        }
        return saved == ENOENT ? EG_OK : eg_err_from_errno(saved);
    }
    eg_err e = EG_OK;
    for (struct dirent *x; e == EG_OK && (x = readdir(d));) {
        e = fn(ctx, x->d_name);
    }
    closedir(d);
    return e;
}

typedef struct names {
    eg_backup_name *list;
    size_t count, cap;
    const char *prefix;        /* "" = whole points */
} names;

static eg_err add_name(void *ctx, const char *name) {
    names *n = ctx;
    const size_t prefix = strlen(n->prefix);
    if (strncmp(name, n->prefix, prefix) != 0 || !eg_backup_name_ok(eg_str_of(name + prefix))) {
        return EG_OK;
    }
    if (n->count == n->cap) {
        const size_t cap = n->cap ? 2 * n->cap : 64;
        eg_backup_name *grown = cap > POINTS_MAX ? NULL : realloc(n->list, cap * sizeof *grown);
        if (!grown) {
            return EG_ERR_LIMIT;
        }
        n->list = grown;
        n->cap = cap;
    }
    (void)snprintf(n->list[n->count++], sizeof n->list[0], "%s", name + prefix);
    return EG_OK;
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static eg_err names_with(const eg_backup_repository *r, const char *prefix, eg_backup_name **ret, size_t *ret_n) {
    names n = {.prefix = prefix};
    const eg_err e = each_name(r, add_name, &n);
    if (e != EG_OK) {
        free(n.list);
        return e;
    }
    if (n.count > 1) {
        qsort(n.list, n.count, sizeof *n.list, compare);
    }
    *ret = n.list;
    *ret_n = n.count;
    return EG_OK;
}

eg_err eg_backup_points(const eg_backup_repository *r, eg_backup_name **ret, size_t *ret_n) { return names_with(r, "", ret, ret_n); }

static eg_err read_list(const eg_backup_repository *r, const char *folder, eg_backup_list *ret, uint8_t ret_digest[EG_SHA256_LEN]) {
    char path[EG_BACKUP_PATH_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_BACKUP_LIST_MAX);
    (void)snprintf(path, sizeof path, "points/%s/files", folder);
    EG_TRY(eg_file_read(r->fd, path, EG_BACKUP_LIST_MAX, &text, NULL));
    eg_sha256(eg_buf_bytes(&text), ret_digest);
    EG_TRY(eg_backup_list_parse(eg_buf_str(&text), ret));
    eg_backup_list_sort(ret);
    return EG_OK;
}

eg_err eg_backup_point_read(const eg_backup_repository *r, const char *name, eg_str verifier_key, eg_backup_point *ret, eg_problem *p) {
    char path[EG_BACKUP_PATH_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    uint8_t digest[EG_SHA256_LEN];
    eg_backup_point pt = {0};
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, MANIFEST_MAX);
    (void)snprintf(pt.name, sizeof pt.name, "%s", name);
    (void)snprintf(path, sizeof path, "points/%s/manifest.json", name);
    EG_TRY(eg_file_read(r->fd, path, MANIFEST_MAX, &text, p));
    EG_TRY(eg_statement_open(EG_STATEMENT_BACKUP, eg_buf_str(&text), verifier_key, &pt.manifest, p));
    eg_err e = read_list(r, name, &pt.list, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    if (e == EG_OK && !eg_str_is(eg_json_str(pt.manifest, "list"), hex)) {
        e = EG_ERR_CORRUPT;
    }
    if (e == EG_OK && !eg_str_is(eg_json_str(pt.manifest, "point"), name)) {
        e = EG_ERR_CORRUPT;
    }
    if (e != EG_OK) {
        eg_backup_point_done(&pt);
        return eg_fail(p, e, "the list of files of the point %s is damaged or not the one that was signed", name);
    }
    *ret = pt;
    return EG_OK;
}

void eg_backup_point_done(eg_backup_point *pt) {
    json_decref(pt->manifest);
    eg_backup_list_done(&pt->list);
    *pt = (eg_backup_point){0};
}

eg_err eg_backup_place(const char *point, const eg_backup_file *f, char ret[EG_BACKUP_PATH_LEN]) {
    const int n = f->pooled ? snprintf(ret, EG_BACKUP_PATH_LEN, "pool/%s", f->path) : snprintf(ret, EG_BACKUP_PATH_LEN, "points/%s/tree/%s", point, f->path);
    return n > 0 && n < EG_BACKUP_PATH_LEN ? EG_OK : EG_ERR_LIMIT;
}

/* The point is set aside by its name first; a crash later on only means that this is done again. */
static eg_err drop(const eg_backup_repository *r, const char *folder, const char *oldest_left) {
    eg_backup_list gone = {0}, left = {0};
    uint8_t digest[EG_SHA256_LEN];
    char path[EG_BACKUP_PATH_LEN];
    eg_err e = read_list(r, folder, &gone, digest);
    if (e == EG_OK && oldest_left) {
        e = read_list(r, oldest_left, &left, digest);
    }
    for (size_t i = 0; e == EG_OK && i < gone.count; i++) {
        if (gone.files[i].pooled && !eg_backup_list_find(&left, gone.files[i].path) && eg_backup_place("", &gone.files[i], path) == EG_OK) {
            (void)unlinkat(r->fd, path, 0);
        }
    }
    eg_backup_list_done(&gone);
    eg_backup_list_done(&left);
    (void)snprintf(path, sizeof path, "points/%s", folder);
    return e == EG_OK || e == EG_ERR_NOT_FOUND ? eg_backup_remove_tree(r->fd, path) : e;
}

/* Of a writer that died: points that were being removed go, points that were being made go. What was copied into the pool stays for the next. */
static eg_err finish_left_over(const eg_backup_repository *r) {
    eg_backup_name *points = NULL, *deleting = NULL, *partial = NULL;
    size_t n = 0, deletings = 0, partials = 0;
    char folder[EG_BACKUP_PATH_LEN];
    eg_err e = names_with(r, "", &points, &n);
    e = e != EG_OK ? e : names_with(r, DELETING, &deleting, &deletings);
    e = e != EG_OK ? e : names_with(r, PARTIAL, &partial, &partials);
    for (size_t i = 0; e == EG_OK && i < deletings; i++) {
        (void)snprintf(folder, sizeof folder, DELETING "%s", deleting[i]);
        e = drop(r, folder, n ? points[0] : NULL);
    }
    for (size_t i = 0; e == EG_OK && i < partials; i++) {
        (void)snprintf(folder, sizeof folder, "points/" PARTIAL "%s", partial[i]);
        e = eg_backup_remove_tree(r->fd, folder);
    }
    free(points);
    free(deleting);
    free(partial);
    return e;
}

eg_err eg_backup_repository_open(const char *dir, bool write, eg_backup_repository *ret, eg_problem *p) {
    eg_backup_repository r = {-1, -1};
    if (write) {
        EG_TRY(eg_dir_make(dir, 0700, p));
    }
    r.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r.fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", dir, strerror(errno));
    }
    eg_err e = EG_OK;
    if (write) {
        r.lock_fd = openat(r.fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        e = r.lock_fd >= 0 && flock(r.lock_fd, LOCK_EX | LOCK_NB) == 0 ? EG_OK : eg_fail(p, EG_ERR_LOCKED, "another backup writes to '%s'", dir);
    }
    e = e != EG_OK ? e : check_mark(&r, dir, write, p);
    if (e == EG_OK && write) {
        e = mkdirat(r.fd, "points", 0700) == 0 || errno == EEXIST ? finish_left_over(&r) : eg_err_from_errno(errno);
        e = e == EG_OK ? e : eg_fail(p, e, "'%s' can't be written: %s", dir, eg_err_code(e));
    }
    if (e != EG_OK) {
        eg_backup_repository_close(&r);
        return e;
    }
    *ret = r;
    return EG_OK;
}

eg_err eg_backup_prune(const eg_backup_repository *r, size_t keep, eg_problem *p) {
    eg_backup_name *points = NULL;
    size_t n = 0;
    eg_err e = eg_backup_points(r, &points, &n);
    for (size_t i = 0; e == EG_OK && n - i > keep; i++) {
        char from[EG_BACKUP_PATH_LEN], to[EG_BACKUP_PATH_LEN];
        (void)snprintf(from, sizeof from, "points/%s", points[i]);
        (void)snprintf(to, sizeof to, "points/" DELETING "%s", points[i]);
        e = renameat(r->fd, from, r->fd, to) == 0 ? drop(r, to + strlen("points/"), points[i + 1]) : eg_err_from_errno(errno);
    }
    free(points);
    return e == EG_OK ? e : eg_fail(p, e, "old points could not be removed: %s", eg_err_code(e));
}

/* Out of a backup: every file's digest is checked on its way, the keys come from the escrow and the recovery key. */
#include "backup_restore.h"

#include "../process/init.h"
#include "../process/state_dir.h"
#include "backup_copy.h"

#include <embergate/audit.h>
#include <embergate/clock.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/keys.h>
#include <embergate/policy.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX ((size_t)65536)
#define YAML_MAX ((size_t)1 << 20)

static eg_err damaged(const char *point, const char *path, const char *what, eg_problem *p) {
    return eg_fail(p, EG_ERR_CORRUPT, "the point %s is damaged: %s %s", point, path, what);
}

eg_err eg_backup_verify(const eg_backup_repository *r, const char *point, eg_str verifier_key, size_t *ret_files, uint64_t *ret_bytes, eg_problem *p) {
    eg_backup_point pt = {0};
    uint64_t bytes = 0;
    EG_TRY(eg_backup_point_read(r, point, verifier_key, &pt, p));
    eg_err e = EG_OK;
    for (size_t i = 0; e == EG_OK && i < pt.list.count; i++) {
        const eg_backup_file *f = &pt.list.files[i];
        char place[EG_BACKUP_PATH_LEN];
        uint8_t sha[EG_SHA256_LEN];
        uint64_t size = 0;
        e = eg_backup_place(point, f, place);
        e = e != EG_OK ? e : eg_backup_digest(r->fd, place, f->pooled ? f->size : 0, &size, sha);
        if (e == EG_ERR_NOT_FOUND) {
            e = damaged(point, f->path, "is missing", p);
        } else if (e == EG_OK && (size != f->size || memcmp(sha, f->sha256, sizeof sha) != 0)) {
            e = damaged(point, f->path, "is not what was signed", p);
        }
        bytes += size;
    }
    *ret_files = pt.list.count;
    *ret_bytes = bytes;
    eg_backup_point_done(&pt);
    return e;
}

typedef struct restoring {
    const eg_restore_options *o;
    eg_backup_repository repo;
    eg_backup_point point;
    int to_fd;
    uint64_t bytes;
} restoring;

static void restoring_done(restoring *r) {
    if (r->to_fd >= 0) {
        close(r->to_fd);
    }
    eg_backup_point_done(&r->point);
    eg_backup_repository_close(&r->repo);
}

static eg_err choose_point(restoring *r, eg_problem *p) {
    eg_backup_name *points = NULL;
    size_t n = 0;
    EG_TRY(eg_backup_points(&r->repo, &points, &n));
    const char *name = r->o->point ? r->o->point : n > 0 ? points[n - 1] : NULL;
    eg_err e = !name || !eg_backup_name_ok(eg_str_of(name)) ? eg_fail(p, EG_ERR_NOT_FOUND, "there is no such point in the backup") : EG_OK;
    e = e != EG_OK ? e : eg_backup_point_read(&r->repo, name, r->o->verifier_key, &r->point, p);
    free(points);
    return e;
}

static eg_err must_be_empty(const char *dir, eg_problem *p) {
    DIR *d = opendir(dir);
    size_t n = 0;
    if (!d) {
        return errno == ENOENT ? EG_OK : eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", dir, strerror(errno));
    }
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n <= 2 ? EG_OK : eg_fail(p, EG_ERR_EXISTS, "'%s' is not empty: a restore never writes over anything", dir);
}

static eg_err make_folders(const char *dir, eg_problem *p) {
    static const char *const folders[] = {"gateway/db", "gateway/segments", "gateway/audit", "keeper/tenants", "keeper/checkpoints", "ca", "profiles", "tls",
                                          "policies", "run", "clusters"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[EG_STATE_PATH_MAX];
        EG_TRY(eg_state_path(dir, folders[i], path, p));
        EG_TRY(eg_dir_make(path, 0700, p));
    }
    return EG_OK;
}

static eg_err copy_one(restoring *r, const eg_backup_file *f, eg_problem *p) {
    char place[EG_BACKUP_PATH_LEN];
    uint8_t sha[EG_SHA256_LEN];
    uint64_t size = 0;
    EG_TRY(eg_backup_place(r->point.name, f, place));
    const eg_backup_copy c = {r->repo.fd, r->to_fd, place, f->path, 0600, f->pooled ? f->size : 0};
    const eg_err e = eg_backup_copy_file(&c, &size, sha);
    if (e == EG_ERR_NOT_FOUND) {
        return damaged(r->point.name, f->path, "is missing", p);
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "'%s' could not be restored: %s", f->path, eg_err_code(e));
    }
    r->bytes += size;
    return size == f->size && memcmp(sha, f->sha256, sizeof sha) == 0 ? EG_OK : damaged(r->point.name, f->path, "is not what was signed", p);
}

/* FORMAT and what is sealed come later. */
static eg_err copy_files(restoring *r, eg_problem *p) {
    for (size_t i = 0; i < r->point.list.count; i++) {
        const eg_backup_file *f = &r->point.list.files[i];
        if (!f->sealed && strcmp(f->path, "FORMAT") != 0) {
            EG_TRY(copy_one(r, f, p));
        }
    }
    return EG_OK;
}

typedef struct keys_copy {
    int from_fd, to_fd;
} keys_copy;

static eg_err copy_key_file(void *ctx, const eg_backup_found *f) {
    const keys_copy *k = ctx;
    uint64_t size = 0;
    uint8_t sha[EG_SHA256_LEN];
    char to[EG_BACKUP_PATH_LEN];
    if (strchr(f->path, '/') || snprintf(to, sizeof to, "keeper/tenants/%s", f->path) >= (int)sizeof to) {
        return EG_OK;
    }
    const eg_backup_copy c = {k->from_fd, k->to_fd, f->path, to, 0600, 0};
    return eg_backup_copy_file(&c, &size, sha);
}

/* The tenants' keys from the escrow, the master key from the recovery key. */
static eg_err bring_keys(restoring *r, eg_problem *p) {
    char escrow[EG_STATE_PATH_MAX], keeper[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(r->o->from, "escrow", escrow, p));
    EG_TRY(eg_state_path(r->o->state_dir, "keeper", keeper, p));
    const char *from = r->o->escrow ? r->o->escrow : escrow;
    keys_copy k = {open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r->to_fd};
    if (k.from_fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "the escrow of keys '%s' can't be opened: %s", from, strerror(errno));
    }
    const eg_err e = eg_backup_walk(k.from_fd, ".", copy_key_file, &k);
    close(k.from_fd);
    if (e != EG_OK) {
        return eg_fail(p, e, "the keys could not be copied from the escrow: %s", eg_err_code(e));
    }
    return eg_keeper_recover(keeper, r->o->recovery_key, p);
}

static eg_err open_one(restoring *r, const eg_backup_file *f, const eg_secret *key, eg_problem *p) {
    char place[EG_BACKUP_PATH_LEN];
    uint8_t sha[EG_SHA256_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    EG_CLEANUP(eg_buf_done) eg_buf plain;
    eg_buf_init(&sealed, SECRET_MAX + EG_SEALED_OVERHEAD);
    eg_buf_init(&plain, SECRET_MAX);
    EG_TRY(eg_backup_place(r->point.name, f, place));
    EG_TRY(eg_file_read(r->repo.fd, place, SECRET_MAX + EG_SEALED_OVERHEAD, &sealed, p));
    eg_sha256(eg_buf_bytes(&sealed), sha);
    if (memcmp(sha, f->sha256, sizeof sha) != 0 || eg_open_sealed(eg_secret_bytes(key), eg_str_bytes(eg_str_of(f->path)), eg_buf_bytes(&sealed), &plain) != EG_OK) {
        return damaged(r->point.name, f->path, "does not open", p);
    }
    EG_TRY(eg_backup_make_parents(r->to_fd, f->path));
    const eg_err e = eg_file_replace(r->to_fd, f->path, 0600, eg_buf_bytes(&plain), p);
    eg_cleanse(plain.ptr, plain.len);
    return e;
}

static eg_err open_secrets(restoring *r, eg_problem *p) {
    char keeper[EG_STATE_PATH_MAX], purpose[64];
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    eg_keys *keys = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(eg_state_path(r->o->state_dir, "keeper", keeper, p));
    EG_TRY(eg_keeper_open_local(keeper, &keys, p));
    (void)snprintf(purpose, sizeof purpose, "backup:%s", r->point.name);
    eg_err e = eg_unbase64(eg_json_str(r->point.manifest, "wrappedKey"), wrapped, sizeof wrapped, &n);
    e = e != EG_OK ? e : keys->unwrap(keys->ctx, EG_LIT(EG_AUDIT_SERVER_TENANT), eg_str_of(purpose), (eg_bytes){wrapped, n}, &key);
    eg_keeper_local_free(keys);
    if (e != EG_OK) {
        (void)eg_fail(p, e, "the escrow lacks the server's own key, or it is another installation's: %s", eg_err_code(e));
        return eg_fail_hint(p, "give the escrow of this backup with --escrow DIR");
    }
    for (size_t i = 0; e == EG_OK && i < r->point.list.count; i++) {
        e = r->point.list.files[i].sealed ? open_one(r, &r->point.list.files[i], key, p) : EG_OK;
    }
    return e;
}

/* state_dir is a line of its own, as init wrote it: it says where the directory is now. */
static eg_err rewrite_config(restoring *r, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf old;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&old, YAML_MAX);
    eg_buf_init(&text, YAML_MAX + EG_STATE_PATH_MAX);
    EG_TRY(eg_file_read(r->to_fd, "embergate.yaml", YAML_MAX, &old, p));
    for (eg_str rest = eg_buf_str(&old); rest.ptr && rest.len > 0;) {
        const eg_str line = eg_str_cut(&rest, '\n');
        if (eg_str_starts(line, "state_dir:")) {
            EG_JSON_AUTO path = json_string(r->o->state_dir); /* a JSON string is one of YAML */
            (void)eg_buf_adds(&text, "state_dir: ");
            EG_TRY(path ? eg_json_write(path, &text) : EG_ERR_NO_MEMORY);
        } else {
            (void)eg_buf_add(&text, line.ptr, line.len);
        }
        (void)eg_buf_adds(&text, "\n");
    }
    EG_TRY(text.err);
    return eg_file_replace(r->to_fd, "embergate.yaml", 0644, eg_buf_bytes(&text), p);
}

static eg_err open_to_readers(void *ctx, const eg_backup_found *f) {
    const int *fd = ctx;
    const mode_t mode = strcmp(f->path, "server.key") == 0 ? 0600 : 0644;
    return fchmodat(*fd, f->path, mode, 0) == 0 ? EG_OK : eg_err_from_errno(errno);
}

/* Folders of policies that the gateway's group must be able to enter. */
static eg_err give_modes(restoring *r, eg_problem *p) {
    static const char *const folders[] = {"policies", "tls"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        int fd = openat(r->to_fd, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        const eg_err e = eg_backup_walk(fd, ".", open_to_readers, &fd);
        close(fd);
        EG_TRY(e == EG_OK ? e : eg_fail(p, e, "'%s' can't be given its modes", folders[i]));
    }
    for (size_t i = 0; i < EG_POLICY_KIND_COUNT; i++) {
        char below[96];
        (void)snprintf(below, sizeof below, "policies/%s", eg_policy_folders[i]);
        if ((mkdirat(r->to_fd, below, 0755) != 0 && errno != EEXIST) || fchmodat(r->to_fd, below, 0755, 0) != 0) { /* whatever the umask is */
            return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be made: %s", below, strerror(errno));
        }
    }
    return EG_OK;
}

static eg_err ensure_users(const eg_config *c, eg_problem *p) {
    if (geteuid() != 0) {
        return EG_OK;
    }
    const char *const users[] = {c->user_gateway, c->user_keeper};
    for (size_t i = 0; i < 2; i++) {
        EG_TRY(*users[i] ? eg_unix_user_ensure(users[i], p) : EG_OK);
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        EG_TRY(*c->clusters[i].user ? eg_unix_user_ensure(c->clusters[i].user, p) : EG_OK);
    }
    return EG_OK;
}

static eg_err finish(restoring *r, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(rewrite_config(r, p));
    EG_TRY(eg_state_path(r->o->state_dir, "embergate.yaml", path, p));
    EG_TRY(eg_config_load(path, &c, p));
    EG_TRY(ensure_users(c, p));
    EG_TRY(give_modes(r, p));
    if (syncfs(r->to_fd) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be synced: %s", r->o->state_dir, strerror(errno));
    }
    EG_TRY(eg_file_replace(r->to_fd, "FORMAT", 0644, eg_str_bytes(EG_LIT(EG_STATE_FORMAT "\n")), p));
    return eg_init_owners(c, p);
}

static eg_err run(restoring *r, eg_problem *p) {
    EG_TRY(must_be_empty(r->o->state_dir, p));
    EG_TRY(eg_backup_repository_open(r->o->from, false, &r->repo, p));
    EG_TRY(choose_point(r, p));
    if (!eg_str_is(eg_json_str(r->point.manifest, "stateFormat"), EG_STATE_FORMAT)) {
        return eg_fail(p, EG_ERR_FORMAT_VERSION, "the point %s was made by another version of embergate", r->point.name);
    }
    EG_TRY(eg_dir_make(r->o->state_dir, 0700, p));
    r->to_fd = open(r->o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->to_fd < 0 || fchmod(r->to_fd, 0700) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", r->o->state_dir, strerror(errno));
    }
    EG_TRY(make_folders(r->o->state_dir, p));
    EG_TRY(copy_files(r, p));
    EG_TRY(bring_keys(r, p));
    EG_TRY(open_secrets(r, p));
    return finish(r, p);
}

eg_err eg_backup_restore(const eg_restore_options *o, eg_restore_result *ret, eg_problem *p) {
    restoring r = {.o = o, .to_fd = -1, .repo = {-1, -1}};
    const int64_t began = eg_mono_ns(&eg_clock_system);
    const eg_err e = run(&r, p);
    if (e == EG_OK) {
        *ret = (eg_restore_result){.files = r.point.list.count, .bytes = r.bytes, .seconds = (double)(eg_mono_ns(&eg_clock_system) - began) / 1e9};
        memcpy(ret->point, r.point.name, sizeof ret->point);
    } else if (p->message[0] == '\0') {
        (void)eg_fail(p, e, "the restore failed: %s", eg_err_code(e));
    }
    restoring_done(&r);
    return e;
}

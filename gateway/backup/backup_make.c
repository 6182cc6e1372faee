/* The steps of a backup: hold, snapshot, let go, copy, escrow, sign, publish. docs/BACKUP.md says why this order. */
#include "backup_make.h"

#include "../process/admin_protocol.h"
#include "../process/signed_statement.h"
#include "../process/state_dir.h"
#include "backup_copy.h"
#include "backup_escrow.h"

#include <embergate/clock.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/kv.h>
#include <embergate/storage.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RESUME_FILE "resume"
#define RESUME_EVERY_BYTES ((uint64_t)256 << 20)
#define RESUME_EVERY_FILES 4096
#define WAIT_FOR_ANOTHER_S 60.0
#define SECRET_MAX ((size_t)65536)

typedef struct job {
    const eg_backup_options *o;
    eg_backup_repository repo;
    int state_fd, hold_fd;
    eg_backup_name point;
    char tree[64];               /* points/.partial-{point}/tree */
    eg_backup_list list;         /* of this point */
    eg_backup_list trusted;      /* what earlier points, or this one before it was killed, vouch for in the pool; sorted */
    eg_backup_list later;        /* found under the hold, copied after it: files that never change */
    eg_secret *key;              /* seals the secrets */
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t wrapped_len;
    eg_kv_snapshot *snapshot;
    eg_buf resume;
    size_t resume_files;
    uint64_t resume_bytes;
    uint64_t copied;
    double held_seconds;
    const char *below;           /* the folder that is being walked */
} job;

static double now_s(void) { return (double)eg_mono_ns(&eg_clock_system) / 1e9; }

static void job_done(job *j) {
    eg_kv_snapshot_close(j->snapshot);
    eg_secret_free(j->key);
    eg_buf_done(&j->resume);
    eg_backup_list_done(&j->list);
    eg_backup_list_done(&j->trusted);
    eg_backup_list_done(&j->later);
    if (j->hold_fd >= 0) {
        close(j->hold_fd);
    }
    if (j->state_fd >= 0) {
        close(j->state_fd);
    }
    eg_backup_repository_close(&j->repo);
}

static eg_err copy_failed(eg_err e, const char *path, eg_problem *p) { return eg_fail(p, e, "'%s' could not be copied: %s", path, eg_err_code(e)); }

/* Into the point's own tree, under the same path. */
static eg_err copy_own(job *j, const char *path) {
    char to[EG_BACKUP_PATH_LEN];
    eg_backup_file f = {.path = (char *)(uintptr_t)path};
    if (snprintf(to, sizeof to, "%s/%s", j->tree, path) >= (int)sizeof to) {
        return EG_ERR_LIMIT;
    }
    const eg_backup_copy c = {j->state_fd, j->repo.fd, path, to, 0600, 0};
    EG_TRY(eg_backup_copy_file(&c, &f.size, f.sha256));
    j->copied += f.size;
    return eg_backup_list_add(&j->list, &f);
}

/* A tile that is full, or a segment: never changes. Partial tiles lie in folders that end with ".p". */
static bool is_final_tile(const char *path) { return strstr(path, "/tile/") && !strstr(path, ".p/"); }

static eg_err audit_file(void *ctx, const eg_backup_found *f) {
    job *j = ctx;
    char path[EG_BACKUP_PATH_LEN];
    if (snprintf(path, sizeof path, "%s/%s", j->below, f->path) >= (int)sizeof path) {
        return EG_ERR_LIMIT;
    }
    if (is_final_tile(path)) {
        return eg_backup_list_add(&j->later, &(eg_backup_file){.path = path, .pooled = true, .size = f->size});
    }
    const eg_err e = copy_own(j, path);
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err own_file(void *ctx, const eg_backup_found *f) {
    job *j = ctx;
    char path[EG_BACKUP_PATH_LEN];
    if (snprintf(path, sizeof path, "%s/%s", j->below, f->path) >= (int)sizeof path || strcmp(path, "tls/server.key") == 0) {
        return EG_OK; /* secrets are sealed, elsewhere */
    }
    const eg_err e = copy_own(j, path);
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err walk_own(job *j, const char *folder, eg_err (*each)(void *ctx, const eg_backup_found *f), eg_problem *p) {
    j->below = folder;
    const eg_err e = eg_backup_walk(j->state_fd, folder, each, j);
    return e == EG_OK ? e : copy_failed(e, folder, p);
}

/* Under the hold: what must be of the same moment as the store. Small, and quick. */
static eg_err copy_held(job *j, eg_problem *p) {
    static const char *const sealed[] = {"keeper/recovery.sealed", "keeper/token-signing.key", "keeper/log.key"};
    char db[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(j->o->state_dir, "gateway/db", db, p));
    EG_TRY(eg_kv_snapshot_open(db, &j->snapshot, p));
    EG_TRY(walk_own(j, "gateway/audit", audit_file, p));
    EG_TRY(walk_own(j, "keeper/checkpoints", own_file, p));
    for (size_t i = 0; i < sizeof sealed / sizeof sealed[0]; i++) {
        const eg_err e = copy_own(j, sealed[i]);
        EG_TRY(e == EG_OK ? e : copy_failed(e, sealed[i], p));
    }
    return EG_OK;
}

static eg_err take_key(job *j, const eg_ipc_msg *reply) {
    eg_ipc_reader in = eg_ipc_read(reply);
    eg_bytes key, wrapped;
    if (eg_ipc_take(&in, &key) != EG_OK || eg_ipc_take(&in, &wrapped) != EG_OK || key.len != EG_KEY_LEN || wrapped.len > sizeof j->wrapped) {
        return EG_ERR_CORRUPT;
    }
    memcpy(j->wrapped, wrapped.ptr, wrapped.len);
    j->wrapped_len = wrapped.len;
    j->key = eg_secret_new(key.ptr, key.len);
    return j->key ? EG_OK : EG_ERR_NO_MEMORY;
}

/* A backup that was killed while it held the log is noticed by the server within seconds: that is waited for. */
static eg_err begin(job *j, const char *purpose, eg_ipc_msg *ret, eg_problem *p) {
    const eg_admin_call c = {j->o->state_dir, EG_ADMIN_MSG_BACKUP_BEGIN, {eg_str_of(purpose)}, 1, 0};
    const double until = now_s() + WAIT_FOR_ANOTHER_S;
    eg_err e = eg_admin_ask_message(&c, ret, p);
    while (e == EG_ERR_BUSY && now_s() < until) {
        const struct timespec t = {0, 200000000};
        nanosleep(&t, NULL);
        *p = (eg_problem){0};
        e = eg_admin_ask_message(&c, ret, p);
    }
    return e;
}

static eg_err snapshot(job *j, eg_problem *p) {
    char purpose[64];
    eg_ipc_msg reply;
    eg_problem at_resume = {0};
    (void)snprintf(purpose, sizeof purpose, "backup:%s", j->point);
    EG_TRY(begin(j, purpose, &reply, p));
    const double began = now_s();
    eg_err e = take_key(j, &reply);
    eg_ipc_msg_done(&reply);
    e = e != EG_OK ? e : copy_held(j, p);
    const eg_err resumed = eg_admin_ask(&(eg_admin_call){j->o->state_dir, EG_ADMIN_MSG_BACKUP_RESUME, {{NULL, 0}}, 0, 0}, NULL, &at_resume);
    j->held_seconds = now_s() - began;
    if (e == EG_OK && resumed != EG_OK) {
        *p = at_resume; /* the log went on before all was copied: no one moment */
    }
    return e != EG_OK ? e : resumed;
}

/* Whoever is named in `resume` lies in the pool, synced: a backup that was killed goes on there. */
static eg_err write_resume(job *j) {
    if (j->resume_files == 0) {
        return EG_OK;
    }
    if (syncfs(j->repo.fd) != 0) {
        return eg_err_from_errno(errno);
    }
    const int fd = openat(j->repo.fd, RESUME_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    eg_err e = eg_write_all(fd, eg_buf_bytes(&j->resume));
    e = e == EG_OK && fdatasync(fd) != 0 ? eg_err_from_errno(errno) : e;
    close(fd);
    eg_buf_reset(&j->resume);
    j->resume_files = 0;
    j->resume_bytes = 0;
    return e;
}

static bool in_pool(const job *j, const char *place, uint64_t size) {
    struct stat st;
    return fstatat(j->repo.fd, place, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* A file that never changes: copied unless an earlier point has it. */
static eg_err copy_pooled(job *j, const char *path, uint64_t size) {
    char place[EG_BACKUP_PATH_LEN];
    eg_backup_file f = {.path = (char *)(uintptr_t)path, .pooled = true};
    EG_TRY(eg_backup_place("", &f, place));
    const eg_backup_file *known = eg_backup_list_find(&j->trusted, path);
    if (known && known->pooled && known->size == size && in_pool(j, place, size)) {
        f.size = known->size;
        memcpy(f.sha256, known->sha256, sizeof f.sha256);
        return eg_backup_list_add(&j->list, &f);
    }
    const eg_backup_copy c = {j->state_fd, j->repo.fd, path, place, 0600, 0};
    EG_TRY(eg_backup_copy_file(&c, &f.size, f.sha256));
    j->copied += f.size;
    j->resume_bytes += f.size;
    EG_TRY(eg_backup_list_line(&f, &j->resume));
    if (++j->resume_files >= RESUME_EVERY_FILES || j->resume_bytes >= RESUME_EVERY_BYTES) {
        EG_TRY(write_resume(j));
    }
    return eg_backup_list_add(&j->list, &f);
}

/* An append that failed takes its file away: no row of the snapshot names it. */
static eg_err segment_file(void *ctx, const eg_backup_found *f) {
    job *j = ctx;
    char path[EG_BACKUP_PATH_LEN];
    if (strncmp(f->path, "tmp/", 4) == 0 || !strchr(f->path, '/') || snprintf(path, sizeof path, "gateway/segments/%s", f->path) >= (int)sizeof path) {
        return EG_OK;
    }
    const eg_err e = copy_pooled(j, path, f->size);
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err copy_content(job *j, eg_problem *p) {
    for (size_t i = 0; i < j->later.count; i++) {
        const eg_err e = copy_pooled(j, j->later.files[i].path, j->later.files[i].size);
        EG_TRY(e == EG_OK ? e : copy_failed(e, j->later.files[i].path, p));
    }
    const eg_err e = eg_backup_walk(j->state_fd, "gateway/segments", segment_file, j);
    return e == EG_OK ? write_resume(j) : copy_failed(e, "gateway/segments", p);
}

static eg_err copy_store(job *j, eg_problem *p) {
    char dir[EG_STATE_PATH_MAX], place[EG_BACKUP_PATH_LEN];
    eg_backup_file f = {.path = (char *)(uintptr_t)"gateway/db/data.mdb"};
    (void)snprintf(place, sizeof place, "%s/gateway/db/data.mdb", j->tree);
    EG_TRY(eg_backup_make_parents(j->repo.fd, place));
    const int n = snprintf(dir, sizeof dir, "%s/%s/gateway/db", j->o->to, j->tree);
    EG_TRY(n > 0 && n < (int)sizeof dir ? EG_OK : EG_ERR_LIMIT);
    EG_TRY(eg_kv_snapshot_write(j->snapshot, dir, p));
    eg_kv_snapshot_close(j->snapshot);
    j->snapshot = NULL;
    EG_TRY(eg_backup_digest(j->repo.fd, place, 0, &f.size, f.sha256));
    j->copied += f.size;
    return eg_backup_list_add(&j->list, &f);
}

/* A secret in clear: sealed under the backup's data key, bound to its path. */
static eg_err copy_secret(job *j, const char *path) {
    char place[EG_BACKUP_PATH_LEN];
    eg_backup_file f = {.path = (char *)(uintptr_t)path, .sealed = true};
    EG_CLEANUP(eg_buf_done) eg_buf plain;
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&plain, SECRET_MAX);
    eg_buf_init(&sealed, SECRET_MAX + EG_SEALED_OVERHEAD);
    eg_err e = eg_file_read(j->state_fd, path, SECRET_MAX, &plain, NULL);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK; /* moved away, or another one is configured */
    }
    e = e != EG_OK ? e : eg_seal(eg_secret_bytes(j->key), eg_str_bytes(eg_str_of(path)), eg_buf_bytes(&plain), &sealed);
    eg_cleanse(plain.ptr, plain.len);
    EG_TRY(e);
    (void)snprintf(place, sizeof place, "%s/%s", j->tree, path);
    EG_TRY(eg_backup_make_parents(j->repo.fd, place));
    EG_TRY(eg_file_replace(j->repo.fd, place, 0600, eg_buf_bytes(&sealed), NULL));
    f.size = sealed.len;
    eg_sha256(eg_buf_bytes(&sealed), f.sha256);
    return eg_backup_list_add(&j->list, &f);
}

static eg_err copy_rest(job *j, eg_problem *p) {
    static const char *const folders[] = {"policies", "tls", "gateway/erasures"};
    static const char *const files[] = {"embergate.yaml", "FORMAT", "ca/ca.pem"};
    static const char *const secrets[] = {"tls/server.key", "ca/ca.key"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        EG_TRY(walk_own(j, folders[i], own_file, p));
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const eg_err e = copy_own(j, files[i]);
        EG_TRY(e == EG_OK || (e == EG_ERR_NOT_FOUND && i == 2) ? EG_OK : copy_failed(e, files[i], p));
    }
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        const eg_err e = copy_secret(j, secrets[i]);
        EG_TRY(e == EG_OK ? e : copy_failed(e, secrets[i], p));
    }
    return EG_OK;
}

static uint64_t bytes_of(const eg_backup_list *l) {
    uint64_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        n += l->files[i].size;
    }
    return n;
}

static eg_err make_manifest(job *j, const uint8_t digest[EG_SHA256_LEN], eg_buf *ret) {
    char hex[2 * EG_SHA256_LEN + 1];
    EG_CLEANUP(eg_buf_done) eg_buf wrapped;
    eg_buf_init(&wrapped, 512);
    eg_hex((eg_bytes){digest, EG_SHA256_LEN}, hex);
    EG_TRY(eg_base64((eg_bytes){j->wrapped, j->wrapped_len}, &wrapped));
    EG_JSON_AUTO v = json_pack("{s:i, s:s, s:s, s:s%, s:s, s:I, s:I}", "version", 1, "point", j->point, "stateFormat", EG_STATE_FORMAT, "wrappedKey", wrapped.ptr,
                               wrapped.len, "list", hex, "files", (json_int_t)j->list.count, "bytes", (json_int_t)bytes_of(&j->list));
    return v ? eg_statement_body(EG_STATEMENT_BACKUP, v, ret) : EG_ERR_NO_MEMORY;
}

static eg_err sign(job *j, eg_str body, eg_buf *ret_file, eg_problem *p) {
    eg_ipc_msg reply;
    eg_bytes sig, pub, origin;
    EG_TRY(eg_admin_ask_message(&(eg_admin_call){j->o->state_dir, EG_ADMIN_MSG_BACKUP_SIGN, {body}, 1, 0}, &reply, p));
    eg_ipc_reader in = eg_ipc_read(&reply);
    eg_err e = eg_ipc_take(&in, &sig);
    e = e != EG_OK ? e : eg_ipc_take(&in, &pub);
    e = e != EG_OK ? e : eg_ipc_take(&in, &origin);
    if (e == EG_OK) {
        e = sig.len == 64 && pub.len == 32 ? eg_statement_file(body, eg_bytes_str(origin), pub.ptr, sig.ptr, ret_file) : EG_ERR_CORRUPT;
    }
    eg_ipc_msg_done(&reply);
    return e == EG_OK ? e : eg_fail(p, e, "the manifest could not be signed");
}

/* Everything is synced before the point has its name: it is whole or not there. */
static eg_err publish(job *j, eg_problem *p) {
    char partial[64], path[128], final[64];
    uint8_t digest[EG_SHA256_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf list;
    EG_CLEANUP(eg_buf_done) eg_buf body;
    EG_CLEANUP(eg_buf_done) eg_buf manifest;
    eg_buf_init(&list, EG_BACKUP_LIST_MAX);
    eg_buf_init(&body, EG_STATEMENT_MAX);
    eg_buf_init(&manifest, 2 * EG_STATEMENT_MAX);
    eg_backup_list_sort(&j->list);
    EG_TRY(eg_backup_list_write(&j->list, &list));
    eg_sha256(eg_buf_bytes(&list), digest);
    EG_TRY(make_manifest(j, digest, &body));
    EG_TRY(sign(j, eg_buf_str(&body), &manifest, p));
    (void)snprintf(partial, sizeof partial, "points/.partial-%s", j->point);
    (void)snprintf(final, sizeof final, "points/%s", j->point);
    (void)snprintf(path, sizeof path, "%s/files", partial);
    EG_TRY(eg_file_replace(j->repo.fd, path, 0600, eg_buf_bytes(&list), p));
    (void)snprintf(path, sizeof path, "%s/manifest.json", partial);
    EG_TRY(eg_file_replace(j->repo.fd, path, 0600, eg_buf_bytes(&manifest), p));
    if (syncfs(j->repo.fd) != 0 || renameat(j->repo.fd, partial, j->repo.fd, final) != 0 || syncfs(j->repo.fd) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "the point could not be completed: %s", strerror(errno));
    }
    (void)unlinkat(j->repo.fd, RESUME_FILE, 0);
    return EG_OK;
}

/* The newest point that can be read, and what a killed backup had copied. Whatever can't be read is copied anew. */
static void trust_earlier(job *j) {
    eg_backup_name *points = NULL;
    size_t n = 0;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_problem ignored = {0};
    eg_buf_init(&text, EG_BACKUP_LIST_MAX);
    if (eg_file_read(j->repo.fd, RESUME_FILE, EG_BACKUP_LIST_MAX, &text, NULL) == EG_OK) {
        eg_str whole = eg_buf_str(&text);
        while (whole.len > 0 && whole.ptr[whole.len - 1] != '\n') {
            whole.len--; /* a line that was cut off */
        }
        if (eg_backup_list_parse(whole, &j->trusted) != EG_OK) {
            eg_backup_list_done(&j->trusted);
        }
    }
    if (eg_backup_points(&j->repo, &points, &n) == EG_OK && n > 0) {
        eg_backup_point pt = {0};
        if (eg_backup_point_read(&j->repo, points[n - 1], EG_LIT(""), &pt, &ignored) == EG_OK) {
            for (size_t i = 0; i < pt.list.count && (!pt.list.files[i].pooled || eg_backup_list_add(&j->trusted, &pt.list.files[i]) == EG_OK); i++) {
            }
        }
        eg_backup_point_done(&pt);
    }
    free(points);
    eg_backup_list_sort(&j->trusted);
}

/* From here on the reclaimer unlinks nothing, until this process ends or closes the file. */
static eg_err hold_segments(job *j, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(j->o->state_dir, "gateway/segments/" EG_SEGMENT_HOLD_FILE, path, p));
    j->hold_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (j->hold_fd < 0 || flock(j->hold_fd, LOCK_SH) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be locked: %s", path, strerror(errno));
    }
    return EG_OK;
}

static eg_err open_all(job *j, eg_problem *p) {
    struct timespec t;
    struct tm tm;
    char when[24];
    EG_TRY(eg_state_check(j->o->state_dir, p));
    j->state_fd = open(j->o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->state_fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", j->o->state_dir, strerror(errno));
    }
    EG_TRY(eg_backup_repository_open(j->o->to, true, &j->repo, p));
    clock_gettime(CLOCK_REALTIME, &t);
    (void)gmtime_r(&t.tv_sec, &tm);
    (void)strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
    (void)snprintf(j->point, sizeof j->point, "%.15s.%06uZ", when, (unsigned)(t.tv_nsec / 1000) % 1000000u);
    (void)snprintf(j->tree, sizeof j->tree, "points/.partial-%s/tree", j->point);
    eg_buf_init(&j->resume, (size_t)1 << 26);
    trust_earlier(j);
    return EG_OK;
}

static eg_err run(job *j, eg_problem *p) {
    char escrow[EG_STATE_PATH_MAX], keeper[EG_STATE_PATH_MAX];
    EG_TRY(open_all(j, p));
    EG_TRY(eg_state_path(j->o->to, "escrow", escrow, p));
    EG_TRY(eg_state_path(j->o->state_dir, "keeper", keeper, p));
    const char *to = j->o->escrow ? j->o->escrow : escrow;
    /* Remembered before there is anything in it: an erase that comes meanwhile knows where to look. */
    EG_TRY(eg_escrow_remember(j->o->state_dir, to, p));
    EG_TRY(hold_segments(j, p));
    EG_TRY(snapshot(j, p));
    EG_TRY(copy_store(j, p)); /* first, so that the store gets its pages back soon */
    EG_TRY(copy_content(j, p));
    close(j->hold_fd);
    j->hold_fd = -1;
    EG_TRY(copy_rest(j, p));
    EG_TRY(eg_escrow_sync(keeper, to, p));
    return publish(j, p);
}

eg_err eg_backup_make(const eg_backup_options *o, eg_backup_result *ret, eg_problem *p) {
    job j = {.o = o, .state_fd = -1, .hold_fd = -1, .repo = {-1, -1}};
    const double began = now_s();
    eg_err e = run(&j, p);
    if (e == EG_OK && o->keep > 0) {
        e = eg_backup_prune(&j.repo, o->keep, p);
    }
    if (e == EG_OK) {
        e = eg_admin_ask(&(eg_admin_call){o->state_dir, EG_ADMIN_MSG_BACKUP_END, {eg_str_of(j.point)}, 1, 0}, NULL, p);
    }
    if (e == EG_OK) {
        *ret = (eg_backup_result){.files = j.list.count, .bytes = bytes_of(&j.list), .copied = j.copied, .seconds = now_s() - began, .held_seconds = j.held_seconds};
        memcpy(ret->point, j.point, sizeof ret->point);
    } else if (p->message[0] == '\0') {
        (void)eg_fail(p, e, "the backup failed: %s", eg_err_code(e));
    }
    job_done(&j);
    return e;
}

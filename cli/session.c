/* Keeps what a sign-in has given: one file a session, in a folder that only its owner can enter, changed by one process at a time. */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/secret.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SESSION_VERSION 1
#define SESSION_BYTES_MAX 262144
#define LOCK_TRIES 600
#define LOCK_PAUSE_NS 100000000L

static const char *const audience_names[EG_AUDIENCES] = {[EG_CLI_GATEWAY] = "gateway", [EG_CLI_STORAGE] = "storage"};

static void wipe(eg_buf *b) {
    if (b->ptr) {
        eg_cleanse(b->ptr, b->cap);
    }
    eg_buf_done(b);
}

void eg_session_done(eg_session *s) {
    wipe(&s->refresh);
    for (size_t i = 0; i < EG_AUDIENCES; i++) {
        wipe(&s->access[i].token);
    }
}

static eg_err folder_path(char ret[PATH_MAX], eg_problem *p) {
    const char *given = getenv("EMBERGATE_SESSIONS"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = given && *given   ? snprintf(ret, PATH_MAX, "%s", given)
            : cache && *cache ? snprintf(ret, PATH_MAX, "%s/embergate/sessions", cache)
            : home && *home   ? snprintf(ret, PATH_MAX, "%s/.cache/embergate/sessions", home)
                              : 0;
    if (n <= 0 || n >= PATH_MAX) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "there is no place for sessions: HOME is not set");
    }
    return EG_OK;
}

static bool ours(const struct stat *st) {
    return st->st_uid == geteuid() && (st->st_mode & 077) == 0;
}

static eg_err open_folder(bool make, int *ret, eg_problem *p) {
    char path[PATH_MAX];
    struct stat st;
    EG_TRY(folder_path(path, p));
    if (make) {
        EG_TRY(eg_dir_make(path, 0700, p));
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EG_ERR_NOT_FOUND : eg_fail(p, EG_ERR_INVALID, "the folder of sessions can't be opened: %s", path);
    }
    if (fstat(fd, &st) != 0 || !ours(&st)) {
        close(fd);
        (void)eg_fail(p, EG_ERR_INVALID, "the folder of sessions belongs to somebody else, or others may enter it");
        (void)eg_fail_at(p, "%s", path);
        return eg_fail_hint(p, "chmod 700 it, or name another one in EMBERGATE_SESSIONS");
    }
    *ret = fd;
    return EG_OK;
}

/* Who signs in where: another profile, authority or client is another session. */
static void name_file(const eg_profile *profile, char ret[64]) {
    char real[PATH_MAX];
    const char *path = realpath(profile->path, real) ? real : profile->path;
    const char *const parts[] = {"embergate session v1", path, profile->endpoint, profile->tenant, profile->authority, profile->client_id};
    eg_bytes views[2 * sizeof parts / sizeof parts[0]];
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        views[n++] = eg_str_bytes(eg_str_of(parts[i]));
        views[n++] = eg_str_bytes(EG_LIT("\n"));
    }
    uint8_t digest[EG_SHA256_LEN];
    char hex[33];
    eg_sha256_v(views, n, digest);
    eg_hex((eg_bytes){digest, 16}, hex);
    (void)snprintf(ret, 64, "%s.json", hex);
}

static eg_err take_lock(const eg_session_place *at, int *ret, eg_problem *p) {
    char name[80];
    (void)snprintf(name, sizeof name, "%s.lock", at->file);
    int fd = openat(at->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "the lock of the session can't be made");
    }
    for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || tries == LOCK_TRIES) {
            close(fd);
            return eg_fail(p, EG_ERR_LOCKED, "another process has held this session for a minute");
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    *ret = fd;
    return EG_OK;
}

eg_err eg_session_enter(const eg_profile *profile, bool make, eg_session_place *ret, eg_problem *p) {
    eg_session_place at = {.dir = -1, .lock = -1};
    EG_TRY(open_folder(make, &at.dir, p));
    name_file(profile, at.file);
    /* Nothing is made for whoever never signed in. */
    eg_err e = make || faccessat(at.dir, at.file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? take_lock(&at, &at.lock, p) : EG_ERR_NOT_FOUND;
    if (e != EG_OK) {
        eg_session_leave(&at);
        return e;
    }
    *ret = at;
    return EG_OK;
}

void eg_session_leave(eg_session_place *at) {
    for (size_t i = 0; i < 2; i++) {
        int *fd = i == 0 ? &at->lock : &at->dir;
        if (*fd >= 0) {
            close(*fd); /* the lock goes with it */
        }
        *fd = -1;
    }
}

static eg_err take_member(const json_t *v, const char *name, eg_buf *ret) {
    eg_str s = eg_json_str(v, name);
    eg_buf_init(ret, EG_TOKEN_BYTES_MAX - 1);
    return s.len > 0 ? eg_buf_add(ret, s.ptr, s.len) : EG_OK;
}

static eg_err read_session(const json_t *v, eg_session *ret) {
    if (json_integer_value(json_object_get(v, "v")) != SESSION_VERSION) {
        return EG_ERR_FORMAT_VERSION;
    }
    eg_str name = eg_json_str(v, "name");
    (void)snprintf(ret->name, sizeof ret->name, "%.*s", EG_FMT(name));
    EG_TRY(take_member(v, "refresh_token", &ret->refresh));
    for (size_t i = 0; i < EG_AUDIENCES; i++) {
        const json_t *one = json_object_get(v, audience_names[i]);
        EG_TRY(take_member(one, "access_token", &ret->access[i].token));
        ret->access[i].expires_s = (int64_t)json_integer_value(json_object_get(one, "expires"));
    }
    return EG_OK;
}

static eg_err check_file(const eg_session_place *at, eg_problem *p) {
    struct stat st;
    if (fstatat(at->dir, at->file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return EG_ERR_NOT_FOUND;
    }
    return S_ISREG(st.st_mode) && ours(&st) ? EG_OK : eg_fail(p, EG_ERR_INVALID, "the session's file belongs to somebody else, or others may read it");
}

eg_err eg_session_load(const eg_session_place *at, eg_session *ret, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_CLEANUP(eg_session_done) eg_session s = {.name = ""};
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, SESSION_BYTES_MAX);
    EG_TRY(check_file(at, p));
    EG_TRY(eg_file_read(at->dir, at->file, SESSION_BYTES_MAX, &text, p));
    eg_err e = eg_json_parse(eg_buf_str(&text), SESSION_BYTES_MAX, &v, p);
    eg_cleanse(text.ptr, text.cap);
    e = e == EG_OK ? read_session(v, &s) : e;
    if (e != EG_OK) {
        (void)eg_fail(p, e, "the session's file can't be read");
        return eg_fail_hint(p, "embergate logout removes it");
    }
    *ret = s;
    s = (eg_session){.name = ""};
    return EG_OK;
}

static eg_err write_session(const eg_session *s, eg_buf *ret) {
    EG_JSON_AUTO v = json_pack("{s:i,s:s}", "v", SESSION_VERSION, "name", s->name);
    bool ok = v != NULL;
    if (ok && s->refresh.len > 0) {
        ok = json_object_set_new(v, "refresh_token", json_stringn(s->refresh.ptr, s->refresh.len)) == 0;
    }
    for (size_t i = 0; ok && i < EG_AUDIENCES; i++) {
        if (s->access[i].token.len > 0) {
            ok = json_object_set_new(v, audience_names[i], json_pack("{s:s%,s:I}", "access_token", s->access[i].token.ptr, s->access[i].token.len, "expires",
                                                                     (json_int_t)s->access[i].expires_s)) == 0;
        }
    }
    return ok ? eg_json_write(v, ret) : EG_ERR_NO_MEMORY;
}

eg_err eg_session_save(const eg_session_place *at, const eg_session *s, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, SESSION_BYTES_MAX);
    eg_err e = write_session(s, &text);
    if (e == EG_OK) {
        /* The file is replaced by a rename; no signal may leave the temporary one beside it. */
        sigset_t all, before;
        sigfillset(&all);
        (void)sigprocmask(SIG_BLOCK, &all, &before);
        e = eg_file_replace(at->dir, at->file, 0600, eg_buf_bytes(&text), p);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
    }
    if (text.ptr) {
        eg_cleanse(text.ptr, text.cap);
    }
    return e;
}

eg_err eg_session_remove(const eg_session_place *at, eg_problem *p) {
    /* The lock's file stays: whoever waits for it must not hold another one than who comes next. */
    if (unlinkat(at->dir, at->file, 0) != 0) {
        return errno == ENOENT ? EG_ERR_NOT_FOUND : eg_fail(p, eg_err_from_errno(errno), "the session's file can't be removed");
    }
    return EG_OK;
}

static eg_err replace(eg_buf *to, const eg_buf *from) {
    wipe(to);
    eg_buf_init(to, EG_TOKEN_BYTES_MAX - 1);
    return eg_buf_add(to, from->ptr, from->len);
}

eg_err eg_session_take(eg_session *s, const eg_profile *profile, eg_cli_audience audience, const eg_token_answer *a, eg_problem *p) {
    const int64_t expires_s = (int64_t)time(NULL) + a->expires_in_s;
    for (size_t i = 0; i < EG_AUDIENCES; i++) {
        if (i == (size_t)audience || eg_provider_one_token(profile)) {
            s->access[i].expires_s = expires_s;
            if (replace(&s->access[i].token, &a->access) != EG_OK) {
                return eg_fail(p, EG_ERR_LIMIT, "the access token is too long");
            }
        }
    }
    return a->refresh.len > 0 ? replace(&s->refresh, &a->refresh) : EG_OK;
}

/* Finds, makes and becomes the UNIX users of the processes. */
#include "unix_user.h"

#include <errno.h>
#include <fts.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_LEN 31
#define TRIES 4
#define PAUSE_NS 500000000

eg_err eg_unix_user_find(const char *name, eg_unix_user *ret, eg_problem *p) {
    if (!*name) {
        *ret = (eg_unix_user){geteuid(), getegid()};
        return EG_OK;
    }
    struct passwd entry, *found = NULL;
    char buf[4096];
    if (getpwnam_r(name, &entry, buf, sizeof buf, &found) != 0 || !found) {
        (void)eg_fail(p, EG_ERR_NOT_FOUND, "there is no UNIX user '%s'", name);
        if (p) {
            (void)eg_fail_hint(p, "make it with: useradd --system --no-create-home --shell /usr/sbin/nologin %s", name);
        }
        return EG_ERR_NOT_FOUND;
    }
    *ret = (eg_unix_user){found->pw_uid, found->pw_gid};
    return EG_OK;
}

static bool name_is_plain(const char *name) {
    return *name && strlen(name) <= NAME_MAX_LEN && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name) && *name != '-';
}

static eg_err run_useradd(const char *name, bool *ret_made, eg_problem *p) {
    char option_system[] = "--system", option_group[] = "--user-group", option_home[] = "--no-create-home", option_shell[] = "--shell",
         shell[] = "/usr/sbin/nologin", program[] = "useradd", name_copy[NAME_MAX_LEN + 1];
    memcpy(name_copy, name, strlen(name) + 1);
    char *argv[] = {program, option_system, option_group, option_home, option_shell, shell, name_copy, NULL};
    char *envp[] = {NULL};
    pid_t pid;
    int status = 0;
    const int rc = posix_spawn(&pid, "/usr/sbin/useradd", NULL, NULL, argv, envp);
    if (rc != 0) {
        return eg_fail(p, eg_err_from_errno(rc), "useradd could not be started: %s", strerror(rc));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    *ret_made = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return EG_OK;
}

/* Somebody else may be making the same user at this moment, or hold the lock of /etc/passwd: then it is there, or useradd can be asked again, a moment later. */
eg_err eg_unix_user_ensure(const char *name, eg_problem *p) {
    const struct timespec pause = {0, PAUSE_NS};
    eg_unix_user u;
    if (!name_is_plain(name)) {
        return eg_fail(p, EG_ERR_INVALID, "'%s' can't be the name of a system user", name);
    }
    for (int i = 0; i < TRIES; i++) {
        bool made = false;
        if (eg_unix_user_find(name, &u, NULL) == EG_OK) {
            return EG_OK;
        }
        EG_TRY(run_useradd(name, &made, p));
        if (!made && i + 1 < TRIES) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return eg_unix_user_find(name, &u, NULL) == EG_OK ? EG_OK : eg_fail(p, EG_ERR_IO, "useradd could not make the user '%s'", name);
}

eg_err eg_unix_user_become(const eg_unix_user *u, eg_problem *p) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return eg_fail(p, EG_ERR_INTERNAL, "no_new_privs could not be set: %s", strerror(errno));
    }
    if (geteuid() == u->uid) {
        return EG_OK;
    }
    if (setgroups(0, NULL) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 || setresuid(u->uid, u->uid, u->uid) != 0) {
        return eg_fail(p, EG_ERR_INTERNAL, "could not change to uid %u: %s", (unsigned)u->uid, strerror(errno));
    }
    if (u->uid != 0 && setuid(0) == 0) {
        return eg_fail(p, EG_ERR_INTERNAL, "uid %u could change back to root", (unsigned)u->uid);
    }
    return EG_OK;
}

eg_err eg_unix_user_own_tree(const char *path, const eg_unix_user *u, eg_problem *p) {
    char copy[4096];
    if (strlen(path) >= sizeof copy) {
        return eg_fail(p, EG_ERR_LIMIT, "the path is too long");
    }
    memcpy(copy, path, strlen(path) + 1);
    char *roots[] = {copy, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk) {
        return eg_fail(p, eg_err_from_errno(errno), "%s can't be walked: %s", path, strerror(errno));
    }
    eg_err e = EG_OK;
    for (FTSENT *f; e == EG_OK && (f = fts_read(walk));) {
        if (f->fts_info == FTS_DP) {
            continue;
        }
        if (lchown(f->fts_accpath, u->uid, u->gid) != 0) {
            e = eg_fail(p, eg_err_from_errno(errno), "%s can't be given to uid %u: %s", f->fts_path, (unsigned)u->uid, strerror(errno));
        }
    }
    (void)fts_close(walk);
    return e;
}

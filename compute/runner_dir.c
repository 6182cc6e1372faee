/* Makes, signals and removes the directory of one runner. */
#include "runner_dir.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = {EG_RUNNER_FILE_LOCK, EG_RUNNER_FILE_RECORD, EG_RUNNER_FILE_LOG, EG_RUNNER_FILE_EXIT, EG_RUNNER_FILE_CREDENTIAL};

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static eg_err cannot(eg_problem *p, const char *what, const char *name) {
    int e = errno;
    const char *why = strerrordesc_np(e);
    return eg_fail(p, eg_err_from_errno(e), "Cannot %s the runner's \"%s\": %s.", what, name, why ? why : "unknown error");
}

void eg_runner_dir_done(eg_runner_dir *d) {
    close_fd(&d->lock_fd);
    close_fd(&d->record_fd);
    close_fd(&d->log_fd);
    close_fd(&d->exit_fd);
    close_fd(&d->credential_fd);
}

static eg_err remove_files(int run_fd, const char *name, eg_problem *p) {
    EG_CLEANUP(close_fd) int dir = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        return errno == ENOENT ? EG_ERR_NOT_FOUND : cannot(p, "open", name);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (unlinkat(dir, files[i], 0) != 0 && errno != ENOENT) {
            return cannot(p, "remove", files[i]);
        }
    }
    return unlinkat(run_fd, name, AT_REMOVEDIR) == 0 ? EG_OK : cannot(p, "remove", name);
}

/* Files that the gateway reads by its group, or the credential that only the cluster's user reads. */
static eg_err make_file(int dir, const eg_runner_dir_spec *s, const char *name, int *ret_fd, eg_problem *p) {
    bool credential = strcmp(name, EG_RUNNER_FILE_CREDENTIAL) == 0;
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cannot(p, "make", name);
    }
    *ret_fd = fd; /* the caller closes it, whatever follows */
    if (s->chown && fchown(fd, credential ? s->user->uid : (uid_t)-1, credential ? s->user->gid : s->gateway_gid) != 0) {
        return cannot(p, "give away", name);
    }
    return fchmod(fd, credential ? 0600 : 0640) == 0 ? EG_OK : cannot(p, "set the mode of", name);
}

static eg_err make_files(int dir, const eg_runner_dir_spec *s, eg_runner_dir *d, eg_problem *p) {
    EG_TRY(make_file(dir, s, EG_RUNNER_FILE_LOCK, &d->lock_fd, p));
    EG_TRY(make_file(dir, s, EG_RUNNER_FILE_RECORD, &d->record_fd, p));
    EG_TRY(make_file(dir, s, EG_RUNNER_FILE_LOG, &d->log_fd, p));
    EG_TRY(make_file(dir, s, EG_RUNNER_FILE_EXIT, &d->exit_fd, p));
    if (s->credential.len > 0) {
        EG_TRY(make_file(dir, s, EG_RUNNER_FILE_CREDENTIAL, &d->credential_fd, p));
        eg_err e = eg_write_all(d->credential_fd, s->credential);
        if (e != EG_OK) {
            return eg_fail(p, e, "Cannot write a job's credential: %s.", eg_err_code(e));
        }
    }
    EG_TRY(eg_runner_lock(d->lock_fd));
    if (s->chown && fchown(dir, (uid_t)-1, s->gateway_gid) != 0) {
        return cannot(p, "give away", s->name);
    }
    if (fchmod(dir, 0751) != 0) {
        return cannot(p, "set the mode of", s->name);
    }
    return eg_dir_sync(dir);
}

eg_err eg_runner_dir_make(int run_fd, const eg_runner_dir_spec *s, eg_runner_dir *ret, eg_problem *p) {
    struct stat st;
    if (fstatat(run_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return eg_fail(p, EG_ERR_EXISTS, "A runner \"%s\" was started before.", s->name);
    }
    char hidden[128];
    snprintf(hidden, sizeof hidden, ".new-%s", s->name);
    eg_err e = remove_files(run_fd, hidden, p); /* of a launcher that was killed in between */
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (mkdirat(run_fd, hidden, 0700) != 0) {
        return cannot(p, "make", s->name);
    }
    EG_CLEANUP(close_fd) int dir = openat(run_fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        return cannot(p, "open", s->name);
    }
    eg_runner_dir d = {-1, -1, -1, -1, -1};
    e = make_files(dir, s, &d, p);
    if (e == EG_OK && renameat2(run_fd, hidden, run_fd, s->name, RENAME_NOREPLACE) != 0) {
        e = errno == EEXIST ? eg_fail(p, EG_ERR_EXISTS, "A runner \"%s\" was started before.", s->name) : cannot(p, "name", s->name);
    }
    if (e == EG_OK) {
        e = eg_dir_sync(run_fd);
    }
    if (e != EG_OK) {
        eg_runner_dir_done(&d);
        return e;
    }
    *ret = d;
    return EG_OK;
}

static eg_err look(int run_fd, const char *name, int *ret_dir, eg_runner_status *ret, eg_problem *p) {
    int dir = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        if (errno != ENOENT) {
            return cannot(p, "open", name);
        }
        eg_fail(p, EG_ERR_NOT_FOUND, "There is no runner \"%s\".", name);
        return p ? eg_fail_at(p, "%s", name) : EG_ERR_NOT_FOUND;
    }
    eg_err e = eg_runner_look_at(dir, ret, p);
    if (e != EG_OK) {
        close(dir);
        return e;
    }
    *ret_dir = dir;
    return EG_OK;
}

eg_err eg_runner_dir_remove(int run_fd, const char *name, eg_problem *p) {
    eg_runner_status s;
    EG_CLEANUP(close_fd) int dir = -1;
    EG_TRY(look(run_fd, name, &dir, &s, p));
    if (s.state == EG_RUNNER_RUNNING) {
        return eg_fail(p, EG_ERR_BUSY, "The runner \"%s\" still lives.", name);
    }
    EG_TRY(remove_files(run_fd, name, p));
    return eg_dir_sync(run_fd);
}

eg_err eg_runner_dir_signal(int run_fd, const char *name, int signal, eg_problem *p) {
    eg_runner_status s;
    eg_runner_birth recorded, now;
    EG_CLEANUP(close_fd) int dir = -1;
    EG_TRY(look(run_fd, name, &dir, &s, p));
    if (s.state != EG_RUNNER_RUNNING) {
        return EG_OK;
    }
    eg_err e = eg_runner_birth_at(dir, &recorded, p);
    if (e != EG_OK) {
        return eg_fail(p, e == EG_ERR_NOT_FOUND ? EG_ERR_BUSY : e, "The runner \"%s\" has not said yet which process it is.", name);
    }
    /* First a handle on the process, then the check that it is the recorded one: the handle can't come to mean another. */
    EG_CLEANUP(close_fd) int pidfd = pidfd_open((pid_t)recorded.pid, 0);
    if (pidfd < 0) {
        return errno == ESRCH ? EG_OK : cannot(p, "find the process of", name);
    }
    if (eg_runner_started(recorded.pid, &now) != EG_OK || now.start_ticks != recorded.start_ticks || strcmp(now.boot_id, recorded.boot_id) != 0) {
        return EG_OK;
    }
    return pidfd_send_signal(pidfd, signal, NULL, 0) == 0 || errno == ESRCH ? EG_OK : cannot(p, "signal", name);
}

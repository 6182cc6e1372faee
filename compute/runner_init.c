/* Init of a runner's program: its start inside of what the host allows of isolation, its signals, and how it ended. */
#include "runner_init.h"

#include "runner_bounds.h"
#include "runner_filter.h"
#include "runner_mounts.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(int said, const char *what, int saved_errno) {
    eg_runner_report r = {.err = eg_err_from_errno(saved_errno)};
    const char *why = strerrordesc_np(saved_errno);
    snprintf(r.what, sizeof r.what, "%s: %s", what, why ? why : "unknown error");
    (void)!write(said, &r, sizeof r);
    _exit(1);
}

static bool write_proc(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool no_own_proc; /* said by the probe */

static bool new_namespace(bool privileged) {
    if (privileged) {
        return unshare(CLONE_NEWPID) == 0;
    }
    /* Without root: inside of a user namespace that maps us to ourselves, and to nobody more. */
    char uid[64], gid[64];
    snprintf(uid, sizeof uid, "%u %u 1", geteuid(), geteuid());
    snprintf(gid, sizeof gid, "%u %u 1", getegid(), getegid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
        return false;
    }
    return write_proc("/proc/self/setgroups", "deny") && write_proc("/proc/self/uid_map", uid) && write_proc("/proc/self/gid_map", gid);
}

#define REFUSED 3 /* exit status of who tried, and may not */

/* The exit status of a child; another one where it could not be tried at all. */
static int status_of(pid_t child) {
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* In a child that is thrown away, as eg_runner_mounts does it. */
static _Noreturn void try_own_proc(void) {
    const bool fine = new_namespace(geteuid() == 0);
    const pid_t first = fine ? fork() : -1;
    if (first == 0) {
        const bool mine = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                          mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
        _exit(mine ? 0 : REFUSED);
    }
    _exit(status_of(first));
}

bool eg_runner_init_probe(void) {
    const pid_t child = fork();
    if (child == 0) {
        try_own_proc();
    }
    no_own_proc = status_of(child) == REFUSED; /* want of memory or processes at this moment takes no isolation away */
    return !no_own_proc;
}

bool eg_runner_init_prepare(const eg_runner_job *job) { return !no_own_proc && new_namespace(job->drop); }

int eg_runner_init_drop(const eg_runner_job *job) {
    if (job->drop && (setgroups(1, &job->gid) != 0 || setresgid(job->gid, job->gid, job->gid) != 0 || setresuid(job->uid, job->uid, job->uid) != 0)) {
        return errno;
    }
    /* Not dumpable: user code has the same uid and may neither trace this process nor open its descriptors. */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ? errno : 0;
}

/* The properties in memory, readable through the descriptor alone, and final. Made as the cluster's user, whose it then is. */
static int properties_fd(const eg_runner_job *job, int said) {
    int fd = memfd_create("properties", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fchmod(fd, 0400) != 0 || eg_write_all(fd, job->properties) != EG_OK ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        fail(said, "cannot hold properties in memory", errno);
    }
    return fd;
}

/* Dies with its parent. Set after the change of user, which clears it; if the parent went before, its end of the pipe is closed. */
static void tie_to_parent(int said) {
    struct pollfd f = {.fd = said};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        fail(said, "cannot tie a process to its parent", errno);
    }
    if (poll(&f, 1, 0) != 0 && (f.revents & (POLLERR | POLLHUP))) {
        _exit(1);
    }
}

static _Noreturn void become_program(const eg_runner_job *job, const eg_runner_init_pipes *pipes, int properties, unsigned isolation) {
    for (int s = 1; s < NSIG; s++) {
        signal(s, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    tie_to_parent(pipes->said);
    int said = fcntl(pipes->said, F_DUPFD_CLOEXEC, 10);
    int props = fcntl(properties, F_DUPFD_CLOEXEC, 10);
    if (setpgid(0, 0) != 0 || said < 0 || props < 0 || dup2(pipes->output, 1) < 0 || dup2(pipes->output, 2) < 0 || dup2(props, EG_RUNNER_PROPERTIES_FD) < 0) {
        fail(pipes->said, "cannot arrange descriptors", errno);
    }
    close_range(EG_RUNNER_PROPERTIES_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (chdir(job->cwd) != 0) {
        fail(said, "cannot enter the cluster's directory", errno);
    }
    int unbounded = eg_runner_bounds_set(job);
    if (unbounded) {
        fail(said, "cannot set the limits of the program", unbounded);
    }
    isolation |= eg_runner_filter() ? EG_RUNNER_FILTER : 0;
    eg_runner_report ok = {.err = EG_OK, .isolation = isolation};
    (void)!write(said, &ok, sizeof ok);
    execve(job->argv[0], job->argv, job->envp);
    fail(said, "cannot execute the program", errno);
}

/* Passes SIGTERM on and reaps whoever ends, until the program has. */
static void attend(pid_t program, int result_fd) {
    sigset_t mask;
    sigfillset(&mask);
    for (;;) {
        siginfo_t s;
        if (sigwaitinfo(&mask, &s) == SIGTERM) {
            kill(program, SIGTERM);
        }
        eg_runner_result r = {0};
        pid_t pid;
        while ((pid = wait4(-1, &r.status, WNOHANG, &r.usage)) > 0) {
            if (pid == program) {
                (void)!write(result_fd, &r, sizeof r);
                return;
            }
        }
    }
}

_Noreturn void eg_runner_init(const eg_runner_job *job, const eg_runner_init_pipes *pipes, bool own_namespace) {
    unsigned isolation = eg_runner_bounds_group(job) ? EG_RUNNER_GROUP : 0;
    isolation |= own_namespace && job->private_tmp ? eg_runner_mounts(job) : 0;
    int failed = eg_runner_init_drop(job);
    if (failed) {
        fail(pipes->said, "cannot become the cluster's user", failed);
    }
    tie_to_parent(pipes->said);
    prctl(PR_SET_NAME, "embergate-init");
    setpgid(0, 0);
    int properties = properties_fd(job, pipes->said);
    pid_t program = fork();
    if (program < 0) {
        fail(pipes->said, "cannot fork", errno);
    }
    if (program == 0) {
        become_program(job, pipes, properties, isolation);
    }
    close(properties);
    close(pipes->said);
    close(pipes->output);
    attend(program, pipes->result);
    _exit(0);
}

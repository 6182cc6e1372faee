/* The parent of gateway, keeper and launcher: forks them, restarts what dies, stops them in order. */
#include "supervisor.h"

#include <embergate/clock.h>
#include <embergate/log.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_FIRST_NS 100000000LL
#define BACKOFF_MAX_NS 10000000000LL
/* A process that lived this long had not failed to start: its next restart is at once. */
#define LIVED_LONG_NS 10000000000LL
#define FILES_WANTED 65536

typedef struct child {
    const eg_process *process;
    pid_t pid;              /* 0 = not running */
    int64_t started_ns;
    int64_t backoff_ns;
    int64_t restart_at_ns;  /* while pid is 0 */
} child;

static atomic_int stop_flag; /* lock-free: a signal handler sets it */
static atomic_uint stop_bound; /* seconds; 0 in the supervisor itself */

/* The alarm ends a child that does not stop in time and has no supervisor any more that would kill it. */
static void on_stop(int sig) {
    (void)sig;
    if (!stop_flag && stop_bound > 0) {
        (void)alarm(stop_bound);
    }
    stop_flag = 1;
}

static int64_t now_ns(void) { return eg_mono_ns(&eg_clock_system); }

/* What holds in every process of ours: no core dump, no ptrace by others, death with the supervisor, many descriptors. */
static eg_err harden(const eg_process *process, pid_t supervisor, eg_problem *p) {
    struct rlimit none = {0, 0}, files;
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return eg_fail(p, EG_ERR_INTERNAL, "core dumps could not be forbidden");
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!process->keep_user) {
        EG_TRY(eg_unix_user_become(&process->user, p));
    }
    /* After the change of user, which resets both. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0) {
        return eg_fail(p, EG_ERR_INTERNAL, "the process could not be hardened: %s", strerror(errno));
    }
    return getppid() == supervisor ? EG_OK : eg_fail(p, EG_ERR_CANCELLED, "the supervisor died meanwhile");
}

static _Noreturn void child_main(const eg_process *process, pid_t supervisor) {
    struct sigaction stop = {.sa_handler = on_stop};
    sigset_t none;
    eg_problem p = {0};
    stop_flag = 0;
    stop_bound = process->stop_seconds + 1;
    (void)signal(SIGALRM, SIG_DFL);
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the supervisor passes it on as SIGTERM, in order */
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_NAME, process->name, 0, 0, 0);
    eg_log_init(process->name, process->log_level, STDERR_FILENO);
    if (harden(process, supervisor, &p) != EG_OK) {
        eg_log_problem(EG_LOG_ERROR, "process.harden_failed", &p);
        _exit(70);
    }
    int status = process->run(process->ctx, &stop_flag);
    fflush(NULL);
    _exit(status);
}

static void start(child *c) {
    pid_t supervisor = getpid();
    c->started_ns = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        child_main(c->process, supervisor);
    }
    if (pid < 0) {
        eg_log(EG_LOG_ERROR, "process.fork_failed", "name", c->process->name, "error", strerror(errno), NULL);
        c->restart_at_ns = now_ns() + BACKOFF_MAX_NS;
        return;
    }
    char text[16];
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    c->pid = pid;
    eg_log(EG_LOG_INFO, "process.started", "name", c->process->name, "pid", text, NULL);
}

static void note_death(child *c, int status) {
    int64_t now = now_ns();
    char how[48];
    if (WIFSIGNALED(status)) {
        (void)snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    } else {
        (void)snprintf(how, sizeof how, "exit %d", WEXITSTATUS(status));
    }
    bool lived = now - c->started_ns >= LIVED_LONG_NS;
    c->backoff_ns = lived ? 0 : c->backoff_ns == 0 ? BACKOFF_FIRST_NS : c->backoff_ns * 2;
    c->backoff_ns = c->backoff_ns > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : c->backoff_ns;
    c->restart_at_ns = now + c->backoff_ns;
    c->pid = 0;
    eg_log(stop_flag ? EG_LOG_INFO : EG_LOG_ERROR, "process.ended", "name", c->process->name, "how", how, NULL);
}

static void reap(child *children, size_t n) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            if (children[i].pid == pid) {
                note_death(&children[i], status);
            }
        }
    }
}

static void wait_signal(const sigset_t *set, int64_t until_ns) {
    int64_t left = until_ns - now_ns();
    left = left < 1000000 ? 1000000 : left;
    struct timespec t = {left / 1000000000, left % 1000000000};
    int sig = sigtimedwait(set, NULL, &t);
    if (sig == SIGTERM || sig == SIGINT) {
        stop_flag = 1;
    }
}

static void stop_all(child *children, size_t n, const sigset_t *set) {
    for (size_t i = n; i-- > 0;) {
        child *c = &children[i];
        int64_t deadline = now_ns() + c->process->stop_seconds * 1000000000LL;
        if (c->pid > 0) {
            (void)kill(c->pid, SIGTERM);
        }
        while (c->pid > 0) {
            if (now_ns() >= deadline) {
                (void)kill(c->pid, SIGKILL);
                deadline = now_ns() + 1000000000LL;
            }
            wait_signal(set, now_ns() + 200000000LL);
            reap(children, n);
        }
    }
}

eg_err eg_supervise(const eg_process *processes, size_t n, eg_problem *p) {
    child children[EG_PROCESSES_MAX] = {0};
    sigset_t set;
    if (n > EG_PROCESSES_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "too many processes");
    }
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGHUP, SIG_IGN);
    for (size_t i = 0; i < n; i++) {
        children[i].process = &processes[i];
        start(&children[i]);
    }
    while (!stop_flag) {
        int64_t wake = now_ns() + 3600LL * 1000000000LL;
        for (size_t i = 0; i < n; i++) {
            if (children[i].pid == 0 && children[i].restart_at_ns <= now_ns()) {
                start(&children[i]);
            }
            if (children[i].pid == 0 && children[i].restart_at_ns < wake) {
                wake = children[i].restart_at_ns;
            }
        }
        wait_signal(&set, wake);
        reap(children, n);
    }
    stop_all(children, n, &set);
    return EG_OK;
}

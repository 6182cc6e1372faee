/* A runner: becomes the cluster's user, starts one program, stores what it says, and writes down how it ended. */
#include "runner_process.h"

#include "disk_use.h"
#include "process_tree.h"
#include "runner_init.h"
#include "scratch.h"

#include <embergate/clock.h>
#include <embergate/durable_file.h>
#include <embergate/json.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLUSH_MS 200     /* output is in the file no later than this */
#define GRACE_MS 10000   /* between SIGTERM and SIGKILL */
#define DISK_MS 1000     /* between two looks at the disk that the program uses … */
#define DISK_SHARE 20    /* … or so many times as long as the last look took */
#define DRAIN_MS 5000    /* for output that is still in the pipe when all are dead */

typedef struct runner {
    const eg_runner_job *job;
    eg_runner_log_writer *log;
    int signals, output, result;
    pid_t init;              /* above the program; the end of it is the end of all where it has a namespace */
    int64_t started_ns;
    int64_t kill_at_ms;      /* 0 = nobody asked */
    int64_t flush_at_ms;     /* 0 = nothing waits */
    int64_t disk_at_ms;      /* 0 = its disk has no bound */
    bool stopped, ended, start_failed, over_disk;
    eg_runner_report report; /* of a start that failed */
    eg_runner_result end;    /* of the program */
} runner;

static int64_t now_ms(void) {
    return eg_mono_ns(&eg_clock_system) / 1000000;
}

static _Noreturn void report_and_leave(const eg_runner_job *job, const char *what, int saved_errno) {
    eg_runner_report r = {.err = eg_err_from_errno(saved_errno)};
    const char *why = strerrordesc_np(saved_errno);
    snprintf(r.what, sizeof r.what, "%s: %s", what, why ? why : "unknown error");
    (void)!write(job->report_fd, &r, sizeof r);
    _exit(1);
}

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static void close_all_but(const eg_runner_job *job) {
    int keep[] = {job->lock_fd, job->record_fd, job->log_fd, job->exit_fd, job->credential_fd, job->report_fd};
    size_t n = sizeof keep / sizeof *keep;
    qsort(keep, n, sizeof *keep, by_number);
    unsigned from = 3;
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < 3) {
            continue;
        }
        if ((unsigned)keep[i] > from) {
            close_range(from, (unsigned)keep[i] - 1, 0);
        }
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0U, 0);
}

/* Takes leave of everything that was the launcher's but its rights. */
static void settle(const eg_runner_job *job) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) {
        report_and_leave(job, "cannot open /dev/null", errno);
    }
    close_all_but(job);
    umask(077);
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        report_and_leave(job, "cannot set the limits of a runner", errno);
    }
    prctl(PR_SET_NAME, "embergate-run");
}

static void write_record(const eg_runner_job *job, int64_t started_ns) {
    eg_runner_birth b;
    char text[512];
    if (eg_runner_started(getpid(), &b) != EG_OK) {
        report_and_leave(job, "cannot read /proc", EIO);
    }
    int n = snprintf(text, sizeof text, "{\"format\":%d,\"pid\":%lld,\"startTicks\":%llu,\"boot\":\"%s\",\"started\":%lld}\n", EG_RUNNER_FORMAT,
                     (long long)b.pid, (unsigned long long)b.start_ticks, b.boot_id, (long long)started_ns);
    if (eg_write_all(job->record_fd, (eg_bytes){(const uint8_t *)text, (size_t)n}) != EG_OK || fsync(job->record_fd) != 0) {
        report_and_leave(job, "cannot write a runner's record", errno);
    }
    close(job->record_fd);
}

/* Starts init and through it the program. Of the reports that come before the pipe closes by the exec, the last one counts. */
static void start_program(runner *r) {
    const eg_runner_job *job = r->job;
    int out[2], said[2], result[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(said, O_CLOEXEC) != 0 || pipe2(result, O_CLOEXEC) != 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) != 0) {
        report_and_leave(job, "cannot make a pipe", errno);
    }
    bool own_namespace = eg_runner_init_prepare(job);
    r->init = fork();
    if (r->init < 0) {
        report_and_leave(job, "cannot fork", errno);
    }
    if (r->init == 0) {
        eg_runner_init_pipes pipes = {.said = said[1], .result = result[1], .output = out[1]};
        close(said[0]);
        close(result[0]);
        close(out[0]);
        close(job->report_fd);
        eg_runner_init(job, &pipes, own_namespace);
    }
    close(out[1]);
    close(said[1]);
    close(result[1]);
    int failed = eg_runner_init_drop(job);
    if (failed) {
        report_and_leave(job, "cannot become the cluster's user", failed);
    }
    r->output = out[0];
    r->result = result[0];
    r->report = (eg_runner_report){.err = EG_ERR_LAUNCHER, .what = "it ended before its program was executed"};
    while (read(said[0], &r->report, sizeof r->report) == (ssize_t)sizeof r->report) {
    }
    r->start_failed = r->report.err != EG_OK;
    close(said[0]);
}

/* Of a failed start the end is durable before the launcher hears. */
static void tell_launcher(runner *r) {
    (void)!write(r->job->report_fd, &r->report, sizeof r->report);
    close(r->job->report_fd);
}

static void take_output(runner *r) {
    uint8_t chunk[16384];
    for (int rounds = 0; rounds < 16 && r->output >= 0; rounds++) {
        ssize_t n = read(r->output, chunk, sizeof chunk);
        if (n > 0) {
            eg_runner_log_write(r->log, (eg_bytes){chunk, (size_t)n});
            r->flush_at_ms = r->flush_at_ms ? r->flush_at_ms : now_ms() + FLUSH_MS;
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            close(r->output);
            r->output = -1;
        } else if (errno == EAGAIN) {
            break;
        }
    }
    eg_cleanse(chunk, sizeof chunk);
}

/* Init's own end tells only whether it could say how the program ended: if not, both were killed. */
static void take_end(runner *r, int status, const struct rusage *usage) {
    if (read(r->result, &r->end, sizeof r->end) != (ssize_t)sizeof r->end) {
        r->end = (eg_runner_result){.status = status, .usage = *usage};
    }
    r->ended = true;
}

static void reap(runner *r) {
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == r->init) {
            take_end(r, status, &usage);
        }
    }
}

static void take_signals(runner *r) {
    struct signalfd_siginfo s;
    while (read(r->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGTERM && r->kill_at_ms == 0) {
            r->stopped = true;
            r->kill_at_ms = now_ms() + GRACE_MS;
            kill(r->init, SIGTERM);
        } else if (s.ssi_signo == SIGUSR1) {
            r->stopped = true;
            r->kill_at_ms = now_ms();
        }
    }
    reap(r);
}

static int next_timeout(const runner *r) {
    int64_t at = r->flush_at_ms;
    if (r->kill_at_ms && (!at || r->kill_at_ms < at)) {
        at = r->kill_at_ms;
    }
    if (r->disk_at_ms && (!at || r->disk_at_ms < at)) {
        at = r->disk_at_ms;
    }
    if (!at) {
        return -1;
    }
    int64_t left = at - now_ms();
    return left < 0 ? 0 : (int)left;
}

/* A program that takes more of the disk than its share is ended, before the others have none. */
static void look_at_disk(runner *r) {
    const char *name = strrchr(r->job->name, '/');
    int64_t began = now_ms();
    if (r->disk_at_ms == 0 || began < r->disk_at_ms || !name) {
        return;
    }
    if (!r->over_disk && eg_disk_use_beyond(r->job->scratch, name + 1, (uint64_t)r->job->bounds.disk_mb << 20)) {
        char text[160];
        int n = snprintf(text, sizeof text, "\n[embergate: ended, because it uses more than %u MiB of disk]\n", r->job->bounds.disk_mb);
        eg_runner_log_write(r->log, (eg_bytes){(const uint8_t *)text, (size_t)n});
        r->over_disk = true;
        r->kill_at_ms = began;
        r->disk_at_ms = 0;
        return;
    }
    int64_t pause = (now_ms() - began) * DISK_SHARE;
    r->disk_at_ms = now_ms() + (pause > DISK_MS ? pause : DISK_MS);
}

static void supervise(runner *r) {
    while (!r->ended) {
        struct pollfd f[2] = {{.fd = r->signals, .events = POLLIN}, {.fd = r->output, .events = POLLIN}};
        poll(f, 2, next_timeout(r));
        take_output(r);
        take_signals(r);
        look_at_disk(r);
        if (r->flush_at_ms && now_ms() >= r->flush_at_ms) {
            eg_runner_log_flush(r->log);
            r->flush_at_ms = 0;
        }
        if (r->kill_at_ms && now_ms() >= r->kill_at_ms && !r->ended) {
            kill(r->init, SIGKILL);
            eg_process_tree_kill();
            r->kill_at_ms = now_ms() + 1000; /* again, until it is gone */
        }
    }
}

/* Nothing that the program started outlives it. */
static void clear_away(runner *r) {
    int64_t until = now_ms() + DRAIN_MS;
    while (eg_process_tree_kill() > 0 && now_ms() < until) {
        reap(r);
        take_output(r);
        poll(NULL, 0, 5);
    }
    while (r->output >= 0 && now_ms() < until) {
        struct pollfd f = {.fd = r->output, .events = POLLIN};
        poll(&f, 1, 50);
        take_output(r);
        reap(r);
    }
    const char *name = strrchr(r->job->name, '/');
    if (name) {
        eg_scratch_remove(r->job->scratch, name + 1);
    }
    eg_runner_log_flush(r->log);
    (void)!fdatasync(r->job->log_fd);
}

static int64_t micros(struct timeval t) {
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* In one write to a file that was empty: a torn one is no JSON, and reads as no word at all. */
static void write_end(const runner *r) {
    char text[512];
    int n = snprintf(text, sizeof text,
                     "{\"format\":%d,\"code\":%d,\"signal\":%d,\"startFailed\":%s,\"stopped\":%s,\"logCut\":%s,\"overDisk\":%s,\"ended\":%lld,"
                     "\"userMicros\":%lld,\"systemMicros\":%lld,\"maxRssKiB\":%ld}\n",
                     EG_RUNNER_FORMAT, WIFEXITED(r->end.status) && !r->start_failed ? WEXITSTATUS(r->end.status) : -1, WIFSIGNALED(r->end.status) ? WTERMSIG(r->end.status) : 0,
                     r->start_failed ? "true" : "false", r->stopped ? "true" : "false", eg_runner_log_was_cut(r->log) ? "true" : "false", r->over_disk ? "true" : "false",
                     (long long)eg_wall_ns(&eg_clock_system), (long long)micros(r->end.usage.ru_utime), (long long)micros(r->end.usage.ru_stime),
                     r->end.usage.ru_maxrss);
    if (r->job->credential_fd >= 0 && (ftruncate(r->job->credential_fd, 0) != 0 || fsync(r->job->credential_fd) != 0)) {
        return; /* without this the end is not told: the credential's hash dies with the job in the gateway all the same */
    }
    (void)!eg_write_all(r->job->exit_fd, (eg_bytes){(const uint8_t *)text, (size_t)n});
    (void)!fsync(r->job->exit_fd);
}

_Noreturn void eg_runner_process(const eg_runner_job *job) {
    runner r = {.job = job, .signals = -1, .output = -1, .result = -1, .started_ns = eg_wall_ns(&eg_clock_system)};
    settle(job);
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGCHLD);
    r.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r.signals < 0) {
        report_and_leave(job, "cannot listen to signals", errno);
    }
    write_record(job, r.started_ns);
    if (eg_runner_log_writer_new(job->log_fd, job->log_key, job->name, &r.log) != EG_OK) {
        report_and_leave(job, "cannot begin the log", EIO);
    }
    start_program(&r);
    if (!r.start_failed) {
        tell_launcher(&r);
    }
    r.disk_at_ms = job->bounds.disk_mb ? now_ms() + DISK_MS : 0;
    supervise(&r);
    clear_away(&r);
    write_end(&r);
    if (r.start_failed) {
        tell_launcher(&r);
    }
    _exit(0);
}

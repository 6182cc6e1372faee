/* Control group and resource limits of a runner's program. */
#include "runner_bounds.h"

#include <embergate/bytes.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define FILES_MAX 65536
#define OOM_SCORE "500"
#define NICE 5
#define PATH_ROOM 512

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool put(const char *group, const char *file, const char *text) {
    char path[PATH_ROOM + 64];
    snprintf(path, sizeof path, "%s/%s", group, file);
    return write_text(path, text);
}

/* Where this process is in the hierarchy of `controller` ("" = the unified one): a line "N:controller:/path" of /proc/self/cgroup. */
static bool own_group(const char *controller, char *ret, size_t cap) {
    char text[4096];
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0) {
        close(fd);
    }
    eg_str rest = {text, n > 0 ? (size_t)n : 0};
    while (rest.len > 0) {
        eg_str line = eg_str_cut(&rest, '\n');
        (void)eg_str_cut(&line, ':');
        if (eg_str_is(eg_str_cut(&line, ':'), controller) && line.len > 0 && line.len < cap) {
            memcpy(ret, line.ptr, line.len);
            ret[line.len] = '\0';
            return true;
        }
    }
    return false;
}

typedef struct group_limits {
    char processes[24], memory[24], shares[24], weight[24];
} group_limits;

static group_limits limits_of(const eg_runner_job *job) {
    group_limits l;
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t bytes = job->bounds.memory_mb ? (uint64_t)job->bounds.memory_mb << 20 : all / 5 * 4;
    snprintf(l.processes, sizeof l.processes, job->bounds.processes ? "%u" : "max", job->bounds.processes);
    snprintf(l.memory, sizeof l.memory, "%llu", (unsigned long long)bytes);
    /* On each processor no more than one thread of the server gets, however many processes there are. */
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    cores = cores < 1 ? 1 : cores > 100 ? 100 : cores;
    snprintf(l.shares, sizeof l.shares, "%ld", 1024 * cores);
    snprintf(l.weight, sizeof l.weight, "%ld", 100 * cores);
    return l;
}

/* Beneath our own group, so that whatever bounds the server bounds its jobs too. We are one thread, and "tasks" moves just that: "cgroup.procs" would move the same
 * but first wait until no process of the machine is in a fork or an exit, 7 to 20 ms. */
static bool join_separate(const eg_runner_job *job, const group_limits *l) {
    const struct {
        const char *controller, *file, *value;
    } rows[] = {{"pids", "pids.max", l->processes}, {"memory", "memory.limit_in_bytes", l->memory}, {"cpu", "cpu.shares", l->shares}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char own[PATH_ROOM / 2], group[PATH_ROOM];
        if (!own_group(rows[i].controller, own, sizeof own)) {
            return false;
        }
        snprintf(group, sizeof group, ROOT "/%s%s/embergate-%u", rows[i].controller, strcmp(own, "/") == 0 ? "" : own, job->uid);
        if ((mkdir(group, 0755) != 0 && errno != EEXIST) || !put(group, rows[i].file, rows[i].value) || !put(group, "tasks", "0")) {
            return false;
        }
    }
    return true;
}

/* In the unified hierarchy a group that holds processes has no bounded groups beneath it, unless it is the root; so ours stands beside our
 * own, where somebody delegated that (systemd: Delegate=yes, DelegateSubgroup=). */
static bool join_unified(const eg_runner_job *job, const group_limits *l) {
    char own[PATH_ROOM / 2], group[PATH_ROOM];
    if (access(ROOT "/cgroup.controllers", F_OK) != 0 || !own_group("", own, sizeof own)) {
        return false;
    }
    *strrchr(own, '/') = '\0';
    size_t n = strlen(own);
    if (n >= 6 && strcmp(own + n - 6, ".slice") == 0) {
        return false;
    }
    snprintf(group, sizeof group, ROOT "%s", own);
    (void)put(group, "cgroup.subtree_control", "+pids +memory +cpu");
    snprintf(group, sizeof group, ROOT "%s/embergate-%u", own, job->uid);
    return (mkdir(group, 0755) == 0 || errno == EEXIST) && put(group, "pids.max", l->processes) && put(group, "memory.max", l->memory) &&
           put(group, "cpu.weight", l->weight) && put(group, "cgroup.procs", "0");
}

void eg_runner_bounds_forget(uid_t uid) {
    static const char *const controllers[] = {"pids", "memory", "cpu", ""};
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        char own[PATH_ROOM / 2], group[PATH_ROOM];
        const bool unified = controllers[i][0] == '\0';
        if (!own_group(controllers[i], own, sizeof own)) {
            continue;
        }
        if (unified) {
            *strrchr(own, '/') = '\0';
        }
        snprintf(group, sizeof group, ROOT "%s%s%s/embergate-%u", unified ? "" : "/", controllers[i], strcmp(own, "/") == 0 ? "" : own, uid);
        (void)rmdir(group);
    }
}

bool eg_runner_bounds_group(const eg_runner_job *job) {
    (void)write_text("/proc/self/oom_score_adj", OOM_SCORE);
    group_limits l = limits_of(job);
    /* Twice: a group that is empty for a moment may be removed under us (eg_runner_bounds_forget). */
    for (int i = 0; job->drop && i < 2; i++) {
        if (join_unified(job, &l) || join_separate(job, &l)) {
            return true;
        }
    }
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    return false;
}

static bool lower(int what, uint64_t most) {
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0) {
        return false;
    }
    rlim_t to = now.rlim_max == RLIM_INFINITY || now.rlim_max > most ? (rlim_t)most : now.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &(struct rlimit){to, to}) == 0;
}

int eg_runner_bounds_set(const eg_runner_job *job) {
    const eg_runner_bounds *b = &job->bounds;
    bool ok = lower(RLIMIT_CORE, 0) && lower(RLIMIT_NOFILE, FILES_MAX);
    ok = ok && (b->disk_mb == 0 || lower(RLIMIT_FSIZE, (uint64_t)b->disk_mb << 20));
    /* Counted by user, so only where the user is the cluster's own. */
    ok = ok && (b->processes == 0 || !job->drop || lower(RLIMIT_NPROC, b->processes));
    return ok ? 0 : errno;
}

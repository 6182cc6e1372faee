/* Ends all runners beneath a clusters directory, when no launcher is there to be asked. */
#include "runner_bounds.h"
#include "runner_files.h"

#include <embergate/compute.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUNNERS_MAX 4096
#define CLUSTERS_MAX 256
#define GENTLE_SECONDS 15

typedef struct victims {
    eg_runner_birth born[RUNNERS_MAX];
    size_t count;
    uid_t users[CLUSTERS_MAX]; /* whose control groups are not needed any more */
    size_t user_count;
} victims;

/* A pid is signalled only while it is the very process that was recorded. */
static bool still_there(const eg_runner_birth *b) {
    eg_runner_birth now;
    return eg_runner_started(b->pid, &now) == EG_OK && now.start_ticks == b->start_ticks && strcmp(now.boot_id, b->boot_id) == 0;
}

static void collect(int run_fd, const char *name, victims *v) {
    int fd = openat(run_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    eg_runner_status status;
    eg_problem ignored = {0};
    if (v->count < RUNNERS_MAX && eg_runner_look_at(fd, &status, &ignored) == EG_OK && status.state == EG_RUNNER_RUNNING &&
        eg_runner_birth_at(fd, &v->born[v->count], &ignored) == EG_OK && still_there(&v->born[v->count])) {
        v->count++;
    }
    close(fd);
}

static void each_entry(int dir_fd, void (*fn)(int, const char *, victims *), victims *v) {
    DIR *d = fdopendir(dir_fd); /* takes the descriptor */
    if (!d) {
        close(dir_fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            fn(dirfd(d), e->d_name, v);
        }
    }
    closedir(d);
}

static void collect_cluster(int clusters_fd, const char *name, victims *v) {
    int cluster_fd = openat(clusters_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (cluster_fd >= 0 && v->user_count < CLUSTERS_MAX && fstatat(cluster_fd, "tmp", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != geteuid()) {
        v->users[v->user_count++] = st.st_uid;
    }
    int run_fd = cluster_fd < 0 ? -1 : openat(cluster_fd, "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (cluster_fd >= 0) {
        close(cluster_fd);
    }
    if (run_fd >= 0) {
        each_entry(run_fd, collect, v);
    }
}

static size_t left_of(const victims *v) {
    size_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        n += still_there(&v->born[i]);
    }
    return n;
}

static void signal_all(const victims *v, int sig) {
    for (size_t i = 0; i < v->count; i++) {
        if (still_there(&v->born[i])) {
            (void)kill((pid_t)v->born[i].pid, sig);
        }
    }
}

eg_err eg_launcher_end_runners(const char *clusters_dir, unsigned *ret_n, eg_problem *p) {
    static victims v; /* large; the command that calls this has one thread */
    v.count = v.user_count = 0;
    int fd = open(clusters_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", clusters_dir, strerror(errno));
    }
    each_entry(fd, collect_cluster, &v);
    signal_all(&v, SIGTERM);
    for (int i = 0; i < GENTLE_SECONDS * 20 && left_of(&v) > 0; i++) {
        struct timespec t = {0, 50000000};
        nanosleep(&t, NULL);
    }
    signal_all(&v, SIGKILL);
    for (size_t i = 0; i < v.user_count; i++) {
        eg_runner_bounds_forget(v.users[i]);
    }
    *ret_n = (unsigned)v.count;
    return EG_OK;
}

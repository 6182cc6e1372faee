/* Mounts of a runner's program: a tmp/ in memory, a /proc of its own, and nothing to write but what goes with it. */
#include "runner_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMP_SIZE "1g"   /* of memory, used as it fills */
#define SHM_SIZE "256m"

/* An in-memory file system in place of the cluster's tmp/, seen by this program's tree alone and gone with it: what executors print and what
 * jobs unpack never reaches the disk. */
static bool mount_tmp(const eg_runner_job *job) {
    char options[128];
    snprintf(options, sizeof options, "size=" TMP_SIZE ",nr_inodes=200k,mode=0700,uid=%u,gid=%u", job->uid, job->gid);
    return mount("tmpfs", job->private_tmp, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
}

/* Its directory beneath scratch/, made with the rights of the cluster's user; a link in its place is refused. */
static int open_own(const eg_runner_job *job, int parent, const char *name) {
    uid_t uid = (uid_t)setfsuid(job->drop ? job->uid : geteuid());
    gid_t gid = (gid_t)setfsgid(job->drop ? job->gid : getegid());
    int fd = -1;
    if (mkdirat(parent, name, 0700) == 0 || errno == EEXIST) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    setfsuid(uid);
    setfsgid(gid);
    return fd;
}

static bool bind_to(int fd, const char *target) {
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    return mount(source, target ? target : source, NULL, MS_BIND, NULL) == 0;
}

static bool make_writable(const char *path) {
    struct mount_attr a = {.attr_clr = MOUNT_ATTR_RDONLY};
    return mount_setattr(AT_FDCWD, path, 0, &a, sizeof a) == 0;
}

/* scratch/{kind}-{id} onto itself, so that it can stay writable, and its home/ in place of the cluster's: what a program writes there is
 * counted as its own and goes with it. */
static bool bind_own(const eg_runner_job *job, const char *own) {
    int scratch = open(job->scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int dir = scratch >= 0 ? open_own(job, scratch, own) : -1;
    int home = dir >= 0 ? open_own(job, dir, "home") : -1;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", job->scratch, own);
    bool ok = home >= 0 && n > 0 && (size_t)n < sizeof path && bind_to(home, job->cwd) && bind_to(dir, path);
    const int fds[] = {scratch, dir, home};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    struct mount_attr fixed = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    bool shm = mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=" SHM_SIZE ",nr_inodes=10k,mode=1777") == 0;
    ok = ok && mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &fixed, sizeof fixed) == 0;
    ok = ok && make_writable(path) && make_writable(job->cwd) && make_writable(job->private_tmp) && make_writable("/proc");
    return ok && (!shm || make_writable("/dev/shm"));
}

/* A job's file was checked to be reached through no link; whoever may write there could put one in its way before it is opened. */
static bool follow_no_links(const eg_runner_job *job) {
    struct mount_attr plain = {.attr_set = MOUNT_ATTR_NOSYMFOLLOW};
    bool ok = true;
    for (size_t i = 0; ok && job->file_roots && job->file_roots[i]; i++) {
        const char *root = job->file_roots[i];
        ok = access(root, F_OK) != 0 || (mount(root, root, NULL, MS_BIND | MS_REC, NULL) == 0 && mount_setattr(AT_FDCWD, root, AT_RECURSIVE, &plain, sizeof plain) == 0);
    }
    return ok;
}

unsigned eg_runner_mounts(const eg_runner_job *job) {
    const char *own = strrchr(job->name, '/');
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || !mount_tmp(job)) {
        return 0;
    }
    unsigned had = EG_RUNNER_PRIVATE_TMP;
    /* The probe of runner_init.c says that it can be had. */
    (void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (own && job->scratch && unshare(CLONE_NEWIPC) == 0 && follow_no_links(job) && bind_own(job, own + 1)) {
        had |= EG_RUNNER_CONFINED;
    }
    return had;
}

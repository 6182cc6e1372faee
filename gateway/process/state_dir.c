/* The state directory: paths, format version, and the lock of its supervisor. */
#include "state_dir.h"

#include <embergate/durable_file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Longer than the processes of a killed supervisor take to end. */
#define ORPHANS_SECONDS 40
#define LOOK_EVERY_MS 50

eg_err eg_state_path(const char *dir, const char *rest, char ret[EG_STATE_PATH_MAX], eg_problem *p) {
    int n = snprintf(ret, EG_STATE_PATH_MAX, "%s/%s", dir, rest);
    return n > 0 && n < EG_STATE_PATH_MAX ? EG_OK : eg_fail(p, EG_ERR_LIMIT, "the path of the state directory is too long");
}

eg_err eg_state_check(const char *dir, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 64);
    EG_TRY(eg_state_path(dir, "FORMAT", path, p));
    eg_problem ignored = {0};
    if (eg_file_read(AT_FDCWD, path, 32, &text, &ignored) != EG_OK) {
        (void)eg_fail(p, EG_ERR_NOT_FOUND, "'%s' is not a state directory of embergate, or not readable for you", dir);
        return eg_fail_hint(p, "make one with: embergate init --state %s", dir);
    }
    if (!eg_str_is(eg_buf_str(&text), EG_STATE_FORMAT "\n")) {
        (void)eg_fail(p, EG_ERR_FORMAT_VERSION, "'%s' was made by another version of embergate (format %.8s)", dir, text.ptr ? text.ptr : "");
        return eg_fail_hint(p, "serve it with the version that made it; this one reads format " EG_STATE_FORMAT);
    }
    return EG_OK;
}

static int read_pid(int fd) {
    char text[16] = {0};
    uint64_t pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    eg_str s = {text, n > 0 ? strcspn(text, "\n") : 0};
    return eg_str_u64(s, 1u << 30, &pid) == EG_OK ? (int)pid : 0;
}

/* The processes of a supervisor that was killed hold its lock until they have ended: that is waited for. Who lives is not. */
static bool lock_after_orphans(int fd) {
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        int holder = read_pid(fd);
        if (i == ORPHANS_SECONDS * 1000 / LOOK_EVERY_MS || holder <= 0 || kill(holder, 0) == 0 || errno != ESRCH) {
            return false;
        }
        struct timespec t = {0, LOOK_EVERY_MS * 1000000L};
        nanosleep(&t, NULL);
    }
    return true;
}

eg_err eg_state_lock(const char *dir, int *ret_fd, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_path(dir, "run/supervisor.lock", path, p));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be opened: %s", path, strerror(errno));
    }
    if (!lock_after_orphans(fd)) {
        (void)eg_fail(p, EG_ERR_LOCKED, "another embergate (process %d) serves this state directory", read_pid(fd));
        close(fd);
        return eg_fail_hint(p, "end it with: embergate stop --state %s", dir);
    }
    char text[16];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        close(fd);
        return eg_fail(p, eg_err_from_errno(errno), "'%s' can't be written: %s", path, strerror(errno));
    }
    *ret_fd = fd;
    return EG_OK;
}

int eg_state_holder(const char *dir) {
    char path[EG_STATE_PATH_MAX];
    if (eg_state_path(dir, "run/supervisor.lock", path, NULL) != EG_OK) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return 0;
    }
    int pid = flock(fd, LOCK_SH | LOCK_NB) != 0 ? read_pid(fd) : 0;
    close(fd);
    return pid;
}

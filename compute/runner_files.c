/* What can be told about a runner from its directory: the names in it, whether it lives, how it ended. */
#include "runner_files.h"

#include <embergate/durable_file.h>
#include <embergate/json.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX 4096 /* bytes of `runner` and of `exit` */

static const char *const kind_names[EG_RUNNER_KIND_COUNT] = {
    [EG_RUNNER_NONE] = "none",
    [EG_RUNNER_MASTER] = "master",
    [EG_RUNNER_WORKER] = "worker",
    [EG_RUNNER_BATCH] = "batch",
};

const char *eg_runner_kind_name(eg_runner_kind k) {
    return (unsigned)k < EG_RUNNER_KIND_COUNT ? kind_names[k] : kind_names[EG_RUNNER_NONE];
}

static bool is_alnum_lower(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool eg_runner_id_valid(eg_str id) {
    if (id.len == 0 || id.len > EG_RUNNER_ID_MAX || id.ptr[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!is_alnum_lower(c) && !(c >= 'A' && c <= 'Z') && c != '-') {
            return false;
        }
    }
    return true;
}

bool eg_runner_cluster_valid(eg_str cluster) {
    if (cluster.len == 0 || cluster.len > 63 || cluster.ptr[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < cluster.len; i++) {
        if (!is_alnum_lower(cluster.ptr[i]) && cluster.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

eg_err eg_runner_path(const eg_runner_ref *ref, const char *file, char *ret, size_t cap) {
    if (ref->kind <= EG_RUNNER_NONE || ref->kind >= EG_RUNNER_KIND_COUNT || !eg_runner_cluster_valid(eg_str_of(ref->cluster)) ||
        !eg_runner_id_valid(eg_str_of(ref->id))) {
        return EG_ERR_INVALID;
    }
    int n = snprintf(ret, cap, "%s/%s/run/%s-%s%s%s", ref->clusters_dir, ref->cluster, eg_runner_kind_name(ref->kind), ref->id,
                     file ? "/" : "", file ? file : "");
    return n > 0 && (size_t)n < cap ? EG_OK : EG_ERR_LIMIT;
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

eg_err eg_runner_lock(int fd) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &l) == 0) {
        return EG_OK;
    }
    return errno == EAGAIN || errno == EACCES ? EG_ERR_LOCKED : eg_err_from_errno(errno);
}

/* Asking does not take the lock, so that two who look at once don't fool each other. */
static eg_err lock_held(int dir_fd, bool *ret) {
    EG_CLEANUP(close_fd) int fd = openat(dir_fd, EG_RUNNER_FILE_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) {
            *ret = false;
            return EG_OK;
        }
        return eg_err_from_errno(errno);
    }
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &l) != 0) {
        return eg_err_from_errno(errno);
    }
    *ret = l.l_type != F_UNLCK;
    return EG_OK;
}

static int64_t number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static bool flag(const json_t *o, const char *name) {
    return json_is_true(json_object_get(o, name));
}

/* EG_ERR_NOT_FOUND when absent or empty: the writer had not come so far. */
static eg_err read_record(int dir_fd, const char *name, json_t **ret, eg_problem *p) {
    eg_buf text;
    eg_buf_init(&text, RECORD_MAX);
    eg_err e = eg_file_read(dir_fd, name, RECORD_MAX, &text, p);
    if (e == EG_OK && text.len == 0) {
        e = EG_ERR_NOT_FOUND;
    }
    json_t *v = NULL;
    if (e == EG_OK) {
        e = eg_json_parse(eg_buf_str(&text), RECORD_MAX, &v, NULL);
        if (e != EG_OK || !json_is_object(v) || number(v, "format") != EG_RUNNER_FORMAT) {
            json_decref(v);
            e = eg_fail(p, EG_ERR_CORRUPT, "A runner's file \"%s\" is not readable.", name);
        }
    }
    eg_buf_done(&text);
    if (e == EG_OK) {
        *ret = v;
    }
    return e;
}

static void fill_exit(const json_t *v, eg_runner_status *s) {
    s->state = EG_RUNNER_ENDED;
    s->exit_code = (int)number(v, "code");
    s->signal = (int)number(v, "signal");
    s->start_failed = flag(v, "startFailed");
    s->stopped = flag(v, "stopped");
    s->log_cut = flag(v, "logCut");
    s->over_disk = flag(v, "overDisk");
    s->ended_ns = number(v, "ended");
    s->user_us = number(v, "userMicros");
    s->system_us = number(v, "systemMicros");
    s->max_rss_kb = number(v, "maxRssKiB");
}

eg_err eg_runner_look_at(int dir_fd, eg_runner_status *ret, eg_problem *p) {
    eg_runner_status s = {.exit_code = -1};
    bool held = false;
    eg_err e = lock_held(dir_fd, &held);
    if (e != EG_OK) {
        return eg_fail(p, e, "Cannot tell whether a runner lives: %s.", eg_err_code(e));
    }
    EG_JSON_AUTO record = NULL;
    e = read_record(dir_fd, EG_RUNNER_FILE_RECORD, &record, p);
    if (e == EG_OK) {
        s.pid = number(record, "pid");
        s.started_ns = number(record, "started");
    } else if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    if (held) {
        s.state = EG_RUNNER_RUNNING;
        *ret = s;
        return EG_OK;
    }
    /* The end is written before the lock goes, so what is not there now never comes. A torn one (power cut) is no word either. */
    EG_JSON_AUTO end = NULL;
    e = read_record(dir_fd, EG_RUNNER_FILE_EXIT, &end, p);
    s.state = EG_RUNNER_DEAD;
    if (e == EG_OK) {
        fill_exit(end, &s);
    } else if (e != EG_ERR_NOT_FOUND && e != EG_ERR_CORRUPT) {
        return e;
    }
    *ret = s;
    return EG_OK;
}

eg_err eg_runner_look(const eg_runner_ref *ref, eg_runner_status *ret, eg_problem *p) {
    char path[PATH_MAX];
    eg_err e = eg_runner_path(ref, NULL, path, sizeof path);
    if (e != EG_OK) {
        return eg_fail(p, e, "That is no name of a runner.");
    }
    EG_CLEANUP(close_fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) {
        if (errno == ENOENT) {
            *ret = (eg_runner_status){.state = EG_RUNNER_ABSENT, .exit_code = -1};
            return EG_OK;
        }
        e = eg_err_from_errno(errno);
        return eg_fail(p, e, "Cannot open a runner's directory: %s.", strerrordesc_np(errno));
    }
    return eg_runner_look_at(dir, ret, p);
}

eg_err eg_runner_started(int64_t pid, eg_runner_birth *ret) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    char text[1024];
    EG_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0) {
        return EG_ERR_NOT_FOUND;
    }
    text[n] = '\0';
    /* The second field is the command in parentheses and may hold any byte: count from the last ')'. Field 22 is the 20th after it. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (!at) {
        return EG_ERR_CORRUPT;
    }
    eg_str rest = eg_str_of(at + 1);
    eg_runner_birth b = {.pid = pid};
    EG_TRY(eg_str_u64(eg_str_cut(&rest, ' '), UINT64_MAX, &b.start_ticks));
    EG_CLEANUP(close_fd) int boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (boot < 0 || read(boot, b.boot_id, EG_UUID_LEN - 1) != EG_UUID_LEN - 1) {
        return EG_ERR_IO;
    }
    *ret = b;
    return EG_OK;
}

eg_err eg_runner_birth_at(int dir_fd, eg_runner_birth *ret, eg_problem *p) {
    EG_JSON_AUTO record = NULL;
    EG_TRY(read_record(dir_fd, EG_RUNNER_FILE_RECORD, &record, p));
    eg_runner_birth b = {.pid = number(record, "pid"), .start_ticks = (uint64_t)number(record, "startTicks")};
    eg_str boot = eg_json_str(record, "boot");
    if (b.pid <= 1 || boot.len != EG_UUID_LEN - 1) {
        return eg_fail(p, EG_ERR_CORRUPT, "A runner's record names no process.");
    }
    memcpy(b.boot_id, boot.ptr, boot.len);
    *ret = b;
    return EG_OK;
}

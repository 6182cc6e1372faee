/* A launcher in a process of its own, with a made-up Spark home: its bin/spark-submit runs the batch's file as a shell script, because what
 * is tested is how runners start, watch and end a program, whichever it is. Real Spark runs in tests/scenario. */
#ifndef LAUNCHER_FIXTURE_H
#define LAUNCHER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launcher.h"

#include <embergate/compute.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct fixture {
    char dir[128], clusters[160], jobs[160], spark[160], socket[160], trust[160];
    const char *roots[2];
    eg_cluster_config cluster;
    eg_launcher_options options;
    pid_t launcher;
    eg_launcher_client *client;
    uint8_t key[EG_RUNNER_LOG_KEY_LEN];
} fixture;

static atomic_int fixture_stop; /* lock-free: a signal handler sets it */
static inline void fixture_on_term(int s) {
    (void)s;
    fixture_stop = 1;
}

static inline void fixture_write(const char *path, const char *text, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static inline void fixture_launcher_start(fixture *f) {
    eg_problem p = {0};
    assert_int_equal(eg_ipc_listen(f->socket, &f->options.listen_fd, &p), EG_OK);
    f->launcher = fork();
    assert_true(f->launcher >= 0);
    if (f->launcher == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, fixture_on_term);
        eg_err e = eg_launcher_run(&f->options, &fixture_stop, &p);
        _exit(e == EG_OK ? 0 : 1);
    }
    close(f->options.listen_fd);
    f->client = eg_launcher_client_new(f->socket);
    assert_non_null(f->client);
}

static inline void fixture_launcher_end(fixture *f, int signal_number) {
    int status;
    kill(f->launcher, signal_number);
    assert_int_equal(waitpid(f->launcher, &status, 0), f->launcher);
    if (signal_number == SIGTERM) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    eg_launcher_client_free(f->client);
    f->client = NULL;
}

static inline int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "%s/eg-compute-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0711), 0);
    snprintf(f->clusters, sizeof f->clusters, "%s/clusters", f->dir);
    snprintf(f->jobs, sizeof f->jobs, "%s/jobs", f->dir);
    snprintf(f->spark, sizeof f->spark, "%s/spark", f->dir);
    snprintf(f->socket, sizeof f->socket, "%s/launcher.sock", f->dir);
    snprintf(f->trust, sizeof f->trust, "%s/ca.pem", f->dir);
    char path[256];
    mkdir(f->jobs, 0755);
    mkdir(f->spark, 0755);
    snprintf(path, sizeof path, "%s/bin", f->spark);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/bin/spark-submit", f->spark);
    fixture_write(path, "#!/bin/sh\nshift 2\n[ \"$1\" = --class ] && shift 2\nexec /bin/sh \"$@\"\n", 0755);
    f->roots[0] = f->jobs;
    f->cluster = (eg_cluster_config){
        .name = "spark",
        .tenant = "t",
        .user = geteuid() == 0 ? "nobody" : "",
        .workers = 2,
        .worker_cores = 1,
        .worker_memory_mb = 1024,
        .max_disk_mb = 32,
        .file_roots = f->roots,
        .spark_home = f->spark,
        .python = "/usr/bin/python3",
        .java_home = "",
    };
    f->options = (eg_launcher_options){
        .gateway_uid = geteuid(), .gateway_gid = getegid(), .clusters_dir = f->clusters, .clusters = &f->cluster, .cluster_count = 1};
    memset(f->key, 7, sizeof f->key);
    setenv("LEAKED", "a-value-of-the-launcher", 1);
    fixture_launcher_start(f);
    eg_problem p = {0};
    assert_int_equal(eg_launcher_ensure(f->client, "spark", &p), EG_OK);
    *state = f;
    return 0;
}

static inline void fixture_remove(const char *path) {
    DIR *d = opendir(path);
    if (d) {
        struct dirent *e;
        while ((e = readdir(d))) {
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
                char sub[512];
                snprintf(sub, sizeof sub, "%.255s/%.250s", path, e->d_name);
                if (unlink(sub) != 0) {
                    fixture_remove(sub);
                }
            }
        }
        closedir(d);
    }
    rmdir(path);
}

/* Whatever a failed test left running. */
static inline void fixture_end_runners(fixture *f) {
    char path[256];
    snprintf(path, sizeof path, "%s/spark/run", f->clusters);
    DIR *d = opendir(path);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        const char *id = strchr(e->d_name, '-');
        for (eg_runner_kind k = EG_RUNNER_MASTER; id && k < EG_RUNNER_KIND_COUNT; k++) {
            if (strncmp(e->d_name, eg_runner_kind_name(k), (size_t)(id - e->d_name)) == 0) {
                eg_err ended = eg_launcher_stop(f->client, "spark", k, id + 1, EG_LAUNCH_STOP_NOW, NULL);
                assert_int_equal(ended, EG_OK);
            }
        }
    }
    if (d) {
        closedir(d);
    }
}

static inline int fixture_teardown(void **state) {
    fixture *f = *state;
    fixture_end_runners(f);
    fixture_launcher_end(f, SIGTERM);
    fixture_remove(f->dir);
    free(f);
    return 0;
}

static inline eg_runner_ref fixture_ref(const fixture *f, const char *id) {
    return (eg_runner_ref){.clusters_dir = f->clusters, .cluster = "spark", .kind = EG_RUNNER_BATCH, .id = id};
}

/* Starts a batch whose program is this shell script. */
static inline eg_err fixture_run(fixture *f, const char *id, const char *script) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s.sh", f->jobs, id);
    fixture_write(path, script, 0644);
    static const eg_str args[] = {{"first", 5}, {"second word", 11}};
    eg_launch_spec s = {
        .cluster = "spark",
        .kind = EG_RUNNER_BATCH,
        .id = id,
        .log_key = {f->key, sizeof f->key},
        .properties = eg_str_bytes(EG_LIT("spark.secret=never-on-disk\n")),
        .credential = eg_str_bytes(EG_LIT("credential-of-the-job")),
        .file = eg_str_of(path),
        .args = args,
        .arg_count = 2,
    };
    eg_problem p = {0};
    eg_err e = eg_launcher_start(f->client, &s, &p);
    if (e != EG_OK) {
        print_message("start: %s %s\n", eg_err_code(e), p.message);
    }
    return e;
}

static inline eg_runner_status fixture_look(fixture *f, const char *id) {
    eg_runner_ref ref = fixture_ref(f, id);
    eg_runner_status s;
    eg_problem p = {0};
    assert_int_equal(eg_runner_look(&ref, &s, &p), EG_OK);
    return s;
}

/* Waits at most 15 s for the end. */
static inline eg_runner_status fixture_wait(fixture *f, const char *id) {
    for (int i = 0; i < 1500; i++) {
        eg_runner_status s = fixture_look(f, id);
        if (s.state != EG_RUNNER_RUNNING) {
            return s;
        }
        usleep(10000);
    }
    fail_msg("the runner %s does not end", id);
    return (eg_runner_status){0};
}

static inline void fixture_log(fixture *f, const char *id, eg_runner_log *ret) {
    eg_runner_ref ref = fixture_ref(f, id);
    eg_problem p = {0};
    assert_int_equal(eg_runner_log_read(&ref, (eg_bytes){f->key, sizeof f->key}, 0, 1000, ret, &p), EG_OK);
    assert_false(ret->damaged);
}

/* Waits until the log holds `text`, at most 15 s. */
static inline void fixture_log_says(fixture *f, const char *id, const char *text) {
    for (int i = 0; i < 1500; i++) {
        eg_runner_log l;
        fixture_log(f, id, &l);
        bool there = l.lines.ptr && strstr(l.lines.ptr, text);
        eg_runner_log_done(&l);
        if (there) {
            return;
        }
        usleep(10000);
    }
    fail_msg("the log of %s never says \"%s\"", id, text);
}

/* Processes (not zombies) with this word on their command line: what runs in a namespace of its own doesn't know its number out here. */
static inline int fixture_count(const char *word) {
    int n = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    struct dirent *e;
    while ((e = readdir(d))) {
        char path[64], text[4096];
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
        int fd = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t got = fd >= 0 ? read(fd, text, sizeof text) : 0;
        n += got > 0 && memmem(text, (size_t)got, word, strlen(word)) != NULL;
        if (fd >= 0) {
            close(fd);
        }
    }
    closedir(d);
    return n;
}

/* Waits at most 10 s until `want` of them run. */
static inline bool fixture_counts(const char *word, int want) {
    for (int i = 0; i < 1000; i++) {
        if (fixture_count(word) == want) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

#endif

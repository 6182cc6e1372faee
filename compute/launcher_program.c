/* Builds the command line and the environment of a runner's program. */
#include "launcher_program.h"

#include "runner_process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS_FIXED 24
#define MASTER_CLASS "org.apache.spark.deploy.master.Master"
#define WORKER_CLASS "org.apache.spark.deploy.worker.Worker"

/* Two cores start quicker with little compilation and no parallel collector; none of them leaves a file in /tmp. */
#define JVM_LIGHT "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData"

typedef struct words {
    eg_arena *arena;
    char **v;
    size_t n, cap;
    bool failed;
} words;

static void add_str(words *w, eg_str s) {
    eg_str copy = eg_arena_str(w->arena, s);
    if (!copy.ptr || w->n + 1 >= w->cap) {
        w->failed = true;
        return;
    }
    w->v[w->n++] = (char *)(uintptr_t)copy.ptr; /* execve's prototype wants it writable */
}

static void add(words *w, const char *z) {
    add_str(w, eg_str_of(z));
}

static void addf(words *w, const char *fmt, ...) EG_PRINTF(2, 3);
static void addf(words *w, const char *fmt, ...) {
    char text[4608];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text) {
        w->failed = true;
        return;
    }
    add(w, text);
}

static words words_new(eg_arena *a, size_t cap) {
    words w = {.arena = a, .cap = cap};
    w.v = eg_arena_alloc(a, cap * sizeof *w.v);
    w.failed = w.v == NULL;
    w.cap = w.v ? cap : 0;
    return w;
}

static bool has_nul(eg_str s) {
    return s.len > 0 && memchr(s.ptr, 0, s.len);
}

static eg_err check_class(eg_str name, eg_problem *p) {
    bool ok = name.len <= 512;
    for (size_t i = 0; i < name.len && ok; i++) {
        char c = name.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '$';
    }
    return ok ? EG_OK : eg_fail(p, EG_ERR_INVALID, "The class name holds characters that no class name has.");
}

/* A regular file beneath `root`, reached without any link. The job's own user opens it later: this refuses, it grants nothing. */
static bool beneath(const char *root, eg_str file) {
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/') {
        n--;
    }
    if (n == 0 || file.len <= n + 1 || memcmp(file.ptr, root, n) != 0 || file.ptr[n] != '/' || file.len - n >= 4096) {
        return false;
    }
    char rest[4096];
    memcpy(rest, file.ptr + n + 1, file.len - n - 1);
    rest[file.len - n - 1] = '\0';
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return false;
    }
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir, rest, &how, sizeof how);
    struct stat st;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (fd >= 0) {
        close(fd);
    }
    close(dir);
    return ok;
}

static eg_err check_file(const eg_cluster_config *c, eg_str file, eg_problem *p) {
    if (file.len == 0 || file.len > 2048 || has_nul(file)) {
        return eg_fail(p, EG_ERR_FILE_REFUSED, "A batch needs a file of at most 2048 bytes.");
    }
    if (eg_str_starts(file, "abfss://")) {
        return EG_OK;
    }
    for (size_t i = 0; c->file_roots && c->file_roots[i]; i++) {
        if (beneath(c->file_roots[i], file)) {
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_FILE_REFUSED, "The file is neither on the storage nor a regular file beneath a directory that this cluster allows.");
}

static eg_err check_batch(const eg_cluster_config *c, const eg_launch_spec *s, eg_problem *p) {
    EG_TRY(check_class(s->main_class, p));
    EG_TRY(check_file(c, s->file, p));
    size_t bytes = 0;
    for (size_t i = 0; i < s->arg_count; i++) {
        bytes += s->args[i].len + 1;
        if (has_nul(s->args[i])) {
            return eg_fail(p, EG_ERR_INVALID, "An argument holds a NUL byte.");
        }
    }
    if (s->arg_count > EG_LAUNCH_ARGS_MAX || bytes > EG_LAUNCH_ARGS_BYTES_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "A batch has at most %d arguments of %u bytes together.", EG_LAUNCH_ARGS_MAX, EG_LAUNCH_ARGS_BYTES_MAX);
    }
    return EG_OK;
}

static void words_of_daemon(words *w, const eg_cluster_config *c, const char *class) {
    addf(w, "%s/bin/spark-class", c->spark_home);
    add(w, class);
    add(w, "--host");
    add(w, "127.0.0.1");
    add(w, "--properties-file");
    add(w, EG_RUNNER_PROPERTIES_PATH);
    add(w, "--webui-port");
}

static void words_of(words *w, const char *clusters_dir, const eg_cluster_config *c, const eg_launch_spec *s) {
    switch (s->kind) {
    case EG_RUNNER_MASTER:
        words_of_daemon(w, c, MASTER_CLASS);
        addf(w, "%u", s->ui_port);
        add(w, "--port");
        addf(w, "%u", s->port);
        break;
    case EG_RUNNER_WORKER:
        words_of_daemon(w, c, WORKER_CLASS);
        addf(w, "%u", s->ui_port);
        add(w, "--cores");
        addf(w, "%u", c->worker_cores);
        add(w, "--memory");
        addf(w, "%um", c->worker_memory_mb);
        add(w, "--work-dir");
        addf(w, "%s/%s/tmp/work", clusters_dir, c->name);
        addf(w, "spark://127.0.0.1:%u", s->port);
        break;
    case EG_RUNNER_BATCH:
        addf(w, "%s/bin/spark-submit", c->spark_home);
        add(w, "--properties-file");
        add(w, EG_RUNNER_PROPERTIES_PATH);
        if (s->main_class.len > 0) {
            add(w, "--class");
            add_str(w, s->main_class);
        }
        add_str(w, s->file);
        for (size_t i = 0; i < s->arg_count; i++) {
            add_str(w, s->args[i]);
        }
        break;
    default:
        w->failed = true;
    }
}

static void environment(words *w, const char *clusters_dir, const eg_cluster_config *c, const eg_launch_spec *s) {
    const char *python = c->python && c->python[0] ? c->python : "/usr/bin/python3";
    add(w, "PATH=/usr/local/bin:/usr/bin:/bin");
    add(w, "LANG=C.UTF-8");
    add(w, "PYTHONDONTWRITEBYTECODE=1");
    addf(w, "HOME=%s/%s/home", clusters_dir, c->name);
    addf(w, "TMPDIR=%s/%s/tmp", clusters_dir, c->name);
    if (c->user && c->user[0]) {
        addf(w, "USER=%s", c->user);
    }
    if (c->java_home && c->java_home[0]) {
        addf(w, "JAVA_HOME=%s", c->java_home);
    }
    addf(w, "SPARK_HOME=%s", c->spark_home);
    addf(w, "SPARK_CONF_DIR=%s/%s/conf", clusters_dir, c->name);
    addf(w, "SPARK_LOCAL_DIRS=%s/%s/scratch/%s-%s", clusters_dir, c->name, eg_runner_kind_name(s->kind), s->id);
    add(w, "SPARK_LOCAL_IP=127.0.0.1");
    add(w, "SPARK_NO_DAEMONIZE=1");
    add(w, "SPARK_DAEMON_MEMORY=256m");
    addf(w, "SPARK_DAEMON_JAVA_OPTS=" JVM_LIGHT " -Djava.io.tmpdir=%s/%s/tmp", clusters_dir, c->name);
    add(w, "SPARK_LAUNCHER_OPTS=" JVM_LIGHT);
    addf(w, "PYSPARK_PYTHON=%s", python);
    addf(w, "PYSPARK_DRIVER_PYTHON=%s", python);
}

eg_err eg_launcher_program_for(const char *clusters_dir, const eg_cluster_config *c, const eg_launch_spec *s, eg_arena *a, eg_launcher_program *ret,
                           eg_problem *p) {
    if (s->kind == EG_RUNNER_BATCH) {
        EG_TRY(check_batch(c, s, p));
    } else if (s->port == 0) {
        return eg_fail(p, EG_ERR_INVALID, "A master or worker needs its port.");
    }
    words argv = words_new(a, WORDS_FIXED + s->arg_count);
    words_of(&argv, clusters_dir, c, s);
    words envp = words_new(a, WORDS_FIXED);
    environment(&envp, clusters_dir, c, s);
    if (argv.failed || envp.failed) {
        return eg_fail(p, EG_ERR_LIMIT, "The command line of the runner does not fit.");
    }
    *ret = (eg_launcher_program){.argv = argv.v, .envp = envp.v};
    return EG_OK;
}

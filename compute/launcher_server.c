/* The launcher's message table: makes a cluster's directories, starts runners, signals them, removes what they left. */
#include "cluster_dirs.h"
#include "launcher.h"
#include "launcher_messages.h"
#include "launcher_program.h"
#include "runner_dir.h"
#include "runner_init.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENA_MAX (4u << 20)
#define START_MS 15000

typedef struct launcher {
    const eg_launcher_options *o;
    /* One message at a time: so no other thread of this process is inside a library when a runner is forked. */
    pthread_mutex_t one;
} launcher;

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static eg_err find_cluster(const launcher *l, eg_str name, const eg_cluster_config **ret, eg_problem *p) {
    for (size_t i = 0; i < l->o->cluster_count; i++) {
        if (eg_str_is(name, l->o->clusters[i].name)) {
            *ret = &l->o->clusters[i];
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_CLUSTER_NOT_FOUND, "The launcher knows no cluster \"%.*s\".", EG_FMT(name));
}

typedef struct target {
    const eg_cluster_config *cluster;
    eg_runner_kind kind;
    char id[EG_RUNNER_ID_MAX + 1];
    char name[64];      /* "{kind}-{id}" */
} target;

static eg_err take_target(const launcher *l, eg_ipc_reader *in, target *ret, eg_problem *p) {
    eg_bytes cluster, id;
    uint64_t kind;
    EG_TRY(eg_ipc_take(in, &cluster));
    EG_TRY(eg_ipc_take_u64(in, &kind));
    EG_TRY(eg_ipc_take(in, &id));
    target t = {0};
    EG_TRY(find_cluster(l, eg_bytes_str(cluster), &t.cluster, p));
    if (kind <= EG_RUNNER_NONE || kind >= EG_RUNNER_KIND_COUNT || !eg_runner_id_valid(eg_bytes_str(id))) {
        return eg_fail(p, EG_ERR_INVALID, "That is no name of a runner.");
    }
    t.kind = (eg_runner_kind)kind;
    memcpy(t.id, id.ptr, id.len);
    snprintf(t.name, sizeof t.name, "%s-%s", eg_runner_kind_name(t.kind), t.id);
    *ret = t;
    return EG_OK;
}

static eg_err open_run(const launcher *l, const eg_cluster_config *c, int *ret_fd, eg_problem *p) {
    EG_CLEANUP(close_fd) int dir = -1;
    EG_TRY(eg_cluster_dirs_open(l->o, c, &dir, p));
    int fd = openat(dir, "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "Cannot open the runners' directory of cluster \"%s\".", c->name);
    }
    *ret_fd = fd;
    return EG_OK;
}

static eg_err handle_ensure(const launcher *l, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)reply;

    eg_bytes name;
    const eg_cluster_config *c = NULL;
    EG_TRY(eg_ipc_take(in, &name));
    EG_TRY(find_cluster(l, eg_bytes_str(name), &c, p));
    return eg_cluster_dirs_make(l->o, c, p);
}

static eg_err take_port(eg_ipc_reader *in, uint16_t *ret) {
    uint64_t v;
    EG_TRY(eg_ipc_take_u64(in, &v));
    if (v > UINT16_MAX) {
        return EG_ERR_INVALID;
    }
    *ret = (uint16_t)v;
    return EG_OK;
}

static eg_err take_spec(eg_ipc_reader *in, eg_arena *a, eg_launch_spec *s, eg_problem *p) {
    eg_bytes class, file;
    uint64_t argc;
    EG_TRY(eg_ipc_take(in, &s->log_key));
    EG_TRY(eg_ipc_take(in, &s->properties));
    EG_TRY(take_port(in, &s->port));
    EG_TRY(take_port(in, &s->ui_port));
    EG_TRY(eg_ipc_take(in, &s->credential));
    EG_TRY(eg_ipc_take(in, &class));
    EG_TRY(eg_ipc_take(in, &file));
    EG_TRY(eg_ipc_take_u64(in, &argc));
    if (s->log_key.len != EG_RUNNER_LOG_KEY_LEN || argc > EG_LAUNCH_ARGS_MAX || s->credential.len > EG_LAUNCH_CREDENTIAL_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "A field of the message has not the length that it must have.");
    }
    eg_str *args = eg_arena_alloc(a, (size_t)(argc + 1) * sizeof *args);
    if (!args) {
        return EG_ERR_NO_MEMORY;
    }
    for (uint64_t i = 0; i < argc; i++) {
        eg_bytes arg;
        EG_TRY(eg_ipc_take(in, &arg));
        args[i] = eg_bytes_str(arg);
    }
    s->main_class = eg_bytes_str(class);
    s->file = eg_bytes_str(file);
    s->args = args;
    s->arg_count = (size_t)argc;
    return EG_OK;
}

/* Forks twice, so that the runner is nobody's child here; waits for its word. */
static eg_err fork_runner(eg_runner_job *job, unsigned *ret_isolation, eg_problem *p) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "Cannot make a pipe.");
    }
    job->report_fd = report[1];
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        pid_t pid = fork();
        if (pid == 0) {
            eg_runner_process(job);
        }
        _exit(pid < 0 ? 1 : 0);
    }
    close(report[1]);
    EG_CLEANUP(close_fd) int in = report[0];
    int status = 1;
    if (middle < 0 || waitpid(middle, &status, 0) < 0 || status != 0) {
        return eg_fail(p, EG_ERR_LAUNCHER, "Cannot fork a runner.");
    }
    eg_runner_report r = {.err = EG_ERR_LAUNCHER};
    struct pollfd f = {.fd = in, .events = POLLIN};
    int ready;
    do {
        ready = poll(&f, 1, START_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return eg_fail(p, EG_ERR_LAUNCHER, "The runner has not started its program within %d s.", START_MS / 1000);
    }
    if (read(in, &r, sizeof r) != (ssize_t)sizeof r) {
        return eg_fail(p, EG_ERR_LAUNCHER, "The runner ended before it started its program.");
    }
    r.what[sizeof r.what - 1] = '\0';
    *ret_isolation = r.isolation;
    return r.err == EG_OK ? EG_OK : eg_fail(p, EG_ERR_LAUNCHER, "The runner failed: %s.", r.what);
}

static eg_err start(const launcher *l, const target *t, eg_launch_spec *s, eg_ipc_msg *reply, eg_problem *p) {
    EG_CLEANUP(eg_arena_free_p) eg_arena *a = eg_arena_new(ARENA_MAX);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    const eg_cluster_config *c = t->cluster;
    eg_cluster_user user;
    eg_launcher_program program;
    EG_TRY(eg_cluster_dirs_user(l->o, c, &user, p));
    EG_TRY(eg_launcher_program_for(l->o->clusters_dir, c, s, a, &program, p));
    eg_str name = eg_arena_printf(a, "%s/%s", c->name, t->name);
    eg_str home = eg_arena_printf(a, "%s/%s/home", l->o->clusters_dir, c->name);
    eg_str tmp = eg_arena_printf(a, "%s/%s/tmp", l->o->clusters_dir, c->name);
    eg_str scratch = eg_arena_printf(a, "%s/%s/scratch", l->o->clusters_dir, c->name);
    if (!name.ptr || !home.ptr || !tmp.ptr || !scratch.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    EG_CLEANUP(close_fd) int run = -1;
    EG_TRY(open_run(l, c, &run, p));
    eg_runner_dir_spec ds = {.name = t->name, .chown = user.drop, .gateway_gid = l->o->gateway_gid, .user = &user, .credential = s->credential};
    eg_runner_dir d;
    EG_TRY(eg_runner_dir_make(run, &ds, &d, p));
    eg_runner_job job = {
        .name = name.ptr,
        .lock_fd = d.lock_fd,
        .record_fd = d.record_fd,
        .log_fd = d.log_fd,
        .exit_fd = d.exit_fd,
        .credential_fd = d.credential_fd,
        .drop = user.drop,
        .uid = user.uid,
        .gid = user.gid,
        .cwd = home.ptr,
        .private_tmp = tmp.ptr,
        .scratch = scratch.ptr,
        .file_roots = c->file_roots,
        .bounds = {.processes = c->max_processes, .memory_mb = c->max_memory_mb, .disk_mb = c->max_disk_mb},
        .log_key = s->log_key,
        .properties = s->properties,
        .argv = program.argv,
        .envp = program.envp,
    };
    unsigned isolation = 0;
    eg_err e = fork_runner(&job, &isolation, p);
    eg_runner_dir_done(&d); /* the runner has the lock now, or nobody */
    return e == EG_OK ? eg_ipc_put_u64(reply, isolation) : e;
}

static eg_err handle_start(const launcher *l, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {

    target t;
    EG_TRY(take_target(l, in, &t, p));
    EG_CLEANUP(eg_arena_free_p) eg_arena *a = eg_arena_new(ARENA_MAX);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    eg_launch_spec s = {.cluster = t.cluster->name, .kind = t.kind, .id = t.id};
    EG_TRY(take_spec(in, a, &s, p));
    return start(l, &t, &s, reply, p);
}

static eg_err handle_stop(const launcher *l, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)reply;

    target t;
    uint64_t how;
    EG_TRY(take_target(l, in, &t, p));
    EG_TRY(eg_ipc_take_u64(in, &how));
    if (how != EG_LAUNCH_STOP_GRACEFUL && how != EG_LAUNCH_STOP_NOW) {
        return eg_fail(p, EG_ERR_INVALID, "There are two ways to stop a runner.");
    }
    EG_CLEANUP(close_fd) int run = -1;
    EG_TRY(open_run(l, t.cluster, &run, p));
    return eg_runner_dir_signal(run, t.name, how == EG_LAUNCH_STOP_NOW ? SIGUSR1 : SIGTERM, p);
}

/* A runner that was killed left its scratch files: they are removed as the cluster's user, so that no link in them can lead us
 * astray, and by a process of its own, so that a great many keep nobody waiting. */
static void remove_scratch(const launcher *l, const target *t) {
    eg_cluster_user user;
    char scratch[4096];
    int n = snprintf(scratch, sizeof scratch, "%s/%s/scratch", l->o->clusters_dir, t->cluster->name);
    if (n <= 0 || (size_t)n >= sizeof scratch || eg_cluster_dirs_user(l->o, t->cluster, &user, NULL) != EG_OK) {
        return;
    }
    pid_t middle = fork();
    if (middle == 0) {
        eg_runner_job who = {.drop = user.drop, .uid = user.uid, .gid = user.gid};
        if (fork() == 0) {
            close_range(3, ~0U, 0);
            if (eg_runner_init_drop(&who) == 0) {
                eg_scratch_remove(scratch, t->name);
            }
        }
        _exit(0);
    }
    if (middle > 0) {
        waitpid(middle, NULL, 0);
    }
}

static eg_err handle_discard(const launcher *l, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)reply;

    target t;
    EG_TRY(take_target(l, in, &t, p));
    EG_CLEANUP(close_fd) int run = -1;
    EG_TRY(open_run(l, t.cluster, &run, p));
    eg_err e = eg_runner_dir_remove(run, t.name, p);
    if (e == EG_OK) {
        remove_scratch(l, &t);
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

#define HANDLER(name)                                                                                    \
    static eg_err serve_##name(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {         \
        launcher *l = ctx;                                                                               \
        pthread_mutex_lock(&l->one);                                                                     \
        eg_err e = handle_##name(l, in, reply, p);                                                       \
        pthread_mutex_unlock(&l->one);                                                                   \
        return e;                                                                                        \
    }
HANDLER(ensure)
HANDLER(start)
HANDLER(stop)
HANDLER(discard)

static const eg_ipc_handler handlers[] = {
    {EG_LAUNCHER_ENSURE, "ensure", 1024, serve_ensure},
    {EG_LAUNCHER_START, "start", EG_IPC_MAX, serve_start},
    {EG_LAUNCHER_STOP, "stop", 1024, serve_stop},
    {EG_LAUNCHER_DISCARD, "discard", 1024, serve_discard},
};

eg_err eg_launcher_run(const eg_launcher_options *o, const atomic_int *stop, eg_problem *p) {
    launcher l = {.o = o};
    (void)eg_runner_init_probe(); /* what is missing then, each runner tells */
    pthread_mutex_init(&l.one, NULL);
    eg_ipc_server_options so = {
        .listen_fd = o->listen_fd,
        .allowed_uid = o->gateway_uid,
        .handlers = handlers,
        .handler_count = sizeof handlers / sizeof *handlers,
        .ctx = &l,
        .max_connections = 16,
    };
    /* So that a cluster is closed to the users of the others before anything of it ever ran. What fails here fails again, and is
     * told, when the cluster is wanted. */
    for (size_t i = 0; i < o->cluster_count; i++) {
        eg_problem later = {0};
        eg_err ignored = eg_cluster_dirs_make(o, &o->clusters[i], &later);
        (void)ignored;
    }
    eg_err e = eg_ipc_serve(&so, stop);
    pthread_mutex_destroy(&l.one);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The launcher cannot serve its socket: %s.", eg_err_code(e));
}

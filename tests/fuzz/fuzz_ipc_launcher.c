/* Fuzzes what the launcher (the one process with privileges) makes of a message: take_target and take_spec of compute/launcher_server.c, then eg_launcher_program_for. Nothing is
 * started. The input is the payload of a "start" message.
 *
 *   ./dev fuzz ipc_launcher */
#include "launcher_server.c" /* Exception to "every file by itself": the readers are static, and they are what is fuzzed */

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const roots[] = {"/usr/lib", NULL};
static const char *const no_jars[] = {NULL};
static const eg_cluster_config cluster = {.name = "analytics", .tenant = "t", .user = "", .workers = 1, .worker_cores = 1, .worker_memory_mb = 1024, .file_roots = roots,
    .spark_home = "/usr/lib/spark", .python = "/usr/bin/python3", .java_home = "", .jars = no_jars};
static const eg_launcher_options options = {.clusters_dir = "/var/lib/embergate/clusters", .clusters = &cluster, .cluster_count = 1};

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static bool runs_what_we_chose(const char *program) {
    return strcmp(program, "/usr/lib/spark/bin/spark-submit") == 0 || strcmp(program, "/usr/lib/spark/bin/spark-class") == 0;
}

/* The submitter's words can't come before the program's own, nor can a file name pass for an option. */
static void check_program(const eg_launch_spec *s, const eg_launcher_program *program) {
    size_t n = 0;
    require(program->argv[0] != NULL && runs_what_we_chose(program->argv[0]));
    while (program->argv[n] != NULL) {
        n++;
    }
    require(s->kind != EG_RUNNER_BATCH || n > s->arg_count);
    for (size_t i = 0; s->kind == EG_RUNNER_BATCH && i < s->arg_count; i++) {
        require(eg_str_is(s->args[i], program->argv[n - s->arg_count + i]));
    }
    for (size_t i = 0; program->envp[i] != NULL; i++) {
        require(strchr(program->envp[i], '=') != NULL && strchr(program->envp[i], '\n') == NULL);
        require(strncmp(program->envp[i], "LD_", 3) != 0);
    }
    require(s->kind != EG_RUNNER_BATCH || (s->file.len > 0 && s->file.ptr[0] != '-'));
    require(s->kind != EG_RUNNER_BATCH || s->main_class.len == 0 || s->main_class.ptr[0] != '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const launcher l = {.o = &options};
    eg_ipc_reader in = {{data, size}};
    eg_problem p = {0};
    target t;
    if (take_target(&l, &in, &t, &p) != EG_OK) {
        return 0;
    }
    require(t.cluster == &cluster && strlen(t.id) > 0 && strchr(t.name, '/') == NULL && strlen(t.name) < sizeof t.name - 1);
    eg_arena *a = eg_arena_new(ARENA_MAX);
    require(a != NULL);
    eg_launch_spec s = {.cluster = t.cluster->name, .kind = t.kind, .id = t.id};
    eg_launcher_program program = {0};
    if (take_spec(&in, a, &s, &p) == EG_OK && eg_launcher_program_for(options.clusters_dir, &cluster, &s, a, &program, &p) == EG_OK) {
        check_program(&s, &program);
    }
    eg_arena_free(a);
    return 0;
}

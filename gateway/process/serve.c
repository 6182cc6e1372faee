/* `embergate serve`: prepares, then supervises keeper, launcher and gateway. */
#include "init.h"

#include "serve_plan.h"
#include "supervisor.h"

#include <embergate/keys.h>
#include <embergate/log.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATEWAY_STOP_MARGIN_SECONDS 15 /* beyond what requests may take to finish: owed answers, the last checkpoint */
#define HELPER_STOP_SECONDS 5

static void close_listeners(const eg_serve_plan *plan) {
    for (size_t i = 0; i < plan->config->listener_count; i++) {
        close(plan->listener_fds[i]);
    }
}

static int run_keeper(void *ctx, const atomic_int *stop) {
    eg_serve_plan *plan = ctx;
    close_listeners(plan);
    close(plan->launcher_fd);
    close(plan->admin_fd);
    eg_problem p = {0};
    eg_keeper_options o = {.dir = plan->keeper, .listen_fd = plan->keeper_fd, .gateway_uid = plan->user_gateway.uid};
    if (eg_keeper_run(&o, stop, &p) != EG_OK) {
        eg_log_problem(EG_LOG_ERROR, "keeper.failed", &p);
        return 1;
    }
    return 0;
}

static int run_launcher(void *ctx, const atomic_int *stop) {
    eg_serve_plan *plan = ctx;
    close_listeners(plan);
    close(plan->keeper_fd);
    close(plan->admin_fd);
    eg_problem p = {0};
    eg_launcher_options o = {.listen_fd = plan->launcher_fd, .gateway_uid = plan->user_gateway.uid, .gateway_gid = plan->user_gateway.gid,
                             .clusters_dir = plan->clusters_dir, .trust_store = plan->tls_ca, .clusters = plan->clusters,
                             .cluster_count = plan->config->cluster_count};
    if (eg_launcher_run(&o, stop, &p) != EG_OK) {
        eg_log_problem(EG_LOG_ERROR, "launcher.failed", &p);
        return 1;
    }
    return 0;
}

static eg_log_level log_level_of(const char *name) {
    static const char *const names[] = {[EG_LOG_DEBUG] = "debug", [EG_LOG_INFO] = "info", [EG_LOG_WARN] = "warn", [EG_LOG_ERROR] = "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            return (eg_log_level)i;
        }
    }
    return EG_LOG_INFO;
}

static eg_err load(const char *state, const char *config_path, eg_config **ret, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    if (config_path) {
        EG_TRY(eg_config_load(config_path, ret, p));
        return eg_state_check((*ret)->state_dir, p);
    }
    EG_TRY(eg_state_check(state, p));
    EG_TRY(eg_state_path(state, "embergate.yaml", path, p));
    return eg_config_load(path, ret, p);
}

static eg_err serve(const char *state, const char *config_path, eg_problem *p) {
    static eg_serve_plan plan; /* lives as long as the processes */
    eg_config *config = NULL;
    int lock = -1;
    EG_TRY(load(state, config_path, &config, p));
    eg_log_level level = log_level_of(config->log_level);
    eg_log_init("supervisor", level, STDERR_FILENO);
    EG_TRY(eg_state_lock(config->state_dir, &lock, p));
    EG_TRY(eg_serve_plan_make(config, &plan, p));
    const eg_process processes[] = {
        {.name = "keeper", .user = plan.user_keeper, .run = run_keeper, .ctx = &plan, .log_level = level, .stop_seconds = HELPER_STOP_SECONDS},
        {.name = "launcher", .keep_user = true, .run = run_launcher, .ctx = &plan, .log_level = level, .stop_seconds = HELPER_STOP_SECONDS},
        {.name = "gateway", .user = plan.user_gateway, .run = eg_serve_gateway, .ctx = &plan, .log_level = level,
         .stop_seconds = config->limits.stop_seconds + GATEWAY_STOP_MARGIN_SECONDS},
    };
    eg_log(EG_LOG_INFO, "serve.start", "version", EG_VERSION, "state", config->state_dir, "endpoint", config->public_url, NULL);
    if (plan.user_us.uid != 0) {
        eg_log(EG_LOG_WARN, "serve.one_user", "missing", "jobs run as the user of the server: they are not kept from its files and memory", NULL);
    }
    eg_err e = eg_supervise(processes, sizeof processes / sizeof processes[0], p);
    eg_log(EG_LOG_INFO, "serve.end", NULL);
    close(lock);
    eg_arena_free(plan.arena);
    eg_config_free(config);
    return e;
}

int eg_command_serve(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"config", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
    const char *state = NULL, *config = NULL;
    eg_problem p = {0};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 's') {
            state = optarg;
        } else if (c == 'c') {
            config = optarg;
        } else {
            (void)eg_fail(&p, EG_ERR_INVALID, "serve: an option is unknown; see embergate serve --help");
            return eg_process_complain(&p);
        }
    }
    if ((!state && !config) || optind != argc) {
        (void)eg_fail(&p, EG_ERR_INVALID, "serve: --state DIR or --config FILE is owed");
        return eg_process_complain(&p);
    }
    umask(077);
    eg_log_init("supervisor", EG_LOG_INFO, STDERR_FILENO);
    return serve(state, config, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

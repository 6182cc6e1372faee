/* `embergate config`, `stop` and `recover`: what an operator does beside serving. */
#include "init.h"

#include "state_dir.h"

#include <embergate/compute.h>
#include <embergate/json.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define STOP_SECONDS 45
#define PLAIN_NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static int usage(const char *command, const char *what) {
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_INVALID, "%s: %s", command, what);
    (void)eg_fail_hint(&p, "see: embergate %s --help", command);
    return eg_process_complain(&p);
}

static eg_err load_config(const char *state, eg_config **ret, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_check(state, p));
    EG_TRY(eg_state_path(state, "embergate.yaml", path, p));
    return eg_config_load(path, ret, p);
}

int eg_command_config(int argc, char **argv) {
    eg_problem p = {0};
    if (argc == 2 && strcmp(argv[1], "reference") == 0) {
        EG_CLEANUP(eg_buf_done) eg_buf text;
        eg_buf_init(&text, 1u << 20);
        if (eg_config_reference(&text) != EG_OK) {
            return 1;
        }
        fputs(text.ptr, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
        if (eg_config_load(argv[2], &c, &p) != EG_OK) {
            return eg_process_complain(&p);
        }
        printf("%s: valid\n", argv[2]);
        return 0;
    }
    return usage("config", "`check FILE` or `reference` is owed");
}

static bool wait_gone(const char *state) {
    for (int i = 0; i < STOP_SECONDS * 20; i++) {
        if (eg_state_holder(state) == 0) {
            return true;
        }
        struct timespec t = {0, 50000000};
        nanosleep(&t, NULL);
    }
    return false;
}

static eg_err stop(const char *state, bool keep_jobs, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(load_config(state, &c, p));
    int pid = eg_state_holder(c->state_dir);
    if (pid > 0 && kill(pid, SIGTERM) != 0) {
        return eg_fail(p, EG_ERR_IO, "process %d can't be told to end; run this as the user who started it", pid);
    }
    if (pid > 0 && !wait_gone(c->state_dir)) {
        return eg_fail(p, EG_ERR_TIMEOUT, "process %d has not ended after %d s", pid, STOP_SECONDS);
    }
    unsigned ended = 0;
    if (!keep_jobs) {
        char clusters[EG_STATE_PATH_MAX];
        EG_TRY(eg_state_path(c->state_dir, "clusters", clusters, p));
        EG_TRY(eg_launcher_end_runners(clusters, &ended, p));
    }
    printf("%s%s", pid > 0 ? "the server has ended" : "no server was running", keep_jobs ? "; jobs run on\n" : "");
    if (!keep_jobs) {
        printf("; %u Spark processes were ended\n", ended);
    }
    return EG_OK;
}

int eg_command_stop(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"keep-jobs", no_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
    const char *state = NULL;
    bool keep_jobs = false;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 's') {
            state = optarg;
        } else if (c == 'k') {
            keep_jobs = true;
        } else {
            return usage("stop", "an option is unknown");
        }
    }
    if (!state || optind != argc) {
        return usage("stop", "--state DIR is owed");
    }
    eg_problem p = {0};
    return stop(state, keep_jobs, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

static eg_err recover(const char *state, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    char keeper[EG_STATE_PATH_MAX], text[256];
    EG_TRY(load_config(state, &c, p));
    if (eg_state_holder(c->state_dir) > 0) {
        return eg_fail(p, EG_ERR_LOCKED, "the server is running on this state directory: stop it first");
    }
    EG_TRY(eg_state_path(c->state_dir, "keeper", keeper, p));
    ssize_t n = read(STDIN_FILENO, text, sizeof text - 1);
    eg_str key = {text, n > 0 ? (size_t)n : 0};
    while (key.len > 0 && (key.ptr[key.len - 1] == '\n' || key.ptr[key.len - 1] == ' ' || key.ptr[key.len - 1] == '\r')) {
        key.len--;
    }
    eg_unix_user us;
    EG_TRY(eg_unix_user_find("", &us, p));
    EG_TRY(eg_unix_user_own_tree(keeper, &us, p)); /* the keeper opens only what belongs to its own user; given back below */
    eg_err e = eg_keeper_recover(keeper, key, p);
    eg_cleanse(text, sizeof text);
    eg_problem owners = {0};
    eg_err back = eg_init_owners(c, &owners);
    EG_TRY(e);
    if (back != EG_OK) {
        *p = owners;
        return back;
    }
    puts("the master key was recovered");
    return EG_OK;
}

int eg_command_recover(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    const char *state = NULL;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c != 's') {
            return usage("recover", "an option is unknown");
        }
        state = optarg;
    }
    if (!state || optind != argc) {
        return usage("recover", "--state DIR is owed");
    }
    eg_problem p = {0};
    return recover(state, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

static eg_err add_tenant(const char *state, const char *name, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    char keeper[EG_STATE_PATH_MAX], id[EG_UUID_LEN];
    EG_TRY(load_config(state, &c, p));
    if (eg_config_tenant_named(c, name)) {
        return eg_fail(p, EG_ERR_EXISTS, "there is a tenant '%s' already", name);
    }
    eg_unix_user us;
    EG_TRY(eg_unix_user_find("", &us, p));
    EG_TRY(eg_state_path(c->state_dir, "keeper", keeper, p));
    EG_TRY(eg_unix_user_own_tree(keeper, &us, p));
    eg_uuid_new(id);
    eg_problem owners = {0};
    eg_err e = eg_keeper_add_tenant(keeper, eg_str_of(id), p);
    eg_err back = eg_init_owners(c, &owners);
    EG_TRY(e);
    if (back != EG_OK) {
        *p = owners;
        return back;
    }
    printf("# add this to `tenants` in %s/embergate.yaml, then restart the server\n  - id: %s\n    name: %s\n", c->state_dir, id, name);
    return EG_OK;
}

int eg_command_tenant(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"name", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    const char *state = NULL, *name = NULL;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 's') {
            state = optarg;
        } else if (c == 'n') {
            name = optarg;
        } else {
            return usage("tenant", "an option is unknown");
        }
    }
    if (optind + 1 != argc || strcmp(argv[optind], "add") != 0 || !state || !name || !*name || strspn(name, PLAIN_NAME) != strlen(name)) {
        return usage("tenant", "`add` with --state and --name (letters, digits, '-', '_') is owed");
    }
    eg_problem p = {0};
    if (eg_state_holder(state) > 0) {
        (void)eg_fail(&p, EG_ERR_LOCKED, "the server is running on this state directory");
        (void)eg_fail_hint(&p, "stop it first: embergate stop --keep-jobs --state %s", state);
        return eg_process_complain(&p);
    }
    return add_tenant(state, name, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

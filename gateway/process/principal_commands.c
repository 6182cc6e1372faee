/* `embergate principal` and `embergate breakglass`: who may sign in at the gateway's own issuer, also while it serves. */
#include "init.h"

#include "admin_protocol.h"
#include "state_dir.h"

#include <embergate/json.h>
#include <getopt.h>
#include <stdio.h>

#define BREAKGLASS "breakglass"

static int usage(const char *command, const char *what) {
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_INVALID, "%s: %s", command, what);
    (void)eg_fail_hint(&p, "see: embergate %s --help", command);
    return eg_process_complain(&p);
}

/* Fills state, tenant and subscription of n from the configuration. */
static eg_err load(eg_new_principal *n, const char *tenant, eg_config **ret, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_check(n->state_dir, p));
    EG_TRY(eg_state_path(n->state_dir, "embergate.yaml", path, p));
    EG_TRY(eg_config_load(path, ret, p));
    const eg_config_tenant *t = eg_config_tenant_named(*ret, tenant);
    if (!t) {
        return eg_fail(p, EG_ERR_INVALID, "there is no tenant '%s'", tenant ? tenant : "");
    }
    n->state_dir = (*ret)->state_dir;
    n->tenant = t->id;
    n->subscription = eg_config_subscription(*ret, t->id);
    return EG_OK;
}

static eg_err add(eg_new_principal *n, const eg_config *c, eg_problem *p) {
    const bool running = eg_state_holder(n->state_dir) > 0;
    EG_TRY(eg_init_principal(c, n, p));
    if (!running) {
        EG_TRY(eg_init_owners(c, p));
    }
    printf("added %s; its profile is %s/profiles/%s.json\n", n->name, n->state_dir, n->name);
    return EG_OK;
}

static eg_err list(const eg_new_principal *n, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO v = NULL;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(eg_admin_ask(&(eg_admin_call){n->state_dir, EG_ADMIN_MSG_PRINCIPAL_LIST, {eg_str_of(n->tenant)}, 1, 0}, &text, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), EG_ADMIN_REPLY_MAX, &v, p));
    json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    return EG_OK;
}

/* A new secret goes into a profile, which only its owner reads; never to the terminal. */
static eg_err change(eg_new_principal *n, const eg_config *c, const char *act, eg_problem *p) {
    eg_principal_reply r = {0};
    eg_buf_init(&r.secret, 256);
    eg_err e = eg_principal_ask(n->state_dir, n->tenant, &(eg_principal_call){act, n->name, n->kind}, &r, p);
    if (e == EG_OK && r.secret.len > 0) {
        n->name = r.name;
        e = eg_init_rewrite_profile(c, n, &r, p);
    }
    if (e == EG_OK) {
        printf("%s: %s (client %s)%s\n", act, r.name, r.client_id, r.secret.len > 0 ? "; its profile has the new secret" : "");
    }
    eg_cleanse(r.secret.ptr, r.secret.len);
    eg_buf_done(&r.secret);
    return e;
}

static eg_err act_on(eg_new_principal *n, const char *tenant, const char *act, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(load(n, tenant, &c, p));
    if (strcmp(act, "add") == 0) {
        return add(n, c, p);
    }
    if (strcmp(act, "password") == 0 || strcmp(act, "add-key") == 0 || strcmp(act, "remove-key") == 0) {
        return eg_principal_proof(n, act, p);
    }
    return strcmp(act, "list") == 0 ? list(n, p) : change(n, c, act, p);
}

int eg_command_principal(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"name", required_argument, NULL, 'n'},
                                          {"tenant", required_argument, NULL, 't'}, {"role", required_argument, NULL, 'r'},
                                          {"scope", required_argument, NULL, 'S'}, {"kind", required_argument, NULL, 'k'},
                                          {"public-key", required_argument, NULL, 'K'},
                                          {"drop", no_argument, NULL, 'd'}, {"key", required_argument, NULL, 'D'}, {NULL, 0, NULL, 0}};
    static const char *const acts[] = {"add", "disable", "enable", "rotate", "remove", "list", "password", "add-key", "remove-key"};
    eg_new_principal n = {0};
    const char *tenant = NULL, *act = NULL;
    size_t roles = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's': n.state_dir = optarg; break;
        case 'n': n.name = optarg; break;
        case 't': tenant = optarg; break;
        case 'S': n.scope = optarg; break;
        case 'k': n.kind = optarg; break;
        case 'K': n.public_key = optarg; break;
        case 'D': n.key_digest = optarg; break;
        case 'd': n.drop = true; break;
        case 'r':
            if (roles + 1 >= EG_INIT_LIST_MAX) {
                return usage("principal", "too many roles");
            }
            n.roles[roles++] = optarg;
            break;
        default: return usage("principal", "an option is unknown");
        }
    }
    for (size_t i = 0; optind + 1 == argc && i < sizeof acts / sizeof acts[0]; i++) {
        act = strcmp(argv[optind], acts[i]) == 0 ? acts[i] : act;
    }
    if (!act || !n.state_dir || (!n.name && strcmp(act, "list") != 0) || (n.drop && strcmp(act, "password") != 0) || (n.kind && strcmp(n.kind, "user") != 0 && strcmp(n.kind, "service") != 0)) {
        return usage("principal", "`add`, `disable`, `enable`, `rotate`, `remove`, `password`, `add-key`, `remove-key` or `list` with --state and --name is owed");
    }
    eg_problem p = {0};
    return act_on(&n, tenant, act, &p) == EG_OK ? 0 : eg_process_complain(&p);
}

/* Its secret is shown once, on standard output, for an envelope in a safe; no file has it. */
static eg_err arm(eg_new_principal *n, const eg_config *c, eg_problem *p) {
    eg_principal_reply r = {0};
    eg_buf_init(&r.secret, 256);
    eg_err e = eg_principal_ask(n->state_dir, n->tenant, &(eg_principal_call){"arm", BREAKGLASS, "service"}, &r, p);
    if (e == EG_OK) {
        n->roles[0] = "Owner";
        e = eg_init_grant(c, n, r.object_id, p);
        printf("armed. Keep this in a safe; it is not shown again\n  tenant     %s\n  client id  %s\n  secret     %.*s\n", n->tenant, r.client_id, (int)r.secret.len, r.secret.ptr);
    }
    eg_cleanse(r.secret.ptr, r.secret.len);
    eg_buf_done(&r.secret);
    return e;
}

static eg_err breakglass(eg_new_principal *n, const char *tenant, const char *act, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(load(n, tenant, &c, p));
    return strcmp(act, "arm") == 0 ? arm(n, c, p) : change(n, c, "disable", p);
}

int eg_command_breakglass(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"tenant", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    eg_new_principal n = {.name = BREAKGLASS};
    const char *tenant = NULL;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 's') {
            n.state_dir = optarg;
        } else if (c == 't') {
            tenant = optarg;
        } else {
            return usage("breakglass", "an option is unknown");
        }
    }
    if (optind + 1 != argc || !n.state_dir || (strcmp(argv[optind], "arm") != 0 && strcmp(argv[optind], "disarm") != 0)) {
        return usage("breakglass", "`arm` or `disarm` with --state is owed");
    }
    eg_problem p = {0};
    return breakglass(&n, tenant, argv[optind], &p) == EG_OK ? 0 : eg_process_complain(&p);
}

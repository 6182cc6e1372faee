/* `embergate policy`: assigns and removes roles in the policy directory, checks it, and explains who may do what. */
#include "cli.h"

#include <embergate/policy.h>
#include <getopt.h>

typedef struct policy_options {
    const char *dir, *role, *principal, *type, *scope, *action, *tenant;
    bool data_action;
} policy_options;

static const struct option policy_long[] = {
    {"profile", required_argument, NULL, 'P'},   {"policies", required_argument, NULL, 'd'},
    {"role", required_argument, NULL, 'r'},      {"principal", required_argument, NULL, 'p'},
    {"principal-type", required_argument, NULL, 't'}, {"scope", required_argument, NULL, 's'},
    {"action", required_argument, NULL, 'a'},    {"data-action", required_argument, NULL, 'D'},
    {"tenant", required_argument, NULL, 'T'},    {NULL, 0, NULL, 0},
};

static eg_policy_grant grant_of(const policy_options *o)
{
    return (eg_policy_grant){.role = o->role, .principal = o->principal, .principal_type = o->type ? o->type : "ServicePrincipal", .scope = o->scope};
}

static eg_err policy_assign(const policy_options *o, eg_problem *p)
{
    eg_policy_grant g = grant_of(o);
    EG_TRY(eg_policy_grant_write(o->dir, &g, p));
    printf("assigned %s to %s at %s\n", o->role, o->principal, o->scope);
    return EG_OK;
}

static eg_err policy_unassign(const policy_options *o, eg_problem *p)
{
    eg_policy_grant g = grant_of(o);
    EG_TRY(eg_policy_grant_remove(o->dir, &g, p));
    printf("removed %s from %s at %s\n", o->role, o->principal, o->scope);
    return EG_OK;
}

static eg_err policy_check(const policy_options *o, eg_problem *p)
{
    eg_policy *loaded = NULL;
    EG_TRY(eg_policy_load(o->dir, 1, &loaded, p));
    eg_policy_unref(loaded);
    printf("%s: valid\n", o->dir);
    return EG_OK;
}

static eg_err policy_explain(const policy_options *o, eg_problem *p)
{
    eg_policy *loaded = NULL;
    EG_TRY(eg_policy_load(o->dir, 1, &loaded, p));
    eg_principal *who = eg_principal_new();
    if (!who) {
        eg_policy_unref(loaded);
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    who->kind = EG_PRINCIPAL_SERVICE;
    (void)snprintf(who->object_id, sizeof who->object_id, "%s", o->principal);
    (void)snprintf(who->tenant, sizeof who->tenant, "%s", o->tenant);
    eg_access a = {.who = who, .resource_tenant = eg_str_of(o->tenant), .action = eg_str_of(o->action), .data_action = o->data_action,
                   .scope = eg_str_of(o->scope)};
    eg_decision d = {0};
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 1u << 20);
    eg_policy_decide(loaded, &a, &d);
    eg_err e = eg_policy_explain(loaded, &a, &text);
    printf("%s: %s\n%.*s", d.allowed ? "allowed" : "denied", d.reason, (int)text.len, text.ptr ? text.ptr : "");
    eg_principal_unref(who);
    eg_policy_unref(loaded);
    return e;
}

enum { NEEDS_GRANT = 1, NEEDS_ACTION = 2 };
static const struct {
    const char *name;
    unsigned needs;
    eg_err (*run)(const policy_options *o, eg_problem *p);
} policy_verbs[] = {
    {"assign", NEEDS_GRANT, policy_assign},
    {"unassign", NEEDS_GRANT, policy_unassign},
    {"check", 0, policy_check},
    {"explain", NEEDS_ACTION, policy_explain},
};

static bool take_policy_option(policy_options *o, int c)
{
    switch (c) {
    case 'P': eg_cli_use_profile(optarg); return true;
    case 'd': o->dir = optarg; return true;
    case 'r': o->role = optarg; return true;
    case 'p': o->principal = optarg; return true;
    case 't': o->type = optarg; return true;
    case 's': o->scope = optarg; return true;
    case 'a': o->action = optarg; return true;
    case 'D': o->action = optarg; o->data_action = true; return true;
    case 'T': o->tenant = optarg; return true;
    default: return false;
    }
}

int eg_cli_policy(int argc, char **argv)
{
    policy_options o = {0};
    for (int c; (c = getopt_long(argc, argv, "", policy_long, NULL)) != -1;) {
        if (!take_policy_option(&o, c)) {
            return eg_cli_usage("policy", "an option is unknown");
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    eg_problem p = {0};
    eg_profile profile = {.path = ""};
    char dir[600];
    if (!o.dir || (!o.tenant && strcmp(verb, "explain") == 0)) {
        if (eg_profile_load(eg_cli_profile_path(), &profile, &p) != EG_OK) {
            return eg_cli_complain(&p);
        }
        (void)snprintf(dir, sizeof dir, "%s/policies", profile.state_dir);
        o.dir = o.dir ? o.dir : dir;
        o.tenant = o.tenant ? o.tenant : profile.tenant;
    }
    int status = -1;
    for (size_t i = 0; status < 0 && i < sizeof policy_verbs / sizeof policy_verbs[0]; i++) {
        if (strcmp(verb, policy_verbs[i].name) != 0) {
            continue;
        }
        unsigned needs = policy_verbs[i].needs;
        if ((needs & NEEDS_GRANT) && (!o.role || !o.principal || !o.scope)) {
            status = eg_cli_usage("policy", "--role, --principal and --scope are owed");
        } else if ((needs & NEEDS_ACTION) && (!o.action || !o.principal || !o.scope)) {
            status = eg_cli_usage("policy", "--principal, --scope and --action or --data-action are owed");
        } else {
            status = policy_verbs[i].run(&o, &p) == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
        }
    }
    eg_profile_done(&profile);
    return status >= 0 ? status : eg_cli_usage("policy", "unknown verb '%s'", verb);
}

/* `embergate policy`: assigns and removes roles in the policy directory, checks it, and explains who may do what. */
#include "cli.h"

#include "policy_compare.h"

#include <embergate/policy.h>
#include <getopt.h>

typedef struct policy_options {
    const char *dir, *role, *principal, *type, *scope, *action, *tenant, *subnet, *source, *destination, *account;
    bool data_action, no_new_access, json;
    const char *operands[2];   /* after the verb */
    int status;                /* of a verb that can say no */
} policy_options;

static const struct option policy_long[] = {
    {"profile", required_argument, NULL, 'P'},   {"policies", required_argument, NULL, 'd'},
    {"role", required_argument, NULL, 'r'},      {"principal", required_argument, NULL, 'p'},
    {"principal-type", required_argument, NULL, 't'}, {"scope", required_argument, NULL, 's'},
    {"action", required_argument, NULL, 'a'},    {"data-action", required_argument, NULL, 'D'},
    {"tenant", required_argument, NULL, 'T'},    {"no-new-access", no_argument, NULL, 'n'},
    {"json", no_argument, NULL, 'j'},            {"subnet", required_argument, NULL, 'S'},
    {"source", required_argument, NULL, 'o'},    {"destination", required_argument, NULL, 'e'},
    {"account", required_argument, NULL, 'A'},   {NULL, 0, NULL, 0},
};

static eg_policy_grant grant_of(const policy_options *o)
{
    return (eg_policy_grant){.role = o->role, .principal = o->principal, .principal_type = o->type ? o->type : "ServicePrincipal", .scope = o->scope};
}

static eg_err policy_assign(policy_options *o, eg_problem *p)
{
    eg_policy_grant g = grant_of(o);
    EG_TRY(eg_policy_grant_write(o->dir, &g, p));
    printf("assigned %s to %s at %s\n", o->role, o->principal, o->scope);
    return EG_OK;
}

static eg_err policy_unassign(policy_options *o, eg_problem *p)
{
    eg_policy_grant g = grant_of(o);
    EG_TRY(eg_policy_grant_remove(o->dir, &g, p));
    printf("removed %s from %s at %s\n", o->role, o->principal, o->scope);
    return EG_OK;
}

static eg_err policy_check(policy_options *o, eg_problem *p)
{
    eg_policy *loaded = NULL;
    EG_TRY(eg_policy_load(o->dir, 1, &loaded, p));
    eg_policy_unref(loaded);
    printf("%s: valid\n", o->dir);
    return EG_OK;
}

static eg_err policy_explain(policy_options *o, eg_problem *p)
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

static eg_err policy_what_if(policy_options *o, eg_problem *p)
{
    const eg_policy_pair pair = {o->dir, o->operands[0]};
    return eg_cli_policy_what_if(&pair, p);
}

static eg_err policy_prove(policy_options *o, eg_problem *p)
{
    const eg_policy_pair pair = {o->operands[0], o->operands[1]};
    return eg_cli_policy_prove(&pair, o->json, &o->status, p);
}

static eg_err policy_test(policy_options *o, eg_problem *p)
{
    return eg_cli_policy_test(o->dir, o->tenant, o->operands[0], &o->status, p);
}

static eg_err policy_flow(policy_options *o, eg_problem *p)
{
    const eg_policy_flow_question q = {.dir = o->dir, .subnet = o->subnet, .source = o->source, .destination = o->destination, .account = o->account, .json = o->json};
    return eg_cli_policy_flow(&q, &o->status, p);
}

/* "/subscriptions/{s}" or what lies below it. */
static eg_err policy_compliance(policy_options *o, eg_problem *p)
{
    char subscription[64];
    eg_str rest = eg_str_of(o->scope);
    (void)eg_str_cut(&rest, '/');
    const bool fits = eg_str_ieq(eg_str_cut(&rest, '/'), EG_LIT("subscriptions")) && rest.len > 0;
    const eg_str id = eg_str_cut(&rest, '/');
    if (!fits || id.len >= sizeof subscription) {
        return eg_fail(p, EG_ERR_INVALID, "--scope is /subscriptions/ID");
    }
    (void)snprintf(subscription, sizeof subscription, "%.*s", EG_FMT(id));
    return eg_cli_policy_compliance(subscription, o->json, &o->status, p);
}

enum { NEEDS_FLOW = 32, NEEDS_SCOPE = 64 };
enum { NEEDS_GRANT = 1, NEEDS_ACTION = 2, NEEDS_ONE = 4, NEEDS_TWO = 8, NEEDS_TENANT = 16 };
static const struct {
    const char *name;
    unsigned needs;
    eg_err (*run)(policy_options *o, eg_problem *p);
} policy_verbs[] = {
    {"assign", NEEDS_GRANT, policy_assign},
    {"unassign", NEEDS_GRANT, policy_unassign},
    {"check", 0, policy_check},
    {"validate", 0, policy_check},
    {"explain", NEEDS_ACTION | NEEDS_TENANT, policy_explain},
    {"check-access", NEEDS_ACTION | NEEDS_TENANT, policy_explain},
    {"what-if", NEEDS_ONE, policy_what_if},
    {"prove", NEEDS_TWO, policy_prove},
    {"test", NEEDS_ONE | NEEDS_TENANT, policy_test},
    {"flow", NEEDS_FLOW, policy_flow},
    {"compliance", NEEDS_SCOPE, policy_compliance},
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
    case 'n': o->no_new_access = true; return true;
    case 'j': o->json = true; return true;
    case 'S': o->subnet = optarg; return true;
    case 'o': o->source = optarg; return true;
    case 'e': o->destination = optarg; return true;
    case 'A': o->account = optarg; return true;
    default: return false;
    }
}

/* What the verb needs and was not given; NULL = nothing. */
static const char *missing(const policy_options *o, unsigned needs)
{
    if ((needs & NEEDS_GRANT) && (!o->role || !o->principal || !o->scope)) {
        return "--role, --principal and --scope are owed";
    }
    if ((needs & NEEDS_ACTION) && (!o->action || !o->principal || !o->scope)) {
        return "--principal, --scope and --action or --data-action are owed";
    }
    if ((needs & NEEDS_FLOW) && (!o->source || (!o->subnet && !o->account))) {
        return "--source, and --subnet or --account, are owed";
    }
    if ((needs & NEEDS_SCOPE) && !o->scope) {
        return "--scope /subscriptions/ID is owed";
    }
    if ((needs & NEEDS_ONE) && (!o->operands[0] || o->operands[1])) {
        return "one file or directory is owed after the verb";
    }
    if ((needs & NEEDS_TWO) && (!o->operands[1] || !o->no_new_access)) {
        return "--no-new-access OLD NEW is owed: two policy directories";
    }
    return NULL;
}

/* Directory and tenant that were not named are those of the profile. */
static eg_err use_profile(policy_options *o, unsigned needs, eg_profile *profile, char dir[600], eg_problem *p)
{
    if ((needs & NEEDS_TWO) || (o->dir && (o->tenant || !(needs & NEEDS_TENANT)))) {
        return EG_OK;
    }
    EG_TRY(eg_profile_load(eg_cli_profile_path(), profile, p));
    (void)snprintf(dir, 600, "%s/policies", profile->state_dir);
    o->dir = o->dir ? o->dir : dir;
    o->tenant = o->tenant ? o->tenant : profile->tenant;
    return EG_OK;
}

int eg_cli_policy(int argc, char **argv)
{
    policy_options o = {.status = EG_EXIT_OK};
    for (int c; (c = getopt_long(argc, argv, "", policy_long, NULL)) != -1;) {
        if (!take_policy_option(&o, c)) {
            return eg_cli_usage("policy", "an option is unknown");
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    for (int i = 0; i < 2 && optind + 1 + i < argc; i++) {
        o.operands[i] = argv[optind + 1 + i];
    }
    for (size_t i = 0; i < sizeof policy_verbs / sizeof policy_verbs[0]; i++) {
        if (strcmp(verb, policy_verbs[i].name) != 0) {
            continue;
        }
        eg_problem p = {0};
        eg_profile profile = {.path = ""};
        char dir[600];
        const char *owed = missing(&o, policy_verbs[i].needs);
        if (owed) {
            return eg_cli_usage("policy", "%s", owed);
        }
        eg_err e = use_profile(&o, policy_verbs[i].needs, &profile, dir, &p);
        if (e == EG_OK) {
            e = policy_verbs[i].run(&o, &p);
        }
        eg_profile_done(&profile);
        return e == EG_OK ? o.status : eg_cli_complain(&p);
    }
    return eg_cli_usage("policy", "unknown verb '%s'", verb);
}

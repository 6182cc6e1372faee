/* `embergate policy`: changes policies, looks back, asks what they allow, and compares them. */
#include "policy_place.h"

#include "policy_compare.h"

#include <embergate/policy_desk.h>
#include <getopt.h>
#include <unistd.h>

#define OPERANDS_MAX 64

typedef struct policy_options {
    const char *dir, *state, *role, *principal, *type, *scope, *action, *tenant, *ticket, *justification, *author, *since, *duration, *subnet, *source, *destination, *account, *path, *time;
    const char *groups[EG_PRINCIPAL_GROUPS_MAX];
    size_t group_count;
    bool data_action, no_new_access, json, dry_run, replay;
    eg_policy_import import;
    const char *operands[OPERANDS_MAX + 1];   /* after the verb; NULL-terminated */
    eg_policy_place place;
    int status;                               /* of a verb that can say no */
} policy_options;

static const struct option policy_long[] = {
    {"profile", required_argument, NULL, 'P'},       {"policies", required_argument, NULL, 'd'},   {"state", required_argument, NULL, 'S'},
    {"role", required_argument, NULL, 'r'},          {"principal", required_argument, NULL, 'p'},  {"principal-type", required_argument, NULL, 't'},
    {"scope", required_argument, NULL, 's'},         {"action", required_argument, NULL, 'a'},     {"data-action", required_argument, NULL, 'D'},
    {"tenant", required_argument, NULL, 'T'},        {"no-new-access", no_argument, NULL, 'n'},    {"json", no_argument, NULL, 'j'},
    {"ticket", required_argument, NULL, 'k'},        {"justification", required_argument, NULL, 'J'}, {"author", required_argument, NULL, 'A'},
    {"dry-run", no_argument, NULL, 'N'},             {"replay", no_argument, NULL, 'R'},           {"since", required_argument, NULL, 'c'},
    {"duration", required_argument, NULL, 'u'},      {"role-assignments", required_argument, NULL, '1'}, {"nsgs", required_argument, NULL, '2'},
    {"role-definitions", required_argument, NULL, '3'}, {"to", required_argument, NULL, '4'},      {"subnet", required_argument, NULL, '5'},
    {"source", required_argument, NULL, '6'},       {"destination", required_argument, NULL, '7'}, {"account", required_argument, NULL, '8'},
    {"separation-of-duties", no_argument, NULL, '9'}, {"policy-definitions", required_argument, NULL, 'x'}, {"policy-set-definitions", required_argument, NULL, 'y'},
    {"policy-assignments", required_argument, NULL, 'z'},
    {"group", required_argument, NULL, 'g'},         {"path", required_argument, NULL, 'f'},       {"time", required_argument, NULL, 'i'},
    {NULL, 0, NULL, 0},
};

static eg_policy_grant grant_of(const policy_options *o) {
    return (eg_policy_grant){.role = o->role, .principal = o->principal, .principal_type = o->type ? o->type : "ServicePrincipal", .scope = o->scope};
}

static eg_err order(policy_options *o, eg_err (*run)(const eg_policy_orders *o, eg_problem *p), eg_problem *p) {
    const eg_policy_grant g = grant_of(o);
    const eg_policy_orders orders = {.place = &o->place, .ticket = o->ticket, .justification = o->justification, .author = o->author, .operands = o->operands, .grant = &g,
                                     .duration = o->duration, .dry_run = o->dry_run, .json = o->json};
    return run(&orders, p);
}

static eg_err assign_in_store(const eg_policy_orders *o, eg_problem *p) { return eg_cli_policy_assign_in(o, true, p); }
static eg_err unassign_in_store(const eg_policy_orders *o, eg_problem *p) { return eg_cli_policy_assign_in(o, false, p); }

static eg_err policy_assign(policy_options *o, eg_problem *p) {
    eg_policy_grant g = grant_of(o);
    EG_TRY(o->place.dir[0] ? eg_policy_grant_write(o->place.dir, &g, p) : order(o, assign_in_store, p));
    if (!o->json) {
        printf("assigned %s to %s at %s\n", o->role, o->principal, o->scope);
    }
    return EG_OK;
}

static eg_err policy_unassign(policy_options *o, eg_problem *p) {
    eg_policy_grant g = grant_of(o);
    EG_TRY(o->place.dir[0] ? eg_policy_grant_remove(o->place.dir, &g, p) : order(o, unassign_in_store, p));
    if (!o->json) {
        printf("removed %s from %s at %s\n", o->role, o->principal, o->scope);
    }
    return EG_OK;
}

static eg_err policy_check(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *loaded = NULL;
    const char *dir = o->operands[0] ? o->operands[0] : o->place.dir;
    const eg_err e = dir[0] ? eg_policy_load(dir, 1, &loaded, p) : eg_policy_place_load(&o->place, &loaded, NULL, p);
    EG_TRY(e);
    printf("%s: valid\n", o->operands[0] ? o->operands[0] : o->place.dir[0] ? o->place.dir : "the policies in force");
    return EG_OK;
}

static eg_policy_access_question question_of(const policy_options *o, const eg_policy *pol) {
    return (eg_policy_access_question){.policy = pol, .tenant = o->tenant, .principal = o->principal, .scope = o->scope, .action = o->action, .source = o->source, .subnet = o->subnet,
                                       .path = o->path, .time = o->time, .groups = o->groups, .group_count = o->group_count, .data_action = o->data_action, .json = o->json};
}

static eg_err policy_explain(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *loaded = NULL;
    EG_TRY(eg_policy_place_load(&o->place, &loaded, NULL, p));
    const eg_policy_access_question q = question_of(o, loaded);
    return eg_cli_policy_check_access(&q, p);
}

static eg_err policy_who_can(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *loaded = NULL;
    o->action = o->operands[0] ? o->operands[0] : o->action;
    if (!o->action || !o->scope) {
        return eg_fail(p, EG_ERR_INVALID, "an action and --scope are owed");
    }
    EG_TRY(eg_policy_place_load(&o->place, &loaded, NULL, p));
    const eg_policy_access_question q = question_of(o, loaded);
    return eg_cli_policy_who_can(&q, p);
}

static eg_err policy_what_if(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *now = NULL;
    EG_TRY(eg_policy_place_load(&o->place, &now, NULL, p));
    return o->replay ? eg_cli_policy_replay(now, o->operands[0], o->since, o->json, p) : eg_cli_policy_what_if(now, o->operands[0], p);
}

static eg_err policy_prove(policy_options *o, eg_problem *p) {
    const eg_policy_pair pair = {o->operands[0], o->operands[1], o->place.separate_duties};
    return eg_cli_policy_prove(&pair, o->json, &o->status, p);
}

static eg_err policy_test(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    EG_TRY(eg_policy_place_load(&o->place, &pol, NULL, p));
    return eg_cli_policy_test(pol, o->tenant, o->operands[0], &o->status, p);
}

static eg_err policy_flow(policy_options *o, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    EG_TRY(eg_policy_place_load(&o->place, &pol, NULL, p));
    const eg_policy_flow_question q = {.policy = pol, .subnet = o->subnet, .source = o->source, .destination = o->destination, .account = o->account, .json = o->json};
    return eg_cli_policy_flow(&q, &o->status, p);
}

/* "/subscriptions/{s}" or what lies below it. */
static eg_err policy_compliance(policy_options *o, eg_problem *p) {
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

static eg_err policy_import(policy_options *o, eg_problem *p) { return eg_cli_policy_import(&o->import, &o->status, p); }

#define ORDER(name) \
    static eg_err policy_##name(policy_options *o, eg_problem *p) { return order(o, eg_cli_policy_##name, p); }
ORDER(apply)
ORDER(export)
ORDER(history)
ORDER(show)
ORDER(rollback)
ORDER(pending)
ORDER(approve)
ORDER(reject)
ORDER(activate)

enum { NEEDS_GRANT = 1, NEEDS_ACTION = 2, NEEDS_ONE = 4, NEEDS_TWO = 8, NEEDS_TENANT = 16, NEEDS_STORE = 32, NEEDS_NOTHING = 64, NEEDS_FLOW = 128, NEEDS_SCOPE = 256 };
static const struct {
    const char *name;
    unsigned needs;
    eg_err (*run)(policy_options *o, eg_problem *p);
} policy_verbs[] = {
    {"assign", NEEDS_GRANT, policy_assign},
    {"unassign", NEEDS_GRANT, policy_unassign},
    {"apply", NEEDS_STORE, policy_apply},
    {"export", NEEDS_STORE, policy_export},
    {"history", NEEDS_STORE, policy_history},
    {"show", NEEDS_STORE, policy_show},
    {"rollback", NEEDS_STORE, policy_rollback},
    {"pending", NEEDS_STORE, policy_pending},
    {"approve", NEEDS_STORE, policy_approve},
    {"reject", NEEDS_STORE, policy_reject},
    {"activate", NEEDS_STORE, policy_activate},
    {"import", NEEDS_NOTHING, policy_import},
    {"check", 0, policy_check},
    {"validate", 0, policy_check},
    {"explain", NEEDS_ACTION | NEEDS_TENANT, policy_explain},
    {"check-access", NEEDS_ACTION | NEEDS_TENANT, policy_explain},
    {"who-can", NEEDS_TENANT, policy_who_can},
    {"what-if", NEEDS_ONE, policy_what_if},
    {"prove", NEEDS_TWO | NEEDS_NOTHING, policy_prove},
    {"test", NEEDS_ONE | NEEDS_TENANT, policy_test},
    {"flow", NEEDS_FLOW, policy_flow},
    {"compliance", NEEDS_SCOPE, policy_compliance},
};

static bool take_policy_option(policy_options *o, int c) {
    switch (c) {
    case 'P': eg_cli_use_profile(optarg); return true;
    case 'd': o->dir = optarg; return true;
    case 'S': o->state = optarg; return true;
    case 'r': o->role = optarg; return true;
    case 'p': o->principal = optarg; return true;
    case 't': o->type = optarg; return true;
    case 's': o->scope = optarg; return true;
    case 'a': o->action = optarg; return true;
    case 'D': o->action = optarg; o->data_action = true; return true;
    case 'T': o->tenant = optarg; return true;
    case 'n': o->no_new_access = true; return true;
    case 'j': o->json = true; return true;
    case 'k': o->ticket = optarg; return true;
    case 'J': o->justification = optarg; return true;
    case 'A': o->author = optarg; return true;
    case 'N': o->dry_run = true; return true;
    case 'R': o->replay = true; return true;
    case 'c': o->since = optarg; return true;
    case 'u': o->duration = optarg; return true;
    case '1': o->import.assignments = optarg; return true;
    case '2': o->import.groups = optarg; return true;
    case '3': o->import.roles = optarg; return true;
    case '4': o->import.to = optarg; return true;
    case '5': o->subnet = optarg; return true;
    case '6': o->source = optarg; return true;
    case '7': o->destination = optarg; return true;
    case '8': o->account = optarg; return true;
    case 'x': o->import.rules = optarg; return true;
    case 'y': o->import.initiatives = optarg; return true;
    case 'z': o->import.rule_assignments = optarg; return true;
    case '9': o->place.separate_duties = true; return true;
    case 'g': return o->group_count < EG_PRINCIPAL_GROUPS_MAX && (o->groups[o->group_count++] = optarg) != NULL;
    case 'f': o->path = optarg; return true;
    case 'i': o->time = optarg; return true;
    default: return false;
    }
}

/* What the verb needs and was not given; NULL = nothing. */
static const char *missing(const policy_options *o, unsigned needs) {
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
    if ((needs & NEEDS_TWO) && (!o->operands[0] || !o->operands[1] || !o->no_new_access)) {
        return "--no-new-access OLD NEW is owed: two policy directories";
    }
    return (needs & NEEDS_STORE) && o->dir ? "--policies names a directory; this verb is for the policies that a gateway keeps" : NULL;
}

/* Where the policies are: --policies, or what the state directory (--state, else the profile's) or the gateway of the profile has. */
static eg_err find_place(policy_options *o, unsigned needs, eg_profile *profile, eg_problem *p) {
    eg_policy_place *w = &o->place;
    bool files = false;
    (void)snprintf(w->dir, sizeof w->dir, "%s", o->dir ? o->dir : "");
    if ((needs & NEEDS_NOTHING) || (o->dir && (o->tenant || !(needs & NEEDS_TENANT)))) {
        return EG_OK;
    }
    (void)snprintf(w->state_dir, sizeof w->state_dir, "%s", o->state ? o->state : "");
    if (!o->state || (needs & NEEDS_TENANT)) {
        EG_TRY(eg_profile_load(eg_cli_profile_path(), profile, p));
        o->tenant = o->tenant ? o->tenant : profile->tenant;
        (void)snprintf(w->subscription, sizeof w->subscription, "%s", profile->subscription);
        (void)snprintf(w->state_dir, sizeof w->state_dir, "%s", o->state ? o->state : profile->state_dir);
    } else {
        eg_problem unused = {0};
        if (eg_profile_load(eg_cli_profile_path(), profile, &unused) == EG_OK) {
            (void)snprintf(w->subscription, sizeof w->subscription, "%s", profile->subscription);
        }
    }
    char yaml[700];
    (void)snprintf(yaml, sizeof yaml, "%s/embergate.yaml", w->state_dir);
    if (o->dir || !w->state_dir[0] || access(yaml, R_OK) != 0) {
        return EG_OK;
    }
    EG_TRY(eg_policy_source_of(w->state_dir, &files, w->dir, p));
    if (needs & NEEDS_STORE) {
        w->dir[0] = '\0'; /* the server has the history, and says why it changes nothing */
    }
    return EG_OK;
}

int eg_cli_policy(int argc, char **argv) {
    static policy_options o; /* large, and there is one */
    o.status = EG_EXIT_OK;
    for (int c; (c = getopt_long(argc, argv, "", policy_long, NULL)) != -1;) {
        if (!take_policy_option(&o, c)) {
            return eg_cli_usage("policy", "an option is unknown");
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    if (argc - optind - 1 > OPERANDS_MAX) {
        return eg_cli_usage("policy", "at most %d files are taken at a time; a directory may hold more", OPERANDS_MAX);
    }
    for (int i = 0; optind + 1 + i < argc; i++) {
        o.operands[i] = argv[optind + 1 + i];
    }
    for (size_t i = 0; i < sizeof policy_verbs / sizeof policy_verbs[0]; i++) {
        if (strcmp(verb, policy_verbs[i].name) != 0) {
            continue;
        }
        eg_problem p = {0};
        eg_profile profile = {.path = ""};
        const char *owed = missing(&o, policy_verbs[i].needs);
        if (owed) {
            return eg_cli_usage("policy", "%s", owed);
        }
        eg_err e = find_place(&o, policy_verbs[i].needs, &profile, &p);
        if (e == EG_OK) {
            e = policy_verbs[i].run(&o, &p);
        }
        eg_profile_done(&profile);
        return e == EG_OK ? o.status : eg_cli_complain(&p);
    }
    return eg_cli_usage("policy", "unknown verb '%s'", verb);
}

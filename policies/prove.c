/* Does a new policy allow anything that the old one denies? One request of each class is asked of both. */
#include "prove.h"

#include <embergate/clock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TENANT "00000000-0000-4000-8000-00000000fe11" /* everybody's: what crosses tenants is denied before any policy is asked */
#define FRESH "00000000-0000-4000-8000-0000000f4e54"  /* somebody whom no policy names */

typedef struct search {
    eg_universe *u;
    eg_policy_proof *proof;
    eg_principal *who;
    const eg_policy_assignment *grant;  /* of the newer policy: what allows it */
    bool *asked[2];                     /* actions of control and data that the grant's role has */
    bool hidden;                        /* a class of names has an example that is a scope of its own, and perhaps others that were not tried */
    bool removed_only;                  /* the grant is as before: only what a removed deny forbade can be new */
} search;

static void guid_text(const eg_policy_guid *id, char ret[EG_UUID_LEN]) {
    const uint8_t *b = id->b;
    snprintf(ret, EG_UUID_LEN, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
             b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Ends the search: undecided, or with a counterexample. */
static eg_err stop(search *s, eg_proof_verdict verdict, const char *fmt, ...) EG_PRINTF(3, 4);
static eg_err stop(search *s, eg_proof_verdict verdict, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    s->proof->verdict = verdict;
    vsnprintf(s->proof->text, sizeof s->proof->text, fmt, args);
    va_end(args);
    return EG_ERR_EXISTS;
}

static void add_text(search *s, const char *fmt, ...) EG_PRINTF(2, 3);
static void add_text(search *s, const char *fmt, ...) {
    const size_t n = strlen(s->proof->text);
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->proof->text + n, sizeof s->proof->text - n, fmt, args);
    va_end(args);
}

static eg_err found(search *s, const eg_access *a, const eg_decision *older, const eg_decision *newer) {
    char when[EG_RFC3339_LEN];
    (void)stop(s, EG_PROOF_FAILS, "The principal %s", a->who->object_id);
    for (size_t i = 0; i < a->who->group_count; i++) {
        add_text(s, "%s %s", i ? "," : " in the group", a->who->groups[i]);
    }
    eg_time_rfc3339(a->now_ns, when);
    add_text(s, "%s may %s%.*s at %.*s", a->who->groups_unknown ? " (whose token leaves out its groups)" : "", a->data_action ? "do the data action " : "do ", EG_FMT(a->action),
             EG_FMT(a->scope));
    const struct { const char *name; eg_str v; } attributes[] = {
        {"account", a->account}, {"container", a->container}, {"path", a->path}, {"prefix", a->prefix}, {"encryption scope", a->encryption_scope},
        {"sub-operation", a->sub_operation}, {"subnet", a->subnet},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (attributes[i].v.ptr) {
            add_text(s, ", %s \"%.*s\"", attributes[i].name, EG_FMT(attributes[i].v));
        }
    }
    if (a->now_ns > 1) {
        add_text(s, ", at %s", when);
    }
    add_text(s, ". New: %s. Old: %s.", newer->rule, older->rule);
    return EG_ERR_EXISTS;
}

static eg_err compare(search *s, const eg_access *a) {
    eg_decision older, newer;
    if (++s->proof->decisions > EG_PROVE_DECISIONS_MAX) {
        return stop(s, EG_PROOF_UNDECIDED, "Not decided: the two policies differ in more than %llu classes of requests.", (unsigned long long)EG_PROVE_DECISIONS_MAX);
    }
    eg_policy_decide(s->u->policies[1], a, &newer);
    if (!newer.allowed) {
        return EG_OK;
    }
    eg_policy_decide(s->u->policies[0], a, &older);
    return older.allowed ? EG_OK : found(s, a, &older, &newer);
}

/* Attributes that no part of a request determines: each class of each, and its absence. */
static eg_err with_free_attributes(search *s, eg_access *a, int from) {
    eg_str *const places[] = {&a->path, &a->prefix, &a->encryption_scope, &a->subnet};
    static const eg_policy_attribute ids[] = {EG_ATTRIBUTE_PATH, EG_ATTRIBUTE_PREFIX, EG_ATTRIBUTE_SCOPE, EG_ATTRIBUTE_SUBNET};
    if (from == 4) {
        for (size_t i = 0; i < s->u->sub_operation_count; i++) {
            a->sub_operation = s->u->sub_operations[i];
            EG_TRY(compare(s, a));
        }
        return EG_OK;
    }
    const eg_text_classes *l = &s->u->attributes[ids[from]];
    for (size_t i = 0; i <= l->n; i++) {
        *places[from] = i < l->n ? l->v[i] : (eg_str){NULL, 0};
        EG_TRY(with_free_attributes(s, a, from + 1));
    }
    return EG_OK;
}

/* The segment after `name` in a resource id; ptr NULL = none. */
static eg_str segment_after(eg_str id, const char *name) {
    eg_str rest = id;
    while (rest.ptr) {
        if (eg_str_ieq(eg_str_cut(&rest, '/'), eg_str_of(name)) && rest.ptr) {
            return eg_str_cut(&rest, '/');
        }
    }
    return (eg_str){NULL, 0};
}

static eg_err at_scope(search *s, eg_access *a, eg_str scope) {
    a->scope = scope;
    a->account = segment_after(scope, "storageAccounts");
    a->container = segment_after(scope, "containers");
    for (size_t t = 0; t < s->u->time_count; t++) {
        a->now_ns = s->u->times[t];
        EG_TRY(with_free_attributes(s, a, 0));
    }
    return EG_OK;
}

static bool is_named(const eg_universe *u, eg_str scope) {
    for (size_t i = 0; i < u->scope_count; i += 2) {
        if (eg_str_ieq(u->scopes[i], scope)) {
            return true;
        }
    }
    return false;
}

/* The name with something behind it is of the same class, unless a pattern reaches further or looks at the end. */
static bool longer_is_alike(const eg_universe *u, eg_str name) {
    for (size_t i = 0; i < u->name_count; i++) {
        const eg_text_pattern *p = &u->names[i];
        if (p->form == EG_TEXT_LIKE || (p->text.len > name.len && eg_str_ieq((eg_str){p->text.ptr, name.len}, name) && p->text.ptr[name.len] == '-')) {
            return false;
        }
    }
    return true;
}

/* Something below a scope, for each kind of account and container that conditions tell apart. */
static eg_err below(search *s, eg_access *a, eg_str scope) {
    const eg_text_classes *accounts = &s->u->attributes[EG_ATTRIBUTE_ACCOUNT], *containers = &s->u->attributes[EG_ATTRIBUTE_CONTAINER];
    const bool has_account = segment_after(scope, "storageAccounts").ptr != NULL;
    EG_TRY(at_scope(s, a, eg_arena_printf(s->u->arena, "%.*s/providers/of.none/named/here", EG_FMT(scope))));
    /* Accounts lie in resource groups, containers in accounts, and neither in anything else. */
    const bool holds_accounts = !segment_after(scope, "providers").ptr;
    if (segment_after(scope, "containers").ptr || (!has_account && !holds_accounts) || (accounts->n == 0 && containers->n == 0)) {
        return EG_OK;
    }
    for (size_t i = 0; i < (has_account || accounts->n == 0 ? 1 : accounts->n); i++) {
        const eg_str account = accounts->n && !has_account ? accounts->v[i] : EG_LIT("anyaccount");
        const eg_str at_account = has_account ? scope : eg_arena_printf(s->u->arena, "%.*s/providers/Microsoft.Storage/storageAccounts/%.*s", EG_FMT(scope), EG_FMT(account));
        EG_TRY(at_scope(s, a, at_account));
        for (size_t k = 0; k < containers->n; k++) {
            const eg_str name = containers->v[k];
            const eg_str at = eg_arena_printf(s->u->arena, "%.*s/blobServices/default/containers/%.*s", EG_FMT(at_account), EG_FMT(name));
            if (!at.ptr) {
                return EG_ERR_NO_MEMORY;
            }
            EG_TRY(at_scope(s, a, at));
            /* The shortest name of the class is a scope of its own, which hides the class's other names: try a longer one. */
            if (is_named(s->u, at)) {
                s->hidden = s->hidden || !longer_is_alike(s->u, name);
                EG_TRY(at_scope(s, a, eg_arena_printf(s->u->arena, "%.*s-or-longer", EG_FMT(at))));
            }
        }
    }
    return EG_OK;
}

static bool in_removed_deny(const search *s, eg_str scope) {
    const eg_policy *older = s->u->policies[0];
    for (size_t i = 0; i < older->deny_count; i++) {
        if (eg_policy_scope_covers(older->denies[i].scope, scope) || eg_policy_scope_covers(scope, older->denies[i].scope)) {
            return true;
        }
    }
    return false;
}

/* What the older policy's separated duties forbade may be anywhere beneath the writer's scope. */
static bool in_removed_duty(const search *s, eg_str scope) {
    const eg_policy *older = s->u->policies[0];
    for (size_t i = 0; older->separate_duties && i < older->writer_count; i++) {
        const eg_str at = older->assignments[older->writers[i].assignment].scope;
        if (eg_policy_scope_covers(at, scope) || eg_policy_scope_covers(scope, at)) {
            return true;
        }
    }
    return false;
}

static eg_err over_scopes(search *s, eg_access *a) {
    for (size_t i = 0; i < s->u->scope_count; i += 2) {
        const eg_str scope = s->u->scopes[i];
        if (!eg_policy_scope_covers(s->grant->scope, scope) || (s->removed_only && !in_removed_deny(s, scope) && !in_removed_duty(s, scope))) {
            continue;
        }
        EG_TRY(at_scope(s, a, scope));
        EG_TRY(below(s, a, scope));
    }
    return EG_OK;
}

static eg_err over_actions(search *s) {
    for (int data = 0; data < 2; data++) {
        for (size_t i = 0; i < s->u->actions[data].n; i++) {
            if (s->asked[data][i]) {
                eg_access a = {.who = s->who, .resource_tenant = EG_LIT(TENANT), .action = s->u->actions[data].v[i], .data_action = data};
                EG_TRY(over_scopes(s, &a));
            }
        }
    }
    return EG_OK;
}

/* The principal with each set of the groups that deny assignments name, and with groups that its token leaves out. */
static eg_err over_groups(search *s, const eg_policy_guid *own_group) {
    for (size_t set = 0; set < (size_t)1 << s->u->group_count; set++) {
        s->who->group_count = 0;
        if (own_group) {
            guid_text(own_group, s->who->groups[s->who->group_count++]);
        }
        for (size_t i = 0; i < s->u->group_count; i++) {
            if ((set >> i) & 1) {
                guid_text(&s->u->groups[i], s->who->groups[s->who->group_count++]);
            }
        }
        EG_TRY(over_actions(s));
    }
    if (!own_group && s->u->group_count > 0) {
        s->who->group_count = 0;
        s->who->groups_unknown = true;
        const eg_err e = over_actions(s);
        s->who->groups_unknown = false;
        EG_TRY(e);
    }
    return EG_OK;
}

/* Whoever the assignment is for. A group's member may be anybody: somebody unknown, or one of those whom deny assignments name. */
static eg_err over_principals(search *s) {
    if (s->grant->kind & EG_ASSIGNEE_PRINCIPAL) {
        guid_text(&s->grant->principal, s->who->object_id);
        EG_TRY(over_groups(s, NULL));
    }
    if (s->grant->kind & EG_ASSIGNEE_GROUP) {
        snprintf(s->who->object_id, sizeof s->who->object_id, "%s", FRESH);
        EG_TRY(over_groups(s, &s->grant->principal));
        for (size_t i = 0; i < s->u->id_count; i++) {
            guid_text(&s->u->ids[i], s->who->object_id);
            EG_TRY(over_groups(s, &s->grant->principal));
        }
    }
    return EG_OK;
}

/* Does the newer policy still have every deny assignment of the older one? */
static bool denies_kept(const eg_policy *older, const eg_policy *newer) {
    for (size_t i = 0; i < older->deny_count; i++) {
        if (!eg_policy_has_deny(newer, &older->denies[i])) {
            return false;
        }
    }
    return true;
}

/* Does the newer policy still keep from data everybody whom the older one kept from it? */
static bool duties_kept(const eg_policy *older, const eg_policy *newer) {
    for (size_t i = 0; older->separate_duties && i < older->writer_count; i++) {
        if (!newer->separate_duties || !eg_policy_has_grant(newer, older, &older->assignments[older->writers[i].assignment])) {
            return false;
        }
    }
    return true;
}

/* What an assignment grants that the older policy has too can only be new where that one denied it. */
static eg_err over_grants(search *s) {
    const eg_policy *older = s->u->policies[0], *newer = s->u->policies[1];
    const bool kept = denies_kept(older, newer) && duties_kept(older, newer);
    for (size_t i = 0; i < newer->assignment_count; i++) {
        s->grant = &newer->assignments[i];
        s->removed_only = eg_policy_has_grant(older, newer, s->grant);
        if (s->removed_only && kept) {
            continue;
        }
        for (int data = 0; data < 2; data++) {
            for (size_t k = 0; k < s->u->actions[data].n; k++) {
                s->asked[data][k] = eg_policy_role_grants(&newer->roles[s->grant->role], s->u->actions[data].v[k], data);
            }
        }
        EG_TRY(over_principals(s));
    }
    return EG_OK;
}

/* Activating is a request too, and asks nobody else: who may newly activate what it does not hold has new access. */
static eg_err over_eligible(search *s) {
    const eg_policy *older = s->u->policies[0], *newer = s->u->policies[1];
    for (size_t i = 0; i < newer->eligible_count; i++) {
        const eg_policy_assignment *m = &newer->eligible[i];
        char id[EG_UUID_LEN];
        if (eg_policy_may_activate(older, newer, m) || eg_policy_holds_as_much(older, newer, m)) {
            continue;
        }
        guid_text(&m->principal, id);
        return stop(s, EG_PROOF_FAILS, "The %s %s may activate the role %.*s at %.*s. New: roleEligibilitySchedule %.*s. Old: not eligible.",
                    m->kind == EG_ASSIGNEE_GROUP ? "members of the group" : "principal", id, EG_FMT(newer->roles[m->role].name), EG_FMT(m->scope), EG_FMT(m->name));
    }
    return EG_OK;
}

static eg_err run(search *s) {
    char why[256];
    const eg_err e = eg_universe_make(s->u, s->u->policies[0], s->u->policies[1], why);
    if (e == EG_ERR_LIMIT) {
        return stop(s, EG_PROOF_UNDECIDED, "Not decided: %s.", why);
    }
    EG_TRY(e);
    for (int data = 0; data < 2; data++) {
        s->asked[data] = calloc(s->u->actions[data].n + 1, sizeof *s->asked[data]);
    }
    s->who = eg_principal_new();
    if (!s->asked[0] || !s->asked[1] || !s->who || !(s->who->groups = calloc(EG_PROVE_GROUPS_MAX + 1, sizeof *s->who->groups))) {
        return EG_ERR_NO_MEMORY;
    }
    s->who->kind = EG_PRINCIPAL_USER;
    snprintf(s->who->tenant, sizeof s->who->tenant, "%s", TENANT);
    EG_TRY(over_grants(s));
    EG_TRY(over_eligible(s));
    if (s->hidden) {
        return stop(s, EG_PROOF_UNDECIDED, "Not decided: a condition's pattern of containers' names meets a container that has assignments of its own.");
    }
    EG_TRY(eg_prove_flows(s->u->policies[0], s->u->policies[1], s->proof));
    if (s->proof->verdict == EG_PROOF_HOLDS) {
        EG_TRY(eg_prove_accounts(s->u->policies[0], s->u->policies[1], s->proof));
    }
    if (s->proof->verdict == EG_PROOF_HOLDS) {
        eg_prove_rules(s->u->policies[0], s->u->policies[1], s->proof);
    }
    return s->proof->verdict == EG_PROOF_HOLDS ? EG_OK : EG_ERR_EXISTS;
}

eg_err eg_policy_prove_no_new_access(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret, eg_problem *p) {
    eg_policy_proof proof = {.verdict = EG_PROOF_HOLDS};
    eg_universe u = {.arena = eg_arena_new((size_t)1 << 30), .policies = {older, newer}};
    search s = {.u = &u, .proof = &proof};
    eg_err e = u.arena ? run(&s) : EG_ERR_NO_MEMORY;
    free(s.asked[0]);
    free(s.asked[1]);
    eg_principal_unref(s.who);
    free(u.times);
    free(u.scopes);
    eg_arena_free(u.arena);
    if (e != EG_OK && e != EG_ERR_EXISTS) {
        return eg_fail(p, e, "There is not enough memory to compare the two policies.");
    }
    if (proof.verdict == EG_PROOF_HOLDS) {
        snprintf(proof.text, sizeof proof.text, "The new policy allows nothing that the old one denies.");
    }
    *ret = proof;
    return EG_OK;
}

/* Divides all requests into the classes that two policies can tell apart. */
#include "prove.h"

#include <stdio.h>
#include <stdlib.h>

#define PATTERNS_MAX 20000
#define ACTION_BYTES "abcdefghijklmnopqrstuvwxyz0123456789/._-$"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789-$"

typedef struct gather {
    eg_universe *u;
    char *why;
    eg_text_pattern *patterns;
    size_t pattern_count;
    bool data;                       /* of actions: which kind is gathered */
    eg_policy_attribute attribute;   /* of conditions: which one */
    size_t room;                     /* of the array that is filled */
} gather;

static eg_err too_much(char *why, const char *what) {
    snprintf(why, 256, "%s", what);
    return EG_ERR_LIMIT;
}

static eg_err add_pattern(gather *g, eg_text_pattern p) {
    for (size_t i = 0; i < g->pattern_count; i++) {
        const eg_text_pattern *q = &g->patterns[i];
        if (q->form == p.form && q->ignore_case == p.ignore_case && eg_str_eq(q->text, p.text)) {
            return EG_OK;
        }
    }
    if (g->pattern_count == PATTERNS_MAX) {
        return too_much(g->why, "the policies name too many different actions");
    }
    g->patterns[g->pattern_count++] = p;
    return EG_OK;
}

/* Every condition of a policy. */
static eg_err each_condition(const eg_policy *pol, eg_err (*fn)(void *ctx, const eg_policy_term *term), void *ctx) {
    for (size_t i = 0; i < pol->assignment_count; i++) {
        EG_TRY(eg_policy_condition_each(pol->assignments[i].condition, fn, ctx));
    }
    for (size_t i = 0; i < pol->deny_count; i++) {
        for (size_t k = 0; k < pol->denies[i].permission_count; k++) {
            EG_TRY(eg_policy_condition_each(pol->denies[i].conditions[k], fn, ctx));
        }
    }
    return EG_OK;
}

static eg_err both_conditions(gather *g, eg_err (*fn)(void *ctx, const eg_policy_term *term)) {
    for (int i = 0; i < 2; i++) {
        EG_TRY(each_condition(g->u->policies[i], fn, g));
    }
    return EG_OK;
}

static eg_err add_actions(gather *g, const eg_policy_patterns *l) {
    for (size_t i = 0; i < l->n; i++) {
        EG_TRY(add_pattern(g, (eg_text_pattern){l->v[i].text, EG_TEXT_ACTION, true}));
    }
    return EG_OK;
}

static eg_err add_permission(gather *g, const eg_policy_permission *m) {
    EG_TRY(add_actions(g, g->data ? &m->data_actions : &m->actions));
    return add_actions(g, g->data ? &m->not_data_actions : &m->not_actions);
}

static eg_err add_action_term(void *ctx, const eg_policy_term *t) {
    return t->action ? add_pattern(ctx, (eg_text_pattern){t->action->text, EG_TEXT_ACTION, true}) : EG_OK;
}

/* Roles that nobody has decide nothing. */
static eg_err add_policy_actions(gather *g, const eg_policy *pol) {
    bool *used = calloc(pol->role_count + 1, sizeof *used);
    eg_err e = used ? EG_OK : EG_ERR_NO_MEMORY;
    for (size_t i = 0; e == EG_OK && i < pol->assignment_count; i++) {
        const eg_policy_role *r = &pol->roles[pol->assignments[i].role];
        for (size_t k = 0; e == EG_OK && !used[pol->assignments[i].role] && k < r->permission_count; k++) {
            e = add_permission(g, &r->permissions[k]);
        }
        used[pol->assignments[i].role] = true;
    }
    free(used);
    for (size_t i = 0; e == EG_OK && i < pol->deny_count; i++) {
        for (size_t k = 0; e == EG_OK && k < pol->denies[i].permission_count; k++) {
            e = add_permission(g, &pol->denies[i].permissions[k]);
        }
    }
    return e;
}

static eg_err make_actions(gather *g) {
    for (int data = 0; data < 2; data++) {
        g->data = data;
        g->pattern_count = 0;
        EG_TRY(add_policy_actions(g, g->u->policies[0]));
        EG_TRY(add_policy_actions(g, g->u->policies[1]));
        EG_TRY(both_conditions(g, add_action_term));
        for (size_t i = 0; !data && g->u->policies[0]->separate_duties && eg_policy_means[i]; i++) {
            EG_TRY(add_pattern(g, (eg_text_pattern){eg_str_of(eg_policy_means[i]), EG_TEXT_ACTION, true}));
        }
        const eg_err e = eg_text_classes_of(g->u->arena, g->patterns, g->pattern_count, ACTION_BYTES, EG_PROVE_STATES_MAX, &g->u->actions[data]);
        if (e == EG_ERR_LIMIT) {
            return too_much(g->why, "the actions of the roles overlap in too many ways");
        }
        EG_TRY(e);
    }
    return EG_OK;
}

static eg_err add_attribute_term(void *ctx, const eg_policy_term *t) {
    gather *g = ctx;
    if (t->attribute == EG_ATTRIBUTE_NONE) {
        return EG_OK;
    }
    if (t->other != EG_ATTRIBUTE_NONE) {
        return too_much(g->why, "a condition compares two attributes with each other");
    }
    if (t->attribute != g->attribute) {
        return EG_OK;
    }
    if (!t->op) {
        return add_pattern(g, (eg_text_pattern){EG_LIT("*"), EG_TEXT_LIKE, false});
    }
    if (t->op->type != EG_VALUE_TEXT) {
        return EG_OK;
    }
    eg_text_form form = EG_TEXT_EXACT;
    switch (t->op->compare) {
    case EG_COMPARE_STARTS:
    case EG_COMPARE_NOT_STARTS: form = EG_TEXT_PREFIX; break;
    case EG_COMPARE_LIKE:
    case EG_COMPARE_NOT_LIKE: form = EG_TEXT_LIKE; break;
    default: break;
    }
    return add_pattern(g, (eg_text_pattern){t->value->text, form, t->op->ignore_case});
}

static eg_err make_attributes(gather *g) {
    for (eg_policy_attribute id = EG_ATTRIBUTE_NONE + 1; id < EG_ATTRIBUTE_COUNT; id++) {
        g->attribute = id;
        g->pattern_count = 0;
        EG_TRY(both_conditions(g, add_attribute_term));
        if (g->pattern_count == 0) {
            continue;
        }
        if (id == EG_ATTRIBUTE_CONTAINER) {
            g->u->names = eg_arena_alloc(g->u->arena, g->pattern_count * sizeof *g->patterns);
            if (!g->u->names) {
                return EG_ERR_NO_MEMORY;
            }
            memcpy(g->u->names, g->patterns, g->pattern_count * sizeof *g->patterns);
            g->u->name_count = g->pattern_count;
        }
        const bool name = id == EG_ATTRIBUTE_CONTAINER || id == EG_ATTRIBUTE_ACCOUNT;
        const eg_err e = eg_text_classes_of(g->u->arena, g->patterns, g->pattern_count, name ? NAME_BYTES : NULL, EG_PROVE_STATES_MAX, &g->u->attributes[id]);
        if (e == EG_ERR_LIMIT) {
            return too_much(g->why, "the conditions compare texts in too many ways");
        }
        EG_TRY(e);
    }
    return EG_OK;
}

static eg_err add_sub_operation(void *ctx, const eg_policy_term *t) {
    gather *g = ctx;
    eg_universe *u = g->u;
    for (size_t i = 0; t->sub_operation.ptr && i < u->sub_operation_count; i++) {
        if (eg_str_ieq(u->sub_operations[i], t->sub_operation)) {
            return EG_OK;
        }
    }
    if (t->sub_operation.ptr && u->sub_operation_count < g->room) {
        u->sub_operations[u->sub_operation_count++] = t->sub_operation;
    }
    return EG_OK;
}

static eg_err make_sub_operations(gather *g) {
    g->room = 64;
    g->u->sub_operations = eg_arena_alloc(g->u->arena, g->room * sizeof *g->u->sub_operations);
    if (!g->u->sub_operations) {
        return EG_ERR_NO_MEMORY;
    }
    g->u->sub_operations[g->u->sub_operation_count++] = (eg_str){NULL, 0};
    return both_conditions(g, add_sub_operation);
}

static void add_time(gather *g, int64_t t) {
    eg_universe *u = g->u;
    for (size_t i = 0; i < u->time_count; i++) {
        if (u->times[i] == t) {
            return;
        }
    }
    if (t > 0 && u->time_count < g->room) {
        u->times[u->time_count++] = t;
    }
}

/* Just before, at, and just after: comparisons are with < and <=. */
static void add_around(gather *g, int64_t t) {
    add_time(g, t - 1);
    add_time(g, t);
    add_time(g, t + 1);
}

static eg_err add_time_term(void *ctx, const eg_policy_term *t) {
    if (t->op && t->op->type == EG_VALUE_TIME && t->value) {
        add_around(ctx, t->value->number);
    }
    return EG_OK;
}

static eg_err make_times(gather *g) {
    g->room = 20000;
    g->u->times = malloc(g->room * sizeof *g->u->times);
    if (!g->u->times) {
        return EG_ERR_NO_MEMORY;
    }
    add_time(g, 1);
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < g->u->policies[i]->assignment_count; k++) {
            const eg_policy_assignment *m = &g->u->policies[i]->assignments[k];
            if (m->starts_ns) {
                add_around(g, m->starts_ns);
            }
            if (m->ends_ns) {
                add_around(g, m->ends_ns);
            }
        }
    }
    EG_TRY(both_conditions(g, add_time_term));
    return g->u->time_count == g->room ? too_much(g->why, "there are too many different times") : EG_OK;
}

static int id_order(const void *a, const void *b) { return eg_policy_id_order(*(const eg_str *)a, *(const eg_str *)b); }

/* A resource is told from another by which named scopes lie above it, and by being one of them: so each named scope, and one thing below it
 * that has no name, are all there is. */
static eg_err make_scopes(gather *g) {
    eg_universe *u = g->u;
    size_t all = 1;
    for (int i = 0; i < 2; i++) {
        all += u->policies[i]->assignment_count + u->policies[i]->deny_count;
    }
    eg_str *named = calloc(all, sizeof *named);
    u->scopes = calloc(2 * all, sizeof *u->scopes);
    size_t n = 0;
    if (!named || !u->scopes) {
        free(named);
        return EG_ERR_NO_MEMORY;
    }
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < u->policies[i]->assignment_count; k++) {
            named[n++] = u->policies[i]->assignments[k].scope;
        }
        for (size_t k = 0; k < u->policies[i]->deny_count; k++) {
            named[n++] = u->policies[i]->denies[k].scope;
        }
    }
    qsort(named, n, sizeof *named, id_order);
    eg_err e = EG_OK;
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        if (i > 0 && eg_policy_id_order(named[i - 1], named[i]) == 0) {
            continue;
        }
        const eg_str below = eg_arena_printf(u->arena, "%.*s/providers/of.none/named/here", EG_FMT(named[i]));
        u->scopes[u->scope_count++] = named[i];
        u->scopes[u->scope_count++] = below;
        e = below.ptr ? EG_OK : EG_ERR_NO_MEMORY;
    }
    free(named);
    return e;
}

static eg_err add_party(gather *g, const eg_policy_party *m) {
    eg_universe *u = g->u;
    bool known = false;
    for (size_t i = 0; i < u->group_count; i++) {
        known = known || eg_policy_guid_order(&u->groups[i], &m->id) == 0;
    }
    if ((m->kind & EG_ASSIGNEE_GROUP) && !known) {
        if (u->group_count == EG_PROVE_GROUPS_MAX) {
            return too_much(g->why, "deny assignments, and with separated duties roles that write policies, name more than 10 groups");
        }
        u->groups[u->group_count++] = m->id;
    }
    known = false;
    for (size_t i = 0; i < u->id_count; i++) {
        known = known || eg_policy_guid_order(&u->ids[i], &m->id) == 0;
    }
    if ((m->kind & EG_ASSIGNEE_PRINCIPAL) && !known) {
        if (u->id_count == EG_PROVE_IDS_MAX) {
            return too_much(g->why, "deny assignments, and with separated duties roles that write policies, name more than 200 principals");
        }
        u->ids[u->id_count++] = m->id;
    }
    return EG_OK;
}

static eg_err make_parties(gather *g) {
    for (int i = 0; i < 2; i++) {
        const eg_policy *pol = g->u->policies[i];
        for (size_t k = 0; k < pol->deny_count; k++) {
            const eg_policy_parties *const lists[] = {&pol->denies[k].principals, &pol->denies[k].excluded};
            for (size_t l = 0; l < 2; l++) {
                for (size_t n = 0; n < lists[l]->n; n++) {
                    EG_TRY(add_party(g, &lists[l]->v[n]));
                }
            }
        }
    }
    return EG_OK;
}

/* Whom the older policy keeps from data because of a right to write policies: it may be by another group than the one that grants. */
static eg_err make_writers(gather *g) {
    const eg_policy *older = g->u->policies[0];
    for (size_t i = 0; older->separate_duties && i < older->writer_count; i++) {
        const eg_policy_assignment *m = &older->assignments[older->writers[i].assignment];
        EG_TRY(add_party(g, &(eg_policy_party){m->principal, m->kind}));
    }
    return EG_OK;
}

eg_err eg_universe_make(eg_universe *u, const eg_policy *older, const eg_policy *newer, char why[256]) {
    static eg_err (*const makers[])(gather *g) = {make_parties, make_writers, make_actions, make_attributes, make_sub_operations, make_times, make_scopes};
    u->policies[0] = older;
    u->policies[1] = newer;
    gather g = {.u = u, .why = why, .patterns = calloc(PATTERNS_MAX, sizeof *g.patterns)};
    eg_err e = g.patterns ? EG_OK : EG_ERR_NO_MEMORY;
    for (size_t i = 0; e == EG_OK && i < sizeof makers / sizeof makers[0]; i++) {
        e = makers[i](&g);
    }
    free(g.patterns);
    return e;
}

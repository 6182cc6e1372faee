/* What a new policy changes, in words: who gains and loses which role where, what is denied from then on, which network rules differ. */
#include "prove.h"

#include <embergate/clock.h>
#include <stdio.h>

static void id_text(const eg_policy_guid *id, char ret[EG_UUID_LEN]) {
    const uint8_t *b = id->b;
    snprintf(ret, EG_UUID_LEN, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
             b[10], b[11], b[12], b[13], b[14], b[15]);
}

static const char *kind_text(eg_policy_assignee kind) {
    static const char *const names[] = {"nobody", "the principal", "the members of group", "the principal or members of group"};
    return names[kind & 3];
}

static eg_err tell_grant(const eg_policy *pol, const eg_policy_assignment *m, const char *verb, eg_buf *ret) {
    char id[EG_UUID_LEN], time[EG_RFC3339_LEN];
    id_text(&m->principal, id);
    EG_TRY(eg_buf_addf(ret, "%s %s %s the role %.*s at %.*s", kind_text(m->kind), id, verb, EG_FMT(pol->roles[m->role].name), EG_FMT(m->scope)));
    if (m->starts_ns) {
        eg_time_rfc3339(m->starts_ns, time);
        EG_TRY(eg_buf_addf(ret, ", from %s", time));
    }
    if (m->ends_ns) {
        eg_time_rfc3339(m->ends_ns, time);
        EG_TRY(eg_buf_addf(ret, ", until %s", time));
    }
    if (m->condition) {
        EG_TRY(eg_buf_addf(ret, ", where %.*s", EG_FMT(eg_policy_condition_text(m->condition))));
    }
    return eg_buf_addf(ret, " (%s)\n", m->file);
}

/* What `a` has and `b` has not. */
static eg_err tell_grants(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->assignment_count; i++) {
        if (!eg_policy_has_grant(b, a, &a->assignments[i])) {
            EG_TRY(tell_grant(a, &a->assignments[i], verb, ret));
        }
    }
    return EG_OK;
}

static eg_err tell_denies(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->deny_count; i++) {
        const eg_policy_deny *d = &a->denies[i];
        if (!eg_policy_has_deny(b, d)) {
            EG_TRY(eg_buf_addf(ret, "the deny assignment \"%.*s\" at %.*s %s (%s)\n", EG_FMT(d->title), EG_FMT(d->scope), verb, d->file));
        }
    }
    return EG_OK;
}

static eg_err tell_rules(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->group_count; i++) {
        const eg_policy_group *g = &a->groups[i], *other = eg_policy_group_find(b, g->id);
        for (size_t k = 0; k < g->rule_count; k++) {
            const eg_policy_rule *r = &g->rules[k];
            if (!other || !eg_policy_has_rule(other, r)) {
                EG_TRY(eg_buf_addf(ret, "the rule %.*s/%.*s, priority %u, which %s, %s (%s)\n", EG_FMT(g->name), EG_FMT(r->name), r->priority, r->allow ? "allows" : "denies", verb,
                                   g->file));
            }
        }
    }
    return EG_OK;
}

eg_err eg_policy_what_if(const eg_policy *older, const eg_policy *newer, eg_buf *ret) {
    EG_TRY(tell_grants(newer, older, "gains", ret));
    EG_TRY(tell_grants(older, newer, "loses", ret));
    EG_TRY(tell_denies(newer, older, "is new", ret));
    EG_TRY(tell_denies(older, newer, "goes", ret));
    EG_TRY(tell_rules(newer, older, "is new", ret));
    return tell_rules(older, newer, "goes", ret);
}

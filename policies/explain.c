/* Check access, for people: each assignment that grants an action at a scope, and each deny assignment that goes before them. */
#include "condition.h"

#include <embergate/clock.h>

static bool concerns(const eg_policy_assignment *m, const eg_principal *who) {
    eg_policy_guid id;
    if (!who) {
        return true;
    }
    if ((m->kind & EG_ASSIGNEE_PRINCIPAL) && eg_policy_guid_parse(eg_str_of(who->object_id), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0) {
        return true;
    }
    for (size_t i = 0; (m->kind & EG_ASSIGNEE_GROUP) && !who->groups_unknown && i < who->group_count; i++) {
        if (eg_policy_guid_parse(eg_str_of(who->groups[i]), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0) {
            return true;
        }
    }
    return false;
}

/* With separated duties: the right to write policies that keeps the assignment's own principal or group from the data. */
static const eg_policy_assignment *kept_by(const eg_policy *pol, const eg_policy_assignment *m, const eg_access *a) {
    for (size_t i = 0; pol->separate_duties && a->data_action && i < pol->writer_count; i++) {
        const eg_policy_assignment *w = &pol->assignments[pol->writers[i].assignment];
        if (eg_policy_guid_order(&w->principal, &m->principal) == 0 && (w->kind & m->kind) && eg_policy_scope_covers(w->scope, a->scope)) {
            return w;
        }
    }
    return NULL;
}

static eg_err write_id(const eg_policy_guid *id, eg_buf *ret) {
    const uint8_t *b = id->b;
    return eg_buf_addf(ret, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                       b[15]);
}

/* Of a person who is known it is said whether the condition holds, else what it asks for. */
static eg_err write_condition(const eg_policy_assignment *m, const eg_access *a, eg_buf *ret) {
    const eg_policy_truth holds = a->who ? eg_policy_condition_holds(m->condition, a) : EG_TRUTH_UNKNOWN;
    if (!m->condition || holds == EG_TRUTH_TRUE) {
        return EG_OK;
    }
    return eg_buf_addf(ret, ", %s %.*s", holds == EG_TRUTH_FALSE ? "but this does not hold:" : "where", EG_FMT(eg_policy_condition_text(m->condition)));
}

static eg_err write_one(const eg_policy *pol, const eg_policy_assignment *m, const eg_access *a, eg_buf *ret) {
    static const char *const kinds[] = {"nobody", "principal", "group", "principal or group"};
    EG_TRY(eg_buf_addf(ret, "%s ", kinds[m->kind & 3]));
    EG_TRY(write_id(&m->principal, ret));
    EG_TRY(eg_buf_addf(ret, ": %.*s at %.*s (roleAssignment %.*s in %s)", EG_FMT(pol->roles[m->role].name), EG_FMT(m->scope), EG_FMT(m->name), m->file));
    if (m->ends_ns) {
        char time[EG_RFC3339_LEN];
        eg_time_rfc3339(m->ends_ns, time);
        EG_TRY(eg_buf_addf(ret, ", until %s", time));
    }
    EG_TRY(write_condition(m, a, ret));
    const eg_policy_assignment *w = kept_by(pol, m, a);
    if (w) {
        EG_TRY(eg_buf_addf(ret, ", kept from it by separated duties: %.*s at %.*s writes policies", EG_FMT(pol->roles[w->role].name), EG_FMT(w->scope)));
    }
    return eg_buf_adds(ret, "\n");
}

static eg_err write_parties(const eg_policy_parties *l, eg_buf *ret) {
    for (size_t i = 0; i < l->n; i++) {
        EG_TRY(eg_buf_adds(ret, i ? ", " : ""));
        EG_TRY(write_id(&l->v[i].id, ret));
    }
    return EG_OK;
}

static eg_err write_deny(const eg_policy_deny *d, eg_buf *ret) {
    EG_TRY(eg_buf_addf(ret, "denied to %s", d->everyone ? "everybody" : ""));
    EG_TRY(d->everyone ? EG_OK : write_parties(&d->principals, ret));
    EG_TRY(eg_buf_adds(ret, d->excluded.n ? " but " : ""));
    EG_TRY(write_parties(&d->excluded, ret));
    return eg_buf_addf(ret, ": \"%.*s\" at %.*s (denyAssignment %.*s in %s)\n", EG_FMT(d->title), EG_FMT(d->scope), EG_FMT(d->name), d->file);
}

static bool deny_concerns(const eg_policy_deny *d, const eg_access *a) {
    bool here = d->this_scope_only ? eg_str_ieq(d->scope, a->scope) : eg_policy_scope_covers(d->scope, a->scope), forbids = false;
    for (size_t i = 0; here && i < d->permission_count; i++) {
        forbids = forbids || eg_policy_permission_grants(&d->permissions[i], a->action, a->data_action);
    }
    return forbids;
}

/* With a principal: the one that decides for it. */
static eg_err write_denies(const eg_policy *pol, const eg_access *a, eg_buf *ret) {
    eg_policy_levels levels;
    eg_policy_levels_of(a->scope, &levels);
    const eg_policy_deny *decides = a->who ? eg_policy_deny_find(pol, a, &levels) : NULL;
    for (size_t i = 0; i < pol->deny_count; i++) {
        const eg_policy_deny *d = &pol->denies[i];
        if (a->who ? d == decides : deny_concerns(d, a)) {
            EG_TRY(write_deny(d, ret));
        }
    }
    return EG_OK;
}

/* Without a clock all that may be in force some time is told. */
static bool over_or_not_begun(const eg_policy_assignment *m, int64_t now_ns) {
    return now_ns > 0 && ((m->starts_ns && now_ns < m->starts_ns) || (m->ends_ns && now_ns >= m->ends_ns));
}

eg_err eg_policy_explain(const eg_policy *pol, const eg_access *a, eg_buf *ret) {
    if (a->who && !eg_str_ieq(eg_str_of(a->who->tenant), a->resource_tenant)) {
        return EG_OK; /* what is assigned in another tenant is not told */
    }
    for (size_t i = 0; i < pol->assignment_count; i++) {
        const eg_policy_assignment *m = &pol->assignments[i];
        if (concerns(m, a->who) && !over_or_not_begun(m, a->now_ns) && eg_policy_scope_covers(m->scope, a->scope) &&
            eg_policy_role_grants(&pol->roles[m->role], a->action, a->data_action)) {
            EG_TRY(write_one(pol, m, a, ret));
        }
    }
    return write_denies(pol, a, ret);
}

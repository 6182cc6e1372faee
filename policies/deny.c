/* Deny assignments: whether one of them forbids what is asked. */
#include "condition.h"

typedef enum among { AMONG_NOT = 0, AMONG_MAYBE, AMONG_YES } among;

/* MAYBE: a group is named, and the token leaves out its groups. */
static among is_among(const eg_policy_parties *parties, const eg_principal *who) {
    eg_policy_guid id;
    among found = AMONG_NOT;
    const bool known = eg_policy_guid_parse(eg_str_of(who->object_id), &id) == EG_OK;
    for (size_t i = 0; i < parties->n; i++) {
        const eg_policy_party *m = &parties->v[i];
        if (known && (m->kind & EG_ASSIGNEE_PRINCIPAL) && eg_policy_guid_order(&m->id, &id) == 0) {
            return AMONG_YES;
        }
        if (!(m->kind & EG_ASSIGNEE_GROUP)) {
            continue;
        }
        if (who->groups_unknown) {
            found = AMONG_MAYBE;
        }
        if (who->group_ids) {
            if (eg_principal_in_group(who, m->id.b)) {
                return AMONG_YES;
            }
            continue;
        }
        for (size_t k = 0; k < who->group_count; k++) {
            eg_policy_guid group;
            if (eg_policy_guid_parse(eg_str_of(who->groups[k]), &group) == EG_OK && eg_policy_guid_order(&m->id, &group) == 0) {
                return AMONG_YES;
            }
        }
    }
    return found;
}

/* What isn't known of the request or of the groups denies. */
static bool denies(const eg_policy_deny *d, const eg_access *a, size_t *work) {
    const bool here = d->this_scope_only ? eg_str_ieq(d->scope, a->scope) : eg_policy_scope_covers(d->scope, a->scope);
    if (!here) {
        return false;
    }
    bool forbidden = !eg_policy_work_spend(work, eg_policy_permissions_work(d->permissions, d->permission_count));
    for (size_t i = 0; i < d->permission_count && !forbidden; i++) {
        forbidden = eg_policy_permission_grants(&d->permissions[i], a->action, a->data_action) && eg_policy_condition_holds_within(d->conditions[i], a, work) != EG_TRUTH_FALSE;
    }
    return forbidden && (d->everyone || is_among(&d->principals, a->who) != AMONG_NOT) && is_among(&d->excluded, a->who) != AMONG_YES;
}

const eg_policy_deny *eg_policy_deny_find(const eg_policy *pol, const eg_access *a, const eg_policy_levels *levels) {
    size_t work = EG_CONDITION_WORK_MAX;
    for (size_t i = 0; i < pol->deny_count; i++) {
        if (eg_policy_levels_may_hold(levels, pol->denies[i].scope_hash) && denies(&pol->denies[i], a, &work)) {
            return &pol->denies[i];
        }
    }
    return NULL;
}

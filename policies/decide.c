/* Role-based decisions: which assignment, if any, grants an action at a scope to a principal. */
#include "policy_model.h"

#include <stdio.h>

/* Object ids are random (version 4) in Entra, but an administrator writes the files: multiply, so that no choice of ids piles up. */
size_t eg_policy_guid_hash(const eg_policy_guid *id) {
    uint64_t h = eg_get_u64(id->b) ^ (eg_get_u64(id->b + 8) * 0x9e3779b97f4a7c15u);
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (size_t)(h ^ (h >> 32));
}

const eg_policy_role *eg_policy_role_find(const eg_policy *pol, const eg_policy_guid *id) {
    size_t low = 0, high = pol->role_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = eg_policy_guid_order(&pol->roles[mid].id, id);
        if (order == 0) {
            return &pol->roles[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static bool any(const eg_policy_patterns *patterns, eg_str action) {
    for (size_t i = 0; i < patterns->n; i++) {
        if (eg_policy_pattern_matches(&patterns->v[i], action)) {
            return true;
        }
    }
    return false;
}

/* Actions minus NotActions within each permission of the role, union over its permissions. */
bool eg_policy_role_grants(const eg_policy_role *r, eg_str action, bool data_action) {
    for (size_t i = 0; i < r->permission_count; i++) {
        const eg_policy_permission *m = &r->permissions[i];
        const eg_policy_patterns *yes = data_action ? &m->data_actions : &m->actions;
        const eg_policy_patterns *no = data_action ? &m->not_data_actions : &m->not_actions;
        if (any(yes, action) && !any(no, action)) {
            return true;
        }
    }
    return false;
}

static const eg_policy_assignment *first_of(const eg_policy *pol, const eg_policy_guid *id) {
    size_t at = eg_policy_guid_hash(id) & pol->bucket_mask;
    for (; pol->buckets[at] != 0; at = (at + 1) & pol->bucket_mask) {
        const eg_policy_assignment *a = &pol->assignments[pol->buckets[at] - 1];
        if (eg_policy_guid_order(&a->principal, id) == 0) {
            return a;
        }
    }
    return NULL;
}

static const eg_policy_assignment *granting(const eg_policy *pol, const eg_access *a, const char *object_id, eg_policy_assignee kind) {
    eg_policy_guid id;
    if (eg_policy_guid_parse(eg_str_of(object_id), &id) != EG_OK) {
        return NULL;
    }
    const eg_policy_assignment *end = pol->assignments + pol->assignment_count;
    for (const eg_policy_assignment *m = first_of(pol, &id); m && m < end && eg_policy_guid_order(&m->principal, &id) == 0; m++) {
        if ((m->kind & kind) && eg_policy_scope_covers(m->scope, a->scope) && eg_policy_role_grants(&pol->roles[m->role], a->action, a->data_action)) {
            return m;
        }
    }
    return NULL;
}

static const eg_policy_assignment *find(const eg_policy *pol, const eg_access *a) {
    const eg_policy_assignment *m = granting(pol, a, a->who->object_id, EG_ASSIGNEE_PRINCIPAL);
    for (size_t i = 0; !m && !a->who->groups_unknown && i < a->who->group_count; i++) {
        m = granting(pol, a, a->who->groups[i], EG_ASSIGNEE_GROUP);
    }
    return m;
}

static void deny(eg_decision *d, eg_err e, const char *rule) {
    d->allowed = false;
    d->error = e;
    snprintf(d->rule, sizeof d->rule, "%s", rule);
}

void eg_policy_decide(const eg_policy *pol, const eg_access *a, eg_decision *ret) {
    eg_decision d = {.policy_version = pol->version};
    eg_err no_role = a->data_action ? EG_ERR_DENIED_DATA : EG_ERR_DENIED_ROLE;
    const eg_policy_assignment *m;
    if (!a->who || a->who->kind == EG_PRINCIPAL_NONE || a->action.len == 0) {
        deny(&d, no_role, "default deny");
        snprintf(d.reason, sizeof d.reason, "Nobody is signed in.");
    } else if (a->resource_tenant.len == 0 || !eg_str_ieq(eg_str_of(a->who->tenant), a->resource_tenant)) {
        deny(&d, EG_ERR_DENIED_TENANT, "tenant separation");
        snprintf(d.reason, sizeof d.reason, "The resource does not belong to the principal's tenant.");
    } else if ((m = find(pol, a))) {
        d.allowed = true;
        d.error = EG_OK;
        snprintf(d.rule, sizeof d.rule, "roleAssignment %.*s (%.*s) at %.*s", EG_FMT(m->name), EG_FMT(pol->roles[m->role].name), EG_FMT(m->scope));
        snprintf(d.reason, sizeof d.reason, "The role %.*s grants it.", EG_FMT(pol->roles[m->role].name));
    } else {
        deny(&d, no_role, "default deny");
        snprintf(d.reason, sizeof d.reason, "%s %.36s has no role assignment that grants %s%.*s%s.",
                 a->who->kind == EG_PRINCIPAL_JOB ? "The job's submitter" : "The principal", a->who->object_id, a->data_action ? "the data action " : "",
                 EG_FMT(a->action), a->who->groups_unknown ? " (its token leaves out its groups)" : "");
    }
    *ret = d;
}

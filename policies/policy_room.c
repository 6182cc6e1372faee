/* What policies take of the room that all tenants share, and what of it lies within a scope. */
#include "rule.h"

const eg_policy_room eg_policy_room_max = {EG_POLICY_ROWS_MAX, EG_POLICY_ROLES_MAX, EG_RULE_BOOK_MAX, EG_RULE_ASSIGNED_MAX, EG_RULE_WEIGHT_MAX};

#define COUNT(n, v, count, place)                                  \
    for (size_t i = 0; i < (count); i++) {                         \
        (n) += eg_policy_scope_covers(scope, (v)[i].place) ? 1 : 0; \
    }

eg_policy_room eg_policy_room_of(const eg_policy *pol) {
    eg_policy_room r = {.roles = pol->role_count, .defined = pol->defined_count, .in_force = pol->assigned_count};
    r.rows = pol->assignment_count + pol->eligible_count + pol->deny_count + pol->group_count + pol->subnet_count + pol->account_count + pol->assigned_count + pol->role_count;
    for (size_t i = 0; i < pol->assigned_count; i++) {
        r.weight += eg_rule_weight(&pol->assigned[i].rule);
    }
    return r;
}

void eg_policy_room_within(const eg_policy *pol, eg_str scope, eg_policy_room *ret) {
    COUNT(ret->rows, pol->assignments, pol->assignment_count, scope);
    COUNT(ret->rows, pol->eligible, pol->eligible_count, scope);
    COUNT(ret->rows, pol->denies, pol->deny_count, scope);
    COUNT(ret->rows, pol->groups, pol->group_count, id);
    COUNT(ret->rows, pol->subnets, pol->subnet_count, id);
    COUNT(ret->rows, pol->accounts, pol->account_count, id);
    for (size_t i = 0; i < pol->role_count; i++) {
        const bool within = pol->roles[i].assignable_count > 0 && eg_policy_scope_covers(scope, pol->roles[i].assignable[0]);
        ret->rows += within;
        ret->roles += within;
    }
    for (size_t i = 0; i < pol->defined_count; i++) {
        ret->defined += eg_policy_scope_covers(scope, pol->defined[i]);
    }
    for (size_t i = 0; i < pol->assigned_count; i++) {
        if (eg_policy_scope_covers(scope, pol->assigned[i].scope)) {
            ret->rows++;
            ret->in_force++;
            ret->weight += eg_rule_weight(&pol->assigned[i].rule);
        }
    }
}

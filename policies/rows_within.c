/* How many rows of a policy lie within a scope: what a tenant takes of the room that all share. */
#include "rule.h"

#define COUNT(n, v, count, place)                                  \
    for (size_t i = 0; i < (count); i++) {                         \
        (n) += eg_policy_scope_covers(scope, (v)[i].place) ? 1 : 0; \
    }

size_t eg_policy_rows(const eg_policy *pol) {
    return pol->assignment_count + pol->eligible_count + pol->deny_count + pol->group_count + pol->subnet_count + pol->account_count + pol->assigned_count + pol->role_count;
}

size_t eg_policy_rows_within(const eg_policy *pol, eg_str scope) {
    size_t n = 0;
    COUNT(n, pol->assignments, pol->assignment_count, scope);
    COUNT(n, pol->eligible, pol->eligible_count, scope);
    COUNT(n, pol->denies, pol->deny_count, scope);
    COUNT(n, pol->groups, pol->group_count, id);
    COUNT(n, pol->subnets, pol->subnet_count, id);
    COUNT(n, pol->accounts, pol->account_count, id);
    COUNT(n, pol->assigned, pol->assigned_count, scope);
    for (size_t i = 0; i < pol->role_count; i++) {
        n += pol->roles[i].assignable_count > 0 && eg_policy_scope_covers(scope, pol->roles[i].assignable[0]);
    }
    return n;
}

/* Separation of duties: who may write policies and holds data actions too. */
#include "policy_model.h"

#include <stdio.h>

static bool writes_policies(const eg_policy_role *r) {
    static const char *const actions[] = {"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write",
                                          "Microsoft.Authorization/roleAssignmentSchedules/write", "Microsoft.Authorization/policyAssignments/write"};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (eg_policy_role_grants(r, eg_str_of(actions[i]), false)) {
            return true;
        }
    }
    return false;
}

static bool has_data(const eg_policy_role *r) {
    for (size_t i = 0; i < r->permission_count; i++) {
        if (r->permissions[i].data_actions.n > 0) {
            return true;
        }
    }
    return false;
}

/* The assignments of one principal begin at `at`; *ret_end is behind the last. */
static bool holds_both(const eg_policy *pol, size_t at, size_t *ret_end) {
    bool writes = false, data = false;
    size_t i = at;
    for (; i < pol->assignment_count && eg_policy_guid_order(&pol->assignments[i].principal, &pol->assignments[at].principal) == 0; i++) {
        const eg_policy_role *r = &pol->roles[pol->assignments[i].role];
        writes = writes || writes_policies(r);
        data = data || has_data(r);
    }
    *ret_end = i;
    return writes && data;
}

static bool held_before(const eg_policy *older, const eg_policy_guid *who) {
    for (size_t i = 0, end; older && i < older->assignment_count; i = end) {
        const bool both = holds_both(older, i, &end);
        if (eg_policy_guid_order(&older->assignments[i].principal, who) == 0) {
            return both;
        }
    }
    return false;
}

eg_err eg_policy_duties(const eg_policy *older, const eg_policy *newer, eg_buf *ret) {
    for (size_t i = 0, end; i < newer->assignment_count; i = end) {
        const eg_policy_guid *id = &newer->assignments[i].principal;
        const uint8_t *b = id->b;
        if (holds_both(newer, i, &end) && !held_before(older, id)) {
            EG_TRY(eg_buf_addf(ret, "%s%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", ret->len ? " " : "", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
                               b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]));
        }
    }
    return EG_OK;
}

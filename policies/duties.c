/* Separation of duties: who may write policies and holds, or uses, data actions too. */
#include "policy_model.h"

#include <stdio.h>
#include <stdlib.h>

#define SCOPE_SIDE_MAX 16 /* writers of one scope that are looked at one by one */

static bool writes_policies(const eg_policy_role *r) {
    static const char *const actions[] = {
        "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write", "Microsoft.Authorization/roleAssignmentSchedules/write",
        "Microsoft.Authorization/roleEligibilitySchedules/write", "Microsoft.Authorization/denyAssignments/write", "Microsoft.Authorization/denyAssignments/delete",
        "Microsoft.Authorization/policyAssignments/write", "Microsoft.Authorization/policyDefinitions/write", "Microsoft.Authorization/policySetDefinitions/write",
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (eg_policy_role_grants(r, eg_str_of(actions[i]), false)) {
            return true;
        }
    }
    return false;
}

static int scope_order(const void *x, const void *y) {
    const eg_policy_writer *a = x, *b = y;
    return a->scope_hash != b->scope_hash ? (a->scope_hash < b->scope_hash ? -1 : 1) : a->assignment < b->assignment ? -1 : a->assignment > b->assignment;
}

eg_err eg_policy_duties_index(eg_policy *pol) {
    for (size_t i = 0; i < pol->role_count; i++) {
        pol->roles[i].writes = writes_policies(&pol->roles[i]);
    }
    pol->writers = malloc((pol->assignment_count + 1) * sizeof *pol->writers);
    if (!pol->writers) {
        return EG_ERR_NO_MEMORY;
    }
    pol->writer_count = 0;
    for (size_t i = 0; i < pol->assignment_count; i++) {
        if (pol->roles[pol->assignments[i].role].writes) {
            pol->writers[pol->writer_count++] = (eg_policy_writer){pol->assignments[i].scope_hash, (uint32_t)i};
        }
    }
    qsort(pol->writers, pol->writer_count, sizeof *pol->writers, scope_order);
    return EG_OK;
}

/* Not data actions, and yet what they give reads data in nobody's name. */
const char *const eg_policy_means[] = {"microsoft.storage/storageaccounts/listkeys/action", "microsoft.storage/storageaccounts/regeneratekey/action",
                                       "microsoft.storage/storageaccounts/blobservices/generateuserdelegationkey/action", NULL};

static bool gives_means(eg_str action) {
    for (size_t i = 0; eg_policy_means[i]; i++) {
        if (eg_str_ieq(action, eg_str_of(eg_policy_means[i]))) {
            return true;
        }
    }
    return false;
}

/* Without a clock whatever has a time may be in force. */
static bool may_be_in_force(const eg_policy_assignment *m, int64_t now_ns) {
    return now_ns <= 0 || (now_ns >= m->starts_ns && (m->ends_ns == 0 || now_ns < m->ends_ns));
}

static bool in_group(const eg_principal *who, const eg_policy_guid *group) {
    if (who->groups_unknown) {
        return true;
    }
    if (who->group_ids) {
        return eg_principal_in_group(who, group->b);
    }
    for (size_t i = 0; i < who->group_count; i++) {
        eg_policy_guid id;
        if (eg_policy_guid_parse(eg_str_of(who->groups[i]), &id) == EG_OK && eg_policy_guid_order(&id, group) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_be_for(const eg_policy_assignment *m, const eg_principal *who, const eg_policy_guid *person) {
    return ((m->kind & EG_ASSIGNEE_PRINCIPAL) && person && eg_policy_guid_order(&m->principal, person) == 0) || ((m->kind & EG_ASSIGNEE_GROUP) && in_group(who, &m->principal));
}

/* What is asked, and the scopes above it. */
typedef struct question {
    const eg_policy *pol;
    const eg_access *a;
    eg_policy_levels levels;
    eg_policy_guid person;
    bool person_known;
} question;

static bool writes_there(const question *q, const eg_policy_assignment *m) {
    return q->pol->roles[m->role].writes && may_be_in_force(m, q->a->now_ns) && eg_policy_scope_covers(m->scope, q->a->scope);
}

/* The first writer at a scope of this hash, or behind them all. */
static size_t first_at(const eg_policy *pol, uint64_t hash) {
    size_t low = 0, high = pol->writer_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (pol->writers[mid].scope_hash < hash) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* From the scopes above to who writes policies there. `most`: of each scope that are looked at; *ret_all false: there are more, and nothing is said. */
static const eg_policy_assignment *by_scope(const question *q, size_t most, bool *ret_all) {
    const eg_policy *pol = q->pol;
    *ret_all = true;
    for (size_t l = 0; l < (q->levels.all ? 1 : q->levels.n); l++) {
        const size_t from = q->levels.all ? 0 : first_at(pol, q->levels.hashes[l]);
        for (size_t i = from; i < pol->writer_count && (q->levels.all || pol->writers[i].scope_hash == q->levels.hashes[l]); i++) {
            const eg_policy_assignment *m = &pol->assignments[pol->writers[i].assignment];
            if (i - from == most) {
                *ret_all = false;
                return NULL;
            }
            if (may_be_for(m, q->a->who, q->person_known ? &q->person : NULL) && writes_there(q, m)) {
                return m;
            }
        }
    }
    return NULL;
}

static const eg_policy_assignment *writing(const question *q, const eg_policy_guid *id, eg_policy_assignee kind) {
    const eg_policy_assignment *end = q->pol->assignments + q->pol->assignment_count;
    for (const eg_policy_assignment *m = eg_policy_first_of(q->pol, id); m && m < end && eg_policy_guid_order(&m->principal, id) == 0; m++) {
        if ((m->kind & kind) && eg_policy_levels_may_hold(&q->levels, m->scope_hash) && writes_there(q, m)) {
            return m;
        }
    }
    return NULL;
}

/* From the principal and its groups to what they write: where a scope has many writers. */
static const eg_policy_assignment *by_principal(const question *q) {
    const eg_principal *who = q->a->who;
    const eg_policy_assignment *m = q->person_known ? writing(q, &q->person, EG_ASSIGNEE_PRINCIPAL) : NULL;
    for (size_t i = 0; !m && i < who->group_count; i++) {
        eg_policy_guid id;
        if (who->group_ids) {
            memcpy(id.b, who->group_ids[i], sizeof id.b);
        } else if (eg_policy_guid_parse(eg_str_of(who->groups[i]), &id) != EG_OK) {
            continue;
        }
        m = writing(q, &id, EG_ASSIGNEE_GROUP);
    }
    return m;
}

const eg_policy_assignment *eg_policy_duties_find(const eg_policy *pol, const eg_access *a) {
    question q = {.pol = pol, .a = a};
    bool all = true;
    if (!pol->separate_duties || pol->writer_count == 0 || !(a->data_action || gives_means(a->action))) {
        return NULL;
    }
    eg_policy_levels_of(a->scope, &q.levels);
    q.person_known = eg_policy_guid_parse(eg_str_of(a->who->object_id), &q.person) == EG_OK;
    const eg_policy_assignment *m = by_scope(&q, a->who->groups_unknown ? SIZE_MAX : SCOPE_SIDE_MAX, &all);
    return all ? m : by_principal(&q);
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
        writes = writes || r->writes;
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

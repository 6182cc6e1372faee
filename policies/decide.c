/* Role-based decisions: which assignment, if any, grants an action at a scope to a principal. */
#include "condition.h"

#define PATTERNS_FREE 100u   /* of a role's lists; longer ones are counted as the work of a decision */
#define PATTERN_WORK 64u
#define SCOPE_SIDE_LEAST 64 /* as many assignments at the scopes above a resource are looked at one by one, and as many as there are groups to look up instead */

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

bool eg_policy_permission_grants(const eg_policy_permission *m, eg_str action, bool data_action) {
    return any(data_action ? &m->data_actions : &m->actions, action) && !any(data_action ? &m->not_data_actions : &m->not_actions, action);
}

size_t eg_policy_permissions_work(const eg_policy_permission *m, size_t n) {
    size_t patterns = 0;
    for (size_t i = 0; i < n; i++) {
        patterns += m[i].actions.n + m[i].not_actions.n + m[i].data_actions.n + m[i].not_data_actions.n;
    }
    return patterns > PATTERNS_FREE ? (patterns - PATTERNS_FREE) * PATTERN_WORK : 0;
}

/* Actions minus NotActions within each permission of the role, union over its permissions. */
bool eg_policy_role_grants(const eg_policy_role *r, eg_str action, bool data_action) {
    for (size_t i = 0; i < r->permission_count; i++) {
        if (eg_policy_permission_grants(&r->permissions[i], action, data_action)) {
            return true;
        }
    }
    return false;
}

/* Without a clock nothing that begins or ends is in force. */
static bool in_force(const eg_policy_assignment *m, int64_t now_ns) {
    if (m->starts_ns == 0 && m->ends_ns == 0) {
        return true;
    }
    return now_ns > 0 && now_ns >= m->starts_ns && (m->ends_ns == 0 || now_ns < m->ends_ns);
}

const eg_policy_assignment *eg_policy_first_of(const eg_policy *pol, const eg_policy_guid *id) {
    const size_t hash = eg_policy_guid_hash(id);
    if (!(pol->present[(hash >> 6) % (EG_POLICY_PRESENT_BITS / 64)] & ((uint64_t)1 << (hash & 63)))) {
        return NULL;
    }
    size_t at = hash & pol->bucket_mask;
    for (; pol->buckets[at] != 0; at = (at + 1) & pol->bucket_mask) {
        const eg_policy_assignment *a = &pol->assignments[pol->buckets[at] - 1];
        if (eg_policy_guid_order(&a->principal, id) == 0) {
            return a;
        }
    }
    return NULL;
}

/* What is asked, and the scopes above it. */
typedef struct question {
    const eg_policy *pol;
    const eg_access *a;
    const eg_policy_levels *levels;
    size_t *work;              /* left for conditions and long lists of actions */
    eg_policy_guid person;
    bool person_known;
} question;

static bool grants(const question *q, const eg_policy_role *r) {
    return eg_policy_work_spend(q->work, r->work) && eg_policy_role_grants(r, q->a->action, q->a->data_action);
}

/* All but whom it is for. */
static bool applies(const question *q, const eg_policy_assignment *m) {
    const eg_access *a = q->a;
    return in_force(m, a->now_ns) && eg_policy_scope_covers(m->scope, a->scope) && grants(q, &q->pol->roles[m->role]) &&
           eg_policy_condition_holds_within(m->condition, a, q->work) == EG_TRUTH_TRUE;
}

static const eg_policy_assignment *granting(const question *q, const eg_policy_guid *id, eg_policy_assignee kind) {
    const eg_policy *pol = q->pol;
    const eg_policy_assignment *end = pol->assignments + pol->assignment_count;
    for (const eg_policy_assignment *m = eg_policy_first_of(pol, id); m && m < end && eg_policy_guid_order(&m->principal, id) == 0; m++) {
        if ((m->kind & kind) && eg_policy_levels_may_hold(q->levels, m->scope_hash) && applies(q, m)) {
            return m;
        }
    }
    return NULL;
}

/* From the principal and its groups to their assignments. */
static const eg_policy_assignment *find_by_principal(const question *q) {
    const eg_principal *who = q->a->who;
    const eg_policy_assignment *m = q->person_known ? granting(q, &q->person, EG_ASSIGNEE_PRINCIPAL) : NULL;
    for (size_t i = 0; !m && !who->groups_unknown && i < who->group_count; i++) {
        eg_policy_guid id;
        if (who->group_ids) {
            memcpy(id.b, who->group_ids[i], sizeof id.b);
        } else if (eg_policy_guid_parse((eg_str){who->groups[i], strnlen(who->groups[i], EG_UUID_LEN)}, &id) != EG_OK) {
            continue;
        }
        m = granting(q, &id, EG_ASSIGNEE_GROUP);
    }
    return m;
}

static bool is_for(const question *q, const eg_policy_assignment *m) {
    const eg_principal *who = q->a->who;
    if ((m->kind & EG_ASSIGNEE_PRINCIPAL) && q->person_known && eg_policy_guid_order(&m->principal, &q->person) == 0) {
        return true;
    }
    return (m->kind & EG_ASSIGNEE_GROUP) && !who->groups_unknown && eg_principal_in_group(who, m->principal.b);
}

/* Of the assignments at one of the levels: by_scope[*ret_from…] for as long as the hash is the same. No more than `most` and one are counted. */
static size_t at_level(const eg_policy *pol, uint64_t hash, size_t most, size_t *ret_from) {
    size_t at = hash & pol->bucket_mask;
    for (; pol->scope_buckets[at] != 0; at = (at + 1) & pol->bucket_mask) {
        const size_t from = pol->scope_buckets[at] - 1;
        if (pol->by_scope[from].hash == hash) {
            size_t n = 1;
            while (n <= most && from + n < pol->assignment_count && pol->by_scope[from + n].hash == hash) {
                n++;
            }
            *ret_from = from;
            return n;
        }
    }
    return 0;
}

/* From the scopes above the resource to the assignments there. false: there are too many, and the other way is shorter. */
static bool find_by_scope(const question *q, const eg_policy_assignment **ret) {
    const eg_policy *pol = q->pol;
    const eg_principal *who = q->a->who;
    const uint32_t person = q->person_known ? eg_principal_mark(q->person.b) : 0;
    const size_t most = who->group_count > SCOPE_SIDE_LEAST && !who->groups_unknown ? who->group_count : SCOPE_SIDE_LEAST;
    size_t from = 0, all = 0;
    if (q->levels->all || (who->group_count > 0 && !who->group_ids)) {
        return false;
    }
    *ret = NULL;
    for (size_t i = 0; i < q->levels->n; i++) {
        const size_t n = at_level(pol, q->levels->hashes[i], most, &from);
        all += n;
        if (all > most) {
            return false;
        }
        for (size_t k = from; k < from + n; k++) {
            const eg_policy_scoped *at = &pol->by_scope[k];
            const eg_policy_assignment *m = &pol->assignments[at->assignment];
            if (((q->person_known && at->who == person) || eg_principal_may_be_in(who, at->who)) && is_for(q, m) && applies(q, m)) {
                *ret = m;
                return true;
            }
        }
    }
    return true;
}

static const eg_policy_assignment *find(const eg_policy *pol, const eg_access *a, const eg_policy_levels *levels) {
    size_t work = EG_CONDITION_WORK_MAX;
    question q = {.pol = pol, .a = a, .levels = levels, .work = &work};
    const eg_policy_assignment *m = NULL;
    q.person_known = eg_policy_guid_parse(eg_str_of(a->who->object_id), &q.person) == EG_OK;
    return find_by_scope(&q, &m) ? m : find_by_principal(&q);
}

#define SAY(to, ...) eg_str_join(to, sizeof(to), (const eg_str[]){__VA_ARGS__}, sizeof((const eg_str[]){__VA_ARGS__}) / sizeof(eg_str))

static void say_no_role(const eg_access *a, eg_decision *d) {
    SAY(d->rule, EG_LIT("default deny"));
    SAY(d->reason, a->who->kind == EG_PRINCIPAL_JOB ? EG_LIT("The job's submitter ") : EG_LIT("The principal "), eg_str_of(a->who->object_id),
        EG_LIT(" has no role assignment that grants "), a->data_action ? EG_LIT("the data action ") : EG_LIT(""), a->action,
        a->who->groups_unknown ? EG_LIT(" (its token leaves out its groups).") : EG_LIT("."));
}

static void decide_roles(const eg_policy *pol, const eg_access *a, eg_decision *d) {
    eg_policy_levels levels;
    eg_policy_levels_of(a->scope, &levels);
    const eg_policy_deny *no = eg_policy_deny_find(pol, a, &levels);
    const eg_policy_assignment *writer = no ? NULL : eg_policy_duties_find(pol, a), *m = no || writer ? NULL : find(pol, a, &levels);
    if (no) {
        d->forbidden = true;
        SAY(d->rule, EG_LIT("denyAssignment "), no->name, EG_LIT(" at "), no->scope);
        SAY(d->reason, EG_LIT("The deny assignment \""), no->title, EG_LIT("\" forbids it."));
    } else if (writer) {
        const eg_str role = pol->roles[writer->role].name;
        d->forbidden = true;
        d->error = EG_ERR_DENIED_DUTIES;
        SAY(d->rule, EG_LIT("separationOfDuties "), writer->name, EG_LIT(" ("), role, EG_LIT(") at "), writer->scope);
        SAY(d->reason, EG_LIT("Who may write policies may not use data there: the role "), role, EG_LIT(" at "), writer->scope, EG_LIT("."));
    } else if (m) {
        const eg_str role = pol->roles[m->role].name;
        d->allowed = true;
        d->error = EG_OK;
        SAY(d->rule, EG_LIT("roleAssignment "), m->name, EG_LIT(" ("), role, EG_LIT(") at "), m->scope);
        SAY(d->reason, EG_LIT("The role "), role, EG_LIT(" grants it."));
    } else {
        say_no_role(a, d);
    }
}

/* Written where it is wanted: it is long, and most of it is text that is not there. */
void eg_policy_decide(const eg_policy *pol, const eg_access *a, eg_decision *ret) {
    ret->allowed = ret->forbidden = false;
    ret->error = a->data_action ? EG_ERR_DENIED_DATA : EG_ERR_DENIED_ROLE;
    ret->policy_version = pol->version;
    if (!a->who || a->who->kind == EG_PRINCIPAL_NONE || a->action.len == 0) {
        SAY(ret->rule, EG_LIT("default deny"));
        SAY(ret->reason, EG_LIT("Nobody is signed in."));
    } else if (a->resource_tenant.len == 0 || !eg_str_ieq(eg_str_of(a->who->tenant), a->resource_tenant)) {
        ret->error = EG_ERR_DENIED_TENANT;
        ret->forbidden = true;
        SAY(ret->rule, EG_LIT("tenant separation"));
        SAY(ret->reason, EG_LIT("The resource does not belong to the principal's tenant."));
    } else {
        decide_roles(pol, a, ret);
    }
}

/* Which roles somebody has, where, and by what: all assignments to a principal or to its groups. */
#include "policy_model.h"

/* The id by which an assignment concerns somebody: their own ("") or a group's; NULL = it doesn't. */
static const char *concerned_by(const eg_policy_assignment *m, const eg_principal *who) {
    eg_policy_guid id;
    if ((m->kind & EG_ASSIGNEE_PRINCIPAL) && eg_policy_guid_parse(eg_str_of(who->object_id), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0) {
        return "";
    }
    for (size_t i = 0; (m->kind & EG_ASSIGNEE_GROUP) && !who->groups_unknown && i < who->group_count; i++) {
        if (eg_policy_guid_parse(eg_str_of(who->groups[i]), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0) {
            return who->groups[i];
        }
    }
    return NULL;
}

static eg_err tell(const eg_policy *pol, const eg_policy_assignment *m, const eg_policy_held_question *q) {
    const char *group = concerned_by(m, q->who);
    const bool near = eg_policy_scope_covers(m->scope, q->within) || eg_policy_scope_covers(q->within, m->scope);
    if (!group || !near || (m->ends_ns != 0 && q->now_ns >= m->ends_ns) || (m->starts_ns != 0 && q->now_ns < m->starts_ns)) {
        return EG_OK;
    }
    const eg_policy_held held = {.role = pol->roles[m->role].name, .scope = m->scope, .assignment = m->name, .group = group, .ends_ns = m->ends_ns,
                                 .conditional = m->condition != NULL, .eligible = m->eligible};
    return q->fn(q->ctx, &held);
}

eg_err eg_policy_roles_of(const eg_policy *pol, const eg_policy_held_question *q) {
    for (size_t i = 0; i < pol->assignment_count; i++) {
        EG_TRY(tell(pol, &pol->assignments[i], q));
    }
    for (size_t i = 0; i < pol->eligible_count; i++) {
        EG_TRY(tell(pol, &pol->eligible[i], q));
    }
    return EG_OK;
}

/* Check access, for people: each assignment that grants an action at a scope. */
#include "policy_model.h"

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

static eg_err write_one(const eg_policy *pol, const eg_policy_assignment *m, const eg_access *a, eg_buf *ret) {
    static const char *const kinds[] = {"nobody", "principal", "group", "principal or group"};
    const uint8_t *b = m->principal.b;
    const eg_policy_assignment *w = kept_by(pol, m, a);
    EG_TRY(eg_buf_addf(ret, "%s %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x: %.*s at %.*s (roleAssignment %.*s in %s)",
                       kinds[m->kind & 3], b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15],
                       EG_FMT(pol->roles[m->role].name), EG_FMT(m->scope), EG_FMT(m->name), m->file));
    return !w ? eg_buf_add(ret, "\n", 1)
              : eg_buf_addf(ret, ", kept from it by separated duties: %.*s at %.*s writes policies\n", EG_FMT(pol->roles[w->role].name), EG_FMT(w->scope));
}

eg_err eg_policy_explain(const eg_policy *pol, const eg_access *a, eg_buf *ret) {
    if (a->who && !eg_str_ieq(eg_str_of(a->who->tenant), a->resource_tenant)) {
        return EG_OK; /* what is assigned in another tenant is not told */
    }
    for (size_t i = 0; i < pol->assignment_count; i++) {
        const eg_policy_assignment *m = &pol->assignments[i];
        if (concerns(m, a->who) && eg_policy_scope_covers(m->scope, a->scope) && eg_policy_role_grants(&pol->roles[m->role], a->action, a->data_action)) {
            EG_TRY(write_one(pol, m, a, ret));
        }
    }
    return EG_OK;
}

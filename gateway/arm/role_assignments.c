/* Role assignments, those with a time, those that someone may activate, and deny assignments: completed, shown, and listed by scope and principal. */
#include "document.h"

#include <embergate/crypto.h>

#include <embergate/clock.h>
#include <stdio.h>

static const json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

static eg_err lower_guid(eg_request *rq, json_t *properties, const char *name) {
    const eg_str given = eg_json_str(properties, name);
    char guid[EG_UUID_LEN];
    if (!eg_uuid_valid(given)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.%s: a GUID is expected.", name);
    }
    for (size_t i = 0; i < sizeof guid - 1; i++) {
        guid[i] = given.ptr[i] >= 'A' && given.ptr[i] <= 'F' ? (char)(given.ptr[i] + 32) : given.ptr[i];
    }
    return json_object_set_new(properties, name, json_stringn(guid, sizeof guid - 1)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

/* What lies at a scope is named with it; only the path's counts. */
static eg_err fill_scope(eg_request *rq, json_t *properties, const json_t *before) {
    const eg_str given = eg_json_str(properties, "scope"), kept = eg_json_str(properties_of(before), "scope"), scope = kept.len ? kept : rq->params[0];
    if (given.len > 0 && !eg_str_ieq(given, rq->params[0])) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.scope differs from the scope of the request.");
    }
    return json_object_set_new(properties, "scope", json_stringn(scope.ptr, scope.len)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err fill_role(eg_request *rq, json_t *properties) {
    json_t *role = NULL;
    const eg_str given = eg_json_str(properties, "roleDefinitionId");
    if (given.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.roleDefinitionId is missing.");
    }
    EG_TRY(eg_arm_role_find(rq, given, &role));
    json_t *id = eg_arm_role_id_at(rq->params[0], eg_json_str(role, "name"));
    json_decref(role);
    return json_object_set_new(properties, "roleDefinitionId", id) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static bool same_member(const json_t *a, const json_t *b, const char *name) {
    return eg_str_ieq(eg_json_str(a, name), eg_json_str(b, name));
}

static bool same_role(const json_t *a, const json_t *b) {
    return eg_str_ieq(eg_arm_role_guid(eg_json_str(a, "roleDefinitionId")), eg_arm_role_guid(eg_json_str(b, "roleDefinitionId")));
}

/* Azure's ids are unique in a tenant, and role, principal and scope of an assignment are for good. */
static eg_err check_others(eg_request *rq, const json_t *doc, const json_t *before) {
    EG_JSON_AUTO all = NULL;
    const json_t *mine = properties_of(doc);
    if (before && (!same_role(mine, properties_of(before)) || !same_member(mine, properties_of(before), "principalId"))) {
        return eg_fail(&rq->problem, EG_ERR_ROLE_ASSIGNMENT_UPDATE, "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.");
    }
    EG_TRY(eg_arm_doc_all(rq, EG_POLICY_ASSIGNMENTS, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *other = json_array_get(all, i);
        const bool same_name = same_member(other, doc, "name"), same_id = same_member(other, doc, "id");
        if (same_name && !same_id) {
            return eg_fail(&rq->problem, EG_ERR_ROLE_ASSIGNMENT_UPDATE, "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.");
        }
        if (!same_id && same_member(properties_of(other), mine, "principalId") && same_role(properties_of(other), mine) &&
            same_member(properties_of(other), mine, "scope")) {
            return eg_fail(&rq->problem, EG_ERR_ROLE_ASSIGNMENT_EXISTS, "The role assignment already exists. The ID of the existing role assignment is %.*s.",
                           EG_FMT(eg_json_str(other, "name")));
        }
    }
    return EG_OK;
}

/* Who made it and when, and who changed it last. */
static eg_err stamp(eg_request *rq, json_t *properties, const json_t *before) {
    static const char *const names[] = {"createdOn", "createdBy"};
    char now[EG_RFC3339_LEN];
    eg_time_rfc3339(rq->received_ns, now);
    int failed = json_object_set_new(properties, "updatedOn", json_string(now)) | json_object_set_new(properties, "updatedBy", json_string(rq->principal->object_id)) |
                 json_object_set_new(properties, "createdOn", json_string(now)) | json_object_set_new(properties, "createdBy", json_string(rq->principal->object_id));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *was = json_object_get(properties_of(before), names[i]);
        failed |= was ? json_object_set(properties, names[i], was) : 0;
    }
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

eg_err eg_arm_assignment_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = json_object_get(doc, "properties");
    const eg_str name = eg_json_str(doc, "name");
    if (!eg_uuid_valid(name)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The role assignment ID '%.*s' is not valid. The role assignment ID must be a GUID.", EG_FMT(name));
    }
    if (!eg_arm_own_scope(rq, rq->params[0])) {
        return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The subscription could not be found.");
    }
    EG_TRY(lower_guid(rq, properties, "principalId"));
    EG_TRY(fill_scope(rq, properties, before));
    EG_TRY(fill_role(rq, properties));
    EG_TRY(check_others(rq, doc, before));
    return stamp(rq, properties, before);
}

/* Ids of roles are spelled as the list of roles spells them: az compares them byte by byte. A file may also name a role by its name. */
eg_err eg_arm_assignment_show(eg_request *rq, json_t *doc) {
    json_t *properties = json_object_get(doc, "properties"), *role = NULL;
    const eg_str id = eg_json_str(doc, "id");
    if (!json_object_get(properties, "scope")) {
        static const char marker[] = "/providers/Microsoft.Authorization/";
        size_t at = 0;
        for (size_t i = 0; i + sizeof marker < id.len; i++) {
            at = eg_str_ieq((eg_str){id.ptr + i, sizeof marker - 1}, EG_LIT(marker)) ? i : at;
        }
        (void)json_object_set_new(properties, "scope", json_stringn(id.ptr, at));
    }
    const eg_str guid = eg_arm_role_guid(eg_json_str(properties, "roleDefinitionId"));
    if (eg_uuid_valid(guid)) {
        return json_object_set_new(properties, "roleDefinitionId", eg_arm_role_id_at(id, guid)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
    }
    eg_err e = eg_arm_role_find(rq, guid, &role);
    rq->problem = (eg_problem){0};
    if (e == EG_OK) {
        (void)json_object_set_new(properties, "roleDefinitionId", eg_arm_role_id_at(id, eg_json_str(role, "name")));
        json_decref(role);
    }
    return EG_OK;
}

bool eg_arm_is_assigned(const eg_request *rq, const json_t *doc, eg_str principal) {
    const eg_str who = eg_json_str(properties_of(doc), "principalId");
    if (eg_str_ieq(who, principal)) {
        return true;
    }
    /* Of nobody but the asker are the groups known. */
    bool mine = eg_str_ieq(principal, eg_str_of(rq->principal->object_id));
    for (size_t i = 0; mine && i < rq->principal->group_count; i++) {
        if (eg_str_ieq(who, eg_str_of(rq->principal->groups[i]))) {
            return true;
        }
    }
    return false;
}

/* The scope that a document lies at: its own word for it, or what its id begins with. */
static bool at_or_around(const json_t *doc, eg_str scope, bool not_below) {
    const eg_str own = eg_json_str(properties_of(doc), "scope"), id = eg_json_str(doc, "id");
    const bool above = own.len > 0 ? eg_arm_within(own, scope) : eg_arm_within(eg_arm_first_segments(id, 2), scope);
    return above || (!not_below && eg_arm_within(scope, own.len > 0 ? own : id));
}

bool eg_arm_assignment_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f) {
    if (!at_or_around(doc, scope, f->at_scope || f->at_exact_scope)) {
        return false;
    }
    if (f->as_target && !eg_arm_is_assigned(rq, doc, eg_str_of(rq->principal->object_id))) {
        return false;
    }
    return (!f->principal.ptr || eg_str_ieq(f->principal, eg_json_str(properties_of(doc), "principalId"))) &&
           (!f->assigned_to.ptr || eg_arm_is_assigned(rq, doc, f->assigned_to)) &&
           (!f->role_id.ptr || eg_str_ieq(eg_arm_role_guid(f->role_id), eg_arm_role_guid(eg_json_str(properties_of(doc), "roleDefinitionId"))));
}

static bool names_party(const json_t *list, eg_str id) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (eg_str_ieq(eg_json_str(json_array_get(list, i), "id"), id)) {
            return true;
        }
    }
    return false;
}

/* As in Azure: what the system protects stays, and who denies everybody leaves somebody out, or nobody could take it back. */
eg_err eg_arm_deny_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = json_object_get(doc, "properties");
    const eg_str name = eg_json_str(doc, "name");
    if (!eg_uuid_valid(name)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The deny assignment ID '%.*s' is not valid. The deny assignment ID must be a GUID.", EG_FMT(name));
    }
    if (!eg_arm_own_scope(rq, rq->params[0])) {
        return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The subscription could not be found.");
    }
    if (json_is_true(json_object_get(properties, "isSystemProtected"))) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.isSystemProtected: what is made by a request is not protected by the system.");
    }
    if (names_party(json_object_get(properties, "principals"), EG_LIT("00000000-0000-0000-0000-000000000000")) &&
        json_array_size(json_object_get(properties, "excludePrincipals")) == 0) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.excludePrincipals: a deny assignment of everybody leaves at least one principal out.");
    }
    EG_TRY(before ? eg_arm_deny_leave(rq, before) : EG_OK);
    EG_TRY(fill_scope(rq, properties, before));
    return stamp(rq, properties, before);
}

eg_err eg_arm_deny_leave(eg_request *rq, const json_t *doc) {
    return json_is_true(json_object_get(properties_of(doc), "isSystemProtected"))
               ? eg_fail(&rq->problem, EG_ERR_DENIED_ROLE, "The deny assignment is protected by the system: it can be changed neither here nor in Azure.")
               : EG_OK;
}

bool eg_arm_deny_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f) {
    (void)rq;
    const json_t *principals = json_object_get(properties_of(doc), "principals");
    const eg_str who = f->principal.ptr ? f->principal : f->assigned_to;
    return at_or_around(doc, scope, f->at_scope || f->at_exact_scope) && (!f->deny_name.ptr || eg_str_ieq(f->deny_name, eg_json_str(properties_of(doc), "denyAssignmentName"))) &&
           (!who.ptr || names_party(principals, who) || names_party(principals, EG_LIT("00000000-0000-0000-0000-000000000000")));
}

eg_err eg_arm_eligible_list_end(eg_request *rq) {
    eg_arm_filter f;
    const eg_str own = eg_str_of(rq->principal->object_id);
    EG_TRY(eg_arm_filter_of(rq, &f));
    const bool mine = f.as_target || (f.principal.ptr && eg_str_ieq(f.principal, own)) || (f.assigned_to.ptr && eg_str_ieq(f.assigned_to, own));
    const eg_str scope = rq->params[0];
    const eg_err e = mine || !rq->ops->decide_at ? EG_OK : rq->ops->decide_at(rq, "Microsoft.Authorization/roleEligibilitySchedules/read", false, scope, EG_LIT(""));
    if (e != EG_OK || (!mine && !rq->ops->decide_at)) {
        return eg_fail(&rq->problem, EG_ERR_DENIED_ROLE, "The client with object id '%s' does not have authorization to perform action "
                       "'Microsoft.Authorization/roleEligibilitySchedules/read' over scope '%.*s'.", rq->principal->object_id, EG_FMT(scope));
    }
    return eg_arm_doc_list_end(rq);
}

/* Role definitions: built in and the tenant's own; their names, their assignable scopes, and who still uses them. */
#include "document.h"

#include <embergate/crypto.h>

#include <stdio.h>

#define ROLE_TYPE "Microsoft.Authorization/roleDefinitions"
#define MARKER "/providers/Microsoft.Authorization/roleDefinitions/"

static const json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

static bool is_built_in(const json_t *role) {
    return eg_str_ieq(eg_json_str(properties_of(role), "type"), EG_LIT("BuiltInRole"));
}

json_t *eg_arm_role_id_at(eg_str scope, eg_str guid) {
    const bool beneath = eg_str_starts(scope, "/s") || eg_str_starts(scope, "/S");
    const eg_str subscription = beneath ? eg_arm_first_segments(scope, 2) : (eg_str){"", 0};
    return json_sprintf("%.*s" MARKER "%.*s", EG_FMT(subscription), EG_FMT(guid));
}

/* The GUID that a role's id ends with, or the text itself. */
eg_str eg_arm_role_guid(eg_str id) {
    return id.len > EG_UUID_LEN && id.ptr[id.len - EG_UUID_LEN] == '/' ? (eg_str){id.ptr + id.len - (EG_UUID_LEN - 1), EG_UUID_LEN - 1} : id;
}

/* Built-in roles belong to everybody; a custom one to the tenants of its assignable scopes. */
bool eg_arm_role_visible(const eg_request *rq, const json_t *role) {
    const json_t *scopes = json_object_get(properties_of(role), "assignableScopes");
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const char *scope = json_string_value(json_array_get(scopes, i));
        if (scope && (strcmp(scope, "/") == 0 || eg_arm_own_scope(rq, eg_str_of(scope)))) {
            return true;
        }
    }
    return false;
}

static eg_err add_built_in(json_t *list) {
    EG_JSON_AUTO all = NULL;
    EG_TRY(eg_json_parse(eg_policy_builtin_text(), (size_t)1 << 20, &all, NULL));
    return json_array_extend(list, json_object_get(all, "value")) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_arm_role_all(eg_request *rq, json_t **ret) {
    EG_JSON_AUTO list = NULL;
    EG_TRY(eg_arm_doc_all(rq, EG_POLICY_ROLES, &list));
    EG_TRY(add_built_in(list));
    *ret = json_incref(list);
    return EG_OK;
}

static eg_err role_not_found(eg_request *rq, eg_str id) {
    return eg_fail(&rq->problem, EG_ERR_ROLE_DEFINITION_NOT_FOUND, "The specified role definition with ID '%.*s' does not exist.", EG_FMT(id));
}

eg_err eg_arm_role_find(eg_request *rq, eg_str name_or_id, json_t **ret) {
    EG_JSON_AUTO all = NULL;
    const eg_str wanted = eg_arm_role_guid(name_or_id);
    /* A role may be called like another's id. */
    const bool by_id = eg_uuid_valid(wanted);
    EG_TRY(eg_arm_role_all(rq, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *role = json_array_get(all, i);
        if (eg_str_ieq(by_id ? eg_json_str(role, "name") : eg_json_str(properties_of(role), "roleName"), wanted)) {
            *ret = json_incref(role);
            return EG_OK;
        }
    }
    return role_not_found(rq, wanted);
}

/* Ids are beneath the subscription that was asked; scopes of other tenants, which a file may hold, are nobody's business here. */
eg_err eg_arm_role_show(eg_request *rq, json_t *doc) {
    json_t *scopes = json_object_get(properties_of(doc), "assignableScopes");
    const eg_str guid = eg_json_str(doc, "name");
    for (size_t i = json_array_size(scopes); i-- > 0;) {
        const char *scope = json_string_value(json_array_get(scopes, i));
        if (!scope || (strcmp(scope, "/") != 0 && !eg_arm_own_scope(rq, eg_str_of(scope)))) {
            (void)json_array_remove(scopes, i);
        }
    }
    json_t *properties = json_object_get(doc, "properties");
    if (!json_object_get(properties, "type")) {
        (void)json_object_set_new(properties, "type", json_string("CustomRole"));
    }
    /* The SDKs of some versions read the list's members without asking whether they are there. */
    return json_object_set_new(doc, "id", eg_arm_role_id_at(rq->path, guid)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

/* Can the role be given at the scope, or, with `below`, at something below it? */
static bool is_assignable(const json_t *role, eg_str scope, bool below) {
    const json_t *scopes = json_object_get(properties_of(role), "assignableScopes");
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const eg_str one = eg_str_of(json_string_value(json_array_get(scopes, i)));
        if (scope.len == 0 || eg_arm_within(one, scope) || (below && eg_arm_within(scope, one))) {
            return true;
        }
    }
    return false;
}

static bool is_listed(const json_t *role, eg_str scope, const eg_arm_filter *f) {
    const eg_str type = eg_json_str(properties_of(role), "type"), name = eg_json_str(properties_of(role), "roleName");
    return is_assignable(role, scope, !f->at_scope && !f->at_exact_scope) && (!f->role_name.ptr || eg_str_ieq(f->role_name, name)) &&
           (!f->role_type.ptr || eg_str_ieq(f->role_type, type.ptr ? type : EG_LIT("CustomRole"))) &&
           (!f->object_id.ptr || eg_str_ieq(eg_arm_role_guid(f->object_id), eg_json_str(role, "name")));
}

eg_err eg_arm_role_list_end(eg_request *rq) {
    EG_JSON_AUTO all = NULL;
    EG_JSON_AUTO list = json_array();
    eg_arm_filter f;
    EG_TRY(eg_arm_filter_of(rq, &f));
    EG_TRY(eg_arm_role_all(rq, &all));
    for (size_t i = 0; list && i < json_array_size(all); i++) {
        const json_t *role = json_array_get(all, i);
        if (!is_listed(role, rq->params[0], &f)) {
            continue;
        }
        EG_JSON_AUTO copy = json_deep_copy(role);
        EG_TRY(copy ? eg_arm_role_show(rq, copy) : EG_ERR_NO_MEMORY);
        if (json_array_append(list, copy) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return list ? eg_arm_respond_list(rq, json_incref(list)) : EG_ERR_NO_MEMORY;
}

eg_err eg_arm_role_get_end(eg_request *rq) {
    json_t *role = NULL;
    eg_str rest = rq->path, name = rest;
    while (rest.ptr) {
        name = eg_str_cut(&rest, '/');
    }
    if (!eg_uuid_valid(name)) {
        return role_not_found(rq, name);
    }
    EG_TRY(eg_arm_role_find(rq, name, &role));
    return eg_arm_doc_respond(rq, eg_arm_type_named(ROLE_TYPE), 200, role);
}

static eg_err check_scopes(eg_request *rq, const json_t *properties) {
    const json_t *scopes = json_object_get(properties, "assignableScopes");
    if (json_array_size(scopes) == 0) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.assignableScopes: at least one scope is expected.");
    }
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const char *scope = json_string_value(json_array_get(scopes, i));
        if (!scope || !eg_arm_own_scope(rq, eg_str_of(scope))) {
            return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "properties.assignableScopes[%zu]: the subscription could not be found.", i);
        }
    }
    return EG_OK;
}

static eg_err check_name(eg_request *rq, const json_t *properties, eg_str guid) {
    const eg_str name = eg_json_str(properties, "roleName");
    json_t *other = NULL;
    if (name.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.roleName is missing.");
    }
    eg_err e = eg_arm_role_find(rq, name, &other);
    const bool taken = e == EG_OK && !eg_str_ieq(eg_json_str(other, "name"), guid);
    json_decref(other);
    if (e != EG_OK && e != EG_ERR_ROLE_DEFINITION_NOT_FOUND) {
        return e;
    }
    rq->problem = (eg_problem){0};
    return taken ? eg_fail(&rq->problem, EG_ERR_ROLE_DEFINITION_NAME, "A custom role with the same name already exists in this directory. Use a different name.") : EG_OK;
}

/* The id is one of all tenants': somebody else's must neither be overwritten nor shown to exist by anything but this refusal. */
static eg_err check_id(eg_request *rq, eg_str guid, const json_t *before) {
    const eg_arm *a = rq->room;
    json_t *role = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ARM_BODY_MAX);
    if (!eg_uuid_valid(guid)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The role definition ID '%.*s' is not valid. The role definition ID must be a GUID.", EG_FMT(guid));
    }
    if (eg_arm_role_find(rq, guid, &role) == EG_OK) {
        const bool fixed = is_built_in(role);
        json_decref(role);
        return fixed ? eg_fail(&rq->problem, EG_ERR_ROLE_DEFINITION_BUILT_IN, "Built-in roles can't be changed.") : EG_OK;
    }
    rq->problem = (eg_problem){0};
    if (!before && a->o.policies && eg_policy_store_get(a->o.policies, EG_POLICY_ROLES, guid, &text) == EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_EXISTS, "This role definition ID can't be used.");
    }
    return EG_OK;
}

eg_err eg_arm_role_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = json_object_get(doc, "properties");
    const eg_str guid = eg_json_str(doc, "name");
    EG_TRY(check_id(rq, guid, before));
    EG_TRY(check_scopes(rq, properties));
    EG_TRY(check_name(rq, properties, guid));
    (void)json_object_del(properties, "roleType");
    return json_object_set_new(properties, "type", json_string("CustomRole")) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_arm_role_leave(eg_request *rq, const json_t *doc) {
    static const eg_policy_kind users[] = {EG_POLICY_ASSIGNMENTS, EG_POLICY_SCHEDULES, EG_POLICY_ELIGIBLE};
    const eg_str guid = eg_json_str(doc, "name");
    for (size_t k = 0; k < sizeof users / sizeof users[0]; k++) {
        EG_JSON_AUTO all = NULL;
        EG_TRY(eg_arm_doc_all(rq, users[k], &all));
        for (size_t i = 0; i < json_array_size(all); i++) {
            if (eg_str_ieq(eg_arm_role_guid(eg_json_str(properties_of(json_array_get(all, i)), "roleDefinitionId")), guid)) {
                return eg_fail(&rq->problem, EG_ERR_ROLE_DEFINITION_IN_USE, "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).");
            }
        }
    }
    return EG_OK;
}

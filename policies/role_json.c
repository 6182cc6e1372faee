/* Role definitions and role assignments from Azure's JSON shapes. */
#include "policy_model.h"

#define PATTERNS_MAX 2000
#define PERMISSIONS_MAX 50
#define SCOPES_MAX 2000

static const eg_policy_field role_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field role_property_fields[] = {
    {"roleName", EG_FIELD_USED}, {"permissions", EG_FIELD_USED}, {"assignableScopes", EG_FIELD_USED},
    {"type", EG_FIELD_TOLERATED}, {"roleType", EG_FIELD_TOLERATED}, {"description", EG_FIELD_TOLERATED},
    {"createdOn", EG_FIELD_TOLERATED}, {"updatedOn", EG_FIELD_TOLERATED}, {"createdBy", EG_FIELD_TOLERATED},
    {"updatedBy", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field permission_fields[] = {
    {"actions", EG_FIELD_USED}, {"notActions", EG_FIELD_USED}, {"dataActions", EG_FIELD_USED}, {"notDataActions", EG_FIELD_USED},
    {"condition", EG_FIELD_EMPTY}, {"conditionVersion", EG_FIELD_EMPTY}, {NULL, 0},
};

static const eg_policy_field assignment_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field assignment_property_fields[] = {
    {"roleDefinitionId", EG_FIELD_USED}, {"principalId", EG_FIELD_USED}, {"principalType", EG_FIELD_USED}, {"scope", EG_FIELD_USED},
    {"condition", EG_FIELD_EMPTY}, {"conditionVersion", EG_FIELD_EMPTY}, {"delegatedManagedIdentityResourceId", EG_FIELD_EMPTY},
    {"description", EG_FIELD_TOLERATED}, {"createdOn", EG_FIELD_TOLERATED}, {"updatedOn", EG_FIELD_TOLERATED},
    {"createdBy", EG_FIELD_TOLERATED}, {"updatedBy", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const struct { const char *name; eg_policy_assignee kind; } assignees[] = {
    {"User", EG_ASSIGNEE_PRINCIPAL}, {"ServicePrincipal", EG_ASSIGNEE_PRINCIPAL}, {"Group", EG_ASSIGNEE_GROUP},
};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static eg_err copy(eg_arena *a, eg_str s, eg_str *ret, eg_problem *p) {
    *ret = eg_arena_str(a, s);
    return ret->ptr ? EG_OK : no_memory(p);
}

static eg_err check_type(const eg_policy_at *at, const json_t *v, const char *type, eg_problem *p) {
    eg_str s;
    EG_TRY(eg_policy_text(at, v, "type", -128, &s, p));
    if (s.ptr && !eg_str_ieq(s, eg_str_of(type))) {
        eg_policy_at here = {.up = at, .name = "type"};
        return eg_policy_refuse(&here, p, "\"%s\" is expected in this folder.", type);
    }
    return EG_OK;
}

static eg_err read_patterns(eg_arena *a, const eg_policy_at *at, const json_t *v, const char *name, eg_policy_patterns *ret, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, v, name, PATTERNS_MAX, &list, p));
    size_t n = json_array_size(list);
    eg_policy_patterns out = {NULL, n};
    if (n > 0 && !(out.v = eg_arena_alloc(a, n * sizeof *out.v))) {
        return no_memory(p);
    }
    eg_policy_at member = {.up = at, .name = name};
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *s = json_array_get(list, i);
        eg_err e = json_is_string(s) ? eg_policy_pattern_make(a, (eg_str){json_string_value(s), json_string_length(s)}, &out.v[i]) : EG_ERR_INVALID;
        if (e == EG_ERR_NO_MEMORY) {
            return no_memory(p);
        }
        if (e != EG_OK) {
            return eg_policy_refuse(&here, p, "An action such as \"Microsoft.HDInsight/clusters/read\" or \"*/read\" is expected here.");
        }
    }
    *ret = out;
    return EG_OK;
}

static eg_err read_permissions(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_role *role, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, v, "permissions", PERMISSIONS_MAX, &list, p));
    size_t n = json_array_size(list);
    eg_policy_at member = {.up = at, .name = "permissions"};
    if (n == 0) {
        return eg_policy_refuse(&member, p, "A role without permissions grants nothing; at least one is expected.");
    }
    if (!(role->permissions = eg_arena_alloc(a, n * sizeof *role->permissions))) {
        return no_memory(p);
    }
    role->permission_count = n;
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *one = json_array_get(list, i);
        eg_policy_permission *out = &role->permissions[i];
        EG_TRY(eg_policy_fields(&here, one, permission_fields, p));
        EG_TRY(read_patterns(a, &here, one, "actions", &out->actions, p));
        EG_TRY(read_patterns(a, &here, one, "notActions", &out->not_actions, p));
        EG_TRY(read_patterns(a, &here, one, "dataActions", &out->data_actions, p));
        EG_TRY(read_patterns(a, &here, one, "notDataActions", &out->not_data_actions, p));
    }
    return EG_OK;
}

static eg_err read_assignable(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_role *role, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, v, "assignableScopes", SCOPES_MAX, &list, p));
    size_t n = json_array_size(list);
    eg_policy_at member = {.up = at, .name = "assignableScopes"};
    if (n == 0) {
        return eg_policy_refuse(&member, p, "At least one scope is expected here, such as \"/subscriptions/{id}\".");
    }
    if (!(role->assignable = eg_arena_alloc(a, n * sizeof *role->assignable))) {
        return no_memory(p);
    }
    role->assignable_count = n;
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *s = json_array_get(list, i);
        eg_str scope;
        if (!json_is_string(s) || eg_policy_scope_parse((eg_str){json_string_value(s), json_string_length(s)}, &scope) != EG_OK) {
            return eg_policy_refuse(&here, p, "A scope such as \"/\" or \"/subscriptions/{id}\" is expected here.");
        }
        EG_TRY(copy(a, scope, &role->assignable[i], p));
    }
    return EG_OK;
}

eg_err eg_policy_role_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_role *ret, eg_problem *p) {
    eg_policy_role out = {0};
    eg_str s;
    EG_TRY(eg_policy_fields(at, v, role_fields, p));
    EG_TRY(check_type(at, v, "Microsoft.Authorization/roleDefinitions", p));
    EG_TRY(eg_policy_text(at, v, "name", 64, &s, p));
    if (eg_policy_guid_parse(s, &out.id) != EG_OK) {
        eg_policy_at here = {.up = at, .name = "name"};
        return eg_policy_refuse(&here, p, "The role's id, a GUID, is expected here.");
    }
    eg_str id;
    EG_TRY(eg_policy_text(at, v, "id", -1024, &id, p));
    if (id.ptr && (id.len < s.len || !eg_str_ieq(s, (eg_str){id.ptr + id.len - s.len, s.len}))) {
        eg_policy_at here = {.up = at, .name = "id"};
        return eg_policy_refuse(&here, p, "The id must end with the name.");
    }
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, role_property_fields, p));
    EG_TRY(eg_policy_text(&here, properties, "roleName", 512, &s, p));
    EG_TRY(copy(a, s, &out.name, p));
    EG_TRY(read_permissions(a, &here, properties, &out, p));
    EG_TRY(read_assignable(a, &here, properties, &out, p));
    *ret = out;
    return EG_OK;
}

/* The role that a text without slashes names: its id, or the name that only one role has. */
static const eg_policy_role *role_called(const eg_policy *pol, eg_str s) {
    eg_policy_guid id;
    if (eg_policy_guid_parse(s, &id) == EG_OK) {
        return eg_policy_role_find(pol, &id);
    }
    const eg_policy_role *found = NULL;
    for (size_t i = 0; i < pol->role_count; i++) {
        if (eg_str_ieq(pol->roles[i].name, s)) {
            if (found) {
                return NULL;
            }
            found = &pol->roles[i];
        }
    }
    return found;
}

static eg_err read_role_id(const eg_policy *pol, const eg_policy_at *at, const json_t *v, uint32_t *ret, eg_problem *p) {
    static const char marker[] = "/providers/Microsoft.Authorization/roleDefinitions/";
    eg_policy_at here = {.up = at, .name = "roleDefinitionId"};
    eg_str s, last;
    EG_TRY(eg_policy_text(at, v, "roleDefinitionId", 1024, &s, p));
    last = s;
    if (memchr(s.ptr, '/', s.len)) {
        size_t tail = sizeof marker - 1 + 36;
        if (s.len < tail || !eg_str_ieq((eg_str){s.ptr + s.len - tail, sizeof marker - 1}, EG_LIT(marker))) {
            return eg_policy_refuse(&here, p, "\"…%s{id}\" is expected here, or the name of a role.", marker);
        }
        last = (eg_str){s.ptr + s.len - 36, 36};
    }
    const eg_policy_role *role = role_called(pol, last);
    if (!role) {
        return eg_policy_refuse(&here, p, "Not exactly one role definition has the id or name \"%.*s\".", EG_FMT(last));
    }
    *ret = (uint32_t)(role - pol->roles);
    return EG_OK;
}

/* Azure gives the scope as a property and as the beginning of the id; one is enough, two must agree. */
static eg_err read_scope(const eg_policy_at *top, const json_t *v, const eg_policy_at *at, const json_t *properties, eg_str *ret, eg_problem *p) {
    static const char marker[] = "/providers/Microsoft.Authorization/roleAssignments/";
    eg_policy_at here = {.up = at, .name = "scope"};
    eg_str text, id, from_id = {NULL, 0};
    EG_TRY(eg_policy_text(at, properties, "scope", -1024, &text, p));
    EG_TRY(eg_policy_text(top, v, "id", -1024, &id, p));
    for (size_t i = 0; id.ptr && i + sizeof marker - 1 <= id.len; i++) {
        if (eg_str_ieq((eg_str){id.ptr + i, sizeof marker - 1}, EG_LIT(marker))) {
            from_id = i == 0 ? EG_LIT("/") : (eg_str){id.ptr, i};
        }
    }
    if (id.ptr && !from_id.ptr) {
        eg_policy_at at_id = {.up = top, .name = "id"};
        return eg_policy_refuse(&at_id, p, "\"{scope}%s{name}\" is expected here.", marker);
    }
    eg_str scope, other;
    if (eg_policy_scope_parse(text.ptr ? text : from_id, &scope) != EG_OK) {
        return eg_policy_refuse(&here, p, "A resource id such as \"/subscriptions/{id}/resourceGroups/{name}\" is expected here.");
    }
    if (text.ptr && from_id.ptr && (eg_policy_scope_parse(from_id, &other) != EG_OK || !eg_str_ieq(scope, other))) {
        return eg_policy_refuse(&here, p, "The scope differs from the one that the id begins with.");
    }
    /* "/" and management groups would span subscriptions of several tenants, and a principal's id says nothing outside its own. */
    if (!eg_policy_scope_covers(EG_LIT("/subscriptions"), scope) || scope.len == sizeof "/subscriptions" - 1) {
        return eg_policy_refuse(&here, p, "A scope within one subscription is expected: it must begin with \"/subscriptions/{id}\".");
    }
    *ret = scope;
    return EG_OK;
}

static eg_err read_assignee(const eg_policy_at *at, const json_t *v, eg_policy_assignment *out, eg_problem *p) {
    eg_str s;
    EG_TRY(eg_policy_text(at, v, "principalId", 64, &s, p));
    if (eg_policy_guid_parse(s, &out->principal) != EG_OK) {
        eg_policy_at here = {.up = at, .name = "principalId"};
        return eg_policy_refuse(&here, p, "The object id of a user, group or service principal, a GUID, is expected here.");
    }
    EG_TRY(eg_policy_text(at, v, "principalType", -64, &s, p));
    out->kind = s.ptr ? EG_ASSIGNEE_NOBODY : EG_ASSIGNEE_ANY;
    for (size_t i = 0; s.ptr && i < sizeof assignees / sizeof assignees[0]; i++) {
        if (eg_str_ieq(s, eg_str_of(assignees[i].name))) {
            out->kind = assignees[i].kind;
        }
    }
    if (out->kind == EG_ASSIGNEE_NOBODY) {
        eg_policy_at here = {.up = at, .name = "principalType"};
        return eg_policy_refuse(&here, p, "User, Group or ServicePrincipal is expected here.");
    }
    return EG_OK;
}

eg_err eg_policy_assignment_read(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_assignment *ret, eg_problem *p) {
    eg_policy_assignment out = {0};
    eg_str name, scope;
    EG_TRY(eg_policy_fields(at, v, assignment_fields, p));
    EG_TRY(check_type(at, v, "Microsoft.Authorization/roleAssignments", p));
    EG_TRY(eg_policy_text(at, v, "name", 128, &name, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, assignment_property_fields, p));
    EG_TRY(read_role_id(pol, &here, properties, &out.role, p));
    EG_TRY(read_assignee(&here, properties, &out, p));
    EG_TRY(read_scope(at, v, &here, properties, &scope, p));
    const eg_policy_role *role = &pol->roles[out.role];
    bool assignable = false;
    for (size_t i = 0; i < role->assignable_count && !assignable; i++) {
        assignable = eg_policy_scope_covers(role->assignable[i], scope);
    }
    if (!assignable) {
        eg_policy_at at_scope = {.up = &here, .name = "scope"};
        return eg_policy_refuse(&at_scope, p, "The role \"%.*s\" is not assignable at this scope.", EG_FMT(role->name));
    }
    EG_TRY(copy(pol->arena, name, &out.name, p));
    EG_TRY(copy(pol->arena, scope, &out.scope, p));
    *ret = out;
    return EG_OK;
}

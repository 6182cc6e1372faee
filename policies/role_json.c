/* Role definitions from Azure's JSON shape, and the permissions that they share with deny assignments. */
#include "condition.h"

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

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static eg_err copy(eg_arena *a, eg_str s, eg_str *ret, eg_problem *p) {
    *ret = eg_arena_str(a, s);
    return ret->ptr ? EG_OK : no_memory(p);
}

eg_err eg_policy_type_check(const eg_policy_at *at, const json_t *v, const char *type, eg_problem *p) {
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

eg_err eg_policy_permission_read(eg_arena *a, const eg_policy_at *at, const json_t *v, const eg_policy_field *fields, eg_policy_permission *ret, eg_problem *p) {
    eg_policy_permission out = {0};
    EG_TRY(eg_policy_fields(at, v, fields, p));
    EG_TRY(read_patterns(a, at, v, "actions", &out.actions, p));
    EG_TRY(read_patterns(a, at, v, "notActions", &out.not_actions, p));
    EG_TRY(read_patterns(a, at, v, "dataActions", &out.data_actions, p));
    EG_TRY(read_patterns(a, at, v, "notDataActions", &out.not_data_actions, p));
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
        EG_TRY(eg_policy_permission_read(a, &here, one, permission_fields, &role->permissions[i], p));
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
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Authorization/roleDefinitions", p));
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
    out.work = eg_policy_permissions_work(out.permissions, out.permission_count);
    *ret = out;
    return EG_OK;
}

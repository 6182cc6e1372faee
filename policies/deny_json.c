/* Deny assignments from Azure's JSON shape. */
#include "condition.h"

#define PERMISSIONS_MAX 50
#define PARTIES_MAX 2000

static const eg_policy_field deny_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field deny_property_fields[] = {
    {"denyAssignmentName", EG_FIELD_USED}, {"permissions", EG_FIELD_USED}, {"scope", EG_FIELD_USED}, {"doNotApplyToChildScopes", EG_FIELD_USED},
    {"principals", EG_FIELD_USED}, {"excludePrincipals", EG_FIELD_USED}, {"isSystemProtected", EG_FIELD_TOLERATED},
    {"condition", EG_FIELD_EMPTY}, {"conditionVersion", EG_FIELD_EMPTY}, {"denyAssignmentEffect", EG_FIELD_TOLERATED},
    {"description", EG_FIELD_TOLERATED}, {"createdOn", EG_FIELD_TOLERATED}, {"updatedOn", EG_FIELD_TOLERATED},
    {"createdBy", EG_FIELD_TOLERATED}, {"updatedBy", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field permission_fields[] = {
    {"actions", EG_FIELD_USED}, {"notActions", EG_FIELD_USED}, {"dataActions", EG_FIELD_USED}, {"notDataActions", EG_FIELD_USED},
    {"condition", EG_FIELD_USED}, {"conditionVersion", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field party_fields[] = {
    {"id", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"displayName", EG_FIELD_TOLERATED}, {"email", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const struct { const char *name; eg_policy_assignee kind; } types[] = {
    {"User", EG_ASSIGNEE_PRINCIPAL}, {"ServicePrincipal", EG_ASSIGNEE_PRINCIPAL}, {"Group", EG_ASSIGNEE_GROUP},
    {"SystemDefined", EG_ASSIGNEE_NOBODY},
};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

/* *ret_everyone: it is Azure's "All Principals", the null GUID. */
static eg_err read_party(const eg_policy_at *at, const json_t *v, eg_policy_party *ret, bool *ret_everyone, eg_problem *p) {
    static const eg_policy_guid null_guid;
    eg_str s;
    EG_TRY(eg_policy_fields(at, v, party_fields, p));
    EG_TRY(eg_policy_text(at, v, "id", 64, &s, p));
    if (eg_policy_guid_parse(s, &ret->id) != EG_OK) {
        return eg_policy_refuse(at, p, "The object id of a user, group or service principal, a GUID, is expected here.");
    }
    *ret_everyone = eg_policy_guid_order(&ret->id, &null_guid) == 0;
    EG_TRY(eg_policy_text(at, v, "type", -64, &s, p));
    ret->kind = EG_ASSIGNEE_ANY;
    if (!s.ptr) {
        return EG_OK;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (eg_str_ieq(s, eg_str_of(types[i].name)) && (types[i].kind == EG_ASSIGNEE_NOBODY) == *ret_everyone) {
            ret->kind = types[i].kind;
            return EG_OK;
        }
    }
    return eg_policy_refuse(at, p, "The type is User, Group or ServicePrincipal; SystemDefined for the null GUID, which stands for everybody.");
}

static eg_err read_parties(eg_arena *a, const eg_policy_at *at, const json_t *properties, const char *name, eg_policy_parties *ret, bool *ret_everyone, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, properties, name, PARTIES_MAX, &list, p));
    eg_policy_at member = {.up = at, .name = name};
    const size_t n = json_array_size(list);
    eg_policy_parties out = {NULL, 0};
    if (n > 0 && !(out.v = eg_arena_alloc(a, n * sizeof *out.v))) {
        return no_memory(p);
    }
    *ret_everyone = false;
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        bool everyone = false;
        EG_TRY(read_party(&here, json_array_get(list, i), &out.v[out.n], &everyone, p));
        *ret_everyone = *ret_everyone || everyone;
        out.n += !everyone;
    }
    *ret = out;
    return EG_OK;
}

static eg_err read_permissions(eg_arena *a, const eg_policy_at *at, const json_t *properties, eg_policy_deny *out, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, properties, "permissions", PERMISSIONS_MAX, &list, p));
    eg_policy_at member = {.up = at, .name = "permissions"};
    const size_t n = json_array_size(list);
    if (n == 0) {
        return eg_policy_refuse(&member, p, "A deny assignment without permissions denies nothing; at least one is expected.");
    }
    out->permissions = eg_arena_alloc(a, n * sizeof *out->permissions);
    out->conditions = eg_arena_alloc(a, n * sizeof *out->conditions);
    if (!out->permissions || !out->conditions) {
        return no_memory(p);
    }
    out->permission_count = n;
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        eg_policy_at at_condition = {.up = &here, .name = "condition"};
        const json_t *one = json_array_get(list, i);
        eg_str text = {NULL, 0}, version;
        EG_TRY(eg_policy_permission_read(a, &here, one, permission_fields, &out->permissions[i], p));
        if (json_string_length(json_object_get(one, "condition")) > 0) {
            EG_TRY(eg_policy_text(&here, one, "condition", 8192, &text, p));
            EG_TRY(eg_policy_text(&here, one, "conditionVersion", 8, &version, p));
        }
        out->conditions[i] = NULL;
        if (text.ptr && !eg_str_is(version, "2.0")) {
            return eg_policy_refuse(&at_condition, p, "A condition has the version \"2.0\".");
        }
        if (text.ptr) {
            EG_TRY(eg_policy_condition_compile(a, &at_condition, text, &out->conditions[i], p));
        }
    }
    return EG_OK;
}

static eg_err read_scope(eg_arena *a, const eg_policy_at *at, const json_t *properties, eg_str *ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = "scope"};
    eg_str text, scope;
    EG_TRY(eg_policy_text(at, properties, "scope", 1024, &text, p));
    if (eg_policy_scope_parse(text, &scope) != EG_OK || !eg_policy_scope_covers(EG_LIT("/subscriptions"), scope) || scope.len == sizeof "/subscriptions" - 1) {
        return eg_policy_refuse(&here, p, "A scope within one subscription is expected: it must begin with \"/subscriptions/{id}\".");
    }
    *ret = eg_arena_str(a, scope);
    return ret->ptr ? EG_OK : no_memory(p);
}

eg_err eg_policy_deny_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_deny *ret, eg_problem *p) {
    eg_policy_deny out = {0};
    eg_str name, title;
    bool none_but_everyone = false;
    EG_TRY(eg_policy_fields(at, v, deny_fields, p));
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Authorization/denyAssignments", p));
    EG_TRY(eg_policy_text(at, v, "name", 128, &name, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, deny_property_fields, p));
    EG_TRY(eg_policy_text(&here, properties, "denyAssignmentName", -512, &title, p));
    EG_TRY(read_scope(a, &here, properties, &out.scope, p));
    out.scope_hash = eg_policy_scope_hash(out.scope);
    EG_TRY(read_permissions(a, &here, properties, &out, p));
    EG_TRY(read_parties(a, &here, properties, "principals", &out.principals, &out.everyone, p));
    EG_TRY(read_parties(a, &here, properties, "excludePrincipals", &out.excluded, &none_but_everyone, p));
    if (none_but_everyone || (!out.everyone && out.principals.n == 0)) {
        return eg_policy_refuse(&here, p, "A deny assignment names at least one principal, and doesn't exclude everybody.");
    }
    out.this_scope_only = json_is_true(json_object_get(properties, "doNotApplyToChildScopes"));
    out.name = eg_arena_str(a, name);
    out.title = eg_arena_str(a, title.ptr ? title : name);
    if (!out.name.ptr || !out.title.ptr) {
        return no_memory(p);
    }
    *ret = out;
    return EG_OK;
}

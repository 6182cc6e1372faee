/* Role assignments from Azure's JSON shapes: lasting ones, those with a time, and those that someone may activate. */
#include "condition.h"

#include <embergate/clock.h>

static const eg_policy_field assignment_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field assignment_property_fields[] = {
    {"roleDefinitionId", EG_FIELD_USED}, {"principalId", EG_FIELD_USED}, {"principalType", EG_FIELD_USED}, {"scope", EG_FIELD_USED},
    {"condition", EG_FIELD_USED}, {"conditionVersion", EG_FIELD_USED}, {"delegatedManagedIdentityResourceId", EG_FIELD_EMPTY},
    {"description", EG_FIELD_TOLERATED}, {"createdOn", EG_FIELD_TOLERATED}, {"updatedOn", EG_FIELD_TOLERATED},
    {"createdBy", EG_FIELD_TOLERATED}, {"updatedBy", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field schedule_property_fields[] = {
    {"roleDefinitionId", EG_FIELD_USED}, {"principalId", EG_FIELD_USED}, {"principalType", EG_FIELD_USED}, {"scope", EG_FIELD_USED},
    {"condition", EG_FIELD_USED}, {"conditionVersion", EG_FIELD_USED}, {"startDateTime", EG_FIELD_USED}, {"endDateTime", EG_FIELD_USED},
    {"status", EG_FIELD_USED}, {"assignmentType", EG_FIELD_TOLERATED}, {"memberType", EG_FIELD_TOLERATED},
    {"roleAssignmentScheduleRequestId", EG_FIELD_TOLERATED}, {"roleEligibilityScheduleRequestId", EG_FIELD_TOLERATED},
    {"linkedRoleEligibilityScheduleId", EG_FIELD_TOLERATED}, {"justification", EG_FIELD_TOLERATED}, {"ticketInfo", EG_FIELD_TOLERATED},
    {"createdOn", EG_FIELD_TOLERATED}, {"updatedOn", EG_FIELD_TOLERATED}, {"expandedProperties", EG_FIELD_TOLERATED}, {NULL, 0},
};

/* What tells the three folders apart. */
static const struct {
    const char *type;
    const char *marker;      /* before the name, in the id */
    const eg_policy_field *properties;
} forms[] = {
    [EG_FORM_ASSIGNMENT] = {"Microsoft.Authorization/roleAssignments", "/providers/Microsoft.Authorization/roleAssignments/", assignment_property_fields},
    [EG_FORM_SCHEDULE] = {"Microsoft.Authorization/roleAssignmentSchedules", "/providers/Microsoft.Authorization/roleAssignmentSchedules/", schedule_property_fields},
    [EG_FORM_ELIGIBILITY] = {"Microsoft.Authorization/roleEligibilitySchedules", "/providers/Microsoft.Authorization/roleEligibilitySchedules/", schedule_property_fields},
};

static const struct { const char *name; eg_policy_assignee kind; } assignees[] = {
    {"User", EG_ASSIGNEE_PRINCIPAL}, {"ServicePrincipal", EG_ASSIGNEE_PRINCIPAL}, {"Group", EG_ASSIGNEE_GROUP},
};

static eg_err copy(eg_arena *a, eg_str s, eg_str *ret, eg_problem *p) {
    *ret = eg_arena_str(a, s);
    return ret->ptr ? EG_OK : eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
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

eg_err eg_policy_role_unknown(const eg_policy_at *at, eg_str role, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = "roleDefinitionId"};
    return eg_policy_refuse(&here, p, "Not exactly one role definition has the id or name \"%.*s\".", EG_FMT(role));
}

eg_err eg_policy_assignable(const eg_policy_at *at, const eg_policy_role *r, eg_str scope, eg_problem *p) {
    for (size_t i = 0; i < r->assignable_count; i++) {
        if (eg_policy_scope_covers(r->assignable[i], scope)) {
            return EG_OK;
        }
    }
    eg_policy_at here = {.up = at, .name = "scope"};
    return eg_policy_refuse(&here, p, "The role \"%.*s\" is not assignable at this scope.", EG_FMT(r->name));
}

static eg_err read_role_id(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_assignment *out, eg_problem *p) {
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
        return eg_policy_role_unknown(at, last, p);
    }
    eg_policy_guid id;
    out->role = (uint32_t)(role - pol->roles);
    out->role_named = eg_policy_guid_parse(last, &id) != EG_OK;
    return EG_OK;
}

/* Azure gives the scope as a property and as the beginning of the id; one is enough, two must agree. */
typedef struct assignment_json {
    eg_policy_assignment_form form;
    const eg_policy_at *top, *at;   /* of the whole, of its properties */
    const json_t *v, *properties;
} assignment_json;

static eg_err read_scope(const assignment_json *j, eg_str *ret, eg_problem *p) {
    const eg_str marker = eg_str_of(forms[j->form].marker);
    const eg_policy_at *top = j->top, *at = j->at;
    const json_t *v = j->v, *properties = j->properties;
    eg_policy_at here = {.up = at, .name = "scope"};
    eg_str text, id, from_id = {NULL, 0};
    EG_TRY(eg_policy_text(at, properties, "scope", -1024, &text, p));
    EG_TRY(eg_policy_text(top, v, "id", -1024, &id, p));
    for (size_t i = 0; id.ptr && i + marker.len <= id.len; i++) {
        if (eg_str_ieq((eg_str){id.ptr + i, marker.len}, marker)) {
            from_id = i == 0 ? EG_LIT("/") : (eg_str){id.ptr, i};
        }
    }
    if (id.ptr && !from_id.ptr) {
        eg_policy_at at_id = {.up = top, .name = "id"};
        return eg_policy_refuse(&at_id, p, "\"{scope}%s{name}\" is expected here.", marker.ptr);
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

/* A condition without its version could be of another language. */
static eg_err read_condition(const assignment_json *j, eg_arena *a, eg_policy_assignment *out, eg_problem *p) {
    eg_str text, version;
    eg_policy_at here = {.up = j->at, .name = "condition"};
    const json_t *given = json_object_get(j->properties, "condition");
    if (!given || json_is_null(given) || (json_is_string(given) && json_string_length(given) == 0)) {
        return EG_OK;
    }
    EG_TRY(eg_policy_text(j->at, j->properties, "condition", 8192, &text, p));
    EG_TRY(eg_policy_text(j->at, j->properties, "conditionVersion", 8, &version, p));
    if (!eg_str_is(version, "2.0")) {
        eg_policy_at at_version = {.up = j->at, .name = "conditionVersion"};
        return eg_policy_refuse(&at_version, p, "\"2.0\" is expected here.");
    }
    return eg_policy_condition_compile(a, &here, text, &out->condition, p);
}

static eg_err read_time(const eg_policy_at *at, const json_t *v, const char *name, int64_t *ret, eg_problem *p) {
    eg_str s;
    EG_TRY(eg_policy_text(at, v, name, -40, &s, p));
    if (!s.ptr) {
        *ret = 0;
        return EG_OK;
    }
    if (eg_time_parse_rfc3339(s, ret) != EG_OK || *ret <= 0) {
        eg_policy_at here = {.up = at, .name = name};
        return eg_policy_refuse(&here, p, "A time such as \"2026-01-31T08:00:00Z\" is expected here.");
    }
    return EG_OK;
}

static eg_err read_schedule(const assignment_json *j, eg_policy_assignment *out, eg_problem *p) {
    eg_str status;
    if (j->form == EG_FORM_ASSIGNMENT) {
        return EG_OK;
    }
    out->eligible = j->form == EG_FORM_ELIGIBILITY;
    EG_TRY(read_time(j->at, j->properties, "startDateTime", &out->starts_ns, p));
    EG_TRY(read_time(j->at, j->properties, "endDateTime", &out->ends_ns, p));
    EG_TRY(eg_policy_text(j->at, j->properties, "status", -64, &status, p));
    if (status.ptr && !eg_str_is(status, "Provisioned")) {
        eg_policy_at here = {.up = j->at, .name = "status"};
        return eg_policy_refuse(&here, p, "Only what is \"Provisioned\" can be in force; take the file away.");
    }
    if (out->ends_ns && out->ends_ns <= out->starts_ns) {
        eg_policy_at here = {.up = j->at, .name = "endDateTime"};
        return eg_policy_refuse(&here, p, "The end must come after the start.");
    }
    return EG_OK;
}

eg_err eg_policy_assignment_read(const eg_policy *pol, eg_policy_assignment_form form, const eg_policy_at *at, const json_t *v, eg_policy_assignment *ret, eg_problem *p) {
    eg_policy_assignment out = {0};
    eg_str name, scope;
    EG_TRY(eg_policy_fields(at, v, assignment_fields, p));
    EG_TRY(eg_policy_type_check(at, v, forms[form].type, p));
    EG_TRY(eg_policy_text(at, v, "name", 128, &name, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, forms[form].properties, p));
    EG_TRY(read_role_id(pol, &here, properties, &out, p));
    EG_TRY(read_assignee(&here, properties, &out, p));
    const assignment_json j = {form, at, &here, v, properties};
    EG_TRY(read_scope(&j, &scope, p));
    EG_TRY(read_condition(&j, pol->arena, &out, p));
    EG_TRY(read_schedule(&j, &out, p));
    EG_TRY(eg_policy_assignable(&here, &pol->roles[out.role], scope, p));
    EG_TRY(copy(pol->arena, name, &out.name, p));
    EG_TRY(copy(pol->arena, scope, &out.scope, p));
    out.scope_hash = eg_policy_scope_hash(out.scope);
    *ret = out;
    return EG_OK;
}

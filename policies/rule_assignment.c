/* Policy assignments from Azure's JSON shape: which definition, or which of an initiative, is in force where, with which parameters. */
#include "rule.h"

#define EXCLUDED_MAX 400
#define MESSAGES_MAX 100

static const eg_policy_field fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {"location", EG_FIELD_TOLERATED},
    {"identity", EG_FIELD_TOLERATED}, {"sku", EG_FIELD_TOLERATED}, {"systemData", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field property_fields[] = {
    {"policyDefinitionId", EG_FIELD_USED}, {"scope", EG_FIELD_USED}, {"notScopes", EG_FIELD_USED}, {"parameters", EG_FIELD_USED}, {"enforcementMode", EG_FIELD_USED},
    {"nonComplianceMessages", EG_FIELD_USED}, {"displayName", EG_FIELD_TOLERATED}, {"description", EG_FIELD_TOLERATED}, {"metadata", EG_FIELD_TOLERATED},
    {"definitionVersion", EG_FIELD_TOLERATED}, {"latestDefinitionVersion", EG_FIELD_TOLERATED}, {"effectiveDefinitionVersion", EG_FIELD_TOLERATED},
    {"assignmentType", EG_FIELD_TOLERATED}, {"instanceId", EG_FIELD_TOLERATED},
    {"resourceSelectors", EG_FIELD_EMPTY}, {"overrides", EG_FIELD_EMPTY}, {"selfServeExemptionSettings", EG_FIELD_EMPTY}, {NULL, 0},
};

static const eg_policy_field message_fields[] = {{"message", EG_FIELD_USED}, {"policyDefinitionReferenceId", EG_FIELD_USED}, {NULL, 0}};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

typedef struct reader {
    const eg_rule_book *book;
    eg_arena *arena;
    const eg_policy_at *at;      /* of "properties" */
    const json_t *properties;
    eg_policy_assigned_sink sink;
} reader;

static eg_err keep(const reader *r, eg_str text, eg_str *ret, eg_problem *p) {
    *ret = eg_arena_str(r->arena, text.ptr ? text : EG_LIT(""));
    return ret->ptr ? EG_OK : no_memory(p);
}

/* A scope beneath a subscription, as of role assignments: what lies above would span tenants. */
static eg_err read_place(const reader *r, const eg_policy_at *at, eg_str text, eg_str *ret, eg_problem *p) {
    eg_str scope;
    if (eg_policy_scope_parse(text, &scope) != EG_OK || !eg_str_ieq((eg_str){scope.ptr, scope.len < 15 ? scope.len : 15}, EG_LIT("/subscriptions/"))) {
        return eg_policy_refuse(at, p, "A scope that begins with /subscriptions/ is expected here.");
    }
    return keep(r, scope, ret, p);
}

static eg_err read_scope(const reader *r, eg_str id, eg_policy_assigned *out, eg_problem *p) {
    static const char tail[] = "/providers/microsoft.authorization/policyassignments/";
    eg_policy_at at_scope = {.up = r->at, .name = "scope"}, at_id = {.up = r->at->up, .name = "id"};
    eg_str scope;
    EG_TRY(eg_policy_text(r->at, r->properties, "scope", -1024, &scope, p));
    if (scope.ptr) {
        return read_place(r, &at_scope, scope, &out->scope, p);
    }
    const size_t n = sizeof tail - 1;
    for (size_t i = 0; i + n < id.len; i++) {
        if (eg_str_ieq((eg_str){id.ptr + i, n}, (eg_str){tail, n})) {
            return read_place(r, &at_id, (eg_str){id.ptr, i}, &out->scope, p);
        }
    }
    return eg_policy_refuse(&at_scope, p, "This field is missing, and the id doesn't hold it.");
}

static eg_err read_excluded(const reader *r, eg_policy_assigned *out, eg_problem *p) {
    json_t *list;
    eg_policy_at member = {.up = r->at, .name = "notScopes"};
    EG_TRY(eg_policy_list(r->at, r->properties, "notScopes", EXCLUDED_MAX, &list, p));
    out->excluded = eg_arena_alloc(r->arena, (json_array_size(list) + 1) * sizeof *out->excluded);
    if (!out->excluded) {
        return no_memory(p);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *v = json_array_get(list, i);
        EG_TRY(read_place(r, &here, (eg_str){json_string_value(v), json_string_length(v)}, &out->excluded[out->excluded_count++], p));
    }
    return EG_OK;
}

static eg_err read_mode(const reader *r, eg_policy_assigned *out, eg_problem *p) {
    eg_policy_at here = {.up = r->at, .name = "enforcementMode"};
    eg_str mode;
    EG_TRY(eg_policy_text(r->at, r->properties, "enforcementMode", -32, &mode, p));
    out->enforced = !mode.ptr || eg_str_ieq(mode, EG_LIT("Default"));
    return out->enforced || eg_str_ieq(mode, EG_LIT("DoNotEnforce")) ? EG_OK : eg_policy_refuse(&here, p, "\"Default\" or \"DoNotEnforce\" is expected here.");
}

/* The message for one definition of an initiative goes before that for all. */
static eg_err read_message(const reader *r, eg_str reference, eg_str *ret, eg_problem *p) {
    json_t *list;
    eg_policy_at member = {.up = r->at, .name = "nonComplianceMessages"};
    eg_str best = {NULL, 0};
    bool exact = false;
    EG_TRY(eg_policy_list(r->at, r->properties, "nonComplianceMessages", MESSAGES_MAX, &list, p));
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *v = json_array_get(list, i);
        eg_str text, of;
        EG_TRY(eg_policy_fields(&here, v, message_fields, p));
        EG_TRY(eg_policy_text(&here, v, "message", EG_RULE_TEXT_MAX, &text, p));
        EG_TRY(eg_policy_text(&here, v, "policyDefinitionReferenceId", -256, &of, p));
        const bool mine = of.ptr && eg_str_ieq(of, reference);
        if ((mine && !exact) || (!of.ptr && !best.ptr)) {
            best = text;
            exact = mine;
        }
    }
    return keep(r, best, ret, p);
}

static eg_err put_in_force(const reader *r, const eg_rule_found *d, const json_t *given, eg_str reference, const eg_policy_assigned *common, eg_problem *p) {
    eg_policy_assigned out = *common;
    eg_str title, mode;
    const eg_rule_scope s = {.arena = r->arena, .declared = json_object_get(d->properties, "parameters"), .given = given};
    EG_TRY(eg_rule_parameters_check(&s, r->at, p));
    EG_TRY(eg_rule_compile(&s, r->at, json_object_get(d->properties, "policyRule"), &out.rule, &out.effect, p));
    EG_TRY(eg_policy_text(r->at, d->properties, "displayName", -512, &title, p));
    EG_TRY(keep(r, title.ptr ? title : d->name, &out.definition_name, p));
    EG_TRY(eg_policy_text(r->at, d->properties, "mode", -64, &mode, p));
    out.indexed = !mode.ptr || eg_str_ieq(mode, EG_LIT("Indexed")); /* without one it is, as in Azure */
    out.definition_id = d->id;
    EG_TRY(keep(r, reference, &out.reference, p));
    EG_TRY(read_message(r, reference, &out.message, p));
    return r->sink.add(r->sink.ctx, r->at->up, &out, p);
}

/* The parameters that an initiative hands on to one of its definitions, with its own looked up. */
static eg_err hand_on(const eg_rule_scope *s, const eg_policy_at *at, const json_t *part, json_t **ret, eg_problem *p) {
    eg_policy_at member = {.up = at, .name = "parameters"};
    EG_JSON_AUTO out = json_object();
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(part, "parameters"), name, v) {
        eg_policy_at here = {.up = &member, .name = name}, at_value = {.up = &here, .name = "value"};
        const json_t *value = NULL;
        if (json_object_size(v) != 1 || !json_object_get(v, "value")) {
            return eg_policy_refuse(&here, p, "{\"value\": …} is expected here.");
        }
        EG_TRY(eg_rule_value_of(s, &at_value, json_object_get(v, "value"), &value, p));
        if (!out || json_object_set_new(out, name, json_pack("{s:O}", "value", value)) != 0) {
            return no_memory(p);
        }
    }
    *ret = json_incref(out);
    return EG_OK;
}

static eg_err put_initiative(const reader *r, const eg_rule_found *set, const eg_policy_assigned *assigned, eg_problem *p) {
    eg_policy_assigned common = *assigned;
    common.set_id = set->id;
    const eg_rule_scope s = {.arena = r->arena, .declared = json_object_get(set->properties, "parameters"), .given = json_object_get(r->properties, "parameters")};
    const json_t *parts = json_object_get(set->properties, "policyDefinitions");
    EG_TRY(eg_rule_parameters_check(&s, r->at, p));
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        EG_JSON_AUTO given = NULL;
        eg_rule_found d;
        eg_str id, reference;
        EG_TRY(eg_policy_text(r->at, part, "policyDefinitionId", 512, &id, p));
        EG_TRY(eg_policy_text(r->at, part, "policyDefinitionReferenceId", -256, &reference, p));
        if (!eg_rule_book_definition(r->book, id, &d)) {
            return eg_policy_refuse(r->at, p, "A policy definition of the initiative is missing.");
        }
        reference = reference.ptr ? reference : eg_arena_printf(r->arena, "%zu", i);
        EG_TRY(hand_on(&s, r->at, part, &given, p));
        EG_TRY(put_in_force(r, &d, given, reference, &common, p));
    }
    return EG_OK;
}

eg_err eg_rule_assignment_read(const eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_policy_assigned_sink sink, eg_problem *p) {
    eg_policy_assigned common = {.file = NULL};
    eg_policy_at here = {.up = at, .name = "properties"}, at_definition = {.up = &here, .name = "policyDefinitionId"};
    const reader r = {.book = b, .arena = arena, .at = &here, .properties = json_object_get(v, "properties"), .sink = sink};
    eg_rule_found found;
    eg_str id, name, definition;
    EG_TRY(eg_policy_fields(at, v, fields, p));
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Authorization/policyAssignments", p));
    EG_TRY(eg_policy_text(at, v, "id", 1024, &id, p));
    EG_TRY(eg_policy_text(at, v, "name", 128, &name, p));
    EG_TRY(eg_policy_fields(&here, r.properties, property_fields, p));
    EG_TRY(keep(&r, id, &common.id, p));
    EG_TRY(keep(&r, name, &common.name, p));
    EG_TRY(read_scope(&r, id, &common, p));
    EG_TRY(read_excluded(&r, &common, p));
    EG_TRY(read_mode(&r, &common, p));
    EG_TRY(eg_policy_text(&here, r.properties, "policyDefinitionId", 512, &definition, p));
    if (eg_rule_book_definition(b, definition, &found) && eg_rule_in_reach(&found, common.scope)) {
        return put_in_force(&r, &found, json_object_get(r.properties, "parameters"), (eg_str){"", 0}, &common, p);
    }
    if (eg_rule_book_initiative(b, definition, &found) && eg_rule_in_reach(&found, common.scope)) {
        return put_initiative(&r, &found, &common, p);
    }
    return eg_policy_refuse(&at_definition, p, "No policy definition and no initiative has this id.");
}

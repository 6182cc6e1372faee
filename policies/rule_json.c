/* Reads the rules of Azure Policy: conditions, effects, parameters; strict, bounded, into a compiled form. */
#include "rule.h"

#include <stdio.h>

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static eg_str str_of(const json_t *v) { return (eg_str){json_string_value(v), json_string_length(v)}; }

/* ---- parameters ---- */

static const eg_policy_field parameter_fields[] = {
    {"type", EG_FIELD_USED}, {"allowedValues", EG_FIELD_USED}, {"defaultValue", EG_FIELD_USED}, {"metadata", EG_FIELD_TOLERATED}, {NULL, 0},
};
static const eg_policy_field given_fields[] = {{"value", EG_FIELD_USED}, {NULL, 0}};

static bool is_type(const json_t *v, eg_str type) {
    return (eg_str_ieq(type, EG_LIT("String")) && json_is_string(v)) || (eg_str_ieq(type, EG_LIT("Array")) && json_is_array(v)) ||
           (eg_str_ieq(type, EG_LIT("Boolean")) && json_is_boolean(v)) || (eg_str_ieq(type, EG_LIT("Integer")) && json_is_integer(v));
}

static bool same_value(const json_t *a, const json_t *b) {
    return json_is_string(a) && json_is_string(b) ? eg_str_ieq(str_of(a), str_of(b)) : json_equal(a, b);
}

/* Of an array every value must be allowed. */
static bool allowed(const json_t *list, const json_t *v) {
    if (!list) {
        return true;
    }
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        bool found = false;
        for (size_t k = 0; !found && k < json_array_size(list); k++) {
            found = same_value(json_array_get(list, k), one);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static eg_err check_declared(const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_str type;
    json_t *list;
    EG_TRY(eg_policy_fields(at, v, parameter_fields, p));
    EG_TRY(eg_policy_text(at, v, "type", 16, &type, p));
    static const char *const types[] = {"String", "Array", "Boolean", "Integer"};
    bool known = false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        known = known || eg_str_ieq(type, eg_str_of(types[i]));
    }
    eg_policy_at at_type = {.up = at, .name = "type"}, at_default = {.up = at, .name = "defaultValue"};
    if (!known) {
        return eg_policy_refuse(&at_type, p, "\"String\", \"Array\", \"Boolean\" or \"Integer\" is expected here.");
    }
    EG_TRY(eg_policy_list(at, v, "allowedValues", EG_RULE_VALUES_MAX, &list, p));
    const json_t *dflt = json_object_get(v, "defaultValue");
    if (dflt && (!is_type(dflt, type) || !allowed(list, dflt))) {
        return eg_policy_refuse(&at_default, p, "This is not of the parameter's type, or not among its allowedValues.");
    }
    return EG_OK;
}

static eg_err check_given(const eg_rule_scope *s, const eg_policy_at *at, const char *name, const json_t *v, eg_problem *p) {
    const json_t *declared = json_object_get(s->declared, name);
    eg_policy_at at_value = {.up = at, .name = "value"};
    if (!declared) {
        return eg_policy_refuse(at, p, "The definition has no parameter of this name.");
    }
    EG_TRY(eg_policy_fields(at, v, given_fields, p));
    const json_t *value = json_object_get(v, "value");
    if (!value || !is_type(value, str_of(json_object_get(declared, "type"))) || !allowed(json_object_get(declared, "allowedValues"), value)) {
        return eg_policy_refuse(&at_value, p, "This is not of the parameter's type, or not among its allowedValues.");
    }
    return EG_OK;
}

eg_err eg_rule_parameters_check(const eg_rule_scope *s, const eg_policy_at *at, eg_problem *p) {
    eg_policy_at member = {.up = at, .name = "parameters"};
    const json_t *what = s->given ? s->given : s->declared;
    const char *name;
    json_t *v;
    if (!what || json_is_null(what)) {
        return EG_OK;
    }
    if (!json_is_object(what) || json_object_size(what) > EG_RULE_PARAMETERS_MAX) {
        return eg_policy_refuse(&member, p, "An object of at most %d parameters is expected here.", EG_RULE_PARAMETERS_MAX);
    }
    json_object_foreach((json_t *)(uintptr_t)what, name, v) {
        eg_policy_at here = {.up = &member, .name = name};
        EG_TRY(s->given ? check_given(s, &here, name, v, p) : check_declared(&here, v, p));
    }
    return EG_OK;
}

static const json_t *value_of(const eg_rule_scope *s, const char *name, bool *ret_declared) {
    const json_t *declared = json_object_get(s->declared, name), *given = json_object_get(json_object_get(s->given, name), "value");
    *ret_declared = declared != NULL;
    return given ? given : json_object_get(declared, "defaultValue");
}

eg_err eg_rule_value_of(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, const json_t **ret, eg_problem *p) {
    static const char head[] = "[parameters('", tail[] = "')]";
    const eg_str text = str_of(v);
    *ret = v;
    if (!json_is_string(v) || text.len == 0 || text.ptr[0] != '[') {
        return EG_OK;
    }
    char name[128];
    const size_t around = sizeof head - 1 + sizeof tail - 1;
    if (text.len <= around || text.len - around >= sizeof name || strncasecmp(text.ptr, head, sizeof head - 1) != 0 || !eg_str_ends(text, tail)) {
        return eg_policy_refuse(at, p, "Of template functions only [parameters('name')] is supported.");
    }
    memcpy(name, text.ptr + sizeof head - 1, text.len - around);
    name[text.len - around] = '\0';
    bool declared = false;
    const json_t *value = value_of(s, name, &declared);
    if (!declared) {
        return eg_policy_refuse(at, p, "No parameter of this name is declared.");
    }
    if (!value && !s->draft) {
        return eg_policy_refuse(at, p, "The parameter %s has no default and was given no value.", name);
    }
    *ret = value; /* NULL: in a draft */
    return EG_OK;
}

/* ---- values ---- */

static eg_err add_text(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    eg_str text = str_of(v);
    if (json_is_boolean(v)) {
        text = json_is_true(v) ? EG_LIT("true") : EG_LIT("false");
    } else if (json_is_integer(v)) {
        text = eg_arena_printf(s->arena, "%lld", (long long)json_integer_value(v));
    } else if (!json_is_string(v)) {
        return eg_policy_refuse(at, p, "A text, a truth value or a whole number is expected here.");
    }
    if (text.len > EG_RULE_TEXT_MAX) {
        return eg_policy_refuse(at, p, "A text may have %d bytes here.", EG_RULE_TEXT_MAX);
    }
    text = eg_arena_str(s->arena, text);
    if (!text.ptr) {
        return no_memory(p);
    }
    out->values[out->value_count++] = text;
    return EG_OK;
}

static eg_err read_one(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    out->values = eg_arena_alloc(s->arena, sizeof *out->values);
    if (!out->values) {
        return no_memory(p);
    }
    EG_TRY(eg_rule_value_of(s, at, v, &v, p));
    return v ? add_text(s, at, v, out, p) : EG_OK;
}

static eg_err read_list(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    EG_TRY(eg_rule_value_of(s, at, v, &v, p));
    if (!v) {
        return EG_OK;
    }
    if (!json_is_array(v) || json_array_size(v) > EG_RULE_VALUES_MAX) {
        return eg_policy_refuse(at, p, "A list of at most %d values is expected here.", EG_RULE_VALUES_MAX);
    }
    out->values = eg_arena_alloc(s->arena, (json_array_size(v) + 1) * sizeof *out->values);
    if (!out->values) {
        return no_memory(p);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        eg_policy_at here = {.up = at, .index = i};
        const json_t *one;
        EG_TRY(eg_rule_value_of(s, &here, json_array_get(v, i), &one, p));
        if (one) {
            EG_TRY(add_text(s, &here, one, out, p));
        }
    }
    return EG_OK;
}

/* ---- conditions ---- */

typedef struct compiler {
    const eg_rule_scope *s;
    size_t nodes;
    unsigned depth;
} compiler;

/* Columns: Azure's word, what it compares, its opposite. */
static const struct { const char *name; eg_rule_compare compare; bool negated; } operators[] = {
    {"equals", EG_RULE_EQUALS, false}, {"notEquals", EG_RULE_EQUALS, true}, {"in", EG_RULE_IN, false}, {"notIn", EG_RULE_IN, true},
    {"like", EG_RULE_LIKE, false}, {"notLike", EG_RULE_LIKE, true}, {"contains", EG_RULE_CONTAINS, false}, {"notContains", EG_RULE_CONTAINS, true},
    {"exists", EG_RULE_EXISTS, false},
};

static eg_err read_exists(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    EG_TRY(read_one(s, at, v, out, p));
    if (out->value_count == 1 && !eg_str_ieq(out->values[0], EG_LIT("true")) && !eg_str_ieq(out->values[0], EG_LIT("false"))) {
        return eg_policy_refuse(at, p, "true or false is expected here.");
    }
    out->value_count = out->value_count == 1 && eg_str_ieq(out->values[0], EG_LIT("true")) ? 1 : 0;
    return EG_OK;
}

static eg_err read_test(compiler *c, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    eg_policy_at at_field = {.up = at, .name = "field"};
    const json_t *named = json_object_get(v, "field"), *field;
    const char *word = NULL, *name;
    json_t *member, *operand = NULL;
    EG_TRY(eg_rule_value_of(c->s, &at_field, named, &field, p));
    out->kind = EG_RULE_TEST;
    if (field && (!json_is_string(field) || eg_rule_field_of(str_of(field), &out->place, &out->alias) != EG_OK)) {
        return eg_policy_refuse(&at_field, p, "This is neither type, name, id, location, tags.NAME nor an alias of a property that is known here.");
    }
    out->alias = eg_arena_str(c->s->arena, out->alias.ptr ? out->alias : EG_LIT(""));
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        if (strcmp(name, "field") == 0) {
            continue;
        }
        bool known = false;
        for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
            if (strcasecmp(name, operators[i].name) == 0) {
                known = true;
                out->compare = operators[i].compare;
                out->negated = operators[i].negated;
            }
        }
        eg_policy_at here = {.up = at, .name = name};
        if (!known || word) {
            return eg_policy_refuse(&here, p, known ? "A condition has one operator." : "This operator is not supported.");
        }
        word = name;
        operand = member;
    }
    eg_policy_at here = {.up = at, .name = word};
    if (!word || !out->alias.ptr) {
        return word ? no_memory(p) : eg_policy_refuse(at, p, "The condition has no operator.");
    }
    return out->compare == EG_RULE_IN ? read_list(c->s, &here, operand, out, p)
           : out->compare == EG_RULE_EXISTS ? read_exists(c->s, &here, operand, out, p) : read_one(c->s, &here, operand, out, p);
}

static eg_err read_node(compiler *c, const eg_policy_at *at, const json_t *v, eg_rule_node *ret, eg_problem *p);

static eg_err read_children(compiler *c, const eg_policy_at *at, const json_t *v, eg_rule_node *out, eg_problem *p) {
    const bool list = out->kind != EG_RULE_NOT;
    const size_t n = list ? json_array_size(v) : 1;
    if ((list && !json_is_array(v)) || n == 0 || n > EG_RULE_NODES_MAX) {
        return eg_policy_refuse(at, p, "A list of conditions is expected here.");
    }
    out->children = eg_arena_alloc(c->s->arena, n * sizeof *out->children);
    if (!out->children) {
        return no_memory(p);
    }
    for (; out->child_count < n; out->child_count++) {
        eg_policy_at here = {.up = at, .index = out->child_count};
        EG_TRY(read_node(c, list ? &here : at, list ? json_array_get(v, out->child_count) : v, &out->children[out->child_count], p));
    }
    return EG_OK;
}

static eg_err read_node(compiler *c, const eg_policy_at *at, const json_t *v, eg_rule_node *ret, eg_problem *p) {
    static const struct { const char *name; eg_rule_kind kind; } joins[] = {{"allOf", EG_RULE_ALL}, {"anyOf", EG_RULE_ANY}, {"not", EG_RULE_NOT}};
    eg_rule_node out = {.kind = EG_RULE_TEST};
    if (!json_is_object(v)) {
        return eg_policy_refuse(at, p, "A condition is expected here.");
    }
    if (c->depth == EG_RULE_DEPTH_MAX || ++c->nodes > EG_RULE_NODES_MAX) {
        return eg_policy_refuse(at, p, "A rule may have %d conditions, %d deep.", EG_RULE_NODES_MAX, EG_RULE_DEPTH_MAX);
    }
    c->depth++;
    eg_err e = EG_OK;
    const char *name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)v));
    for (size_t i = 0; name && i < sizeof joins / sizeof joins[0]; i++) {
        if (json_object_size(v) == 1 && strcasecmp(name, joins[i].name) == 0) {
            eg_policy_at here = {.up = at, .name = name};
            out.kind = joins[i].kind;
            e = read_children(c, &here, json_object_get(v, name), &out, p);
        }
    }
    if (e == EG_OK && out.kind == EG_RULE_TEST && out.child_count == 0) {
        e = json_object_get(v, "field") ? read_test(c, at, v, &out, p)
                                        : eg_policy_refuse(at, p, "allOf, anyOf, not, or field with one operator is expected here; value and count are not supported.");
    }
    c->depth--;
    *ret = out;
    return e;
}

static const eg_policy_field rule_fields[] = {{"if", EG_FIELD_USED}, {"then", EG_FIELD_USED}, {NULL, 0}};
static const eg_policy_field then_fields[] = {{"effect", EG_FIELD_USED}, {"details", EG_FIELD_EMPTY}, {NULL, 0}};

static eg_err read_effect(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, eg_rule_effect *ret, eg_problem *p) {
    static const struct { const char *name; eg_rule_effect effect; } effects[] = {{"Deny", EG_EFFECT_DENY}, {"Audit", EG_EFFECT_AUDIT}, {"Disabled", EG_EFFECT_DISABLED}};
    eg_policy_at here = {.up = at, .name = "effect"};
    const json_t *value;
    EG_TRY(eg_policy_fields(at, v, then_fields, p));
    EG_TRY(eg_rule_value_of(s, &here, json_object_get(v, "effect"), &value, p));
    if (!value && s->draft) {
        *ret = EG_EFFECT_DISABLED;
        return json_object_get(v, "effect") ? EG_OK : eg_policy_refuse(&here, p, "This field is missing.");
    }
    for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++) {
        if (json_is_string(value) && eg_str_ieq(str_of(value), eg_str_of(effects[i].name))) {
            *ret = effects[i].effect;
            return EG_OK;
        }
    }
    return eg_policy_refuse(&here, p, "\"Deny\", \"Audit\" or \"Disabled\" is expected here; other effects are not supported.");
}

eg_err eg_rule_compile(const eg_rule_scope *s, const eg_policy_at *at, const json_t *rule, eg_rule_node *ret, eg_rule_effect *ret_effect, eg_problem *p) {
    compiler c = {.s = s};
    eg_policy_at here = {.up = at, .name = "policyRule"};
    eg_policy_at at_if = {.up = &here, .name = "if"}, at_then = {.up = &here, .name = "then"};
    EG_TRY(eg_policy_fields(&here, rule, rule_fields, p));
    EG_TRY(read_node(&c, &at_if, json_object_get(rule, "if"), ret, p));
    return read_effect(s, &at_then, json_object_get(rule, "then"), ret_effect, p);
}

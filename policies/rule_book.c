/* Policy definitions and initiatives by id, while a policy is read: Azure's built-in ones and those of the documents. */
#include "rule.h"

#include <stdlib.h>

#define BUILTIN "/providers/Microsoft.Authorization/policyDefinitions/"

typedef struct entry {
    eg_rule_found found;
    json_t *properties;   /* a reference */
} entry;

typedef struct entries {
    entry *v;
    size_t n, cap;
} entries;

struct eg_rule_book {
    entries definitions, initiatives;
};

eg_rule_book *eg_rule_book_new(void) { return calloc(1, sizeof(eg_rule_book)); }

static void entries_done(entries *l) {
    for (size_t i = 0; i < l->n; i++) {
        json_decref(l->v[i].properties);
    }
    free(l->v);
}

void eg_rule_book_free(eg_rule_book *b) {
    if (b) {
        entries_done(&b->definitions);
        entries_done(&b->initiatives);
        free(b);
    }
}

eg_str *eg_rule_book_ids(const eg_rule_book *b, size_t *ret_n) {
    const entries *const lists[] = {&b->definitions, &b->initiatives};
    eg_str *ids = malloc((b->definitions.n + b->initiatives.n + 1) * sizeof *ids);
    size_t n = 0;
    for (size_t k = 0; ids && k < 2; k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            ids[n++] = lists[k]->v[i].found.id;
        }
    }
    *ret_n = n;
    return ids;
}

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static const entry *find(const entries *l, eg_str id) {
    for (size_t i = 0; i < l->n; i++) {
        if (eg_policy_id_order(l->v[i].found.id, id) == 0) {
            return &l->v[i];
        }
    }
    return NULL;
}

bool eg_rule_in_reach(const eg_rule_found *f, eg_str scope) {
    eg_str a = f->id, b = scope;
    if (eg_str_starts(f->id, BUILTIN)) {
        return true;
    }
    for (int i = 0; i < 3; i++) { /* "", "subscriptions", the subscription */
        if (!a.ptr || !b.ptr || !eg_str_ieq(eg_str_cut(&a, '/'), eg_str_cut(&b, '/'))) {
            return false;
        }
    }
    return true;
}

bool eg_rule_book_definition(const eg_rule_book *b, eg_str id, eg_rule_found *ret) {
    const entry *e = find(&b->definitions, id);
    eg_str last = id;
    for (eg_str rest = id; rest.ptr;) {
        last = eg_str_cut(&rest, '/');
    }
    for (size_t i = 0; !e && i < b->definitions.n; i++) { /* built-in ones go by their GUID alone too */
        const eg_rule_found *f = &b->definitions.v[i].found;
        e = id.len == last.len && eg_str_starts(f->id, BUILTIN) && eg_str_ieq(f->name, last) ? &b->definitions.v[i] : NULL;
    }
    if (e) {
        *ret = e->found;
    }
    return e != NULL;
}

bool eg_rule_book_initiative(const eg_rule_book *b, eg_str id, eg_rule_found *ret) {
    const entry *e = find(&b->initiatives, id);
    if (e) {
        *ret = e->found;
    }
    return e != NULL;
}

static eg_err add(entries *l, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy_at at_id = {.up = at, .name = "id"};
    eg_str id, name, title;
    EG_TRY(eg_policy_text(at, v, "id", 512, &id, p));
    if (eg_policy_scope_parse(id, &id) != EG_OK || find(l, id)) {
        return eg_policy_refuse(&at_id, p, find(l, id) ? "This id is also defined elsewhere." : "A resource id is expected here.");
    }
    EG_TRY(eg_policy_text(at, v, "name", 128, &name, p));
    json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_text(&here, properties, "displayName", -512, &title, p));
    if (l->n == EG_RULE_BOOK_MAX) {
        return eg_policy_refuse(at, p, "There are more than %d of them.", EG_RULE_BOOK_MAX);
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 32;
        void *more = realloc(l->v, cap * sizeof *l->v);
        if (!more) {
            return no_memory(p);
        }
        l->v = more;
        l->cap = cap;
    }
    entry *e = &l->v[l->n];
    *e = (entry){.found = {.id = eg_arena_str(arena, id), .name = eg_arena_str(arena, name)}};
    if (!e->found.id.ptr || !e->found.name.ptr) {
        return no_memory(p);
    }
    e->properties = json_incref(properties);
    e->found.properties = properties;
    l->n++;
    return EG_OK;
}

static const eg_policy_field fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED}, {"systemData", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field definition_fields[] = {
    {"displayName", EG_FIELD_USED}, {"description", EG_FIELD_TOLERATED}, {"policyType", EG_FIELD_TOLERATED}, {"mode", EG_FIELD_USED}, {"metadata", EG_FIELD_TOLERATED},
    {"version", EG_FIELD_TOLERATED}, {"versions", EG_FIELD_TOLERATED}, {"parameters", EG_FIELD_USED}, {"policyRule", EG_FIELD_USED},
    {"externalEvaluationEnforcementSettings", EG_FIELD_EMPTY}, {NULL, 0},
};

eg_err eg_rule_book_define(eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_rule_node rule;
    eg_rule_effect effect;
    eg_str mode;
    EG_TRY(eg_policy_fields(at, v, fields, p));
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Authorization/policyDefinitions", p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"}, at_mode = {.up = &here, .name = "mode"};
    EG_TRY(eg_policy_fields(&here, properties, definition_fields, p));
    EG_TRY(eg_policy_text(&here, properties, "mode", -64, &mode, p));
    if (mode.ptr && !eg_str_ieq(mode, EG_LIT("All")) && !eg_str_ieq(mode, EG_LIT("Indexed"))) {
        return eg_policy_refuse(&at_mode, p, "\"All\" or \"Indexed\" is expected here.");
    }
    const eg_rule_scope draft = {.arena = arena, .declared = json_object_get(properties, "parameters"), .draft = true};
    EG_TRY(eg_rule_parameters_check(&draft, &here, p));
    EG_TRY(eg_rule_compile(&draft, &here, json_object_get(properties, "policyRule"), &rule, &effect, p));
    return add(&b->definitions, arena, at, v, p);
}

static const eg_policy_field initiative_fields[] = {
    {"displayName", EG_FIELD_USED}, {"description", EG_FIELD_TOLERATED}, {"policyType", EG_FIELD_TOLERATED}, {"metadata", EG_FIELD_TOLERATED}, {"version", EG_FIELD_TOLERATED},
    {"versions", EG_FIELD_TOLERATED}, {"parameters", EG_FIELD_USED}, {"policyDefinitions", EG_FIELD_USED}, {"policyDefinitionGroups", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field part_fields[] = {
    {"policyDefinitionId", EG_FIELD_USED}, {"policyDefinitionReferenceId", EG_FIELD_USED}, {"parameters", EG_FIELD_USED}, {"groupNames", EG_FIELD_TOLERATED},
    {"definitionVersion", EG_FIELD_TOLERATED}, {"latestDefinitionVersion", EG_FIELD_TOLERATED}, {"effectiveDefinitionVersion", EG_FIELD_TOLERATED}, {NULL, 0},
};

/* What the definitions' parameters are is looked at when the initiative is assigned. */
eg_err eg_rule_book_group(eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    json_t *parts;
    EG_TRY(eg_policy_fields(at, v, fields, p));
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Authorization/policySetDefinitions", p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"}, member = {.up = &here, .name = "policyDefinitions"};
    EG_TRY(eg_policy_fields(&here, properties, initiative_fields, p));
    const eg_rule_scope draft = {.arena = arena, .declared = json_object_get(properties, "parameters"), .draft = true};
    EG_TRY(eg_rule_parameters_check(&draft, &here, p));
    EG_TRY(eg_policy_list(&here, properties, "policyDefinitions", EG_RULE_BOOK_MAX, &parts, p));
    if (json_array_size(parts) == 0) {
        return eg_policy_refuse(&member, p, "At least one policy definition is expected here.");
    }
    for (size_t i = 0; i < json_array_size(parts); i++) {
        eg_policy_at at_part = {.up = &member, .index = i}, at_id = {.up = &at_part, .name = "policyDefinitionId"};
        eg_rule_found found;
        eg_str own, id;
        EG_TRY(eg_policy_fields(&at_part, json_array_get(parts, i), part_fields, p));
        EG_TRY(eg_policy_text(&at_part, json_array_get(parts, i), "policyDefinitionId", 512, &id, p));
        EG_TRY(eg_policy_text(at, v, "id", 512, &own, p));
        if (!eg_rule_book_definition(b, id, &found) || !eg_rule_in_reach(&found, own)) {
            return eg_policy_refuse(&at_id, p, "No policy definition has this id.");
        }
    }
    return add(&b->initiatives, arena, at, v, p);
}

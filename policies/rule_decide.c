/* Which of the assigned definitions of Azure Policy a resource does not comply with. */
#include "rule.h"

static char folded(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* The last star takes one more byte whenever what follows it does not fit: linear for one star, and bounded by the lengths for several. */
bool eg_rule_like(eg_str pattern, eg_str text) {
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len && folded(pattern.ptr[p]) == folded(text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static bool contains(eg_str text, eg_str part) {
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (eg_str_ieq((eg_str){text.ptr + i, part.len}, part)) {
            return true;
        }
    }
    return false;
}

static eg_str value_of(const eg_resource *r, const eg_rule_node *n) {
    switch (n->place) {
    case EG_PLACE_TYPE: return r->type;
    case EG_PLACE_NAME: return r->name;
    case EG_PLACE_FULL_NAME: return r->full_name.ptr ? r->full_name : r->name;
    case EG_PLACE_ID: return r->id;
    case EG_PLACE_LOCATION: return r->location;
    case EG_PLACE_PROPERTY: break;
    }
    const bool alias = memchr(n->alias.ptr, '/', n->alias.len);
    for (size_t i = 0; i < r->property_count; i++) {
        eg_str name = eg_str_of(r->properties[i].alias);
        if (!alias && eg_str_starts(name, "tags.")) {
            name = (eg_str){name.ptr + 5, name.len - 5};
        }
        if (eg_str_ieq(name, n->alias)) {
            return r->properties[i].text;
        }
    }
    return (eg_str){NULL, 0};
}

/* What a resource lacks equals nothing, is in nothing and like nothing, as in Azure. */
static bool fits(const eg_rule_node *n, eg_str value) {
    bool hit = false;
    for (size_t i = 0; value.ptr && !hit && i < n->value_count; i++) {
        hit = n->compare == EG_RULE_LIKE ? eg_rule_like(n->values[i], value) : n->compare == EG_RULE_CONTAINS ? contains(value, n->values[i]) : eg_str_ieq(value, n->values[i]);
    }
    return n->compare == EG_RULE_EXISTS ? (value.ptr != NULL) == (n->value_count == 1) : hit != n->negated;
}

typedef enum truth { NO = 0, MAYBE, YES } truth;

/* `kind`: only what a resource is counts, what it is like may be anything. Then NO: the rule does not concern it. */
static truth holds(const eg_rule_node *n, const eg_resource *r, bool kind) {
    if (n->kind == EG_RULE_TEST) {
        return kind && n->place == EG_PLACE_PROPERTY ? MAYBE : fits(n, value_of(r, n)) ? YES : NO;
    }
    if (n->kind == EG_RULE_NOT) {
        return (truth)(YES - holds(&n->children[0], r, kind));
    }
    truth all = n->kind == EG_RULE_ALL ? YES : NO;
    for (size_t i = 0; i < n->child_count; i++) {
        const truth one = holds(&n->children[i], r, kind);
        all = n->kind == EG_RULE_ALL ? (one < all ? one : all) : (one > all ? one : all);
    }
    return all;
}

size_t eg_rule_weight(const eg_rule_node *n) {
    size_t weight = 1;
    for (size_t i = 0; i < n->child_count; i++) {
        weight += eg_rule_weight(&n->children[i]);
    }
    const bool pattern = n->compare == EG_RULE_LIKE || n->compare == EG_RULE_CONTAINS;
    for (size_t i = 0; i < n->value_count; i++) {
        weight += pattern ? 8 * n->values[i].len : 1;
    }
    return weight;
}

static bool in_scope(const eg_policy_assigned *a, eg_str id) {
    for (size_t i = 0; i < a->excluded_count; i++) {
        if (eg_policy_scope_covers(a->excluded[i], id)) {
            return false;
        }
    }
    return eg_policy_scope_covers(a->scope, id);
}

/* Namespace and type; each further name is of something within another, which has neither tags nor a location. */
static bool has_tags(eg_str type) {
    size_t names = 0;
    for (size_t i = 0; i < type.len; i++) {
        names += type.ptr[i] == '/';
    }
    return names < 2;
}

void eg_policy_compliance(const eg_policy *pol, const eg_resource *r, void (*each)(void *ctx, const eg_compliance *c), void *ctx) {
    size_t first = 0;
    for (size_t i = 0; i < pol->assigned_count; i++) {
        const eg_policy_assigned *a = &pol->assigned[i];
        first = a->id.ptr == pol->assigned[first].id.ptr ? first : i;
        if (a->effect == EG_EFFECT_DISABLED || (a->indexed && !has_tags(r->type)) || !in_scope(a, r->id) || holds(&a->rule, r, true) == NO) {
            continue;
        }
        const bool compliant = holds(&a->rule, r, false) == NO;
        const eg_compliance c = {.assignment_id = a->id, .assignment_name = a->name, .assignment_scope = a->scope, .set_id = a->set_id, .reference = a->reference, .index = i, .first = first, .definition_id = a->definition_id, .definition_name = a->definition_name,
                                 .effect = a->effect == EG_EFFECT_DENY ? "Deny" : "Audit", .compliant = compliant, .enforced = a->enforced,
                                 .denies = !compliant && a->enforced && a->effect == EG_EFFECT_DENY, .message = a->message};
        each(ctx, &c);
    }
}

bool eg_policy_judges(const eg_policy *pol) {
    return pol->assigned_count > 0;
}

typedef struct first { eg_compliance c; bool found; } first;

static void keep_first(void *ctx, const eg_compliance *c) {
    first *f = ctx;
    if (c->denies && !f->found) {
        f->c = *c;
        f->found = true;
    }
}

bool eg_policy_resource_denied(const eg_policy *pol, const eg_resource *r, eg_compliance *ret) {
    first f = {.found = false};
    eg_policy_compliance(pol, r, keep_first, &f);
    if (f.found) {
        *ret = f.c;
    }
    return f.found;
}

void eg_policy_account_properties(const eg_policy *pol, eg_str account_id, const char **ret_default_action, const char **ret_public_access) {
    const eg_policy_account *m = eg_policy_account_find(pol, account_id);
    *ret_default_action = m && m->deny ? "Deny" : "Allow";
    *ret_public_access = m && m->closed ? "Disabled" : "Enabled";
}

/* What two policies have in common: grants, deny assignments and rules that mean the same. */
#include "prove.h"
#include "rule.h"

static bool same_patterns(const eg_policy_patterns *a, const eg_policy_patterns *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        same = eg_str_eq(a->v[i].text, b->v[i].text);
    }
    return same;
}

static bool same_permission(const eg_policy_permission *a, const eg_policy_permission *b) {
    return same_patterns(&a->actions, &b->actions) && same_patterns(&a->not_actions, &b->not_actions) && same_patterns(&a->data_actions, &b->data_actions) &&
           same_patterns(&a->not_data_actions, &b->not_data_actions);
}

static bool same_condition(const eg_policy_condition *a, const eg_policy_condition *b) {
    return (!a && !b) || (a && b && eg_str_eq(eg_policy_condition_text(a), eg_policy_condition_text(b)));
}

static bool same_role(const eg_policy_role *a, const eg_policy_role *b) {
    bool same = a->permission_count == b->permission_count;
    for (size_t i = 0; same && a->permissions != b->permissions && i < a->permission_count; i++) {
        same = same_permission(&a->permissions[i], &b->permissions[i]);
    }
    return same;
}

static bool same_grant(const eg_policy *pa, const eg_policy_assignment *a, const eg_policy *pb, const eg_policy_assignment *b) {
    return a->kind == b->kind && eg_policy_guid_order(&a->principal, &b->principal) == 0 && eg_str_ieq(a->scope, b->scope) && a->starts_ns == b->starts_ns &&
           a->ends_ns == b->ends_ns && same_condition(a->condition, b->condition) && same_role(&pa->roles[a->role], &pb->roles[b->role]);
}

static int place_order(const eg_policy_assignment *a, const eg_policy_assignment *b) {
    const int order = eg_policy_guid_order(&a->principal, &b->principal);
    return order ? order : eg_policy_id_order(a->scope, b->scope);
}

/* Assignments are sorted by principal and scope: all of these two lie side by side. SIZE_MAX = it has none. */
static size_t find_grant(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m) {
    size_t low = 0, high = in->assignment_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (place_order(&in->assignments[mid], m) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < in->assignment_count && place_order(&in->assignments[low], m) == 0; low++) {
        if (same_grant(in, &in->assignments[low], of, m)) {
            return low;
        }
    }
    return SIZE_MAX;
}

bool eg_policy_has_grant(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m) { return find_grant(in, of, m) != SIZE_MAX; }

/* What one snapshot took over from the other is the same, if its role is. */
static bool is_like(const eg_policy *in, const eg_policy_assignment *a, const eg_policy *of, const eg_policy_assignment *m) {
    return a->document && a->document == m->document ? same_role(&in->roles[a->role], &of->roles[m->role]) : same_grant(in, a, of, m);
}

/* Most are in both, in the same order: where one was found, the next is looked for behind it. */
eg_err eg_policy_grants_missing(const eg_policy *in, const eg_policy *of, eg_err (*each)(void *ctx, const eg_policy_assignment *m), void *ctx) {
    size_t next = 0;
    for (size_t i = 0; i < of->assignment_count; i++) {
        const eg_policy_assignment *m = &of->assignments[i];
        const size_t at = next < in->assignment_count && is_like(in, &in->assignments[next], of, m) ? next : find_grant(in, of, m);
        if (at == SIZE_MAX) {
            EG_TRY(each(ctx, m));
        } else {
            next = at + 1;
        }
    }
    return EG_OK;
}

/* Whether one of these gives at least what m gives: to the same, above it, for as long, under no other condition. */
static bool gives(const eg_policy *in, const eg_policy_assignment *v, size_t n, const eg_policy *of, const eg_policy_assignment *m) {
    size_t low = 0, high = n;
    while (low < high) { /* they are sorted by principal */
        const size_t mid = low + (high - low) / 2;
        if (eg_policy_guid_order(&v[mid].principal, &m->principal) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < n && eg_policy_guid_order(&v[low].principal, &m->principal) == 0; low++) {
        const eg_policy_assignment *a = &v[low];
        const bool whole = a->starts_ns <= m->starts_ns && (a->ends_ns == 0 || (m->ends_ns != 0 && a->ends_ns >= m->ends_ns));
        if ((a->kind & m->kind) == m->kind && whole && eg_policy_scope_covers(a->scope, m->scope) &&
            (!a->condition || same_condition(a->condition, m->condition)) && same_role(&in->roles[a->role], &of->roles[m->role])) {
            return true;
        }
    }
    return false;
}

bool eg_policy_may_activate(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m) {
    return gives(in, in->eligible, in->eligible_count, of, m);
}

bool eg_policy_holds_as_much(const eg_policy *in, const eg_policy *of, const eg_policy_assignment *m) {
    return gives(in, in->assignments, in->assignment_count, of, m);
}

static bool same_parties(const eg_policy_parties *a, const eg_policy_parties *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        same = a->v[i].kind == b->v[i].kind && eg_policy_guid_order(&a->v[i].id, &b->v[i].id) == 0;
    }
    return same;
}

static bool same_deny(const eg_policy_deny *a, const eg_policy_deny *b) {
    bool same = eg_str_ieq(a->scope, b->scope) && a->this_scope_only == b->this_scope_only && a->everyone == b->everyone && same_parties(&a->principals, &b->principals) &&
                same_parties(&a->excluded, &b->excluded) && a->permission_count == b->permission_count;
    for (size_t i = 0; same && i < a->permission_count; i++) {
        same = same_permission(&a->permissions[i], &b->permissions[i]) && same_condition(a->conditions[i], b->conditions[i]);
    }
    return same;
}

bool eg_policy_has_deny(const eg_policy *in, const eg_policy_deny *d) {
    for (size_t i = 0; i < in->deny_count; i++) {
        if (same_deny(&in->denies[i], d)) {
            return true;
        }
    }
    return false;
}

static bool same_prefixes(const eg_policy_prefixes *a, const eg_policy_prefixes *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        same = a->v[i].kind == b->v[i].kind && (a->v[i].kind != EG_SOURCE_CIDR || (a->v[i].cidr.bits == b->v[i].cidr.bits && memcmp(a->v[i].cidr.address, b->v[i].cidr.address, 16) == 0));
    }
    return same;
}

static bool same_ports(const eg_policy_ports *a, const eg_policy_ports *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        same = a->v[i].low == b->v[i].low && a->v[i].high == b->v[i].high;
    }
    return same;
}

bool eg_policy_has_rule(const eg_policy_group *in, const eg_policy_rule *r) {
    for (size_t i = 0; i < in->rule_count; i++) {
        const eg_policy_rule *o = &in->rules[i];
        if (o->priority == r->priority && o->allow == r->allow && same_prefixes(&o->sources, &r->sources) && same_prefixes(&o->destinations, &r->destinations) &&
            same_ports(&o->source_ports, &r->source_ports) && same_ports(&o->destination_ports, &r->destination_ports)) {
            return true;
        }
    }
    return false;
}

bool eg_policy_cidrs_have(const eg_policy_cidrs *in, const eg_policy_cidr *c) {
    for (size_t i = 0; i < in->n; i++) {
        if (in->v[i].bits == c->bits && memcmp(in->v[i].address, c->address, sizeof c->address) == 0) {
            return true;
        }
    }
    return false;
}

bool eg_policy_account_has_subnet(const eg_policy *pol_in, const eg_policy_account *in, eg_str subnet) {
    for (size_t i = 0; i < in->subnet_count; i++) {
        if (eg_policy_id_order(pol_in->subnets[in->subnets[i]].id, subnet) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_rule(const eg_rule_node *a, const eg_rule_node *b) {
    bool same = a->kind == b->kind && a->child_count == b->child_count && a->place == b->place && eg_str_ieq(a->alias, b->alias) && a->compare == b->compare &&
                a->negated == b->negated && a->value_count == b->value_count;
    for (size_t i = 0; same && a->compare != EG_RULE_EXISTS && i < a->value_count; i++) {
        same = eg_str_ieq(a->values[i], b->values[i]);
    }
    for (size_t i = 0; same && i < a->child_count; i++) {
        same = same_rule(&a->children[i], &b->children[i]);
    }
    return same;
}

/* Wherever the other is in force, this one is: its scope holds the other's, and nothing else is left out. */
static bool reaches(const eg_policy_assigned *a, const eg_policy_assigned *other) {
    bool all = eg_policy_scope_covers(a->scope, other->scope);
    for (size_t i = 0; all && i < a->excluded_count; i++) {
        bool left_out = false;
        for (size_t k = 0; !left_out && k < other->excluded_count; k++) {
            left_out = eg_policy_scope_covers(other->excluded[k], a->excluded[i]);
        }
        all = left_out;
    }
    return all;
}

bool eg_policy_has_assigned(const eg_policy *in, const eg_policy_assigned *a) {
    for (size_t i = 0; i < in->assigned_count; i++) {
        const eg_policy_assigned *o = &in->assigned[i];
        if (o->effect == a->effect && (o->enforced || !a->enforced) && (!o->indexed || a->indexed) && reaches(o, a) && same_rule(&o->rule, &a->rule)) {
            return true;
        }
    }
    return false;
}

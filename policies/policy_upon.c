/* A snapshot made upon another: what a change of few documents leaves as it is, is taken over and not read again. */
#include "policy_builder.h"

#include <stdlib.h>

#define ROWS_A_STEP 1024

/* What has to be read again when a document of the kind changes: all that may refer to it. Roles and assignments are taken over one by one. */
static const struct {
    bool single;                           /* documents of the kind are replaced each on its own */
    eg_policy_kind first, last;            /* the kinds that hang together */
} families[EG_POLICY_KIND_COUNT] = {
    [EG_POLICY_ROLES] = {true, EG_POLICY_ROLES, EG_POLICY_ELIGIBLE},
    [EG_POLICY_ASSIGNMENTS] = {true, EG_POLICY_ROLES, EG_POLICY_ELIGIBLE},
    [EG_POLICY_SCHEDULES] = {true, EG_POLICY_ROLES, EG_POLICY_ELIGIBLE},
    [EG_POLICY_ELIGIBLE] = {true, EG_POLICY_ROLES, EG_POLICY_ELIGIBLE},
    [EG_POLICY_DENIES] = {false, EG_POLICY_DENIES, EG_POLICY_DENIES},
    [EG_POLICY_GROUPS] = {false, EG_POLICY_GROUPS, EG_POLICY_ACCOUNTS},
    [EG_POLICY_VNETS] = {false, EG_POLICY_GROUPS, EG_POLICY_ACCOUNTS},
    [EG_POLICY_ACCOUNTS] = {false, EG_POLICY_GROUPS, EG_POLICY_ACCOUNTS},
    [EG_POLICY_RULES] = {false, EG_POLICY_RULES, EG_POLICY_RULE_ASSIGNMENTS},
    [EG_POLICY_INITIATIVES] = {false, EG_POLICY_RULES, EG_POLICY_RULE_ASSIGNMENTS},
    [EG_POLICY_RULE_ASSIGNMENTS] = {false, EG_POLICY_RULES, EG_POLICY_RULE_ASSIGNMENTS},
};

static int key_order(unsigned kind_a, const uint8_t *a, unsigned kind_b, const uint8_t *b) {
    return kind_a != kind_b ? (kind_a < kind_b ? -1 : 1) : memcmp(a, b, EG_SHA256_LEN);
}

int eg_policy_row_order(const eg_policy_row *a, const eg_policy_row *b) { return key_order(a->kind, a->id, b->kind, b->id); }

bool eg_policy_upon_plan(eg_policy_upon *u) {
    memset(u->again, 0, sizeof u->again);
    if (!u->base || u->n > EG_POLICY_UPON_MAX || u->bytes > EG_POLICY_UPON_BYTES_MAX || !u->base->replaceable || u->base->memory_count >= EG_POLICY_MEMORIES_MAX ||
        u->base->laid >= EG_POLICY_LAID_MAX) {
        return false;
    }
    for (size_t i = 0; i < u->n; i++) {
        const eg_policy_kind kind = u->v[i].kind;
        if (kind >= EG_POLICY_KIND_COUNT || (kind == EG_POLICY_ROLES && u->base->roles_named) || (i > 0 && key_order(u->v[i - 1].kind, u->v[i - 1].id, kind, u->v[i].id) >= 0)) {
            return false;
        }
        for (eg_policy_kind k = families[kind].first; !families[kind].single && k <= families[kind].last; k++) {
            u->again[k] = true;
        }
    }
    return true;
}

typedef struct touched_key { unsigned kind; const uint8_t *id; } touched_key;

static int find_order(const void *x, const void *y) {
    const touched_key *key = x;
    const eg_policy_touched *t = y;
    return key_order(key->kind, key->id, t->kind, t->id);
}

bool eg_policy_builder_touches(const eg_policy_builder *b, unsigned kind, const uint8_t *id) {
    const touched_key key = {kind, id};
    return eg_policy_builder_marked(b, eg_policy_mark(id)) && bsearch(&key, b->upon->v, b->upon->n, sizeof *b->upon->v, find_order) != NULL;
}

static bool take(void *ret, const void *v, size_t n, size_t size) {
    void *copy = malloc((n + 1) * size);
    if (copy && n > 0) {
        memcpy(copy, v, n * size);
    }
    memcpy(ret, &copy, sizeof copy);
    return copy != NULL;
}

/* Assignments follow when the roles are known: assignment_merge.c. */
static bool take_roles(eg_policy_builder *b, const eg_policy *from) {
    eg_policy *to = b->pol;
    if (!take(&to->roles, from->roles, from->role_count, sizeof *to->roles)) {
        return false;
    }
    for (size_t i = 0; i < from->role_count; i++) {
        const uint8_t *document = from->roles[i].document;
        if (!document || !eg_policy_builder_touches(b, EG_POLICY_ROLES, document)) {
            to->roles[to->role_count++] = from->roles[i];
        }
    }
    b->caps[EG_POLICY_ROLES] = from->role_count + 1;
    return true;
}

static bool take_network(eg_policy *to, const eg_policy *from) {
    if (!take(&to->groups, from->groups, from->group_count, sizeof *to->groups) || !take(&to->accounts, from->accounts, from->account_count, sizeof *to->accounts) ||
        !take(&to->subnets, from->subnets, from->subnet_count, sizeof *to->subnets)) {
        return false;
    }
    to->group_count = from->group_count;
    to->account_count = from->account_count;
    to->subnet_count = from->subnet_count;
    for (size_t i = 0; i < to->subnet_count; i++) {
        (void)eg_policy_rule_index_ref(to->subnets[i].index);
    }
    return true;
}

static bool is_left_out(const eg_policy_builder *b, const eg_policy_row *r) {
    return r->keyed && (b->upon->again[r->kind] || eg_policy_builder_touches(b, r->kind, r->id));
}

static void count_rows(eg_policy_builder *b) {
    const eg_policy *from = b->upon->base;
    for (size_t i = 0; i < from->row_count; i++) {
        const eg_policy_row *r = &from->rows[i];
        if (r->keyed && !is_left_out(b, r)) {
            b->rows++;
            b->bytes += r->bytes;
        }
    }
    b->rows += b->pol->subnet_count;
}

static bool take_over(eg_policy_builder *b, const eg_policy_upon *u) {
    eg_policy *to = b->pol;
    const eg_policy *from = u->base;
    b->upon = u;
    for (size_t i = 0; i < u->n; i++) {
        const uint16_t mark = eg_policy_mark(u->v[i].id);
        b->touched[mark / 64] |= (uint64_t)1 << (mark % 64);
    }
    to->memories[from->memory_count] = to->memories[0]; /* its own is the last */
    for (size_t i = 0; i < from->memory_count; i++) {
        to->memories[i] = from->memories[i];
        __atomic_add_fetch(&to->memories[i]->refs, 1, __ATOMIC_RELAXED);
    }
    to->memory_count = from->memory_count + 1;
    to->laid = from->laid;
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        b->whole[k] = !u->again[k] && !families[k].single;
    }
    to->roles_named = from->roles_named; /* perhaps no more: then all is read once more */
    bool ok = take_roles(b, from);
    if (ok && b->whole[EG_POLICY_DENIES]) {
        ok = take(&to->denies, from->denies, from->deny_count, sizeof *to->denies);
        to->deny_count = ok ? from->deny_count : 0;
    }
    if (ok && b->whole[EG_POLICY_GROUPS]) {
        ok = take_network(to, from);
    }
    if (ok && b->whole[EG_POLICY_RULES]) {
        ok = take(&to->assigned, from->assigned, from->assigned_count, sizeof *to->assigned);
        to->assigned_count = ok ? from->assigned_count : 0;
        ok = ok && take(&to->defined, from->defined, from->defined_count, sizeof *to->defined);
        to->defined_count = ok ? from->defined_count : 0;
    }
    count_rows(b);
    return ok;
}

eg_err eg_policy_builder_new_upon(const eg_policy_upon *u, eg_policy_builder **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_TRY(eg_policy_builder_new_bare(&b, p));
    if (!take_over(b, u)) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
    }
    if (u->again[EG_POLICY_RULES]) {
        EG_TRY(eg_policy_builder_built_in(b, EG_POLICY_RULES, p));
        b->pol->row_count--; /* it is among those that were kept */
    }
    *ret = b;
    b = NULL;
    return EG_OK;
}

eg_err eg_policy_builder_merge_rows(eg_policy_builder *b) {
    eg_policy *pol = b->pol;
    if (!b->upon) {
        return EG_OK;
    }
    const eg_policy_row *older = b->upon->base->rows, *older_end = older + b->upon->base->row_count, *fresh = pol->rows, *fresh_end = fresh + pol->row_count;
    eg_policy_row *all = malloc((b->upon->base->row_count + pol->row_count + 1) * sizeof *all);
    if (!all) {
        return EG_ERR_NO_MEMORY;
    }
    size_t n = 0;
    for (; older < older_end; older++) {
        const bool left_out = is_left_out(b, older);
        for (; !left_out && older->keyed && fresh < fresh_end && eg_policy_row_order(fresh, older) < 0; fresh++) {
            all[n++] = *fresh;
        }
        if (!left_out) {
            all[n++] = *older;
        }
        if (n % ROWS_A_STEP == 0) {
            eg_pace_step(b->pace);
        }
    }
    for (; fresh < fresh_end; fresh++) {
        all[n++] = *fresh;
    }
    free(pol->rows);
    pol->rows = all;
    pol->row_count = n;
    return EG_OK;
}

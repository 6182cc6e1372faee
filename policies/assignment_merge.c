/* Assignments of a snapshot with a change laid over them: what the change leaves as it is keeps its order, what is new is put between. */
#include "policy_builder.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP 1024 /* assignments between two looks at the pace */

/* What the roles of the older snapshot are in the new one. */
typedef struct merging {
    eg_policy_builder *b;
    uint32_t *roles;      /* index → index; EG_POLICY_GONE */
} merging;

/* One list of assignments: the older one, and what was read on top of it, which becomes both. */
typedef struct list {
    const eg_policy_assignment *older;
    size_t older_count;
    eg_policy_assignment **v;
    size_t *n;
    eg_policy_moves *moves; /* NULL: nobody asks where they went */
} list;

static eg_err no_memory(eg_problem *p) { return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them."); }

static eg_err map_roles(merging *g, eg_problem *p) {
    const eg_policy *older = g->b->upon->base, *pol = g->b->pol;
    g->roles = malloc((older->role_count + 1) * sizeof *g->roles);
    if (!g->roles) {
        return no_memory(p);
    }
    for (size_t i = 0; i < older->role_count; i++) {
        const eg_policy_role *r = eg_policy_role_find(pol, &older->roles[i].id);
        g->roles[i] = r ? (uint32_t)(r - pol->roles) : EG_POLICY_GONE;
    }
    return EG_OK;
}

static eg_err role_gone(const eg_policy_at *at, const eg_policy_guid *id, eg_problem *p) {
    const uint8_t *b = id->b;
    char text[EG_UUID_LEN];
    (void)snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
                   b[11], b[12], b[13], b[14], b[15]);
    return eg_policy_role_unknown(at, eg_str_of(text), p);
}

/* An assignment that isn't read again is held against its role, should that have changed: it is refused as its reading would refuse it. */
static eg_err keep(const merging *g, const eg_policy_assignment *m, eg_policy_assignment *ret, eg_problem *p) {
    const eg_policy *older = g->b->upon->base, *pol = g->b->pol;
    const eg_policy_role *was = &older->roles[m->role];
    const uint32_t now = g->roles[m->role];
    const eg_policy_at top = {.name = m->file}, at = {.up = &top, .name = "properties"};
    if (now == EG_POLICY_GONE) {
        return role_gone(&at, &was->id, p);
    }
    *ret = *m;
    ret->role = now;
    return pol->roles[now].permissions == was->permissions ? EG_OK : eg_policy_assignable(&at, &pol->roles[now], m->scope, p);
}

static bool is_touched(const merging *g, const eg_policy_assignment *m) {
    return eg_policy_builder_marked(g->b, m->mark) && eg_policy_builder_touches(g->b, m->document[EG_SHA256_LEN], m->document);
}

static void add_fresh(const list *l, const eg_policy_assignment *m, eg_policy_assignment *all, size_t at) {
    all[at] = *m;
    if (l->moves) {
        l->moves->fresh[l->moves->fresh_count++] = (uint32_t)at;
    }
}

static eg_err merge_into(const merging *g, const list *l, eg_policy_assignment *all, size_t *ret_n, eg_problem *p) {
    const eg_policy_assignment *fresh = *l->v, *end = fresh + *l->n;
    size_t n = 0;
    for (size_t i = 0; i < l->older_count; i++) {
        const eg_policy_assignment *m = &l->older[i];
        const bool gone = is_touched(g, m);
        for (; !gone && fresh < end && eg_policy_assignment_order(fresh, m) < 0; fresh++) {
            add_fresh(l, fresh, all, n++);
        }
        if (l->moves) {
            l->moves->place[i] = gone ? EG_POLICY_GONE : (uint32_t)n;
        }
        if (!gone) {
            EG_TRY(keep(g, m, &all[n++], p));
        }
        if (i % STEP == 0) {
            eg_pace_step(g->b->pace);
        }
    }
    for (; fresh < end; fresh++) {
        add_fresh(l, fresh, all, n++);
    }
    *ret_n = n;
    return EG_OK;
}

static eg_err merge(const merging *g, const list *l, eg_problem *p) {
    eg_policy_assignment *all = malloc((l->older_count + *l->n + 1) * sizeof *all);
    size_t n = 0;
    if (!all) {
        return no_memory(p);
    }
    if (*l->n > 1) {
        qsort(*l->v, *l->n, sizeof **l->v, eg_policy_assignment_order);
    }
    const eg_err e = merge_into(g, l, all, &n, p);
    if (e != EG_OK) {
        free(all);
        return e;
    }
    free(*l->v);
    *l->v = all;
    *l->n = n;
    return EG_OK;
}

static eg_err merge_and_index(const merging *g, eg_policy_moves *moves, eg_problem *p) {
    const eg_policy *older = g->b->upon->base;
    eg_policy *pol = g->b->pol;
    moves->place = malloc((older->assignment_count + 1) * sizeof *moves->place);
    moves->fresh = malloc((pol->assignment_count + 1) * sizeof *moves->fresh);
    if (!moves->place || !moves->fresh) {
        return no_memory(p);
    }
    const list l = {older->assignments, older->assignment_count, &pol->assignments, &pol->assignment_count, moves};
    EG_TRY(merge(g, &l, p));
    eg_pace_step(g->b->pace);
    return eg_policy_index_assignments(pol, moves) == EG_OK ? EG_OK : no_memory(p);
}

eg_err eg_policy_merge_assignments(eg_policy_builder *b, eg_problem *p) {
    merging g = {.b = b};
    eg_policy_moves moves = {.older = b->upon->base};
    eg_err e = map_roles(&g, p);
    if (e == EG_OK) {
        e = merge_and_index(&g, &moves, p);
    }
    free(moves.place);
    free(moves.fresh);
    free(g.roles);
    return e;
}

eg_err eg_policy_merge_eligible(eg_policy_builder *b, eg_problem *p) {
    merging g = {.b = b};
    const list l = {b->upon->base->eligible, b->upon->base->eligible_count, &b->pol->eligible, &b->pol->eligible_count, NULL};
    eg_err e = map_roles(&g, p);
    if (e == EG_OK) {
        e = merge(&g, &l, p);
    }
    free(g.roles);
    return e;
}

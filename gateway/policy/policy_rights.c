/* Who may change which document: the right to write it, at its own scope and in its own tenant. */
#include "policy_store_state.h"

#include <embergate/clock.h>
#include <stdio.h>

eg_str eg_policy_store_tenant_of(const eg_policy_store *s, eg_str scope) {
    eg_str rest = scope;
    (void)eg_str_cut(&rest, '/');
    const eg_str word = eg_str_cut(&rest, '/'), id = eg_str_cut(&rest, '/');
    if (!eg_str_ieq(word, EG_LIT("subscriptions")) || id.len == 0) {
        return (eg_str){"", 0};
    }
    for (size_t i = 0; i < s->o.subscription_count; i++) {
        if (eg_str_ieq(s->o.subscriptions[i].subscription, id)) {
            return s->o.subscriptions[i].tenant;
        }
    }
    return (eg_str){"", 0};
}

static eg_err keep(eg_arena *a, eg_str s, eg_str ret[], size_t *n, eg_problem *p) {
    ret[*n] = eg_arena_str(a, s);
    return ret[(*n)++].ptr ? EG_OK : eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory for this change of policies.");
}

static eg_err role_scopes(const json_t *v, eg_arena *a, eg_str ret[EG_POLICY_SCOPES_MAX], size_t *ret_n, eg_problem *p) {
    const json_t *list = json_object_get(json_object_get(v, "properties"), "assignableScopes");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || n == EG_POLICY_SCOPES_MAX) {
            return eg_fail(p, EG_ERR_POLICY_INVALID, "A role has at most %d assignable scopes, each a text.", EG_POLICY_SCOPES_MAX);
        }
        EG_TRY(keep(a, eg_str_of(s), ret, &n, p));
    }
    *ret_n = n;
    return n > 0 ? EG_OK : eg_fail(p, EG_ERR_POLICY_INVALID, "A role has at least one assignable scope.");
}

/* "{scope}/providers/{type}/{name}" → scope; other ids are the resource's own. */
static eg_str scope_in_id(eg_policy_kind kind, eg_str id) {
    char marker[160];
    const int n = snprintf(marker, sizeof marker, "/providers/%s/", eg_policy_types[kind]);
    for (size_t i = id.len; i-- > 0;) {
        if (i + (size_t)n <= id.len && eg_str_ieq((eg_str){id.ptr + i, (size_t)n}, (eg_str){marker, (size_t)n})) {
            return eg_str_starts(eg_str_of(eg_policy_types[kind]), "Microsoft.Authorization/") ? (eg_str){id.ptr, i} : id;
        }
    }
    return id;
}

eg_err eg_policy_document_scopes(const eg_policy_document *d, eg_arena *a, eg_str ret[EG_POLICY_SCOPES_MAX], size_t *ret_n, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf id;
    eg_buf_init(&id, EG_POLICY_ID_MAX + 1);
    if (eg_json_parse(d->text, EG_POLICY_DOCUMENT_MAX, &v, NULL) != EG_OK) {
        return eg_fail(p, EG_ERR_POLICY_INVALID, "The document is no JSON.");
    }
    if (d->kind == EG_POLICY_ROLES) {
        return role_scopes(v, a, ret, ret_n, p);
    }
    EG_TRY(eg_policy_document_id(d, &id, p));
    const eg_str own = eg_json_str(json_object_get(v, "properties"), "scope");
    size_t n = 0;
    EG_TRY(keep(a, own.len > 0 ? own : scope_in_id(d->kind, eg_buf_str(&id)), ret, &n, p));
    *ret_n = n;
    return EG_OK;
}

typedef struct asking {
    eg_policy_store *s;
    const eg_policy *pol;
    const eg_principal *who;
    eg_arena *a;
} asking;

static eg_err may_text(const asking *q, eg_policy_kind kind, const char *verb, eg_str text, eg_problem *p) {
    eg_str scopes[EG_POLICY_SCOPES_MAX];
    char action[160];
    size_t n = 0;
    const eg_policy_document d = {kind, eg_policy_folders[kind], text, NULL};
    EG_TRY(eg_policy_document_scopes(&d, q->a, scopes, &n, p));
    snprintf(action, sizeof action, "%s/%s", eg_policy_types[kind], verb);
    for (size_t i = 0; i < n; i++) {
        const eg_access a = {.who = q->who, .resource_tenant = eg_policy_store_tenant_of(q->s, scopes[i]), .action = eg_str_of(action), .scope = scopes[i],
                             .now_ns = eg_wall_ns(q->s->o.clock)};
        eg_decision decision = {0};
        if (a.resource_tenant.len > 0) {
            eg_policy_decide(q->pol, &a, &decision);
        }
        if (!decision.allowed) {
            return eg_fail(p, EG_ERR_DENIED_ROLE, "The principal %s has no role assignment that grants %s at %.*s.", q->who->object_id, action, EG_FMT(scopes[i]));
        }
    }
    return EG_OK;
}

eg_err eg_policy_store_may_set(eg_policy_store *s, const eg_principal *who, const eg_policy_set *set, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_store_snapshot(s);
    if (!who || !pol) {
        return eg_fail(p, EG_ERR_DENIED_ROLE, "Nobody is signed in.");
    }
    for (size_t i = 0; i < set->n; i++) {
        const eg_policy_item *m = &set->v[i];
        EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(256u << 10);
        const asking q = {s, pol, who, arena};
        EG_TRY(arena ? EG_OK : EG_ERR_NO_MEMORY);
        if (m->before) {
            EG_TRY(may_text(&q, m->kind, m->after ? "write" : "delete", (eg_str){m->before, m->before_len}, p));
        }
        if (m->after) {
            EG_TRY(may_text(&q, m->kind, "write", (eg_str){m->after, m->after_len}, p));
        }
    }
    return EG_OK;
}

eg_err eg_policy_store_may_change(eg_policy_store *s, const eg_principal *who, const eg_policy_change *c, eg_problem *p) {
    EG_CLEANUP(eg_policy_set_done) eg_policy_set set = {0};
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    for (size_t i = 0; i < c->put_count; i++) {
        EG_TRY(eg_policy_set_put(&set, c->puts[i].kind, c->puts[i].name, c->puts[i].text, p));
    }
    for (size_t i = 0; i < c->delete_count; i++) {
        EG_TRY(eg_policy_set_delete(&set, c->deletes[i].kind, c->deletes[i].id, p));
    }
    EG_TRY(eg_policy_set_sort(&set, true, p));
    EG_TRY(eg_kv_read_begin(s->o.kv, &t));
    EG_TRY(eg_policy_set_compare(&set, t, p));
    return eg_policy_store_may_set(s, who, &set, p);
}

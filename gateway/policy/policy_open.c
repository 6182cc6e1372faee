/* Opens the store of policies as the configuration says. */
#include "policy_open.h"

#include <embergate/clock.h>

static eg_err add(eg_arena *a, const char *subscription, const char *tenant, eg_policy_subscription *to, size_t *n) {
    to[*n] = (eg_policy_subscription){eg_arena_str(a, eg_str_of(subscription)), eg_arena_str(a, eg_str_of(tenant))};
    return to[(*n)++].tenant.ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_policy_open(const eg_policy_open_options *o, eg_policy_store **ret, eg_problem *p) {
    const eg_config *c = o->config;
    const size_t most = c->tenant_count + c->cluster_count + c->account_count;
    eg_policy_subscription *v = eg_arena_alloc(o->arena, (most + 1) * sizeof *v);
    size_t n = 0;
    if (!v) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        EG_TRY(add(o->arena, c->clusters[i].subscription, c->clusters[i].tenant, v, &n));
    }
    for (size_t i = 0; i < c->account_count; i++) {
        EG_TRY(add(o->arena, c->accounts[i].subscription, c->accounts[i].tenant, v, &n));
    }
    for (size_t i = 0; i < c->tenant_count; i++) {
        EG_TRY(add(o->arena, eg_config_subscription(c, c->tenants[i].id), c->tenants[i].id, v, &n));
    }
    const eg_policy_store_options so = {.kv = o->kv, .committer = o->committer, .audit = o->audit, .clock = &eg_clock_system,
                                        .files = strcmp(c->policies_source, "files") == 0, .require_ticket = c->policies_require_ticket,
                                        .two_person = c->policies_two_person, .separation_of_duties = c->policies_separation_of_duties, .subscriptions = v,
                                        .subscription_count = n};
    return eg_policy_store_open(&so, ret, p);
}

eg_err eg_policy_offline_open(const eg_config *c, eg_policy_offline *ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_offline_done) eg_policy_offline o = {.arena = eg_arena_new(4u << 20)};
    if (strcmp(c->policies_source, "files") == 0) {
        return eg_fail(p, EG_ERR_POLICY_FILES, "The policies of this gateway are files in its policy directory (policies.source: files): change them there.");
    }
    if (!o.arena) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    EG_TRY(eg_offline_store_open(c->state_dir, c->limits.store_mib, &o.under, p));
    const eg_policy_open_options so = {.config = c, .arena = o.arena, .kv = o.under.kv, .committer = o.under.committer};
    EG_TRY(eg_policy_open(&so, &o.store, p));
    *ret = o;
    o = (eg_policy_offline){0};
    return EG_OK;
}

void eg_policy_offline_done(eg_policy_offline *o) {
    eg_policy_store_close(o->store);
    eg_offline_store_done(&o->under);
    eg_arena_free(o->arena);
    *o = (eg_policy_offline){0};
}

eg_err eg_policy_store_grant(eg_policy_store *s, const eg_policy_grant *g, const char *by, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_store_snapshot(s);
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_policy_changed changed;
    eg_buf_init(&text, 65536);
    EG_TRY(eg_policy_grant_text(pol, g, &text, p));
    const eg_policy_put put = {EG_POLICY_ASSIGNMENTS, eg_buf_str(&text), NULL};
    const eg_policy_change c = {.by = by, .ticket = EG_LIT("principal add"), .justification = EG_LIT("a role of a new principal"), .puts = &put, .put_count = 1};
    EG_TRY(eg_policy_store_change(s, &c, NULL, &changed, p));
    return changed.pending[0] == '\0' ? EG_OK
                                      : eg_fail(p, EG_ERR_POLICY_SECOND_PERSON, "The role waits for a second person: embergate policy approve %s", changed.pending);
}

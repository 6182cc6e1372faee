/* Requests by tokens that were exchanged: whether who acts may act for others, and what is closed to whoever does. */
#include "pipeline_request.h"

#include <embergate/actions.h>

#include <stdio.h>

static eg_str subscription_of(const eg_pipeline_request *c, eg_str tenant) {
    const eg_router_options *o = eg_router_config(c->pl->o.router);
    for (size_t i = 0; i < o->tenant_count; i++) {
        if (eg_str_ieq(o->tenants[i].id, tenant)) {
            return o->tenants[i].scope;
        }
    }
    return (eg_str){NULL, 0};
}

static bool may(const eg_policy *pol, const eg_access *usual, const char *action) {
    eg_access a = *usual;
    eg_decision d;
    a.action = eg_str_of(action);
    eg_policy_decide(pol, &a, &d);
    return d.allowed;
}

eg_err eg_pipeline_actors_may(const eg_policy *pol, const eg_pipeline_request *c, const eg_principal *who, int64_t now_ns) {
    if (!who->acting) {
        return EG_OK;
    }
    const eg_str tenant = eg_str_of(who->tenant);
    const eg_str scope = c ? subscription_of(c, tenant) : (eg_str){NULL, 0};
    if (!scope.len || who->acting->count == 0) {
        return EG_ERR_DENIED_ACTOR;
    }
    for (size_t i = 0; i < who->acting->count; i++) {
        eg_principal actor = {.kind = EG_PRINCIPAL_SERVICE};
        snprintf(actor.tenant, sizeof actor.tenant, "%s", who->tenant);
        snprintf(actor.object_id, sizeof actor.object_id, "%s", who->acting->actors[i].object_id);
        eg_access a = {.who = &actor, .resource_tenant = tenant, .data_action = true, .scope = scope, .now_ns = now_ns};
        a.subnet = c->rq->peer.subnet[0] ? eg_str_of(c->rq->peer.subnet) : (eg_str){NULL, 0};
        const bool last = i + 1 == who->acting->count; /* it was given the person's own token; the others were given exchanged ones */
        if (!may(pol, &a, EG_ACTION_ACT_FOR) || (!last && !may(pol, &a, EG_ACTION_ACT_CHAINED))) {
            return EG_ERR_DENIED_ACTOR;
        }
    }
    return EG_OK;
}

static bool begins(eg_str a, const char *with) {
    const eg_str w = eg_str_of(with);
    return a.len >= w.len && eg_str_ieq((eg_str){a.ptr, w.len}, w);
}

/* Keys outlive the token, name no actor and end with nobody's revocation; and who only acts for somebody changes neither who may do what nor from which network, nor takes two
 * people's parts. */
bool eg_pipeline_never_acted(const eg_principal *who, const char *action, bool data_action) {
    static const char *const closed[] = {EG_ACTION_ACCOUNT_LIST_KEYS, EG_ACTION_ACCOUNT_RENEW_KEY, EG_ACTION_DELEGATION_KEY, "Microsoft.Storage/storageAccounts/write",
                                         "Microsoft.Storage/storageAccounts/delete"};
    static const char *const read_only[] = {"Microsoft.Authorization/", "Microsoft.Network/", "Microsoft.KeyVault/"};
    const eg_str a = eg_str_of(action ? action : "");
    if (!who->acting || data_action) {
        return false;
    }
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        if (eg_str_ieq(a, eg_str_of(closed[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++) {
        if (begins(a, read_only[i])) {
            return !eg_str_ends(a, "/read");
        }
    }
    return false;
}

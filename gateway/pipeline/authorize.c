/* Decides whether the principal may do what the route stands for, and what a refusal may give away. */
#include "pipeline_request.h"

#include <stdio.h>

static bool of_tenant(const eg_request *rq) {
    return rq->tenant.len > 0 && eg_str_ieq(eg_str_of(rq->principal->tenant), rq->tenant);
}

static bool is_beneath_subscription(eg_str path) {
    const eg_str first = EG_LIT("/subscriptions");
    return path.len >= first.len && eg_str_ieq((eg_str){path.ptr, first.len}, first);
}

/* What belongs to another tenant is answered exactly like what does not exist, and like what one has no role on. */
static eg_err shown(eg_request *rq, eg_err e, eg_str scope) {
    bool data = rq->route->flags & EG_ROUTE_DATA_ACTION;
    if (e == EG_ERR_DENIED_TENANT && rq->surface == EG_SURFACE_LIVY) {
        return eg_fail(&rq->problem, EG_ERR_CLUSTER_NOT_FOUND, "There is no such cluster.");
    }
    if (e == EG_ERR_DENIED_TENANT && rq->surface == EG_SURFACE_ARM && is_beneath_subscription(rq->path)) {
        return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The subscription could not be found.");
    }
    if (rq->surface == EG_SURFACE_ARM && rq->principal && (e == EG_ERR_DENIED_ROLE || e == EG_ERR_DENIED_DATA)) {
        eg_fail(&rq->problem, e, "The client with object id '%s' does not have authorization to perform action '%s' over scope '%.*s' or the scope is invalid.",
                rq->principal->object_id, rq->route->action ? rq->route->action : "", EG_FMT(scope));
        return eg_fail_hint(&rq->problem, "If access was recently granted, please refresh your credentials.");
    }
    if (e == EG_ERR_DENIED_TENANT || e == EG_ERR_DENIED_ROLE || e == EG_ERR_DENIED_DATA) {
        e = data || rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB ? EG_ERR_DENIED_DATA : EG_ERR_DENIED_ROLE;
        eg_fail(&rq->problem, e, "The principal %s has no role assignment that grants %s here%s.", rq->principal ? rq->principal->object_id : "",
                rq->route->action ? rq->route->action : "this", rq->principal && rq->principal->groups_unknown ? " (its token leaves out its groups)" : "");
    }
    return e;
}

/* Who acts for somebody needs the right to do so at each request, and gets nothing that outlives the token or changes who may do what. */
static eg_err check_acting(const eg_policy *pol, eg_request *rq) {
    if (!rq->principal->acting) {
        return EG_OK;
    }
    if (eg_pipeline_actors_may(pol, eg_pipeline_of(rq), rq->principal, rq->received_ns) != EG_OK) {
        snprintf(rq->decided_by, sizeof rq->decided_by, "who acts may not act for others");
        return eg_fail(&rq->problem, EG_ERR_DENIED_ACTOR, "The token was issued on behalf of its principal, and who acts for it may not do so any more.");
    }
    if (eg_pipeline_never_acted(rq->principal, rq->route->action, rq->route->flags & EG_ROUTE_DATA_ACTION)) {
        snprintf(rq->decided_by, sizeof rq->decided_by, "closed to whoever acts for others");
        return eg_fail(&rq->problem, EG_ERR_DENIED_ACTOR, "A token that was issued on behalf of its principal is not good for %s.", rq->route->action);
    }
    return EG_OK;
}

static eg_err decide(const eg_policy *pol, eg_request *rq, eg_str scope) {
    if (rq->principal->kind == EG_PRINCIPAL_KEY || rq->principal->kind == EG_PRINCIPAL_SAS) {
        /* It was verified against this very account: nobody's roles are asked. */
        const bool storage = rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB;
        snprintf(rq->decided_by, sizeof rq->decided_by, "%s", rq->principal->name);
        rq->way = !storage || !of_tenant(rq) ? EG_WAY_NONE : rq->principal->kind == EG_PRINCIPAL_KEY ? EG_WAY_KEY : EG_WAY_SAS;
        return rq->way == EG_WAY_NONE ? EG_ERR_DENIED_TENANT : EG_OK;
    }
    EG_TRY(check_acting(pol, rq));
    if (rq->principal->kind == EG_PRINCIPAL_JOB && !(rq->route->flags & EG_ROUTE_JOB_TOKEN)) {
        snprintf(rq->decided_by, sizeof rq->decided_by, "jobs may not use this route");
        return eg_fail(&rq->problem, EG_ERR_DENIED_JOB_TOKEN, "A job's token is good for storage, not for this.");
    }
    if (rq->route->flags & EG_ROUTE_ANY_PRINCIPAL) {
        bool same = of_tenant(rq);
        rq->way = same ? EG_WAY_ROLE : EG_WAY_NONE;
        snprintf(rq->decided_by, sizeof rq->decided_by, "%s", same ? "any principal of the tenant" : "tenant separation");
        return same ? EG_OK : EG_ERR_DENIED_TENANT;
    }
    const eg_access a = eg_pipeline_access(rq, rq->route->action, rq->route->flags & EG_ROUTE_DATA_ACTION, scope);
    eg_decision d;
    eg_policy_decide(pol, &a, &d);
    eg_pipeline_keep_decision(rq, &d);
    if (eg_pipeline_of(rq)) {
        eg_pipeline_of(rq)->question = a;
    }
    if (d.error == EG_ERR_DENIED_DUTIES) { /* its own right is nothing that it may not know */
        return eg_fail(&rq->problem, d.error, "%s", d.reason);
    }
    if (d.allowed) {
        rq->way = EG_WAY_ROLE;
        return EG_OK;
    }
    /* Azure asks roles first and access control lists then; another tenant's principal, or one that a deny assignment names, never gets so far. */
    if ((rq->route->flags & EG_ROUTE_ACL) && !d.forbidden && of_tenant(rq)) {
        rq->way = EG_WAY_ACL;
        snprintf(rq->decided_by, sizeof rq->decided_by, "acl");
        return EG_OK;
    }
    return d.error == EG_OK ? EG_ERR_DENIED_ROLE : d.error;
}

eg_err eg_pipeline_judge(const eg_policy *pol, eg_request *rq, eg_str scope, eg_err *ret_shown) {
    rq->policy_version = eg_policy_version(pol);
    if (eg_pipeline_is_open(rq)) {
        snprintf(rq->decided_by, sizeof rq->decided_by, "public");
        bool resource = rq->surface == EG_SURFACE_LIVY || rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB;
        if (!resource || rq->tenant.len > 0) {
            return EG_OK;
        }
        *ret_shown = eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The resource does not exist.");
        return EG_ERR_NOT_FOUND;
    }
    eg_err e = decide(pol, rq, scope);
    if (e != EG_OK) {
        *ret_shown = shown(rq, e, scope);
    }
    return e;
}

eg_step_verdict eg_pipeline_authorize(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    c->scope = rq->scope;
    eg_err visible = EG_OK;
    if ((rq->route->flags & EG_ROUTE_OWN_TENANT) && rq->principal && rq->tenant.len == 0) {
        rq->tenant = eg_str_of(rq->principal->tenant);
    }
    /* The scope of a resource of nobody's is not asked for: rooms may rely on the tenant. */
    if (rq->route->scope && rq->tenant.len > 0) {
        eg_err e = rq->route->scope(rq, &c->scope);
        if (e != EG_OK) {
            return eg_pipeline_refuse(c, e);
        }
    }
    eg_err e = eg_pipeline_judge(c->policy, rq, c->scope, &visible);
    if (e != EG_OK) {
        c->hidden = e;
        return eg_pipeline_refuse(c, visible);
    }
    c->way = rq->way;
    c->decided = true;
    return EG_STEP_NEXT;
}

static eg_err decide_elsewhere(eg_request *rq, eg_access a, eg_str path) {
    eg_decision d;
    /* Another place than the request's own: its container is the scope's. Without a path a condition on it is unknown, and grants nothing. */
    for (eg_str rest = a.scope; rest.ptr && (rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB);) {
        a.container = eg_str_cut(&rest, '/');
    }
    a.path = path.len > 0 ? path : (eg_str){NULL, 0};
    eg_policy_decide(eg_pipeline_of(rq)->policy, &a, &d);
    return d.allowed ? EG_OK : d.forbidden ? EG_ERR_DENIED_TENANT : d.error == EG_OK ? EG_ERR_DENIED_ROLE : d.error;
}

eg_err eg_pipeline_decide_at(eg_request *rq, const char *action, bool data_action, eg_str scope, eg_str path) {
    if (!rq->principal || eg_pipeline_never_acted(rq->principal, action, data_action)) {
        return EG_ERR_DENIED_ROLE;
    }
    return decide_elsewhere(rq, eg_pipeline_access(rq, action, data_action, scope), path);
}

eg_err eg_pipeline_decide_for(eg_request *rq, eg_principal *who, const char *action, eg_str scope, eg_str path) {
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (!c->source) {
        c->source = eg_principal_ref(who);
    }
    if (c->source != who || !eg_str_ieq(eg_str_of(who->tenant), rq->tenant) || eg_identity_check(c->pl->o.identity, who, NULL) != EG_OK) {
        return EG_ERR_DENIED_TENANT;
    }
    eg_access a = eg_pipeline_access(rq, action, true, scope);
    a.who = who;
    return decide_elsewhere(rq, a, path);
}

eg_err eg_pipeline_decide_more(eg_request *rq, const char *action, bool data_action, eg_problem *p) {
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (!rq->principal) {
        return eg_fail(p, EG_ERR_DENIED_ROLE, "Nobody is signed in.");
    }
    if (eg_pipeline_never_acted(rq->principal, action, data_action)) {
        return eg_fail(p, EG_ERR_DENIED_ACTOR, "A token that was issued on behalf of its principal is not good for %s.", action);
    }
    const eg_access a = eg_pipeline_access(rq, action, data_action, rq->scope);
    eg_decision d;
    eg_policy_decide(c->policy, &a, &d);
    if (d.allowed) {
        eg_pipeline_keep_decision(rq, &d);
        return EG_OK;
    }
    if (d.error == EG_ERR_DENIED_DUTIES) {
        return eg_fail(p, d.error, "%s", d.reason);
    }
    return eg_fail(p, d.error == EG_OK ? EG_ERR_DENIED_ROLE : d.error, "The principal %s has no role assignment that grants %s here.", rq->principal->object_id, action);
}

/* Whether a request in flight may go on, asked after something was revoked or the policy changed, and once a second: roles end by the clock too. */
#include "pipeline_request.h"

#include <embergate/metrics.h>

#define AGAIN_NS INT64_C(1000000000)

bool eg_pipeline_sweep_due(eg_pipeline *pl) {
    eg_policy *policy = eg_policy_watch_get(pl->o.policies);
    const uint64_t version = eg_policy_version(policy);
    const uint64_t mark = eg_identity_revocation_mark(pl->o.identity);
    const int64_t now = eg_mono_ns(pl->o.clock);
    const bool due = version != pl->seen_policy || mark != pl->seen_mark || now - pl->seen_ns >= AGAIN_NS;
    eg_policy_unref(policy);
    pl->seen_policy = version;
    pl->seen_mark = mark;
    pl->seen_ns = due ? now : pl->seen_ns;
    return due;
}

/* The same question again, now. What an access control list had allowed stays allowed, unless nothing may allow it any more: lists are asked by rooms, once a
 * request; and who came by a role that is gone is not asked for a list here, but when it comes again. */
static eg_err ask_roles(const eg_policy *policy, const eg_pipeline_request *c) {
    if (!c->question.who) {
        return EG_OK;
    }
    eg_access a = c->question;
    eg_decision d;
    a.now_ns = eg_wall_ns(c->pl->o.clock);
    eg_policy_decide(policy, &a, &d);
    if (d.allowed || (c->way == EG_WAY_ACL && !d.forbidden)) {
        return EG_OK;
    }
    return d.error != EG_OK ? d.error : EG_ERR_DENIED_ROLE;
}

/* Only what this thread wrote is read: a handler may be at work on the request in the pool. */
bool eg_pipeline_still(void *app, eg_request *rq) {
    const eg_pipeline *pl = app;
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (!c) {
        return true;
    }
    eg_policy *policy = eg_policy_watch_get(pl->o.policies);
    if (!c->decided) { /* it waits for an issuer's keys, or was refused: what is in force by then decides */
        eg_policy *old = c->policy;
        c->policy = policy;
        eg_policy_unref(old);
        return true;
    }
    eg_err e = eg_pipeline_network_again(policy, c);
    if (e == EG_OK && c->held) {
        e = eg_identity_check(pl->o.identity, c->held, NULL);
    }
    if (e == EG_OK && c->held) {
        e = eg_pipeline_actors_may(policy, c, c->held, eg_wall_ns(pl->o.clock));
    }
    if (e == EG_OK && c->user) {
        e = eg_identity_check(pl->o.identity, c->user, NULL);
    }
    if (e == EG_OK) {
        e = ask_roles(policy, c);
    }
    eg_policy_unref(policy);
    if (e != EG_OK && c->cut == EG_OK) {
        c->cut = e;
        eg_metric_add(EG_METRIC_STREAMS_CUT, 1);
    }
    return e == EG_OK;
}

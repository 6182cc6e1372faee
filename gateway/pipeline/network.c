/* Network rules on the way of a request: of the listener's subnet, and of the storage account that is asked for. */
#include "pipeline_request.h"

#include <embergate/log.h>
#include <stdio.h>

void eg_pipeline_keep_decision(eg_request *rq, const eg_decision *d) {
    rq->policy_version = d->policy_version;
    _Static_assert(sizeof rq->decided_by == sizeof d->rule, "both hold a rule's name");
    memcpy(rq->decided_by, d->rule, sizeof d->rule);
}

static void decide_peer(const eg_policy *pol, const eg_peer *peer, eg_decision *ret) {
    const eg_flow f = {.source_address = eg_str_of(peer->address), .source_port = peer->port, .destination_port = peer->local_port, .subnet = eg_str_of(peer->subnet)};
    eg_policy_network(pol, &f, ret);
}

bool eg_pipeline_admits(eg_pipeline *pl, const eg_peer *peer) {
    eg_policy *policy = eg_policy_watch_get(pl->o.policies);
    eg_decision d;
    decide_peer(policy, peer, &d);
    eg_policy_unref(policy);
    if (!d.allowed) {
        eg_audit_count_denial(pl->o.audit, EG_ERR_DENIED_NETWORK, eg_str_of(peer->address), eg_str_of(d.rule));
        eg_log(EG_LOG_INFO, "connection_denied", "source", peer->address, "listener", peer->listener, "rule", d.rule, NULL);
    }
    return d.allowed;
}

static bool of_account(const eg_request *rq) {
    return (rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB) && rq->scope.len > 0;
}

static eg_step_verdict refuse_account(eg_pipeline_request *c, const eg_decision *d) {
    eg_pipeline_keep_decision(c->rq, d);
    return eg_pipeline_refuse(c, eg_fail(&c->rq->problem, EG_ERR_DENIED_ACCOUNT_NETWORK, "This request is not authorized to perform this operation."));
}

/* Before any token is looked at. Only a request from this machine may be a job's, and only if a cluster's subnet would change the answer. */
static eg_step_verdict account_network(eg_pipeline_request *c) {
    const eg_account_flow f = {.account_id = c->rq->scope, .source_address = eg_str_of(c->rq->peer.address)};
    eg_decision d;
    eg_policy_account_network(c->policy, &f, &d);
    if (d.allowed) {
        return EG_STEP_NEXT;
    }
    c->owes_cluster = c->rq->peer.on_this_machine && c->rq->authorization.len > 0 && eg_policy_account_asks_subnet(c->policy, c->rq->scope);
    return c->owes_cluster ? EG_STEP_NEXT : refuse_account(c, &d);
}

/* Asked before any token is looked at, and again for each request, so that a rule that changed ends connections that are open. */
eg_step_verdict eg_pipeline_network(eg_pipeline_request *c) {
    eg_decision d;
    decide_peer(c->policy, &c->rq->peer, &d);
    if (!d.allowed) {
        eg_pipeline_keep_decision(c->rq, &d);
        return eg_pipeline_refuse(c, eg_fail(&c->rq->problem, EG_ERR_DENIED_NETWORK, "The network rules do not allow this source address."));
    }
    return of_account(c->rq) ? account_network(c) : EG_STEP_NEXT;
}

static const char *subnet_of_job(const eg_pipeline_request *c) {
    const eg_principal *who = c->rq->principal;
    for (size_t i = 0; who && who->kind == EG_PRINCIPAL_JOB && i < c->pl->o.cluster_count; i++) {
        const eg_pipeline_cluster *m = &c->pl->o.clusters[i];
        if (strcmp(m->name, who->cluster) == 0 && eg_str_ieq(eg_str_of(m->tenant), eg_str_of(who->tenant))) {
            return m->subnet;
        }
    }
    return "";
}

eg_step_verdict eg_pipeline_job_network(eg_pipeline_request *c) {
    if (!c->owes_cluster) {
        return EG_STEP_NEXT;
    }
    const eg_account_flow f = {.account_id = c->rq->scope, .source_address = eg_str_of(c->rq->peer.address), .cluster_subnet = eg_str_of(subnet_of_job(c))};
    eg_decision d;
    eg_policy_account_network(c->policy, &f, &d);
    return d.allowed ? EG_STEP_NEXT : refuse_account(c, &d);
}

eg_err eg_pipeline_network_again(const eg_policy *pol, const eg_pipeline_request *c) {
    eg_decision d;
    decide_peer(pol, &c->rq->peer, &d);
    if (!d.allowed) {
        return EG_ERR_DENIED_NETWORK;
    }
    if (!of_account(c->rq)) {
        return EG_OK;
    }
    const eg_account_flow f = {.account_id = c->rq->scope, .source_address = eg_str_of(c->rq->peer.address),
                               .cluster_subnet = eg_str_of(c->rq->peer.on_this_machine ? subnet_of_job(c) : "")};
    eg_policy_account_network(pol, &f, &d);
    return d.allowed ? EG_OK : EG_ERR_DENIED_ACCOUNT_NETWORK;
}

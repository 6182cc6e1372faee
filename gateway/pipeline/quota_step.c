/* Asks the quotas for each request that is signed in and allowed, and tells them what it moved. */
#include "pipeline_request.h"

#include <embergate/metrics.h>

static eg_quota_use use_of(const eg_request *rq) {
    const eg_principal *who = rq->principal;
    /* Keys and signatures are nobody's: what they do counts for the tenant. */
    const bool somebody = who->kind == EG_PRINCIPAL_USER || who->kind == EG_PRINCIPAL_SERVICE || who->kind == EG_PRINCIPAL_JOB;
    return (eg_quota_use){.tenant = eg_str_of(who->tenant), .principal = somebody ? eg_str_of(who->object_id) : (eg_str){"", 0},
                          .cluster = rq->cluster.len > 0 ? rq->cluster : eg_str_of(who->cluster)};
}

/* Bodies that are lists of blocks, properties or deletions must pass where nothing fits any more. */
static bool brings_content(eg_request *rq) {
    eg_str comp = {"", 0};
    if (!eg_str_is(rq->method, "PUT")) {
        return eg_str_is(rq->method, "PATCH");
    }
    return eg_request_query(rq, "comp", &comp) == EG_ERR_NOT_FOUND || eg_str_is(comp, "block") || eg_str_is(comp, "appendblock");
}

/* A body that could not be kept is refused before it comes; the commit decides about all others (storage/stored_bytes.c). */
static eg_step_verdict check_room(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    const bool storage = rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB;
    if (!c->pl->o.has_room || !storage || rq->content_length <= 0 || !brings_content(rq) || c->pl->o.has_room(c->pl->o.room_ctx, rq->account, (uint64_t)rq->content_length)) {
        return EG_STEP_NEXT;
    }
    return eg_pipeline_refuse(c, eg_fail(&rq->problem, EG_ERR_STORED_QUOTA, "The quota of stored bytes of this account, or of its tenant, has no room for this."));
}

/* Azure's storage says ServerBusy, with 503, where others say 429. */
eg_step_verdict eg_pipeline_quota(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    const char *name = "";
    bool bytes = false;
    const eg_step_verdict room = check_room(c);
    if (room != EG_STEP_NEXT || !c->pl->o.quotas || !rq->principal) {
        return room;
    }
    const eg_quota_use u = use_of(rq);
    if (eg_quotas_take(c->pl->o.quotas, &u, &name, &bytes, &rq->retry_after_s)) {
        c->counted = true;
        return EG_STEP_NEXT;
    }
    eg_metric_add(bytes ? EG_METRIC_QUOTA_BYTES : EG_METRIC_QUOTA_REQUESTS, 1);
    const bool storage = rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB;
    return eg_pipeline_refuse(c, eg_fail(&rq->problem, storage ? EG_ERR_BUSY : EG_ERR_TOO_MANY_REQUESTS, "The quota \"%s\" of %s is used up; try again in %u s.", name,
                                         bytes ? "bytes" : "requests", rq->retry_after_s));
}

/* When the request is over: an answer of unknown length is not counted. */
void eg_pipeline_quota_spend(eg_pipeline_request *c) {
    const eg_request *rq = c->rq;
    const eg_response *r = &rq->response;
    if (c->counted) {
        const eg_quota_use u = use_of(rq);
        const bool head = eg_str_is(rq->method, "HEAD");
        eg_quotas_spend(c->pl->o.quotas, &u, c->received, head ? 0 : r->has_source ? (r->source.size > 0 ? (uint64_t)r->source.size : 0) : r->bytes.len);
    }
}

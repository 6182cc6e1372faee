/* Revocations over REST, for administrators of a tenant. */
#include "identity_state.h"

#include <embergate/actions.h>

#include <stdio.h>

#define BODY_MAX 24576 /* a token may be in it */

static eg_str by_path(const eg_request *rq) {
    return rq->params[0];
}

/* What the record says of it; never a token. */
static eg_err describe(eg_request *rq, const eg_revocation *r) {
    char until[EG_RFC3339_LEN] = "";
    if (r->kind == EG_REVOKE_PRINCIPAL && r->before_s > 0) {
        eg_time_rfc3339(r->before_s * 1000000000, until);
    }
    snprintf(rq->record_resource, sizeof rq->record_resource, "/identity/%s/revocations/%s/%s", r->tenant, eg_revocation_kind_name(r->kind), r->id);
    if (r->kind == EG_REVOKE_JOB) {
        snprintf(rq->record_job, sizeof rq->record_job, "%.63s", r->id);
    }
    rq->record_details = json_pack("{s:s,s:s,s:s,s:s}", "kind", eg_revocation_kind_name(r->kind), "id", r->id, "issuedUntil", until, "reason", r->reason);
    return rq->record_details ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err post(eg_request *rq) {
    eg_identity *i = rq->room;
    EG_JSON_AUTO asked = NULL;
    eg_revocation r = {0};
    EG_TRY(eg_json_parse(eg_bytes_str(rq->body), BODY_MAX, &asked, &rq->problem));
    EG_TRY(eg_identity_revocation_read(i, by_path(rq), asked, &r, &rq->problem));
    snprintf(r.by, sizeof r.by, "%s", rq->principal ? rq->principal->object_id : "");
    EG_TRY(describe(rq, &r));
    EG_TRY(eg_identity_revoke(i, &r, rq->ops->record_op(rq, 201), &rq->problem));
    return eg_respond_json(rq, 201, json_pack("{s:s,s:s,s:s}", "kind", eg_revocation_kind_name(r.kind), "id", r.id, "tenant", r.tenant));
}

static eg_err list(eg_request *rq) {
    eg_identity *i = rq->room;
    json_t *all = NULL;
    EG_TRY(eg_identity_revocations(i, rq->tenant, &all));
    return eg_respond_json(rq, 200, json_pack("{s:o}", "value", all));
}

static eg_err undo(eg_request *rq) {
    eg_identity *i = rq->room;
    eg_revocation r = {.kind = eg_revocation_kind_named(rq->params[1])};
    if (r.kind == EG_REVOKE_NONE || rq->params[2].len >= sizeof r.id) {
        return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "There is no such revocation.");
    }
    snprintf(r.tenant, sizeof r.tenant, "%.*s", EG_FMT(rq->tenant));
    snprintf(r.id, sizeof r.id, "%.*s", EG_FMT(rq->params[2]));
    EG_TRY(describe(rq, &r));
    EG_TRY(eg_identity_revoke_undo(i, &r, rq->ops->record_op(rq, 204), &rq->problem));
    return eg_respond_empty(rq, 204);
}

#define ROW(m, p, a, e, ev) .surface = EG_SURFACE_ARM, .method = m, .pattern = p, .action = a, .record = EG_RECORD_EACH, .flags = EG_ROUTE_BLOCKING, .end = e, .event = ev
static const eg_route routes[] = {
    {ROW("POST", "/identity/{tenant}/revocations", EG_ACTION_REVOKE, post, "identity.revoke"), .max_body = BODY_MAX},
    {ROW("GET", "/identity/{tenant}/revocations", EG_ACTION_REVOCATION_READ, list, "identity.revoke.list")},
    {ROW("DELETE", "/identity/{tenant}/revocations/{kind}/{id*}", EG_ACTION_REVOKE, undo, "identity.revoke.undo")},
};

const eg_route *eg_identity_admin_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

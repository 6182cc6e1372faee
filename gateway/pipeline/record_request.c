/* Holds each answer back until its audit record is durable; without the record the answer is 503. */
#include "pipeline_request.h"

#include <embergate/log.h>

#include <stdio.h>

typedef struct record_text { char tls[64]; } record_text;

static const char *outcome_of(int status, eg_err e) {
    if (e != EG_OK) {
        return eg_err_outcome(e);
    }
    return status < 400 ? "allowed" : status == 401 || status == 403 ? "denied" : "failed";
}

/* What adding up doesn't ask for is put together for records alone. */
static void add_text(const eg_request *rq, record_text *text, eg_audit_record *r) {
    snprintf(text->tls, sizeof text->tls, "%s %s", rq->peer.tls_version, rq->peer.tls_cipher);
    r->tls = eg_str_of(text->tls);
}

static void describe(const eg_pipeline_request *c, const eg_request *rq, int status, eg_err e, eg_audit_record *ret) {
    const eg_principal *who = rq->principal;
    *ret = (eg_audit_record){
        .tenant = rq->tenant.len > 0 || !who ? rq->tenant : eg_str_of(who->tenant),
        .event = rq->record_event ? rq->record_event : rq->route && rq->route->event ? rq->route->event : "request",
        .outcome = outcome_of(status, e),
        .actor = who,
        .on_behalf_of = eg_str_of(rq->record_on_behalf_of),
        .action = eg_str_of(rq->route && rq->route->action ? rq->route->action : ""),
        .account = rq->account,
        .resource = rq->record_resource[0] ? eg_str_of(rq->record_resource) : c->scope,
        .job = eg_str_of(rq->record_job[0] ? rq->record_job : who ? who->job : ""),
        .rule = eg_str_of(rq->decided_by),
        .policy_version = rq->policy_version,
        .error = e,
        .status = status,
        .request_id = eg_str_of(rq->request_id),
        .source_address = eg_str_of(rq->peer.address),
        .bytes = rq->record_bytes,
        .details = rq->record_details,
    };
}

static void fill_for(const eg_pipeline_request *c, const eg_request *rq, int status, eg_err e, record_text *text, eg_audit_record *ret) {
    describe(c, rq, status, e, ret);
    add_text(rq, text, ret);
}

static void fill(const eg_pipeline_request *c, int status, eg_err e, record_text *text, eg_audit_record *ret) {
    fill_for(c, c->rq, status, e, text, ret);
}

eg_txn_op eg_pipeline_record_part(const eg_request *part, int status, eg_err e) {
    const eg_pipeline_request *c = eg_pipeline_of(part);
    record_text text;
    eg_audit_record r;
    fill_for(c, part, status, e, &text, &r);
    return eg_audit_op(c->pl->o.audit, part->arena, &r);
}

/* The step succeeded inside the transaction; that it was also committed is seen from the handler's answer. */
static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_pipeline_request *c = ctx;
    /* What was revoked while this request was on its way is seen here: its commit lies before this one. */
    const eg_principal *const welcome[] = {c->held, c->user, c->source};
    const bool changed = c->mark != eg_identity_revocation_mark(c->pl->o.identity);
    for (size_t i = 0; changed && i < sizeof welcome / sizeof welcome[0]; i++) {
        EG_TRY(welcome[i] ? eg_identity_check_in(t, welcome[i], p) : EG_OK);
    }
    EG_TRY(c->op.apply(t, c->op.ctx, p));
    atomic_store(&c->op_applied, true);
    return EG_OK;
}

eg_txn_op eg_pipeline_record_op(eg_request *rq, int status) {
    eg_pipeline_request *c = eg_pipeline_of(rq);
    record_text text;
    eg_audit_record r;
    fill(c, status, EG_OK, &text, &r);
    if (rq->must_not_wait && !eg_audit_op_at_once(c->pl->o.audit, r.tenant)) {
        return (eg_txn_op){NULL, NULL};
    }
    c->op = eg_audit_op(c->pl->o.audit, rq->arena, &r);
    c->op_status = status;
    atomic_store(&c->op_applied, false);
    return (eg_txn_op){apply, c};
}

/* A handler that was told that the commit failed answers with an error, so the record of a success that nobody saw is not
 * counted; then, and when the answer is another than the one recorded, the journal gets a record of its own. */
static bool recorded_in_transaction(const eg_pipeline_request *c) {
    int status = c->rq->response.status;
    return atomic_load(&c->op_applied) && status == c->op_status && status < 400;
}

static void fail_closed(eg_pipeline_request *c, eg_err e) {
    eg_problem p = {0};
    c->closing = true;
    eg_log(EG_LOG_ERROR, "audit_record_failed", "request_id", c->rq->request_id, "error", eg_err_code(e), NULL);
    eg_pipeline_drop_answer(c->rq);
    eg_fail(&p, EG_ERR_AUDIT_UNAVAILABLE, "The audit log cannot be written, so the request is not answered.");
    eg_respond_problem(c->rq, EG_ERR_AUDIT_UNAVAILABLE, &p);
}

/* In the journal's thread. */
static void recorded(void *ctx, eg_err e) {
    eg_pipeline_request *c = ctx;
    if (e == EG_OK) {
        eg_pipeline_send(c);
    } else {
        fail_closed(c, e);
    }
}

static void append(eg_pipeline_request *c, const eg_audit_record *r) {
    eg_err e = eg_audit_append(c->pl->o.audit, r, recorded, c);
    if (e != EG_OK) {
        fail_closed(c, e);
    }
}

static bool is_success(const eg_response *r) {
    return r->status < 400 && r->error == EG_OK;
}

static void record(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    const eg_route *route = rq->route;
    eg_audit *audit = c->pl->o.audit;
    eg_err e = c->hidden != EG_OK ? c->hidden : rq->response.error;
    bool success = is_success(&rq->response);
    record_text text;
    eg_audit_record r;
    bool never = route && route->record == EG_RECORD_NONE && e == EG_OK;
    if (!never && !rq->principal && !success) {
        /* Nobody is known, so a flood of these costs the sender nothing: they are added up. */
        eg_audit_count_denial(audit, e != EG_OK ? e : EG_ERR_INVALID, eg_str_of(rq->peer.address), eg_str_of(rq->decided_by));
        eg_pipeline_send(c);
        return;
    }
    if (never) {
        eg_pipeline_send(c);
        return;
    }
    if (recorded_in_transaction(c)) {
        eg_audit_poke(audit);
        eg_pipeline_send(c);
        return;
    }
    describe(c, rq, rq->response.status, e, &r);
    bool repeated = route && (route->record == EG_RECORD_FIRST || route->record == EG_RECORD_AGGREGATE);
    if (repeated && success && !eg_audit_access(audit, &r)) {
        eg_pipeline_send(c);
        return;
    }
    add_text(rq, &text, &r);
    append(c, &r);
}

static void nobody_waits(void *ctx, eg_err e) {
    (void)ctx;
    if (e != EG_OK) {
        eg_log(EG_LOG_ERROR, "audit_record_failed", "error", eg_err_code(e), NULL);
    }
}

void eg_pipeline_record_broken(const eg_pipeline_request *c) {
    const eg_response *answer = &c->rq->response;
    const eg_err why = c->cut != EG_OK ? c->cut : answer->error;
    if (c->cut == EG_OK && (!c->good || c->closing || why == EG_OK)) {
        return;
    }
    record_text text;
    eg_audit_record r;
    eg_log(c->cut != EG_OK ? EG_LOG_WARN : EG_LOG_ERROR, c->cut != EG_OK ? "request_cut" : "answer_broken_off", "request_id", c->rq->request_id, "error",
           eg_err_code(why), NULL);
    fill(c, answer->status, why, &text, &r);
    eg_err e = eg_audit_append(c->pl->o.audit, &r, nobody_waits, NULL);
    if (e != EG_OK) {
        nobody_waits(NULL, e);
    }
}

/* No role granted it and the room asked nobody else: a handler forgot, and what it answers must not leave. */
static bool unasked(const eg_request *rq) {
    return (rq->way == EG_WAY_ACL || rq->bounds) && !rq->access_asked && is_success(&rq->response);
}

void eg_pipeline_respond(eg_request *rq) {
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (c->closing) {
        eg_pipeline_finish_headers(c);
        eg_pipeline_send(c);
        return;
    }
    const eg_storage_auth *a = &c->pl->o.storage_auth;
    if (rq->bounds && a->finish && is_success(&rq->response)) {
        a->finish(a->ctx, rq);
    }
    if (unasked(rq)) {
        eg_log(EG_LOG_ERROR, "access_not_asked", "request_id", rq->request_id, "route", rq->route->pattern, NULL);
        eg_pipeline_drop_answer(rq);
        eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "This request is not authorized to perform this operation using this permission.");
        eg_respond_problem(rq, EG_ERR_DENIED_DATA, &rq->problem);
        return;
    }
    if (atomic_exchange(&c->answered, true)) {
        eg_log(EG_LOG_ERROR, "answered_twice", "request_id", rq->request_id, NULL);
        return;
    }
    eg_pipeline_finish_headers(c);
    c->good = is_success(&rq->response);
    record(c);
}

/* The life of a request, as one table of steps, and what the door calls. */
#include "pipeline_request.h"

#include "../door/door.h"

#include <stdlib.h>

static const eg_request_ops ops = {
    .respond = eg_pipeline_respond,
    .record_op = eg_pipeline_record_op,
    .decide = eg_pipeline_decide_more,
    .decide_at = eg_pipeline_decide_at,
    .decide_for = eg_pipeline_decide_for,
    .record_part = eg_pipeline_record_part,
    .on_worker = eg_door_on_worker,
};

static eg_step_verdict step_route(eg_pipeline_request *c);
static eg_step_verdict step_ready(eg_pipeline_request *c);
static eg_step_verdict step_begin(eg_pipeline_request *c);

/* In order. Each step passes the request on, answers it, or waits to be asked again; recording and responding come with the answer
 * (record_request.c), whoever gives it. */
static const struct {
    const char *name;
    eg_step_verdict (*run)(eg_pipeline_request *c);
} steps[] = {
    {"route", step_route},
    {"network", eg_pipeline_network},
    {"authenticate", eg_pipeline_authenticate},
    {"job network", eg_pipeline_job_network},
    {"decide", eg_pipeline_authorize},
    {"comply", eg_pipeline_comply},
    {"quota", eg_pipeline_quota},
    {"ready", step_ready},
    {"begin", step_begin},
};

eg_step_verdict eg_pipeline_refuse(eg_pipeline_request *c, eg_err e) {
    eg_respond_problem(c->rq, e, c->rq->problem.code == e ? &c->rq->problem : NULL);
    return EG_STEP_STOP;
}

void eg_pipeline_run(eg_pipeline_request *c) {
    while (c->step < sizeof steps / sizeof steps[0]) {
        switch (steps[c->step].run(c)) {
        case EG_STEP_NEXT:
            c->step++;
            break;
        case EG_STEP_WAIT:
        case EG_STEP_STOP:
            return;
        }
    }
}

static eg_step_verdict step_route(eg_pipeline_request *c) {
    eg_err e = eg_router_route(c->pl->o.router, c->rq);
    return e == EG_OK ? EG_STEP_NEXT : eg_pipeline_refuse(c, e);
}

/* What need not be acted upon to be refused. */
static eg_step_verdict step_ready(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    if (rq->route->record != EG_RECORD_NONE && !eg_audit_healthy(c->pl->o.audit)) {
        return eg_pipeline_refuse(c, eg_fail(&rq->problem, EG_ERR_AUDIT_UNAVAILABLE, "The audit log cannot be written, so nothing is done."));
    }
    if (rq->content_length > 0 && (uint64_t)rq->content_length > rq->route->max_body) {
        return eg_pipeline_refuse(c, eg_fail(&rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "The body may have at most %zu bytes.", rq->route->max_body));
    }
    eg_buf_init(&c->body, rq->route->max_body);
    return EG_STEP_NEXT;
}

static void check_error(eg_pipeline_request *c, eg_err e) {
    if (e != EG_OK && !atomic_load(&c->answered)) {
        (void)eg_pipeline_refuse(c, e);
    }
}

static eg_step_verdict step_begin(eg_pipeline_request *c) {
    if (c->rq->route->begin) {
        check_error(c, c->rq->route->begin(c->rq));
    }
    if (!atomic_load(&c->answered)) {
        eg_door_proceed(c->rq);
    }
    return EG_STEP_NEXT;
}

/* The door's calls. */

static void unref(eg_pipeline_request *c) {
    if (atomic_fetch_sub(&c->refs, 1) == 1) {
        free(c);
    }
}

static bool app_admit(void *app, const eg_peer *peer) { return eg_pipeline_admits(app, peer); }

/* Without memory for a request of ours there is none for its shape either. */
static void answer_bare(eg_request *rq) {
    rq->response.status = 503;
    rq->response.error = EG_ERR_NO_MEMORY;
    eg_door_send(rq);
}

static void app_head(void *app, eg_request *rq) {
    eg_pipeline *pl = app;
    eg_pipeline_request *c = calloc(1, sizeof *c);
    rq->ops = &ops;
    rq->pipeline = c;
    if (!c) {
        answer_bare(rq);
        return;
    }
    atomic_init(&c->refs, 1);
    c->pl = pl;
    c->rq = rq;
    c->scope = (eg_str){"", 0};
    c->started_ns = eg_mono_ns(pl->o.clock);
    c->policy = eg_policy_watch_get(pl->o.policies);
    eg_pipeline_run(c);
}

static eg_err take_body(eg_pipeline_request *c, eg_bytes chunk) {
    const eg_route *route = c->rq->route;
    if (chunk.len > route->max_body - c->received) {
        return eg_fail(&c->rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "The body may have at most %zu bytes.", route->max_body);
    }
    c->received += chunk.len;
    return route->body ? route->body(c->rq, chunk) : eg_buf_add(&c->body, chunk.ptr, chunk.len);
}

static void app_body(void *app, eg_request *rq, eg_bytes chunk) {
    (void)app;
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (!c || atomic_load(&c->answered)) {
        return;
    }
    check_error(c, take_body(c, chunk));
    if (atomic_load(&c->answered)) {
        eg_door_pause(rq); /* the answer waits for its record: until then the door must keep the request */
    }
}

static void run_end(void *arg) {
    eg_pipeline_request *c = arg;
    eg_request *rq = c->rq;
    eg_err e = rq->route->end(rq);
    /* After an answer the door may have let rq go; c is still ours. */
    check_error(c, e);
    unref(c);
}

/* A short answer is given here: two threads that wake each other would cost more than the answer. False: in the pool, then. */
static bool tried_here(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    if (!(rq->route->flags & EG_ROUTE_TRY_FIRST)) {
        return false;
    }
    const size_t headers = rq->response.header_count;
    rq->must_not_wait = true;
    eg_err e = rq->route->end(rq);
    if (e != EG_ERR_BUSY || atomic_load(&c->answered)) {
        check_error(c, e);
        return true;
    }
    rq->must_not_wait = false;
    rq->response.header_count = headers;
    rq->problem = (eg_problem){0};
    return false;
}

static void app_end(void *app, eg_request *rq) {
    eg_pipeline *pl = app;
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (!c || atomic_load(&c->answered)) {
        return;
    }
    rq->body = eg_buf_bytes(&c->body);
    atomic_fetch_add(&c->refs, 1);
    if (!(rq->route->flags & EG_ROUTE_BLOCKING)) {
        run_end(c);
    } else if (tried_here(c)) {
        unref(c);
    } else if (eg_pool_submit(pl->o.pool, run_end, c) != EG_OK) {
        (void)eg_pipeline_refuse(c, eg_fail(&rq->problem, EG_ERR_BUSY, "The server has too much to do at the moment."));
        unref(c); /* last: once answered, the door may let go of its own reference */
    }
}

static void app_gone(void *app, eg_request *rq, bool sent) {
    (void)app;
    eg_pipeline_request *c = eg_pipeline_of(rq);
    if (c) {
        eg_pipeline_log(c, sent);
        eg_pipeline_record_broken(c);
        eg_pipeline_quota_spend(c);
    }
    if (rq->free_state) {
        rq->free_state(rq->state);
    }
    json_decref(rq->record_details);
    rq->pipeline = NULL;
    if (!c) {
        return;
    }
    eg_policy_unref(c->policy);
    eg_principal_unref(c->held);
    eg_principal_unref(c->user);
    eg_principal_unref(c->source);
    eg_buf_done(&c->body);
    unref(c);
}

eg_err eg_pipeline_new(const eg_pipeline_options *o, eg_pipeline **ret) {
    eg_pipeline *pl = calloc(1, sizeof *pl);
    if (!pl) {
        return EG_ERR_NO_MEMORY;
    }
    pl->o = *o;
    (void)eg_pipeline_sweep_due(pl);
    *ret = pl;
    return EG_OK;
}

void eg_pipeline_free(eg_pipeline *pl) {
    free(pl);
}

eg_door_app eg_pipeline_app(eg_pipeline *pl) {
    return (eg_door_app){.admit = app_admit, .head = app_head, .body = app_body, .end = app_end, .gone = app_gone, .still = eg_pipeline_still, .app = pl};
}

void eg_pipeline_refused(void *app, const eg_peer *peer, eg_err why) {
    eg_pipeline *pl = app;
    eg_audit_count_failure(pl->o.audit, why, eg_str_of(peer->address));
}

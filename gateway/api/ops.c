/* /healthz and /metrics. */
#include "ops.h"

#include <embergate/actions.h>
#include <embergate/metrics.h>

#include <stdlib.h>

struct eg_ops {
    eg_ops_options o;
};

eg_err eg_ops_new(const eg_ops_options *o, eg_ops **ret) {
    eg_ops *ops = calloc(1, sizeof *ops);
    if (!ops) {
        return EG_ERR_NO_MEMORY;
    }
    ops->o = *o;
    *ret = ops;
    return EG_OK;
}

void eg_ops_free(eg_ops *o) {
    free(o);
}

static bool is_loopback(const eg_request *rq) {
    return strncmp(rq->peer.address, "127.", 4) == 0 || strcmp(rq->peer.address, "::1") == 0 || strncmp(rq->peer.address, "::ffff:127.", 11) == 0;
}

static void add_policies(const eg_ops *ops, json_t *to) {
    if (!ops->o.watch) {
        return;
    }
    eg_problem p = {0};
    eg_policy *in_force = eg_policy_watch_get(ops->o.watch);
    bool fine = eg_policy_watch_state(ops->o.watch, &p) == EG_OK;
    json_t *v = json_pack("{s:I,s:b}", "version", (json_int_t)eg_policy_version(in_force), "current", fine);
    eg_policy_unref(in_force);
    if (!fine) {
        json_object_set_new(v, "refused", json_string(p.message));
        json_object_set_new(v, "where", json_string(p.where));
    }
    json_object_set_new(to, "policies", v);
}

static void add_clusters(const eg_ops *ops, json_t *to) {
    json_t *missing = json_array(), *v = ops->o.compute ? eg_compute_health(ops->o.compute) : NULL;
    json_t *clusters = json_object_get(v, "clusters");
    if (clusters) {
        json_object_set(to, "clusters", clusters);
    }
    json_array_extend(missing, json_object_get(v, "isolation"));
    json_decref(v);
    json_object_set_new(to, "isolation_missing", missing);
}

/* News for an administrator, like a refused policy: the rest is served. */
static void add_disabled(const eg_ops *ops, json_t *to) {
    json_t *v = ops->o.compliance ? eg_compliance_watch_disabled(ops->o.compliance) : NULL;
    if (v) {
        json_object_set_new(to, "disabled", v);
    }
}

static void add_stored(const eg_ops *ops, json_t *to) {
    json_t *v = ops->o.stored ? ops->o.stored(ops->o.stored_ctx) : NULL;
    if (v) {
        json_object_set_new(to, "storage", v);
    }
}

static void add_witnesses(const eg_ops *ops, json_t *to) {
    json_t *v = ops->o.witnesses ? ops->o.witnesses(ops->o.witnesses_ctx) : NULL;
    if (v) {
        json_object_set_new(to, "witnesses", v);
    }
}

static void add_details(const eg_ops *ops, bool of_a_principal, json_t *to) {
    json_object_set_new(to, "version", json_string(EG_VERSION));
    if (ops->o.audit) {
        json_object_set_new(to, "audit", json_pack("{s:b}", "healthy", eg_audit_healthy(ops->o.audit)));
    }
    add_witnesses(ops, to);
    add_policies(ops, to);
    add_clusters(ops, to);
    add_disabled(ops, to);
    if (of_a_principal) {
        add_stored(ops, to);
    }
    if (ops->o.pool) {
        json_object_set_new(to, "pool", json_pack("{s:I}", "queued", (json_int_t)eg_pool_queued(ops->o.pool)));
    }
}

/* A refused policy directory is news for an operator, but the old policy decides: the gateway serves, and is well. */
static eg_err healthz(eg_request *rq) {
    const eg_ops *ops = rq->room;
    const bool open = rq->route->flags & EG_ROUTE_PUBLIC, brief = open && !(ops->o.loopback && is_loopback(rq));
    if (rq->must_not_wait && !brief) {
        return EG_ERR_BUSY;
    }
    const bool fine = !ops->o.audit || eg_audit_healthy(ops->o.audit);
    json_t *v = json_pack("{s:s}", "status", fine ? "ok" : "degraded");
    if (v && !brief) {
        add_details(ops, !open, v);
    }
    return v ? eg_respond_json(rq, fine ? 200 : 503, v) : EG_ERR_NO_MEMORY;
}

static eg_err metrics(eg_request *rq) {
    const eg_ops *ops = rq->room;
    eg_buf text;
    eg_buf_init(&text, (size_t)1 << 20);
    json_decref(ops->o.stored ? ops->o.stored(ops->o.stored_ctx) : NULL);
    eg_err e = eg_metrics_render(&text);
    if (e != EG_OK) {
        eg_buf_done(&text);
        return e;
    }
    return eg_respond_owned(rq, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* Jobs are loopback peers too: who is on this machine is no better than others, unless the configuration says so. */
#define ROWS(open)                                                                                                                              \
    {                                                                                                                                           \
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/healthz", .record = EG_RECORD_NONE, .flags = EG_ROUTE_PUBLIC | EG_ROUTE_BLOCKING | EG_ROUTE_TRY_FIRST, \
         .end = healthz},                                                                                                                       \
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/healthz/details", .action = EG_ACTION_METRICS_READ, .record = EG_RECORD_NONE, \
         .flags = EG_ROUTE_BLOCKING | (open), .end = healthz},                                                                                  \
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/metrics", .action = EG_ACTION_METRICS_READ, .record = EG_RECORD_NONE,         \
         .flags = (open), .end = metrics},                                                                                                      \
    }

static const eg_route routes[2][3] = {ROWS(0), ROWS(EG_ROUTE_LOOPBACK)};

const eg_route *eg_ops_routes(size_t *ret_n) {
    *ret_n = sizeof routes[0] / sizeof routes[0][0];
    return routes[0];
}

const eg_route *eg_ops_routes_loopback(size_t *ret_n) {
    *ret_n = sizeof routes[1] / sizeof routes[1][0];
    return routes[1];
}

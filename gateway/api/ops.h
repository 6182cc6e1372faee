/* /healthz and /metrics, for operators and their monitoring. */
#ifndef EMBERGATE_OPS_H
#define EMBERGATE_OPS_H

#include "../pipeline/compliance_watch.h"
#include "../pipeline/policy_watch.h"

#include <embergate/compute.h>
#include <embergate/http.h>

typedef struct eg_ops eg_ops;

/* All borrowed for the life of eg_ops; any may be NULL, then /healthz leaves the part out. */
typedef struct eg_ops_options {
    eg_policy_watch *watch;
    eg_compliance_watch *compliance;       /* what a policy assignment disables */
    const eg_audit *audit;
    eg_compute *compute;                   /* clusters, and what they lack of isolation */
    json_t *(*stored)(void *stored_ctx);   /* what each account has stored; brings its metric to now */
    void *stored_ctx;
    json_t *(*witnesses)(void *witnesses_ctx); /* what they say of the audit logs */
    void *witnesses_ctx;
    eg_pool *pool;                         /* how much waits */
    bool loopback;                         /* peers on this machine see details without a token */
} eg_ops_options;

eg_err eg_ops_new(const eg_ops_options *o, eg_ops **ret) EG_MUST_CHECK;
void eg_ops_free(eg_ops *o);
/* room = eg_ops*. /healthz is public: 200 {"status":"ok"} or 503 {"status":"degraded"}. /healthz/details and /metrics are for whoever has
 * EG_ACTION_METRICS_READ. */
const eg_route *eg_ops_routes(size_t *ret_n);
/* The same, but peers on a loopback address need no token; with `loopback` in the options, so that /healthz tells them details too. */
const eg_route *eg_ops_routes_loopback(size_t *ret_n);

#endif

/* From a request's host, path, method and query to the row of a room's route table that serves it. */
#ifndef EMBERGATE_ROUTER_H
#define EMBERGATE_ROUTER_H

#include <embergate/http.h>

typedef struct eg_router eg_router;

/* All text is borrowed for the life of the router. */
typedef struct eg_router_tenant {
    eg_str id;
    eg_str scope;     /* "/subscriptions/{s}": where access to its audit log is decided */
} eg_router_tenant;

typedef struct eg_router_resource {
    eg_str name;
    eg_str tenant;
    eg_str scope;     /* resource id */
} eg_router_resource;

typedef struct eg_router_options {
    eg_str domain;                       /* {account}.dfs.{domain}, {cluster}.{domain}; len 0 = none */
    const char *const *storage_domains;  /* more of them, for storage alone; NULL-terminated, NULL = none; borrowed */
    const char *const *names;            /* further names of the gateway itself, NULL-terminated; may be NULL */
    const eg_router_tenant *tenants;     /* the first is the server's own: health, metrics and its log belong to it */
    size_t tenant_count;
    const eg_router_resource *clusters;  /* the first is the default */
    size_t cluster_count;
    const eg_router_resource *accounts;
    size_t account_count;
    eg_str default_account;              /* name; len 0 = none */
} eg_router_options;

eg_router *eg_router_new(const eg_router_options *o);  /* NULL without memory */
void eg_router_free(eg_router *r);
EG_DEFINE_CLEANUP(eg_router, eg_router_free)

/* The rows of `routes` (borrowed) that speak `surface` are served by `room`, after those that were mounted before.
 * EG_ERR_INVALID: a row is malformed, which is a programmer's mistake; the problem names its pattern. */
eg_err eg_router_mount(eg_router *r, eg_surface surface, const eg_route *routes, size_t n, void *room, eg_problem *p) EG_MUST_CHECK;

/* Sets what http.h says that route sets; rq->surface is set in any case, so that refusals have the right shape, and so is an
 * Allow header with EG_ERR_METHOD. A cluster or account that does not exist leaves rq->tenant empty: it is nobody's, and the decision
 * answers it like another tenant's.
 * EG_ERR_HTTP_TARGET, _PATH_INVALID, _HOST_UNKNOWN, _HTTP_HEADER, _QUERY, _ROUTE_UNKNOWN, _METHOD, _NOT_BUILT, _STORAGE_NOT_BUILT, _LIMIT. */
eg_err eg_router_route(const eg_router *r, eg_request *rq) EG_MUST_CHECK;

/* router_place.c: surface, tenant, scope and rq->path of a host and a decoded path. For router.c and its tests. */
const eg_router_options *eg_router_config(const eg_router *r);
eg_err eg_router_place(const eg_router *r, eg_request *rq) EG_MUST_CHECK;

/* router_protocol.c: DFS or BLOB. `host`: which of them the host name is for; OPS = it is for both. */
eg_surface eg_router_protocol(const eg_request *rq, eg_surface host);

/* router_match.c */
bool eg_router_pattern_valid(const char *pattern);
/* fold: literal segments without regard to case. */
bool eg_router_pattern_matches(const char *pattern, eg_str path, bool fold, eg_str params[EG_ROUTE_PARAMS_MAX]);

#endif

/* What conditions of assignments may ask of a request: the container, the path, the listing's prefix, the time. */
#include "pipeline_request.h"

static bool query_is(eg_request *rq, const char *name, const char *value) {
    eg_str v;
    return eg_request_query(rq, name, &v) == EG_OK && eg_str_is(v, value);
}

/* Only what the router takes for one: with the path of a blob these parameters mean nothing, and reading must not pass for listing. */
static bool is_listing(eg_request *rq, bool of_blob) {
    return !of_blob && eg_str_is(rq->method, "GET") && (rq->surface == EG_SURFACE_DFS ? query_is(rq, "resource", "filesystem") : query_is(rq, "comp", "list"));
}

/* Of what the protocol's own listing goes by; what it ignores (the other's parameter, slashes before a directory) says nothing here either. */
static eg_str prefix_of(eg_request *rq) {
    const bool dfs = rq->surface == EG_SURFACE_DFS;
    eg_str v;
    if (eg_request_query(rq, dfs ? "directory" : "prefix", &v) != EG_OK) {
        return (eg_str){NULL, 0};
    }
    while (dfs && v.len > 0 && v.ptr[0] == '/') {
        v = (eg_str){v.ptr + 1, v.len - 1};
    }
    return v;
}

eg_access eg_pipeline_access(eg_request *rq, const char *action, bool data_action, eg_str scope) {
    eg_access a = {.who = rq->principal, .resource_tenant = rq->tenant, .action = eg_str_of(action), .data_action = data_action, .scope = scope,
                   .now_ns = rq->received_ns};
    if (rq->peer.subnet[0]) {
        a.subnet = eg_str_of(rq->peer.subnet);
    }
    if (rq->surface != EG_SURFACE_DFS && rq->surface != EG_SURFACE_BLOB) {
        return a;
    }
    eg_str rest = rq->path;
    if (rest.len > 0 && rest.ptr[0] == '/') {
        rest = (eg_str){rest.ptr + 1, rest.len - 1};
    }
    const eg_str container = eg_str_cut(&rest, '/');
    a.account = rq->account;
    if (container.len > 0) {
        a.container = container;
    }
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/') {
        rest.len--; /* as handlers do: "a/" is "a" to a condition, too */
    }
    if (rest.ptr && rest.len > 0) {
        a.path = rest;
    }
    if (is_listing(rq, a.path.len > 0)) {
        a.sub_operation = EG_LIT("Blob.List");
        a.prefix = prefix_of(rq);
    }
    return a;
}

/* What conditions of assignments may ask of a request: the container, the path, the listing's prefix, the time. */
#include "pipeline_request.h"

static eg_str first_query(eg_request *rq, const char *const *names) {
    eg_str v;
    for (; *names; names++) {
        if (eg_request_query(rq, *names, &v) == EG_OK) {
            return v;
        }
    }
    return (eg_str){NULL, 0};
}

static bool is_listing(eg_request *rq) {
    eg_str v;
    return eg_str_is(rq->method, "GET") && ((eg_request_query(rq, "comp", &v) == EG_OK && eg_str_is(v, "list")) ||
                                            (eg_request_query(rq, "resource", &v) == EG_OK && eg_str_is(v, "filesystem")));
}

eg_access eg_pipeline_access(eg_request *rq, const char *action, bool data_action, eg_str scope) {
    static const char *const prefixes[] = {"prefix", "directory", NULL};
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
    if (rest.ptr && rest.len > 0) {
        a.path = rest;
    }
    if (is_listing(rq)) {
        a.sub_operation = EG_LIT("Blob.List");
        a.prefix = first_query(rq, prefixes);
    }
    return a;
}

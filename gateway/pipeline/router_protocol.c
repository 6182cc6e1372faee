/* Which of the two storage protocols a request speaks: in path style both share one address, and the SDKs for the Data Lake send some
 * requests of the Blob API to whichever name they were given. */
#include "router.h"

/* Parameters and headers that only one of the protocols has. */
static const struct { const char *name; eg_surface surface; } parameters[] = {
    {"resource", EG_SURFACE_DFS}, {"action", EG_SURFACE_DFS}, {"recursive", EG_SURFACE_DFS}, {"continuation", EG_SURFACE_DFS},
    {"restype", EG_SURFACE_BLOB}, {"comp", EG_SURFACE_BLOB}, {"snapshot", EG_SURFACE_BLOB}, {"versionid", EG_SURFACE_BLOB},
};
static const struct { const char *name; eg_surface surface; } headers[] = {
    {"x-ms-rename-source", EG_SURFACE_DFS},
    {"x-ms-blob-type", EG_SURFACE_BLOB}, {"x-ms-copy-source", EG_SURFACE_BLOB},
};

static bool has_parameter(eg_str query, const char *name) {
    while (query.ptr && query.len > 0) {
        eg_str pair = eg_str_cut(&query, '&');
        if (eg_str_is(eg_str_cut(&pair, '='), name)) {
            return true;
        }
    }
    return false;
}

/* RFC 9110 section 12.5.1: what the peer can read is the best hint when the request is the same in both. */
static bool accepts(const eg_request *rq, eg_str type) {
    const eg_str accept = eg_request_header(rq, "Accept");
    for (size_t i = 0; i + type.len <= accept.len; i++) {
        if (memcmp(accept.ptr + i, type.ptr, type.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Go's SDK sends a blob's DELETE without Accept and takes 202 alone for success; whoever means the Data Lake API says `recursive` or accepts JSON. */
static eg_surface by_accept(const eg_request *rq) {
    const bool deletes = eg_str_is(rq->method, "DELETE") && !accepts(rq, EG_LIT("application/json"));
    return deletes || accepts(rq, EG_LIT("application/xml")) ? EG_SURFACE_BLOB : EG_SURFACE_DFS;
}

eg_surface eg_router_protocol(const eg_request *rq, eg_surface host) {
    if (eg_str_is(rq->method, "PATCH") || eg_request_header(rq, "X-HTTP-Method-Override").ptr) {
        return EG_SURFACE_DFS;
    }
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (has_parameter(rq->query, parameters[i].name)) {
            return parameters[i].surface;
        }
    }
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (eg_request_header(rq, headers[i].name).ptr) {
            return headers[i].surface;
        }
    }
    return host != EG_SURFACE_OPS ? host : by_accept(rq);
}

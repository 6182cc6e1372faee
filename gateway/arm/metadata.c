/* The cloud metadata document: where a client of this cloud signs in, and what its other endpoints are called. */
#include "arm_state.h"

#include <stdio.h>

/* {host}[:port] of the public address, without its scheme. */
static eg_str authority(const eg_config *c) {
    eg_str url = eg_str_of(c->public_url);
    return eg_str_starts(url, "https://") ? (eg_str){url.ptr + 8, url.len - 8} : url;
}

/* Storage accounts are at {account}.blob.{suffix}: the domain with the port of the public address. */
static json_t *suffixes(const eg_config *c) {
    json_t *v = json_object();
    eg_str host = authority(c), port = host;
    if (host.len > 0 && host.ptr[0] == '[') {
        (void)eg_str_cut(&port, ']');
    }
    (void)eg_str_cut(&port, ':');
    if (v && c->domain[0]) {
        (void)json_object_set_new(v, "storage", json_sprintf("%s%s%.*s", c->domain, port.ptr ? ":" : "", EG_FMT(port)));
    }
    return v;
}

/* As the document of 2022-09-01 has it. Graph's address is the gateway's own too: az asks there for the names of principals. */
static json_t *document(const eg_arm *a) {
    const eg_config *c = a->o.config;
    json_t *v = json_pack("{s:s,s:s,s:{s:s,s:[s,s],s:s,s:s},s:o}", "name", "embergate", "portal", c->public_url, "authentication", "loginEndpoint", c->public_url,
                          "audiences", "https://management.core.windows.net/", "https://management.azure.com/", "tenant",
                          c->tenant_count == 1 ? c->tenants[0].id : "common", "identityProvider", "AAD", "suffixes", suffixes(c));
    static const char *const slashed[] = {"resourceManager", "graph", "graphAudience", "microsoftGraphResourceId", "gallery", "batch", "media", "sqlManagement"};
    for (size_t i = 0; v && i < sizeof slashed / sizeof slashed[0]; i++) {
        if (json_object_set_new(v, slashed[i], json_sprintf("%s/", c->public_url)) != 0) {
            json_decref(v);
            v = NULL;
        }
    }
    return v;
}

/* Older versions of the document are a list of clouds. */
eg_err eg_arm_metadata(eg_request *rq) {
    eg_str version;
    json_t *v = document(rq->room);
    EG_TRY(eg_request_query(rq, "api-version", &version));
    if (v && (eg_str_starts(version, "2019-") || eg_str_starts(version, "2020-"))) {
        v = json_pack("[o]", v);
    }
    return eg_respond_json(rq, 200, v);
}

/* Where a request belongs: its surface, resource and the path within it, from host name and decoded path. */
#include "router.h"

#include <embergate/crypto.h>

#include <arpa/inet.h>

typedef enum host_kind { HOST_UNKNOWN = 0, HOST_GENERAL, HOST_CLUSTER, HOST_DFS, HOST_BLOB } host_kind;

static bool is_address(eg_str host) {
    char z[INET6_ADDRSTRLEN + 1];
    uint8_t unused[16];
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = (eg_str){host.ptr + 1, host.len - 2};
    }
    if (host.len == 0 || host.len >= sizeof z) {
        return false;
    }
    memcpy(z, host.ptr, host.len);
    z[host.len] = '\0';
    return inet_pton(AF_INET, z, unused) == 1 || inet_pton(AF_INET6, z, unused) == 1;
}

/* The one label before ".{middle}{domain}"; len 0 = the host isn't of that form. */
static eg_str label_before(eg_str host, const char *middle, eg_str domain) {
    size_t tail = strlen(middle) + domain.len;
    if (domain.len == 0 || host.len <= tail || !eg_str_ieq((eg_str){host.ptr + host.len - domain.len, domain.len}, domain) ||
        !eg_str_ieq((eg_str){host.ptr + host.len - tail, strlen(middle)}, eg_str_of(middle))) {
        return (eg_str){NULL, 0};
    }
    eg_str label = {host.ptr, host.len - tail};
    return memchr(label.ptr, '.', label.len) ? (eg_str){NULL, 0} : label;
}

static host_kind classify(const eg_router_options *o, eg_str host, eg_str *ret_label) {
    static const struct { const char *middle; host_kind kind; } forms[] = {{".dfs.", HOST_DFS}, {".blob.", HOST_BLOB}, {".", HOST_CLUSTER}};
    *ret_label = (eg_str){NULL, 0};
    if (is_address(host) || eg_str_ieq(host, EG_LIT("localhost")) || (o->domain.len > 0 && eg_str_ieq(host, o->domain))) {
        return HOST_GENERAL;
    }
    for (size_t i = 0; o->names && o->names[i]; i++) {
        if (eg_str_ieq(host, eg_str_of(o->names[i]))) {
            return HOST_GENERAL;
        }
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        *ret_label = label_before(host, forms[i].middle, o->domain);
        for (size_t k = 0; ret_label->len == 0 && forms[i].kind != HOST_CLUSTER && o->storage_domains && o->storage_domains[k]; k++) {
            *ret_label = label_before(host, forms[i].middle, eg_str_of(o->storage_domains[k]));
        }
        if (ret_label->len > 0) {
            return forms[i].kind;
        }
    }
    return HOST_UNKNOWN;
}

static const eg_router_resource *find(const eg_router_resource *v, size_t n, eg_str name) {
    for (size_t i = 0; i < n; i++) {
        if (eg_str_ieq(v[i].name, name)) {
            return &v[i];
        }
    }
    return NULL;
}

/* The first segment of a path, and what follows it: "/" when nothing does. */
static eg_str first_segment(eg_str path, eg_str *ret_rest) {
    eg_str rest = {path.ptr + 1, path.len - 1};
    eg_str segment = eg_str_cut(&rest, '/');
    *ret_rest = rest.ptr ? (eg_str){rest.ptr - 1, rest.len + 1} : EG_LIT("/");
    return segment;
}

static void give(eg_request *rq, eg_surface surface, const eg_router_resource *resource, eg_str path) {
    rq->surface = surface;
    rq->path = path;
    rq->tenant = resource ? resource->tenant : (eg_str){"", 0};
    rq->scope = resource ? resource->scope : (eg_str){"", 0};
}

static eg_err place_livy(const eg_router_options *o, eg_request *rq, eg_str cluster, eg_str path) {
    const eg_router_resource *c = cluster.ptr ? find(o->clusters, o->cluster_count, cluster) : o->cluster_count > 0 ? &o->clusters[0] : NULL;
    give(rq, EG_SURFACE_LIVY, c, path);
    rq->cluster = c ? c->name : cluster.ptr ? cluster : (eg_str){"", 0};
    return EG_OK;
}

static eg_err place_storage(const eg_router_options *o, eg_request *rq, eg_surface surface, eg_str account, eg_str path) {
    const eg_router_resource *a = find(o->accounts, o->account_count, account);
    give(rq, surface, a, path);
    rq->account = a ? a->name : account;
    return EG_OK;
}

static void give_tenant(const eg_router_options *o, eg_request *rq, eg_str id) {
    for (size_t i = 0; i < o->tenant_count; i++) {
        if (eg_str_ieq(o->tenants[i].id, id)) {
            rq->tenant = o->tenants[i].id;
            rq->scope = o->tenants[i].scope;
        }
    }
}

static void give_home(const eg_router_options *o, eg_request *rq) {
    if (o->tenant_count > 0) {
        give_tenant(o, rq, o->tenants[0].id);
    }
}

static eg_err place_default_livy(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    return place_livy(o, rq, label, rest);
}

/* /clusters/{name}/livy/… */
static eg_err place_named_livy(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    eg_str name = first_segment(rest, &rest);
    eg_str api = first_segment(rest, &rest);
    if (name.len == 0 || !eg_str_is(api, "livy")) {
        return eg_fail(&rq->problem, EG_ERR_ROUTE_UNKNOWN, "A cluster's jobs are at /clusters/{name}/livy.");
    }
    if (label.ptr && !eg_str_ieq(label, name)) {
        return eg_fail(&rq->problem, EG_ERR_ROUTE_UNKNOWN, "This host name belongs to another cluster.");
    }
    return place_livy(o, rq, name, rest);
}

/* /audit/{log}/…: a tenant's id, or "server", which belongs to the server's own tenant. */
static eg_err place_audit(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    (void)label;
    eg_str unused;
    eg_str log = first_segment(rest, &unused);
    give(rq, EG_SURFACE_AUDIT, NULL, rest);
    if (eg_str_is(log, "server")) {
        give_home(o, rq);
    } else {
        give_tenant(o, rq, log);
    }
    return EG_OK;
}

/* /identity/{tenant}/… */
static eg_err place_identity(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    (void)label;
    eg_str unused;
    give(rq, EG_SURFACE_ARM, NULL, rq->path);
    give_tenant(o, rq, first_segment(rest, &unused));
    return EG_OK;
}

static eg_err place_ops(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    (void)label;
    (void)rest;
    give_home(o, rq);
    return EG_OK;
}

/* "/subscriptions/{wanted}[/…]" */
static bool in_subscription(eg_str scope, eg_str wanted) {
    eg_str rest, unused;
    return scope.len > 1 && wanted.len > 0 && eg_str_ieq(first_segment(scope, &rest), EG_LIT("subscriptions")) && eg_str_ieq(first_segment(rest, &unused), wanted);
}

static bool give_subscription(const eg_router_resource *v, size_t n, eg_str wanted, eg_request *rq) {
    for (size_t i = 0; i < n; i++) {
        if (in_subscription(v[i].scope, wanted)) {
            rq->tenant = v[i].tenant;
            rq->scope = rq->path;
            return true;
        }
    }
    return false;
}

static eg_err place_arm(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    (void)label;
    eg_str unused, wanted = first_segment(rest, &unused);
    for (size_t i = 0; i < o->tenant_count; i++) {
        if (in_subscription(o->tenants[i].scope, wanted)) {
            rq->tenant = o->tenants[i].id;
            rq->scope = rq->path;
            return EG_OK;
        }
    }
    if (!give_subscription(o->clusters, o->cluster_count, wanted, rq)) {
        (void)give_subscription(o->accounts, o->account_count, wanted, rq);
    }
    return EG_OK;
}

/* What stands above all subscriptions belongs to the asker's own tenant. */
static eg_err place_arm_root(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest) {
    (void)o;
    (void)rq;
    (void)label;
    (void)rest;
    return EG_OK;
}

/* Resource Manager's parameter, which no storage request has: "tenants" and the like may be containers' names too. */
static bool has_api_version(const eg_request *rq) {
    eg_str rest = rq->query;
    while (rest.ptr && rest.len > 0) {
        eg_str pair = eg_str_cut(&rest, '&');
        if (eg_str_ieq(eg_str_cut(&pair, '='), EG_LIT("api-version"))) {
            return true;
        }
    }
    return false;
}

/* What the first segment means on the gateway's own names. These names can't be those of containers there. */
static const struct {
    const char *first;
    eg_surface surface;
    eg_err (*place)(const eg_router_options *o, eg_request *rq, eg_str label, eg_str rest);
    bool (*asks)(const eg_request *rq);   /* NULL = whatever it asks */
} places[] = {
    {"livy", EG_SURFACE_LIVY, place_default_livy, NULL},
    {"clusters", EG_SURFACE_LIVY, place_named_livy, NULL},
    {"audit", EG_SURFACE_AUDIT, place_audit, NULL},
    {"healthz", EG_SURFACE_OPS, place_ops, NULL},
    {"metrics", EG_SURFACE_OPS, place_ops, NULL},
    {"identity", EG_SURFACE_ARM, place_identity, NULL},
    {"subscriptions", EG_SURFACE_ARM, place_arm, NULL},
    {"providers", EG_SURFACE_ARM, place_arm_root, has_api_version},
    {"tenants", EG_SURFACE_ARM, place_arm_root, has_api_version},
    {"metadata", EG_SURFACE_ARM, place_arm_root, has_api_version},
    {"v1.0", EG_SURFACE_ARM, place_arm_root, NULL}, /* Graph's; no container's name has a dot */
};

static bool is_oauth(eg_str first, eg_str rest) {
    eg_str unused, second = first_segment(rest, &unused);
    return eg_uuid_valid(first) && (eg_str_is(second, "oauth2") || eg_str_is(second, "v2.0") || eg_str_is(second, "discovery"));
}

/* Path style: /{account}/{container}/…, else the default account's /{container}/…. */
static eg_err place_by_path(const eg_router_options *o, eg_request *rq, eg_str first, eg_str rest) {
    if (find(o->accounts, o->account_count, first)) {
        return place_storage(o, rq, eg_router_protocol(rq, EG_SURFACE_OPS), first, rest);
    }
    /* "/" alone is nobody's; with a query it asks the account for its containers. */
    if (o->default_account.len == 0 || (first.len == 0 && rq->query.len == 0)) {
        return eg_fail(&rq->problem, EG_ERR_ROUTE_UNKNOWN, "Nothing is served at this path.");
    }
    return place_storage(o, rq, eg_router_protocol(rq, EG_SURFACE_OPS), o->default_account, rq->path);
}

eg_err eg_router_place(const eg_router *r, eg_request *rq) {
    const eg_router_options *o = eg_router_config(r);
    eg_str label, rest, path = rq->path;
    host_kind host = classify(o, rq->host, &label);
    if (host == HOST_UNKNOWN) {
        return eg_fail(&rq->problem, EG_ERR_HOST_UNKNOWN, "This gateway does not serve the host name of the request.");
    }
    if (host == HOST_DFS || host == HOST_BLOB) {
        return place_storage(o, rq, eg_router_protocol(rq, host == HOST_DFS ? EG_SURFACE_DFS : EG_SURFACE_BLOB), label, path);
    }
    eg_str first = first_segment(path, &rest);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const bool arm = places[i].surface == EG_SURFACE_ARM;
        if ((arm ? eg_str_ieq(first, eg_str_of(places[i].first)) : eg_str_is(first, places[i].first)) && (!places[i].asks || places[i].asks(rq))) {
            rq->surface = places[i].surface;
            return places[i].place(o, rq, label, rest);
        }
    }
    if (is_oauth(first, rest)) {
        rq->surface = EG_SURFACE_OAUTH;
        give_tenant(o, rq, first);
        return EG_OK;
    }
    if (host == HOST_CLUSTER) {
        return eg_fail(&rq->problem, EG_ERR_ROUTE_UNKNOWN, "Nothing is served at this path of a cluster's host name.");
    }
    return place_by_path(o, rq, first, rest);
}

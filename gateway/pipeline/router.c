/* Finds the route of a request: decodes its path once, places it, and looks through the rows of its surface. */
#include "router.h"

#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

#define MOUNTS_MAX 32
#define QUERY_NAMES_MAX 16

typedef struct mount {
    eg_surface surface;
    const eg_route *routes;
    size_t n;
    void *room;
} mount;

struct eg_router {
    eg_router_options options;
    mount mounts[MOUNTS_MAX];
    size_t mount_count;
};

eg_router *eg_router_new(const eg_router_options *o) {
    eg_router *r = calloc(1, sizeof *r);
    if (r) {
        r->options = *o;
    }
    return r;
}

void eg_router_free(eg_router *r) {
    free(r);
}

const eg_router_options *eg_router_config(const eg_router *r) {
    return &r->options;
}

/* A row that a wall would be missing from is refused at start, not found by an attacker. */
static eg_err check_row(const eg_route *row, eg_problem *p) {
    bool open = row->flags & (EG_ROUTE_PUBLIC | EG_ROUTE_ANY_PRINCIPAL);
    const char *why = !row->pattern || !eg_router_pattern_valid(row->pattern) ? "its pattern is malformed"
                      : !row->method || !row->end                             ? "it lacks a method or an end"
                      : !row->action && !open                                 ? "it has no action and is not open to all"
                      : !row->event && row->record != EG_RECORD_NONE          ? "its audit record would have no event"
                                                                              : NULL;
    return why ? eg_fail(p, EG_ERR_INVALID, "The route %s is malformed: %s.", row->pattern ? row->pattern : "?", why) : EG_OK;
}

eg_err eg_router_mount(eg_router *r, eg_surface surface, const eg_route *routes, size_t n, void *room, eg_problem *p) {
    if (r->mount_count == MOUNTS_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "There are too many route tables.");
    }
    for (size_t i = 0; i < n; i++) {
        EG_TRY(check_row(&routes[i], p));
    }
    r->mounts[r->mount_count++] = (mount){surface, routes, n, room};
    return EG_OK;
}

static bool is_storage(eg_surface s) {
    return s == EG_SURFACE_DFS || s == EG_SURFACE_BLOB;
}

/* hadoop-azure and some proxies can't send PATCH. Two such headers, or another method, would be read differently by others. */
static eg_err override_method(eg_request *rq) {
    eg_str value = {NULL, 0};
    for (size_t i = 0; i < rq->header_count; i++) {
        if (eg_str_ieq(rq->headers[i].name, EG_LIT("X-HTTP-Method-Override"))) {
            if (value.ptr) {
                return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "X-HTTP-Method-Override stands twice.");
            }
            value = rq->headers[i].value;
            value.ptr = value.ptr ? value.ptr : "";
        }
    }
    if (!value.ptr) {
        return EG_OK;
    }
    if (!eg_str_is(value, "PATCH") || (!eg_str_is(rq->method, "PUT") && !eg_str_is(rq->method, "POST"))) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "X-HTTP-Method-Override may only turn PUT or POST into PATCH.");
    }
    rq->method = EG_LIT("PATCH");
    return EG_OK;
}

/* Each name is looked for once a request, however many rows ask for it, so that a long query costs one copy. */
typedef struct query_cache {
    struct { eg_str name; eg_err e; eg_str value; } v[QUERY_NAMES_MAX];
    size_t n;
} query_cache;

static eg_err query_value(eg_request *rq, query_cache *cache, eg_str name, eg_str *ret) {
    for (size_t i = 0; i < cache->n; i++) {
        if (eg_str_eq(cache->v[i].name, name)) {
            *ret = cache->v[i].value;
            return cache->v[i].e;
        }
    }
    char z[64];
    if (name.len >= sizeof z || cache->n == QUERY_NAMES_MAX) {
        return EG_ERR_INTERNAL;
    }
    memcpy(z, name.ptr, name.len);
    z[name.len] = '\0';
    eg_str value = {NULL, 0};
    eg_err e = eg_request_query(rq, z, &value);
    cache->v[cache->n].name = name;
    cache->v[cache->n].e = e;
    cache->v[cache->n++].value = value;
    *ret = value;
    return e;
}

static eg_err query_fits(eg_request *rq, query_cache *cache, const char *wanted, bool *ret) {
    if (!wanted) {
        *ret = true;
        return EG_OK;
    }
    eg_str value, rest = eg_str_of(wanted);
    eg_str name = eg_str_cut(&rest, '=');
    eg_err e = query_value(rq, cache, name, &value);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = false;
        return EG_OK;
    }
    if (e == EG_ERR_QUERY) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %.*s stands twice or is malformed.", EG_FMT(name));
    }
    EG_TRY(e);
    *ret = !rest.ptr || eg_str_eq(value, rest);
    return EG_OK;
}

static bool method_fits(const eg_route *row, eg_str method) {
    return eg_str_is(method, row->method) || (eg_str_is(method, "HEAD") && strcmp(row->method, "GET") == 0);
}

#define METHODS_MAX 9

typedef struct search {
    query_cache query;
    const char *methods[METHODS_MAX];   /* of the rows whose path fits */
    size_t method_count;
} search;

static bool has_method(const search *s, eg_str method) {
    for (size_t i = 0; i < s->method_count; i++) {
        if (eg_str_is(method, s->methods[i])) {
            return true;
        }
    }
    return false;
}

static void note_method(search *s, const char *method) {
    if (s->method_count < METHODS_MAX && !has_method(s, eg_str_of(method))) {
        s->methods[s->method_count++] = method;
    }
}

static eg_err try_row(eg_request *rq, search *s, const eg_route *row, bool *ret) {
    eg_str params[EG_ROUTE_PARAMS_MAX] = {{NULL, 0}};
    *ret = false;
    if (row->surface != rq->surface || !eg_router_pattern_matches(row->pattern, rq->path, rq->surface == EG_SURFACE_ARM, params)) {
        return EG_OK;
    }
    note_method(s, row->method);
    if (strcmp(row->method, "GET") == 0) {
        note_method(s, "HEAD");
    }
    if (!method_fits(row, rq->method)) {
        return EG_OK;
    }
    EG_TRY(query_fits(rq, &s->query, row->query, ret));
    if (*ret) {
        memcpy(rq->params, params, sizeof params);
    }
    return EG_OK;
}

static const char *const storage_methods[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};

static eg_err refuse_method(eg_request *rq, const search *s) {
    char list[128];
    size_t n = 0;
    for (size_t i = 0; i < s->method_count && n < sizeof list; i++) {
        int more = snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", s->methods[i]);
        n += more > 0 ? (size_t)more : 0;
    }
    (void)eg_response_header(rq, "Allow", "%s", list);
    return eg_fail(&rq->problem, EG_ERR_METHOD, "This resource serves %s.", list);
}

/* Any path is a legal one for storage, so an operation without a row is one that isn't built: 501, which Azure's clients don't retry. */
static eg_err not_found(eg_request *rq, search *s) {
    if (is_storage(rq->surface)) {
        for (size_t i = 0; i < sizeof storage_methods / sizeof storage_methods[0]; i++) {
            note_method(s, storage_methods[i]);
        }
        return has_method(s, rq->method) ? eg_fail(&rq->problem, EG_ERR_STORAGE_NOT_BUILT, "This storage operation is not implemented.") : refuse_method(rq, s);
    }
    if (s->method_count > 0 && !has_method(s, rq->method)) {
        return refuse_method(rq, s);
    }
    if (rq->surface == EG_SURFACE_ARM) {
        return eg_fail(&rq->problem, EG_ERR_NOT_BUILT, "This Azure Resource Manager operation is not implemented.");
    }
    return eg_fail(&rq->problem, EG_ERR_ROUTE_UNKNOWN, "Nothing is served at this path.");
}

static eg_err find_row(const eg_router *r, eg_request *rq) {
    search s = {.method_count = 0};
    for (size_t m = 0; m < r->mount_count; m++) {
        const mount *mounted = &r->mounts[m];
        for (size_t i = 0; mounted->surface == rq->surface && i < mounted->n; i++) {
            bool fits = false;
            EG_TRY(try_row(rq, &s, &mounted->routes[i], &fits));
            if (fits) {
                rq->route = &mounted->routes[i];
                rq->room = mounted->room;
                return EG_OK;
            }
        }
    }
    return not_found(rq, &s);
}

static eg_err decode(eg_request *rq) {
    eg_str path;
    if (rq->raw_path.len == 0 || rq->raw_path.ptr[0] != '/') {
        return eg_fail(&rq->problem, EG_ERR_HTTP_TARGET, "The request's target must begin with a slash.");
    }
    eg_err e = eg_percent_decode(rq->arena, rq->raw_path, false, &path);
    if (e != EG_OK) {
        return eg_fail(&rq->problem, e, "The path is not validly encoded UTF-8.");
    }
    if (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    EG_TRY(eg_path_check(path, &rq->problem));
    rq->path = path;
    return EG_OK;
}

/* The shape of a refusal before the path could be read: that of the API whose path it seems to be. */
static eg_surface guess_surface(const eg_router *r, const eg_request *rq) {
    static const struct { const char *prefix; eg_surface surface; } guesses[] = {
        {"/livy", EG_SURFACE_LIVY}, {"/clusters/", EG_SURFACE_LIVY}, {"/audit/", EG_SURFACE_AUDIT}, {"/subscriptions/", EG_SURFACE_ARM},
    };
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        if (eg_str_starts(rq->raw_path, guesses[i].prefix)) {
            return guesses[i].surface;
        }
    }
    return r->options.account_count > 0 ? EG_SURFACE_DFS : EG_SURFACE_OPS;
}

eg_err eg_router_route(const eg_router *r, eg_request *rq) {
    rq->surface = guess_surface(r, rq);
    rq->route = NULL;
    rq->tenant = rq->cluster = rq->account = rq->scope = (eg_str){"", 0};
    EG_TRY(decode(rq));
    EG_TRY(eg_router_place(r, rq));
    if (rq->surface == EG_SURFACE_DFS) {
        EG_TRY(override_method(rq));
    }
    return find_row(r, rq);
}

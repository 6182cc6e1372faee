/* Checks that each request finds its row, and that hostile hosts, paths and methods find none. covers: router_match.c router_place.c router_protocol.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/router.h"

#define T1 "c0ff0000-0000-4000-8000-000000000001"
#define T2 "c0ff0000-0000-4000-8000-000000000002"
#define S1 "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define S2 "/subscriptions/5b7e4a6a-0000-4000-8000-000000000002"

static eg_err nothing(eg_request *rq) {
    (void)rq;
    return EG_OK;
}

#define ROW(s, m, p, q) {.surface = EG_SURFACE_##s, .method = m, .pattern = p, .query = q, .flags = EG_ROUTE_PUBLIC, .end = nothing, .event = "test"}
static const eg_route table[] = {
    ROW(OPS, "GET", "/healthz", NULL),
    ROW(LIVY, "GET", "/batches", NULL),
    ROW(LIVY, "POST", "/batches", NULL),
    ROW(LIVY, "GET", "/batches/{id}", NULL),
    ROW(LIVY, "GET", "/batches/{id}/log", NULL),
    ROW(OAUTH, "POST", "/{tenant}/oauth2/v2.0/token", NULL),
    ROW(AUDIT, "GET", "/{log}/checkpoint", NULL),
    ROW(AUDIT, "GET", "/{log}/tile/{rest*}", NULL),
    ROW(DFS, "HEAD", "/{fs}", "resource=filesystem"),
    ROW(DFS, "PUT", "/{fs}", "resource=filesystem"),
    ROW(DFS, "GET", "/{fs}", "resource=filesystem"),
    ROW(DFS, "HEAD", "/{fs}", "action=getAccessControl"),
    ROW(DFS, "PUT", "/{fs}/{path*}", "resource=file"),
    ROW(DFS, "PATCH", "/{fs}/{path*}", "action=append"),
    ROW(DFS, "GET", "/{fs}/{path*}", NULL),
};
enum { HEALTH, BATCHES, SUBMIT, BATCH, BATCH_LOG, TOKEN, CHECKPOINT, TILE, FS_HEAD, FS_PUT, FS_LIST, FS_ACL, CREATE, APPEND, READ };

typedef struct row {
    const char *host, *method, *path, *query;
    eg_err owed;
    int route;                        /* index into the table */
    const char *tenant, *path_owed;   /* with EG_OK */
    const char *param;                /* the last of its parameters */
    const char *override;
} row;

#define OKAY EG_OK
static const row rows[] = {
    /* where things are */
    {"127.0.0.1", "GET", "/healthz", "", OKAY, HEALTH, T1, "/healthz", NULL, NULL},
    {"127.0.0.1", "HEAD", "/healthz", "", OKAY, HEALTH, T1, "/healthz", NULL, NULL},
    {"localhost", "GET", "/livy/batches", "", OKAY, BATCHES, T1, "/batches", NULL, NULL},
    {"gateway.lab.test", "GET", "/livy/batches", "", OKAY, BATCHES, T1, "/batches", NULL, NULL},
    {"lab.test", "POST", "/livy/batches/", "", OKAY, SUBMIT, T1, "/batches", NULL, NULL},
    {"[::1]", "GET", "/livy/batches/7", "", OKAY, BATCH, T1, "/batches/7", "7", NULL},
    {"::1", "GET", "/livy/batches/7/log", "from=0", OKAY, BATCH_LOG, T1, "/batches/7/log", "7", NULL},
    {"127.0.0.1", "GET", "/%6civy/batches", "", OKAY, BATCHES, T1, "/batches", NULL, NULL},
    {"127.0.0.1", "GET", "/clusters/other/livy/batches/7", "", OKAY, BATCH, T2, "/batches/7", "7", NULL},
    {"other.lab.test", "GET", "/livy/batches", "", OKAY, BATCHES, T2, "/batches", NULL, NULL},
    {"OTHER.lab.test", "GET", "/livy/batches", "", OKAY, BATCHES, T2, "/batches", NULL, NULL},
    {"other.lab.test", "GET", "/clusters/spark/livy/batches", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "POST", "/" T2 "/oauth2/v2.0/token", "", OKAY, TOKEN, T2, "/" T2 "/oauth2/v2.0/token", T2, NULL},
    {"127.0.0.1", "GET", "/audit/" T2 "/checkpoint", "", OKAY, CHECKPOINT, T2, "/" T2 "/checkpoint", T2, NULL},
    {"127.0.0.1", "GET", "/audit/server/checkpoint", "", OKAY, CHECKPOINT, T1, "/server/checkpoint", "server", NULL},
    {"127.0.0.1", "GET", "/audit/" T1 "/tile/0/x001/067", "", OKAY, TILE, T1, "/" T1 "/tile/0/x001/067", "0/x001/067", NULL},
    {"lake.dfs.lab.test", "PUT", "/fs", "resource=filesystem", OKAY, FS_PUT, T1, "/fs", "fs", NULL},
    {"lake.dfs.lab.test", "HEAD", "/fs/", "action=getAccessControl&upn=", OKAY, FS_ACL, T1, "/fs", "fs", NULL},
    {"lake.dfs.lab.test", "HEAD", "/fs", "resource=filesystem", OKAY, FS_HEAD, T1, "/fs", "fs", NULL},
    {"lake.dfs.lab.test", "GET", "/livy/batches", "", OKAY, READ, T1, "/livy/batches", "batches", NULL}, /* a container called livy */
    {"far.dfs.lab.test", "GET", "/fs/a", "", OKAY, READ, T2, "/fs/a", "a", NULL},
    {"127.0.0.1", "GET", "/fs/dir/file%20one", "", OKAY, READ, T1, "/fs/dir/file one", "dir/file one", NULL},
    {"127.0.0.1", "GET", "/fs/a%2Fb", "", OKAY, READ, T1, "/fs/a/b", "a/b", NULL},
    {"127.0.0.1", "GET", "/fs/a%252Fb", "", OKAY, READ, T1, "/fs/a%2Fb", "a%2Fb", NULL}, /* decoded once, not twice */
    {"127.0.0.1", "GET", "/far/fs/a", "", OKAY, READ, T2, "/fs/a", "a", NULL}, /* path style with a known account */
    {"127.0.0.1", "PUT", "/fs/a", "action=append&position=0", OKAY, APPEND, T1, "/fs/a", "a", "PATCH"},
    {"127.0.0.1", "POST", "/fs/a", "action=append&position=0", OKAY, APPEND, T1, "/fs/a", "a", "PATCH"},
    {"127.0.0.1", "PUT", "/fs/a", "resource=%66ile", OKAY, CREATE, T1, "/fs/a", "a", NULL},
    /* what is nobody's keeps its row and loses its tenant: the decision answers it */
    {"absent.lab.test", "GET", "/livy/batches", "", OKAY, BATCHES, "", "/batches", NULL, NULL},
    {"127.0.0.1", "GET", "/clusters/absent/livy/batches", "", OKAY, BATCHES, "", "/batches", NULL, NULL},
    {"absent.dfs.lab.test", "GET", "/fs/a", "", OKAY, READ, "", "/fs/a", "a", NULL},
    {"127.0.0.1", "GET", "/audit/00000000-0000-4000-8000-000000000000/checkpoint", "", OKAY, CHECKPOINT, "", "/00000000-0000-4000-8000-000000000000/checkpoint", NULL, NULL},
    /* hosts */
    {"evil.example", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"lab.test.evil.example", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"evillab.test", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"a.b.lab.test", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"a.b.dfs.lab.test", "GET", "/fs/a", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {".dfs.lab.test", "GET", "/fs/a", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"1.2.3.4.5", "GET", "/healthz", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    /* paths */
    {"127.0.0.1", "GET", "/fs/../etc", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/%2e%2e/etc", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/a%2f..%2fb", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/livy/./batches", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "//livy/batches", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/livy//batches", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/livy/batches//", "", EG_ERR_PATH_INVALID, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/a%00b", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/a%", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/a%zz", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/%ff", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/%c0%ae%c0%ae/etc", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL}, /* overlong ".." */
    {"127.0.0.1", "GET", "", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "OPTIONS", "*", "", EG_ERR_HTTP_TARGET, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/livy", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/livy/batches/7/logs", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/clusters/spark", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/metrics", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"spark.lab.test", "GET", "/fs/a", "", EG_ERR_ROUTE_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    /* methods and queries */
    {"127.0.0.1", "DELETE", "/livy/batches", "", EG_ERR_METHOD, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "get", "/livy/batches", "", EG_ERR_METHOD, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "TRACE", "/fs/a", "", EG_ERR_METHOD, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "PUT", "/fs/a", "comp=lease", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "PUT", "/fs/a", "resource=File", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "POST", "/fs/a", "", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"lake.dfs.core.windows.net", "GET", "/", "resource=account", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"LAKE.BLOB.storage.lab", "GET", "/fs/a", "", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"lake.core.windows.net", "GET", "/fs/a", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL}, /* clusters have no names there */
    {"a.lake.dfs.core.windows.net", "GET", "/fs/a", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"core.windows.net", "GET", "/fs/a", "", EG_ERR_HOST_UNKNOWN, 0, NULL, NULL, NULL, NULL},
    {"lake.dfs.lab.test", "GET", "/", "resource=account", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"lake.blob.lab.test", "GET", "/fs/a", "", EG_ERR_STORAGE_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", S1, "", EG_ERR_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/tenants", "api-version=2022-12-01", EG_ERR_NOT_BUILT, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/tenants/a", "", OKAY, READ, T1, "/tenants/a", "a", NULL}, /* a container called tenants */
    {"127.0.0.1", "PUT", "/fs/a", "resource=file&resource=directory", EG_ERR_QUERY, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "PUT", "/fs/a", "resource=file&%72esource=x", EG_ERR_QUERY, 0, NULL, NULL, NULL, NULL},
    {"127.0.0.1", "GET", "/fs/a", "action=append", EG_ERR_HTTP_HEADER, 0, NULL, NULL, NULL, "PATCH"},
    {"127.0.0.1", "PUT", "/fs/a", "action=append", EG_ERR_HTTP_HEADER, 0, NULL, NULL, NULL, "DELETE"},
    {"127.0.0.1", "PUT", "/fs/a", "action=append", EG_ERR_HTTP_HEADER, 0, NULL, NULL, NULL, ""},
    {"127.0.0.1", "POST", "/livy/batches", "", OKAY, SUBMIT, T1, "/batches", NULL, "PATCH"}, /* only storage has it */
};

static eg_router *make(void) {
    static const char *const names[] = {"gateway.lab.test", NULL};
    static const eg_router_tenant tenants[] = {{{T1, 36}, {S1, sizeof S1 - 1}}, {{T2, 36}, {S2, sizeof S2 - 1}}};
    static const eg_router_resource clusters[] = {{{"spark", 5}, {T1, 36}, {S1 "/c/spark", sizeof S1 + 7}}, {{"other", 5}, {T2, 36}, {S2 "/c/other", sizeof S2 + 7}}};
    static const eg_router_resource accounts[] = {{{"lake", 4}, {T1, 36}, {S1 "/a/lake", sizeof S1 + 6}}, {{"far", 3}, {T2, 36}, {S2 "/a/far", sizeof S2 + 5}}};
    static const char *const more[] = {"core.windows.net", "storage.lab", NULL};
    eg_router_options o = {.domain = EG_LIT("lab.test"), .storage_domains = more, .names = names, .tenants = tenants, .tenant_count = 2, .clusters = clusters, .cluster_count = 2,
                           .accounts = accounts, .account_count = 2, .default_account = EG_LIT("lake")};
    eg_router *r = eg_router_new(&o);
    eg_problem p = {0};
    assert_non_null(r);
    for (eg_surface s = 0; s < EG_SURFACE_COUNT; s++) {
        assert_int_equal(eg_router_mount(r, s, table, sizeof table / sizeof table[0], (void *)(uintptr_t)(s + 1), &p), EG_OK);
    }
    return r;
}

static void fill(eg_request *rq, const row *w, eg_header headers[2]) {
    *rq = (eg_request){.method = eg_str_of(w->method), .raw_path = eg_str_of(w->path), .query = eg_str_of(w->query), .host = eg_str_of(w->host)};
    rq->arena = eg_arena_new(256 * 1024);
    headers[0] = (eg_header){EG_LIT("x-http-method-override"), w->override ? eg_str_of(w->override) : (eg_str){"", 0}};
    rq->headers = headers;
    rq->header_count = w->override ? 1 : 0;
}

static void check(const eg_router *r, size_t i) {
    const row *w = &rows[i];
    eg_request rq;
    eg_header headers[2];
    fill(&rq, w, headers);
    eg_err e = eg_router_route(r, &rq);
    if (e != w->owed || (e != EG_OK && rq.problem.code != e)) {
        fail_msg("row %zu (%s %s%s): %s, owed %s", i, w->method, w->host, w->path, eg_err_code(e), eg_err_code(w->owed));
    }
    if (e == EG_OK) {
        const eg_route *route = &table[w->route];
        eg_str last = {NULL, 0};
        for (size_t k = 0; k < EG_ROUTE_PARAMS_MAX; k++) {
            last = rq.params[k].ptr ? rq.params[k] : last;
        }
        if (rq.route != route || rq.room != (void *)(uintptr_t)(route->surface + 1) || rq.surface != route->surface || !eg_str_is(rq.tenant, w->tenant) ||
            !eg_str_is(rq.path, w->path_owed) || (w->param && !eg_str_is(last, w->param)) || (rq.tenant.len > 0) != (rq.scope.len > 0)) {
            fail_msg("row %zu (%s %s%s): %s, tenant %.*s, path %.*s, param %.*s", i, w->method, w->host, w->path, rq.route ? rq.route->pattern : "?", EG_FMT(rq.tenant),
                     EG_FMT(rq.path), EG_FMT(last));
        }
    } else {
        assert_null(rq.route);
    }
    eg_arena_free(rq.arena);
}

static void all_rows(void **state) {
    (void)state;
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(r, i);
    }
}

static void allow_is_named(void **state) {
    (void)state;
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    eg_request rq;
    eg_header headers[2];
    fill(&rq, &(row){.host = "127.0.0.1", .method = "DELETE", .path = "/livy/batches", .query = ""}, headers);
    assert_int_equal(eg_router_route(r, &rq), EG_ERR_METHOD);
    assert_int_equal(rq.response.header_count, 1);
    assert_string_equal(rq.response.headers[0].name, "Allow");
    assert_true(eg_str_is(rq.response.headers[0].value, "GET, HEAD, POST"));
    eg_arena_free(rq.arena);
}

static void refusals_have_a_shape(void **state) {
    (void)state;
    static const struct { const char *host, *path; eg_surface owed; } shapes[] = {
        {"127.0.0.1", "/livy/%zz", EG_SURFACE_LIVY}, {"127.0.0.1", "/livy/absent", EG_SURFACE_LIVY}, {"127.0.0.1", "/fs/%zz", EG_SURFACE_DFS},
        {"127.0.0.1", "/subscriptions/x", EG_SURFACE_ARM}, {"127.0.0.1", "/audit/x/y", EG_SURFACE_AUDIT}, {"lake.blob.lab.test", "/fs/a", EG_SURFACE_BLOB},
        {"127.0.0.1", "/" T1 "/oauth2/x", EG_SURFACE_OAUTH}, {"127.0.0.1", "/metrics", EG_SURFACE_OPS},
    };
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        eg_request rq;
        eg_header headers[2];
        fill(&rq, &(row){.host = shapes[i].host, .method = "GET", .path = shapes[i].path, .query = ""}, headers);
        assert_int_not_equal(eg_router_route(r, &rq), EG_OK);
        if (rq.surface != shapes[i].owed) {
            fail_msg("%s%s has shape %d", shapes[i].host, shapes[i].path, rq.surface);
        }
        eg_arena_free(rq.arena);
    }
}

static void heads_of_patterns(void **state) {
    (void)state;
    static const struct { const char *pattern, *path, *head, *name; } cases[] = {
        {"/{*scope}/providers/P/t/{name}", "/s/1/providers/P/t/x", "/s/1", "x"},
        {"/{*scope}/providers/P/t/{name}", "/s/1/PROVIDERS/p/T/x", "/s/1", "x"},
        {"/{*scope}/providers/P/t/{name}", "/s/providers/P/t/a/providers/P/t/x", "/s/providers/P/t/a", "x"},
        {"/{*scope}/providers/P/t/{name}", "/providers/P/t/x", NULL, NULL},
        {"/{*scope}/providers/P/t/{name}", "/s/providers/P/t", NULL, NULL},
        {"/{*scope}/providers/P/t/{name}", "/s/providers/P/t/x/y", NULL, NULL},
        {"/{*scope}/providers/P/t", "/s/providers/P/t", "/s", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_str params[EG_ROUTE_PARAMS_MAX] = {{NULL, 0}};
        assert_int_equal(eg_router_pattern_matches(cases[i].pattern, eg_str_of(cases[i].path), true, params), cases[i].head != NULL);
        if (cases[i].head) {
            assert_true(eg_str_is(params[0], cases[i].head) && (!cases[i].name || eg_str_is(params[1], cases[i].name)));
        }
    }
    assert_true(eg_router_pattern_valid("/{*scope}/a/{b}"));
    assert_false(eg_router_pattern_valid("/{*scope}") || eg_router_pattern_valid("/a/{*scope}/b") || eg_router_pattern_valid("/{*scope}/{rest*}") ||
                 eg_router_pattern_valid("/{*}/a"));
    eg_str params[EG_ROUTE_PARAMS_MAX];
    assert_false(eg_router_pattern_matches("/livy/x", EG_LIT("/Livy/x"), false, params));
}

static void protocols(void **state) {
    (void)state;
    static const struct { const char *host, *method, *query, *name, *value; eg_surface owed; } cases[] = {
        {"127.0.0.1", "GET", "", NULL, NULL, EG_SURFACE_DFS},
        {"127.0.0.1", "GET", "", "Accept", "application/json, application/xml", EG_SURFACE_BLOB},
        {"127.0.0.1", "GET", "timeout=5", "Accept", "application/json", EG_SURFACE_DFS},
        {"127.0.0.1", "GET", "comp=list&restype=container", NULL, NULL, EG_SURFACE_BLOB},
        {"lake.dfs.lab.test", "GET", "timeout=1&comp=list", NULL, NULL, EG_SURFACE_BLOB},
        {"lake.dfs.lab.test", "GET", "", "Accept", "application/xml", EG_SURFACE_DFS},
        {"lake.blob.lab.test", "GET", "resource=filesystem", "Accept", "application/xml", EG_SURFACE_DFS},
        {"lake.blob.lab.test", "HEAD", "", NULL, NULL, EG_SURFACE_BLOB},
        {"127.0.0.1", "PUT", "", "x-ms-blob-type", "BlockBlob", EG_SURFACE_BLOB},
        {"127.0.0.1", "PUT", "", "x-ms-copy-source", "https://x/y", EG_SURFACE_BLOB},
        {"127.0.0.1", "PUT", "", "x-ms-rename-source", "/a/b", EG_SURFACE_DFS},
        {"127.0.0.1", "PUT", "comp=block", "X-HTTP-Method-Override", "PATCH", EG_SURFACE_DFS}, /* an override is never overlooked */
        {"127.0.0.1", "PATCH", "comp=block", NULL, NULL, EG_SURFACE_DFS},
        {"127.0.0.1", "DELETE", "recursive=true", "Accept", "application/xml", EG_SURFACE_DFS},
        {"127.0.0.1", "DELETE", "", NULL, NULL, EG_SURFACE_BLOB},
        {"127.0.0.1", "DELETE", "", "Accept", "application/json", EG_SURFACE_DFS},
        {"127.0.0.1", "DELETE", "recursive=false", NULL, NULL, EG_SURFACE_DFS},
        {"lake.dfs.lab.test", "DELETE", "", NULL, NULL, EG_SURFACE_DFS},
        {"127.0.0.1", "GET", "companion=1&xcomp=2", NULL, NULL, EG_SURFACE_DFS},
    };
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eg_request rq;
        eg_header headers[2];
        fill(&rq, &(row){.host = cases[i].host, .method = cases[i].method, .path = "/fs/a", .query = cases[i].query}, headers);
        if (cases[i].name) {
            headers[0] = (eg_header){eg_str_of(cases[i].name), eg_str_of(cases[i].value)};
            rq.header_count = 1;
        }
        (void)!eg_router_route(r, &rq);
        if (rq.surface != cases[i].owed) {
            fail_msg("case %zu speaks %d", i, rq.surface);
        }
        eg_arena_free(rq.arena);
    }
}

/* Each row asks for other query parameters; a hostile query must not exhaust the arena by being decoded for each of them. */
static void long_queries_are_decoded_once(void **state) {
    (void)state;
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    char query[8000] = "resource=";
    memset(query + 9, 'x', sizeof query - 10);
    query[sizeof query - 1] = '\0';
    eg_request rq;
    eg_header headers[2];
    fill(&rq, &(row){.host = "127.0.0.1", .method = "PUT", .path = "/fs/a", .query = query}, headers);
    eg_arena_free(rq.arena);
    rq.arena = eg_arena_new(20000);
    assert_int_equal(eg_router_route(r, &rq), EG_ERR_STORAGE_NOT_BUILT);
    eg_arena_free(rq.arena);
}

static void malformed_rows_are_refused(void **state) {
    (void)state;
    static const eg_route bad[] = {
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "healthz", .flags = EG_ROUTE_PUBLIC, .end = nothing, .event = "x"},
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/a/{b*}/c", .flags = EG_ROUTE_PUBLIC, .end = nothing, .event = "x"},
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/a{b}", .flags = EG_ROUTE_PUBLIC, .end = nothing, .event = "x"},
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/{1}/{2}/{3}/{4}/{5}/{6}/{7}", .flags = EG_ROUTE_PUBLIC, .end = nothing, .event = "x"},
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/a", .end = nothing, .event = "x"}, /* no action, not open: nobody decides */
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/a", .flags = EG_ROUTE_PUBLIC, .end = nothing},
        {.surface = EG_SURFACE_OPS, .method = "GET", .pattern = "/a", .flags = EG_ROUTE_PUBLIC, .event = "x"},
    };
    EG_CLEANUP(eg_router_free_p) eg_router *r = make();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_problem p = {0};
        assert_int_equal(eg_router_mount(r, EG_SURFACE_OPS, &bad[i], 1, NULL, &p), EG_ERR_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows), cmocka_unit_test(allow_is_named), cmocka_unit_test(refusals_have_a_shape), cmocka_unit_test(heads_of_patterns), cmocka_unit_test(protocols),
        cmocka_unit_test(long_queries_are_decoded_once),
        cmocka_unit_test(malformed_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

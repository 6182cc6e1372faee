/* Checks what is decided about a routed request, what a refusal gives away, and what conditions see. covers: access_attributes.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/pipeline_request.h"

#include <embergate/actions.h>
#include <embergate/durable_file.h>

#define TENANT "c0ff0000-0000-4000-8000-000000000003"
#define ALICE "a11ce000-0000-4000-8000-000000000001"
#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define SPARK SUB "/resourceGroups/lab/providers/Microsoft.HDInsight/clusters/spark"
#define LAKE SUB "/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake"

static eg_policy *pol;
static char dir[40];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int open_policy(void **state) {
    (void)state;
    char path[80];
    eg_problem p = {0};
    static const char text[] =
        "{\"value\":[{\"name\":\"one\",\"properties\":{\"roleDefinitionId\":\"Embergate Job Submitter\",\"principalId\":\"" ALICE "\",\"scope\":\"" SPARK "\"}},"
        "{\"name\":\"two\",\"properties\":{\"roleDefinitionId\":\"Storage Blob Data Reader\",\"principalId\":\"" ALICE "\",\"scope\":\"" LAKE "\"}},"
        "{\"name\":\"three\",\"properties\":{\"roleDefinitionId\":\"Reader\",\"principalId\":\"" ALICE "\",\"scope\":\"" SUB "\"}}]}";
    snprintf(dir, sizeof dir, "authorize-test-XXXXXX");
    if (!mkdtemp(dir)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/roleAssignments", dir);
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    snprintf(path, sizeof path, "%s/roleAssignments/a.json", dir);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(EG_LIT(text)), &p), EG_OK);
    static const char denied[] =
        "{\"name\":\"four\",\"properties\":{\"permissions\":[{\"dataActions\":[\"*/blobs/delete\"]}],\"scope\":\"" LAKE "\","
        "\"principals\":[{\"id\":\"" ALICE "\",\"type\":\"User\"}]}}";
    snprintf(path, sizeof path, "%s/denyAssignments", dir);
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    snprintf(path, sizeof path, "%s/denyAssignments/a.json", dir);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(EG_LIT(denied)), &p), EG_OK);
    assert_int_equal(eg_policy_load(dir, 5, &pol, &p), EG_OK);
    return 0;
}

static int close_policy(void **state) {
    (void)state;
    eg_policy_unref(pol);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define JOB_ROUTE EG_ROUTE_DATA_ACTION | EG_ROUTE_JOB_TOKEN
typedef struct row {
    const char *says;
    eg_surface surface;
    const char *action;
    unsigned flags;
    const char *scope, *tenant;   /* of the resource; "" = nobody's */
    eg_principal_kind kind;       /* NONE = no token */
    const char *who_tenant, *peer;
    eg_err owed, shown;
    const char *rule;             /* begins with */
} row;

static const row rows[] = {
    {"a submitter submits", EG_SURFACE_LIVY, EG_ACTION_JOB_SUBMIT, EG_ROUTE_DATA_ACTION, SPARK, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_OK, EG_OK,
     "roleAssignment one (Embergate Job Submitter) at "},
    {"a reader may not delete", EG_SURFACE_LIVY, EG_ACTION_CLUSTER_DELETE, 0, SPARK, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_ERR_DENIED_ROLE, EG_ERR_DENIED_ROLE,
     "default deny"},
    {"nor write data", EG_SURFACE_DFS, EG_ACTION_BLOB_WRITE, EG_ROUTE_DATA_ACTION, LAKE, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_ERR_DENIED_DATA,
     EG_ERR_DENIED_DATA, "default deny"},
    {"what no role grants is asked of access control lists", EG_SURFACE_DFS, EG_ACTION_BLOB_WRITE, EG_ROUTE_DATA_ACTION | EG_ROUTE_ACL, LAKE, TENANT, EG_PRINCIPAL_USER, TENANT,
     "192.0.2.1", EG_OK, EG_OK, "acl"},
    {"but not what a deny assignment forbids", EG_SURFACE_DFS, EG_ACTION_BLOB_DELETE, EG_ROUTE_DATA_ACTION | EG_ROUTE_ACL, LAKE, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1",
     EG_ERR_DENIED_DATA, EG_ERR_DENIED_DATA, "denyAssignment four"},
    {"nor what is another tenant's", EG_SURFACE_DFS, EG_ACTION_BLOB_WRITE, EG_ROUTE_DATA_ACTION | EG_ROUTE_ACL, LAKE, TENANT, EG_PRINCIPAL_USER,
     "0bad0000-0000-4000-8000-000000000009", "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_DENIED_DATA, "tenant separation"},
    {"a control action on storage is refused as Azure does", EG_SURFACE_DFS, EG_ACTION_CONTAINER_DELETE, 0, LAKE, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1",
     EG_ERR_DENIED_ROLE, EG_ERR_DENIED_DATA, "default deny"},
    {"a job reads for its submitter", EG_SURFACE_DFS, EG_ACTION_BLOB_READ, JOB_ROUTE, LAKE, TENANT, EG_PRINCIPAL_JOB, TENANT, "192.0.2.1", EG_OK, EG_OK, "roleAssignment two"},
    {"a job may not submit jobs", EG_SURFACE_LIVY, EG_ACTION_JOB_SUBMIT, EG_ROUTE_DATA_ACTION, SPARK, TENANT, EG_PRINCIPAL_JOB, TENANT, "192.0.2.1", EG_ERR_DENIED_JOB_TOKEN,
     EG_ERR_DENIED_JOB_TOKEN, "jobs may not"},
    {"nor use what is open to any principal", EG_SURFACE_LIVY, NULL, EG_ROUTE_ANY_PRINCIPAL, SPARK, TENANT, EG_PRINCIPAL_JOB, TENANT, "192.0.2.1", EG_ERR_DENIED_JOB_TOKEN,
     EG_ERR_DENIED_JOB_TOKEN, "jobs may not"},
    {"any principal of the tenant", EG_SURFACE_LIVY, NULL, EG_ROUTE_ANY_PRINCIPAL, SPARK, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_OK, EG_OK, "any principal"},
    {"any principal, but of another tenant", EG_SURFACE_LIVY, NULL, EG_ROUTE_ANY_PRINCIPAL, SPARK, TENANT, EG_PRINCIPAL_USER, "0bad0000-0000-4000-8000-000000000009",
     "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_CLUSTER_NOT_FOUND, "tenant separation"},
    {"the same id in another tenant, on a cluster", EG_SURFACE_LIVY, EG_ACTION_JOB_SUBMIT, EG_ROUTE_DATA_ACTION, SPARK, TENANT, EG_PRINCIPAL_USER,
     "0bad0000-0000-4000-8000-000000000009", "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_CLUSTER_NOT_FOUND, "tenant separation"},
    {"a cluster that isn't there", EG_SURFACE_LIVY, EG_ACTION_JOB_SUBMIT, EG_ROUTE_DATA_ACTION, "", "", EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_ERR_DENIED_TENANT,
     EG_ERR_CLUSTER_NOT_FOUND, "tenant separation"},
    {"the same id in another tenant, on data", EG_SURFACE_DFS, EG_ACTION_BLOB_READ, JOB_ROUTE, LAKE, TENANT, EG_PRINCIPAL_USER, "0bad0000-0000-4000-8000-000000000009",
     "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_DENIED_DATA, "tenant separation"},
    {"an account that isn't there", EG_SURFACE_DFS, EG_ACTION_BLOB_READ, JOB_ROUTE, "", "", EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_DENIED_DATA,
     "tenant separation"},
    {"public", EG_SURFACE_OPS, NULL, EG_ROUTE_PUBLIC, "", "", EG_PRINCIPAL_NONE, "", "192.0.2.1", EG_OK, EG_OK, "public"},
    {"public, of a cluster that isn't there", EG_SURFACE_LIVY, NULL, EG_ROUTE_PUBLIC, "", "", EG_PRINCIPAL_NONE, "", "192.0.2.1", EG_ERR_NOT_FOUND, EG_ERR_NOT_FOUND, "public"},
    {"metrics over loopback", EG_SURFACE_OPS, EG_ACTION_METRICS_READ, EG_ROUTE_LOOPBACK, SUB, TENANT, EG_PRINCIPAL_NONE, "", "127.0.0.1", EG_OK, EG_OK, "public"},
    {"metrics over mapped loopback", EG_SURFACE_OPS, EG_ACTION_METRICS_READ, EG_ROUTE_LOOPBACK, SUB, TENANT, EG_PRINCIPAL_NONE, "", "::ffff:127.0.0.1", EG_OK, EG_OK, "public"},
    {"metrics with a role", EG_SURFACE_OPS, EG_ACTION_METRICS_READ, EG_ROUTE_LOOPBACK, SUB, TENANT, EG_PRINCIPAL_USER, TENANT, "192.0.2.1", EG_OK, EG_OK, "roleAssignment three"},
    {"metrics from another tenant", EG_SURFACE_OPS, EG_ACTION_METRICS_READ, EG_ROUTE_LOOPBACK, SUB, TENANT, EG_PRINCIPAL_USER, "0bad0000-0000-4000-8000-000000000009",
     "192.0.2.1", EG_ERR_DENIED_TENANT, EG_ERR_DENIED_ROLE, "tenant separation"},
};

static void judged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const row *w = &rows[i];
        eg_route route = {.surface = w->surface, .action = w->action, .flags = w->flags};
        eg_principal who = {.refs = 1, .kind = w->kind, .object_id = ALICE};
        snprintf(who.tenant, sizeof who.tenant, "%s", w->who_tenant);
        eg_request rq = {.route = &route, .surface = w->surface, .tenant = eg_str_of(w->tenant), .scope = eg_str_of(w->scope)};
        rq.principal = w->kind == EG_PRINCIPAL_NONE ? NULL : &who;
        snprintf(rq.peer.address, sizeof rq.peer.address, "%s", w->peer);
        eg_err shown = EG_OK;
        eg_err e = eg_pipeline_judge(pol, &rq, rq.scope, &shown);
        if (e != w->owed || shown != w->shown || !eg_str_starts(eg_str_of(rq.decided_by), w->rule) || rq.policy_version != 5) {
            fail_msg("%s: %s, shown %s, by %s", w->says, eg_err_code(e), eg_err_code(shown), rq.decided_by);
        }
        if (e != EG_OK) {
            assert_int_equal(rq.problem.code, w->shown);
            assert_null(strstr(rq.problem.message, "enant"));
        }
    }
}

static void openness(void **state) {
    (void)state;
    static const struct { const char *peer; bool open; } peers[] = {
        {"127.0.0.1", true}, {"127.8.8.8", true}, {"::1", true}, {"::ffff:127.0.0.1", true}, {"128.0.0.1", false}, {"::ffff:10.0.0.1", false}, {"::10", false}, {"", false},
        {"127", false}, {"1270.0.0.1", false},
    };
    eg_route route = {.flags = EG_ROUTE_LOOPBACK}, closed = {.flags = EG_ROUTE_ANY_PRINCIPAL};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        eg_request rq = {.route = &route};
        snprintf(rq.peer.address, sizeof rq.peer.address, "%s", peers[i].peer);
        assert_int_equal(eg_pipeline_is_open(&rq), peers[i].open);
        rq.route = &closed;
        assert_false(eg_pipeline_is_open(&rq));
    }
}

/* Surface, method, path and query of a request, and the container, path, prefix and sub-operation that conditions find in it; NULL = none. */
static const struct { eg_surface surface; const char *method, *path, *query, *container, *blob, *prefix, *sub; } seen[] = {
    {EG_SURFACE_DFS, "GET", "/flights/raw/jan.csv", "", "flights", "raw/jan.csv", NULL, NULL},
    {EG_SURFACE_BLOB, "GET", "/flights", "restype=container&comp=list&prefix=raw%2F", "flights", NULL, "raw/", "Blob.List"},
    {EG_SURFACE_DFS, "GET", "/flights", "resource=filesystem&directory=raw&recursive=true", "flights", NULL, "raw", "Blob.List"},
    {EG_SURFACE_DFS, "GET", "/flights", "resource=filesystem&recursive=true", "flights", NULL, NULL, "Blob.List"},
    {EG_SURFACE_DFS, "PUT", "/flights", "resource=filesystem", "flights", NULL, NULL, NULL},
    /* Each protocol goes by its own parameter: another's must not hide what is listed. */
    {EG_SURFACE_DFS, "GET", "/flights", "resource=filesystem&directory=secret&prefix=raw%2F", "flights", NULL, "secret", "Blob.List"},
    {EG_SURFACE_DFS, "GET", "/flights", "resource=filesystem&prefix=raw%2F", "flights", NULL, NULL, "Blob.List"},
    {EG_SURFACE_DFS, "GET", "/flights", "resource=filesystem&directory=%2F%2Fraw", "flights", NULL, "raw", "Blob.List"},
    {EG_SURFACE_BLOB, "GET", "/flights", "restype=container&comp=list&directory=raw%2F", "flights", NULL, NULL, "Blob.List"},
    {EG_SURFACE_BLOB, "GET", "/flights", "restype=container&comp=list&prefix=raw%2F&prefix=secret%2F", "flights", NULL, NULL, "Blob.List"},
    /* Reading that calls itself listing. */
    {EG_SURFACE_DFS, "GET", "/flights/secret/jan.csv", "resource=filesystem&directory=raw", "flights", "secret/jan.csv", NULL, NULL},
    {EG_SURFACE_BLOB, "GET", "/flights/secret/jan.csv", "comp=list&prefix=raw%2F", "flights", "secret/jan.csv", NULL, NULL},
    {EG_SURFACE_BLOB, "GET", "/flights", "restype=container&resource=filesystem", "flights", NULL, NULL, NULL},
    /* One path has one name. */
    {EG_SURFACE_DFS, "GET", "/flights/secret/jan.csv/", NULL, "flights", "secret/jan.csv", NULL, NULL},
    {EG_SURFACE_DFS, "GET", "/flights/", NULL, "flights", NULL, NULL, NULL},
    {EG_SURFACE_BLOB, "GET", "/", "comp=list", NULL, NULL, NULL, "Blob.List"},
    {EG_SURFACE_LIVY, "GET", "/batches/1", "", NULL, NULL, NULL, NULL},
};

static void is(eg_str got, const char *owed, size_t at) {
    if (owed ? !eg_str_is(got, owed) : got.len != 0) {
        fail_msg("row %zu: %.*s instead of %s", at, EG_FMT(got), owed ? owed : "");
    }
}

static void attributes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        eg_request rq = {.arena = eg_arena_new(1 << 16), .surface = seen[i].surface, .method = eg_str_of(seen[i].method), .path = eg_str_of(seen[i].path),
                         .query = eg_str_of(seen[i].query), .account = EG_LIT("lake"), .received_ns = 77};
        snprintf(rq.peer.subnet, sizeof rq.peer.subnet, "%s", SUB "/n");
        const eg_access a = eg_pipeline_access(&rq, "x/read", true, EG_LIT(LAKE));
        is(a.container, seen[i].container, i);
        is(a.path, seen[i].blob, i);
        is(a.prefix, seen[i].prefix, i);
        is(a.sub_operation, seen[i].sub, i);
        is(a.subnet, SUB "/n", i);
        assert_int_equal(a.now_ns, 77);
        eg_arena_free(rq.arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged), cmocka_unit_test(openness), cmocka_unit_test(attributes)};
    return cmocka_run_group_tests(tests, open_policy, close_policy);
}

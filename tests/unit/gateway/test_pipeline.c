/* The pipeline as a client meets it: real door, real tokens, real policies, real audit log, and handlers of its own.
 * covers: network.c authenticate.c record_request.c respond_request.c ops.c */
#include "identity_fixture.h"

#include "api/ops.h"
#include "door/door.h"
#include "door_client.h"
#include "pipeline/pipeline.h"

#include <embergate/actions.h>
#include <embergate/durable_file.h>
#include <embergate/metrics.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#define GROUP "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001/resourceGroups/lab"
#define SPARK GROUP "/providers/Microsoft.HDInsight/clusters/spark"
#define LAKE GROUP "/providers/Microsoft.Storage/storageAccounts/lake"
#define SUBNET GROUP "/providers/Microsoft.Network/virtualNetworks/lab/subnets/gateway"
#define NSG GROUP "/providers/Microsoft.Network/networkSecurityGroups/front"

typedef struct stage {
    fixture *f;
    eg_keys keys;             /* the keeper's, with a switch */
    atomic_bool keys_fail;
    eg_audit *audit;
    eg_policy_watch *watch;
    eg_router *router;
    eg_ops *ops;
    eg_pipeline *pipeline;
    eg_door *door;
    SSL_CTX *tls;
    unsigned port;
    int listener;
    atomic_int freed, acted, committed;
    char token[2][8192];      /* for the gateway, for storage */
} stage;

static stage *s; /* handlers find it here */

/* Handlers. */

static void count_freed(void *state) {
    (void)state;
    atomic_fetch_add(&s->freed, 1);
}

static eg_err say(eg_request *rq, int status, const char *text) {
    atomic_fetch_add(&s->acted, 1);
    return eg_respond_bytes(rq, status, "text/plain", (eg_bytes){(const uint8_t *)text, strlen(text)});
}

static eg_err hello(eg_request *rq) {
    rq->free_state = count_freed;
    return say(rq, 200, "hello");
}

static eg_err echo(eg_request *rq) {
    atomic_fetch_add(&s->acted, 1);
    return eg_respond_bytes(rq, 200, "text/plain", rq->body);
}

static eg_err fails(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_CONF_REFUSED, "spark.secret is refused");
}

/* Against the contract: after its answer a handler has nothing to say. */
static eg_err twice(eg_request *rq) {
    EG_TRY(say(rq, 200, "once"));
    return EG_ERR_INTERNAL;
}

static eg_err refuse_commit(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)ctx;
    return eg_fail(p, EG_ERR_NAME_TAKEN, "the name is taken");
}

static eg_err commit(eg_request *rq) {
    eg_txn_op ops[2] = {rq->ops->record_op(rq, 201), {refuse_commit, NULL}};
    bool refused = eg_str_is(rq->query, "refuse");
    EG_TRY(eg_commit(s->f->committer, ops, refused ? 2 : 1, &rq->problem));
    atomic_fetch_add(&s->committed, 1);
    return eg_str_is(rq->query, "other") ? eg_respond_empty(rq, 202) : eg_respond_empty(rq, 201);
}

static eg_err tries(eg_request *rq) {
    if (rq->must_not_wait && eg_str_is(rq->query, "long")) {
        return eg_fail(&rq->problem, EG_ERR_BUSY, "nobody hears of this");
    }
    return eg_str_is(rq->query, "wrong") ? EG_ERR_QUERY : say(rq, 200, rq->must_not_wait ? "here" : "in the pool");
}

static eg_err early(eg_request *rq, eg_bytes chunk) {
    (void)chunk;
    return eg_fail(&rq->problem, EG_ERR_BODY_FIELD, "enough");
}

static eg_err second_question(eg_request *rq) {
    eg_problem p = {0};
    bool manage = rq->ops->decide(rq, EG_ACTION_JOB_MANAGE, true, &p) == EG_OK;
    bool log = rq->ops->decide(rq, EG_ACTION_JOB_LOG_READ, true, &p) == EG_OK;
    return say(rq, 200, manage ? "manages" : log ? "reads logs" : "neither");
}

#define ROW(s_, m, p, act, rec, fl, max) .surface = EG_SURFACE_##s_, .method = m, .pattern = p, .action = act, .record = EG_RECORD_##rec, .flags = fl, .max_body = max, .event = "test"
#define DATA EG_ROUTE_DATA_ACTION
static const eg_route routes[] = {
    {ROW(LIVY, "GET", "/open", NULL, EACH, EG_ROUTE_PUBLIC, 0), .end = hello},
    {ROW(LIVY, "GET", "/jobs", EG_ACTION_JOB_READ, EACH, DATA, 0), .end = hello},
    {ROW(LIVY, "GET", "/first", EG_ACTION_JOB_READ, FIRST, DATA, 0), .end = hello},
    {ROW(LIVY, "POST", "/echo", EG_ACTION_JOB_SUBMIT, EACH, DATA | EG_ROUTE_BLOCKING, 16), .end = echo},
    {ROW(LIVY, "POST", "/commit", EG_ACTION_JOB_SUBMIT, EACH, DATA | EG_ROUTE_BLOCKING, 0), .end = commit},
    {ROW(LIVY, "POST", "/early", EG_ACTION_JOB_SUBMIT, EACH, DATA, 1 << 20), .body = early, .end = echo},
    {ROW(LIVY, "GET", "/fails", EG_ACTION_JOB_READ, EACH, DATA, 0), .end = fails},
    {ROW(LIVY, "GET", "/twice", EG_ACTION_JOB_READ, EACH, DATA | EG_ROUTE_BLOCKING, 0), .end = twice},
    {ROW(LIVY, "GET", "/tries", EG_ACTION_JOB_READ, EACH, DATA | EG_ROUTE_BLOCKING | EG_ROUTE_TRY_FIRST, 0), .end = tries},
    {ROW(LIVY, "GET", "/begins", EG_ACTION_JOB_READ, EACH, DATA, 0), .begin = hello, .end = fails},
    {ROW(LIVY, "GET", "/question", EG_ACTION_JOB_READ, EACH, DATA, 0), .end = second_question},
    {ROW(LIVY, "DELETE", "/cluster", EG_ACTION_CLUSTER_DELETE, EACH, 0, 0), .end = hello},
    {ROW(DFS, "GET", "/{fs}/{path*}", EG_ACTION_BLOB_READ, EACH, DATA | EG_ROUTE_JOB_TOKEN, 0), .end = hello},
    {ROW(DFS, "PUT", "/{fs}/{path*}", EG_ACTION_BLOB_WRITE, EACH, DATA | EG_ROUTE_JOB_TOKEN, 100), .end = hello},
};

/* The stage. */

static eg_err failing_data_key(void *ctx, eg_str tenant, eg_str purpose, eg_secret **ret_key, uint8_t ret_wrapped[EG_WRAPPED_KEY_MAX], size_t *ret_n) {
    stage *at = ctx;
    return atomic_load(&at->keys_fail) ? EG_ERR_KEEPER : at->f->keys->new_data_key(at->f->keys->ctx, tenant, purpose, ret_key, ret_wrapped, ret_n);
}
static eg_err pass_unwrap(void *ctx, eg_str tenant, eg_str purpose, eg_bytes wrapped, eg_secret **ret_key) {
    stage *at = ctx;
    return at->f->keys->unwrap(at->f->keys->ctx, tenant, purpose, wrapped, ret_key);
}
static eg_err pass_checkpoint(void *ctx, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    stage *at = ctx;
    return at->f->keys->sign_checkpoint(at->f->keys->ctx, origin, body, ret_sig);
}
static eg_err pass_log_key(void *ctx, eg_str origin, uint8_t ret_pub[32]) {
    stage *at = ctx;
    return at->f->keys->log_public_key(at->f->keys->ctx, origin, ret_pub);
}

static void put(const char *name, const char *fmt, ...) EG_PRINTF(2, 3);
static void put(const char *name, const char *fmt, ...) {
    char text[4096], path[256];
    va_list args;
    eg_problem p = {0};
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/policies/%s", s->f->dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    *slash = '/';
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

static void assign(const char *name, const char *role, const char *scope) {
    char file[64];
    snprintf(file, sizeof file, "roleAssignments/%s.json", name);
    put(file, "{\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"principalType\":\"ServicePrincipal\",\"scope\":\"%s\"}}", name, role,
        s->f->object_id, scope);
}

static void put_network(const char *access) {
    put("networkSecurityGroups/front.json",
        "{\"id\":\"" NSG "\",\"name\":\"front\",\"properties\":{\"securityRules\":[{\"name\":\"loopback\",\"properties\":{\"priority\":100,\"direction\":\"Inbound\","
        "\"access\":\"%s\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"127.0.0.0/8\",\"sourcePortRange\":\"*\",\"destinationAddressPrefix\":\"*\","
        "\"destinationPortRange\":\"*\"}}]}}", access);
}

static void open_rooms(void) {
    static const eg_router_tenant tenants[] = {{{TENANT, 36}, {GROUP, sizeof GROUP - 1}}, {{OTHER_TENANT, 36}, {"/subscriptions/x", 16}}};
    static const eg_router_resource clusters[] = {{{"spark", 5}, {TENANT, 36}, {SPARK, sizeof SPARK - 1}}, {{"other", 5}, {OTHER_TENANT, 36}, {"/subscriptions/x/c", 18}}};
    static const eg_router_resource accounts[] = {{{"lake", 4}, {TENANT, 36}, {LAKE, sizeof LAKE - 1}}, {{"far", 3}, {OTHER_TENANT, 36}, {"/subscriptions/x/a", 18}}};
    eg_problem p = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/audit", s->f->dir);
    s->keys = (eg_keys){.ctx = s, .new_data_key = failing_data_key, .unwrap = pass_unwrap, .sign_checkpoint = pass_checkpoint, .log_public_key = pass_log_key};
    eg_audit_options ao = {.dir = path, .kv = s->f->kv, .committer = s->f->committer, .keys = &s->keys, .clock = &eg_clock_system, .origin = "test/log", .journal_bytes = 1 << 20,
                           .checkpoint_ms = 50};
    assert_int_equal(eg_audit_open(&ao, &s->audit, &p), EG_OK);
    snprintf(path, sizeof path, "%s/policies", s->f->dir);
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = path, .clock = &eg_clock_system, .poll_ms = 10}, &s->watch, &p), EG_OK);
    eg_router_options ro = {.domain = EG_LIT("lab.test"), .tenants = tenants, .tenant_count = 2, .clusters = clusters, .cluster_count = 2, .accounts = accounts,
                            .account_count = 2, .default_account = EG_LIT("lake")};
    size_t n = 0;
    assert_non_null(s->router = eg_router_new(&ro));
    assert_int_equal(eg_ops_new(&(eg_ops_options){.watch = s->watch, .audit = s->audit, .pool = s->f->pool}, &s->ops), EG_OK);
    const eg_route *rows = eg_ops_routes(&n);
    assert_int_equal(eg_router_mount(s->router, EG_SURFACE_OPS, rows, n, s->ops, &p), EG_OK);
    rows = eg_audit_routes(&n);
    assert_int_equal(eg_router_mount(s->router, EG_SURFACE_AUDIT, rows, n, s->audit, &p), EG_OK);
    assert_int_equal(eg_router_mount(s->router, EG_SURFACE_LIVY, routes, sizeof routes / sizeof routes[0], NULL, &p), EG_OK);
    assert_int_equal(eg_router_mount(s->router, EG_SURFACE_DFS, routes, sizeof routes / sizeof routes[0], NULL, &p), EG_OK);
}

static void open_door(void) {
    static const eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char crt[128], key[128];
    eg_problem p = {0};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    client_make_certificate(s->f->dir, "server", "gateway.test");
    snprintf(crt, sizeof crt, "%s/server.crt", s->f->dir);
    snprintf(key, sizeof key, "%s/server.key", s->f->dir);
    eg_door_certificate certificate = {crt, key};
    eg_door_listener listener = {.fd = s->listener, .peer = {.local_port = (uint16_t)s->port, .listener = "test", .subnet = SUBNET}};
    eg_door_options o = {.listeners = &listener, .listener_count = 1, .certificates = &certificate, .certificate_count = 1, .workers = 2, .limits = limits,
                         .pool = s->f->pool, .app = eg_pipeline_app(s->pipeline), .refused = eg_pipeline_refused};
    assert_int_equal(eg_door_start(&o, &s->door, &p), EG_OK);
}

static void make_token(int i, const char *audience, const char *more) {
    eg_buf token;
    eg_buf_init(&token, sizeof s->token[0] - 1);
    fixture_token(s->f, audience, more, &token);
    snprintf(s->token[i], sizeof s->token[i], "%s", token.ptr);
    eg_buf_done(&token);
}

static int set_up(void **state) {
    void *f = NULL;
    fixture_open(&f);
    s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->f = f;
    *state = s;
    assert_int_equal(fixture_open_identity(s->f, NULL, 0), EG_OK);
    assign("submit", "Embergate Job Submitter", SPARK);
    assign("read", "Storage Blob Data Reader", LAKE);
    assign("audit", "Embergate Auditor", GROUP);
    put("virtualNetworks/lab.json", "{\"id\":\"" GROUP "/providers/Microsoft.Network/virtualNetworks/lab\",\"name\":\"lab\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/8\"]},"
        "\"subnets\":[{\"id\":\"" SUBNET "\",\"name\":\"gateway\",\"properties\":{\"addressPrefix\":\"10.0.0.0/24\",\"networkSecurityGroup\":{\"id\":\"" NSG "\"}}}]}}");
    put_network("Allow");
    open_rooms();
    eg_pipeline_options po = {.router = s->router, .identity = s->f->identity, .policies = s->watch, .audit = s->audit, .pool = s->f->pool, .clock = &eg_clock_system,
                              .public_url = PUBLIC_URL};
    assert_int_equal(eg_pipeline_new(&po, &s->pipeline), EG_OK);
    open_door();
    s->tls = client_context();
    make_token(0, PUBLIC_URL, "");
    make_token(1, "https://storage.azure.com", "");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_int_equal(eg_door_stop(s->door, 2), EG_OK);
    close(s->listener);
    SSL_CTX_free(s->tls);
    eg_pipeline_free(s->pipeline);
    eg_router_free(s->router);
    eg_ops_free(s->ops);
    eg_policy_watch_stop(s->watch);
    eg_audit_close(s->audit);
    void *f = s->f;
    fixture_close(&f);
    free(s);
    s = NULL;
    return 0;
}

/* The client's side. */

enum { NOBODY = -1, GATEWAY = 0, STORAGE = 1 };

static answer ask_on(client *c, const char *line, const char *more, int token) {
    static char text[20000];
    answer a = {0};
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s%s\r\n", line, token == NOBODY ? "" : "Authorization: Bearer ", token == NOBODY ? "" : s->token[token],
             token == NOBODY ? "" : "\r\n", more);
    assert_true(client_sends(c, text));
    assert_true(client_read(c, strncmp(line, "HEAD", 4) == 0, &a));
    return a;
}

static answer ask(const char *line, const char *more, int token) {
    client *c = client_open(s->tls, s->port, NULL);
    assert_non_null(c);
    answer a = ask_on(c, line, more, token);
    client_close(c);
    return a;
}

static void expect(const char *line, int token, int status, const char *in_body) {
    answer a = ask(line, "", token);
    if (a.status != status || !strstr(a.body, in_body)) {
        fail_msg("%s: %d %s, owed %d %s", line, a.status, a.body, status, in_body);
    }
}

static void wait_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static int64_t records(void) {
    return eg_metric_get(EG_METRIC_AUDIT_RECORDS);
}

/* Tests. */

static void ordinary(void **state) {
    (void)state;
    int64_t before = records();
    expect("GET /livy/jobs", GATEWAY, 200, "hello");
    expect("GET /livy/open", NOBODY, 200, "hello");
    expect("HEAD /livy/jobs", GATEWAY, 200, "");
    expect("GET /livy/begins", GATEWAY, 200, "hello");
    expect("GET /fs/a", STORAGE, 200, "hello");
    expect("GET /clusters/spark/livy/jobs", GATEWAY, 200, "hello");
    answer a = ask("POST /livy/echo", "Content-Length: 5\r\n\r\nabcde", GATEWAY); /* the last \r\n is of the next request */
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "abcde");
    assert_int_equal(records() - before, 7);
    assert_int_equal(atomic_load(&s->acted), 7);
    a = ask("GET /fs/a", "x-ms-version: 2023-11-03\r\nx-ms-client-request-id: mine\r\n", STORAGE);
    assert_non_null(strstr(a.head, "x-ms-version: 2023-11-03"));
    assert_non_null(strstr(a.head, "x-ms-client-request-id: mine"));
    assert_non_null(strstr(a.head, "x-ms-request-id: "));
    assert_non_null(strstr(a.head, "X-Content-Type-Options: nosniff"));
    for (int i = 0; i < 200 && atomic_load(&s->freed) < 7; i++) {
        wait_ms(10);
    }
    assert_int_equal(atomic_load(&s->freed), 7); /* hello was asked for seven times */
}

static void refused(void **state) {
    (void)state;
    int64_t before = records();
    expect("GET /livy/jobs", NOBODY, 401, "\"msg\"");
    expect("GET /livy/jobs", STORAGE, 401, "\"msg\"");       /* a token for another audience */
    expect("GET /fs/a", GATEWAY, 401, "TokenAudienceInvalid");
    expect("GET /livy/absent", GATEWAY, 404, "\"msg\"");
    expect("GET /fs/../a", STORAGE, 400, "InvalidResourceName");
    expect("PUT /livy/jobs", GATEWAY, 405, "\"msg\"");
    expect("POST /fs/a", STORAGE, 501, "UnsupportedOperation");
    assert_int_equal(records() - before, 0); /* nobody was known yet: added up */
    expect("PUT /fs/a", STORAGE, 403, "AuthorizationPermissionMismatch");
    expect("DELETE /livy/cluster", GATEWAY, 403, "has no role assignment that grants " EG_ACTION_CLUSTER_DELETE);
    expect("GET /livy/fails", GATEWAY, 400, "spark.secret is refused");
    assert_int_equal(records() - before, 3);
    assert_int_equal(atomic_load(&s->acted), 0);
    answer a = ask("GET /fs/a", "", NOBODY);
    assert_non_null(strstr(a.head, "WWW-Authenticate: Bearer realm=\"embergate\", authorization_uri=\"" PUBLIC_URL "/" TENANT "/oauth2/authorize\", resource_id=\"https://storage.azure.com\""));
    a = ask("GET /livy/jobs", "Authorization: Basic YTpi\r\n", NOBODY);
    assert_int_equal(a.status, 401);
    a = ask("GET /livy/jobs", "Authorization: Bearer\r\n", NOBODY);
    assert_int_equal(a.status, 401);
    a = ask("GET /livy/jobs", "Authorization: bearer a b\r\n", NOBODY);
    assert_int_equal(a.status, 401);
}

/* What is another tenant's and what isn't there are answered alike, byte for byte but for the request's id. */
static void others_are_invisible(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"GET /clusters/other/livy/jobs", "GET /clusters/absent/livy/jobs"},
        {"GET /clusters/other/livy/open", NULL},
        {"GET /far/fs/a", NULL},
    };
    answer a = ask(pairs[0][0], "", GATEWAY), b = ask(pairs[0][1], "", GATEWAY);
    assert_int_equal(a.status, 404);
    assert_int_equal(b.status, 404);
    assert_string_equal(a.body, b.body);
    a = ask(pairs[0][0], "", NOBODY);
    b = ask(pairs[0][1], "", NOBODY);
    assert_int_equal(a.status, 401);
    assert_int_equal(b.status, 401);
    assert_string_equal(a.body, b.body);
    a = ask("GET /far/fs/a", "", STORAGE);
    assert_int_equal(a.status, 403);
    assert_non_null(strstr(a.body, "AuthorizationPermissionMismatch"));
    assert_null(strstr(a.body, "enant"));
    assert_int_equal(atomic_load(&s->acted), 0);
}

static void bodies_are_bounded(void **state) {
    (void)state;
    assert_int_equal(ask("POST /livy/echo", "Content-Length: 17\r\n", GATEWAY).status, 413);
    assert_int_equal(ask("GET /livy/jobs", "Content-Length: 1\r\n", GATEWAY).status, 413);
    assert_int_equal(ask("POST /livy/echo", "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n1\r\nx\r\n0\r\n", GATEWAY).status, 413);
    answer a = ask("POST /livy/echo", "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\nabcdefgh\r\n0\r\n", GATEWAY);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "12345678abcdefgh");
    assert_int_equal(ask("POST /livy/early", "Content-Length: 100000\r\n\r\nabc", GATEWAY).status, 400);
}

/* Peers that go away at any moment, while answers wait for their records: for the sanitizers. */
static void peers_that_leave(void **state) {
    (void)state;
    static char text[20000];
    static const char *const ends[] = {"GET /livy/jobs", "POST /livy/early", "POST /livy/echo", "GET /livy/twice"};
    for (int i = 0; i < 60; i++) {
        client *c = client_open(s->tls, s->port, NULL);
        assert_non_null(c);
        bool body = i % 4 == 1 || i % 4 == 2;
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s\r\n%s", ends[i % 4], s->token[0], body ? "Content-Length: 10\r\n" : "", body ? "abc" : "");
        assert_true(client_sends(c, text));
        if (i % 8 > 3) {
            wait_ms(2);
        }
        client_close(c);
    }
    expect("GET /livy/jobs", GATEWAY, 200, "hello");
}

static void answered_twice_is_answered_once(void **state) {
    (void)state;
    int64_t before = records();
    for (int i = 0; i < 20; i++) {
        expect("GET /livy/twice", GATEWAY, 200, "once");
    }
    assert_int_equal(records() - before, 20);
}

static void short_answers_are_given_on_the_worker(void **state) {
    (void)state;
    int64_t before = records();
    expect("GET /livy/tries", GATEWAY, 200, "here");
    expect("GET /livy/tries?long", GATEWAY, 200, "in the pool");
    expect("GET /livy/tries?wrong", GATEWAY, 400, "");
    assert_int_equal(records() - before, 3);
}

static void records_in_transactions(void **state) {
    (void)state;
    int64_t before = records();
    expect("POST /livy/commit", GATEWAY, 201, "");
    assert_int_equal(atomic_load(&s->committed), 1);
    assert_int_equal(records() - before, 0); /* it is in the outbox; the journal has none */
    expect("POST /livy/commit?refuse", GATEWAY, 400, "the name is taken");
    assert_int_equal(atomic_load(&s->committed), 1);
    assert_int_equal(records() - before, 1); /* what wasn't committed is told by the journal */
    expect("POST /livy/commit?other", GATEWAY, 202, "");
    assert_int_equal(records() - before, 2); /* another answer than the one recorded */
}

static void first_accesses(void **state) {
    (void)state;
    int64_t before = records();
    for (int i = 0; i < 5; i++) {
        expect("GET /livy/first", GATEWAY, 200, "hello");
    }
    assert_int_equal(records() - before, 1);
}

/* Until the index has it: it follows asynchronously. */
static void finds_record(const char *query, const char *what) {
    char line[200];
    answer a;
    snprintf(line, sizeof line, "GET /audit/" TENANT "/records?%s", query);
    for (int i = 0; i < 100; i++) {
        a = ask(line, "", GATEWAY);
        assert_int_equal(a.status, 200);
        if (strstr(a.body, what)) {
            return;
        }
        wait_ms(50);
    }
    fail_msg("no %s in %s", what, a.body);
}

static void records_say_why(void **state) {
    (void)state;
    expect("PUT /fs/a", STORAGE, 403, "AuthorizationPermissionMismatch");
    expect("GET /livy/jobs", GATEWAY, 200, "hello");
    finds_record("outcome=denied&limit=1", "default deny");
    finds_record("outcome=denied&limit=1", EG_ACTION_BLOB_WRITE);
    finds_record("outcome=allowed&limit=1", "roleAssignment submit (Embergate Job Submitter)");
}

static void no_record_no_answer(void **state) {
    (void)state;
    atomic_store(&s->keys_fail, true); /* the log of this tenant can't be opened */
    answer a = ask("GET /livy/jobs", "", GATEWAY);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "audit log cannot be written"));
    assert_null(strstr(a.body, "hello"));
    assert_non_null(strstr(a.head, "Retry-After"));
    atomic_store(&s->keys_fail, false);
    expect("GET /livy/jobs", GATEWAY, 200, "hello");
}

static void job_tokens(void **state) {
    (void)state;
    /* Without a compute room no job runs, so a job's token is refused as ended before its route is looked at. */
    make_token(1, "https://storage.azure.com", ",\"eg_job\":\"spark/1\",\"eg_cluster\":\"spark\"");
    expect("GET /fs/a", STORAGE, 401, "JobEnded");
}

static void handlers_ask_again(void **state) {
    (void)state;
    expect("GET /livy/question", GATEWAY, 200, "reads logs");
    assign("manage", "Embergate Job Administrator", SPARK);
    for (int i = 0; i < 100; i++) {
        if (strstr(ask("GET /livy/question", "", GATEWAY).body, "manages")) {
            return;
        }
        wait_ms(20);
    }
    fail_msg("the new assignment was not seen");
}

static void network_rules_change(void **state) {
    (void)state;
    client *c = client_open(s->tls, s->port, NULL);
    assert_non_null(c);
    assert_int_equal(ask_on(c, "GET /livy/jobs", "", GATEWAY).status, 200);
    put_network("Deny");
    answer a = {0};
    for (int i = 0; i < 100 && a.status != 403; i++) {
        wait_ms(20);
        a = ask_on(c, "GET /livy/jobs", "", GATEWAY); /* the connection that was let in */
    }
    assert_int_equal(a.status, 403);
    client_close(c);
    int64_t denied = eg_metric_get(EG_METRIC_CONNECTIONS_DENIED);
    assert_null(client_open(s->tls, s->port, NULL));
    assert_int_equal(eg_metric_get(EG_METRIC_CONNECTIONS_DENIED), denied + 1);
}

static void put_account(const char *properties) {
    put("storageAccounts/lake.json", "{\"id\":\"" LAKE "\",\"name\":\"lake\",\"properties\":{%s}}", properties);
}

/* Asks until the policies of a moment ago are in force. */
static answer asked_until(const char *line, int token, int status) {
    answer a = {0};
    for (int i = 0; i < 100 && a.status != status; i++) {
        wait_ms(20);
        client *c = client_open(s->tls, s->port, NULL);
        assert_non_null(c);
        a = ask_on(c, line, "", token);
        client_close(c);
    }
    assert_int_equal(a.status, status);
    return a;
}

static void accounts_have_networks(void **state) {
    (void)state;
    expect("GET /fs/a", STORAGE, 200, "hello");
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"192.0.2.0/24\"}]}");
    answer a = asked_until("GET /fs/a", NOBODY, 403); /* before any token is looked at: else 401 */
    assert_non_null(strstr(a.head, "x-ms-error-code: AuthorizationFailure"));
    assert_non_null(strstr(a.body, "This request is not authorized to perform this operation."));
    expect("GET /fs/a", STORAGE, 403, "AuthorizationFailure");
    expect("GET /livy/jobs", GATEWAY, 200, "hello"); /* a cluster is no storage account */
    /* A subnet of clusters: who is on this machine may be a job of one, which is known after authentication. */
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"virtualNetworkRules\":[{\"id\":\"" SUBNET "\"}]}");
    (void)asked_until("GET /fs/a", GATEWAY, 401);
    expect("GET /fs/a", NOBODY, 403, "AuthorizationFailure");
    expect("GET /fs/a", STORAGE, 403, "AuthorizationFailure"); /* a person, not a job */
    put_account("\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":\"127.0.0.0/8\"}]}");
    (void)asked_until("GET /fs/a", STORAGE, 200);
    put_account("\"publicNetworkAccess\":\"Disabled\",\"networkAcls\":{\"defaultAction\":\"Allow\"}");
    (void)asked_until("GET /fs/a", STORAGE, 403);
}

static void health_and_metrics(void **state) {
    (void)state;
    expect("GET /healthz", NOBODY, 200, "\"status\":\"ok\"");
    assert_null(strstr(ask("GET /healthz", "", NOBODY).body, "current"));
    expect("GET /healthz/details", NOBODY, 401, "");
    expect("GET /metrics", NOBODY, 401, "");
    expect("GET /metrics", GATEWAY, 200, "embergate_requests_total");
    expect("GET /healthz/details", GATEWAY, 200, "\"current\":true");
    put("roleAssignments/half.json", "{");
    for (int i = 0; i < 100 && !strstr(ask("GET /healthz/details", "", GATEWAY).body, "\"current\":false"); i++) {
        wait_ms(20);
    }
    expect("GET /healthz/details", GATEWAY, 200, "roleAssignments/half.json");
}

static void schemes(void **state) {
    (void)state;
    static const struct { const char *given; eg_err owed; } rows[] = {
        {"Bearer a.b.c", EG_OK}, {"bearer a.b.c", EG_OK}, {"BEARER   a.b.c", EG_OK}, {"", EG_ERR_TOKEN_MISSING}, {"Basic YTpi", EG_ERR_TOKEN_MISSING},
        {"SharedKey a:b", EG_ERR_TOKEN_MISSING}, {"Bearer", EG_ERR_TOKEN_MALFORMED}, {"Bearer ", EG_ERR_TOKEN_MALFORMED}, {"Bearer a b", EG_ERR_TOKEN_MALFORMED},
        {"Bearer a,b", EG_ERR_TOKEN_MALFORMED}, {"Bearer \"a\"", EG_ERR_TOKEN_MALFORMED}, {"Bearera.b.c", EG_ERR_TOKEN_MISSING}, {"Bearer a\tb", EG_ERR_TOKEN_MALFORMED},
    };
    eg_err eg_pipeline_bearer(eg_str authorization, eg_str *ret);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_str token = {NULL, 0};
        if (eg_pipeline_bearer(eg_str_of(rows[i].given), &token) != rows[i].owed || (rows[i].owed == EG_OK) != eg_str_is(token, "a.b.c")) {
            fail_msg("\"%s\"", rows[i].given);
        }
    }
    /* Every byte, in a whole block and in what is left after one. */
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    for (int c = 1; c < 256; c++) {
        for (size_t at = 7; at < 30; at += 3) {
            char text[31] = "Bearer aaaaaaaaaaaaaaaaaaaaaaa";
            eg_str token = {NULL, 0};
            text[at] = (char)c;
            const eg_err owed = strchr(good, c) || (c == ' ' && at == 7) ? EG_OK : EG_ERR_TOKEN_MALFORMED;
            assert_int_equal(eg_pipeline_bearer(eg_str_of(text), &token), owed);
        }
    }
}

#define ON_STAGE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* With an argument: the tests whose names match it, such as 'peers*'. Under ThreadSanitizer one process can run but one stage. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes), ON_STAGE(ordinary), ON_STAGE(accounts_have_networks), ON_STAGE(refused), ON_STAGE(others_are_invisible), ON_STAGE(bodies_are_bounded), ON_STAGE(peers_that_leave),
        ON_STAGE(answered_twice_is_answered_once), ON_STAGE(short_answers_are_given_on_the_worker), ON_STAGE(records_in_transactions), ON_STAGE(first_accesses), ON_STAGE(records_say_why), ON_STAGE(no_record_no_answer),
        ON_STAGE(job_tokens), ON_STAGE(handlers_ask_again), ON_STAGE(network_rules_change), ON_STAGE(health_and_metrics),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    signal(SIGPIPE, SIG_IGN); /* for the client's side */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

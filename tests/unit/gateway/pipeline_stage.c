/* Sets up the pipeline behind a real door, and asks it. */
#include "pipeline_stage.h"

#include <embergate/actions.h>
#include <embergate/durable_file.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

stage *the_stage;

/* Handlers. */

static void count_freed(void *state) {
    (void)state;
    atomic_fetch_add(&the_stage->freed, 1);
}

static eg_err say(eg_request *rq, int status, const char *text) {
    atomic_fetch_add(&the_stage->acted, 1);
    return eg_respond_bytes(rq, status, "text/plain", (eg_bytes){(const uint8_t *)text, strlen(text)});
}

static eg_err hello(eg_request *rq) {
    rq->free_state = count_freed;
    return say(rq, 200, "hello");
}

static eg_err echo(eg_request *rq) {
    atomic_fetch_add(&the_stage->acted, 1);
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
    EG_TRY(eg_commit(the_stage->f->committer, ops, refused ? 2 : 1, &rq->problem));
    atomic_fetch_add(&the_stage->committed, 1);
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
static eg_err pass_recall(void *ctx, const eg_signed_checkpoint *c, bool remember, bool *ret_forgotten) {
    stage *at = ctx;
    return at->f->keys->recall_checkpoint(at->f->keys->ctx, c, remember, ret_forgotten);
}
static eg_err pass_log_key(void *ctx, eg_str origin, uint8_t ret_pub[32]) {
    stage *at = ctx;
    return at->f->keys->log_public_key(at->f->keys->ctx, origin, ret_pub);
}

void stage_put(const char *name, const char *fmt, ...) {
    char text[4096], path[256];
    va_list args;
    eg_problem p = {0};
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(path, sizeof path, "%s/policies/%s", the_stage->f->dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    *slash = '/';
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

void stage_assign(const char *name, const char *role, const char *scope) {
    char file[64];
    snprintf(file, sizeof file, "roleAssignments/%s.json", name);
    stage_put(file, "{\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"principalType\":\"ServicePrincipal\",\"scope\":\"%s\"}}", name, role,
        the_stage->f->object_id, scope);
}

void stage_put_network(const char *access) {
    stage_put("networkSecurityGroups/front.json",
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
    snprintf(path, sizeof path, "%s/audit", the_stage->f->dir);
    the_stage->keys = (eg_keys){.ctx = the_stage, .new_data_key = failing_data_key, .unwrap = pass_unwrap, .sign_checkpoint = pass_checkpoint, .recall_checkpoint = pass_recall,
                                .log_public_key = pass_log_key};
    eg_audit_options ao = {.dir = path, .kv = the_stage->f->kv, .committer = the_stage->f->committer, .keys = &the_stage->keys, .clock = &eg_clock_system, .origin = "test/log", .journal_bytes = 1 << 20,
                           .checkpoint_ms = 50};
    assert_int_equal(eg_audit_open(&ao, &the_stage->audit, &p), EG_OK);
    snprintf(path, sizeof path, "%s/policies", the_stage->f->dir);
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = path, .clock = &eg_clock_system, .poll_ms = 10}, &the_stage->watch, &p), EG_OK);
    eg_router_options ro = {.domain = EG_LIT("lab.test"), .tenants = tenants, .tenant_count = 2, .clusters = clusters, .cluster_count = 2, .accounts = accounts,
                            .account_count = 2, .default_account = EG_LIT("lake")};
    size_t n = 0;
    assert_non_null(the_stage->router = eg_router_new(&ro));
    assert_int_equal(eg_ops_new(&(eg_ops_options){.watch = the_stage->watch, .audit = the_stage->audit, .pool = the_stage->f->pool}, &the_stage->ops), EG_OK);
    const eg_route *rows = eg_ops_routes(&n);
    assert_int_equal(eg_router_mount(the_stage->router, EG_SURFACE_OPS, rows, n, the_stage->ops, &p), EG_OK);
    rows = eg_audit_routes(&n);
    assert_int_equal(eg_router_mount(the_stage->router, EG_SURFACE_AUDIT, rows, n, the_stage->audit, &p), EG_OK);
    assert_int_equal(eg_router_mount(the_stage->router, EG_SURFACE_LIVY, routes, sizeof routes / sizeof routes[0], NULL, &p), EG_OK);
    assert_int_equal(eg_router_mount(the_stage->router, EG_SURFACE_DFS, routes, sizeof routes / sizeof routes[0], NULL, &p), EG_OK);
}

static void open_door(void) {
    static const eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char crt[128], key[128];
    eg_problem p = {0};
    the_stage->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(the_stage->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(the_stage->listener, 64), 0);
    assert_int_equal(getsockname(the_stage->listener, (struct sockaddr *)&a, &len), 0);
    the_stage->port = ntohs(a.sin_port);
    client_make_certificate(the_stage->f->dir, "server", "gateway.test");
    snprintf(crt, sizeof crt, "%s/server.crt", the_stage->f->dir);
    snprintf(key, sizeof key, "%s/server.key", the_stage->f->dir);
    eg_door_certificate certificate = {crt, key};
    eg_door_listener listener = {.fd = the_stage->listener, .peer = {.local_port = (uint16_t)the_stage->port, .listener = "test", .subnet = SUBNET}};
    eg_door_options o = {.listeners = &listener, .listener_count = 1, .certificates = &certificate, .certificate_count = 1, .workers = 2, .limits = limits,
                         .pool = the_stage->f->pool, .app = eg_pipeline_app(the_stage->pipeline), .refused = eg_pipeline_refused};
    assert_int_equal(eg_door_start(&o, &the_stage->door, &p), EG_OK);
}

void stage_make_token(int i, const char *audience, const char *more) {
    eg_buf token;
    eg_buf_init(&token, sizeof the_stage->token[0] - 1);
    fixture_token(the_stage->f, audience, more, &token);
    snprintf(the_stage->token[i], sizeof the_stage->token[i], "%s", token.ptr);
    eg_buf_done(&token);
}

int stage_set_up(void **state) {
    void *f = NULL;
    fixture_open(&f);
    the_stage = calloc(1, sizeof *the_stage);
    assert_non_null(the_stage);
    the_stage->f = f;
    *state = the_stage;
    assert_int_equal(fixture_open_identity(the_stage->f, NULL, 0), EG_OK);
    stage_assign("submit", "Embergate Job Submitter", SPARK);
    stage_assign("read", "Storage Blob Data Reader", LAKE);
    stage_assign("audit", "Embergate Auditor", GROUP);
    stage_put("virtualNetworks/lab.json", "{\"id\":\"" GROUP "/providers/Microsoft.Network/virtualNetworks/lab\",\"name\":\"lab\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/8\"]},"
        "\"subnets\":[{\"id\":\"" SUBNET "\",\"name\":\"gateway\",\"properties\":{\"addressPrefix\":\"10.0.0.0/24\",\"networkSecurityGroup\":{\"id\":\"" NSG "\"}}}]}}");
    stage_put_network("Allow");
    open_rooms();
    eg_pipeline_options po = {.router = the_stage->router, .identity = the_stage->f->identity, .policies = the_stage->watch, .audit = the_stage->audit, .pool = the_stage->f->pool, .clock = &eg_clock_system,
                              .public_url = PUBLIC_URL};
    assert_int_equal(eg_pipeline_new(&po, &the_stage->pipeline), EG_OK);
    open_door();
    the_stage->tls = client_context();
    stage_make_token(0, PUBLIC_URL, "");
    stage_make_token(1, "https://storage.azure.com", "");
    return 0;
}

int stage_tear_down(void **state) {
    (void)state;
    assert_int_equal(eg_door_stop(the_stage->door, 2), EG_OK);
    close(the_stage->listener);
    SSL_CTX_free(the_stage->tls);
    eg_pipeline_free(the_stage->pipeline);
    eg_router_free(the_stage->router);
    eg_ops_free(the_stage->ops);
    eg_policy_watch_stop(the_stage->watch);
    eg_audit_close(the_stage->audit);
    void *f = the_stage->f;
    fixture_close(&f);
    free(the_stage);
    the_stage = NULL;
    return 0;
}

/* The client's side. */

answer stage_ask_on(client *c, const char *line, const char *more, int token) {
    static char text[20000];
    answer a = {0};
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s%s\r\n", line, token == NOBODY ? "" : "Authorization: Bearer ", token == NOBODY ? "" : the_stage->token[token],
             token == NOBODY ? "" : "\r\n", more);
    assert_true(client_sends(c, text));
    assert_true(client_read(c, strncmp(line, "HEAD", 4) == 0, &a));
    return a;
}

answer stage_ask(const char *line, const char *more, int token) {
    client *c = client_open(the_stage->tls, the_stage->port, NULL);
    assert_non_null(c);
    answer a = stage_ask_on(c, line, more, token);
    client_close(c);
    return a;
}

void stage_expect(const char *line, int token, int status, const char *in_body) {
    answer a = stage_ask(line, "", token);
    if (a.status != status || !strstr(a.body, in_body)) {
        fail_msg("%s: %d %s, owed %d %s", line, a.status, a.body, status, in_body);
    }
}

void stage_wait_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

int64_t stage_records(void) {
    return eg_metric_get(EG_METRIC_AUDIT_RECORDS);
}

/* The issuer's routes as a client sees them: tokens for those who prove themselves, OAuth's errors for all others.
 * covers: identity_routes.c token_request.c */
#include "identity_fixture.h"

typedef struct exchange {
    eg_request rq;
    bool answered;
} exchange;

static void respond(eg_request *rq) {
    exchange *x = rq->door;
    assert_false(x->answered);
    x->answered = true;
}

static const eg_request_ops ops = {.respond = respond};

static const eg_route *route_of(const char *method, const char *pattern) {
    size_t n = 0;
    const eg_route *r = eg_identity_routes(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(r[i].method, method) == 0 && strcmp(r[i].pattern, pattern) == 0) {
            return &r[i];
        }
    }
    fail();
    return NULL;
}

/* Runs a request through a route's end(), with errors shaped as the pipeline does. */
static void run(fixture *f, exchange *x, const eg_route *route, const char *tenant, const char *authorization, const char *body) {
    static const eg_header headers[] = {{{"Content-Type", 12}, {"application/x-www-form-urlencoded", 33}}};
    *x = (exchange){0};
    eg_request *rq = &x->rq;
    rq->arena = eg_arena_new(262144);
    rq->door = x;
    rq->ops = &ops;
    rq->route = route;
    rq->room = f->identity;
    rq->surface = EG_SURFACE_OAUTH;
    rq->headers = headers;
    rq->header_count = 1;
    rq->params[0] = eg_str_of(tenant);
    rq->authorization = eg_str_of(authorization);
    rq->body = eg_str_bytes(eg_str_of(body));
    snprintf(rq->peer.address, sizeof rq->peer.address, "192.0.2.1");
    eg_err e = route->end(rq);
    if (e != EG_OK) {
        eg_respond_problem(rq, e, &rq->problem);
    }
    assert_true(x->answered);
}

static void done(exchange *x) {
    json_decref(x->rq.record_details);
    eg_buf_done(&x->rq.response.owned);
    eg_arena_free(x->rq.arena);
}

static json_t *body_of(const exchange *x) {
    json_t *v = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_json_parse(eg_bytes_str(x->rq.response.bytes), 65536, &v, &p), EG_OK);
    return v;
}

static void expect_error(fixture *f, const char *tenant, const char *authorization, const char *body, int status, const char *code) {
    exchange x;
    run(f, &x, route_of("POST", "/{tenant}/oauth2/v2.0/token"), tenant, authorization, body);
    EG_JSON_AUTO v = body_of(&x);
    if (x.rq.response.status != status || !eg_str_is(eg_json_str(v, "error"), code)) {
        print_error("%s\n-> %d %.*s\n", body, x.rq.response.status, (int)x.rq.response.bytes.len, (const char *)x.rq.response.bytes.ptr);
    }
    assert_int_equal(x.rq.response.status, status);
    assert_true(eg_str_is(eg_json_str(v, "error"), code));
    assert_null(x.rq.principal); /* nobody was signed in */
    assert_non_null(x.rq.record_details);
    char *details = json_dumps(x.rq.record_details, 0);
    assert_null(strstr(details, f->secret));
    free(details);
    assert_null(memmem(x.rq.response.bytes.ptr, x.rq.response.bytes.len, f->secret, strlen(f->secret)));
    done(&x);
}

static void form(char *to, size_t size, const fixture *f, const char *scope) {
    snprintf(to, size, "client_id=%s&client_secret=%s&grant_type=client_credentials&client_info=1&scope=%s", f->client_id, f->secret, scope);
}

static void a_secret_gets_a_token(void **state) {
    fixture *f = *state;
    exchange x;
    char body[512];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    form(body, sizeof body, f, STORAGE_SCOPE);
    run(f, &x, route_of("POST", "/{tenant}/oauth2/v2.0/token"), TENANT, "", body);
    assert_int_equal(x.rq.response.status, 200);
    EG_JSON_AUTO v = body_of(&x);
    assert_true(eg_str_is(eg_json_str(v, "token_type"), "Bearer"));
    assert_int_equal(json_integer_value(json_object_get(v, "expires_in")), 3599);
    assert_int_equal(fixture_verify(f, eg_json_str(v, "access_token"), EG_AUDIENCE_STORAGE), EG_OK);
    assert_int_equal(fixture_verify(f, eg_json_str(v, "access_token"), EG_AUDIENCE_GATEWAY), EG_ERR_TOKEN_AUDIENCE);
    bool no_store = false;
    bool json_type = false;
    for (size_t i = 0; i < x.rq.response.header_count; i++) {
        no_store |= strcmp(x.rq.response.headers[i].name, "Cache-Control") == 0 && eg_str_is(x.rq.response.headers[i].value, "no-store");
        json_type |= strcmp(x.rq.response.headers[i].name, "Content-Type") == 0 && eg_str_is(x.rq.response.headers[i].value, "application/json");
    }
    assert_true(no_store && json_type);
    /* The record names who, and holds neither secret nor token. */
    assert_non_null(x.rq.principal);
    assert_string_equal(x.rq.principal->object_id, f->object_id);
    assert_string_equal(x.rq.principal->app_id, f->client_id);
    char *details = json_dumps(x.rq.record_details, 0);
    assert_non_null(strstr(details, "issued"));
    assert_non_null(strstr(details, f->client_id));
    assert_null(strstr(details, f->secret));
    free(details);
    assert_true(eg_str_is(x.rq.tenant, TENANT));
    done(&x);
}

static void scopes_choose_the_surface(void **state) {
    fixture *f = *state;
    static const struct {
        const char *scope;
        eg_audience audience;
    } cases[] = {
        {"https%3A%2F%2Fstorage.azure.com%2F%2F.default", EG_AUDIENCE_STORAGE},
        {"https://management.azure.com/.default", EG_AUDIENCE_GATEWAY},
        {"https://management.core.windows.net//.default", EG_AUDIENCE_GATEWAY},
        {PUBLIC_URL "/.default", EG_AUDIENCE_GATEWAY},
        {"https://embergate/.default", EG_AUDIENCE_GATEWAY},
    };
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        exchange x;
        char body[512];
        form(body, sizeof body, f, cases[i].scope);
        run(f, &x, route_of("POST", "/{tenant}/oauth2/v2.0/token"), TENANT, "", body);
        assert_int_equal(x.rq.response.status, 200);
        EG_JSON_AUTO v = body_of(&x);
        assert_int_equal(fixture_verify(f, eg_json_str(v, "access_token"), cases[i].audience), EG_OK);
        done(&x);
    }
}

static void basic_credentials_and_version_1(void **state) {
    fixture *f = *state;
    exchange x;
    char plain[128];
    eg_buf basic;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    snprintf(plain, sizeof plain, "%s:%s", f->client_id, f->secret);
    eg_buf_init(&basic, 512);
    eg_buf_adds(&basic, "Basic ");
    eg_base64(eg_str_bytes(eg_str_of(plain)), &basic);
    run(f, &x, route_of("POST", "/{tenant}/oauth2/v2.0/token"), TENANT, basic.ptr, "grant_type=client_credentials&scope=" STORAGE_SCOPE);
    assert_int_equal(x.rq.response.status, 200);
    done(&x);
    run(f, &x, route_of("POST", "/{tenant}/oauth2/token"), TENANT, basic.ptr, "grant_type=client_credentials&resource=https%3A%2F%2Fstorage.azure.com%2F");
    assert_int_equal(x.rq.response.status, 200);
    done(&x);
    expect_error(f, TENANT, basic.ptr, "grant_type=client_credentials&client_secret=x&scope=" STORAGE_SCOPE, 400, "invalid_request");
    expect_error(f, TENANT, basic.ptr, "grant_type=client_credentials&client_id=other&scope=" STORAGE_SCOPE, 400, "invalid_request");
    expect_error(f, TENANT, "Basic !!!!", "grant_type=client_credentials&scope=" STORAGE_SCOPE, 400, "invalid_request");
    expect_error(f, TENANT, "Basic AAAA", "grant_type=client_credentials&scope=" STORAGE_SCOPE, 400, "invalid_request");
    eg_buf_done(&basic);
}

static void refusals(void **state) {
    fixture *f = *state;
    char good[512];
    char body[768];
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    form(good, sizeof good, f, STORAGE_SCOPE);
    expect_error(f, "33333333-3333-4333-8333-333333333333", "", good, 400, "invalid_request");
    expect_error(f, "common", "", good, 400, "invalid_request");
    expect_error(f, OTHER_TENANT, "", good, 401, "invalid_client");
    expect_error(f, TENANT, "", "", 400, "invalid_request");
    expect_error(f, TENANT, "", "grant_type=password&username=a&password=b", 400, "unsupported_grant_type");
    expect_error(f, TENANT, "", "grant_type=client_credentials", 400, "invalid_request");
    expect_error(f, TENANT, "", "grant_type=client_credentials&client_id=x&client_secret=", 400, "invalid_request");
    expect_error(f, TENANT, "", "grant_type=client_credentials&client_id=x&client_secret=y&scope=" STORAGE_SCOPE, 401, "invalid_client");
    snprintf(body, sizeof body, "%s&client_id=%s", good, f->client_id);
    expect_error(f, TENANT, "", body, 400, "invalid_request"); /* twice */
    snprintf(body, sizeof body, "%s&%%67rant_type=x", good);
    expect_error(f, TENANT, "", body, 400, "invalid_request"); /* twice, one of them escaped */
    form(good, sizeof good, f, "https%3A%2F%2Fgraph.microsoft.com%2F.default");
    expect_error(f, TENANT, "", good, 400, "invalid_scope");
    form(good, sizeof good, f, "openid");
    expect_error(f, TENANT, "", good, 400, "invalid_scope");
    form(good, sizeof good, f, STORAGE_SCOPE "+https%3A%2F%2Fmanagement.azure.com%2F.default");
    expect_error(f, TENANT, "", good, 400, "invalid_scope");
    form(good, sizeof good, f, "%ff");
    expect_error(f, TENANT, "", good, 400, "invalid_request"); /* not UTF-8 */
    eg_buf many;
    eg_buf_init(&many, 4096);
    for (int i = 0; i < 40; i++) {
        eg_buf_addf(&many, "a%d=b&", i);
    }
    expect_error(f, TENANT, "", many.ptr, 400, "invalid_request");
    eg_buf_done(&many);
}

static void assertions_that_are_no_jobs(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
#define ASSERTION "grant_type=client_credentials&scope=" STORAGE_SCOPE "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    expect_error(f, TENANT, "", ASSERTION "&client_assertion=abc", 401, "invalid_client");
    expect_error(f, TENANT, "", ASSERTION "&client_assertion=", 401, "invalid_client");
    expect_error(f, TENANT, "", ASSERTION "&client_assertion=abc&client_secret=x", 400, "invalid_request");
    expect_error(f, TENANT, "", "grant_type=client_credentials&scope=" STORAGE_SCOPE "&client_assertion=abc", 400, "invalid_request");
}

static void discovery_and_keys(void **state) {
    fixture *f = *state;
    exchange x;
    assert_int_equal(fixture_open_identity(f, NULL, 0), EG_OK);
    run(f, &x, route_of("GET", "/{tenant}/v2.0/.well-known/openid-configuration"), TENANT, "", "");
    assert_int_equal(x.rq.response.status, 200);
    json_t *v = body_of(&x);
    assert_true(eg_str_is(eg_json_str(v, "issuer"), PUBLIC_URL "/" TENANT "/v2.0"));
    assert_true(eg_str_is(eg_json_str(v, "token_endpoint"), PUBLIC_URL "/" TENANT "/oauth2/v2.0/token"));
    assert_true(eg_str_is(eg_json_str(v, "jwks_uri"), PUBLIC_URL "/" TENANT "/discovery/v2.0/keys"));
    assert_true(eg_json_str(v, "authorization_endpoint").len > 0);
    json_decref(v);
    done(&x);
    run(f, &x, route_of("GET", "/{tenant}/discovery/v2.0/keys"), TENANT, "", "");
    assert_int_equal(x.rq.response.status, 200);
    v = body_of(&x);
    assert_int_equal(json_array_size(json_object_get(v, "keys")), 1);
    assert_null(json_object_get(json_array_get(json_object_get(v, "keys"), 0), "d"));
    json_decref(v);
    done(&x);
    run(f, &x, route_of("GET", "/{tenant}/discovery/v2.0/keys"), "common", "", "");
    assert_int_equal(x.rq.response.status, 400);
    done(&x);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_secret_gets_a_token, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(scopes_choose_the_surface, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(basic_credentials_and_version_1, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(refusals, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(assertions_that_are_no_jobs, fixture_open, fixture_close),
    cmocka_unit_test_setup_teardown(discovery_and_keys, fixture_open, fixture_close),
};

int main(void) {
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks what handlers answer with: headers that can't be split, bodies that live long enough, errors in each API's shape. covers: http_problem.c principal.c */
#include <embergate/clock.h>
#include <embergate/http.h>

#include "check.h"

static int answered;
static void respond(eg_request *rq) {
    (void)rq;
    answered++;
}

static const eg_request_ops ops = {.respond = respond};

static int make_request(void **state) {
    eg_request *rq = calloc(1, sizeof *rq);
    rq->arena = eg_arena_new(256 << 10);
    rq->ops = &ops;
    eg_uuid_new(rq->request_id);
    answered = 0;
    *state = rq;
    return 0;
}

static int free_request(void **state) {
    eg_request *rq = *state;
    eg_buf_done(&rq->response.owned);
    eg_arena_free(rq->arena);
    free(rq);
    return 0;
}

static eg_str header_of(const eg_request *rq, const char *name) {
    for (size_t i = 0; i < rq->response.header_count; i++) {
        if (eg_str_ieq(eg_str_of(rq->response.headers[i].name), eg_str_of(name))) {
            return rq->response.headers[i].value;
        }
    }
    return (eg_str){NULL, 0};
}

static void request_is_read(void **state) {
    eg_request *rq = *state;
    eg_header headers[] = {{EG_LIT("X-One"), EG_LIT("1")}, {EG_LIT("x-one"), EG_LIT("2")}};
    rq->headers = headers;
    rq->header_count = 2;
    rq->query = EG_LIT("a=%20");
    eg_str v;
    assert_true(eg_str_is(eg_request_header(rq, "x-ONE"), "1"));
    assert_null(eg_request_header(rq, "x-two").ptr);
    assert_int_equal(eg_request_query(rq, "a", &v), EG_OK);
    assert_string_equal(v.ptr, " ");
}

static void headers_cannot_be_split(void **state) {
    eg_request *rq = *state;
    assert_int_equal(eg_response_header(rq, "ETag", "%s", "a\r\nSet-Cookie: x"), EG_ERR_INVALID);
    assert_int_equal(eg_response_header(rq, "ETag", "%s", "a\nb"), EG_ERR_INVALID);
    assert_int_equal(eg_response_header(rq, "ETag", "a%cb", 0), EG_ERR_INVALID);
    assert_int_equal(rq->response.header_count, 0);
    assert_int_equal(eg_response_header(rq, "ETag", "\"%d\"", 1), EG_OK);
    assert_int_equal(eg_response_header(rq, "etag", "\"%d\"", 2), EG_OK); /* replaces */
    assert_int_equal(rq->response.header_count, 1);
    assert_true(eg_str_is(header_of(rq, "ETag"), "\"2\""));
}

static void headers_are_bounded(void **state) {
    eg_request *rq = *state;
    static char names[EG_RESPONSE_HEADERS_MAX + 1][8];
    for (int i = 0; i < EG_RESPONSE_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "h%d", i);
        assert_int_equal(eg_response_header(rq, names[i], "v"), EG_OK);
    }
    assert_int_equal(eg_response_header(rq, "one-more", "v"), EG_ERR_LIMIT);
    /* A problem is answered even so. */
    eg_respond_problem(rq, EG_ERR_QUERY, NULL);
    assert_int_equal(rq->response.status, 400);
    assert_int_equal(answered, 1);
}

static void bodies(void **state) {
    eg_request *rq = *state;
    char local[] = "on the stack";
    assert_int_equal(eg_respond_bytes(rq, 200, "text/plain", (eg_bytes){(const uint8_t *)local, 12}), EG_OK);
    assert_ptr_not_equal(rq->response.bytes.ptr, local);
    memset(local, 0, sizeof local);
    assert_true(eg_str_is(eg_bytes_str(rq->response.bytes), "on the stack"));
    eg_str kept = eg_arena_str(rq->arena, EG_LIT("in the arena"));
    assert_int_equal(eg_respond_bytes(rq, 200, NULL, eg_str_bytes(kept)), EG_OK);
    assert_ptr_equal(rq->response.bytes.ptr, kept.ptr);
    assert_int_equal(eg_respond_json(rq, 201, json_pack("{s:i}", "id", 1)), EG_OK);
    assert_true(eg_str_is(eg_bytes_str(rq->response.bytes), "{\"id\":1}"));
    assert_true(eg_str_is(header_of(rq, "content-type"), "application/json"));
    assert_int_equal(rq->response.head_length, -1);
    assert_int_equal(eg_respond_head(rq, 200, NULL, 12345), EG_OK);
    assert_int_equal(rq->response.head_length, 12345);
    assert_int_equal(eg_respond_empty(rq, 202), EG_OK);
    assert_int_equal(rq->response.bytes.len, 0);
    assert_int_equal(answered, 5);
}

static int closed;
static void close_source(void *ctx) {
    (void)ctx;
    closed++;
}

static void a_refused_answer_is_not_sent(void **state) {
    eg_request *rq = *state;
    eg_body_source source = {.size = 1, .close = close_source};
    assert_int_equal(eg_respond_source(rq, 200, "bad\r\ntype", source), EG_ERR_INVALID);
    assert_int_equal(closed, 1);
    eg_buf b;
    eg_buf_init(&b, 1);
    (void)eg_buf_adds(&b, "ab");
    assert_int_equal(eg_respond_owned(rq, 200, NULL, &b), EG_ERR_LIMIT);
    assert_int_equal(answered, 0);
    assert_int_equal(eg_respond_source(rq, 200, "a/b", source), EG_OK);
    assert_true(rq->response.has_source);
    assert_int_equal(answered, 1);
}

#define ID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define TIME "2026-11-29T15:00:00.123456Z"

static const struct {
    eg_surface surface;
    eg_err error;
    const char *body;
    const char *header;
    const char *value;
} shapes[] = {
    {EG_SURFACE_LIVY, EG_ERR_BATCH_NOT_FOUND, "{\"msg\":\"No <b>.\"}", NULL, NULL},
    {EG_SURFACE_DFS, EG_ERR_PATH_NOT_FOUND, "{\"error\":{\"code\":\"PathNotFound\",\"message\":\"No <b>.\\nRequestId:" ID "\\nTime:" TIME "\"}}", "x-ms-error-code", "PathNotFound"},
    {EG_SURFACE_BLOB, EG_ERR_MD5_MISMATCH,
     "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>Md5Mismatch</Code><Message>No &lt;b&gt;.\nRequestId:" ID "\nTime:" TIME "</Message></Error>", "Content-Type", "application/xml"},
    {EG_SURFACE_BLOB, EG_ERR_PATH_NOT_FOUND,
     "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound</Code><Message>The specified blob does not exist.\nRequestId:" ID "\nTime:" TIME "</Message></Error>",
     "x-ms-error-code", "BlobNotFound"},
    {EG_SURFACE_ARM, EG_ERR_DENIED_ROLE, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"No <b>.\"}}", NULL, NULL},
    {EG_SURFACE_OAUTH, EG_ERR_OAUTH_CLIENT, "{\"error\":\"invalid_client\",\"error_description\":\"No <b>.\"}", "WWW-Authenticate", "Basic realm=\"embergate\""},
    {EG_SURFACE_OAUTH, EG_ERR_BUSY, "{\"error\":\"temporarily_unavailable\",\"error_description\":\"No <b>.\"}", "Retry-After", "1"},
    {EG_SURFACE_LIVY, EG_ERR_TOKEN_MISSING, "{\"msg\":\"No <b>.\"}", "WWW-Authenticate", "Bearer realm=\"embergate\""},
    {EG_SURFACE_LIVY, EG_ERR_TOKEN_EXPIRED, "{\"msg\":\"No <b>.\"}", "WWW-Authenticate",
     "Bearer realm=\"embergate\", error=\"invalid_token\", error_description=\"No <b>.\""},
};

static void problems_have_the_shape_of_their_api(void **state) {
    eg_request *rq = *state;
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_INVALID, "No <b>.");
    memcpy(rq->request_id, ID, sizeof ID);
    assert_int_equal(eg_time_parse_rfc3339(EG_LIT(TIME), &rq->received_ns), EG_OK);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        rq->surface = shapes[i].surface;
        rq->response.header_count = 0;
        eg_respond_problem(rq, shapes[i].error, &p);
        assert_int_equal(rq->response.status, eg_err_http_status(shapes[i].error));
        assert_int_equal(rq->response.error, shapes[i].error);
        assert_string_equal(rq->response.bytes.ptr, shapes[i].body);
        if (shapes[i].header) {
            assert_string_equal(header_of(rq, shapes[i].header).ptr, shapes[i].value);
        }
        const char *id = shapes[i].surface == EG_SURFACE_LIVY ? "request-id" : "x-ms-request-id";
        assert_string_equal(header_of(rq, id).ptr, rq->request_id);
    }
}

static void what_failed_inside_stays_inside(void **state) {
    eg_request *rq = *state;
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_IO, "Cannot open \"/etc/secret\".");
    rq->surface = EG_SURFACE_ARM;
    eg_respond_problem(rq, EG_ERR_IO, &p);
    assert_int_equal(rq->response.status, 500);
    assert_null(strstr((const char *)rq->response.bytes.ptr, "secret"));
    assert_non_null(strstr((const char *)rq->response.bytes.ptr, rq->request_id));
}

static void challenge_text_is_plain(void **state) {
    eg_request *rq = *state;
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_TOKEN_ISSUER, "Issuer \"x\\\xc3\xa9\" is unknown.");
    eg_respond_problem(rq, EG_ERR_TOKEN_ISSUER, &p);
    assert_non_null(strstr(header_of(rq, "www-authenticate").ptr, "error_description=\"Issuer 'x?\?\?' is unknown.\""));
    eg_respond_problem(rq, EG_OK, NULL); /* a handler's mistake is no success */
    assert_int_equal(rq->response.status, 500);
}

static void principals_are_shared(void **state) {
    (void)state;
    eg_principal *p = eg_principal_new();
    p->groups = calloc(2, sizeof *p->groups);
    assert_ptr_equal(eg_principal_ref(p), p);
    eg_principal_unref(p);
    assert_int_equal(p->refs, 1);
    eg_principal_unref(p);
    eg_principal_unref(NULL);
    assert_string_equal(eg_principal_kind_name(EG_PRINCIPAL_JOB), "job");
    assert_string_equal(eg_principal_kind_name((eg_principal_kind)99), "none");
}

#define REQUEST_TEST(f) cmocka_unit_test_setup_teardown(f, make_request, free_request)

int main(void) {
    const struct CMUnitTest tests[] = {
        REQUEST_TEST(request_is_read), REQUEST_TEST(headers_cannot_be_split), REQUEST_TEST(headers_are_bounded), REQUEST_TEST(bodies),
        REQUEST_TEST(a_refused_answer_is_not_sent), REQUEST_TEST(problems_have_the_shape_of_their_api), REQUEST_TEST(what_failed_inside_stays_inside),
        REQUEST_TEST(challenge_text_is_plain), cmocka_unit_test(principals_are_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

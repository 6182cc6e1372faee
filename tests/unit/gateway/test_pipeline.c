/* The pipeline as a client meets it: requests, their refusals and their records; and what the server records of itself. covers: self_report.c authenticate.c record_request.c respond_request.c ops.c */
#include "pipeline_stage.h"

#include <embergate/actions.h>

#include "process/self_report.h"

#include <fcntl.h>
#include <signal.h>

static void ordinary(void **state) {
    (void)state;
    int64_t before = stage_records();
    stage_expect("GET /livy/jobs", GATEWAY, 200, "hello");
    stage_expect("GET /livy/open", NOBODY, 200, "hello");
    stage_expect("HEAD /livy/jobs", GATEWAY, 200, "");
    stage_expect("GET /livy/begins", GATEWAY, 200, "hello");
    stage_expect("GET /fs/a", STORAGE, 200, "hello");
    stage_expect("GET /clusters/spark/livy/jobs", GATEWAY, 200, "hello");
    answer a = stage_ask("POST /livy/echo", "Content-Length: 5\r\n\r\nabcde", GATEWAY); /* the last \r\n is of the next request */
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "abcde");
    assert_int_equal(stage_records() - before, 7);
    assert_int_equal(atomic_load(&the_stage->acted), 7);
    a = stage_ask("GET /fs/a", "x-ms-version: 2023-11-03\r\nx-ms-client-request-id: mine\r\n", STORAGE);
    assert_non_null(strstr(a.head, "x-ms-version: 2023-11-03"));
    assert_non_null(strstr(a.head, "x-ms-client-request-id: mine"));
    assert_non_null(strstr(a.head, "x-ms-request-id: "));
    assert_non_null(strstr(a.head, "X-Content-Type-Options: nosniff"));
    for (int i = 0; i < 200 && atomic_load(&the_stage->freed) < 7; i++) {
        stage_wait_ms(10);
    }
    assert_int_equal(atomic_load(&the_stage->freed), 7); /* hello was asked for seven times */
}

static void refused(void **state) {
    (void)state;
    int64_t before = stage_records();
    stage_expect("GET /livy/jobs", NOBODY, 401, "\"msg\"");
    stage_expect("GET /livy/jobs", STORAGE, 401, "\"msg\"");       /* a token for another audience */
    stage_expect("GET /fs/a", GATEWAY, 401, "TokenAudienceInvalid");
    stage_expect("GET /livy/absent", GATEWAY, 404, "\"msg\"");
    stage_expect("GET /fs/../a", STORAGE, 400, "InvalidResourceName");
    stage_expect("PUT /livy/jobs", GATEWAY, 405, "\"msg\"");
    stage_expect("POST /fs/a", STORAGE, 501, "UnsupportedOperation");
    assert_int_equal(stage_records() - before, 0); /* nobody was known yet: added up */
    stage_expect("PUT /fs/a", STORAGE, 403, "AuthorizationPermissionMismatch");
    stage_expect("DELETE /livy/cluster", GATEWAY, 403, "has no role assignment that grants " EG_ACTION_CLUSTER_DELETE);
    stage_expect("GET /livy/fails", GATEWAY, 400, "spark.secret is refused");
    assert_int_equal(stage_records() - before, 3);
    assert_int_equal(atomic_load(&the_stage->acted), 0);
    answer a = stage_ask("GET /fs/a", "", NOBODY);
    assert_non_null(strstr(a.head, "WWW-Authenticate: Bearer realm=\"embergate\", authorization_uri=\"" PUBLIC_URL "/" TENANT "/oauth2/authorize\", resource_id=\"https://storage.azure.com\""));
    a = stage_ask("GET /livy/jobs", "Authorization: Basic YTpi\r\n", NOBODY);
    assert_int_equal(a.status, 401);
    a = stage_ask("GET /livy/jobs", "Authorization: Bearer\r\n", NOBODY);
    assert_int_equal(a.status, 401);
    a = stage_ask("GET /livy/jobs", "Authorization: bearer a b\r\n", NOBODY);
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
    answer a = stage_ask(pairs[0][0], "", GATEWAY), b = stage_ask(pairs[0][1], "", GATEWAY);
    assert_int_equal(a.status, 404);
    assert_int_equal(b.status, 404);
    assert_string_equal(a.body, b.body);
    a = stage_ask(pairs[0][0], "", NOBODY);
    b = stage_ask(pairs[0][1], "", NOBODY);
    assert_int_equal(a.status, 401);
    assert_int_equal(b.status, 401);
    assert_string_equal(a.body, b.body);
    a = stage_ask("GET /far/fs/a", "", STORAGE);
    assert_int_equal(a.status, 403);
    assert_non_null(strstr(a.body, "AuthorizationPermissionMismatch"));
    assert_null(strstr(a.body, "enant"));
    assert_int_equal(atomic_load(&the_stage->acted), 0);
}

static void bodies_are_bounded(void **state) {
    (void)state;
    assert_int_equal(stage_ask("POST /livy/echo", "Content-Length: 17\r\n", GATEWAY).status, 413);
    assert_int_equal(stage_ask("GET /livy/jobs", "Content-Length: 1\r\n", GATEWAY).status, 413);
    assert_int_equal(stage_ask("POST /livy/echo", "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n1\r\nx\r\n0\r\n", GATEWAY).status, 413);
    answer a = stage_ask("POST /livy/echo", "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\nabcdefgh\r\n0\r\n", GATEWAY);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "12345678abcdefgh");
    assert_int_equal(stage_ask("POST /livy/early", "Content-Length: 100000\r\n\r\nabc", GATEWAY).status, 400);
}

/* Peers that go away at any moment, while answers wait for their records: for the sanitizers. */
static void peers_that_leave(void **state) {
    (void)state;
    static char text[20000];
    static const char *const ends[] = {"GET /livy/jobs", "POST /livy/early", "POST /livy/echo", "GET /livy/twice"};
    for (int i = 0; i < 60; i++) {
        client *c = client_open(the_stage->tls, the_stage->port, NULL);
        assert_non_null(c);
        bool body = i % 4 == 1 || i % 4 == 2;
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%s\r\n%s", ends[i % 4], the_stage->token[0], body ? "Content-Length: 10\r\n" : "", body ? "abc" : "");
        assert_true(client_sends(c, text));
        if (i % 8 > 3) {
            stage_wait_ms(2);
        }
        client_close(c);
    }
    stage_expect("GET /livy/jobs", GATEWAY, 200, "hello");
}

static void answered_twice_is_answered_once(void **state) {
    (void)state;
    int64_t before = stage_records();
    for (int i = 0; i < 20; i++) {
        stage_expect("GET /livy/twice", GATEWAY, 200, "once");
    }
    assert_int_equal(stage_records() - before, 20);
}

static void short_answers_are_given_on_the_worker(void **state) {
    (void)state;
    int64_t before = stage_records();
    stage_expect("GET /livy/tries", GATEWAY, 200, "here");
    stage_expect("GET /livy/tries?long", GATEWAY, 200, "in the pool");
    stage_expect("GET /livy/tries?wrong", GATEWAY, 400, "");
    assert_int_equal(stage_records() - before, 3);
}

static void records_in_transactions(void **state) {
    (void)state;
    int64_t before = stage_records();
    stage_expect("POST /livy/commit", GATEWAY, 201, "");
    assert_int_equal(atomic_load(&the_stage->committed), 1);
    assert_int_equal(stage_records() - before, 0); /* it is in the outbox; the journal has none */
    stage_expect("POST /livy/commit?refuse", GATEWAY, 400, "the name is taken");
    assert_int_equal(atomic_load(&the_stage->committed), 1);
    assert_int_equal(stage_records() - before, 1); /* what wasn't committed is told by the journal */
    stage_expect("POST /livy/commit?other", GATEWAY, 202, "");
    assert_int_equal(stage_records() - before, 2); /* another answer than the one recorded */
}

static void first_accesses(void **state) {
    (void)state;
    int64_t before = stage_records();
    for (int i = 0; i < 5; i++) {
        stage_expect("GET /livy/first", GATEWAY, 200, "hello");
    }
    assert_int_equal(stage_records() - before, 1);
}

/* Until the index has it: it follows asynchronously. */
static void finds_record(const char *query, const char *what) {
    char line[200];
    answer a;
    snprintf(line, sizeof line, "GET /audit/" TENANT "/records?%s", query);
    for (int i = 0; i < 100; i++) {
        a = stage_ask(line, "", GATEWAY);
        assert_int_equal(a.status, 200);
        if (strstr(a.body, what)) {
            return;
        }
        stage_wait_ms(50);
    }
    fail_msg("no %s in %s", what, a.body);
}

static void records_say_why(void **state) {
    (void)state;
    stage_expect("PUT /fs/a", STORAGE, 403, "AuthorizationPermissionMismatch");
    stage_expect("GET /livy/jobs", GATEWAY, 200, "hello");
    finds_record("outcome=denied&limit=1", "default deny");
    finds_record("outcome=denied&limit=1", EG_ACTION_BLOB_WRITE);
    finds_record("outcome=allowed&limit=1", "roleAssignment submit (Embergate Job Submitter)");
}

static void no_record_no_answer(void **state) {
    (void)state;
    atomic_store(&the_stage->keys_fail, true); /* the log of this tenant can't be opened */
    answer a = stage_ask("GET /livy/jobs", "", GATEWAY);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "audit log cannot be written"));
    assert_null(strstr(a.body, "hello"));
    assert_non_null(strstr(a.head, "Retry-After"));
    atomic_store(&the_stage->keys_fail, false);
    stage_expect("GET /livy/jobs", GATEWAY, 200, "hello");
}

static void job_tokens(void **state) {
    (void)state;
    /* Without a compute room no job runs, so a job's token is refused as ended before its route is looked at. */
    stage_make_token(1, "https://storage.azure.com", ",\"eg_job\":\"spark/1\",\"eg_cluster\":\"spark\"");
    stage_expect("GET /fs/a", STORAGE, 401, "JobEnded");
}

static void handlers_ask_again(void **state) {
    (void)state;
    stage_expect("GET /livy/question", GATEWAY, 200, "reads logs");
    stage_assign("manage", "Embergate Job Administrator", SPARK);
    for (int i = 0; i < 100; i++) {
        if (strstr(stage_ask("GET /livy/question", "", GATEWAY).body, "manages")) {
            return;
        }
        stage_wait_ms(20);
    }
    fail_msg("the new assignment was not seen");
}

static void health_and_metrics(void **state) {
    (void)state;
    stage_expect("GET /healthz", NOBODY, 200, "\"status\":\"ok\"");
    assert_null(strstr(stage_ask("GET /healthz", "", NOBODY).body, "current"));
    stage_expect("GET /healthz/details", NOBODY, 401, "");
    stage_expect("GET /metrics", NOBODY, 401, "");
    stage_expect("GET /metrics", GATEWAY, 200, "embergate_requests_total");
    stage_expect("GET /healthz/details", GATEWAY, 200, "\"current\":true");
    stage_put("roleAssignments/half.json", "{");
    for (int i = 0; i < 100 && !strstr(stage_ask("GET /healthz/details", "", GATEWAY).body, "\"current\":false"); i++) {
        stage_wait_ms(20);
    }
    stage_expect("GET /healthz/details", GATEWAY, 200, "roleAssignments/half.json");
}

static bool recorded_soon(int64_t count) {
    for (int i = 0; i < 200 && stage_records() < count; i++) {
        stage_wait_ms(10);
    }
    return stage_records() == count;
}

/* Want of descriptors is one record at once, and one a minute however long it lasts. */
static void the_server_tells_of_itself(void **state) {
    (void)state;
    eg_self_report r = {0};
    int64_t before = stage_records();
    eg_self_report_clock(the_stage->audit, -7200);
    assert_true(recorded_soon(before + 1));
    r.told = eg_metric_get(EG_METRIC_DESCRIPTORS_SHORT);
    eg_self_report_tick(&r, the_stage->audit, 1);
    eg_metric_add(EG_METRIC_DESCRIPTORS_SHORT, 3);
    eg_self_report_tick(&r, the_stage->audit, 2);
    assert_true(recorded_soon(before + 2));
    eg_metric_add(EG_METRIC_DESCRIPTORS_SHORT, 1);
    eg_self_report_tick(&r, the_stage->audit, EG_SELF_REPORT_PAUSE_NS);
    stage_wait_ms(100);
    assert_int_equal(stage_records(), before + 2);
    eg_self_report_tick(&r, the_stage->audit, EG_SELF_REPORT_PAUSE_NS + 2);
    assert_int_equal(r.owed, 0);
    assert_true(recorded_soon(before + 3));
    assert_int_equal(r.told, eg_metric_get(EG_METRIC_DESCRIPTORS_SHORT));
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

/* With an argument: the tests whose names match it, such as 'peers*'. Under ThreadSanitizer one process can run but one stage. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes), ON_STAGE(ordinary), ON_STAGE(refused), ON_STAGE(others_are_invisible), ON_STAGE(bodies_are_bounded), ON_STAGE(peers_that_leave),
        ON_STAGE(answered_twice_is_answered_once), ON_STAGE(short_answers_are_given_on_the_worker), ON_STAGE(records_in_transactions), ON_STAGE(first_accesses), ON_STAGE(records_say_why), ON_STAGE(no_record_no_answer),
        ON_STAGE(job_tokens), ON_STAGE(handlers_ask_again), ON_STAGE(health_and_metrics),
        ON_STAGE(the_server_tells_of_itself),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    signal(SIGPIPE, SIG_IGN); /* for the client's side */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

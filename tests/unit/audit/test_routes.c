/* Checks what auditors are served: tiles that fit the checkpoint, records with their sealed halves opened, nothing of another tenant.
 * covers: index.c query.c tile_read.c */
#include "bench.h"

#include <embergate/json.h>

#include "checkpoint.h"
#include "engine.h"

#define JOB "etl/7"
#define ALICE "aaaaaaaa-0000-4000-8000-000000000001"
#define MIDDLE "cccccccc-0000-4000-8000-000000000003"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"

static unsigned responses;

static void respond(eg_request *rq) {
    (void)rq;
    responses++;
}

static const eg_request_ops ops = {.respond = respond};

/* Runs the row whose pattern begins like path's, as the pipeline does after it decided. */
static eg_err ask(bench *b, eg_request *rq, const char *tenant, const char *log, const char *what, const char *rest_or_query) {
    size_t n = 0;
    const eg_route *routes = eg_audit_routes(&n);
    *rq = (eg_request){.arena = eg_arena_new(1 << 18), .room = b->audit, .ops = &ops, .tenant = eg_str_of(tenant)};
    rq->params[0] = eg_str_of(log);
    char pattern[64];
    bool tile = strcmp(what, "tile") == 0;
    snprintf(pattern, sizeof pattern, tile ? "/{log}/tile/{rest*}" : "/{log}/%s", what);
    *(tile ? &rq->params[1] : &rq->query) = eg_str_of(rest_or_query);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(routes[i].pattern, pattern) == 0) {
            assert_true(routes[i].flags & EG_ROUTE_BLOCKING && routes[i].flags & EG_ROUTE_DATA_ACTION);
            assert_non_null(routes[i].action);
            return routes[i].end(rq);
        }
    }
    fail_msg("no route %s", pattern);
    return EG_ERR_INTERNAL;
}

static void done(eg_request *rq) {
    eg_buf_done(&rq->response.owned);
    eg_arena_free(rq->arena);
}

static json_t *records(bench *b, const char *log, const char *query) {
    eg_request rq;
    json_t *v = NULL;
    assert_int_equal(ask(b, &rq, strcmp(log, "server") ? log : TENANT, log, "records", query), EG_OK);
    assert_int_equal(rq.response.status, 200);
    assert_int_equal(eg_json_parse(eg_bytes_str(rq.response.bytes), 8 << 20, &v, NULL), EG_OK);
    done(&rq);
    return v;
}

static void refused(bench *b, const char *query) {
    eg_request rq;
    assert_int_equal(ask(b, &rq, TENANT, TENANT, "records", query), EG_ERR_QUERY);
    done(&rq);
}

static const int64_t t0 = INT64_C(1767225600) * 1000000000; /* 2026-01-01 */

/* 600 records, one a second: every third of alice's job, every second of bob. */
static void fill(bench *b) {
    eg_principal *alice = eg_principal_new();
    eg_principal *bob = eg_principal_new();
    alice->kind = bob->kind = EG_PRINCIPAL_USER;
    snprintf(alice->object_id, sizeof alice->object_id, ALICE);
    snprintf(alice->name, sizeof alice->name, "alice@example.org");
    snprintf(bob->object_id, sizeof bob->object_id, BOB);
    eg_acting *acting = calloc(1, sizeof *acting); /* who acts for bob was given its token by another */
    assert_non_null(acting);
    acting->count = 2;
    snprintf(acting->text, sizeof acting->text, "%s %s", ALICE, MIDDLE);
    bob->acting = acting;
    json_t *details = json_pack("{s:s}", "args", "--secret-of-alice");
    char resource[32];
    for (int i = 0; i < 600; i++) {
        snprintf(resource, sizeof resource, "r%d", i);
        eg_audit_record r = bench_record(resource);
        r.time_ns = t0 + i * INT64_C(1000000000);
        r.actor = i % 2 ? bob : alice;
        r.job = i % 3 == 0 ? EG_LIT(JOB) : EG_LIT("");
        r.outcome = i % 10 == 0 ? "denied" : "allowed";
        r.details = i == 0 ? details : NULL;
        assert_int_equal(i == 599 ? eg_audit_append_wait(b->audit, &r) : eg_audit_append(b->audit, &r, NULL, NULL), EG_OK);
    }
    json_decref(details);
    eg_principal_unref(alice);
    eg_principal_unref(bob);
    const eg_log *g = eg_logs_find(b->audit->logs, EG_LIT(TENANT));
    for (int i = 0; i < 200 && atomic_load(&g->served) < 600; i++) {
        usleep(20000);
    }
    assert_int_equal(atomic_load(&g->served), 600);
}

static size_t count_of(json_t *answer) {
    return json_array_size(json_object_get(answer, "records"));
}

static void finds_by_job_actor_time_outcome(void **state) {
    bench *b = *state;
    static const struct {
        const char *query;
        size_t count;
    } questions[] = {
        {"limit=1000", 600},
        {"job=etl%2F7&limit=1000", 200},
        {"actor=" ALICE "&limit=1000", 300},
        {"actor=" BOB "&outcome=denied&limit=1000", 0},
        {"outcome=denied&limit=1000", 60},
        {"acted_by=" MIDDLE "&limit=1000", 300}, /* for bob, and once removed */
        {"acted_by=" MIDDLE "&actor=" ALICE "&limit=1000", 0},
        {"acted_by=" MIDDLE "&job=etl%2F7&limit=1000", 100},
        {"acted_by=" BOB "&limit=1000", 0},
        {"acted_by=" MIDDLE "%20" ALICE "&limit=1000", 0}, /* one id, not their list */
        {"job=etl%2F7&actor=" BOB "&limit=1000", 100},
        {"from=2026-01-01T00:01:00Z&to=2026-01-01T00:02:00Z", 60},
        {"job=etl%2F7&from=2026-01-01T00:01:00Z&to=2026-01-01T00:02:00Z", 20},
        {"from=2027-01-01T00:00:00Z", 0},
        {"job=etl%2F", 0},
        {"", 100},
    };
    bench_open(b);
    fill(b);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        json_t *v = records(b, TENANT, questions[i].query);
        assert_int_equal(count_of(v), questions[i].count);
        json_decref(v);
    }
}

static void pages_follow_one_another(void **state) {
    bench *b = *state;
    char query[128] = "limit=97";
    size_t seen = 0;
    bench_open(b);
    fill(b);
    for (;;) {
        json_t *v = records(b, TENANT, query);
        size_t n = count_of(v);
        for (size_t i = 0; i < n; i++) {
            char want[32];
            snprintf(want, sizeof want, "r%zu", seen++);
            assert_true(eg_str_is(eg_json_str(json_array_get(json_object_get(v, "records"), i), "resource"), want));
        }
        eg_str next = eg_json_str(v, "next");
        if (!next.ptr) {
            json_decref(v);
            break;
        }
        snprintf(query, sizeof query, "limit=97&after=%.*s", EG_FMT(next));
        json_decref(v);
    }
    assert_int_equal(seen, 600);
}

static void sealed_halves_are_opened_only_here(void **state) {
    bench *b = *state;
    bench_open(b);
    fill(b);
    json_t *v = records(b, TENANT, "limit=1");
    json_t *first = json_array_get(json_object_get(v, "records"), 0);
    assert_true(eg_str_is(eg_json_str(json_object_get(first, "actor"), "name"), "alice@example.org"));
    assert_true(eg_str_is(eg_json_str(json_object_get(first, "details"), "args"), "--secret-of-alice"));
    assert_null(json_object_get(first, "sealed"));
    json_decref(v);
    eg_request rq;
    assert_int_equal(ask(b, &rq, TENANT, TENANT, "tile", "entries/000"), EG_OK);
    assert_null(memmem(rq.response.bytes.ptr, rq.response.bytes.len, "alice@example.org", 17));
    assert_null(memmem(rq.response.bytes.ptr, rq.response.bytes.len, "secret-of-alice", 15));
    assert_non_null(memmem(rq.response.bytes.ptr, rq.response.bytes.len, "\"sealed\":\"", 10));
    done(&rq);
}

static void bad_questions_are_refused(void **state) {
    bench *b = *state;
    bench_open(b);
    fill(b);
    static const char *const bad[] = {"limit=0", "limit=1001", "limit=x", "limit=", "outcome=maybe", "from=yesterday", "to=5", "job=a&job=b", "acted_by=", "acted_by=a&acted_by=b", "after=zz", "after=00", "job=etl%2F7&after=00000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refused(b, bad[i]);
    }
}

static void tiles_fit_the_checkpoint(void **state) {
    bench *b = *state;
    eg_request rq;
    eg_checkpoint c;
    bench_open(b);
    fill(b);
    assert_int_equal(ask(b, &rq, TENANT, TENANT, "checkpoint", ""), EG_OK);
    assert_int_equal(eg_checkpoint_parse(eg_bytes_str(rq.response.bytes), &c), EG_OK);
    assert_int_equal(c.size, 600);
    assert_string_equal(c.origin, ORIGIN "/" TENANT);
    eg_request first = rq;
    static const struct {
        const char *name;
        size_t bytes; /* 0 = refused */
    } tiles[] = {{"0/000", 8192}, {"0/001", 8192}, {"0/002", 0}, {"0/002.p/88", 88 * 32}, {"0/002.p/87", 87 * 32}, {"0/002.p/89", 0}, {"0/000.p/3", 96},
                 {"1/000.p/2", 64}, {"1/000.p/3", 0}, {"1/000", 0}, {"0/003.p/1", 0}, {"../vkey", 0}, {"entries/../../../" TENANT "/vkey", 0}};
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        eg_err e = ask(b, &rq, TENANT, TENANT, "tile", tiles[i].name);
        assert_int_equal(e, tiles[i].bytes ? EG_OK : EG_ERR_NOT_FOUND);
        assert_int_equal(rq.response.bytes.len, tiles[i].bytes);
        done(&rq);
    }
    assert_int_equal(ask(b, &rq, TENANT, TENANT, "key", ""), EG_OK);
    eg_verifier_key k;
    assert_int_equal(eg_verifier_key_parse(eg_bytes_str(rq.response.bytes), &k), EG_OK);
    assert_int_equal(eg_checkpoint_verify(&c, &k), EG_OK);
    done(&rq);
    done(&first);
}

/* The decision was about rq->tenant; the path can't lead anywhere else. */
static void other_logs_are_not_found(void **state) {
    bench *b = *state;
    eg_request rq;
    bench_open(b);
    fill(b);
    static const char *const logs[] = {OTHER_TENANT, "..", "", "nobody"};
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        assert_int_equal(ask(b, &rq, TENANT, logs[i], "records", ""), EG_ERR_NOT_FOUND);
        done(&rq);
    }
    assert_int_equal(ask(b, &rq, OTHER_TENANT, TENANT, "checkpoint", ""), EG_ERR_NOT_FOUND);
    done(&rq);
    assert_int_equal(ask(b, &rq, "", TENANT, "checkpoint", ""), EG_ERR_NOT_FOUND);
    done(&rq);
    json_t *v = records(b, "server", "");
    assert_int_equal(count_of(v), 1);
    json_decref(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_job_actor_time_outcome, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(pages_follow_one_another, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(sealed_halves_are_opened_only_here, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(bad_questions_are_refused, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(tiles_fit_the_checkpoint, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(other_logs_are_not_found, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

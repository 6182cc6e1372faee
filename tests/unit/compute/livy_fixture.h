/* A compute room over a real store, keeper and launcher (the made-up Spark of launcher_fixture.h), and requests as the pipeline would hand them in. */
#ifndef LIVY_FIXTURE_H
#define LIVY_FIXTURE_H

#include "launcher_fixture.h"

#include "livy.h"
#include "compute_object.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define ANNA "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define BEN "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"

typedef struct livy {
    fixture *f;
    char kv_dir[192], keeper_dir[192];
    eg_kv *kv;
    eg_committer *committer;
    eg_keys *keys;
    eg_compute *c;
} livy;

/* One answered request. */
typedef struct answer {
    int status;
    eg_err error;
    json_t *json;                   /* of the body; NULL when it is none */
    char location[64], replayed[16], record_job[64];
    bool has_details;
    bool recorded;                  /* in a transaction */
} answer;

typedef struct call {
    eg_request rq;
    bool answered, recorded;
    bool may_manage;
} call;

static inline void call_respond(eg_request *rq) {
    call *k = rq->pipeline;
    assert_false(k->answered);
    k->answered = true;
}

static inline eg_err call_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)p;
    call *k = ctx;
    k->recorded = true;
    return EG_OK;
}

static inline eg_txn_op call_record_op(eg_request *rq, int status) {
    (void)status;
    return (eg_txn_op){call_apply, rq->pipeline};
}

static inline eg_err call_decide(eg_request *rq, const char *action, bool data_action, eg_problem *p) {
    (void)p;
    call *k = rq->pipeline;
    assert_true(data_action);
    return k->may_manage && strcmp(action, "Microsoft.HDInsight/clusters/jobs/manage/action") == 0 ? EG_OK : EG_ERR_DENIED_DATA;
}

static const eg_request_ops call_ops = {.respond = call_respond, .record_op = call_record_op, .decide = call_decide};

typedef struct ask {
    const char *method, *pattern, *id, *query, *body, *key, *who;
    bool may_manage, must_not_wait;
} ask;

static inline const eg_route *route_of(const char *method, const char *pattern) {
    size_t n = 0;
    const eg_route *r = eg_compute_routes(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(r[i].method, method) == 0 && strcmp(r[i].pattern, pattern) == 0) {
            return &r[i];
        }
    }
    fail_msg("no row %s %s", method, pattern);
    return NULL;
}

static inline const char *header_of(const eg_request *rq, const char *name) {
    for (size_t i = 0; i < rq->response.header_count; i++) {
        if (strcmp(rq->response.headers[i].name, name) == 0) {
            return rq->response.headers[i].value.ptr;
        }
    }
    return "";
}

static inline answer livy_ask(livy *l, ask a) {
    eg_principal *who = eg_principal_new();
    assert_non_null(who);
    who->kind = EG_PRINCIPAL_USER;
    snprintf(who->tenant, sizeof who->tenant, "%s", TENANT);
    snprintf(who->object_id, sizeof who->object_id, "%s", a.who ? a.who : ANNA);
    snprintf(who->name, sizeof who->name, "%s", a.who && strcmp(a.who, BEN) == 0 ? "ben@example.test" : "anna@example.test");
    eg_header key = {EG_LIT("Idempotency-Key"), eg_str_of(a.key)};
    call k = {.may_manage = a.may_manage};
    eg_request *rq = &k.rq;
    rq->arena = eg_arena_new(256u << 10);
    rq->ops = &call_ops;
    rq->pipeline = &k;
    rq->room = l->c;
    rq->must_not_wait = a.must_not_wait;
    rq->surface = EG_SURFACE_LIVY;
    rq->route = route_of(a.method, a.pattern);
    rq->principal = who;
    rq->cluster = EG_LIT("spark");
    rq->tenant = EG_LIT(TENANT);
    rq->params[0] = eg_str_of(a.id ? a.id : "");
    rq->query = eg_str_of(a.query ? a.query : "");
    rq->body = eg_str_bytes(eg_str_of(a.body ? a.body : ""));
    rq->headers = &key;
    rq->header_count = a.key ? 1 : 0;
    eg_err e = rq->route->end(rq);
    if (e != EG_OK) {
        eg_respond_problem(rq, e, &rq->problem);
    }
    assert_true(k.answered);
    answer r = {.status = rq->response.status, .error = rq->response.error, .recorded = k.recorded, .has_details = rq->record_details != NULL};
    snprintf(r.location, sizeof r.location, "%s", header_of(rq, "Location"));
    snprintf(r.replayed, sizeof r.replayed, "%s", header_of(rq, "Idempotent-Replayed"));
    snprintf(r.record_job, sizeof r.record_job, "%s", rq->record_job);
    r.json = json_loadb((const char *)rq->response.bytes.ptr, rq->response.bytes.len, JSON_DECODE_ANY, NULL);
    json_decref(rq->record_details);
    eg_buf_done(&rq->response.owned);
    eg_arena_free(rq->arena);
    eg_principal_unref(who);
    return r;
}

static inline void livy_open(livy *l) {
    eg_compute_options o = {
        .clusters_dir = l->f->clusters, .launcher_socket = l->f->socket, .public_url = "https://gw.example:8443", .trust_store = l->f->trust,
        .clusters = &l->f->cluster, .cluster_count = 1, .kv = l->kv, .committer = l->committer, .keys = l->keys, .clock = &eg_clock_system,
    };
    eg_problem p = {0};
    eg_err e = eg_compute_open(&o, &l->c, &p);
    if (e != EG_OK) {
        print_error("open: %s %s\n", eg_err_code(e), p.message);
    }
    assert_int_equal(e, EG_OK);
}

static inline int livy_setup(void **state) {
    livy *l = calloc(1, sizeof *l);
    assert_non_null(l);
    assert_int_equal(fixture_setup((void **)&l->f), 0);
    l->f->cluster.tenant = TENANT;
    l->f->cluster.resource_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.HDInsight/clusters/spark";
    snprintf(l->kv_dir, sizeof l->kv_dir, "%s/kv", l->f->dir);
    snprintf(l->keeper_dir, sizeof l->keeper_dir, "%s/keeper", l->f->dir);
    eg_problem p = {0};
    eg_kv_options ko = {.dir = l->kv_dir, .no_sync = true};
    assert_int_equal(eg_kv_open(&ko, &l->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(l->kv, &l->committer), EG_OK);
    eg_buf recovery;
    eg_buf_init(&recovery, 4096);
    assert_int_equal(eg_keeper_init(l->keeper_dir, &recovery, &p), EG_OK);
    eg_buf_done(&recovery);
    assert_int_equal(eg_keeper_add_tenant(l->keeper_dir, EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_keeper_open_local(l->keeper_dir, &l->keys, &p), EG_OK);
    livy_open(l);
    *state = l;
    return 0;
}

static inline int livy_teardown(void **state) {
    livy *l = *state;
    eg_compute_close(l->c);
    eg_committer_stop(l->committer);
    eg_kv_close(l->kv);
    eg_keeper_local_free(l->keys);
    assert_int_equal(fixture_teardown((void **)&l->f), 0);
    free(l);
    return 0;
}

#endif

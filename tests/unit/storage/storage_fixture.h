/* A store of its own for each test, with a keeper in the process, and requests that run through the route table. */
#ifndef EG_TEST_STORAGE_FIXTURE_H
#define EG_TEST_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "content.h"
#include "readers.h"
#include "reclaim.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/metrics.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define WHO "22222222-2222-4222-8222-222222222222"
#define ACCOUNT "acct"
#define FS "data"
#define SCOPE "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct"

typedef struct store {
    char top[64];
    eg_keys *keys;
    eg_kv *kv;
    eg_committer *committer;
    eg_storage *storage;
    eg_buf recovery;
    uint64_t read_bytes;
    uint64_t written_bytes;
    int records;
    bool synced;                 /* the store has a log, and everything is durable when it is answered */
    bool record_waits;           /* the record of a request can't be made at once */
    const char *denied;          /* a scope that ends so is denied when a handler asks a second question */
} store;

static inline int store_remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void store_moved(void *ctx, eg_str job, uint64_t read, uint64_t written) {
    store *s = ctx;
    assert_true(eg_str_is(job, "cluster/7"));
    s->read_bytes += read;
    s->written_bytes += written;
}

/* A test may change it; the store borrows it. */
static __attribute__((unused)) eg_account_rules store_rules[1] = {{ACCOUNT, SCOPE, true, NULL}};

static inline void store_start(store *s) {
    char dir[96];
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/keeper", s->top);
    assert_int_equal(eg_keeper_open_local(dir, &s->keys, &p), EG_OK);
    snprintf(dir, sizeof dir, "%s/kv", s->top);
    const eg_kv_options kv = {.dir = dir, .map_size = (uint64_t)1 << 30, .no_sync = !s->synced};
    assert_int_equal(eg_kv_open(&kv, &s->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
    eg_secret *digest_key = NULL;
    bool counted = false;
    assert_int_equal(s->keys->installation_key(s->keys->ctx, EG_LIT("store digest"), &digest_key), EG_OK);
    assert_int_equal(eg_kv_digest_start(s->kv, s->committer, digest_key, &counted, &p), EG_OK);
    eg_secret_free(digest_key);
    snprintf(dir, sizeof dir, "%s/segments", s->top);
    const eg_storage_options o = {.dir = dir, .kv = s->kv, .committer = s->committer, .keys = s->keys, .clock = &eg_clock_system,
        .usage = {s, store_moved}, .min_free_bytes = 1, .rules = store_rules, .rule_count = 1};
    assert_int_equal(eg_storage_open(&o, &s->storage, &p), EG_OK);
    assert_int_equal(eg_storage_ensure_account(s->storage, EG_LIT(ACCOUNT), EG_LIT(TENANT), &p), EG_OK);
    assert_int_equal(eg_storage_ensure_container(s->storage, EG_LIT(ACCOUNT), EG_LIT(FS), &p), EG_OK);
}

static inline void store_stop(store *s) {
    eg_storage_close(s->storage);
    eg_committer_stop(s->committer);
    eg_kv_close(s->kv);
    eg_keeper_local_free(s->keys);
}

static inline int store_open(void **state) {
    store *s = calloc(1, sizeof *s);
    char dir[96];
    eg_problem p = {0};
    snprintf(s->top, sizeof s->top, "%s/eg-storage-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(s->top));
    snprintf(dir, sizeof dir, "%s/keeper", s->top);
    eg_buf_init(&s->recovery, 128);
    assert_int_equal(eg_keeper_init(dir, &s->recovery, &p), EG_OK);
    assert_int_equal(eg_keeper_add_tenant(dir, EG_LIT(TENANT), &p), EG_OK);
    store_start(s);
    *state = s;
    return 0;
}

static inline int store_close(void **state) {
    store *s = *state;
    store_stop(s);
    eg_buf_done(&s->recovery);
    nftw(s->top, store_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* Ends the reclaimer's thread, whose sweep would come between a test and what it lays out. */
static inline void store_quiet(store *s) {
    eg_reclaim_stop(s->storage->reclaim);
    s->storage->reclaim = NULL;
}

/* One pass of the reclaimer, and nobody else's at the same time, who would have some of it in hand; what is left for the next. */
static inline size_t store_reclaim(store *s) {
    size_t left = 0;
    store_quiet(s);
    assert_int_equal(eg_reclaim_pass(s->storage, &left), EG_OK);
    return left;
}

static inline const eg_account *store_account(store *s) {
    const eg_account *a = NULL;
    assert_int_equal(eg_storage_account(s->storage, EG_LIT(ACCOUNT), &a), EG_OK);
    return a;
}

/* What came back. */
typedef struct answer {
    eg_err err;
    int status;
    eg_arena *arena;
    eg_response response;
    eg_problem problem;
    eg_buf body;
    int64_t head_length;
    char resource[1024];
    bool answered;
    store *s;
    sem_t told;                  /* a handler that answers later has asked to be called */
    void (*fn)(void *);
    void *arg;
    int tolds;                   /* how often it has asked */
    bool at_once;                /* the worker had all that it needed */
    eg_principal *signer;        /* of a source */
} answer;

typedef struct call {
    const char *method;
    const char *path;            /* decoded, with the filesystem */
    const char *query;
    const char *headers[24];     /* name, value, …, NULL */
    const void *body;
    size_t body_len;
    eg_surface surface;          /* OPS (0) = DFS */
    eg_way way;                  /* NONE (0) = a role that grants everything */
    const char *who;             /* object id; NULL = WHO */
    const char *group;           /* that it is in; NULL = none */
} call;

static inline void store_respond(eg_request *rq) {
    answer *a = rq->pipeline;
    assert_false(a->answered);
    a->answered = true;
    a->response = rq->response;
    a->status = rq->response.status;
}

/* The test's own thread is the worker. */
static inline void store_on_worker(eg_request *rq, void (*fn)(void *), void *arg) {
    answer *a = rq->pipeline;
    a->fn = fn;
    a->arg = arg;
    a->tolds++;
    sem_post(&a->told);
}

static inline eg_err store_record_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)p;
    ((store *)ctx)->records++;
    return EG_OK;
}

static inline eg_txn_op store_record_part(const eg_request *part, int status, eg_err e) {
    assert_true((status < 400) == (e == EG_OK));
    return (eg_txn_op){store_record_apply, ((answer *)part->pipeline)->s};
}

static inline eg_txn_op store_record(eg_request *rq, int status) {
    (void)status;
    store *s = ((answer *)rq->pipeline)->s;
    return s->record_waits && rq->must_not_wait ? (eg_txn_op){NULL} : (eg_txn_op){store_record_apply, s};
}

static inline bool store_query_has(const char *query, const char *want) {
    if (!want) {
        return true;
    }
    const size_t n = strlen(want);
    for (const char *at = query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
        if (strncmp(at, want, n) == 0 && (at[n] == '\0' || at[n] == '&' || (at[n] == '=' && !strchr(want, '=')))) {
            return true;
        }
    }
    return false;
}

/* gateway/pipeline/router_protocol.c in small. */
static inline eg_surface store_surface(const call *c) {
    return c->surface ? c->surface : store_query_has(c->query, "comp") || store_query_has(c->query, "restype") ? EG_SURFACE_BLOB : EG_SURFACE_DFS;
}

/* The router in small: as http.h describes it. */
static inline const eg_route *store_route(const call *c) {
    static const eg_route *(*const tables[])(size_t *) = {eg_storage_key_routes, eg_storage_blob_routes, eg_storage_routes};
    const char *rest = strchr(c->path + 1, '/');
    const char *pattern = c->path[1] == '\0' ? "/" : rest && rest[1] ? "/{filesystem}/{path*}" : "/{filesystem}";
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        size_t n = 0;
        const eg_route *rows = tables[t](&n);
        for (size_t i = 0; i < n; i++) {
            const char *last = strrchr(rows[i].pattern, '/');
            if (c->surface == EG_SURFACE_ARM && rows[i].surface == EG_SURFACE_ARM && strcmp(strrchr(c->path, '/'), last) == 0) {
                return &rows[i];
            }
            if (rows[i].surface == store_surface(c) && strcmp(rows[i].method, c->method) == 0 &&
                strcmp(rows[i].pattern, pattern) == 0 && store_query_has(c->query, rows[i].query)) {
                return &rows[i];
            }
        }
    }
    return NULL;
}

static inline void store_drain(answer *a, eg_response *r) {
    eg_buf_init(&a->body, (size_t)256 << 20);
    if (!r->has_source) {
        eg_buf_add(&a->body, r->bytes.ptr ? r->bytes.ptr : (const uint8_t *)"", r->bytes.len);
        eg_buf_done(&r->owned);
        return;
    }
    size_t n = 1;
    while (n > 0 && a->err == EG_OK) {
        char *room;
        assert_int_equal(eg_buf_reserve(&a->body, 50000, &room), EG_OK);
        n = 0;
        a->err = r->source.read(r->source.ctx, (uint8_t *)room, 50000, &n);
        a->body.len += n;
    }
    r->source.close(r->source.ctx);
    if (a->err == EG_OK) {
        assert_int_equal(a->body.len, r->source.size);
    }
}

/* Fills a request; principal is a job's. */
static inline void store_fill(store *s, const call *c, eg_request *rq, eg_header headers[12]) {
    for (size_t i = 0; i < 12 && c->headers[2 * i]; i++) {
        headers[i] = (eg_header){eg_str_of(c->headers[2 * i]), eg_str_of(c->headers[2 * i + 1])};
        rq->header_count++;
    }
    rq->headers = headers;
    snprintf(rq->request_id, sizeof rq->request_id, "00000000-0000-4000-8000-000000000001");
    rq->method = eg_str_of(c->method);
    rq->query = eg_str_of(c->query);
    rq->path = eg_str_of(c->path);
    rq->surface = store_surface(c);
    rq->tenant = EG_LIT(TENANT);
    rq->account = EG_LIT(ACCOUNT);
    rq->scope = EG_LIT(SCOPE);
    rq->room = s->storage;
    rq->way = c->way ? c->way : EG_WAY_ROLE;
    rq->content_length = (int64_t)c->body_len;
    rq->principal = eg_principal_new();
    assert_non_null(rq->principal);
    snprintf(rq->principal->job, sizeof rq->principal->job, "cluster/7");
    snprintf(rq->principal->object_id, sizeof rq->principal->object_id, "%s", c->who ? c->who : WHO);
    if (c->group) {
        rq->principal->groups = calloc(1, EG_UUID_LEN);
        assert_non_null(rq->principal->groups);
        snprintf(rq->principal->groups[0], EG_UUID_LEN, "%s", c->group);
        rq->principal->group_count = 1;
    }
}

/* As the pipeline does: what may be tried on the worker is, and in the pool when that wasn't enough. */
static inline eg_err store_end(const eg_route *route, eg_request *rq) {
    answer *a = rq->pipeline;
    if (!(route->flags & EG_ROUTE_TRY_FIRST)) {
        return route->end(rq);
    }
    const size_t headers = rq->response.header_count;
    rq->must_not_wait = true;
    const eg_err e = route->end(rq);
    if (e != EG_ERR_BUSY || a->answered) {
        a->at_once = e != EG_OK || a->answered; /* nothing of the committer's is looked at before it tells */
        while (e == EG_OK && !a->answered) {
            sem_wait(&a->told);
            a->fn(a->arg);
        }
        return e;
    }
    rq->must_not_wait = false;
    rq->response.header_count = headers;
    rq->problem = (eg_problem){0};
    return route->end(rq);
}

static inline eg_err store_run(const eg_route *route, eg_request *rq, const call *c) {
    eg_str scope;
    if (route->scope) {
        EG_TRY(route->scope(rq, &scope));
    }
    if (route->begin) {
        EG_TRY(route->begin(rq));
    }
    for (size_t at = 0; route->body && at < c->body_len; at += 10007) {
        const size_t n = c->body_len - at < 10007 ? c->body_len - at : 10007;
        EG_TRY(route->body(rq, (eg_bytes){(const uint8_t *)c->body + at, n}));
    }
    if (!route->body) {
        rq->body = (eg_bytes){(const uint8_t *)c->body, c->body_len};
    }
    return store_end(route, rq);
}

/* Roles: those who come by them have all but what makes a superuser. */
static inline eg_err store_decide_at(eg_request *rq, const char *action, bool data_action, eg_str scope, eg_str path) {
    (void)path;
    assert_true(data_action == (strstr(action, "/containers/write") == NULL));
    assert_true(eg_str_starts(scope, SCOPE "/blobServices/default/containers/"));
    const char *no = ((answer *)rq->pipeline)->s->denied;
    if (no && eg_str_ends(scope, no)) {
        return EG_ERR_DENIED_DATA;
    }
    return rq->way == EG_WAY_ROLE && !strstr(action, "manageOwnership") && !strstr(action, "modifyPermissions") ? EG_OK : EG_ERR_DENIED_DATA;
}

/* Of signers only WHO has roles. */
static inline eg_err store_decide_for(eg_request *rq, eg_principal *who, const char *action, eg_str scope, eg_str path) {
    answer *a = rq->pipeline;
    if (!a->signer) {
        a->signer = eg_principal_ref(who);
    }
    assert_ptr_equal(a->signer, who);
    return strcmp(who->object_id, WHO) == 0 ? store_decide_at(rq, action, true, scope, path) : EG_ERR_DENIED_DATA;
}

/* The caller frees the answer. */
static inline answer store_call(store *s, const call *c) {
    static const eg_request_ops ops = {.respond = store_respond, .record_op = store_record, .decide_at = store_decide_at, .decide_for = store_decide_for,
        .record_part = store_record_part, .on_worker = store_on_worker};
    answer a = {.s = s, .arena = eg_arena_new((size_t)256 << 10)};
    eg_header headers[12];
    eg_request *rq = calloc(1, sizeof *rq);
    rq->arena = a.arena;
    rq->ops = &ops;
    rq->pipeline = &a;
    sem_init(&a.told, 0, 0);
    store_fill(s, c, rq, headers);
    const eg_route *route = store_route(c);
    assert_non_null(route);
    rq->route = route;
    a.err = store_run(route, rq, c);
    if (a.err != EG_OK) {
        assert_false(a.answered);
        const eg_err e = a.err;
        eg_respond_problem(rq, e, &rq->problem);
    }
    assert_true(a.answered);
    a.err = a.err == EG_OK ? a.response.error : a.err;
    sem_destroy(&a.told);
    store_drain(&a, &a.response);
    a.problem = rq->problem;
    memcpy(a.resource, rq->record_resource, sizeof a.resource);
    if (rq->free_state) {
        rq->free_state(rq->state);
    }
    json_decref(rq->record_details);
    eg_principal_unref(rq->principal);
    eg_principal_unref(a.signer);
    free(rq);
    return a;
}

static inline void answer_free(answer *a) {
    eg_buf_done(&a->body);
    eg_arena_free(a->arena);
}

static inline const char *answer_header(const answer *a, const char *name) {
    for (size_t i = 0; i < a->response.header_count; i++) {
        if (eg_str_ieq(eg_str_of(a->response.headers[i].name), eg_str_of(name))) {
            return a->response.headers[i].value.ptr;
        }
    }
    return NULL;
}

/* Runs a call of which only the outcome matters. */
static inline eg_err store_do(store *s, call c) {
    answer a = store_call(s, &c);
    const eg_err e = a.err;
    answer_free(&a);
    return e;
}

static inline eg_err store_create(store *s, const char *path) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = "resource=file"});
}

static inline eg_err store_mkdir(store *s, const char *path) {
    return store_do(s, (call){.method = "PUT", .path = path, .query = "resource=directory"});
}

static inline eg_err store_append(store *s, const char *path, uint64_t position, const void *body, size_t n) {
    char query[64];
    snprintf(query, sizeof query, "action=append&position=%llu", (unsigned long long)position);
    return store_do(s, (call){.method = "PATCH", .path = path, .query = query, .body = body, .body_len = n});
}

static inline eg_err store_flush(store *s, const char *path, uint64_t position) {
    char query[64];
    snprintf(query, sizeof query, "action=flush&position=%llu", (unsigned long long)position);
    return store_do(s, (call){.method = "PATCH", .path = path, .query = query});
}

static inline eg_err store_rename(store *s, const char *from, const char *to) {
    return store_do(s, (call){.method = "PUT", .path = to, .headers = {"x-ms-rename-source", from}});
}

static inline eg_err store_delete(store *s, const char *path, const char *query) {
    return store_do(s, (call){.method = "DELETE", .path = path, .query = query});
}

static inline eg_err store_head(store *s, const char *path) {
    return store_do(s, (call){.method = "HEAD", .path = path, .query = "action=getStatus"});
}

static inline void store_write(store *s, const char *path, const void *body, size_t n) {
    assert_int_equal(store_create(s, path), EG_OK);
    assert_int_equal(store_append(s, path, 0, body, n), EG_OK);
    assert_int_equal(store_flush(s, path, n), EG_OK);
}

static inline answer store_read(store *s, const char *path) {
    return store_call(s, &(call){.method = "GET", .path = path});
}

/* Bytes that show where they come from. */
static inline uint8_t *store_pattern(size_t n) {
    uint8_t *b = malloc(n ? n : 1);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
    }
    return b;
}

static inline size_t store_rows(store *s, eg_kv_db db) {
    eg_kv_txn *t = NULL;
    eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes v;
    size_t n = 0;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, db, (eg_bytes){NULL, 0}, &c), EG_OK);
    while (eg_kv_cursor_next(c, &k, &v) == EG_OK) {
        n++;
    }
    eg_kv_cursor_close(c);
    eg_kv_read_end(t);
    return n;
}

/* Writes into the store behind the back of storage. */
typedef struct raw_row {
    eg_kv_db db;
    eg_bytes key;
    eg_bytes value;     /* ptr NULL: delete */
} raw_row;

static inline eg_err raw_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const raw_row *r = ctx;
    return r->value.ptr ? eg_kv_put(t, r->db, r->key, r->value) : eg_kv_del(t, r->db, r->key);
}

static inline void raw_put(store *s, raw_row r) {
    const eg_txn_op op = {raw_apply, &r};
    assert_int_equal(eg_commit(s->committer, &op, 1, NULL), EG_OK);
}

/* Copies of the n-th row. */
static inline void raw_get(store *s, eg_kv_db db, size_t nth, eg_buf *key, eg_buf *value) {
    eg_kv_txn *t = NULL;
    eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes v;
    eg_buf_init(key, 1024);
    eg_buf_init(value, 65536);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, db, (eg_bytes){NULL, 0}, &c), EG_OK);
    for (size_t i = 0; i <= nth; i++) {
        assert_int_equal(eg_kv_cursor_next(c, &k, &v), EG_OK);
    }
    eg_buf_add(key, k.ptr, k.len);
    eg_buf_add(value, v.ptr, v.len);
    eg_kv_cursor_close(c);
    eg_kv_read_end(t);
}

/* Every row names an action and a handler, and no read is a mutation's mode. */
static inline void routes_whole(const eg_route *rows, size_t n, eg_surface surface) {
    for (size_t i = 0; i < n; i++) {
        assert_non_null(rows[i].action);
        assert_non_null(rows[i].end);
        assert_non_null(rows[i].event);
        assert_int_equal(rows[i].surface, surface);
        assert_true(rows[i].flags & EG_ROUTE_BLOCKING);
        assert_false(rows[i].flags & EG_ROUTE_PUBLIC);
        if (strcmp(rows[i].method, "GET") == 0 || strcmp(rows[i].method, "HEAD") == 0) {
            assert_int_equal(rows[i].record, EG_RECORD_FIRST);
        }
    }
}

#endif

/* The rows of Livy's API, and the handlers that read and delete batches. */
#include "livy.h"

#include "batch_start.h"
#include "watcher.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

#define PAGE_DEFAULT 100        /* entries of a list, lines of a log */
#define PAGE_MAX 1000           /* entries of a list */
#define LIST_BYTES_MAX ((size_t)16 << 20)
#define SHORT_LIST 16           /* batches of a cluster that are listed on the worker */
#define LOG_IN_BATCH 100        /* lines that GET /batches/{id} shows */
#define LOG_LINES_MAX 200000    /* of one page of a log */

/* ---- finding, and whose it is ---- */

static eg_err not_found(eg_request *rq, eg_str id) {
    return eg_fail(&rq->problem, EG_ERR_BATCH_NOT_FOUND, "Session '%.*s' not found.", EG_FMT(id));
}

static eg_err find(eg_request *rq, eg_batch *ret) {
    const eg_compute *c = rq->room;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    eg_err e = eg_batch_store_find(t, rq->cluster, rq->params[0], false, ret);
    if (e == EG_OK) {
        snprintf(rq->record_resource, sizeof rq->record_resource, "batches/%u", ret->id);
        snprintf(rq->record_job, sizeof rq->record_job, "%.52s/%u", ret->cluster, ret->id);
    }
    return e == EG_ERR_BATCH_NOT_FOUND ? not_found(rq, rq->params[0]) : e;
}

static bool owns(const eg_request *rq, const eg_batch *b) {
    return rq->principal && strcmp(rq->principal->tenant, b->tenant) == 0 && strcmp(rq->principal->object_id, b->owner) == 0;
}

/* Log and deletion are for who submitted it, and for who may manage jobs of others. */
static eg_err may_manage(eg_request *rq, const eg_batch *b) {
    if (owns(rq, b)) {
        return EG_OK;
    }
    if (!rq->ops->decide || rq->ops->decide(rq, EG_ACTION_JOB_MANAGE, true, NULL) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "batch %u was submitted by somebody else; its log and its deletion need the data action %s", b->id, EG_ACTION_JOB_MANAGE);
    }
    return EG_OK;
}

/* Names are sealed; where the tenant's key is destroyed the object id stands for them. */
static eg_err names_of(const eg_request *rq, const eg_batch *b, json_t **ret) {
    eg_compute *c = rq->room;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    eg_err e = rq->must_not_wait ? eg_batch_keys_peek(c->keys, b, &key) : eg_batch_keys_get(c->keys, b, &key);
    e = e != EG_OK ? e : eg_batch_open_who(b, key, ret);
    if (e == EG_ERR_KEY_DESTROYED) {
        *ret = json_pack("{s:s,s:s}", "owner", b->owner, "proxyUser", "");
        return *ret ? EG_OK : EG_ERR_NO_MEMORY;
    }
    return e;
}

/* ---- logs ---- */

static json_t *why_line(const eg_batch *b) {
    return json_sprintf("embergate: the driver could not be started (%s)", b->why);
}

static void append_lines(json_t *out, const eg_runner_log *l) {
    eg_str rest = eg_buf_str(&l->lines);
    for (size_t i = 0; i < l->count && rest.ptr; i++) {
        eg_str line = eg_str_cut(&rest, '\n');
        json_array_append_new(out, json_stringn(line.ptr, line.len));
    }
}

/* As asked for: see eg_livy_page_of. */
typedef struct window {
    int64_t from, size;
} window;

/* One page of the log as Livy shows it; *ret_log is owned by the caller. */
static eg_err read_page(eg_request *rq, const eg_batch *b, window w, eg_livy_page *ret_page, json_t **ret_log) {
    eg_compute *c = rq->room;
    char id[12];
    snprintf(id, sizeof id, "%u", b->id);
    eg_runner_ref ref = {c->o.clusters_dir, b->cluster, EG_RUNNER_BATCH, id};
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    uint8_t log_key[EG_KEY_LEN];
    EG_TRY(eg_batch_keys_get(c->keys, b, &key));
    EG_TRY(eg_batch_log_key(key, log_key));
    eg_runner_log l = {0};
    uint64_t lines = 0;
    /* The first look counts, the second reads what the page needs; lines that came in between wait for the next page. */
    eg_err e = eg_runner_log_read(&ref, (eg_bytes){log_key, sizeof log_key}, 0, 0, &l, NULL);
    if (e == EG_OK) {
        lines = l.total;
        if (l.damaged) {
            e = eg_response_header(rq, "Embergate-Log-Damaged", "true");
        }
        eg_runner_log_done(&l);
    }
    bool synthetic = e == EG_OK && lines == 0 && b->why[0];
    eg_livy_page page = eg_livy_page_of(synthetic ? 1 : lines, w.from, w.size);
    json_t *out = json_array();
    if (page.stdout_mark) {
        json_array_append_new(out, json_string("stdout: "));
    }
    if (e == EG_OK && page.count && synthetic) {
        json_array_append_new(out, why_line(b));
    } else if (e == EG_OK && page.count) {
        l = (eg_runner_log){0};
        e = eg_runner_log_read(&ref, (eg_bytes){log_key, sizeof log_key}, (int64_t)page.first, page.count < LOG_LINES_MAX ? page.count : LOG_LINES_MAX, &l, NULL);
        if (e == EG_OK) {
            page.stderr_mark = page.stderr_mark && l.count == page.count;
            append_lines(out, &l);
            eg_runner_log_done(&l);
        }
    }
    eg_cleanse(log_key, sizeof log_key);
    if (page.stderr_mark) {
        json_array_append_new(out, json_string("\nstderr: "));
    }
    if (e != EG_OK) {
        json_decref(out);
        return e;
    }
    *ret_page = page;
    *ret_log = out;
    return EG_OK;
}

static eg_err query_number(eg_request *rq, const char *name, int64_t dflt, int64_t *ret) {
    eg_str text = {0};
    eg_err e = eg_request_query(rq, name, &text);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = dflt;
        return EG_OK;
    }
    bool negative = text.len > 1 && text.ptr[0] == '-';
    uint64_t n = 0;
    if (e != EG_OK || eg_str_u64(negative ? (eg_str){text.ptr + 1, text.len - 1} : text, INT32_MAX, &n) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "%s must be a whole number", name);
    }
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return EG_OK;
}

/* ---- handlers ---- */

static eg_err with_batch(eg_request *rq, eg_err (*fn)(eg_request *rq, eg_compute *c, const eg_batch *b)) {
    eg_str do_as;
    EG_TRY(eg_livy_do_as(rq, &do_as));
    eg_batch b;
    eg_batch_init(&b);
    eg_err e = find(rq, &b);
    e = e != EG_OK ? e : fn(rq, rq->room, &b);
    eg_batch_done(&b);
    return e;
}

/* An opaque start is what people complain of most: what a starting batch waits for, in words; null for all others. */
static json_t *waiting_for(eg_compute *c, const eg_batch *b) {
    if (b->state != EG_BATCH_STARTING) {
        return json_null();
    }
    eg_problem p = {0};
    eg_cluster_state s = eg_clusters_state(c->clusters, eg_str_of(b->cluster), &p);
    if (s == EG_CLUSTER_RUNNING) {
        return json_string("its turn on the cluster");
    }
    return json_sprintf("the cluster, which is %s%s%s", eg_cluster_state_name(s), p.message[0] ? ": " : "", p.message);
}

static eg_err get_fn(eg_request *rq, eg_compute *c, const eg_batch *b) {
    EG_JSON_AUTO names = NULL;
    EG_TRY(names_of(rq, b, &names));
    json_t *log = NULL;
    eg_livy_page page;
    bool shown = owns(rq, b) || (rq->ops->decide && rq->ops->decide(rq, EG_ACTION_JOB_MANAGE, true, NULL) == EG_OK);
    if (shown) {
        eg_err e = read_page(rq, b, (window){-1, LOG_IN_BATCH}, &page, &log);
        log = e == EG_ERR_KEY_DESTROYED ? json_array() : log;
        EG_TRY(e == EG_ERR_KEY_DESTROYED ? EG_OK : e);
    } else {
        log = json_array();
    }
    eg_batch_usage u = eg_livy_usage_now(c, b);
    json_t *o = eg_livy_batch_json(b, json_string_value(json_object_get(names, "owner")), json_string_value(json_object_get(names, "proxyUser")), log, &u);
    json_object_set_new(json_object_get(o, "embergate"), "waitingFor", waiting_for(c, b));
    return eg_respond_json(rq, 200, o);
}

static eg_err get_batch(eg_request *rq) {
    return with_batch(rq, get_fn);
}

static eg_err state_fn(eg_request *rq, eg_compute *c, const eg_batch *b) {
    (void)c;
    return eg_respond_json(rq, 200, json_pack("{s:I,s:s}", "id", (json_int_t)b->id, "state", eg_batch_state_name(b->state)));
}

static eg_err get_state(eg_request *rq) {
    return with_batch(rq, state_fn);
}

static eg_err usage_fn(eg_request *rq, eg_compute *c, const eg_batch *b) {
    eg_batch_usage u = eg_livy_usage_now(c, b);
    json_t *o = eg_livy_usage_json(&u);
    if (!o || json_object_set_new(o, "id", json_integer(b->id)) != 0 || json_object_set_new(o, "final", json_boolean(eg_batch_state_final(b->state))) != 0) {
        json_decref(o);
        return EG_ERR_NO_MEMORY;
    }
    return eg_respond_json(rq, 200, o);
}

static eg_err get_usage(eg_request *rq) {
    return with_batch(rq, usage_fn);
}

static eg_err log_fn(eg_request *rq, eg_compute *c, const eg_batch *b) {
    (void)c;
    EG_TRY(may_manage(rq, b));
    int64_t from = 0, size = 0;
    EG_TRY(query_number(rq, "from", -1, &from));
    EG_TRY(query_number(rq, "size", PAGE_DEFAULT, &size));
    eg_livy_page page;
    json_t *log = NULL;
    EG_TRY(read_page(rq, b, (window){from, size}, &page, &log));
    return eg_respond_json(rq, 200, json_pack("{s:I,s:I,s:I,s:o}", "id", (json_int_t)b->id, "from", (json_int_t)page.from, "total", (json_int_t)page.total, "log", log));
}

static eg_err get_log(eg_request *rq) {
    return with_batch(rq, log_fn);
}

typedef struct listing {
    eg_batch *batches;          /* PAGE_MAX of them at most, taken out of the transaction before the keeper is asked */
    size_t count, room;         /* there is room for as many as came: mostly they are few */
} listing;

static eg_err list_one(void *ctx, eg_batch *b) {
    listing *l = ctx;
    if (l->count == l->room) {
        const size_t room = l->room == 0 ? SHORT_LIST : 2 * l->room;
        eg_batch *more = reallocarray(l->batches, room, sizeof *more);
        if (!more) {
            return EG_ERR_NO_MEMORY;
        }
        l->batches = more;
        l->room = room;
    }
    l->batches[l->count++] = *b;
    eg_batch_init(b);
    return EG_OK;
}

static eg_err read_list(eg_request *rq, int64_t from, int64_t size, listing *l, uint64_t *ret_total) {
    const eg_compute *c = rq->room;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    eg_batch_page page = {.from = (uint64_t)from, .size = (uint64_t)size, .look_max = rq->must_not_wait ? SHORT_LIST : 0, .fn = list_one, .ctx = l};
    return eg_batch_store_list(t, rq->cluster, &page, ret_total);
}

/* Written one by one: a tree of all of them would only be walked once. */
static eg_err list_json(eg_request *rq, const listing *l, eg_buf *ret) {
    eg_compute *c = rq->room;
    for (size_t i = 0; i < l->count; i++) {
        const eg_batch *b = &l->batches[i];
        EG_JSON_AUTO names = NULL;
        EG_TRY(names_of(rq, b, &names));
        eg_batch_usage u = eg_livy_usage_now(c, b);
        EG_JSON_AUTO one = eg_livy_batch_json(b, json_string_value(json_object_get(names, "owner")), json_string_value(json_object_get(names, "proxyUser")), json_array(), &u);
        EG_TRY(i == 0 ? EG_OK : eg_buf_add(ret, ",", 1));
        EG_TRY(one ? eg_json_write(one, ret) : EG_ERR_NO_MEMORY);
    }
    return eg_buf_add(ret, "]}", 2);
}

static eg_err list_batches(eg_request *rq) {
    int64_t from = 0, size = 0;
    eg_str do_as;
    EG_TRY(eg_livy_do_as(rq, &do_as));
    EG_TRY(query_number(rq, "from", 0, &from));
    EG_TRY(query_number(rq, "size", PAGE_DEFAULT, &size));
    from = from < 0 ? 0 : from;
    size = size < 0 || size > PAGE_MAX ? PAGE_MAX : size;
    size = rq->must_not_wait && size > SHORT_LIST ? SHORT_LIST : size;
    listing l = {0};
    uint64_t total = 0;
    eg_buf out;
    eg_buf_init(&out, LIST_BYTES_MAX);
    eg_err e = read_list(rq, from, size, &l, &total);
    e = e != EG_OK ? e : eg_buf_addf(&out, "{\"from\":%lld,\"total\":%llu,\"sessions\":[", (long long)from, (unsigned long long)total);
    e = e != EG_OK ? e : list_json(rq, &l, &out);
    for (size_t i = 0; i < l.count; i++) {
        eg_batch_done(&l.batches[i]);
    }
    free(l.batches);
    if (e != EG_OK) {
        eg_buf_done(&out);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/json", &out);
}

static eg_err list_sessions(eg_request *rq) {
    int64_t from = 0;
    EG_TRY(query_number(rq, "from", 0, &from));
    return eg_respond_json(rq, 200, json_pack("{s:I,s:i,s:[]}", "from", (json_int_t)(from < 0 ? 0 : from), "total", 0, "sessions"));
}

static eg_err no_session(eg_request *rq) {
    return not_found(rq, rq->params[0]);
}

static eg_err create_session(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_NOT_BUILT, "interactive sessions are not built yet; submit the job as a batch with POST /batches");
}

/* ---- deletion ---- */

static eg_err patch_deleted(eg_batch *b, void *ctx) {
    if (b->deleted) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    bool *was_final = ctx;
    *was_final = eg_batch_state_final(b->state);
    b->deleted = true;
    return EG_OK;
}

static eg_err apply_forget(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_batch *b = ctx;
    uint8_t hash[EG_SHA256_LEN];
    size_t n = 0;
    if (!b->credential[0] || eg_unhex(eg_str_of(b->credential), hash, sizeof hash, &n) != EG_OK) {
        return EG_OK;
    }
    return eg_kv_del(t, EG_DB_CREDENTIAL, (eg_bytes){hash, n});
}

/* Gone for everyone with this commit; its driver is stopped and its log discarded by the watcher, also after a restart. */
static eg_err delete_fn(eg_request *rq, eg_compute *c, const eg_batch *b) {
    EG_TRY(may_manage(rq, b));
    bool was_final = false;
    eg_batch_update u = {.cluster = b->cluster, .id = b->id, .patch = patch_deleted, .ctx = &was_final};
    eg_batch copy = *b; /* shares what it owns; only read */
    copy.deleted = true;
    const eg_txn_op ops[3] = {eg_batch_store_update(&u), {apply_forget, &copy}, rq->ops->record_op(rq, 200)};
    eg_err e = eg_commit(c->o.committer, ops, 3, &rq->problem);
    if (e != EG_OK) {
        return e == EG_ERR_BATCH_NOT_FOUND ? not_found(rq, rq->params[0]) : e;
    }
    char job[80];
    eg_batch_job(b, job);
    if (was_final) {
        (void)!eg_live_jobs_add(c->jobs, &copy, "", NULL); /* else the next start of the gateway discards it */
    } else {
        eg_live_jobs_stop(c->jobs, eg_str_of(job));
    }
    eg_watcher_poke(c->watcher);
    return eg_respond_json(rq, 200, json_pack("{s:s}", "msg", "deleted"));
}

static eg_err delete_batch(eg_request *rq) {
    return with_batch(rq, delete_fn);
}

/* ---- what has no batch ---- */

static eg_err get_version(eg_request *rq) {
    return eg_respond_json(rq, 200, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "url", "", "branch", "", "revision", "", "version", "0.9.0-incubating", "date", "", "user", "",
                                              "embergate", EG_VERSION));
}

static eg_err get_root(eg_request *rq) {
    static const char page[] = "<!doctype html><html><head><meta charset=\"utf-8\"><title>Livy</title></head><body><p>This is the Apache Livy API of an embergate cluster: "
                               "POST /livy/batches submits a job, GET /livy/batches lists them.</p></body></html>\n";
    return eg_respond_bytes(rq, 200, "text/html;charset=utf-8", (eg_bytes){(const uint8_t *)page, sizeof page - 1});
}

#define DATA (EG_ROUTE_BLOCKING | EG_ROUTE_DATA_ACTION)
#define ROW(m, path, act, rec, fl, max, fn, ev) \
    {.surface = EG_SURFACE_LIVY, .method = m, .pattern = path, .action = act, .record = rec, .flags = fl, .max_body = max, .end = fn, .event = ev}

static const eg_route rows[] = {
    ROW("POST", "/batches", EG_ACTION_JOB_SUBMIT, EG_RECORD_EACH, DATA, EG_BATCH_BODY_MAX, eg_livy_submit, "job.submit"),
    ROW("GET", "/batches", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA | EG_ROUTE_TRY_FIRST, 0, list_batches, "job.list"),
    ROW("GET", "/batches/{id}", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA, 0, get_batch, "job.read"),
    ROW("GET", "/batches/{id}/state", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA | EG_ROUTE_TRY_FIRST, 0, get_state, "job.read"),
    ROW("GET", "/batches/{id}/usage", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA, 0, get_usage, "job.read"),
    ROW("GET", "/batches/{id}/log", EG_ACTION_JOB_LOG_READ, EG_RECORD_FIRST, DATA, 0, get_log, "job.log.read"),
    ROW("DELETE", "/batches/{id}", EG_ACTION_JOB_DELETE, EG_RECORD_EACH, DATA, EG_BATCH_BODY_MAX, delete_batch, "job.delete"),
    ROW("GET", "/sessions", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA, 0, list_sessions, "job.list"),
    ROW("POST", "/sessions", EG_ACTION_JOB_SUBMIT, EG_RECORD_EACH, DATA, EG_BATCH_BODY_MAX, create_session, "session.create"),
    ROW("GET", "/sessions/{id}", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA, 0, no_session, "session.read"),
    ROW("GET", "/sessions/{id}/{rest*}", EG_ACTION_JOB_READ, EG_RECORD_FIRST, DATA, 0, no_session, "session.read"),
    ROW("POST", "/sessions/{id}/{rest*}", EG_ACTION_JOB_SUBMIT, EG_RECORD_EACH, DATA, EG_BATCH_BODY_MAX, no_session, "session.write"),
    ROW("DELETE", "/sessions/{id}", EG_ACTION_JOB_DELETE, EG_RECORD_EACH, DATA, EG_BATCH_BODY_MAX, no_session, "session.delete"),
    ROW("GET", "/version", NULL, EG_RECORD_AGGREGATE, EG_ROUTE_ANY_PRINCIPAL, 0, get_version, "livy.read"),
    ROW("GET", "/", NULL, EG_RECORD_AGGREGATE, EG_ROUTE_ANY_PRINCIPAL, 0, get_root, "livy.read"),
};

const eg_route *eg_livy_routes(size_t *ret_n) {
    *ret_n = sizeof rows / sizeof *rows;
    return rows;
}

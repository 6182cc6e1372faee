/* One request and its answer, as the app sees it. */
#include "exchange.h"

#include "bare_answer.h"
#include "conn.h"
#include "refusal.h"

#include <embergate/clock.h>
#include <embergate/crypto.h>

#include <stdlib.h>
#include <time.h>

/* A call that eg_door_on_worker was asked for. */
typedef struct call {
    eg_task task;
    eg_exchange *ex;
    void (*fn)(void *);
    void *arg;
} call;

static eg_arena *take_arena(eg_worker *w) {
    return w->spare_count > 0 ? w->spare_arenas[--w->spare_count] : eg_arena_new(EG_DOOR_ARENA_MAX);
}

static void give_arena(eg_worker *w, eg_arena *a) {
    if (w->spare_count < EG_DOOR_SPARES) {
        eg_arena_reset(a);
        w->spare_arenas[w->spare_count++] = a;
    } else {
        eg_arena_free(a);
    }
}

void eg_exchange_forget_spares(eg_worker *w) {
    while (w->spare_count > 0) {
        eg_arena_free(w->spare_arenas[--w->spare_count]);
    }
    eg_buf_done(&w->spare_pending);
}

static void free_exchange(eg_exchange *ex) {
    if (ex->head.ptr != NULL) {
        union { const char *in; char *out; } head = {.in = ex->head.ptr};
        eg_cleanse(head.out, ex->head.len);
    }
    if (ex->pull != NULL) {
        if (ex->pull_prev != NULL) {
            ex->pull_prev->pull_next = ex->pull_next;
        } else {
            ex->worker->pulling = ex->pull_next;
        }
        if (ex->pull_next != NULL) {
            ex->pull_next->pull_prev = ex->pull_prev;
        }
        eg_pull_free(ex->pull);
    } else if (ex->rq.response.has_source && ex->rq.response.source.close != NULL) {
        ex->rq.response.source.close(ex->rq.response.source.ctx);
    }
    eg_buf_done(&ex->rq.response.owned);
    give_arena(ex->worker, ex->rq.arena); /* ex lies in it */
}

/* Lets the request go when it is over and nobody holds it any more. */
static void settle(eg_exchange *ex) {
    bool unseen = atomic_load(&ex->asked) && !ex->taken; /* the send task waits in the queue */
    bool busy = atomic_load(&ex->proceed.queued) || atomic_load(&ex->calls) > 0 || (ex->pull != NULL && eg_pull_reading(ex->pull));
    if (!ex->over || ex->owed || unseen || busy) {
        return;
    }
    const eg_door_app *app = &ex->worker->shared->app;
    ex->worker->exchanges--;
    if (ex->pull != NULL && ex->rq.response.error == EG_OK) {
        ex->rq.response.error = eg_pull_error(ex->pull); /* why the answer was broken off */
    }
    app->gone(app->app, &ex->rq, ex->sent);
    free_exchange(ex);
}

void eg_exchange_finish(eg_exchange *ex, bool sent) {
    ex->conn = NULL;
    ex->over = true;
    ex->sent = sent && !ex->replaced;
    settle(ex);
}

static void on_proceed(void *arg) {
    eg_exchange *ex = arg;
    ex->owed = false;
    if (ex->conn != NULL) {
        eg_conn_proceed(ex->conn);
    } else {
        settle(ex);
    }
}

static void on_send(void *arg) {
    eg_exchange *ex = arg;
    ex->owed = false;
    ex->taken = true;
    if (ex->conn != NULL) {
        eg_conn_answer(ex->conn);
    } else {
        settle(ex);
    }
}

static void on_pull(void *arg) {
    eg_exchange *ex = arg;
    if (ex->over) {
        settle(ex);
    } else if (ex->conn != NULL) {
        eg_conn_pull_ready(ex->conn);
    }
}

static void on_call(void *arg) {
    call *c = arg;
    eg_exchange *ex = c->ex;
    c->fn(c->arg);
    free(c);
    atomic_fetch_sub(&ex->calls, 1);
    settle(ex);
}

static eg_err fill_request(eg_exchange *ex, const eg_http_head *h) {
    eg_request *rq = &ex->rq;
    eg_header *headers = eg_arena_alloc(rq->arena, (h->header_count + 1) * sizeof *headers);
    char *host = eg_arena_alloc(rq->arena, h->host.len + 1);
    if (headers == NULL || host == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    memcpy(headers, h->headers, h->header_count * sizeof *headers);
    for (size_t i = 0; i < h->host.len; i++) {
        char c = h->host.ptr[i];
        host[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    eg_uuid_new(rq->request_id);
    rq->received_ns = eg_wall_ns(&eg_clock_system);
    rq->method = h->method;
    rq->target = h->target;
    rq->raw_path = h->path;
    rq->query = h->query;
    rq->host = (eg_str){host, h->host.len};
    rq->headers = headers;
    rq->header_count = h->header_count;
    rq->authorization = h->authorization;
    rq->content_length = h->content_length;
    rq->response.head_length = -1;
    rq->door = ex;
    return EG_OK;
}

eg_err eg_exchange_new(eg_conn *c, eg_bytes head, eg_http_head *ret_head, eg_exchange **ret, eg_problem *p) {
    eg_arena *arena = take_arena(c->worker);
    eg_exchange *ex = arena != NULL ? eg_arena_alloc(arena, sizeof *ex) : NULL;
    eg_str copy = ex != NULL ? eg_arena_str(arena, eg_bytes_str(head)) : (eg_str){NULL, 0};
    if (copy.ptr == NULL) {
        eg_arena_free(arena);
        return eg_fail(p, EG_ERR_NO_MEMORY, "The server has no memory for the request");
    }
    ex->rq.arena = arena;
    ex->rq.peer = c->peer;
    ex->head = copy;
    ex->worker = c->worker;
    ex->conn = c;
    ex->proceed = (eg_task){.run = on_proceed, .arg = ex};
    ex->send = (eg_task){.run = on_send, .arg = ex};
    eg_err e = eg_http_head_parse(&c->worker->shared->limits, copy, ret_head, p);
    e = e == EG_OK ? fill_request(ex, ret_head) : e;
    if (e != EG_OK) {
        free_exchange(ex);
        return e;
    }
    c->worker->exchanges++;
    *ret = ex;
    return EG_OK;
}

bool eg_exchange_is_head(const eg_exchange *ex) {
    return eg_str_starts(ex->head, "HEAD "); /* rq.method is the app's to override */
}

void eg_exchange_replace(eg_exchange *ex, eg_err why) {
    eg_response *r = &ex->rq.response;
    eg_buf body;
    eg_buf_init(&body, 1024);
    eg_str text = {NULL, 0};
    if (eg_refusal_json(why, NULL, &body) == EG_OK) {
        text = eg_arena_str(ex->rq.arena, eg_buf_str(&body));
    }
    eg_buf_done(&body);
    r->status = eg_err_http_status(why);
    r->header_count = 0;
    r->headers[r->header_count].name = "Content-Type";
    r->headers[r->header_count++].value = EG_LIT("application/json");
    r->headers[r->header_count].name = "x-ms-request-id";
    r->headers[r->header_count++].value = eg_str_of(ex->rq.request_id);
    r->head_length = -1;
    r->bytes = eg_str_bytes(text);
    if (r->has_source && ex->pull == NULL && r->source.close != NULL) {
        r->source.close(r->source.ctx);
    }
    r->has_source = false;
    ex->replaced = true;
}

/* Content-Length, Transfer-Encoding, Connection and Date are the door's; what an app sets under these names is dropped. */
static bool is_ours(eg_str name) {
    static const eg_str names[] = {{"Content-Length", 14}, {"Transfer-Encoding", 17}, {"Connection", 10}, {"Date", 4}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name.len == names[i].len && eg_str_ieq(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_name(const char *name) {
    const char *p = name;
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '-') { /* nearly all are made of these */
        p++;
    }
    while (*p > ' ' && *p < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", *p) == NULL) { /* RFC 9110 section 5.6.2 */
        p++;
    }
    return p > name && *p == '\0';
}

static bool is_safe(eg_str value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) { /* RFC 9110 section 5.5 */
            return false;
        }
    }
    return true;
}

static eg_err check_headers(eg_exchange *ex) {
    eg_response *r = &ex->rq.response;
    size_t kept = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        eg_str v = r->headers[i].value;
        const eg_str name = eg_str_of(r->headers[i].name);
        bytes += name.len + v.len + 4;
        if (is_ours(name)) {
            continue;
        }
        if (!is_name(r->headers[i].name) || !is_safe(v) || bytes > EG_DOOR_RESPONSE_HEAD_MAX) {
            return EG_ERR_INTERNAL;
        }
        r->headers[kept].name = r->headers[i].name;
        r->headers[kept++].value = v;
    }
    r->header_count = kept;
    return r->status >= 200 && r->status <= 599 ? EG_OK : EG_ERR_INTERNAL;
}

void eg_exchange_prepare(eg_exchange *ex) {
    eg_response *r = &ex->rq.response;
    eg_err e = check_headers(ex);
    if (e != EG_OK) {
        eg_exchange_replace(ex, e);
    }
    if (!r->has_source || eg_bare_answer_fits(r, eg_exchange_is_head(ex))) {
        return;
    }
    eg_worker *w = ex->worker;
    ex->pull = eg_pull_new(r->source, &(eg_pull_options){w->shared->pool, &w->handoff, on_pull, ex, &w->starved});
    if (ex->pull == NULL) {
        r->has_source = false; /* eg_pull_new closed it */
        eg_exchange_replace(ex, EG_ERR_NO_MEMORY);
        return;
    }
    ex->pull_next = w->pulling;
    if (w->pulling != NULL) {
        w->pulling->pull_prev = ex;
    }
    w->pulling = ex;
    eg_pull_kick(ex->pull);
}

void eg_exchange_retry_pulls(eg_worker *w) {
    eg_exchange *next = NULL;
    for (eg_exchange *ex = w->pulling; ex != NULL; ex = next) {
        next = ex->pull_next;
        if (!ex->over && !eg_pull_reading(ex->pull)) {
            eg_pull_kick(ex->pull);
            if (!eg_pull_reading(ex->pull) && eg_pull_has_some(ex->pull)) {
                on_pull(ex);
            }
        }
    }
}

static bool is_called(const eg_exchange *ex) {
    return eg_handoff_is_owner(&ex->worker->handoff) && ex->worker->calling == ex;
}

void eg_exchange_asked(eg_exchange *ex) {
    if (ex->send_now) {
        ex->send_now = ex->proceed_now = false;
        on_send(ex);
    } else if (ex->proceed_now) {
        ex->proceed_now = false;
        on_proceed(ex);
    }
}

void eg_door_proceed(eg_request *rq) {
    eg_exchange *ex = rq->door;
    if (is_called(ex)) {
        ex->proceed_now = true;
    } else {
        eg_handoff_push(&ex->worker->handoff, &ex->proceed);
    }
}

void eg_door_send(eg_request *rq) {
    eg_exchange *ex = rq->door;
    if (atomic_exchange(&ex->asked, true)) {
        return;
    }
    if (is_called(ex)) {
        ex->send_now = true;
    } else {
        eg_handoff_push(&ex->worker->handoff, &ex->send);
    }
}

void eg_door_on_worker(eg_request *rq, void (*fn)(void *), void *arg) {
    eg_exchange *ex = rq->door;
    call *c = NULL;
    while ((c = calloc(1, sizeof *c)) == NULL) { /* nobody could be told, and the app counts on it */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    *c = (call){.task = {.run = on_call, .arg = c}, .ex = ex, .fn = fn, .arg = arg};
    atomic_fetch_add(&ex->calls, 1);
    eg_handoff_push(&ex->worker->handoff, &c->task);
}

void eg_door_pause(eg_request *rq) {
    eg_exchange *ex = rq->door;
    ex->owed = true;
    if (ex->conn != NULL && ex->conn->in == EG_IN_BODY) {
        ex->conn->in = EG_IN_HOLD;
    }
}

/* Runs the parts of a batch through the handlers that requests of their own would have. */
#include "batch.h"

#include "batch_body.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <stdlib.h>

#define PART_ARENA ((size_t)64 << 10)
#define ANSWER_MAX ((size_t)4 << 20)

/* A part in the shape of a request. Its ops know the outer request by the address of this struct. */
typedef struct part {
    eg_request rq;                 /* first */
    eg_request *outer;
} part;

/* The answer stays in rq.response. */
static void respond(eg_request *rq) { (void)rq; }

static eg_txn_op record_op(eg_request *rq, int status) {
    const eg_request *outer = ((const part *)(const void *)rq)->outer;
    return outer->ops->record_part ? outer->ops->record_part(rq, status, EG_OK) : (eg_txn_op){.apply = NULL};
}

static eg_err decide_at(eg_request *rq, const char *action, bool data_action, eg_str scope, eg_str path) {
    const eg_request *outer = ((const part *)(const void *)rq)->outer;
    return outer->ops->decide_at ? outer->ops->decide_at(rq, action, data_action, scope, path) : EG_ERR_DENIED_DATA;
}

static const eg_request_ops part_ops = {.respond = respond, .record_op = record_op, .decide_at = decide_at};

/* Whether the outer request's own path began with the account: then the parts' may, too. */
static bool path_style(eg_request *rq) {
    eg_str decoded;
    const size_t n = rq->account.len;
    return eg_percent_decode(rq->arena, rq->raw_path, false, &decoded) == EG_OK && decoded.len > rq->path.len && decoded.len > n &&
        memcmp(decoded.ptr + 1, rq->account.ptr, n) == 0 && (decoded.len == n + 1 || decoded.ptr[n + 1] == '/');
}

static eg_err place(part *x, const eg_batch_part *b, eg_arena *arena) {
    eg_request *rq = &x->rq;
    eg_str query = b->target;
    eg_str path = eg_str_cut(&query, '?');
    rq->target = b->target;
    rq->raw_path = path;
    rq->query = query.ptr ? query : EG_LIT("");
    if (eg_percent_decode(arena, path, false, &path) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_TARGET, "The path of the part can't be read.");
    }
    const size_t n = x->outer->account.len;
    if (path_style(x->outer) && path.len > n + 1 && memcmp(path.ptr + 1, x->outer->account.ptr, n) == 0 && path.ptr[n + 1] == '/') {
        path = (eg_str){path.ptr + n + 1, path.len - n - 1};
    }
    rq->path = path;
    return EG_OK;
}

/* The batch of a container has parts of that container alone. */
static eg_err check_container(eg_request *rq, const eg_request *outer, eg_str container) {
    eg_str own = outer->path;
    if (own.len > 0 && own.ptr[0] == '/') {
        own = (eg_str){own.ptr + 1, own.len - 1};
    }
    own = eg_str_cut(&own, '/');
    return own.len == 0 || eg_str_eq(own, container)
        ? EG_OK : eg_fail(&rq->problem, EG_ERR_QUERY, "The part is not of the container that the batch was sent to.");
}

/* As the pipeline decides a request of its own: roles at the part's container, and what they don't grant by access control lists. */
static eg_err authorize(part *x) {
    eg_request *rq = &x->rq;
    eg_str container;
    eg_str path;
    eg_str scope;
    EG_TRY(eg_target_split(rq, &container, &path));
    if (path.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_PATH_INVALID, "A part names a blob.");
    }
    EG_TRY(check_container(rq, x->outer, container));
    /* The route of the batch asked for no role: what it says of the way is that somebody is known, no more. */
    if (rq->way == EG_WAY_ROLE || rq->way == EG_WAY_ACL) {
        EG_TRY(eg_target_container_scope(rq, &scope));
        const eg_err e = decide_at(rq, EG_ACTION_BLOB_DELETE, true, scope, path);
        rq->way = e == EG_OK ? EG_WAY_ROLE : e == EG_ERR_DENIED_TENANT ? EG_WAY_NONE : EG_WAY_ACL;
    }
    return EG_OK;
}

static eg_err run(part *x, const eg_batch_part *b, eg_arena *arena) {
    eg_request *rq = &x->rq;
    eg_str at;
    EG_TRY(place(x, b, arena));
    if (!eg_str_is(b->method, "DELETE")) {
        return eg_target_not_built(rq, "This operation in a batch");
    }
    const eg_err e = eg_request_query(rq, "snapshot", &at);
    EG_TRY(e == EG_ERR_QUERY ? eg_fail(&rq->problem, e, "The query of the part can't be read.") : EG_OK);
    rq->route = eg_blob_delete_route(e == EG_OK);
    EG_TRY(authorize(x));
    return rq->route->end(rq);
}

static void begin(part *x, eg_request *outer, const eg_batch_part *b, eg_arena *arena) {
    *x = (part){.rq = *outer, .outer = outer};
    eg_request *rq = &x->rq;
    rq->arena = arena;
    rq->ops = &part_ops;
    rq->method = b->method;
    rq->headers = b->headers;
    rq->header_count = b->header_count;
    rq->content_length = 0;
    rq->body = (eg_bytes){NULL, 0};
    rq->response = (eg_response){.head_length = -1};
    rq->problem = (eg_problem){0};
    rq->state = NULL;
    rq->free_state = NULL;
    rq->record_resource[0] = '\0';
    rq->record_details = NULL;
    rq->record_bytes = 0;
    rq->access_asked = false;
    rq->decided_by[0] = '\0';
    rq->route = eg_blob_delete_route(false);
}

static const char *reason_of(int status) { return status < 300 ? "Accepted" : status < 500 ? "Refused" : "Failed"; }

static eg_err write_answer(const eg_request *rq, eg_str boundary, const eg_batch_part *b, eg_buf *out) {
    const eg_response *a = &rq->response;
    (void)eg_buf_addf(out, "--%.*s\r\nContent-Type: application/http\r\n", EG_FMT(boundary));
    if (b->content_id.len > 0) {
        (void)eg_buf_addf(out, "Content-ID: %.*s\r\n", EG_FMT(b->content_id));
    }
    (void)eg_buf_addf(out, "\r\nHTTP/1.1 %d %s\r\n", a->status, reason_of(a->status));
    for (size_t i = 0; i < a->header_count; i++) {
        (void)eg_buf_addf(out, "%s: %.*s\r\n", a->headers[i].name, EG_FMT(a->headers[i].value));
    }
    const eg_bytes body = a->has_source ? (eg_bytes){NULL, 0} : a->bytes;
    (void)eg_buf_addf(out, "Content-Length: %zu\r\n\r\n", body.len);
    (void)(body.len > 0 ? eg_buf_add(out, body.ptr, body.len) : EG_OK);
    return eg_buf_adds(out, "\r\n");
}

/* A refusal is recorded like a deletion; without its record nothing is answered. */
static eg_err record_refusal(part *x, eg_err e) {
    eg_request *outer = x->outer;
    if (!outer->ops->record_part) {
        return EG_OK;
    }
    const eg_txn_op op = outer->ops->record_part(&x->rq, eg_err_http_status(e), e);
    eg_storage *s = outer->room;
    return op.apply ? eg_commit(s->committer, &op, 1, NULL) : EG_OK;
}

static eg_err one(eg_request *outer, const eg_batch_part *b, eg_str boundary, eg_buf *out) {
    eg_arena *arena = eg_arena_new(PART_ARENA);
    part *x = calloc(1, sizeof *x);
    eg_err e = arena && x ? EG_OK : EG_ERR_NO_MEMORY;
    if (e == EG_OK) {
        begin(x, outer, b, arena);
        const eg_err done = run(x, b, arena);
        if (done != EG_OK) {
            eg_respond_problem(&x->rq, done, &x->rq.problem);
            e = record_refusal(x, done);
        }
        if (e == EG_OK) {
            e = write_answer(&x->rq, boundary, b, out);
        }
        eg_buf_done(&x->rq.response.owned);
        json_decref(x->rq.record_details);
    }
    free(x);
    eg_arena_free(arena);
    return e;
}

static eg_err bad(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_INVALID, "The body is not a batch: multipart/mixed, whose parts are at most %d requests without bodies.", EG_BATCH_PARTS_MAX);
}

/* All of the body is read before anything is done. */
static eg_err check(eg_request *rq, eg_batch_reader r, size_t *ret_n) {
    eg_batch_part b;
    size_t n = 0;
    for (;; n++) {
        const eg_err e = eg_batch_next(&r, &b);
        if (e == EG_ERR_NOT_FOUND) {
            *ret_n = n;
            return n > 0 ? EG_OK : bad(rq);
        }
        EG_TRY(e != EG_OK || n == EG_BATCH_PARTS_MAX ? bad(rq) : EG_OK);
    }
}

eg_err eg_blob_batch(eg_request *rq) {
    eg_target d;
    eg_batch_reader r = {.rest = eg_bytes_str(rq->body)};
    size_t n = 0;
    char id[EG_UUID_LEN];
    EG_TRY(eg_target_open_account(rq, &d));
    EG_TRY(eg_batch_boundary(eg_request_header(rq, "Content-Type"), &r.boundary) != EG_OK ? bad(rq) : EG_OK);
    EG_TRY(check(rq, r, &n));
    eg_uuid_new(id);
    const eg_str boundary = eg_arena_printf(rq->arena, "batchresponse_%s", id);
    eg_buf out;
    eg_buf_init(&out, ANSWER_MAX);
    eg_err e = boundary.ptr ? EG_OK : EG_ERR_NO_MEMORY;
    for (size_t i = 0; i < n && e == EG_OK; i++) {
        eg_batch_part b;
        e = eg_batch_next(&r, &b);
        e = e == EG_OK ? one(rq, &b, boundary, &out) : e;
    }
    if (e == EG_OK) {
        e = eg_buf_addf(&out, "--%.*s--\r\n", EG_FMT(boundary));
    }
    if (e != EG_OK) {
        eg_buf_done(&out);
        return e;
    }
    rq->access_asked = true; /* of each part */
    EG_TRY(eg_response_header(rq, "Content-Type", "multipart/mixed; boundary=%.*s", EG_FMT(boundary)));
    return eg_respond_owned(rq, 202, NULL, &out);
}

/* What a connection sends: answers of known length, streams relayed from its lane, 100 Continue, the door's own last word. */
#include "bare_answer.h"
#include "conn.h"

#include <embergate/metrics.h>

#include <errno.h>
#include <sys/socket.h>

enum {
    RECORD = 16 * 1024, /* RFC 8446 section 5.1: the most that goes into one */
    FIRST_RECORD = RECORD,
};

/* Writes what the socket takes. False when the connection had to be closed. */
static bool write_some(eg_conn *c, const char *bytes, size_t n, size_t *ret_n) {
    size_t done = 0;
    while (done < n) {
        size_t once = 0;
        c->socket.more = n - done > RECORD;
        eg_tls_status s = eg_tls_write(c->tls, bytes + done, n - done, &once);
        if (s == EG_TLS_AGAIN) {
            break;
        }
        if (s != EG_TLS_DONE) {
            eg_conn_close(c);
            return false;
        }
        done += once;
    }
    c->progress += done;
    *ret_n = done;
    return true;
}

/* True when nothing is pending any more. */
static bool flush(eg_conn *c, bool *ret_moved) {
    size_t left = c->pending.len - c->pending_written;
    if (left == 0) {
        return true;
    }
    size_t n = 0;
    if (!write_some(c, c->pending.ptr + c->pending_written, left, &n)) {
        return false;
    }
    c->pending_written += n;
    *ret_moved = *ret_moved || n > 0;
    if (n < left) {
        return false;
    }
    /* An idle connection holds no memory for answers; the worker keeps one for the next. */
    eg_worker *w = c->worker;
    size_t max = c->pending.max;
    if (w->spare_pending.ptr == NULL) {
        w->spare_pending = c->pending;
        eg_buf_reset(&w->spare_pending);
    } else {
        eg_buf_done(&c->pending);
    }
    eg_buf_init(&c->pending, max);
    c->pending_written = 0;
    return true;
}

static void take_spare(eg_conn *c) {
    eg_buf *spare = &c->worker->spare_pending;
    if (c->pending.ptr == NULL && spare->ptr != NULL) {
        c->pending = *spare;
        *spare = (eg_buf){0};
    }
}

static void answer_over(eg_conn *c) {
    eg_exchange *ex = c->ex;
    c->ex = NULL;
    c->out = EG_OUT_NONE;
    c->progress = c->worker->shared->limits.progress_bytes;
    eg_exchange_finish(ex, true);
    if (c->close_after || atomic_load(&c->worker->shared->stopping)) {
        eg_conn_shut(c);
    } else if (c->in == EG_IN_DONE) {
        eg_conn_next_request(c);
    }
}

/* The daemon has closed its end of the lane. */
static void lane_ended(eg_conn *c) {
    eg_conn_drop_lane(c);
    c->close_after = true;
    if (c->out == EG_OUT_RELAY && c->whole) {
        answer_over(c);
    } else {
        eg_conn_close(c);
    }
}

static bool relay(eg_conn *c) {
    eg_worker *w = c->worker;
    ssize_t n = recv(eg_lane_fd(c->lane), w->out, sizeof w->out, 0);
    if (n > 0) {
        size_t written = 0;
        if (write_some(c, (const char *)w->out, (size_t)n, &written) && written < (size_t)n &&
            eg_buf_add(&c->pending, w->out + written, (size_t)n - written) != EG_OK) {
            eg_conn_close(c);
        }
        return true;
    }
    if (n < 0 && errno == EAGAIN) {
        c->lane_readable = false;
        if (c->out != EG_OUT_RELAY) {
            return false;
        }
        if (c->whole) {
            eg_conn_drop_lane(c);
            answer_over(c);
        } else {
            eg_conn_close(c); /* without close_notify: nobody shall take the answer for whole */
        }
        return true;
    }
    lane_ended(c);
    return true;
}

/* NULL when the body is bytes, also those that took the place of a source that failed. */
static eg_pull *pull_of(const eg_conn *c) {
    return c->ex->rq.response.has_source ? c->ex->pull : NULL;
}

static bool write_rest(eg_conn *c) {
    size_t n = 0;
    size_t most = c->rest.len < EG_DOOR_READ_MAX ? c->rest.len : EG_DOOR_READ_MAX; /* then others have a turn */
    if (!write_some(c, (const char *)c->rest.ptr, most, &n)) {
        return false;
    }
    c->rest = (eg_bytes){c->rest.ptr + n, c->rest.len - n};
    eg_pull *pull = pull_of(c);
    if (n > 0 && pull != NULL) {
        eg_pull_skip(pull, n);
        eg_pull_ahead(pull);
    }
    return n > 0;
}

/* What is left of a body whose length the head has said. */
static bool send_body(eg_conn *c) {
    eg_pull *pull = pull_of(c);
    if (c->rest.len > 0) {
        return write_rest(c);
    }
    if (pull != NULL && !eg_pull_has_some(pull)) {
        eg_pull_kick(pull);
    }
    switch (pull != NULL ? eg_pull_peek(pull, &c->rest) : EG_PULL_END) {
    case EG_PULL_BYTES:
        return write_rest(c);
    case EG_PULL_WAIT:
        return false;
    case EG_PULL_END:
        answer_over(c);
        return true;
    case EG_PULL_BROKEN:
    default:
        eg_conn_close(c); /* without close_notify: nobody shall take the answer for whole */
        return false;
    }
}

bool eg_conn_output(eg_conn *c) {
    bool moved = false;
    if (!flush(c, &moved)) {
        return moved;
    }
    if (c->out == EG_OUT_LAST) {
        eg_conn_shut(c);
        return true;
    }
    if (c->out == EG_OUT_COUNTED) {
        return send_body(c) || moved;
    }
    if ((c->out == EG_OUT_LANE || c->out == EG_OUT_RELAY) && c->lane_readable) {
        moved = relay(c) || moved;
    }
    return moved;
}

static void on_lane_done(void *arg, bool whole) {
    eg_exchange *ex = arg;
    eg_conn *c = ex->conn;
    if (c == NULL) {
        eg_exchange_finish(ex, false);
        return;
    }
    c->out = EG_OUT_RELAY;
    c->whole = whole;
    c->lane_readable = true;
    eg_conn_wake(c);
}

static eg_err open_lane(eg_conn *c) {
    EG_TRY(eg_lane_open(c->worker->http1, &c->lane));
    eg_err e = eg_worker_watch(c->worker, eg_lane_fd(c->lane), &c->lane_watch);
    if (e != EG_OK) {
        eg_lane_close(c->lane);
        c->lane = NULL;
    }
    c->worker->http1_due = true;
    return e;
}

/* The first bytes of a body go with the head: one TLS record and one system call for a small answer. */
static eg_err join_first_bytes(eg_conn *c) {
    eg_pull *pull = pull_of(c);
    size_t room = c->pending.len < FIRST_RECORD ? FIRST_RECORD - c->pending.len : 0;
    if (pull != NULL && eg_pull_peek(pull, &c->rest) != EG_PULL_BYTES) {
        return EG_OK;
    }
    size_t n = c->rest.len < room ? c->rest.len : room;
    if (n == 0) {
        return EG_OK;
    }
    EG_TRY(eg_buf_add(&c->pending, c->rest.ptr, n));
    c->rest = (eg_bytes){c->rest.ptr + n, c->rest.len - n};
    if (pull != NULL) {
        eg_pull_skip(pull, n);
        eg_pull_ahead(pull);
    }
    return EG_OK;
}

static void start_counted(eg_conn *c, bool bare) {
    const eg_response *r = &c->ex->rq.response;
    c->out = EG_OUT_COUNTED;
    c->rest = bare || r->has_source ? (eg_bytes){NULL, 0} : r->bytes;
    take_spare(c);
    eg_err e = eg_bare_answer(r, bare, c->close_after, &c->pending);
    e = e == EG_OK && !bare ? join_first_bytes(c) : e;
    if (e != EG_OK) {
        eg_conn_close(c);
        return;
    }
    eg_conn_wake(c);
}

static void start_answer(eg_conn *c) {
    eg_exchange *ex = c->ex;
    eg_response *r = &ex->rq.response;
    if (r->has_source && ex->pull != NULL && eg_pull_error(ex->pull) != EG_OK) {
        eg_exchange_replace(ex, eg_pull_error(ex->pull));
    }
    bool bare = eg_bare_answer_fits(r, eg_exchange_is_head(ex));
    if (bare || eg_bare_answer_counted(r)) {
        start_counted(c, bare);
        return;
    }
    eg_lane_answer a = {
        .response = r,
        .pull = r->has_source ? ex->pull : NULL,
        .close = c->close_after,
        .done = on_lane_done,
        .arg = ex,
    };
    eg_err e = c->lane != NULL ? EG_OK : open_lane(c);
    e = e == EG_OK ? eg_lane_send(c->lane, &a) : e;
    if (e != EG_OK) {
        c->out = EG_OUT_NONE;
        eg_conn_refuse(c, EG_ERR_UNAVAILABLE, NULL);
        return;
    }
    c->out = EG_OUT_LANE;
    c->lane_readable = true;
    c->worker->http1_due = true; /* runs before the turn that the wake gives */
    eg_conn_wake(c);
}

void eg_conn_pull_ready(eg_conn *c) {
    if (c->out == EG_OUT_SOURCE) {
        start_answer(c);
    } else if (c->out == EG_OUT_COUNTED) {
        eg_conn_wake(c);
    } else if (c->lane != NULL) {
        eg_lane_resume(c->lane);
        c->worker->http1_due = true;
        eg_conn_wake(c);
    }
}

/* The answer comes before the end of the body. What is left of it is thrown away, within bounds, while the answer goes out:
 * a peer that writes all before it reads would never hear it otherwise. */
static void discard_body(eg_conn *c) {
    const eg_door_limits *l = &c->worker->shared->limits;
    if (c->expect_continue || c->body.chunked || c->body.left > l->drain_bytes) {
        /* RFC 9110 section 10.1.1: without 100 it is open whether the body comes. */
        c->close_after = true;
    }
    c->discard_left = l->linger_bytes;
    c->in = EG_IN_DISCARD;
}

void eg_conn_answer(eg_conn *c) {
    eg_exchange *ex = c->ex;
    if (c->in == EG_IN_HOLD || c->in == EG_IN_BODY) {
        if (c->body.done) {
            c->in = EG_IN_DONE;
        } else {
            discard_body(c);
        }
    }
    c->close_after = c->close_after || atomic_load(&c->worker->shared->stopping);
    eg_exchange_prepare(ex);
    if (ex->pull != NULL && !eg_pull_has_some(ex->pull)) {
        c->out = EG_OUT_SOURCE; /* so that a source that fails at once gets an honest status */
        eg_conn_wake(c);
        return;
    }
    start_answer(c);
}

void eg_conn_continue(eg_conn *c) {
    c->expect_continue = false;
    /* RFC 9110 section 10.1.1: not when the body is coming already. */
    if (!c->body_came && c->early.len == c->early_used && eg_buf_adds(&c->pending, "HTTP/1.1 100 Continue\r\n\r\n") != EG_OK) {
        eg_conn_close(c);
    }
}

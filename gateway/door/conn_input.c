/* What a connection reads: heads into exchanges, bodies to the app, the unwanted into nothing. */
#include "conn.h"

#include <errno.h>
#include <sys/socket.h>

void eg_conn_next_request(eg_conn *c) {
    c->in = EG_IN_HEAD;
    c->scan = (eg_http_scan){0};
    eg_conn_wake(c);
}

typedef enum app_call { APP_HEAD, APP_BODY, APP_END } app_call;

/* What the app asks for before it returns, as it mostly does, needs no way round by the queue: it happens right afterwards. */
static void call_app(eg_conn *c, app_call call, eg_bytes data) {
    const eg_door_app *app = &c->worker->shared->app;
    eg_exchange *ex = c->ex;
    c->worker->calling = ex;
    if (call == APP_BODY) {
        app->body(app->app, &ex->rq, data);
    } else {
        (call == APP_HEAD ? app->head : app->end)(app->app, &ex->rq);
    }
    c->worker->calling = NULL;
    eg_exchange_asked(ex);
}

void eg_conn_proceed(eg_conn *c) {
    if (c->in != EG_IN_HOLD) {
        return;
    }
    c->in = EG_IN_BODY;
    if (c->expect_continue) {
        eg_conn_continue(c);
    }
    eg_conn_wake(c);
}

/* Returns how much was used: the whole head, or nothing while it isn't whole. */
static size_t feed_head(eg_conn *c, eg_bytes in) {
    eg_worker *w = c->worker;
    eg_problem p = {0};
    eg_http_head head;
    eg_exchange *ex = NULL;
    size_t n = 0;
    eg_err e = eg_http_head_scan(&c->scan, &w->shared->limits, in, &n, &p);
    if (e == EG_OK && n == 0) {
        return 0;
    }
    e = e == EG_OK ? eg_exchange_new(c, (eg_bytes){in.ptr, n}, &head, &ex, &p) : e;
    if (e != EG_OK) {
        eg_conn_refuse(c, e, &p);
        return in.len;
    }
    c->ex = ex;
    eg_http_body_init(&c->body, head.content_length);
    c->expect_continue = head.expect_continue && !c->body.done;
    c->close_after = c->close_after || head.close;
    c->in = EG_IN_HOLD;
    ex->owed = true;
    c->body_came = in.len > n;
    call_app(c, APP_HEAD, (eg_bytes){NULL, 0});
    return n;
}

static void end_of_body(eg_conn *c) {
    eg_exchange *ex = c->ex;
    bool wanted = c->in == EG_IN_BODY;
    c->in = EG_IN_DONE;
    if (ex == NULL && c->worker->draining) {
        eg_conn_shut(c);
    } else if (ex == NULL) {
        eg_conn_next_request(c); /* the answer went out before the body came in */
    } else if (wanted && !atomic_load(&ex->asked)) {
        ex->owed = true;
        call_app(c, APP_END, (eg_bytes){NULL, 0});
    }
}

static void body_refused(eg_conn *c) {
    if (c->in == EG_IN_BODY && c->out == EG_OUT_NONE && !atomic_load(&c->ex->asked)) {
        eg_problem p = {0};
        (void)eg_fail(&p, EG_ERR_HTTP_FRAMING, "the chunks of the request body are malformed");
        eg_conn_refuse(c, EG_ERR_HTTP_FRAMING, &p);
        return;
    }
    c->in = EG_IN_STOP; /* an answer is under way: it will be the last */
    c->close_after = true;
    if (c->ex == NULL) {
        eg_conn_shut(c);
    }
}

static size_t feed_body(eg_conn *c, eg_bytes in) {
    size_t used = 0;
    eg_bytes data = {NULL, 0};
    if (!c->body.done && in.len > 0 && eg_http_body_feed(&c->body, in, &used, &data) != EG_OK) {
        body_refused(c);
        return in.len;
    }
    c->progress += data.len;
    if (c->in == EG_IN_DISCARD) {
        if (used >= c->discard_left) {
            c->in = EG_IN_STOP;
            c->close_after = true;
            if (c->ex == NULL) {
                eg_conn_shut(c);
            }
            return used;
        }
        c->discard_left -= used;
    } else if (data.len > 0 && !atomic_load(&c->ex->asked)) {
        call_app(c, APP_BODY, data);
    }
    if (c->body.done && (c->in == EG_IN_BODY || c->in == EG_IN_DISCARD)) {
        end_of_body(c);
    }
    return used;
}

/* Uses what it can; the rest waits for another state or for more bytes. */
static size_t feed(eg_conn *c, eg_bytes in) {
    size_t used = 0;
    while (!c->is_closed) {
        eg_bytes rest = {in.ptr + used, in.len - used};
        eg_conn_in before = c->in;
        size_t n = 0;
        if (before == EG_IN_HEAD && rest.len > 0) {
            n = feed_head(c, rest);
        } else if (before == EG_IN_BODY || before == EG_IN_DISCARD) {
            if (c->ex != NULL && before == EG_IN_BODY && atomic_load(&c->ex->asked)) {
                break; /* the app has answered: its answer decides what becomes of the rest */
            }
            n = feed_body(c, rest);
        }
        used += n;
        if (n == 0 && c->in == before) {
            break;
        }
    }
    return used;
}

static bool feed_early(eg_conn *c) {
    eg_conn_in before = c->in;
    size_t left = c->early.len - c->early_used;
    const uint8_t *from = left > 0 ? (const uint8_t *)c->early.ptr + c->early_used : NULL;
    c->early_used += feed(c, (eg_bytes){from, left});
    bool moved = c->early.len - c->early_used != left || c->in != before;
    if (c->early_used == c->early.len && c->early.ptr != NULL) {
        size_t max = c->early.max;
        eg_cleanse(c->early.ptr, c->early.len); /* a head holds a token */
        eg_buf_done(&c->early);
        eg_buf_init(&c->early, max);
        c->early_used = 0;
    }
    return moved;
}

static void peer_ended(eg_conn *c) {
    if (c->in == EG_IN_DISCARD && c->ex != NULL) {
        c->in = EG_IN_STOP;
        c->close_after = true;
        return;
    }
    eg_conn_close(c);
}

/* Reads once, or, for a body, as much as fits. */
static size_t read_some(eg_conn *c, uint8_t *buf, size_t cap) {
    size_t n = 0;
    bool more = true;
    while (more && n < cap) {
        size_t once = 0;
        eg_tls_status s = eg_tls_read(c->tls, buf + n, cap - n, &once);
        if (s == EG_TLS_DONE) {
            n += once;
            more = c->in != EG_IN_HEAD;
            if (!c->half_closed && eg_tls_drained(c->tls)) {
                c->readable = false;
                break;
            }
            continue;
        }
        c->readable = false;
        if (s != EG_TLS_AGAIN && n == 0) {
            peer_ended(c);
        } else if (s != EG_TLS_AGAIN) {
            c->readable = true; /* what came before the end is used first */
        }
        break;
    }
    return n;
}

static bool keep(eg_conn *c, const uint8_t *bytes, size_t n) {
    if (c->early_used > 0) { /* its bound counts only what is still to be used */
        c->early.len -= c->early_used;
        memmove(c->early.ptr, c->early.ptr + c->early_used, c->early.len);
        c->early_used = 0;
    }
    if (n > 0 && eg_buf_add(&c->early, bytes, n) != EG_OK) {
        eg_conn_close(c);
        return false;
    }
    return true;
}

static bool linger(eg_conn *c) {
    uint8_t *buf = c->worker->in;
    while (c->readable) {
        ssize_t n = recv(c->fd, buf, EG_DOOR_READ_MAX, 0);
        if (n < 0 && errno == EAGAIN) {
            c->readable = false;
        } else if (n <= 0 || (uint64_t)n >= c->discard_left) {
            eg_conn_close(c);
            return false;
        } else {
            c->discard_left -= (uint64_t)n;
        }
    }
    return false;
}

bool eg_conn_input(eg_conn *c) {
    if (c->in == EG_IN_LINGER) {
        return linger(c);
    }
    if (c->in != EG_IN_HEAD && c->in != EG_IN_BODY && c->in != EG_IN_DISCARD) {
        return false;
    }
    /* A head that lacks its end was looked at when its last byte came. */
    bool fresh = c->in != EG_IN_HEAD || c->scan.at < c->early.len - c->early_used;
    if (fresh && feed_early(c)) {
        return true;
    }
    if (c->is_closed || !c->readable || (c->in != EG_IN_HEAD && c->in != EG_IN_BODY && c->in != EG_IN_DISCARD)) {
        return false;
    }
    if (c->in == EG_IN_BODY && atomic_load(&c->ex->asked)) {
        return false;
    }
    size_t n = read_some(c, c->worker->in, c->in == EG_IN_HEAD ? EG_DOOR_READ_MAX / 4 : EG_DOOR_READ_MAX);
    if (n == 0 || c->is_closed) {
        return false;
    }
    if (c->early.len > c->early_used) {
        return keep(c, c->worker->in, n); /* the next turn of the loop looks at it together with what came before */
    }
    size_t used = feed(c, (eg_bytes){c->worker->in, n});
    return c->is_closed || keep(c, c->worker->in + used, n - used);
}

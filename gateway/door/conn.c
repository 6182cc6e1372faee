/* The life of a connection: accepted, served in turns, refused, shut, closed. */
#include "conn.h"

#include "refusal.h"

#include <embergate/metrics.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_ROUNDS = 4 };

eg_conn *eg_conn_of_deadline(eg_deadline *d) {
    return (eg_conn *)(void *)((char *)d - offsetof(eg_conn, deadline));
}

void eg_conn_describe(eg_peer *peer, const struct sockaddr_storage *from) {
    if (from->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, peer->address, sizeof peer->address);
        peer->port = ntohs(v4.sin_port);
    } else if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        peer->port = ntohs(v6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) { /* rules are written for the IPv4 address */
            (void)inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, peer->address, sizeof peer->address);
        } else {
            (void)inet_ntop(AF_INET6, &v6.sin6_addr, peer->address, sizeof peer->address);
        }
    }
}

/* Loopback, or an address of this machine that it speaks to itself by. */
static bool is_own(int fd, const eg_peer *peer) {
    eg_peer own = {.port = 0};
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof at;
    if (strncmp(peer->address, "127.", 4) == 0 || strcmp(peer->address, "::1") == 0) {
        return true;
    }
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
        return false;
    }
    eg_conn_describe(&own, &at);
    return own.address[0] && strcmp(own.address, peer->address) == 0;
}

static void tell_refused(eg_worker *w, const eg_peer *peer, eg_err why) {
    if (w->shared->refused != NULL) {
        w->shared->refused(w->shared->app.app, peer, why);
    }
}

static eg_conn *make(eg_worker *w, int fd, const eg_peer *peer) {
    eg_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->worker = w;
    c->fd = fd;
    c->peer = *peer;
    c->in = EG_IN_HANDSHAKE;
    c->readable = true;
    c->watch = (eg_watch){EG_WATCH_CONN, c};
    c->lane_watch = (eg_watch){EG_WATCH_LANE, c};
    eg_buf_init(&c->early, w->shared->limits.head_bytes + (size_t)EG_DOOR_READ_MAX);
    eg_buf_init(&c->pending, EG_DOOR_READ_MAX + (size_t)4096);
    c->socket = (eg_tls_socket){.fd = fd};
    c->tls = eg_tls_new(w->shared->tls, &c->socket, peer->certificate.asked);
    if (c->tls == NULL || eg_worker_watch(w, fd, &c->watch) != EG_OK) {
        eg_tls_free(c->tls);
        free(c);
        return NULL;
    }
    return c;
}

void eg_conn_accept(eg_worker *w, int fd, const eg_door_listener *listener, const struct sockaddr_storage *from) {
    eg_peer peer = listener->peer;
    eg_conn_describe(&peer, from);
    peer.on_this_machine = is_own(fd, &peer);
    const bool proxied = eg_conn_from_proxy(listener, from);
    eg_metric_add(EG_METRIC_CONNECTIONS_ACCEPTED, 1);
    if (!proxied && !w->shared->app.admit(w->shared->app.app, &peer)) {
        eg_metric_add(EG_METRIC_CONNECTIONS_DENIED, 1);
        (void)close(fd);
        return;
    }
    eg_address_key key = eg_address_key_of(from);
    if (!eg_address_count_enter(w->shared->addresses, key)) {
        tell_refused(w, &peer, EG_ERR_TOO_MANY_REQUESTS);
        (void)close(fd);
        return;
    }
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    eg_conn *c = make(w, fd, &peer);
    if (c == NULL) {
        eg_address_count_leave(w->shared->addresses, key);
        (void)close(fd);
        return;
    }
    c->address = key;
    c->in = proxied ? EG_IN_PROXY : EG_IN_HANDSHAKE;
    c->next = w->connections;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    w->connections = c;
    atomic_fetch_add(&w->load, 1);
    eg_metric_add(EG_METRIC_CONNECTIONS_OPEN, 1);
    eg_conn_wake(c);
}

void eg_conn_wake(eg_conn *c) {
    if (c->in_turn) {
        c->woken = true; /* its turn goes on */
    } else if (!c->is_ready && !c->is_closed) {
        c->is_ready = true;
        c->ready_next = NULL;
        *c->worker->ready_last = c;
        c->worker->ready_last = &c->ready_next;
    }
}

void eg_conn_drop_lane(eg_conn *c) {
    if (c->lane != NULL) {
        eg_lane_close(c->lane);
        c->lane = NULL;
        c->lane_readable = false;
        c->worker->http1_due = true;
    }
}

void eg_conn_close(eg_conn *c) {
    if (c->is_closed) {
        return;
    }
    eg_worker *w = c->worker;
    c->is_closed = true;
    eg_deadline_set(&w->deadlines, &c->deadline, EG_WAIT_NONE, w->now_ms);
    eg_tls_free(c->tls);
    c->tls = NULL;
    (void)close(c->fd);
    eg_address_count_leave(w->shared->addresses, c->address);
    atomic_fetch_sub(&w->load, 1);
    eg_metric_add(EG_METRIC_CONNECTIONS_OPEN, -1);
    if (c->ex != NULL) {
        eg_exchange *ex = c->ex;
        c->ex = NULL;
        ex->conn = NULL;
        if (c->out != EG_OUT_LANE) { /* else the lane still reads the answer and ends it */
            eg_exchange_finish(ex, false);
        }
    }
    eg_conn_drop_lane(c);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        w->connections = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    c->next = w->closed;
    w->closed = c;
}

void eg_conn_abort(eg_conn *c) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    eg_conn_close(c);
}

void eg_conn_free(eg_conn *c) {
    if (c->early.ptr != NULL) {
        eg_cleanse(c->early.ptr, c->early.len);
    }
    eg_buf_done(&c->early);
    eg_buf_done(&c->pending);
    free(c);
}

/* Until the peer ends too: closing with unread bytes would reset the connection and take the answer from it. */
void eg_conn_shut(eg_conn *c) {
    eg_tls_close_notify(c->tls);
    eg_tls_free(c->tls);
    c->tls = NULL;
    (void)shutdown(c->fd, SHUT_WR);
    eg_conn_drop_lane(c);
    c->in = EG_IN_LINGER;
    c->out = EG_OUT_NONE;
    c->discard_left = c->worker->shared->limits.linger_bytes;
    c->readable = true;
    eg_conn_wake(c);
}

void eg_conn_refuse(eg_conn *c, eg_err why, const eg_problem *p) {
    eg_exchange *ex = c->ex;
    eg_metric_add(EG_METRIC_REQUESTS_REFUSED, 1);
    tell_refused(c->worker, &c->peer, why);
    c->ex = NULL;
    c->in = EG_IN_STOP;
    if (ex != NULL) {
        eg_exchange_finish(ex, false);
    }
    if (eg_refusal_http(why, p, &c->pending) != EG_OK) {
        eg_conn_close(c);
        return;
    }
    c->out = EG_OUT_LAST;
    eg_conn_wake(c);
}

/* An idle peer has its last answer, and many don't look at the connection until they need it again: only one that is sending just now is
 * heard out. */
void eg_conn_drain(eg_conn *c) {
    uint8_t next;
    if (c->in == EG_IN_HANDSHAKE || c->in == EG_IN_PROXY) {
        eg_conn_close(c);
    } else if (c->in == EG_IN_HEAD && c->early.len == c->early_used && c->pending.len == 0) {
        bool sending = recv(c->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
        eg_conn_shut(c);
        if (!sending) {
            eg_conn_close(c);
        }
    }
}

void eg_conn_expired(eg_conn *c, eg_wait wait) {
    eg_problem p = {0};
    switch (wait) {
    case EG_WAIT_HANDSHAKE:
        eg_metric_add(EG_METRIC_TLS_FAILED, 1);
        tell_refused(c->worker, &c->peer, EG_ERR_HTTP_TIMEOUT);
        eg_conn_close(c);
        return;
    case EG_WAIT_IDLE:
        eg_conn_shut(c);
        return;
    case EG_WAIT_HEAD:
    case EG_WAIT_BODY:
        if (c->out == EG_OUT_NONE && (c->in == EG_IN_HEAD || c->in == EG_IN_BODY)) {
            (void)eg_fail(&p, EG_ERR_HTTP_TIMEOUT, "the rest of the request did not come in time");
            eg_conn_refuse(c, EG_ERR_HTTP_TIMEOUT, &p);
            return;
        }
        eg_conn_close(c);
        return;
    default:
        eg_conn_close(c);
        return;
    }
}

static void arm(eg_conn *c) {
    eg_wait wait = EG_WAIT_NONE;
    if (c->in == EG_IN_HANDSHAKE || c->in == EG_IN_PROXY) {
        wait = EG_WAIT_HANDSHAKE;
    } else if (c->in == EG_IN_LINGER) {
        wait = EG_WAIT_LINGER;
    } else if (c->out != EG_OUT_NONE || c->pending.len > 0) {
        wait = EG_WAIT_WRITE;
    } else if (c->in == EG_IN_HEAD) {
        wait = c->early.len > c->early_used ? EG_WAIT_HEAD : EG_WAIT_IDLE;
    } else if (c->in == EG_IN_BODY || c->in == EG_IN_DISCARD) {
        wait = EG_WAIT_BODY;
    }
    if (wait != c->deadline.wait || c->progress >= c->worker->shared->limits.progress_bytes) {
        eg_deadline_set(&c->worker->deadlines, &c->deadline, wait, c->worker->now_ms);
        c->progress = 0;
    }
}

static void handshake(eg_conn *c) {
    switch (eg_tls_handshake(c->tls)) {
    case EG_TLS_DONE:
        eg_tls_describe(c->tls, &c->peer);
        eg_metric_add(EG_METRIC_TLS_HANDSHAKES, 1);
        c->in = EG_IN_HEAD;
        if (c->worker->draining) {
            eg_conn_shut(c);
        }
        return;
    case EG_TLS_AGAIN:
        return;
    default:
        eg_metric_add(EG_METRIC_TLS_FAILED, 1);
        eg_conn_close(c);
        return;
    }
}

void eg_conn_turn(eg_conn *c) {
    if (c->broken) {
        eg_conn_close(c);
        return;
    }
    if (c->in == EG_IN_PROXY) {
        eg_conn_proxy_turn(c);
    }
    if (!c->is_closed && c->in == EG_IN_HANDSHAKE) {
        handshake(c);
    }
    bool moved = !c->is_closed && c->in != EG_IN_HANDSHAKE && c->in != EG_IN_PROXY;
    c->in_turn = true;
    for (int i = 0; moved && i < TURN_ROUNDS; i++) {
        c->woken = false;
        moved = c->in != EG_IN_LINGER && eg_conn_output(c);
        if (!c->is_closed) {
            moved = eg_conn_input(c) || moved;
        }
        moved = (moved || c->woken) && !c->is_closed;
    }
    c->in_turn = false;
    if (moved) {
        eg_conn_wake(c); /* others first */
    }
    if (!c->is_closed) {
        arm(c);
    }
}

void eg_conn_event(eg_conn *c, uint32_t events, bool lane) {
    if (c->is_closed) {
        return;
    }
    if (lane) {
        c->lane_readable = c->lane != NULL;
    } else {
        c->readable = true;
        c->half_closed = c->half_closed || (events & EPOLLRDHUP) != 0;
        c->broken = c->broken || (events & (EPOLLERR | EPOLLHUP)) != 0;
    }
    eg_conn_wake(c);
}

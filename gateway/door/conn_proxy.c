/* Connections of balancers: whose they are is said by the PROXY header that they begin with, before TLS. */
#include "conn.h"

#include <embergate/metrics.h>

#include <errno.h>
#include <sys/socket.h>

bool eg_conn_from_proxy(const eg_door_listener *l, const struct sockaddr_storage *from) {
    for (size_t i = 0; i < l->proxy_count; i++) {
        if (eg_proxy_prefix_holds(&l->proxies[i], from)) {
            return true;
        }
    }
    return false;
}

static void refuse(eg_conn *c, eg_err why) {
    const eg_door_shared *s = c->worker->shared;
    eg_metric_add(why == EG_ERR_HTTP_FRAMING ? EG_METRIC_PROXY_REFUSED : EG_METRIC_CONNECTIONS_DENIED, 1);
    if (why != EG_ERR_DENIED_NETWORK && s->refused != NULL) { /* admit has counted what it denies */
        s->refused(s->app.app, &c->peer, why);
    }
    eg_conn_close(c);
}

/* Exactly the header's bytes: what follows is TLS's. 0 = whole, EG_ERR_BUSY = more has to come. */
static eg_err fill(eg_conn *c) {
    uint8_t bytes[EG_PROXY_HEADER_MAX];
    size_t whole = EG_PROXY_FIXED;
    for (;;) {
        if (c->early.len >= EG_PROXY_FIXED) {
            EG_TRY(eg_proxy_header_length((const uint8_t *)c->early.ptr, &whole));
        }
        if (c->early.len == whole) {
            return EG_OK;
        }
        const ssize_t n = recv(c->fd, bytes, whole - c->early.len, 0);
        if (n <= 0) {
            return n < 0 && (errno == EAGAIN || errno == EINTR) ? EG_ERR_BUSY : EG_ERR_INVALID;
        }
        EG_TRY(eg_buf_add(&c->early, bytes, (size_t)n));
    }
}

/* From here on the connection is that of whom the balancer names. */
static void admit(eg_conn *c, const struct sockaddr_storage *source) {
    const eg_door_shared *s = c->worker->shared;
    const eg_address_key key = eg_address_key_of(source);
    eg_conn_describe(&c->peer, source);
    c->peer.on_this_machine = false;
    if (!s->app.admit(s->app.app, &c->peer)) {
        refuse(c, EG_ERR_DENIED_NETWORK);
        return;
    }
    if (!eg_address_count_enter(s->addresses, key)) {
        refuse(c, EG_ERR_TOO_MANY_REQUESTS);
        return;
    }
    eg_address_count_leave(s->addresses, c->address);
    c->address = key;
    c->in = EG_IN_HANDSHAKE;
}

void eg_conn_proxy_turn(eg_conn *c) {
    struct sockaddr_storage source;
    bool local = false;
    eg_err e = fill(c);
    if (e == EG_ERR_BUSY) {
        return;
    }
    e = e == EG_OK ? eg_proxy_header_read(eg_buf_bytes(&c->early), &source, &local) : e;
    eg_buf_reset(&c->early);
    if (e != EG_OK) {
        refuse(c, EG_ERR_HTTP_FRAMING);
    } else if (!local) {
        admit(c, &source);
    } else if (!c->worker->shared->app.admit(c->worker->shared->app.app, &c->peer)) {
        refuse(c, EG_ERR_DENIED_NETWORK);
    } else {
        c->in = EG_IN_HANDSHAKE; /* the balancer's own look whether we are here */
    }
}

/* One connection: TLS outside, requests in order, one at a time. */
#ifndef EMBERGATE_DOOR_CONN_H
#define EMBERGATE_DOOR_CONN_H

#include "exchange.h"
#include "http_body.h"
#include "tls_conn.h"

/* What is done with bytes from the peer. */
typedef enum eg_conn_in {
    EG_IN_STOP = 0,    /* never read again */
    EG_IN_PROXY,       /* a balancer's header is looked for; nobody was admitted yet */
    EG_IN_HANDSHAKE,
    EG_IN_HEAD,        /* a request head is looked for */
    EG_IN_HOLD,        /* the body waits for eg_door_proceed */
    EG_IN_BODY,        /* the body goes to the app */
    EG_IN_DISCARD,     /* the answer came before the end of the body: the rest is thrown away */
    EG_IN_DONE,        /* the body ended; the next request waits for the answer */
    EG_IN_LINGER,      /* we have said our last word; what comes is thrown away */
} eg_conn_in;

/* What is sent to the peer. */
typedef enum eg_conn_out {
    EG_OUT_NONE = 0,
    EG_OUT_SOURCE,     /* an answer waits for the first bytes of its source */
    EG_OUT_LANE,       /* libmicrohttpd writes an answer */
    EG_OUT_RELAY,      /* it has written all; the rest is relayed */
    EG_OUT_COUNTED,    /* the door writes an answer itself: `pending`, then `rest`, then what its source gives */
    EG_OUT_LAST,       /* `pending` holds the last word */
} eg_conn_out;

typedef struct eg_conn {
    eg_worker *worker;
    eg_watch watch, lane_watch;
    struct eg_conn *prev, *next;      /* in worker->connections, or next in worker->closed */
    struct eg_conn *ready_next;
    bool is_ready, is_closed;
    bool in_turn, woken;              /* it has its turn; something happened in it that asks for another look */
    eg_deadline deadline;
    int fd;
    eg_address_key address;
    eg_peer peer;
    eg_tls_socket socket;
    eg_tls *tls;
    eg_lane *lane;
    bool readable;                    /* the socket may have bytes */
    bool half_closed;                 /* epoll saw the peer's end: it isn't told again, so it is read for */
    bool lane_readable;
    bool broken;                      /* epoll saw an error */
    bool close_after;                 /* this answer is the last */
    bool expect_continue;             /* and no 100 was sent */
    bool body_came;                   /* bytes came together with the head */
    bool whole;                       /* the lane's answer wasn't cut */
    eg_conn_in in;
    eg_conn_out out;
    eg_buf early;                     /* read but not yet used: part of a head, or what follows a request */
    size_t early_used;
    eg_buf pending;                   /* to be written before anything else */
    size_t pending_written;
    eg_bytes rest;                    /* of a counted answer's body; lives in the exchange */
    eg_http_scan scan;
    eg_http_body body;
    uint64_t discard_left;
    uint64_t progress;                /* bytes moved since the deadline was set */
    eg_exchange *ex;
} eg_conn;

/* conn.c */
/* Takes fd. Applies bounds and admit; the connection then belongs to the worker. */
void eg_conn_accept(eg_worker *w, int fd, const eg_door_listener *listener, const struct sockaddr_storage *from);
void eg_conn_wake(eg_conn *c);        /* gives it a turn in this round */
void eg_conn_turn(eg_conn *c);
void eg_conn_close(eg_conn *c);       /* at once; the memory lives until the round ends */
void eg_conn_abort(eg_conn *c);       /* the same with a reset: what the kernel still holds for the peer is thrown away too */
void eg_conn_free(eg_conn *c);        /* the worker, for its closed list */
void eg_conn_expired(eg_conn *c, eg_wait wait);
void eg_conn_drain(eg_conn *c);       /* the door stops: close it if it is idle */
void eg_conn_refuse(eg_conn *c, eg_err why, const eg_problem *p);
void eg_conn_shut(eg_conn *c);        /* ends TLS and lingers */
void eg_conn_drop_lane(eg_conn *c);   /* none is harmless */
void eg_conn_describe(eg_peer *peer, const struct sockaddr_storage *from); /* address and port */
eg_conn *eg_conn_of_deadline(eg_deadline *d);
void eg_conn_event(eg_conn *c, uint32_t events, bool lane);

/* conn_input.c */
bool eg_conn_input(eg_conn *c);       /* true when something moved */
void eg_conn_proceed(eg_conn *c);
void eg_conn_next_request(eg_conn *c);

/* conn_proxy.c */
bool eg_conn_from_proxy(const eg_door_listener *l, const struct sockaddr_storage *from);
void eg_conn_proxy_turn(eg_conn *c);  /* reads the header; the connection is then admitted, and in EG_IN_HANDSHAKE, or closed */

/* conn_output.c */
bool eg_conn_output(eg_conn *c);
void eg_conn_answer(eg_conn *c);      /* c->ex is to be answered */
void eg_conn_pull_ready(eg_conn *c);
void eg_conn_continue(eg_conn *c);    /* 100 Continue */

#endif

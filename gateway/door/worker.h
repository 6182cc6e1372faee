/* A worker: one thread, one epoll loop, its own connections and its own libmicrohttpd daemon. */
#ifndef EMBERGATE_DOOR_WORKER_H
#define EMBERGATE_DOOR_WORKER_H

#include "address_count.h"
#include "deadline.h"
#include "door.h"
#include "handoff.h"
#include "http1_mhd.h"
#include "tls_context.h"

#include <pthread.h>

struct eg_conn;
struct eg_exchange;

/* What all workers share; none of it changes while they run, but the atomic ones and what address_count guards itself. */
typedef struct eg_door_shared {
    eg_door_limits limits;
    eg_door_app app;
    void (*refused)(void *app, const eg_peer *peer, eg_err why);
    eg_pool *pool;
    eg_tls_context *tls;
    eg_address_count *addresses;
    eg_door_listener *listeners;
    size_t listener_count;
    unsigned lanes_per_worker;
    struct eg_worker **workers;
    atomic_uint worker_count;     /* of those that run */
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t worker_ended;  /* by CLOCK_MONOTONIC: a clock that is set must not shorten or lengthen a stop */
    unsigned running;             /* workers; under lock */
    atomic_llong stop_at_ms;      /* then what is left is closed */
} eg_door_shared;

/* What an epoll event belongs to. */
typedef struct eg_watch {
    enum { EG_WATCH_LISTENER, EG_WATCH_HANDOFF, EG_WATCH_HTTP1, EG_WATCH_CONN, EG_WATCH_LANE } kind;
    void *owner;
} eg_watch;

typedef struct eg_worker {
    eg_door_shared *shared;
    pthread_t thread;
    int epoll_fd;
    eg_handoff handoff;
    eg_http1 *http1;
    bool http1_due;               /* something was sent into a lane, resumed or closed */
    eg_deadlines deadlines;
    int64_t now_ms;
    struct eg_conn *connections;  /* all open ones */
    atomic_uint load;             /* how many they are, and how many were handed over and not taken yet */
    struct eg_conn *ready;        /* to get a turn, first come first served */
    struct eg_conn **ready_last;
    struct eg_exchange *calling;  /* whose app call is running: what it asks for at once, it gets when it returns */
    struct eg_conn *closed;       /* freed at the end of the round: events of this round may still name them */
    struct eg_exchange *pulling;  /* whose bodies come from a source */
    bool starved;                 /* a read found the pool full */
    eg_arena *spare_arenas[EG_DOOR_SPARES]; /* of requests that are over */
    size_t spare_count;
    eg_buf spare_pending;         /* of a connection that has written all */
    size_t exchanges;             /* not yet gone */
    bool listening;
    bool draining;                /* the stop was seen */
    int64_t listen_again_ms;      /* after accept found no descriptor; 0 = not waiting */
    eg_watch *listener_watches;
    eg_task sweep;                /* asks the app about what is in flight */
    eg_watch handoff_watch, http1_watch;
    uint8_t in[EG_DOOR_READ_MAX]; /* of the connection whose turn it is */
    uint8_t out[EG_DOOR_READ_MAX];
} eg_worker;

eg_err eg_worker_start(eg_door_shared *shared, eg_worker **ret, eg_problem *p) EG_MUST_CHECK;
void eg_worker_free(eg_worker *w);  /* after its thread was joined */
int64_t eg_worker_clock_ms(void);
/* Adds a descriptor for edge-triggered events of the watch. */
eg_err eg_worker_watch(eg_worker *w, int fd, eg_watch *watch) EG_MUST_CHECK;

#endif

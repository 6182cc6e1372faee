/* A worker's loop: wait, accept, run what others handed over, run libmicrohttpd, give turns, time out. */
#include "worker.h"

#include "conn.h"

#include <embergate/clock.h>
#include <embergate/metrics.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, STARVED_MS = 10, DRAIN_MS = 20, NO_DESCRIPTOR_MS = 100 };

int64_t eg_worker_clock_ms(void) {
    return eg_mono_ns(&eg_clock_system) / 1000000;
}

eg_err eg_worker_watch(eg_worker *w, int fd, eg_watch *watch) {
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = watch};
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? EG_OK : eg_err_from_errno(errno);
}

static eg_err watch_level(eg_worker *w, int fd, eg_watch *watch, uint32_t flags) {
    struct epoll_event ev = {.events = EPOLLIN | flags, .data.ptr = watch};
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? EG_OK : eg_err_from_errno(errno);
}

/* The listening sockets came bound from the supervisor, so workers share them: EPOLLEXCLUSIVE wakes one, not all. */
static eg_err listen_start(eg_worker *w) {
    for (size_t i = 0; i < w->shared->listener_count; i++) {
        EG_TRY(watch_level(w, w->shared->listeners[i].fd, &w->listener_watches[i], EPOLLEXCLUSIVE));
    }
    w->listening = true;
    return EG_OK;
}

static void listen_stop(eg_worker *w) {
    for (size_t i = 0; w->listening && i < w->shared->listener_count; i++) {
        (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->shared->listeners[i].fd, NULL);
    }
    w->listening = false;
}

/* A connection on its way from the worker that accepted it to the one that serves it. */
typedef struct arrival {
    eg_task task;
    eg_worker *worker;
    int fd;
    const eg_door_listener *listener;
    struct sockaddr_storage from;
} arrival;

static void arrive(void *arg) {
    arrival *a = arg;
    atomic_fetch_sub(&a->worker->load, 1); /* eg_conn_accept counts it, if it stays */
    if (a->worker->draining) {
        (void)close(a->fd);
    } else {
        eg_conn_accept(a->worker, a->fd, a->listener, &a->from);
    }
    free(a);
}

static eg_worker *least_loaded(eg_worker *w) {
    const eg_door_shared *s = w->shared;
    eg_worker *least = w;
    for (unsigned i = 0; i < atomic_load(&s->worker_count); i++) {
        if (atomic_load(&s->workers[i]->load) < atomic_load(&least->load)) {
            least = s->workers[i];
        }
    }
    return least;
}

/* Which worker wakes for a connection is chance, and it serves it for as long as it lives: without a look at the others one would be busy
 * with most of a burst while another idles. */
static void place(eg_worker *w, int fd, const eg_door_listener *l, const struct sockaddr_storage *from) {
    eg_worker *to = least_loaded(w);
    arrival *a = to != w ? calloc(1, sizeof *a) : NULL;
    if (a == NULL) {
        eg_conn_accept(w, fd, l, from);
        return;
    }
    *a = (arrival){.task = {.run = arrive, .arg = a}, .worker = to, .fd = fd, .listener = l, .from = *from};
    atomic_fetch_add(&to->load, 1);
    eg_handoff_push(&to->handoff, &a->task);
}

/* One at a time, so that the others take part in a burst. */
static void accept_one(eg_worker *w, const eg_door_listener *l) {
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    int fd = accept4(l->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        place(w, fd, l, &from);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        listen_stop(w); /* the backlog keeps them; without this the loop would spin */
        eg_metric_add(EG_METRIC_DESCRIPTORS_SHORT, 1);
        w->listen_again_ms = w->now_ms + NO_DESCRIPTOR_MS;
    }
}

static void on_event(eg_worker *w, const struct epoll_event *ev) {
    const eg_watch *watch = ev->data.ptr;
    switch (watch->kind) {
    case EG_WATCH_LISTENER:
        if (w->listening) {
            accept_one(w, watch->owner);
        }
        return;
    case EG_WATCH_HANDOFF:
        eg_handoff_drain_event(&w->handoff);
        return;
    case EG_WATCH_HTTP1:
        w->http1_due = true;
        return;
    case EG_WATCH_CONN:
    case EG_WATCH_LANE:
        eg_conn_event(watch->owner, ev->events, watch->kind == EG_WATCH_LANE);
        return;
    }
}

/* One turn to each that was ready when the round began; who is ready again has its next turn after epoll was asked. */
static void give_turns(eg_worker *w) {
    eg_conn *c = w->ready;
    w->ready = NULL;
    w->ready_last = &w->ready;
    while (c != NULL) {
        eg_conn *next = c->ready_next;
        c->is_ready = false;
        if (!c->is_closed) {
            eg_conn_turn(c);
        }
        c = next;
    }
}

/* One round, then epoll is asked again: a peer whose event waits there is not kept behind those that always have more to say. True when
 * something is left to do: the next wait is then none. */
static bool serve(eg_worker *w) {
    (void)eg_handoff_run(&w->handoff);
    if (w->http1_due) {
        w->http1_due = false;
        eg_http1_run(w->http1);
    }
    give_turns(w);
    return w->ready != NULL || w->http1_due;
}

static void time_out(eg_worker *w) {
    eg_deadline *d = NULL;
    while ((d = eg_deadlines_expired(&w->deadlines, w->now_ms)) != NULL) {
        eg_conn_expired(eg_conn_of_deadline(d), d->wait);
    }
    if (w->starved) {
        w->starved = false;
        eg_exchange_retry_pulls(w);
    }
    if (w->listen_again_ms != 0 && w->now_ms >= w->listen_again_ms && !w->draining) {
        w->listen_again_ms = listen_start(w) == EG_OK ? 0 : w->now_ms + NO_DESCRIPTOR_MS;
    }
}

/* True when the worker has nothing left and may end. */
static bool drain(eg_worker *w) {
    if (!w->draining) {
        w->draining = true;
        listen_stop(w);
        for (eg_conn *c = w->connections, *next = NULL; c != NULL; c = next) {
            next = c->next;
            eg_conn_drain(c);
        }
    }
    if (w->now_ms >= atomic_load(&w->shared->stop_at_ms)) {
        while (w->connections != NULL) {
            eg_conn_close(w->connections);
        }
    }
    w->http1_due = true;
    return w->connections == NULL && w->exchanges == 0 && eg_http1_lanes(w->http1) == 0;
}

static void free_closed(eg_worker *w) {
    eg_conn *keep = NULL;
    for (eg_conn *c = w->closed, *next = NULL; c != NULL; c = next) {
        next = c->next;
        if (c->is_ready) { /* the ready list still names it */
            c->next = keep;
            keep = c;
        } else {
            eg_conn_free(c);
        }
    }
    w->closed = keep;
}

static int wait_ms(const eg_worker *w, bool more) {
    if (more) {
        return 0;
    }
    int ms = eg_deadlines_next(&w->deadlines, w->now_ms);
    int most = w->starved ? STARVED_MS : w->draining ? DRAIN_MS : w->listen_again_ms != 0 ? NO_DESCRIPTOR_MS : -1;
    return most >= 0 && (ms < 0 || ms > most) ? most : ms;
}

static void sweep(void *arg) {
    eg_worker *w = arg;
    const eg_door_app *app = &w->shared->app;
    for (eg_conn *c = w->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        if (c->ex != NULL && app->still != NULL && !app->still(app->app, &c->ex->rq)) {
            eg_conn_abort(c);
        }
    }
}

static void loop(eg_worker *w) {
    struct epoll_event events[EVENTS];
    bool more = false;
    w->handoff.owner = pthread_self();
    atomic_store(&w->handoff.has_owner, true);
    for (;;) {
        int n = epoll_wait(w->epoll_fd, events, EVENTS, wait_ms(w, !eg_handoff_sleep(&w->handoff) || more));
        eg_handoff_awake(&w->handoff);
        w->now_ms = eg_worker_clock_ms();
        for (int i = 0; i < n; i++) {
            on_event(w, &events[i]);
        }
        time_out(w);
        bool done = atomic_load(&w->shared->stopping) && drain(w);
        more = serve(w);
        free_closed(w);
        if (done && !more) {
            return;
        }
    }
}

static void *run(void *arg) {
    eg_worker *w = arg;
    eg_door_shared *s = w->shared;
    loop(w);
    pthread_mutex_lock(&s->lock);
    s->running--;
    pthread_cond_signal(&s->worker_ended);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static eg_err prepare(eg_worker *w) {
    EG_TRY(eg_handoff_init(&w->handoff));
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0) {
        return eg_err_from_errno(errno);
    }
    /* Twice: a closed lane is counted until libmicrohttpd has let it go. */
    EG_TRY(eg_http1_new(2 * w->shared->lanes_per_worker, &w->http1));
    w->handoff_watch = (eg_watch){EG_WATCH_HANDOFF, w};
    w->http1_watch = (eg_watch){EG_WATCH_HTTP1, w};
    EG_TRY(watch_level(w, w->handoff.event_fd, &w->handoff_watch, 0));
    EG_TRY(watch_level(w, eg_http1_epoll_fd(w->http1), &w->http1_watch, 0));
    w->listener_watches = calloc(w->shared->listener_count, sizeof *w->listener_watches);
    if (w->listener_watches == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < w->shared->listener_count; i++) {
        w->listener_watches[i] = (eg_watch){EG_WATCH_LISTENER, &w->shared->listeners[i]};
    }
    return listen_start(w);
}

/* Signals are the main thread's: its handlers expect to run there. */
static int start_thread(eg_worker *w) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&w->shared->lock);
    int failed = pthread_create(&w->thread, NULL, run, w);
    w->shared->running += failed == 0;
    pthread_mutex_unlock(&w->shared->lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

eg_err eg_worker_start(eg_door_shared *shared, eg_worker **ret, eg_problem *p) {
    eg_worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    w->shared = shared;
    w->epoll_fd = -1;
    w->ready_last = &w->ready;
    w->now_ms = eg_worker_clock_ms();
    w->sweep = (eg_task){.run = sweep, .arg = w};
    eg_deadlines_init(&w->deadlines, &shared->limits);
    eg_err e = prepare(w);
    if (e == EG_OK && start_thread(w) != 0) {
        e = EG_ERR_UNAVAILABLE;
    }
    if (e != EG_OK) {
        eg_worker_free(w);
        return eg_fail(p, e, "A worker of the door could not be started");
    }
    *ret = w;
    return EG_OK;
}

void eg_worker_free(eg_worker *w) {
    if (w == NULL) {
        return;
    }
    if (w->handoff.last != NULL) {
        w->draining = true;
        (void)eg_handoff_run(&w->handoff); /* connections that came when its thread had ended */
    }
    eg_http1_free(w->http1);
    eg_exchange_forget_spares(w);
    if (w->epoll_fd >= 0) {
        (void)close(w->epoll_fd);
    }
    eg_handoff_done(&w->handoff);
    free(w->listener_watches);
    free(w);
}

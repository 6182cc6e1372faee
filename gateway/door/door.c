/* Starts and stops the door. */
#include "door.h"

#include "worker.h"

#include <embergate/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 256, OTHER_DESCRIPTORS = 2048, DESCRIPTORS_PER_LANE = 2, OWED_SECONDS = 10 };

struct eg_door {
    eg_door_shared shared;
    unsigned worker_count;
    eg_worker *workers[WORKERS_MAX];
};

static eg_err check_limits(const eg_door_limits *l, eg_problem *p) {
    const uint32_t least = 1;
#define X(field, value, unit, meaning)                                                       \
    if (l->field < least) {                                                                  \
        return eg_fail(p, EG_ERR_CONFIG, "The door's limit " #field " must not be 0");       \
    }
    EG_DOOR_LIMIT_LIST(X)
#undef X
    if (l->head_bytes > EG_DOOR_HEAD_MAX || l->header_count > EG_DOOR_HEADER_COUNT_MAX || l->target_bytes > l->head_bytes) {
        return eg_fail(p, EG_ERR_CONFIG, "The door's limits allow at most %d bytes of head and %d header fields",
                       EG_DOOR_HEAD_MAX, EG_DOOR_HEADER_COUNT_MAX);
    }
    return EG_OK;
}

/* A connection is a socket, and a lane a socket pair; the others are what is read and written meanwhile. */
static eg_err reserve_descriptors(uint32_t connections, unsigned lanes, eg_problem *p) {
    rlim_t need = (rlim_t)connections + (rlim_t)lanes * DESCRIPTORS_PER_LANE + OTHER_DESCRIPTORS;
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) {
        return eg_err_from_errno(errno);
    }
    if (r.rlim_cur >= need) {
        return EG_OK;
    }
    if (r.rlim_max >= need) {
        r.rlim_cur = need;
        if (setrlimit(RLIMIT_NOFILE, &r) == 0) {
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_CONFIG, "%u connections need %llu file descriptors, and this process may have %llu",
                   connections, (unsigned long long)need, (unsigned long long)r.rlim_max);
}

static eg_err copy_listeners(eg_door_shared *s, const eg_door_options *o, eg_problem *p) {
    if (o->listener_count == 0) {
        return eg_fail(p, EG_ERR_CONFIG, "The door needs a listener");
    }
    s->listeners = calloc(o->listener_count, sizeof *s->listeners);
    if (s->listeners == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < o->listener_count; i++) {
        int flags = fcntl(o->listeners[i].fd, F_GETFL);
        if (flags < 0 || fcntl(o->listeners[i].fd, F_SETFL, flags | O_NONBLOCK) != 0) {
            return eg_fail(p, EG_ERR_CONFIG, "Listener %s has no open socket", o->listeners[i].peer.listener);
        }
        s->listeners[i] = o->listeners[i];
    }
    s->listener_count = o->listener_count;
    return EG_OK;
}

static eg_err prepare(eg_door *d, const eg_door_options *o, eg_problem *p) {
    eg_door_shared *s = &d->shared;
    EG_TRY(check_limits(&o->limits, p));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = o->workers > 0 ? o->workers : cores <= 0 ? 1 : cores < WORKERS_MAX ? (unsigned)cores : WORKERS_MAX;
    if (count > WORKERS_MAX) {
        return eg_fail(p, EG_ERR_CONFIG, "The door can have at most %d workers", WORKERS_MAX);
    }
    s->lanes_per_worker = o->limits.lanes < count ? 1 : o->limits.lanes / count;
    EG_TRY(reserve_descriptors(o->limits.connections, s->lanes_per_worker * count, p));
    s->limits = o->limits;
    s->app = o->app;
    s->refused = o->refused;
    s->pool = o->pool;
    s->addresses = eg_address_count_new(o->limits.connections, o->limits.connections_per_address);
    if (s->addresses == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(copy_listeners(s, o, p));
    EG_TRY(eg_tls_context_new(o, &s->tls, p));
    s->workers = d->workers;
    while (d->worker_count < count) {
        EG_TRY(eg_worker_start(s, &d->workers[d->worker_count], p));
        atomic_store(&s->worker_count, ++d->worker_count);
    }
    return EG_OK;
}

static void free_door(eg_door *d) {
    for (unsigned i = 0; i < d->worker_count; i++) {
        eg_worker_free(d->workers[i]);
    }
    eg_tls_context_free(d->shared.tls);
    eg_address_count_free(d->shared.addresses);
    free(d->shared.listeners);
    pthread_cond_destroy(&d->shared.worker_ended);
    pthread_mutex_destroy(&d->shared.lock);
    free(d);
}

eg_err eg_door_start(const eg_door_options *o, eg_door **ret, eg_problem *p) {
    eg_door *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    pthread_mutex_init(&d->shared.lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->shared.worker_ended, &attr);
    pthread_condattr_destroy(&attr);
    eg_err e = prepare(d, o, p);
    if (e != EG_OK) {
        (void)eg_door_stop(d, 0);
        return e;
    }
    *ret = d;
    return EG_OK;
}

/* Within so many seconds; what is left is the caller's to abandon. */
static bool workers_end(eg_door_shared *s, time_t seconds) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&s->lock);
    while (s->running > 0 && pthread_cond_timedwait(&s->worker_ended, &s->lock, &until) == 0) {
    }
    const bool all = s->running == 0;
    pthread_mutex_unlock(&s->lock);
    return all;
}

eg_err eg_door_stop(eg_door *d, unsigned seconds) {
    atomic_store(&d->shared.stop_at_ms, eg_worker_clock_ms() + (int64_t)seconds * 1000);
    atomic_store(&d->shared.stopping, true);
    for (unsigned i = 0; i < d->worker_count; i++) {
        eg_handoff_wake(&d->workers[i]->handoff);
    }
    if (!workers_end(&d->shared, (time_t)seconds + OWED_SECONDS)) {
        return EG_ERR_TIMEOUT;
    }
    for (unsigned i = 0; i < d->worker_count; i++) {
        (void)pthread_join(d->workers[i]->thread, NULL);
    }
    free_door(d);
    return EG_OK;
}

void eg_door_sweep(eg_door *d) {
    for (unsigned i = 0; i < d->worker_count; i++) {
        eg_handoff_push(&d->workers[i]->handoff, &d->workers[i]->sweep);
    }
}

eg_err eg_door_reload_certificates(eg_door *d, eg_problem *p) {
    return eg_tls_context_reload(d->shared.tls, p);
}

eg_err eg_door_renew_tickets(eg_door *d, eg_problem *p) {
    return eg_tls_context_renew_tickets(d->shared.tls, p);
}

int64_t eg_door_certificate_expires_s(const eg_door *d) {
    return eg_tls_context_expires_s(d->shared.tls);
}

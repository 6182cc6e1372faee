/* The calling side of our unix sockets: a few kept connections to one path. */
#include <embergate/ipc.h>

#include <embergate/clock.h>

#include "ipc_frame.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64u

struct eg_ipc_client {
    char *path;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    unsigned limit;
    unsigned in_use;                /* taken by callers, connected or not */
    unsigned idle_count;
    int idle[CONNECTIONS_MAX];
};

eg_ipc_client *eg_ipc_client_new(const char *path, unsigned connections) {
    eg_ipc_client *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->path = strdup(path);
    if (!c->path) {
        free(c);
        return NULL;
    }
    c->limit = connections == 0 ? 1 : connections < CONNECTIONS_MAX ? connections : CONNECTIONS_MAX;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->returned, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void eg_ipc_client_free(eg_ipc_client *c) {
    if (!c) {
        return;
    }
    for (unsigned i = 0; i < c->idle_count; i++) {
        close(c->idle[i]);
    }
    pthread_cond_destroy(&c->returned);
    pthread_mutex_destroy(&c->lock);
    free(c->path);
    free(c);
}

/* Waits for one of the `limit` places. *ret_fd is an idle connection, or -1 when the caller has to connect. */
static eg_err take_place(eg_ipc_client *c, int64_t deadline, int *ret_fd) {
    struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    while (c->in_use >= c->limit && rc == 0) {
        rc = pthread_cond_timedwait(&c->returned, &c->lock, &until);
    }
    bool taken = c->in_use < c->limit;
    if (taken) {
        c->in_use++;
        *ret_fd = c->idle_count > 0 ? c->idle[--c->idle_count] : -1;
    }
    pthread_mutex_unlock(&c->lock);
    return taken ? EG_OK : EG_ERR_TIMEOUT;
}

static void give_place(eg_ipc_client *c, int fd) {
    pthread_mutex_lock(&c->lock);
    c->in_use--;
    if (fd >= 0) {
        c->idle[c->idle_count++] = fd;
    }
    pthread_cond_signal(&c->returned);
    pthread_mutex_unlock(&c->lock);
}

static int left_ms(int64_t deadline) {
    int64_t ms = (deadline - eg_mono_ns(&eg_clock_system)) / 1000000;
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* An idle connection on which something is to be read has ended, or speaks out of turn. */
static bool stale(int fd) {
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    return poll(&pfd, 1, 0) != 0;
}

static eg_err call_once(int fd, const eg_ipc_msg *m, int64_t deadline, eg_ipc_msg *ret) {
    EG_TRY(eg_ipc_send(fd, m, left_ms(deadline)));
    EG_TRY(eg_ipc_recv(fd, ret, left_ms(deadline)));
    if (ret->type != m->type || ret->status >= EG_ERR_COUNT) {
        eg_ipc_msg_done(ret);
        return EG_ERR_CORRUPT;
    }
    return EG_OK;
}

/* *fd is the connection to keep afterwards, or -1. */
static eg_err call_with_retry(eg_ipc_client *c, int *fd, eg_ipc_msg *m, int64_t deadline, eg_problem *p) {
    eg_ipc_msg reply;
    eg_err e = EG_ERR_CANCELLED;
    if (*fd >= 0 && stale(*fd)) {
        close(*fd);
        *fd = -1;
    }
    /* EG_ERR_CANCELLED: the connection died before a byte of the reply. */
    for (int attempt = 0; attempt < 2 && e == EG_ERR_CANCELLED; attempt++) {
        if (*fd < 0) {
            EG_TRY(eg_ipc_connect(c->path, fd, p));
        }
        e = call_once(*fd, m, deadline, &reply);
        if (e != EG_OK) {
            close(*fd);
            *fd = -1;
        }
    }
    if (e != EG_OK) {
        return eg_fail(p, e == EG_ERR_CANCELLED ? EG_ERR_UNAVAILABLE : e, "The call over \"%s\" failed: %s.", c->path, eg_err_code(e));
    }
    eg_ipc_msg_done(m);
    *m = reply;
    return EG_OK;
}

/* A refusal's payload: message, where, hint. */
static eg_err refusal(const eg_ipc_msg *m, eg_problem *p) {
    eg_ipc_reader r = eg_ipc_read(m);
    eg_bytes text[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        if (eg_ipc_take(&r, &text[i]) != EG_OK) {
            break;
        }
    }
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, (eg_err)m->status, "%.*s", EG_FMT(eg_bytes_str(text[0])));
    eg_fail_at(to, "%.*s", EG_FMT(eg_bytes_str(text[1])));
    return eg_fail_hint(to, "%.*s", EG_FMT(eg_bytes_str(text[2])));
}

eg_err eg_ipc_call(eg_ipc_client *c, eg_ipc_msg *m, int timeout_ms, eg_problem *p) {
    if (m->payload.err != EG_OK) {
        return eg_fail(p, m->payload.err, "The message is longer than %u bytes.", EG_IPC_MAX);
    }
    int64_t deadline = eg_ipc_deadline(timeout_ms);
    int fd = -1;
    if (take_place(c, deadline, &fd) != EG_OK) {
        return eg_fail(p, EG_ERR_TIMEOUT, "All connections to \"%s\" were busy for %d ms.", c->path, timeout_ms);
    }
    eg_err e = call_with_retry(c, &fd, m, deadline, p);
    give_place(c, fd);
    EG_TRY(e);
    return m->status != EG_OK ? refusal(m, p) : EG_OK;
}

/* libmicrohttpd as the writer of answers. */
#include "http1_mhd.h"

#include "door_limits.h"

#include <microhttpd.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LANE_SOCKET_BUFFER = 64 * 1024, SOURCE_BLOCK = 64 * 1024, QUIET_ROUNDS = 64 };

struct eg_http1 {
    struct MHD_Daemon *daemon;
    int epoll_fd;
    unsigned lanes;
    eg_lane *opening; /* whose MHD_add_connection runs */
};

struct eg_lane {
    eg_http1 *http1;
    struct MHD_Connection *connection; /* NULL once the daemon let it go */
    int fd;                            /* -1 once closed */
    bool busy;                         /* answer is running */
    bool suspended;
    eg_lane_answer answer;
};

static void finish(eg_lane *l, bool whole) {
    if (l->busy) {
        l->busy = false;
        l->answer.done(l->answer.arg, whole);
    }
}

static ssize_t read_pull(void *arg, uint64_t pos, char *buf, size_t max) {
    (void)pos;
    eg_lane *l = arg;
    size_t n = 0;
    if (l->fd < 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    eg_pull_status s = eg_pull_take(l->answer.pull, buf, max, &n);
    eg_pull_kick(l->answer.pull);
    switch (s) {
    case EG_PULL_BYTES:
        return (ssize_t)n;
    case EG_PULL_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case EG_PULL_WAIT:
        if (!eg_pull_has_some(l->answer.pull)) {
            l->suspended = true;
            MHD_suspend_connection(l->connection);
        }
        return 0;
    case EG_PULL_BROKEN:
    default:
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

static struct MHD_Response *make_body(eg_lane *l) {
    const eg_response *r = l->answer.response;
    if (l->answer.pull != NULL) {
        uint64_t size = r->source.size >= 0 ? (uint64_t)r->source.size : MHD_SIZE_UNKNOWN;
        return MHD_create_response_from_callback(size, SOURCE_BLOCK, read_pull, l, NULL);
    }
    /* The library takes void * for what it will only read. */
    union { const uint8_t *in; void *out; } bytes = {.in = r->bytes.ptr};
    return MHD_create_response_from_buffer(r->bytes.len, bytes.out, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result queue_answer(eg_lane *l) {
    const eg_response *r = l->answer.response;
    struct MHD_Response *m = make_body(l);
    enum MHD_Result ok = m != NULL ? MHD_YES : MHD_NO;
    for (size_t i = 0; ok == MHD_YES && i < r->header_count; i++) {
        /* exchange.c checked the values: there is no NUL in them. */
        char *value = r->headers[i].value.len > 0 ? strndup(r->headers[i].value.ptr, r->headers[i].value.len) : NULL;
        ok = r->headers[i].value.len == 0 || (value != NULL && MHD_add_response_header(m, r->headers[i].name, value) == MHD_YES) ? MHD_YES : MHD_NO;
        free(value);
    }
    if (ok == MHD_YES) {
        ok = MHD_queue_response(l->connection, (unsigned)r->status, m);
    }
    if (m != NULL) {
        MHD_destroy_response(m);
    }
    return ok;
}

/* The first call comes with the head; an answer queued then would end the connection, so it is queued at the second. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                                  const char *data, size_t *size, void **state) {
    (void)cls;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    eg_lane *l = info != NULL ? info->socket_context : NULL;
    if (l == NULL || !l->busy || *size != 0) {
        return MHD_NO;
    }
    if (*state == NULL) {
        *state = l;
        return MHD_YES;
    }
    return queue_answer(l);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how) {
    (void)cls;
    (void)c;
    if (*state != NULL) {
        finish(*state, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        *state = NULL;
    }
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what) {
    eg_http1 *h = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = h->opening;
        if (h->opening != NULL) {
            h->opening->connection = c;
        }
        return;
    }
    eg_lane *l = *context;
    *context = NULL;
    if (l != NULL) {
        l->connection = NULL;
        h->lanes--;
        finish(l, false); /* it went before the answer was queued */
        if (l->fd < 0) {
            free(l);
        }
    }
}

eg_err eg_http1_new(unsigned lanes, eg_http1 **ret) {
    eg_http1 *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
                                 MHD_OPTION_CONNECTION_LIMIT, lanes, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)EG_DOOR_MHD_POOL,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
                                 MHD_OPTION_END);
    const union MHD_DaemonInfo *info = h->daemon != NULL ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        eg_http1_free(h);
        return EG_ERR_INTERNAL;
    }
    h->epoll_fd = info->epoll_fd;
    *ret = h;
    return EG_OK;
}

void eg_http1_free(eg_http1 *h) {
    if (h != NULL && h->daemon != NULL) {
        MHD_stop_daemon(h->daemon);
    }
    free(h);
}

int eg_http1_epoll_fd(const eg_http1 *h) {
    return h->epoll_fd;
}

unsigned eg_http1_lanes(const eg_http1 *h) {
    return h->lanes;
}

/* Once is not enough: work that one run makes ready is only done by the next, and nothing on the epoll descriptor tells. */
void eg_http1_run(eg_http1 *h) {
    MHD_UNSIGNED_LONG_LONG ms = 0;
    for (int i = 0; i < QUIET_ROUNDS; i++) {
        MHD_run(h->daemon);
        if (MHD_get_timeout(h->daemon, &ms) != MHD_YES || ms != 0) {
            return;
        }
    }
}

const char *eg_http1_reason(int status) {
    return MHD_get_reason_phrase_for((unsigned)status);
}

eg_err eg_lane_open(eg_http1 *h, eg_lane **ret) {
    int ends[2];
    eg_lane *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    l->http1 = h;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        int saved = errno;
        free(l);
        return eg_err_from_errno(saved);
    }
    int size = LANE_SOCKET_BUFFER; /* what an answer to a slow peer occupies in the kernel */
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    struct sockaddr address = {.sa_family = AF_UNIX};
    h->opening = l;
    enum MHD_Result ok = MHD_add_connection(h->daemon, ends[1], &address, sizeof address); /* closes ends[1] when it fails */
    h->opening = NULL;
    if (ok != MHD_YES || l->connection == NULL) {
        (void)close(ends[0]);
        free(l);
        return EG_ERR_UNAVAILABLE;
    }
    l->fd = ends[0];
    h->lanes++;
    *ret = l;
    return EG_OK;
}

int eg_lane_fd(const eg_lane *l) {
    return l->fd;
}

eg_err eg_lane_send(eg_lane *l, const eg_lane_answer *a) {
    const char *head = a->close ? "GET / HTTP/1.1\r\nHost: lane\r\nConnection: close\r\n\r\n" : "GET / HTTP/1.1\r\nHost: lane\r\n\r\n";
    char leftover;
    if (l->busy || l->connection == NULL || l->fd < 0) {
        return EG_ERR_IO;
    }
    /* The answer before was relayed to its last byte. If anything stands in the lane nevertheless, it would become the beginning
     * of this answer. */
    if (recv(l->fd, &leftover, 1, MSG_PEEK) >= 0 || errno != EAGAIN) {
        return EG_ERR_IO;
    }
    /* The pair is empty, so the few bytes go in whole or the lane is broken. */
    if (send(l->fd, head, strlen(head), MSG_NOSIGNAL) != (ssize_t)strlen(head)) {
        return EG_ERR_IO;
    }
    l->answer = *a;
    l->busy = true;
    return EG_OK;
}

void eg_lane_resume(eg_lane *l) {
    if (l->suspended && l->connection != NULL) {
        l->suspended = false;
        MHD_resume_connection(l->connection);
    }
}

void eg_lane_close(eg_lane *l) {
    (void)close(l->fd);
    l->fd = -1;
    if (l->connection == NULL) {
        free(l);
        return;
    }
    eg_lane_resume(l); /* a suspended connection would never see the end; read_pull then cuts the answer */
}

/* The serving side of our unix sockets: one thread a connection, and a permission table that denies by default. */
#include <embergate/ipc.h>

#include "ipc_frame.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STOP_CHECK_MS 200
#define FRAME_TIMEOUT_MS 10000 /* from a frame's first byte to its last, either way */
#define CONNECTIONS_DEFAULT 64u
#define CONNECTIONS_MAX 1024u

typedef enum place_state { PLACE_FREE, PLACE_SERVING, PLACE_ENDED } place_state;

typedef struct place {
    const eg_ipc_server_options *options;
    const atomic_int *stop;
    const _Atomic bool *broken; /* the server loop ends although nobody asked */
    int fd;
    pthread_t thread;
    _Atomic place_state state;
} place;

static const eg_ipc_handler *find(const eg_ipc_server_options *o, uint16_t type) {
    for (size_t i = 0; i < o->handler_count; i++) {
        if (o->handlers[i].type == type) {
            return &o->handlers[i];
        }
    }
    return NULL;
}

static void put_refusal(eg_ipc_msg *reply, eg_err e, const eg_problem *p) {
    eg_ipc_msg fresh;
    eg_ipc_msg_init(&fresh, reply->type);
    eg_ipc_msg_done(reply); /* nothing of a half-made answer goes out */
    *reply = fresh;
    reply->status = (uint16_t)e;
    (void)eg_ipc_put(reply, eg_str_bytes(eg_str_of(p->message)));
    (void)eg_ipc_put(reply, eg_str_bytes(eg_str_of(p->where)));
    (void)eg_ipc_put(reply, eg_str_bytes(eg_str_of(p->hint)));
}

/* What the table says about the frame, before there is room for its payload. */
static eg_err permit(const eg_ipc_server_options *o, const eg_ipc_head *head, const eg_ipc_handler **ret, eg_problem *p) {
    const eg_ipc_handler *h = find(o, head->type);
    if (!h) {
        return eg_fail(p, EG_ERR_INVALID, "Message type %u is not served here.", head->type);
    }
    if (head->payload > h->max_payload) {
        return eg_fail(p, EG_ERR_LIMIT, "A \"%s\" message has at most %zu bytes, not %zu.", h->name, h->max_payload, head->payload);
    }
    if (head->status != 0) {
        return eg_fail(p, EG_ERR_INVALID, "A request has the status 0.");
    }
    *ret = h;
    return EG_OK;
}

static eg_err handle(const eg_ipc_server_options *o, const eg_ipc_handler *h, eg_ipc_msg *request, eg_ipc_msg *reply) {
    eg_problem problem = {0};
    eg_ipc_reader in = eg_ipc_read(request);
    eg_err e = h->fn(o->ctx, &in, reply, &problem);
    if (e == EG_OK && reply->payload.err != EG_OK) {
        e = eg_fail(&problem, EG_ERR_LIMIT, "The answer to \"%s\" is too long.", h->name);
    }
    if (e != EG_OK) {
        if (problem.code != e || problem.message[0] == '\0') {
            eg_fail(&problem, e, "\"%s\" failed: %s.", h->name, eg_err_code(e));
        }
        put_refusal(reply, e, &problem);
    }
    return EG_OK;
}

/* One request and its answer; an error ends the connection. */
static eg_err serve_one(const eg_ipc_server_options *o, int fd) {
    int64_t deadline = eg_ipc_deadline(FRAME_TIMEOUT_MS);
    eg_ipc_head head;
    EG_TRY(eg_ipc_recv_head(fd, deadline, &head));
    eg_ipc_msg request;
    eg_ipc_msg reply;
    eg_ipc_msg_init(&request, head.type);
    eg_ipc_msg_init(&reply, head.type);
    request.fd = head.fd; /* closed with the request: no handler takes descriptors */
    const eg_ipc_handler *h = NULL;
    eg_problem problem = {0};
    eg_err e = permit(o, &head, &h, &problem);
    if (e != EG_OK) {
        put_refusal(&reply, e, &problem);
        e = eg_ipc_skip_payload(fd, deadline, head.payload);
    } else {
        e = eg_ipc_recv_payload(fd, deadline, head.payload, &request.payload);
        e = e == EG_OK ? handle(o, h, &request, &reply) : e;
    }
    if (e == EG_OK) {
        e = eg_ipc_send(fd, &reply, FRAME_TIMEOUT_MS);
    }
    eg_ipc_msg_done(&request);
    eg_ipc_msg_done(&reply);
    return e;
}

static void *serve_connection(void *arg) {
    place *pl = arg;
    while (!atomic_load(pl->stop) && !*pl->broken) {
        struct pollfd pfd = {.fd = pl->fd, .events = POLLIN};
        int n = poll(&pfd, 1, STOP_CHECK_MS);
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n > 0 && serve_one(pl->options, pl->fd) != EG_OK) {
            break;
        }
    }
    close(pl->fd);
    pl->state = PLACE_ENDED;
    return NULL;
}

/* A free place, after joining the threads that ended; NULL when all serve. */
static place *free_place(place *places, unsigned count) {
    place *found = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (places[i].state == PLACE_ENDED) {
            pthread_join(places[i].thread, NULL);
            places[i].state = PLACE_FREE;
        }
        if (places[i].state == PLACE_FREE && !found) {
            found = &places[i];
        }
    }
    return found;
}

static void accept_one(const eg_ipc_server_options *o, place *pl) {
    int fd = accept4(o->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            poll(NULL, 0, STOP_CHECK_MS / 10); /* out of descriptors: don't spin */
        }
        return;
    }
    uid_t uid = (uid_t)-1;
    if (eg_ipc_peer_uid(fd, &uid) != EG_OK || uid != o->allowed_uid) {
        close(fd);
        return;
    }
    pl->fd = fd;
    pl->state = PLACE_SERVING;
    if (pthread_create(&pl->thread, NULL, serve_connection, pl) != 0) {
        pl->state = PLACE_FREE;
        close(fd);
    }
}

eg_err eg_ipc_serve(const eg_ipc_server_options *o, const atomic_int *stop) {
    unsigned count = o->max_connections ? o->max_connections : CONNECTIONS_DEFAULT;
    count = count < CONNECTIONS_MAX ? count : CONNECTIONS_MAX;
    place *places = calloc(count, sizeof *places);
    if (!places) {
        return EG_ERR_NO_MEMORY;
    }
    _Atomic bool broken = false;
    for (unsigned i = 0; i < count; i++) {
        places[i].options = o;
        places[i].stop = stop;
        places[i].broken = &broken;
    }
    eg_err e = EG_OK;
    while (!atomic_load(stop) && e == EG_OK) {
        /* With every place taken, who wants in waits in the backlog. */
        place *pl = free_place(places, count);
        struct pollfd pfd = {.fd = pl ? o->listen_fd : -1, .events = POLLIN};
        int n = poll(&pfd, 1, pl ? STOP_CHECK_MS : STOP_CHECK_MS / 10);
        if (n < 0 && errno != EINTR) {
            e = EG_ERR_IO;
        } else if (n > 0 && (pfd.revents & POLLIN) == 0) {
            e = EG_ERR_IO; /* the listening socket is broken */
        } else if (n > 0) {
            accept_one(o, pl);
        }
    }
    broken = true;
    for (unsigned i = 0; i < count; i++) {
        if (places[i].state != PLACE_FREE) {
            pthread_join(places[i].thread, NULL);
        }
    }
    free(places);
    return e;
}

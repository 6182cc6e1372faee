/* The door: listeners, TLS, strict HTTP/1.1 framing and answers; docs/DOOR.md explains it. For gateway/ only. */
#ifndef EMBERGATE_DOOR_H
#define EMBERGATE_DOOR_H

#include "door_limits.h"
#include "proxy_header.h"

#include <embergate/http.h>
#include <embergate/pool.h>

typedef struct eg_door_listener {
    int fd;        /* bound and listening TCP socket; borrowed until eg_door_stop has returned */
    eg_peer peer;  /* template: listener, local_port and subnet are copied into every peer */
    const eg_proxy_prefix *proxies; /* balancers: their connections begin with a PROXY header, whose source is the peer. Borrowed like fd */
    size_t proxy_count;
} eg_door_listener;

typedef struct eg_door_certificate {
    const char *chain_file; /* PEM, leaf first */
    const char *key_file;   /* PEM */
} eg_door_certificate;

#define EG_DOOR_CERTIFICATES_MAX 8

typedef struct eg_door_options {
    const eg_door_listener *listeners;          /* borrowed during start */
    size_t listener_count;
    const eg_door_certificate *certificates;    /* the first serves names that no other covers (SNI) */
    size_t certificate_count;
    const char *min_tls;                        /* "1.2" or "1.3"; NULL = "1.2" */
    unsigned workers;                           /* 0 = one a core */
    eg_door_limits limits;                      /* EG_DOOR_LIMITS_DEFAULT */
    eg_pool *pool;                              /* runs eg_body_source.read; outlives the door */
    eg_door_app app;
    /* A connection or request that the door itself refused: framing, time-outs, bounds on connections. On a worker, with
     * app.app; must not block. May be NULL. */
    void (*refused)(void *app, const eg_peer *peer, eg_err why);
} eg_door_options;

typedef struct eg_door eg_door;

/* Starts the workers. Their threads block all signals. EG_ERR_CONFIG: certificate, key, TLS version, limits, too few file
 * descriptors allowed; the problem names the file. */
eg_err eg_door_start(const eg_door_options *o, eg_door **ret, eg_problem *p) EG_MUST_CHECK;

/* Takes no more connections, closes idle ones, lets requests finish for `seconds`, then closes what is left and waits up to
 * 10 s more for answers that the app still owes. Frees the door. EG_ERR_TIMEOUT: an answer is still owed; the door then
 * stays in memory, so that a late eg_door_send finds it. */
eg_err eg_door_stop(eg_door *d, unsigned seconds);

/* Reads the certificates' files again: new connections get them, and new ticket keys; open connections live on. On an error nothing changes.
 * This and the next two from one thread, which is also the one that stops the door. */
eg_err eg_door_reload_certificates(eg_door *d, eg_problem *p) EG_MUST_CHECK;
/* New ticket keys; the certificates stay. */
eg_err eg_door_renew_tickets(eg_door *d, eg_problem *p) EG_MUST_CHECK;
int64_t eg_door_certificate_expires_s(const eg_door *d); /* the first to expire, in seconds since 1970 */

/* Asks app.still() about every request in flight, soon, on the worker of each; whoever may not go on is cut off without a word that could be
 * taken for an end. Any thread; costs nothing while it isn't called. */
void eg_door_sweep(eg_door *d);

/* Worker only, inside app.body(): no more of this request's body is delivered until eg_door_proceed. For bodies whose chunks
 * are worked on elsewhere: the peer is slowed down and gone() waits for the proceed or the answer. */
void eg_door_pause(eg_request *rq);

#endif

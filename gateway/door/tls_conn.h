/* One TLS connection on a non-blocking socket. */
#ifndef EMBERGATE_DOOR_TLS_CONN_H
#define EMBERGATE_DOOR_TLS_CONN_H

#include "tls_context.h"

typedef struct eg_tls eg_tls;

typedef enum eg_tls_status {
    EG_TLS_FAILED = 0, /* broken: close without another word */
    EG_TLS_CLOSED,     /* the peer ended it */
    EG_TLS_AGAIN,      /* when the socket is ready again */
    EG_TLS_DONE,
} eg_tls_status;

/* The non-blocking socket below, which stays the caller's and lives at least as long as the eg_tls. */
typedef struct eg_tls_socket {
    int fd;
    bool drained; /* the last read took all that there was */
    bool more;    /* the caller's: another record follows what is written at once, and both may go in one segment */
} eg_tls_socket;

/* NULL without memory. */
eg_tls *eg_tls_new(eg_tls_context *t, eg_tls_socket *socket, bool ask_certificate);
void eg_tls_free(eg_tls *t);
eg_tls_status eg_tls_handshake(eg_tls *t);
eg_tls_status eg_tls_read(eg_tls *t, void *buf, size_t cap, size_t *ret_n);
/* *ret_n may be less than n after DONE. */
eg_tls_status eg_tls_write(eg_tls *t, const void *buf, size_t n, size_t *ret_n);
/* True when a read now would find nothing: it is then spared. What comes later, epoll tells. */
bool eg_tls_drained(const eg_tls *t);
void eg_tls_close_notify(eg_tls *t);
void eg_tls_describe(const eg_tls *t, eg_peer *peer); /* fills tls_version, tls_cipher and, where one was asked for, the certificate */

#endif

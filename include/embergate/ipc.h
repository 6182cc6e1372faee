/* The framing of our unix sockets: length-prefixed messages with a type, bounded, between processes that name each other by uid. */
#ifndef EMBERGATE_IPC_H
#define EMBERGATE_IPC_H

#include <embergate/bytes.h>
#include <stdatomic.h>
#include <sys/types.h>

#define EG_IPC_MAX (1u << 20) /* bytes of one message's payload */

/* Wire: u32 length of what follows, u16 type, u16 status (eg_err in a reply, 0 in a request), payload; big-endian. */
typedef struct eg_ipc_msg {
    uint16_t type;
    uint16_t status;
    eg_buf payload;      /* max EG_IPC_MAX; cleansed by eg_ipc_msg_done */
    int fd;              /* one passed descriptor, or -1 */
} eg_ipc_msg;

void eg_ipc_msg_init(eg_ipc_msg *m, uint16_t type);
void eg_ipc_msg_done(eg_ipc_msg *m);  /* closes fd if still there */

/* Payload fields: u32 length and bytes, in order; reading past the end is EG_ERR_CORRUPT. */
eg_err eg_ipc_put(eg_ipc_msg *m, eg_bytes field);
eg_err eg_ipc_put_u64(eg_ipc_msg *m, uint64_t v);
typedef struct eg_ipc_reader { eg_bytes rest; } eg_ipc_reader;
eg_ipc_reader eg_ipc_read(const eg_ipc_msg *m);
eg_err eg_ipc_take(eg_ipc_reader *r, eg_bytes *ret) EG_MUST_CHECK;   /* borrowed from the message */
eg_err eg_ipc_take_u64(eg_ipc_reader *r, uint64_t *ret) EG_MUST_CHECK;

/* Listening socket at path (0600, unlinked first, its directory must be ours); passed to the serving process by the supervisor. */
eg_err eg_ipc_listen(const char *path, int *ret_fd, eg_problem *p) EG_MUST_CHECK;
eg_err eg_ipc_connect(const char *path, int *ret_fd, eg_problem *p) EG_MUST_CHECK;
/* The peer's uid by SO_PEERCRED. */
eg_err eg_ipc_peer_uid(int fd, uid_t *ret) EG_MUST_CHECK;
/* Blocking with a deadline in milliseconds from now; EG_ERR_TIMEOUT, EG_ERR_CANCELLED at end of file, EG_ERR_LIMIT. */
eg_err eg_ipc_send(int fd, const eg_ipc_msg *m, int timeout_ms) EG_MUST_CHECK;
eg_err eg_ipc_recv(int fd, eg_ipc_msg *ret, int timeout_ms) EG_MUST_CHECK;

/* A client that keeps a few connections to one path, reconnects after the server restarted, and retries once on a
 * connection that died before a byte of the reply came. Thread-safe. */
typedef struct eg_ipc_client eg_ipc_client;
eg_ipc_client *eg_ipc_client_new(const char *path, unsigned connections);
void eg_ipc_client_free(eg_ipc_client *c);
/* Replaces *m by the reply. A status other than 0 is returned as that error, with *p from the reply's first field. */
eg_err eg_ipc_call(eg_ipc_client *c, eg_ipc_msg *m, int timeout_ms, eg_problem *p) EG_MUST_CHECK;

/* A server loop: one thread a connection (bounded), a permission table by message type, default deny. */
typedef struct eg_ipc_handler {
    uint16_t type;
    const char *name;                                       /* for metrics and the log */
    size_t max_payload;                                     /* bytes; larger is EG_ERR_LIMIT */
    eg_err (*fn)(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p);
} eg_ipc_handler;
typedef struct eg_ipc_server_options {
    int listen_fd;
    uid_t allowed_uid;              /* every other peer is closed unheard (root too, unless it is that uid) */
    const eg_ipc_handler *handlers;
    size_t handler_count;
    void *ctx;
    unsigned max_connections;       /* 0 = 64 */
} eg_ipc_server_options;
/* Runs until *stop is non-zero (checked at least every 200 ms). */
eg_err eg_ipc_serve(const eg_ipc_server_options *o, const atomic_int *stop) EG_MUST_CHECK;

#endif

/* The two halves of receiving a frame, for the server that must see a frame's length before it makes room for it. */
#ifndef EG_CORE_IPC_FRAME_H
#define EG_CORE_IPC_FRAME_H

#include <embergate/ipc.h>

typedef struct eg_ipc_head {
    uint16_t type;
    uint16_t status;
    size_t payload; /* bytes that follow; not yet compared with any bound but the wire's own */
    int fd;         /* passed with the head, or -1; the caller's */
} eg_ipc_head;

int64_t eg_ipc_deadline(int timeout_ms);
/* EG_ERR_CANCELLED when the connection ended before a byte came, EG_ERR_CORRUPT when it ended or erred in mid-frame. */
eg_err eg_ipc_recv_head(int fd, int64_t deadline, eg_ipc_head *ret) EG_MUST_CHECK;
eg_err eg_ipc_recv_payload(int fd, int64_t deadline, size_t n, eg_buf *ret) EG_MUST_CHECK;
/* Reads n bytes and forgets them. */
eg_err eg_ipc_skip_payload(int fd, int64_t deadline, size_t n) EG_MUST_CHECK;

#endif

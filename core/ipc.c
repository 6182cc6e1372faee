/* Frames on unix sockets: sockets and peers, one message out or in under a deadline, and the fields of a payload. */
#include <embergate/ipc.h>

#include <embergate/clock.h>
#include <embergate/secret.h>

#include "ipc_frame.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_LEN 8
#define BACKLOG 64

/* Messages. */

void eg_ipc_msg_init(eg_ipc_msg *m, uint16_t type) {
    *m = (eg_ipc_msg){.type = type, .fd = -1};
    eg_buf_init(&m->payload, EG_IPC_MAX);
}

void eg_ipc_msg_done(eg_ipc_msg *m) {
    if (m->fd >= 0) {
        close(m->fd);
    }
    m->fd = -1;
    eg_cleanse(m->payload.ptr, m->payload.cap);
    eg_buf_done(&m->payload);
}

eg_err eg_ipc_put(eg_ipc_msg *m, eg_bytes field) {
    char *at = NULL;
    if (field.len > EG_IPC_MAX) {
        return m->payload.err = EG_ERR_LIMIT;
    }
    EG_TRY(eg_buf_reserve(&m->payload, 4 + field.len, &at));
    eg_put_u32((uint8_t *)at, (uint32_t)field.len);
    if (field.len > 0) {
        memcpy(at + 4, field.ptr, field.len);
    }
    m->payload.len += 4 + field.len;
    return EG_OK;
}

eg_err eg_ipc_put_u64(eg_ipc_msg *m, uint64_t v) {
    uint8_t raw[8];
    eg_put_u64(raw, v);
    return eg_ipc_put(m, (eg_bytes){raw, sizeof raw});
}

eg_ipc_reader eg_ipc_read(const eg_ipc_msg *m) {
    return (eg_ipc_reader){eg_buf_bytes(&m->payload)};
}

eg_err eg_ipc_take(eg_ipc_reader *r, eg_bytes *ret) {
    if (r->rest.len < 4) {
        return EG_ERR_CORRUPT;
    }
    size_t n = eg_get_u32(r->rest.ptr);
    if (n > r->rest.len - 4) {
        return EG_ERR_CORRUPT;
    }
    *ret = (eg_bytes){r->rest.ptr + 4, n};
    r->rest = (eg_bytes){r->rest.ptr + 4 + n, r->rest.len - 4 - n};
    return EG_OK;
}

eg_err eg_ipc_take_u64(eg_ipc_reader *r, uint64_t *ret) {
    eg_ipc_reader ahead = *r;
    eg_bytes raw;
    EG_TRY(eg_ipc_take(&ahead, &raw));
    if (raw.len != 8) {
        return EG_ERR_CORRUPT;
    }
    *ret = eg_get_u64(raw.ptr);
    *r = ahead;
    return EG_OK;
}

/* Sockets. */

static eg_err fail_errno(eg_problem *p, int e, const char *what, const char *path) {
    eg_err code = e == ENOENT || e == ECONNREFUSED ? EG_ERR_UNAVAILABLE : e == EAGAIN ? EG_ERR_BUSY : eg_err_from_errno(e);
    const char *text = strerrordesc_np(e);
    return eg_fail(p, code, "Cannot %s the socket \"%s\": %s.", what, path, text ? text : "unknown error");
}

static eg_err make_address(const char *path, struct sockaddr_un *ret, eg_problem *p) {
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof ret->sun_path) {
        return eg_fail(p, EG_ERR_INVALID, "The socket path \"%s\" must have from 1 to %zu bytes.", path, sizeof ret->sun_path - 1);
    }
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, n + 1);
    return EG_OK;
}

/* Who may write the directory could put another socket in our place. */
static eg_err check_directory(const struct sockaddr_un *address, eg_problem *p) {
    char dir[sizeof address->sun_path] = ".";
    const char *slash = strrchr(address->sun_path, '/');
    if (slash) {
        size_t n = slash == address->sun_path ? 1 : (size_t)(slash - address->sun_path);
        memcpy(dir, address->sun_path, n);
        dir[n] = '\0';
    }
    struct stat st;
    if (stat(dir, &st) != 0) {
        return fail_errno(p, errno, "make", address->sun_path);
    }
    if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
        return eg_fail(p, EG_ERR_INVALID, "The directory \"%s\" of a socket must be owned by uid %u and writable by it alone.", dir,
                       (unsigned)geteuid());
    }
    return EG_OK;
}

eg_err eg_ipc_listen(const char *path, int *ret_fd, eg_problem *p) {
    struct sockaddr_un address;
    EG_TRY(make_address(path, &address, p));
    EG_TRY(check_directory(&address, p));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail_errno(p, errno, "make", path);
    }
    unlink(path);
    /* Nobody can connect before listen(), so the mode is right in time. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        int e = errno;
        close(fd);
        return fail_errno(p, e, "listen on", path);
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_ipc_connect(const char *path, int *ret_fd, eg_problem *p) {
    struct sockaddr_un address;
    EG_TRY(make_address(path, &address, p));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail_errno(p, errno, "make", path);
    }
    /* Non-blocking: with a full backlog this is EAGAIN at once, not a wait without end. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int e = errno;
        close(fd);
        return fail_errno(p, e, "connect to", path);
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_ipc_peer_uid(int fd, uid_t *ret) {
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof peer) {
        return EG_ERR_IO;
    }
    *ret = peer.uid;
    return EG_OK;
}

/* Frames. */

int64_t eg_ipc_deadline(int timeout_ms) {
    return eg_mono_ns(&eg_clock_system) + (int64_t)timeout_ms * 1000000;
}

static eg_err wait_for(int fd, short events, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - eg_mono_ns(&eg_clock_system);
        if (left <= 0) {
            return EG_ERR_TIMEOUT;
        }
        int64_t ms = left / 1000000 + 1;
        struct pollfd pfd = {.fd = fd, .events = events};
        int n = poll(&pfd, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
        if (n > 0) {
            return EG_OK;
        }
        if (n < 0 && errno != EINTR) {
            return EG_ERR_IO;
        }
    }
}

static eg_err from_socket(int e) {
    return e == EPIPE || e == ECONNRESET ? EG_ERR_CANCELLED : e == ENOMEM || e == ENOBUFS ? EG_ERR_NO_MEMORY : EG_ERR_IO;
}

typedef union control {
    struct cmsghdr align;
    char raw[CMSG_SPACE(sizeof(int) * 4)];
} control;

/* The descriptor goes with the first byte. */
static eg_err send_all(int fd, eg_bytes b, int passed, int64_t deadline) {
    while (b.len > 0) {
        union {
            const uint8_t *in;
            void *out;
        } data = {.in = b.ptr};
        struct iovec iov = {.iov_base = data.out, .iov_len = b.len};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        control c = {0};
        if (passed >= 0) {
            msg.msg_control = c.raw;
            msg.msg_controllen = CMSG_SPACE(sizeof passed);
            struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
            h->cmsg_level = SOL_SOCKET;
            h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN(sizeof passed);
            memcpy(CMSG_DATA(h), &passed, sizeof passed);
        }
        ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            b.ptr += n;
            b.len -= (size_t)n;
            passed = -1;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return from_socket(errno);
        } else {
            EG_TRY(wait_for(fd, POLLOUT, deadline));
        }
    }
    return EG_OK;
}

eg_err eg_ipc_send(int fd, const eg_ipc_msg *m, int timeout_ms) {
    if (m->payload.err != EG_OK || m->payload.len > EG_IPC_MAX) {
        return EG_ERR_LIMIT; /* what didn't fit must not be sent cut short */
    }
    int64_t deadline = eg_ipc_deadline(timeout_ms);
    uint8_t head[HEAD_LEN];
    eg_put_u32(head, (uint32_t)m->payload.len + 4);
    eg_put_u16(head + 4, m->type);
    eg_put_u16(head + 6, m->status);
    EG_TRY(send_all(fd, (eg_bytes){head, sizeof head}, m->fd, deadline));
    return send_all(fd, eg_buf_bytes(&m->payload), -1, deadline);
}

/* Takes one descriptor at most; more than one, or some that didn't fit, are closed and refused. */
static eg_err take_descriptors(struct msghdr *msg, int *fd) {
    bool bad = (msg->msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int got = -1;
            memcpy(&got, CMSG_DATA(h) + i * sizeof got, sizeof got);
            if (*fd >= 0) {
                close(got);
                bad = true;
            } else {
                *fd = got;
            }
        }
    }
    return bad ? EG_ERR_CORRUPT : EG_OK;
}

/* fd_ret NULL: descriptors that come with the bytes are dropped by the kernel. */
static eg_err recv_all(int fd, uint8_t *p, size_t n, int *fd_ret, int64_t deadline) {
    bool any = fd_ret == NULL; /* a payload is always in mid-frame */
    while (n > 0) {
        struct iovec iov = {.iov_base = p, .iov_len = n};
        control c = {0};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        if (fd_ret) {
            msg.msg_control = c.raw;
            msg.msg_controllen = sizeof c.raw;
        }
        ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            EG_TRY(wait_for(fd, POLLIN, deadline));
            continue;
        }
        if (got <= 0) {
            eg_err e = got == 0 ? EG_ERR_CANCELLED : from_socket(errno);
            return any && e == EG_ERR_CANCELLED ? EG_ERR_CORRUPT : e;
        }
        if (fd_ret) {
            EG_TRY(take_descriptors(&msg, fd_ret));
        }
        any = true;
        p += got;
        n -= (size_t)got;
    }
    return EG_OK;
}

eg_err eg_ipc_recv_head(int fd, int64_t deadline, eg_ipc_head *ret) {
    uint8_t head[HEAD_LEN];
    int passed = -1;
    eg_err e = recv_all(fd, head, sizeof head, &passed, deadline);
    uint32_t len = e == EG_OK ? eg_get_u32(head) : 0;
    if (e == EG_OK && len < 4) {
        e = EG_ERR_CORRUPT;
    }
    if (e == EG_OK && len - 4 > EG_IPC_MAX) {
        e = EG_ERR_LIMIT;
    }
    if (e != EG_OK) {
        if (passed >= 0) {
            close(passed);
        }
        return e;
    }
    *ret = (eg_ipc_head){.type = eg_get_u16(head + 4), .status = eg_get_u16(head + 6), .payload = len - 4, .fd = passed};
    return EG_OK;
}

eg_err eg_ipc_recv_payload(int fd, int64_t deadline, size_t n, eg_buf *ret) {
    char *at = NULL;
    EG_TRY(eg_buf_reserve(ret, n, &at));
    EG_TRY(recv_all(fd, (uint8_t *)at, n, NULL, deadline));
    ret->len += n;
    return EG_OK;
}

eg_err eg_ipc_skip_payload(int fd, int64_t deadline, size_t n) {
    uint8_t waste[4096];
    while (n > 0) {
        size_t part = n < sizeof waste ? n : sizeof waste;
        EG_TRY(recv_all(fd, waste, part, NULL, deadline));
        n -= part;
    }
    eg_cleanse(waste, sizeof waste);
    return EG_OK;
}

eg_err eg_ipc_recv(int fd, eg_ipc_msg *ret, int timeout_ms) {
    int64_t deadline = eg_ipc_deadline(timeout_ms);
    eg_ipc_head head;
    EG_TRY(eg_ipc_recv_head(fd, deadline, &head));
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, head.type);
    m.status = head.status;
    m.fd = head.fd;
    eg_err e = eg_ipc_recv_payload(fd, deadline, head.payload, &m.payload);
    if (e != EG_OK) {
        eg_ipc_msg_done(&m);
        return e;
    }
    *ret = m;
    return EG_OK;
}

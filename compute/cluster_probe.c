/* A very small HTTP client for one question over loopback: how many workers has the master. */
#include "cluster_probe.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/json.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 1000
#define ANSWER_MS 2000
#define ANSWER_MAX (1u << 20)
#define TOKEN_S 300

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static eg_err bind_any(int fd, uint16_t *ret) {
    struct sockaddr_in a = loopback(0);
    socklen_t n = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        return eg_err_from_errno(errno);
    }
    *ret = ntohs(a.sin_port);
    return EG_OK;
}

eg_err eg_cluster_probe_free_ports(uint16_t *ret_a, uint16_t *ret_b) {
    EG_CLEANUP(close_fd) int a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EG_CLEANUP(close_fd) int b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t pa, pb;
    EG_TRY(bind_any(a, &pa));
    EG_TRY(bind_any(b, &pb));
    *ret_a = pa;
    *ret_b = pb;
    return EG_OK;
}

static eg_err wait_for(int fd, short events, int64_t deadline_ms) {
    for (;;) {
        int64_t left = deadline_ms - eg_mono_ns(&eg_clock_system) / 1000000;
        struct pollfd f = {.fd = fd, .events = events};
        int n = left > 0 ? poll(&f, 1, (int)left) : 0;
        if (n > 0) {
            return EG_OK;
        }
        if (n == 0) {
            return EG_ERR_TIMEOUT;
        }
        if (errno != EINTR) {
            return EG_ERR_IO;
        }
    }
}

static int64_t in_ms(int ms) {
    return eg_mono_ns(&eg_clock_system) / 1000000 + ms;
}

static eg_err connect_to(uint16_t port, int *ret_fd) {
    EG_CLEANUP(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = loopback(port);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        if (errno != EINPROGRESS) {
            return EG_ERR_UNAVAILABLE;
        }
        EG_TRY(wait_for(fd, POLLOUT, in_ms(CONNECT_MS)));
        int e = 0;
        socklen_t n = sizeof e;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0 || e != 0) {
            return EG_ERR_UNAVAILABLE;
        }
    }
    *ret_fd = fd;
    fd = -1;
    return EG_OK;
}

eg_err eg_cluster_probe_port(uint16_t port) {
    EG_CLEANUP(close_fd) int fd = -1;
    return connect_to(port, &fd);
}

eg_err eg_cluster_probe_token(const uint8_t ui_key[EG_KEY_LEN], int64_t now_s, eg_buf *ret) {
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    char claims[96];
    int n = snprintf(claims, sizeof claims, "{\"sub\":\"embergate\",\"exp\":%lld}", (long long)(now_s + TOKEN_S));
    size_t start = ret->len;
    EG_TRY(eg_base64url((eg_bytes){(const uint8_t *)head, sizeof head - 1}, ret));
    EG_TRY(eg_buf_add(ret, ".", 1));
    EG_TRY(eg_base64url((eg_bytes){(const uint8_t *)claims, (size_t)n}, ret));
    uint8_t mac[EG_SHA256_LEN];
    eg_hmac_sha256((eg_bytes){ui_key, EG_KEY_LEN}, (eg_bytes){(const uint8_t *)ret->ptr + start, ret->len - start}, mac);
    EG_TRY(eg_buf_add(ret, ".", 1));
    return eg_base64url((eg_bytes){mac, sizeof mac}, ret);
}

static eg_err ask(int fd, uint16_t ui_port, const uint8_t *ui_key, int64_t now_s) {
    eg_buf q;
    eg_buf_init(&q, 4096);
    eg_buf_adds(&q, "GET /json/ HTTP/1.0\r\nHost: 127.0.0.1:");
    eg_buf_addf(&q, "%u\r\nAccept: application/json\r\nAuthorization: Bearer ", ui_port);
    eg_err e = eg_cluster_probe_token(ui_key, now_s, &q);
    eg_buf_adds(&q, "\r\n\r\n");
    if (e == EG_OK && q.err == EG_OK) {
        /* Far smaller than a socket's buffer: one send takes it. */
        e = send(fd, q.ptr, q.len, MSG_NOSIGNAL) == (ssize_t)q.len ? EG_OK : EG_ERR_IO;
    }
    if (q.ptr) {
        eg_cleanse(q.ptr, q.cap);
    }
    eg_buf_done(&q);
    return e;
}

static eg_err read_all(int fd, eg_buf *ret) {
    int64_t deadline = in_ms(ANSWER_MS);
    for (;;) {
        char *at;
        EG_TRY(wait_for(fd, POLLIN, deadline));
        EG_TRY(eg_buf_reserve(ret, 4096, &at));
        ssize_t n = read(fd, at, 4096);
        if (n == 0) {
            return EG_OK;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return EG_ERR_IO;
        }
        ret->len += n > 0 ? (size_t)n : 0;
    }
}

/* HTTP/1.0 was asked, so the body ends where the connection does. */
static eg_err count_alive(const eg_buf *answer, unsigned *ret) {
    eg_str s = eg_buf_str(answer);
    const char *body = s.len > 12 ? memmem(s.ptr, s.len, "\r\n\r\n", 4) : NULL;
    if (!body || !eg_str_starts(s, "HTTP/1.") || memcmp(s.ptr + 8, " 200", 4) != 0) {
        return EG_ERR_UNAVAILABLE;
    }
    body += 4;
    EG_JSON_AUTO v = NULL;
    EG_TRY(eg_json_parse((eg_str){body, s.len - (size_t)(body - s.ptr)}, ANSWER_MAX, &v, NULL));
    size_t i;
    json_t *worker;
    unsigned alive = 0;
    json_array_foreach(json_object_get(v, "workers"), i, worker) {
        alive += eg_str_is(eg_json_str(worker, "state"), "ALIVE");
    }
    *ret = alive;
    return EG_OK;
}

eg_err eg_cluster_probe_workers(uint16_t ui_port, const uint8_t ui_key[EG_KEY_LEN], int64_t now_s, unsigned *ret_alive, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = -1;
    eg_buf answer;
    eg_buf_init(&answer, ANSWER_MAX);
    eg_err e = connect_to(ui_port, &fd);
    if (e == EG_OK) {
        e = ask(fd, ui_port, ui_key, now_s);
    }
    if (e == EG_OK) {
        e = read_all(fd, &answer);
    }
    if (e == EG_OK) {
        e = count_alive(&answer, ret_alive);
    }
    eg_buf_done(&answer);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The master does not say how many workers it has.");
}

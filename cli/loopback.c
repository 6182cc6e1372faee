/* Listens on 127.0.0.1 for the one request by which a browser brings the answer of a sign-in (RFC 8252 section 7.3). */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <embergate/secret.h>
#include <arpa/inet.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX 16384
#define PEER_SECONDS 3
#define CALLBACK "/callback?"

eg_err eg_loopback_open(eg_loopback *ret, eg_problem *p) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return eg_fail(p, EG_ERR_UNAVAILABLE, "no port of 127.0.0.1 can be listened on");
    }
    *ret = (eg_loopback){fd, ntohs(at.sin_port)};
    return EG_OK;
}

void eg_loopback_close(eg_loopback *l) {
    if (l->fd >= 0) {
        close(l->fd);
    }
    l->fd = -1;
}

/* Any page may make a browser send requests here; one that resolved a name of its own to 127.0.0.1 is told by its Host. */
static bool host_is_ours(eg_str head, unsigned port) {
    char wanted[32];
    unsigned found = 0;
    (void)snprintf(wanted, sizeof wanted, "127.0.0.1:%u", port);
    for (eg_str rest = head; rest.ptr;) {
        eg_str line = eg_str_cut(&rest, '\n');
        eg_str value = line;
        eg_str name = eg_str_cut(&value, ':');
        if (!value.ptr || !eg_str_ieq(name, EG_LIT("Host"))) {
            continue;
        }
        while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
            value = (eg_str){value.ptr + 1, value.len - 1};
        }
        while (value.len > 0 && (value.ptr[value.len - 1] == '\r' || value.ptr[value.len - 1] == ' ')) {
            value.len--;
        }
        found += eg_str_is(value, wanted) ? 1 : 2;
    }
    return found == 1;
}

/* RFC 6749 section 4.1.2: the form's encoding, so that '+' is a blank. Absent gives "". EG_ERR_INVALID: twice, malformed, too long. */
static eg_err take(eg_arena *arena, eg_str query, const char *name, char *ret, size_t size) {
    bool found = false;
    for (eg_str rest = query; rest.ptr;) {
        eg_str value = eg_str_cut(&rest, '&');
        eg_str key = eg_str_cut(&value, '='), plain;
        if (!eg_str_is(key, name)) {
            continue;
        }
        if (found || !value.ptr || eg_percent_decode(arena, value, true, &plain) != EG_OK || plain.len >= size) {
            return EG_ERR_INVALID;
        }
        found = true;
        memcpy(ret, plain.ptr, plain.len);
        ret[plain.len] = '\0';
    }
    return EG_OK;
}

static bool same(const char *a, const char *b) {
    return strlen(a) == strlen(b) && eg_ct_eq(a, b, strlen(a));
}

static eg_err read_answer(eg_str query, const eg_loopback_expected *expected, eg_loopback_answer *ret) {
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(4 * REQUEST_BYTES_MAX);
    eg_loopback_answer a = {.code = ""};
    char state[256] = "", issuer[512] = "";
    if (!arena) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(take(arena, query, "state", state, sizeof state));
    EG_TRY(take(arena, query, "iss", issuer, sizeof issuer));
    EG_TRY(take(arena, query, "code", a.code, sizeof a.code));
    EG_TRY(take(arena, query, "error", a.error, sizeof a.error));
    EG_TRY(take(arena, query, "error_description", a.description, sizeof a.description));
    bool believed = same(state, expected->state) && (issuer[0] ? strcmp(issuer, expected->issuer) == 0 : !expected->issuer_owed);
    if (!believed || (a.code[0] == '\0') == (a.error[0] == '\0')) {
        return EG_ERR_INVALID;
    }
    *ret = a;
    return EG_OK;
}

eg_err eg_loopback_read(eg_str request, unsigned port, const eg_loopback_expected *expected, eg_loopback_answer *ret) {
    eg_str head = request;
    eg_str line = eg_str_cut(&head, '\n');
    if (!head.ptr || !eg_str_starts(line, "GET ") || !host_is_ours(head, port)) {
        return EG_ERR_INVALID;
    }
    eg_str rest = {line.ptr + 4, line.len - 4};
    eg_str target = eg_str_cut(&rest, ' ');
    if (!rest.ptr || !eg_str_starts(rest, "HTTP/1.") || !eg_str_starts(target, CALLBACK)) {
        return EG_ERR_NOT_FOUND;
    }
    const size_t skip = sizeof CALLBACK - 1;
    return read_answer((eg_str){target.ptr + skip, target.len - skip}, expected, ret);
}

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool ready(int fd, int64_t until_ms) {
    int64_t left = until_ms - now_ms();
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return left > 0 && poll(&one, 1, (int)left) == 1;
}

/* Up to the empty line; a browser's GET has no body. */
static eg_str receive_head(int fd, char buf[REQUEST_BYTES_MAX], int64_t until_ms) {
    size_t n = 0;
    while (n < REQUEST_BYTES_MAX && ready(fd, until_ms)) {
        ssize_t got = recv(fd, buf + n, REQUEST_BYTES_MAX - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        if (memmem(buf, n, "\r\n\r\n", 4)) {
            return (eg_str){buf, n};
        }
    }
    return (eg_str){NULL, 0};
}

static void answer(int fd, const char *status, const char *sentence) {
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
                     "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     status, strlen(sentence), sentence);
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

/* EG_OK when the answer came. */
static eg_err serve_one(int fd, unsigned port, const eg_loopback_expected *expected, eg_loopback_answer *ret) {
    char buf[REQUEST_BYTES_MAX];
    eg_str head = receive_head(fd, buf, now_ms() + PEER_SECONDS * 1000);
    eg_err e = head.ptr ? eg_loopback_read(head, port, expected, ret) : EG_ERR_NOT_FOUND;
    eg_cleanse(buf, sizeof buf);
    if (e == EG_OK) {
        answer(fd, "200 OK", "<!doctype html><title>embergate</title><p>embergate has the answer. You can close this window and go back to the terminal.\n");
    } else {
        answer(fd, e == EG_ERR_NOT_FOUND ? "404 Not Found" : "400 Bad Request", "<!doctype html><title>embergate</title><p>This is not the answer that is waited for.\n");
    }
    return e;
}

eg_err eg_loopback_wait(eg_loopback *l, const eg_loopback_expected *expected, unsigned seconds, eg_loopback_answer *ret, eg_problem *p) {
    const int64_t until_ms = now_ms() + (int64_t)seconds * 1000;
    while (ready(l->fd, until_ms)) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        eg_err e = serve_one(fd, l->port, expected, ret);
        (void)shutdown(fd, SHUT_WR);
        close(fd);
        if (e == EG_OK) {
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_TIMEOUT, "nobody signed in within %u seconds", seconds);
}

/* The client of the benchmark of small creates: puts blobs under new names on kept connections, and takes little of the processors that it shares with who is measured. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* It measures and does not check whom it talks to: peers and gateway are processes of the benchmark on loopback. */

enum { THREADS = 2, EVENTS = 64, REQUEST_MAX = 8192, ANSWER_MAX = 16384, BODY = 1024 };

static int port;
static const char *base, *prefix;
static char after_path[REQUEST_MAX]; /* the rest of each request, with its body */
static size_t after_path_len;
static SSL_CTX *context;
static int64_t end_us;

typedef struct conn {
    SSL *ssl;
    size_t got;
    char answer[ANSWER_MAX + 1];
} conn;

typedef struct worker {
    pthread_t thread;
    int id, connections;
    uint64_t asked, answered;
} worker;

static void die(const char *what) {
    fprintf(stderr, "put_client: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The Authorization comes by the environment, so that it stands on no command line. */
static void make_rest(void) {
    const char *token = getenv("EG_BENCH_TOKEN");
    const int n = snprintf(after_path, sizeof after_path - BODY, " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%sx-ms-version: 2023-11-03\r\n"
                           "x-ms-blob-type: BlockBlob\r\nContent-Length: %d\r\n\r\n", port, token ? "Authorization: Bearer " : "", token ? token : "",
                           token ? "\r\n" : "", BODY);
    if (n < 0 || (size_t)n >= sizeof after_path - BODY) {
        die("the request does not fit");
    }
    memset(after_path + n, 'x', BODY);
    after_path_len = (size_t)n + BODY;
}

static void open_conn(conn *c, int epoll) {
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    c->ssl = SSL_new(context);
    if (fd < 0 || !c->ssl || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        SSL_set_fd(c->ssl, fd) != 1 || SSL_connect(c->ssl) != 1 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("a connection");
    }
}

static void ask(worker *w, conn *c) {
    char request[REQUEST_MAX + 1024];
    const int n = snprintf(request, 1024, "PUT %s/%s%d-%llu", base, prefix, w->id, (unsigned long long)++w->asked);
    if (n < 0 || n >= 1024) {
        die("the path does not fit");
    }
    memcpy(request + n, after_path, after_path_len);
    if (SSL_write(c->ssl, request, n + (int)after_path_len) != n + (int)after_path_len) {
        die("a request");
    }
    c->got = 0;
}

/* Whether the answer is whole: 201, and no body, or a chunked one whose last chunk is there. */
static bool whole(const conn *c) {
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (c->got >= 12 && strncmp(c->answer, "HTTP/1.1 201", 12) != 0) {
        fprintf(stderr, "put_client: answered %.200s\n", c->answer);
        exit(1);
    }
    if (!body) {
        return false;
    }
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (length && length < body) {
        return c->got >= (size_t)(body + 4 - c->answer) + strtoull(length + 17, NULL, 10);
    }
    return c->got >= 5 && memcmp(c->answer + c->got - 5, "0\r\n\r\n", 5) == 0;
}

static bool take(conn *c) {
    const int n = SSL_read(c->ssl, c->answer + c->got, (int)(ANSWER_MAX - c->got));
    if (n <= 0) {
        if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ) {
            return false; /* a record that carries no data, such as a ticket */
        }
        die("an answer was cut");
    }
    c->got += (size_t)n;
    c->answer[c->got] = '\0';
    return whole(c);
}

/* Sockets block, but epoll has said that there is something, and SSL_MODE_AUTO_RETRY is off: one record a call. */
static void *run(void *arg) {
    worker *w = arg;
    struct epoll_event events[EVENTS];
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    conn *conns = calloc((size_t)w->connections, sizeof *conns);
    if (epoll < 0 || !conns) {
        die("a thread's memory");
    }
    for (int i = 0; i < w->connections; i++) {
        open_conn(&conns[i], epoll);
        ask(w, &conns[i]);
    }
    while (w->answered < w->asked) {
        const int n = epoll_wait(epoll, events, EVENTS, 20000);
        if (n == 0) {
            die("the server answers no more");
        }
        const bool over = now_us() >= end_us;
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            bool done = take(c);
            while (!done && SSL_pending(c->ssl) > 0) {
                done = take(c);
            }
            w->answered += done;
            if (done && !over) {
                ask(w, c);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: put_client PORT BASE PREFIX SECONDS CONNECTIONS\n");
        return 2;
    }
    port = (int)strtol(argv[1], NULL, 10);
    base = argv[2];
    prefix = argv[3];
    context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        die("OpenSSL");
    }
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    make_rest();
    worker w[THREADS] = {0};
    const int connections = (int)strtol(argv[5], NULL, 10);
    const int64_t started = now_us();
    uint64_t count = 0;
    end_us = started + (int64_t)(strtod(argv[4], NULL) * 1e6);
    for (int i = 0; i < THREADS; i++) {
        w[i].id = i;
        w[i].connections = connections / THREADS + (i < connections % THREADS);
        if (pthread_create(&w[i].thread, NULL, run, &w[i]) != 0) {
            die("a thread");
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        count += w[i].answered;
    }
    const double spent = (double)(now_us() - started) / 1e6;
    printf("{\"per_second\":%.1f,\"count\":%llu}\n", (double)count / spent, (unsigned long long)count);
    return 0;
}

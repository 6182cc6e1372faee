/* The client of the benchmark where wrk is not enough: new connections, held connections, large downloads, first bytes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* It measures and does not check whom it talks to: peers and gateway are processes of the benchmark on loopback. */

enum { EVENTS = 256, REQUEST_MAX = 8192, SAMPLES_MAX = 2000000 };

static int port;
static char request[REQUEST_MAX];
static SSL_CTX *context;

static void die(const char *what) {
    fprintf(stderr, "tls_client: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *v, size_t n, double p) {
    qsort(v, n, sizeof *v, by_size);
    return n ? v[(size_t)(p * (double)(n - 1))] : 0;
}

/* The Authorization comes by the environment, so that it stands on no command line. */
static void make_request(const char *path, bool keep) {
    const char *token = getenv("EG_BENCH_TOKEN");
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%s%sx-ms-version: 2023-11-03\r\n\r\n", path, port,
                     keep ? "" : "Connection: close\r\n", token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
    if (n < 0 || (size_t)n >= sizeof request) {
        die("the request does not fit");
    }
}

static int open_socket(bool blocking) {
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) {
        die("socket");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        die("connect");
    }
    return fd;
}

/* New connections: each does a full handshake (no ticket is ever offered), one request, and ends. */

typedef struct link {
    int fd;
    SSL *ssl;
    bool asked, answered;
    int64_t started;
} link_t;

static void link_open(link_t *l, int epoll) {
    *l = (link_t){.fd = open_socket(false), .ssl = SSL_new(context), .started = now_us()};
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = l};
    if (!l->ssl || SSL_set_fd(l->ssl, l->fd) != 1 || epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &ev) != 0) {
        die("a new connection");
    }
    SSL_set_connect_state(l->ssl);
}

static void link_close(link_t *l) {
    SSL_free(l->ssl);
    close(l->fd);
    *l = (link_t){.fd = -1};
}

/* 1 = whole, 0 = waits, -1 = broken. With `keep` it is over with the first bytes of the answer. */
static int link_step(link_t *l, bool keep) {
    char buf[16384];
    if (!SSL_is_init_finished(l->ssl)) {
        int r = SSL_do_handshake(l->ssl);
        int why = SSL_get_error(l->ssl, r);
        if (r != 1) {
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
    }
    if (!l->asked) {
        l->asked = SSL_write(l->ssl, request, (int)strlen(request)) > 0;
    }
    for (;;) {
        int n = SSL_read(l->ssl, buf, sizeof buf);
        if (n <= 0) {
            int why = SSL_get_error(l->ssl, n);
            bool end = why == SSL_ERROR_ZERO_RETURN || (l->answered && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE);
            return end ? (l->answered ? 1 : -1) : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
        if (!l->answered && strncmp(buf, "HTTP/1.1 2", 10) != 0) {
            fprintf(stderr, "tls_client: answered %.60s\n", buf);
            return -1;
        }
        l->answered = true;
        if (keep) {
            return 1;
        }
    }
}

static int connections(double seconds, int at_once) {
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    link_t *links = calloc((size_t)at_once, sizeof *links);
    double *took = calloc(SAMPLES_MAX, sizeof *took);
    size_t done = 0, broken = 0;
    int64_t started = now_us(), end = started + (int64_t)(seconds * 1e6);
    for (int i = 0; i < at_once; i++) {
        link_open(&links[i], epoll);
    }
    while (now_us() < end && done < SAMPLES_MAX) {
        int n = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            link_t *l = events[i].data.ptr;
            int s = link_step(l, false);
            if (s != 0) {
                if (s > 0) {
                    took[done++] = (double)(now_us() - l->started);
                }
                broken += s < 0;
                link_close(l);
                link_open(l, epoll);
            }
        }
    }
    double spent = (double)(now_us() - started) / 1e6;
    double p99 = percentile(took, done, 0.99);
    printf("{\"per_second\":%.1f,\"count\":%zu,\"broken\":%zu,\"p50_us\":%.0f,\"p99_us\":%.0f}\n", (double)done / spent, done, broken,
           percentile(took, done, 0.5), p99);
    return 0;
}

/* Idle connections: each has had one answer; held until standard input ends. */
static int hold(int count) {
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    link_t *links = calloc((size_t)count, sizeof *links);
    char end;
    int ready = 0, opened = 0;
    while (ready < count) {
        while (opened < count && opened - ready < 64) {
            link_open(&links[opened++], epoll);
        }
        int n = epoll_wait(epoll, events, EVENTS, 5000);
        if (n == 0) {
            die("the server answers no more");
        }
        for (int i = 0; i < n; i++) {
            link_t *l = events[i].data.ptr;
            if (l->answered) {
                continue;
            }
            int s = link_step(l, true);
            if (s < 0) {
                die("a connection was refused");
            }
            ready += s;
        }
    }
    printf("{\"held\":%d}\n", ready);
    fflush(stdout);
    while (read(0, &end, 1) > 0) {
    }
    return 0;
}

/* Downloads on one connection a thread, one after the other. */

typedef struct stream {
    pthread_t thread;
    int count;
    uint64_t bytes;
    double first_us;   /* the mean time to the first byte of an answer */
} stream;

static void *download(void *arg) {
    stream *s = arg;
    int fd = open_socket(true);
    SSL *ssl = SSL_new(context);
    static const size_t cap = 256 * 1024;
    char *buf = malloc(cap);
    if (!buf || !ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        die("a download's connection");
    }
    for (int i = 0; i < s->count; i++) {
        int64_t started = now_us();
        uint64_t left = 0;
        bool head = false;
        if (SSL_write(ssl, request, (int)strlen(request)) <= 0) {
            die("a download's request");
        }
        while (!head || left > 0) {
            int n = SSL_read(ssl, buf, head ? (int)cap : 4096);
            if (n <= 0) {
                die("a download was cut");
            }
            if (head) {
                left -= (uint64_t)n;
                s->bytes += (uint64_t)n;
                continue;
            }
            buf[n] = '\0';
            char *body = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "\r\nContent-Length:");
            if (strncmp(buf, "HTTP/1.1 200", 12) != 0 || !body || !length) {
                die("a download was refused");
            }
            head = true;
            s->first_us += (double)(now_us() - started) / s->count;
            left = strtoull(length + 17, NULL, 10) - (uint64_t)(buf + n - body - 4);
            s->bytes += (uint64_t)(buf + n - body - 4);
        }
    }
    SSL_free(ssl);
    close(fd);
    free(buf);
    return NULL;
}

static int downloads(int count, int streams) {
    stream *s = calloc((size_t)streams, sizeof *s);
    int64_t started = now_us();
    uint64_t bytes = 0;
    double first = 0;
    for (int i = 0; i < streams; i++) {
        s[i].count = count;
        if (pthread_create(&s[i].thread, NULL, download, &s[i]) != 0) {
            die("a thread");
        }
    }
    for (int i = 0; i < streams; i++) {
        pthread_join(s[i].thread, NULL);
        bytes += s[i].bytes;
        first += s[i].first_us / streams;
    }
    double spent = (double)(now_us() - started) / 1e6;
    printf("{\"mib_per_second\":%.1f,\"bytes\":%llu,\"first_byte_us\":%.0f}\n", (double)bytes / spent / 1048576, (unsigned long long)bytes, first);
    return 0;
}

/* One quiet client beside a loaded server: a request each 5 ms, the time to the first byte of its answer. */
static int probe(double seconds) {
    int fd = open_socket(true);
    SSL *ssl = SSL_new(context);
    char buf[16384];
    double *took = calloc(SAMPLES_MAX, sizeof *took);
    size_t n = 0;
    if (!ssl || !took || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        die("the probe's connection");
    }
    for (int64_t end = now_us() + (int64_t)(seconds * 1e6); now_us() < end && n < SAMPLES_MAX; n++) {
        int64_t started = now_us();
        if (SSL_write(ssl, request, (int)strlen(request)) <= 0 || SSL_read(ssl, buf, sizeof buf) <= 0 || strncmp(buf, "HTTP/1.1 2", 10) != 0) {
            die("the probe's request");
        }
        took[n] = (double)(now_us() - started);
        usleep(5000);
    }
    double p99 = percentile(took, n, 0.99);
    printf("{\"count\":%zu,\"p50_us\":%.0f,\"p99_us\":%.0f}\n", n, percentile(took, n, 0.5), p99);
    return 0;
}

int main(int argc, char **argv) {
    struct rlimit files;
    if (argc < 5) {
        fprintf(stderr, "usage: tls_client connect PORT PATH SECONDS AT_ONCE | hold PORT PATH COUNT | get PORT PATH COUNT STREAMS | probe PORT PATH SECONDS\n");
        return 2;
    }
    port = (int)strtol(argv[2], NULL, 10);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        die("OpenSSL");
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    make_request(argv[3], strcmp(argv[1], "connect") != 0);
    errno = 0;
    if (strcmp(argv[1], "connect") == 0 && argc == 6) {
        return connections(strtod(argv[4], NULL), (int)strtol(argv[5], NULL, 10));
    }
    if (strcmp(argv[1], "hold") == 0) {
        return hold((int)strtol(argv[4], NULL, 10));
    }
    if (strcmp(argv[1], "get") == 0 && argc == 6) {
        return downloads((int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10));
    }
    return strcmp(argv[1], "probe") == 0 ? probe(strtod(argv[4], NULL)) : 2;
}

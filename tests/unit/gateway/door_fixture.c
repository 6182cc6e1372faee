/* A real door with a small app on a free port of 127.0.0.1, for test_door_*.c. */
#include "door_fixture.h"

#include <embergate/clock.h>
#include <embergate/encoding.h>
#include <embergate/metrics.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

/* What the app keeps of a request. */
typedef struct seen {
    uint64_t bytes, sum;
    bool paused;
} seen;

struct fixture f;


void wait_ms(long ms) {
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

bool becomes(atomic_int *value, int expected) {
    for (int i = 0; i < 500 && atomic_load(value) != expected; i++) {
        wait_ms(10);
    }
    return atomic_load(value) == expected;
}

/* The app. */

typedef struct source {
    int64_t left, fail_at;
} source;

static eg_err source_read(void *ctx, uint8_t *buf, size_t cap, size_t *ret_n) {
    source *s = ctx;
    if (s->fail_at >= 0 && s->left <= s->fail_at) {
        return EG_ERR_CORRUPT;
    }
    size_t n = s->left < (int64_t)cap ? (size_t)s->left : cap;
    memset(buf, 'x', n);
    s->left -= (int64_t)n;
    *ret_n = n;
    return EG_OK;
}

static void source_close(void *ctx) {
    free(ctx);
    atomic_fetch_sub(&f.sources_open, 1);
}

static void answer_bytes(eg_request *rq, int status, const char *text) {
    eg_response *r = &rq->response;
    r->status = status;
    r->headers[0].name = "Content-Type";
    r->headers[0].value = EG_LIT("text/plain");
    r->headers[1].name = "Content-Length"; /* the door's: it has to be dropped */
    r->headers[1].value = EG_LIT("99999");
    r->header_count = r->header_count > 2 ? r->header_count : 2;
    r->bytes = eg_str_bytes(eg_arena_str(rq->arena, eg_str_of(text)));
    eg_door_send(rq);
}

static int64_t number_after(eg_str s, const char *prefix) {
    return eg_str_starts(s, prefix) ? strtoll(s.ptr + strlen(prefix), NULL, 10) : -1;
}

static void answer_source(eg_request *rq, bool known) {
    source *s = calloc(1, sizeof *s);
    assert_non_null(s);
    int64_t total = number_after(rq->query, "n=");
    s->left = total;
    s->fail_at = eg_str_is(rq->raw_path, "/broken") ? total / 2 : eg_str_is(rq->raw_path, "/broken-at-once") ? total : -1;
    atomic_fetch_add(&f.sources_open, 1);
    rq->response.status = 200;
    rq->response.has_source = true;
    rq->response.source = (eg_body_source){.size = known ? total : -1, .read = source_read, .close = source_close, .ctx = s};
    eg_door_send(rq);
}

static void *answer_late(void *arg) {
    eg_request *rq = arg;
    wait_ms(500);
    answer_bytes(rq, 200, "late");
    return NULL;
}

static void *proceed_late(void *arg) {
    wait_ms(2);
    eg_door_proceed(arg);
    return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg) {
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
    assert_int_equal(pthread_detach(t), 0);
}

static void on_worker(void *arg) {
    answer_bytes(arg, 200, "from the worker");
}

static void *hand_to_worker(void *arg) {
    wait_ms(20);
    eg_door_on_worker(arg, on_worker, arg);
    return NULL;
}

static bool app_admit(void *app, const eg_peer *peer) {
    (void)app;
    return !atomic_load(&f.deny) && strcmp(peer->address, "127.0.0.1") == 0 && strcmp(peer->listener, "test") == 0;
}

static void app_head(void *app, eg_request *rq) {
    (void)app;
    atomic_fetch_add(&f.heads, 1);
    rq->state = calloc(1, sizeof(seen));
    assert_non_null(rq->state);
    if (eg_str_is(rq->raw_path, "/deny")) {
        answer_bytes(rq, 403, "no");
    } else if (eg_str_is(rq->raw_path, "/source") || eg_str_starts(rq->raw_path, "/broken")) {
        answer_source(rq, true);
    } else if (eg_str_is(rq->raw_path, "/stream")) {
        answer_source(rq, false);
    } else if (eg_str_is(rq->raw_path, "/proceed-late")) {
        in_thread(proceed_late, rq);
    } else {
        eg_door_proceed(rq);
    }
}

static void app_body(void *app, eg_request *rq, eg_bytes chunk) {
    (void)app;
    seen *s = rq->state;
    s->bytes += chunk.len;
    for (size_t i = 0; i < chunk.len; i++) {
        s->sum += chunk.ptr[i];
    }
    if (eg_str_is(rq->raw_path, "/refuse") && s->bytes > 100000) {
        answer_bytes(rq, 409, "enough");
    } else if (eg_str_is(rq->raw_path, "/pause")) {
        assert_false(s->paused);
        s->paused = true;
        eg_door_pause(rq);
        s->paused = false;
        in_thread(proceed_late, rq);
    } else if (eg_str_is(rq->raw_path, "/slow")) {
        wait_ms(1);
    }
}

static bool app_still(void *app, eg_request *rq) {
    (void)app;
    return !atomic_load(&f.unwelcome) || eg_str_is(rq->query, "welcome");
}

static void describe_certificate(const eg_peer_certificate *c, char *to, size_t size) {
    char key[65], thumbprint[65];
    eg_hex((eg_bytes){c->key, sizeof c->key}, key);
    eg_hex((eg_bytes){c->thumbprint, sizeof c->thumbprint}, thumbprint);
    (void)snprintf(to, size, "%s %s %s %lld", c->there ? "there" : "none", key, thumbprint, (long long)(c->until_s - c->from_s));
}

static void app_end(void *app, eg_request *rq) {
    (void)app;
    const seen *s = rq->state;
    char text[256];
    atomic_fetch_add(&f.ended, 1);
    if (eg_str_is(rq->raw_path, "/late")) {
        in_thread(answer_late, rq);
    } else if (eg_str_is(rq->raw_path, "/thread")) {
        (void)snprintf(text, sizeof text, "%lx", (unsigned long)pthread_self());
        answer_bytes(rq, 200, text);
    } else if (eg_str_is(rq->raw_path, "/certificate")) {
        describe_certificate(&rq->peer.certificate, text, sizeof text);
        answer_bytes(rq, 200, text);
    } else if (eg_str_is(rq->raw_path, "/worker")) {
        in_thread(hand_to_worker, rq);
    } else if (eg_str_is(rq->raw_path, "/empty")) {
        rq->response.status = 204;
        eg_door_send(rq);
    } else if (eg_str_is(rq->raw_path, "/headers")) {
        size_t n = (size_t)number_after(rq->query, "n=");
        char *value = eg_arena_alloc(rq->arena, n + 1);
        assert_non_null(value);
        memset(value, 'h', n);
        rq->response.headers[2].name = "X-Long";
        rq->response.headers[2].value = (eg_str){value, n};
        rq->response.header_count = 3;
        answer_bytes(rq, 200, "long");
    } else if (eg_str_is(rq->raw_path, "/not-modified")) {
        rq->response.headers[0].name = "ETag";
        rq->response.headers[0].value = EG_LIT("\"1\"");
        rq->response.header_count = 1;
        rq->response.status = 304;
        eg_door_send(rq);
    } else if (eg_str_is(rq->raw_path, "/length")) {
        rq->response.status = 200;
        rq->response.head_length = 5000000000;
        eg_door_send(rq);
    } else if (eg_str_is(rq->raw_path, "/bad-header")) {
        rq->response.headers[0].name = "X-Bad";
        rq->response.headers[0].value = EG_LIT("a\r\nSet-Cookie: b");
        rq->response.header_count = 1;
        rq->response.status = 200;
        eg_door_send(rq);
    } else {
        (void)snprintf(text, sizeof text, "%.*s %.*s %.*s %llu %llu", EG_FMT(rq->method), EG_FMT(rq->target), EG_FMT(rq->authorization),
                       (unsigned long long)s->bytes, (unsigned long long)s->sum);
        answer_bytes(rq, 200, text);
    }
}

static void app_gone(void *app, eg_request *rq, bool sent) {
    (void)app;
    free(rq->state);
    atomic_fetch_add(sent ? &f.gone_sent : &f.gone_lost, 1);
}

static void on_refused(void *app, const eg_peer *peer, eg_err why) {
    (void)app;
    assert_string_equal(peer->address, "127.0.0.1");
    atomic_store(&f.last_refusal, (int)why);
    atomic_fetch_add(&f.refused, 1);
}

/* The fixture. */

static int listen_anywhere(unsigned *ret_port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

eg_err start_door(const eg_door_limits *limits, const char *min_tls, eg_door **ret) {
    char files[4][128];
    const char *names[4] = {"first.crt", "first.key", "second.crt", "second.key"};
    for (int i = 0; i < 4; i++) {
        (void)snprintf(files[i], sizeof files[i], "%s/%s", f.dir, names[i]);
    }
    eg_door_certificate certificates[2] = {{files[0], files[1]}, {files[2], files[3]}};
    eg_door_listener listeners[2] = {{.fd = f.listener, .peer = {.local_port = (uint16_t)f.port, .listener = "test", .certificate = {.asked = f.asking, .signs_in = f.asking}}},
                                     {.fd = f.quiet_listener, .peer = {.local_port = (uint16_t)f.quiet_port, .listener = "test"}}};
    eg_door_options o = {
        .listeners = listeners,
        .listener_count = f.asking ? 2 : 1,
        .certificates = certificates,
        .certificate_count = 2,
        .min_tls = min_tls,
        .workers = 2,
        .limits = *limits,
        .pool = f.pool,
        .app = {.admit = app_admit, .head = app_head, .body = app_body, .end = app_end, .gone = app_gone, .still = app_still},
        .refused = on_refused,
    };
    eg_problem p = {0};
    eg_err e = eg_door_start(&o, ret, &p);
    if (e != EG_OK) {
        print_message("%s %s\n", p.message, p.where);
    }
    return e;
}

static int set_up_with(const eg_door_limits *limits) {
    atomic_store(&f.gone_sent, 0);
    atomic_store(&f.gone_lost, 0);
    atomic_store(&f.refused, 0);
    atomic_store(&f.heads, 0);
    atomic_store(&f.ended, 0);
    atomic_store(&f.deny, false);
    atomic_store(&f.unwelcome, false);
    f.listener = listen_anywhere(&f.port);
    assert_int_equal(eg_pool_start(2, 64, &f.pool), EG_OK);
    assert_int_equal(start_door(limits, NULL, &f.door), EG_OK);
    return 0;
}

const eg_door_limits usual = EG_DOOR_LIMITS_DEFAULT;

int set_up(void **state) {
    (void)state;
    eg_door_limits l = usual;
    l.connections = 64;
    return set_up_with(&l);
}

int set_up_asking(void **state) {
    f.asking = true;
    f.quiet_listener = listen_anywhere(&f.quiet_port);
    return set_up(state);
}

int set_up_narrow(void **state) {
    (void)state;
    eg_door_limits l = usual;
    l.connections = 64;
    l.lanes = 2;
    return set_up_with(&l);
}

int set_up_hasty(void **state) {
    (void)state;
    eg_door_limits l = usual;
    l.connections = 8;
    l.connections_per_address = 4;
    l.handshake_ms = l.idle_ms = l.head_ms = l.body_ms = l.write_ms = l.linger_ms = 300;
    return set_up_with(&l);
}

int tear_down(void **state) {
    (void)state;
    if (f.door != NULL) {
        assert_int_equal(eg_door_stop(f.door, 1), EG_OK);
        f.door = NULL;
    }
    eg_pool_stop(f.pool);
    (void)close(f.listener);
    if (f.asking) {
        (void)close(f.quiet_listener);
        f.asking = false;
    }
    assert_int_equal(atomic_load(&f.sources_open), 0);
    assert_int_equal(eg_metric_get(EG_METRIC_CONNECTIONS_OPEN), 0);
    return 0;
}

client *enter(void) {
    client *c = client_open(f.client, f.port, "first.example");
    assert_non_null(c);
    return c;
}

void expect(client *c, int status, const char *body) {
    answer a;
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, status);
    if (body != NULL) {
        assert_string_equal(a.body, body);
        assert_true(a.whole);
    }
}

int make_group(void **state) {
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* for the client's side */
    (void)snprintf(f.dir, sizeof f.dir, "%s", "door-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    client_make_certificate(f.dir, "first", "first.example");
    client_make_certificate(f.dir, "second", "second.example");
    f.client = client_context();
    return 0;
}

int end_group(void **state) {
    (void)state;
    static const char *const names[] = {"first.crt", "first.key", "second.crt", "second.key"};
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", f.dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(f.dir);
    SSL_CTX_free(f.client);
    return 0;
}

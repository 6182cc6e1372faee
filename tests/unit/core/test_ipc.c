/* Checks frames, the permission table and the client's reconnection, over real sockets. covers: ipc_client.c ipc_server.c */
#include <embergate/ipc.h>

#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ECHO_TYPE = 1, REFUSE_TYPE = 2, LONG_TYPE = 3, SLOW_TYPE = 4 };

static eg_err echo(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_bytes text;
    EG_TRY(eg_ipc_take(in, &text));
    __atomic_add_fetch((int *)ctx, 1, __ATOMIC_RELAXED);
    return eg_ipc_put(reply, text);
}

static eg_err refuse(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)ctx;
    (void)in;
    (void)eg_ipc_put(reply, eg_str_bytes(EG_LIT("half an answer")));
    eg_fail(p, EG_ERR_KEY_DESTROYED, "The key is gone.");
    eg_fail_at(p, "tenant");
    return eg_fail_hint(p, "Restore it.");
}

static eg_err too_long(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)ctx;
    (void)in;
    (void)p;
    static const uint8_t block[300000];
    for (int i = 0; i < 4; i++) {
        (void)eg_ipc_put(reply, (eg_bytes){block, sizeof block});
    }
    return EG_OK;
}

static eg_err slow(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)ctx;
    (void)in;
    (void)reply;
    (void)p;
    usleep(300000);
    return EG_OK;
}

static const eg_ipc_handler handlers[] = {{ECHO_TYPE, "echo", 100, echo}, {REFUSE_TYPE, "refuse", 0, refuse}, {LONG_TYPE, "long", 0, too_long}, {SLOW_TYPE, "slow", 0, slow}};

typedef struct server {
    eg_ipc_server_options options;
    atomic_int stop;
    int calls;
    eg_err result;
    pthread_t thread;
} server;

static void *run(void *arg) {
    server *s = arg;
    s->result = eg_ipc_serve(&s->options, &s->stop);
    return NULL;
}

static void start(server *s, const char *path, uid_t allowed) {
    eg_problem p = {0};
    *s = (server){.options = {.listen_fd = -1, .allowed_uid = allowed, .handlers = handlers, .handler_count = 4}};
    s->options.ctx = &s->calls;
    assert_int_equal(eg_ipc_listen(path, &s->options.listen_fd, &p), EG_OK);
    pthread_create(&s->thread, NULL, run, s);
}

static void stop(server *s) {
    atomic_store(&s->stop, 1);
    pthread_join(s->thread, NULL);
    close(s->options.listen_fd);
    assert_int_equal(s->result, EG_OK);
}

static eg_err call(eg_ipc_client *c, uint16_t type, eg_str text, int timeout_ms, eg_str want, eg_problem *p) {
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, type);
    if (text.ptr) {
        assert_int_equal(eg_ipc_put(&m, eg_str_bytes(text)), EG_OK);
    }
    eg_err e = eg_ipc_call(c, &m, timeout_ms, p);
    if (e == EG_OK && want.ptr) {
        eg_ipc_reader r = eg_ipc_read(&m);
        eg_bytes got;
        assert_int_equal(eg_ipc_take(&r, &got), EG_OK);
        assert_true(eg_str_eq(eg_bytes_str(got), want));
    }
    eg_ipc_msg_done(&m);
    return e;
}

static const eg_str none = {NULL, 0};

static void the_table_decides(void **state) {
    server s;
    eg_problem p = {0};
    start(&s, in_dir(state, "s"), getuid());
    struct stat st;
    assert_int_equal(stat(in_dir(state, "s"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    eg_ipc_client *c = eg_ipc_client_new(in_dir(state, "s"), 2);
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("hello"), 5000, EG_LIT("hello"), &p), EG_OK);
    assert_int_equal(call(c, 77, none, 5000, none, &p), EG_ERR_INVALID);
    assert_non_null(strstr(p.message, "77"));
    char longer[200];
    memset(longer, 'x', sizeof longer);
    assert_int_equal(call(c, ECHO_TYPE, (eg_str){longer, sizeof longer}, 5000, none, &p), EG_ERR_LIMIT);
    assert_int_equal(s.calls, 1); /* neither reached a handler */
    assert_int_equal(call(c, REFUSE_TYPE, none, 5000, none, &p), EG_ERR_KEY_DESTROYED);
    assert_string_equal(p.message, "The key is gone.");
    assert_string_equal(p.where, "tenant");
    assert_string_equal(p.hint, "Restore it.");
    assert_int_equal(call(c, LONG_TYPE, none, 5000, none, &p), EG_ERR_LIMIT);
    assert_int_equal(call(c, ECHO_TYPE, none, 5000, none, &p), EG_ERR_CORRUPT); /* no field to take */
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("still here"), 5000, EG_LIT("still here"), &p), EG_OK);
    eg_ipc_client_free(c);
    stop(&s);
}

static void another_uid_is_closed_unheard(void **state) {
    server s;
    eg_problem p = {0};
    start(&s, in_dir(state, "s"), getuid() + 1);
    eg_ipc_client *c = eg_ipc_client_new(in_dir(state, "s"), 1);
    assert_int_not_equal(call(c, ECHO_TYPE, EG_LIT("hello"), 5000, none, &p), EG_OK);
    assert_int_equal(s.calls, 0);
    eg_ipc_client_free(c);
    stop(&s);
}

static void oversize_frames_end_the_connection(void **state) {
    server s;
    start(&s, in_dir(state, "s"), getuid());
    int fd = -1;
    assert_int_equal(eg_ipc_connect(in_dir(state, "s"), &fd, NULL), EG_OK);
    static const uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0};
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    eg_ipc_msg m;
    eg_err e = eg_ipc_recv(fd, &m, 5000);
    assert_true(e == EG_ERR_CANCELLED);
    close(fd);
    stop(&s);
}

static void reconnects_after_a_restart(void **state) {
    server s;
    eg_problem p = {0};
    start(&s, in_dir(state, "s"), getuid());
    eg_ipc_client *c = eg_ipc_client_new(in_dir(state, "s"), 2);
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("one"), 5000, EG_LIT("one"), &p), EG_OK);
    stop(&s);
    start(&s, in_dir(state, "s"), getuid());
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("two"), 5000, EG_LIT("two"), &p), EG_OK);
    stop(&s);
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("three"), 1000, none, &p), EG_ERR_UNAVAILABLE);
    eg_ipc_client_free(c);
}

static void calls_end_at_their_deadline(void **state) {
    server s;
    eg_problem p = {0};
    start(&s, in_dir(state, "s"), getuid());
    eg_ipc_client *c = eg_ipc_client_new(in_dir(state, "s"), 1);
    assert_int_equal(call(c, SLOW_TYPE, none, 50, none, &p), EG_ERR_TIMEOUT);
    /* The late answer is not taken for the next call's. */
    assert_int_equal(call(c, ECHO_TYPE, EG_LIT("next"), 5000, EG_LIT("next"), &p), EG_OK);
    eg_ipc_client_free(c);
    stop(&s);
}

typedef struct caller {
    pthread_t thread;
    eg_ipc_client *client;
    eg_err result;
} caller;

static void *call_many(void *arg) {
    caller *c = arg;
    for (int i = 0; i < 50 && c->result == EG_OK; i++) {
        c->result = call(c->client, ECHO_TYPE, EG_LIT("x"), 5000, EG_LIT("x"), NULL);
    }
    return NULL;
}

static void many_threads_share_few_connections(void **state) {
    server s;
    start(&s, in_dir(state, "s"), getuid());
    caller callers[6];
    eg_ipc_client *c = eg_ipc_client_new(in_dir(state, "s"), 2);
    for (int i = 0; i < 6; i++) {
        callers[i] = (caller){.client = c, .result = EG_OK};
        pthread_create(&callers[i].thread, NULL, call_many, &callers[i]);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].result, EG_OK);
    }
    assert_int_equal(s.calls, 300);
    eg_ipc_client_free(c);
    stop(&s);
}

static void fields(void **state) {
    (void)state;
    eg_ipc_msg m;
    eg_ipc_msg_init(&m, 1);
    assert_int_equal(eg_ipc_put_u64(&m, 1234567890123), EG_OK);
    assert_int_equal(eg_ipc_put(&m, (eg_bytes){NULL, 0}), EG_OK);
    eg_ipc_reader r = eg_ipc_read(&m);
    uint64_t v = 0;
    eg_bytes b;
    assert_int_equal(eg_ipc_take_u64(&r, &v), EG_OK);
    assert_true(v == 1234567890123);
    assert_int_equal(eg_ipc_take_u64(&r, &v), EG_ERR_CORRUPT); /* of length 0 */
    assert_int_equal(eg_ipc_take(&r, &b), EG_OK);
    assert_int_equal(b.len, 0);
    assert_int_equal(eg_ipc_take(&r, &b), EG_ERR_CORRUPT);
    m.payload.ptr[3] = 9; /* a field longer than what is left */
    m.payload.len = 12;
    r = eg_ipc_read(&m);
    assert_int_equal(eg_ipc_take(&r, &b), EG_ERR_CORRUPT);
    eg_ipc_msg_done(&m);
}

static void descriptors_pass(void **state) {
    (void)state;
    int pair[2];
    int pipe_fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe(pipe_fds), 0);
    eg_ipc_msg m;
    eg_ipc_msg got;
    eg_ipc_msg_init(&m, 5);
    m.fd = pipe_fds[1];
    assert_int_equal(eg_ipc_send(pair[0], &m, 1000), EG_OK);
    assert_int_equal(eg_ipc_recv(pair[1], &got, 1000), EG_OK);
    assert_int_equal(got.type, 5);
    assert_true(got.fd >= 0 && got.fd != pipe_fds[1]);
    assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(got.fd, "x", 1), 1);
    eg_ipc_msg_done(&got);
    eg_ipc_msg_done(&m);
    char c;
    assert_int_equal(read(pipe_fds[0], &c, 1), 1);
    assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* both copies are closed */
    close(pipe_fds[0]);
    assert_int_equal(eg_ipc_recv(pair[1], &got, 20), EG_ERR_TIMEOUT);
    assert_int_equal(send(pair[0], "\0\0", 2, 0), 2);
    close(pair[0]);
    assert_int_equal(eg_ipc_recv(pair[1], &got, 1000), EG_ERR_CORRUPT); /* ended in mid-frame */
    close(pair[1]);
}

static void only_safe_directories(void **state) {
    int fd = -1;
    eg_problem p = {0};
    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(eg_ipc_listen(in_dir(state, "s"), &fd, &p), EG_ERR_INVALID);
    assert_int_equal(chmod(*state, 0700), 0);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = '\0';
    assert_int_equal(eg_ipc_listen(longer, &fd, &p), EG_ERR_INVALID);
    assert_int_equal(eg_ipc_connect(in_dir(state, "absent"), &fd, &p), EG_ERR_UNAVAILABLE);
    assert_int_equal(fd, -1);
}

#define SOCKET_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(the_table_decides), SOCKET_TEST(another_uid_is_closed_unheard), SOCKET_TEST(oversize_frames_end_the_connection),
        SOCKET_TEST(reconnects_after_a_restart), SOCKET_TEST(calls_end_at_their_deadline), SOCKET_TEST(many_threads_share_few_connections),
        cmocka_unit_test(fields), cmocka_unit_test(descriptors_pass), SOCKET_TEST(only_safe_directories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

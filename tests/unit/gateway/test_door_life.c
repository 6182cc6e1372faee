/* Who is let in, time-outs, bounds, and how the door stops. A real door on a free port of 127.0.0.1, driven over TLS. covers: door.c worker.c */
#include "door_fixture.h"

#include <embergate/clock.h>
#include <embergate/metrics.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void test_denied_before_handshake(void **state) {
    (void)state;
    int64_t denied = eg_metric_get(EG_METRIC_CONNECTIONS_DENIED);
    atomic_store(&f.deny, true);
    int fd = client_tcp(f.port);
    assert_true(fd >= 0);
    char b;
    assert_int_equal(recv(fd, &b, 1, 0), 0); /* the end, and not one byte of TLS */
    (void)close(fd);
    assert_int_equal(eg_metric_get(EG_METRIC_CONNECTIONS_DENIED), denied + 1);
}

static void test_time_outs(void **state) {
    (void)state;
    answer a;
    char b;
    int fd = client_tcp(f.port); /* no handshake */
    assert_int_equal(recv(fd, &b, 1, 0), 0);
    (void)close(fd);
    client *c = enter(); /* idle: closed without a word */
    assert_true(client_at_end(c));
    client_close(c);
    c = enter(); /* half a head */
    assert_true(client_sends(c, "GET /x HTTP/1.1\r\nHo"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 408);
    assert_int_equal(atomic_load(&f.last_refusal), EG_ERR_HTTP_TIMEOUT);
    client_close(c);
    c = enter(); /* half a body */
    assert_true(client_sends(c, "PUT /x" AT_HEAD "Content-Length: 100\r\n\r\nabc"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 408);
    client_close(c);
    assert_true(becomes(&f.gone_lost, 1));
    c = enter(); /* doesn't take its answer */
    assert_true(client_sends(c, "GET /source?n=50000000" AT_HEAD "\r\n"));
    assert_true(becomes(&f.gone_lost, 2));
    client_close(c);
}

static void test_slow_head_is_not_kept_alive_by_drips(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    bool open = true;
    for (int i = 0; open && i < 20; i++) {
        open = client_sends(c, i == 0 ? "GET /x HTTP/1.1\r\nX: " : "y");
        wait_ms(50);
    }
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 408);
    client_close(c);
}

static void test_connections_of_an_address(void **state) {
    (void)state;
    client *c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = enter();
    }
    int fd = client_tcp(f.port);
    char b;
    assert_int_equal(recv(fd, &b, 1, 0), 0);
    (void)close(fd);
    assert_int_equal(atomic_load(&f.last_refusal), EG_ERR_TOO_MANY_REQUESTS);
    for (int i = 0; i < 4; i++) {
        client_close(c[i]);
    }
}

/* Answers of unknown length are bounded in number; who is over it is told so, and others are not held up. */
static void test_lanes(void **state) {
    (void)state;
    enum { CLIENTS = 12, WORKERS = 2 };
    client *c[CLIENTS];
    answer a;
    int streams = 0;
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = enter();
        assert_true(client_sends(c[i], "GET /stream?n=50000000" AT_HEAD "\r\n"));
        assert_true(client_read(c[i], true, &a));
        assert_true(a.status == 200 || a.status == 503);
        streams += a.status == 200;
    }
    assert_true(streams >= 1 && streams <= 2 * WORKERS);
    client *other = enter();
    assert_true(client_sends(other, "GET /source?n=10" AT_HEAD "\r\n"));
    expect(other, 200, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        client_close(c[i]);
    }
    assert_true(becomes(&f.gone_lost, CLIENTS)); /* also those that were refused: their answer was another */
    for (int i = 0; i < 3 * WORKERS; i++) { /* each gives its lane back */
        assert_true(client_sends(other, "GET /stream?n=1000" AT_HEAD "\r\n"));
        assert_true(client_read(other, false, &a));
        assert_int_equal(a.status, 200);
        assert_true(a.whole);
    }
    client_close(other);
}

/* Whichever worker wakes for a connection, each serves as many as the others. */
static void test_workers_share_connections(void **state) {
    (void)state;
    enum { CLIENTS = 8 };
    client *c[CLIENTS];
    answer a[CLIENTS];
    unsigned as_first = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        c[i] = enter();
        assert_true(client_sends(c[i], "GET /thread" AT_HEAD "\r\n"));
        assert_true(client_read(c[i], false, &a[i]));
        assert_int_equal(a[i].status, 200);
        as_first += strcmp(a[i].body, a[0].body) == 0;
    }
    assert_int_equal(as_first, CLIENTS / 2);
    for (size_t i = 0; i < CLIENTS; i++) {
        client_close(c[i]);
    }
}

static void test_graceful_stop(void **state) {
    (void)state;
    client *idle = enter();
    client *busy = enter();
    assert_true(client_sends(idle, "GET /x" AT_HEAD "\r\n"));
    expect(idle, 200, NULL);
    assert_true(client_sends(busy, "GET /late" AT_HEAD "\r\n"));
    assert_true(becomes(&f.ended, 2));
    assert_int_equal(eg_door_stop(f.door, 5), EG_OK);
    f.door = NULL;
    answer a;
    assert_true(client_read(busy, false, &a));
    assert_string_equal(a.body, "late");
    assert_true(a.close);
    assert_true(client_at_end(busy));
    assert_true(client_at_end(idle));
    client_close(idle);
    client_close(busy);
    assert_int_equal(atomic_load(&f.gone_sent), 2);
}

static void test_idle_peers_hold_no_stop(void **state) {
    (void)state;
    client *idle = enter(); /* keeps its end open, as the connection pools of clients do */
    assert_true(client_sends(idle, "GET /x" AT_HEAD "\r\n"));
    expect(idle, 200, NULL);
    assert_true(becomes(&f.ended, 1));
    int64_t before = eg_mono_ns(&eg_clock_system);
    assert_int_equal(eg_door_stop(f.door, 10), EG_OK);
    f.door = NULL;
    assert_true(eg_mono_ns(&eg_clock_system) - before < 9000000000); /* held, it would take the ten */
    assert_true(client_at_end(idle));
    client_close(idle);
}

static void test_hard_stop(void **state) {
    (void)state;
    client *c = enter(); /* will never finish */
    assert_true(client_sends(c, "PUT /x" AT_HEAD "Content-Length: 100\r\n\r\nabc"));
    assert_true(becomes(&f.heads, 1));
    int64_t before = eg_mono_ns(&eg_clock_system);
    assert_int_equal(eg_door_stop(f.door, 1), EG_OK);
    f.door = NULL;
    assert_true(eg_mono_ns(&eg_clock_system) - before < 5000000000);
    assert_int_equal(atomic_load(&f.gone_lost), 1);
    client_close(c);
}

static void test_bad_options(void **state) {
    (void)state;
    eg_door *d = NULL;
    assert_int_equal(start_door(&usual, "1.1", &d), EG_ERR_CONFIG);
    eg_door_limits l = usual;
    l.idle_ms = 0;
    assert_int_equal(start_door(&l, NULL, &d), EG_ERR_CONFIG);
    l = usual;
    l.head_bytes = 1 << 20;
    assert_int_equal(start_door(&l, NULL, &d), EG_ERR_CONFIG);
    l = usual;
    l.connections = 1000000000;
    assert_int_equal(start_door(&l, NULL, &d), EG_ERR_CONFIG);
    assert_null(d);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define HASTY(name) cmocka_unit_test_setup_teardown(name, set_up_hasty, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_denied_before_handshake),
        HASTY(test_time_outs),
        HASTY(test_slow_head_is_not_kept_alive_by_drips),
        HASTY(test_connections_of_an_address),
        T(test_workers_share_connections),
        cmocka_unit_test_setup_teardown(test_lanes, set_up_narrow, tear_down),
        T(test_graceful_stop),
        T(test_idle_peers_hold_no_stop),
        T(test_hard_stop),
        T(test_bad_options),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

/* Bodies through the door, both ways: uploads, unwanted ones, sources that fail, peers that leave. A real door on a free port of 127.0.0.1, driven over TLS. covers: conn_input.c http1_mhd.c */
#include "door_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void test_refused_chunk(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "PUT /x" AT_HEAD "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\nGET /smuggled" AT_HEAD "\r\n"));
    expect(c, 400, NULL);
    assert_true(client_at_end(c));
    client_close(c);
    assert_true(becomes(&f.gone_lost, 1));
    assert_int_equal(atomic_load(&f.ended), 0);
}

static void test_continue(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    assert_true(client_sends(c, "PUT /proceed-late" AT_HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 100);
    assert_true(client_sends(c, "hello"));
    expect(c, 200, "PUT /proceed-late  5 532");
    /* Refused at its head: no 100, and no telling whether a body comes. */
    assert_true(client_sends(c, "PUT /deny" AT_HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 403);
    assert_true(a.close);
    assert_true(client_at_end(c));
    client_close(c);
}

static void test_small_unwanted_body(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "PUT /deny" AT_HEAD "Content-Length: 10\r\n\r\nhello"));
    expect(c, 403, "no");
    assert_true(client_sends(c, "thereGET /x" AT_HEAD "\r\n"));
    expect(c, 200, "GET /x  0 0");
    client_close(c);
}

/* Sends n bytes of 'y'; true when all went. */
static bool send_many(client *c, size_t n, bool chunked) {
    static char block[65536];
    memset(block, 'y', sizeof block);
    while (n > 0) {
        size_t once = n < sizeof block ? n : sizeof block;
        char size[32];
        (void)snprintf(size, sizeof size, "%zx\r\n", once);
        if ((chunked && !client_sends(c, size)) || !client_send(c, block, once) || (chunked && !client_sends(c, "\r\n"))) {
            return false;
        }
        n -= once;
    }
    return !chunked || client_sends(c, "0\r\n\r\n");
}

static void test_refused_in_upload(void **state) {
    (void)state;
    client *c = enter();
    /* The client writes all before it reads, as many do: it must hear the answer nevertheless. */
    assert_true(client_sends(c, "PUT /refuse" AT_HEAD "Content-Length: 8000000\r\n\r\n"));
    assert_true(send_many(c, 8000000, false));
    answer a;
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 409);
    assert_true(a.close);
    assert_string_equal(a.body, "enough");
    assert_true(client_at_end(c));
    client_close(c);
    assert_int_equal(atomic_load(&f.ended), 0);
}

static void test_unbounded_unwanted_body(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "PUT /refuse" AT_HEAD "Content-Length: 8000000000\r\n\r\n"));
    assert_false(send_many(c, 200000000, false)); /* cut, not swallowed */
    client_close(c);
}

static void test_uploads(void **state) {
    (void)state;
    static const char *const paths[] = {"/fast", "/slow", "/pause"};
    static const size_t sizes[] = {30000000, 10000000, 5000000};
    for (int i = 0; i < 6; i++) {
        char head[256];
        char want[128];
        size_t n = sizes[i / 2];
        client *c = enter();
        if (i % 2) {
            (void)snprintf(head, sizeof head, "PUT %s" AT_HEAD "Transfer-Encoding: chunked\r\n\r\n", paths[i / 2]);
        } else {
            (void)snprintf(head, sizeof head, "PUT %s" AT_HEAD "Content-Length: %zu\r\n\r\n", paths[i / 2], n);
        }
        (void)snprintf(want, sizeof want, "PUT %s  %zu %zu", paths[i / 2], n, n * 'y');
        assert_true(client_sends(c, head));
        assert_true(send_many(c, n, i % 2));
        expect(c, 200, want);
        client_close(c);
    }
}

static void test_sources(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    static const int64_t sizes[] = {0, 1, 131072, 131073, 300000, 50000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int known = 0; known < 2; known++) {
            char head[128];
            (void)snprintf(head, sizeof head, "GET /%s?n=%lld" AT_HEAD "\r\n", known ? "source" : "stream", (long long)sizes[i]);
            assert_true(client_sends(c, head));
            assert_true(client_read(c, false, &a));
            assert_int_equal(a.status, 200);
            assert_true(a.whole);
            assert_int_equal(a.chunked, !known);
            assert_true(a.body_len == (size_t)sizes[i] && a.sum == (uint64_t)sizes[i] * 'x');
        }
    }
    client_close(c);
    assert_true(becomes(&f.gone_sent, 12));
}

static void test_broken_source(void **state) {
    (void)state;
    answer a;
    client *c = enter();
    assert_true(client_sends(c, "GET /broken?n=1000000" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 200);
    assert_false(a.whole); /* cut, so that nobody takes it for whole */
    client_close(c);
    assert_true(becomes(&f.gone_lost, 1));
    c = enter();
    assert_true(client_sends(c, "GET /broken-at-once?n=1000000" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 500);
    assert_non_null(strstr(a.body, "DataCorrupted"));
    client_close(c);
    assert_true(becomes(&f.gone_lost, 2));
}

static void test_from_other_threads(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "GET /late" AT_HEAD "\r\nGET /worker" AT_HEAD "\r\n"));
    expect(c, 200, "late");
    expect(c, 200, "from the worker");
    client_close(c);
}

static void test_peer_goes_away(void **state) {
    (void)state;
    client *c = enter(); /* an answer is owed: gone() waits for it */
    assert_true(client_sends(c, "GET /late" AT_HEAD "\r\n"));
    assert_true(becomes(&f.ended, 1));
    struct linger hard = {1, 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    client_close(c);
    wait_ms(20);
    assert_int_equal(atomic_load(&f.gone_lost) + atomic_load(&f.gone_sent), 0);
    assert_true(becomes(&f.gone_lost, 1));
    c = enter(); /* in the middle of its upload */
    assert_true(client_sends(c, "PUT /x" AT_HEAD "Content-Length: 100\r\n\r\nabc"));
    assert_true(becomes(&f.heads, 2)); /* a reset can overtake the request itself */
    client_close(c);
    assert_true(becomes(&f.gone_lost, 2));
    c = enter(); /* in the middle of a download */
    assert_true(client_sends(c, "GET /source?n=50000000" AT_HEAD "\r\n"));
    assert_true(client_more(c) > 0);
    client_close(c);
    assert_true(becomes(&f.gone_lost, 3));
}

/* Who is no longer welcome is cut in the middle: of a counted answer, of one in chunks, of an upload; and the answer that is owed goes nowhere. */
static void test_sweep(void **state) {
    (void)state;
    static const char *const requests[] = {"GET /source?n=300000000" AT_HEAD "\r\n", "GET /stream?n=300000000" AT_HEAD "\r\n",
                                           "PUT /x" AT_HEAD "Content-Length: 100\r\n\r\nabc", "GET /late" AT_HEAD "\r\n"};
    enum { N = sizeof requests / sizeof requests[0] };
    client *cut[N];
    client *stays = enter();
    client *idle = enter();
    assert_true(client_sends(stays, "PUT /x?welcome" AT_HEAD "Content-Length: 6\r\n\r\nabc"));
    for (int i = 0; i < N; i++) {
        cut[i] = enter();
        assert_true(client_sends(cut[i], requests[i]));
    }
    assert_true(becomes(&f.heads, N + 1));
    assert_true(client_more(cut[0]) > 0 && client_more(cut[1]) > 0);
    eg_door_sweep(f.door); /* nobody is unwelcome yet */
    wait_ms(20);
    assert_int_equal(atomic_load(&f.gone_lost), 0);
    atomic_store(&f.unwelcome, true);
    eg_door_sweep(f.door);
    eg_door_sweep(f.door);
    assert_true(becomes(&f.gone_lost, N));
    for (int i = 0; i < N; i++) {
        answer a = {0};
        bool head = client_read(cut[i], false, &a);
        assert_true(!head || !a.whole); /* no answer, or one that nobody takes for whole */
        client_close(cut[i]);
    }
    assert_true(client_sends(stays, "def"));
    expect(stays, 200, NULL);
    assert_true(client_sends(idle, "GET /x?welcome" AT_HEAD "\r\n"));
    expect(idle, 200, NULL);
    client_close(stays);
    client_close(idle);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_refused_chunk),
        T(test_continue),
        T(test_small_unwanted_body),
        T(test_refused_in_upload),
        T(test_unbounded_unwanted_body),
        T(test_uploads),
        T(test_sources),
        T(test_broken_source),
        T(test_from_other_threads),
        T(test_peer_goes_away),
        T(test_sweep),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

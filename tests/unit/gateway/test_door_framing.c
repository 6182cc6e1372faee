/* How the door reads heads and writes answers: kept connections, what is refused, what an answer may say. A real door on a free port of 127.0.0.1, driven over TLS. covers: conn.c conn_output.c */
#include "door_fixture.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void test_keep_alive(void **state) {
    (void)state;
    client *c = enter();
    for (int i = 0; i < 200; i++) {
        assert_true(client_sends(c, "GET /a%2Fb?q=1" AT_HEAD "Authorization: Bearer t\r\n\r\n"));
        answer a;
        assert_true(client_read(c, false, &a));
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "GET /a%2Fb?q=1 Bearer t 0 0");
        assert_non_null(strstr(a.head, "Date: "));
        assert_non_null(strstr(a.head, "Content-Type: text/plain\n"));
        assert_null(strstr(a.head, "Server"));
        assert_int_equal(a.length, (long long)strlen(a.body));
        assert_false(a.close);
    }
    client_close(c);
    assert_true(becomes(&f.gone_sent, 200));
}

static void test_close_on_request(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "GET /x" AT_HEAD "Connection: close\r\n\r\n"));
    answer a;
    assert_true(client_read(c, false, &a));
    assert_true(a.close);
    assert_true(client_at_end(c));
    client_close(c);
}

static void test_head(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    assert_true(client_sends(c, "HEAD /length" AT_HEAD "\r\nHEAD /source?n=777" AT_HEAD "\r\nHEAD /x" AT_HEAD "\r\n"));
    assert_true(client_read(c, true, &a));
    assert_int_equal(a.status, 200);
    assert_true(a.length == 5000000000);
    assert_true(client_read(c, true, &a));
    assert_true(a.length == 777);
    assert_true(client_read(c, true, &a));
    assert_int_equal(a.length, strlen("HEAD /x  0 0"));
    assert_true(client_sends(c, "GET /empty" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 204);
    assert_int_equal(a.length, -1);
    assert_true(client_sends(c, "GET /x" AT_HEAD "\r\n"));
    expect(c, 200, "GET /x  0 0");
    client_close(c);
}

static void test_answers_without_a_body(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    assert_true(client_sends(c, "GET /not-modified" AT_HEAD "\r\nHEAD /stream?n=5" AT_HEAD "\r\nGET /x" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 304);
    assert_int_equal(a.length, -1); /* RFC 9110 section 8.6: 0 would be a lie */
    assert_non_null(strstr(a.head, "ETag: \"1\"\n"));
    assert_true(client_read(c, true, &a));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, -1);
    expect(c, 200, "GET /x  0 0");
    client_close(c);
}

/* A peer that ends its sending side after the request still gets its answer. */
static void test_half_closed(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "GET /late" AT_HEAD "\r\n"));
    (void)SSL_shutdown(c->ssl);
    (void)shutdown(c->fd, SHUT_WR);
    expect(c, 200, "late");
    assert_true(client_at_end(c));
    client_close(c);
    assert_true(becomes(&f.gone_sent, 1));
}

static void test_plain_http(void **state) {
    (void)state;
    static const char request[] = "GET /x" AT_HEAD "\r\n";
    char answered[256] = {0};
    int fd = client_tcp(f.port);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    ssize_t n = recv(fd, answered, sizeof answered - 1, 0); /* at most a TLS alert */
    assert_true(n < 16 && strstr(answered, "HTTP") == NULL);
    (void)close(fd);
    assert_int_equal(atomic_load(&f.ended), 0);
}

/* Every byte in a TLS record of its own. */
static void test_byte_by_byte(void **state) {
    (void)state;
    static const char two[] = "PUT /1" AT_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\nGET /2" AT_HEAD "\r\n";
    client *c = enter();
    for (size_t i = 0; i < sizeof two - 1; i++) {
        assert_true(client_send(c, two + i, 1));
    }
    expect(c, 200, "PUT /1  3 294");
    expect(c, 200, "GET /2  0 0");
    client_close(c);
}

static void test_long_answer_headers(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    assert_true(client_sends(c, "GET /headers?n=3500" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 200);
    assert_true(strlen(a.head) > 3500);
    assert_true(client_sends(c, "GET /headers?n=17000" AT_HEAD "\r\n")); /* more than EG_DOOR_RESPONSE_HEAD_MAX */
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 500);
    client_close(c);
    c = enter();
    assert_true(client_sends(c, "GET /headers?n=12000" AT_HEAD "\r\n")); /* fits, and libmicrohttpd has room for it */
    for (size_t n = 0; n < 12000; n += (size_t)client_more(c), c->used = c->len) {
        assert_true(n == 0 || strncmp(c->buf, "HTTP/1.1 200", 12) == 0 || n > 12);
    }
    client_close(c);
    assert_true(becomes(&f.gone_sent, 2));
}

static void test_pipelined(void **state) {
    (void)state;
    client *c = enter();
    assert_true(client_sends(c, "PUT /1" AT_HEAD "Content-Length: 3\r\n\r\nabcGET /late" AT_HEAD "\r\nPUT /3" AT_HEAD
                                "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /4" AT_HEAD "\r\n"));
    expect(c, 200, "PUT /1  3 294");
    expect(c, 200, "late");
    expect(c, 200, "PUT /3  2 195");
    expect(c, 200, "GET /4  0 0");
    client_close(c);
}

static void test_refused_head(void **state) {
    (void)state;
    client *c = enter();
    /* What is behind a refused request is never read as another. */
    assert_true(client_sends(c, "POST /x" AT_HEAD "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabcGET /smuggled" AT_HEAD "\r\n"));
    answer a;
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 400);
    assert_true(a.close);
    assert_non_null(strstr(a.body, "\"code\":\"AmbiguousRequest\""));
    assert_non_null(strstr(a.head, "x-ms-request-id: "));
    assert_true(client_at_end(c));
    client_close(c);
    assert_int_equal(atomic_load(&f.refused), 1);
    assert_int_equal(atomic_load(&f.last_refusal), EG_ERR_HTTP_FRAMING);
    assert_int_equal(atomic_load(&f.ended), 0);
}

static void test_bad_answer_header(void **state) {
    (void)state;
    client *c = enter();
    answer a;
    assert_true(client_sends(c, "GET /bad-header" AT_HEAD "\r\n"));
    assert_true(client_read(c, false, &a));
    assert_int_equal(a.status, 500);
    assert_null(strstr(a.head, "Set-Cookie"));
    client_close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_keep_alive),
        T(test_close_on_request),
        T(test_head),
        T(test_answers_without_a_body),
        T(test_half_closed),
        T(test_plain_http),
        T(test_byte_by_byte),
        T(test_long_answer_headers),
        T(test_pipelined),
        T(test_refused_head),
        T(test_bad_answer_header),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

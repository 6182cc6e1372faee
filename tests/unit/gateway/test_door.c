/* The door as a client meets it: a real one on a free port of 127.0.0.1, driven over TLS. covers: conn.c conn_input.c conn_output.c http1_mhd.c tls_conn.c tls_context.c worker.c */
#include "door_fixture.h"

#include <embergate/clock.h>
#include <embergate/metrics.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
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

static bool handshake_works(int min, int max, const char *list, const char *alpn, unsigned alpn_len) {
    SSL_CTX *ctx = client_context();
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    if (list != NULL) {
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, list), 1);
    }
    if (alpn != NULL) {
        assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn, alpn_len), 0);
    }
    client *c = client_open(ctx, f.port, NULL);
    bool ok = c != NULL && client_sends(c, "GET /x" AT_HEAD "\r\n") && client_more(c) > 0;
    client_close(c);
    SSL_CTX_free(ctx);
    return ok;
}

static void test_tls_profile(void **state) {
    (void)state;
    assert_true(handshake_works(TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, 0));
    assert_true(handshake_works(TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, 0));
    assert_false(handshake_works(TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, 0));
    assert_false(handshake_works(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL, 0)); /* CBC */
    assert_true(handshake_works(TLS1_2_VERSION, TLS1_3_VERSION, NULL, "\x02h2\x08http/1.1", 12));
    assert_false(handshake_works(TLS1_2_VERSION, TLS1_3_VERSION, NULL, "\x02h2", 3));
}

static void test_sni(void **state) {
    (void)state;
    static const char *const names[] = {"first.example", "second.example", "other.example"};
    static const char *const served[] = {"first.example", "second.example", "first.example"};
    for (int i = 0; i < 3; i++) {
        client *c = client_open(f.client, f.port, names[i]);
        assert_non_null(c);
        X509 *cert = SSL_get1_peer_certificate(c->ssl);
        assert_int_equal(X509_check_host(cert, served[i], 0, 0, NULL), 1);
        X509_free(cert);
        client_close(c);
    }
}

static void test_resumption(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *ctx = client_context();
        SSL_CTX_set_max_proto_version(ctx, version);
        client *c = client_open(ctx, f.port, "second.example");
        assert_non_null(c);
        assert_true(client_sends(c, "GET /x" AT_HEAD "\r\n"));
        expect(c, 200, NULL);
        SSL_SESSION *s = SSL_get1_session(c->ssl);
        (void)SSL_shutdown(c->ssl); /* OpenSSL forgets a session that ended without it */
        client_close(c);
        int fd = client_tcp(f.port);
        SSL *again = SSL_new(ctx);
        SSL_set_fd(again, fd);
        char name[] = "second.example"; /* OpenSSL's macro casts const away */
        SSL_set_tlsext_host_name(again, name);
        assert_int_equal(SSL_set_session(again, s), 1);
        assert_int_equal(SSL_connect(again), 1);
        assert_int_equal(SSL_session_reused(again), 1);
        SSL_free(again);
        SSL_SESSION_free(s);
        (void)close(fd);
        SSL_CTX_free(ctx);
    }
}

/* Whether a new connection with this session resumes it. */
static bool resumes(SSL_CTX *ctx, SSL_SESSION *session) {
    int fd = client_tcp(f.port);
    SSL *s = SSL_new(ctx);
    SSL_set_fd(s, fd);
    assert_int_equal(SSL_set_session(s, session), 1);
    assert_int_equal(SSL_connect(s), 1);
    bool reused = SSL_session_reused(s) == 1;
    SSL_free(s);
    (void)close(fd);
    return reused;
}

static void ask_again(client *c) {
    assert_true(client_sends(c, "GET /x" AT_HEAD "\r\n"));
    expect(c, 200, NULL);
}

/* Asks once and keeps the session's ticket. */
static SSL_SESSION *ticket_of(SSL_CTX *ctx) {
    client *c = client_open(ctx, f.port, NULL);
    assert_non_null(c);
    ask_again(c);
    SSL_SESSION *s = SSL_get1_session(c->ssl);
    (void)SSL_shutdown(c->ssl); /* OpenSSL forgets a session that ended without it */
    client_close(c);
    return s;
}

static bool serves(const char *sni, const char *host) {
    client *c = client_open(f.client, f.port, sni);
    assert_non_null(c);
    ask_again(c);
    X509 *cert = SSL_get1_peer_certificate(c->ssl);
    bool fits = X509_check_host(cert, host, 0, 0, NULL) == 1;
    X509_free(cert);
    client_close(c);
    return fits;
}

static void test_ticket_keys_are_renewed(void **state) {
    (void)state;
    SSL_CTX *ctx = client_context();
    SSL_SESSION *old = ticket_of(ctx);
    client *open = enter();
    assert_true(resumes(ctx, old));
    assert_int_equal(eg_door_renew_tickets(f.door, NULL), EG_OK);
    assert_false(resumes(ctx, old));
    SSL_SESSION_free(old);
    old = ticket_of(ctx);
    assert_true(resumes(ctx, old));
    SSL_SESSION_free(old);
    assert_true(serves("first.example", "first.example") && serves("second.example", "second.example"));
    ask_again(open);
    client_close(open);
    SSL_CTX_free(ctx);
}

static void test_certificates_are_reloaded(void **state) {
    (void)state;
    eg_problem p = {0};
    SSL_CTX *ctx = client_context();
    client *open = enter();
    int half_way = client_tcp(f.port); /* accepted under the old set, shakes hands under the new one */
    wait_ms(100);
    SSL_SESSION *old = ticket_of(ctx);
    client_make_certificate(f.dir, "first", "renewed.example");
    assert_true(serves("first.example", "first.example")); /* until it is told to look */
    assert_int_equal(eg_door_reload_certificates(f.door, &p), EG_OK);
    assert_true(serves("first.example", "renewed.example") && serves("second.example", "second.example"));
    assert_false(resumes(ctx, old));
    int64_t left = eg_door_certificate_expires_s(f.door) - time(NULL);
    assert_true(left > 3500 && left <= 3600);
    ask_again(open);
    SSL *late = SSL_new(ctx);
    SSL_set_fd(late, half_way);
    assert_int_equal(SSL_connect(late), 1);
    X509 *cert = SSL_get1_peer_certificate(late);
    assert_int_equal(X509_check_host(cert, "first.example", 0, 0, NULL), 1);
    X509_free(cert);
    SSL_free(late);
    (void)close(half_way);
    client_close(open);
    SSL_SESSION_free(old);
    SSL_CTX_free(ctx);
    client_make_certificate(f.dir, "first", "first.example");
}

/* A key that is another certificate's, then a file that is none: what was in force stays. */
static void test_a_broken_pair_changes_nothing(void **state) {
    (void)state;
    char chain[128], kept[128];
    eg_problem p = {0};
    client_make_certificate(f.dir, "third", "third.example");
    (void)snprintf(chain, sizeof chain, "%s/first.crt", f.dir);
    (void)snprintf(kept, sizeof kept, "%s/third.crt", f.dir);
    assert_int_equal(rename(kept, chain), 0);
    assert_int_equal(eg_door_reload_certificates(f.door, &p), EG_ERR_CONFIG);
    assert_non_null(strstr(p.where, "first.key"));
    FILE *junk = fopen(chain, "w");
    assert_non_null(junk);
    assert_int_equal(fclose(junk), 0);
    assert_int_equal(eg_door_reload_certificates(f.door, &p), EG_ERR_CONFIG);
    assert_non_null(strstr(p.where, "first.crt"));
    assert_int_equal(eg_door_renew_tickets(f.door, &p), EG_OK); /* needs no files */
    assert_true(serves("first.example", "first.example"));
    (void)snprintf(kept, sizeof kept, "%s/third.key", f.dir);
    (void)unlink(kept);
    client_make_certificate(f.dir, "first", "first.example");
}

static void *connect_much(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        client *c = enter();
        ask_again(c);
        client_close(c);
    }
    return NULL;
}

static void test_reloads_under_load(void **state) {
    (void)state;
    pthread_t t[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, connect_much, NULL), 0);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(i % 2 ? eg_door_renew_tickets(f.door, NULL) : eg_door_reload_certificates(f.door, NULL), EG_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
}

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
    assert_true(eg_mono_ns(&eg_clock_system) - before < 3000000000);
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
        T(test_bad_answer_header),
        T(test_tls_profile),
        T(test_sni),
        T(test_resumption),
        T(test_ticket_keys_are_renewed),
        T(test_certificates_are_reloaded),
        T(test_a_broken_pair_changes_nothing),
        T(test_reloads_under_load),
        T(test_denied_before_handshake),
        HASTY(test_time_outs),
        HASTY(test_slow_head_is_not_kept_alive_by_drips),
        HASTY(test_connections_of_an_address),
        T(test_graceful_stop),
        T(test_idle_peers_hold_no_stop),
        T(test_hard_stop),
        T(test_bad_options),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

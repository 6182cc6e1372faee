/* The door's TLS: profile, names, resumption, new certificates while it serves. A real door on a free port of 127.0.0.1, driven over TLS. covers: tls_conn.c tls_context.c */
#include "door_fixture.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

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

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_tls_profile),
        T(test_sni),
        T(test_resumption),
        T(test_ticket_keys_are_renewed),
        T(test_certificates_are_reloaded),
        T(test_a_broken_pair_changes_nothing),
        T(test_reloads_under_load),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

/* Client certificates at a real door: asked for only where the listener says so, bounded, read alike in whole and resumed handshakes. covers: tls_client.c */
#include "door_fixture.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

#define HOUR 3600

/* What a client shows. usage: an extendedKeyUsage; NULL = none. comment_bytes: to make it large. */
typedef struct shown {
    EVP_PKEY *key;
    X509 *certificate;
} shown;

static X509 *make_certificate(EVP_PKEY *key, const char *usage, size_t comment_bytes) {
    X509 *x = X509_new();
    assert_non_null(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -HOUR);
    X509_gmtime_adj(X509_getm_notAfter(x), HOUR);
    X509_set_pubkey(x, key);
    X509_NAME *n = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)"client", -1, -1, 0);
    X509_set_issuer_name(x, n);
    if (usage != NULL) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    if (comment_bytes > 0) {
        char *text = malloc(comment_bytes + 1);
        memset(text, 'x', comment_bytes);
        text[comment_bytes] = '\0';
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, text);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
        free(text);
    }
    assert_true(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
    return x;
}

static shown make(EVP_PKEY *key, const char *usage, size_t comment_bytes) {
    assert_non_null(key);
    return (shown){key, make_certificate(key, usage, comment_bytes)};
}

static void done(shown *s) {
    X509_free(s->certificate);
    EVP_PKEY_free(s->key);
}

static SSL_CTX *context(const shown *s, int version, unsigned chain) {
    SSL_CTX *ctx = client_context();
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (s != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(ctx, s->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, s->key), 1);
    }
    for (unsigned i = 0; i < chain; i++) {
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, s->certificate), 1);
    }
    return ctx;
}

/* The answer to /certificate; false when the door ended the connection instead. In TLS 1.3 the client's side of a handshake that is refused may seem to work. */
static bool ask(SSL_CTX *ctx, const char *name, char ret[256]) {
    answer a;
    client *c = client_open(ctx, f.port, name);
    const bool ok = c != NULL && client_sends(c, "GET /certificate" AT_HEAD "\r\n") && client_read(c, false, &a) && a.status == 200;
    if (ok) {
        (void)snprintf(ret, 256, "%.255s", a.body);
    }
    client_close(c);
    return ok;
}

static void owed(const shown *s, char ret[256]) {
    uint8_t digest[2][EG_SHA256_LEN];
    char hex[2][65];
    uint8_t *der[2] = {NULL, NULL};
    const int n[2] = {i2d_PUBKEY(s->key, &der[0]), i2d_X509(s->certificate, &der[1])};
    for (int i = 0; i < 2; i++) {
        assert_true(n[i] > 0);
        eg_sha256((eg_bytes){der[i], (size_t)n[i]}, digest[i]);
        eg_hex((eg_bytes){digest[i], sizeof digest[i]}, hex[i]);
        OPENSSL_free(der[i]);
    }
    (void)snprintf(ret, 256, "there %s %s %d", hex[0], hex[1], 2 * HOUR);
}

static void asked_and_shown(void **state) {
    (void)state;
    enum { P521 = 2 };
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521"), EVP_RSA_gen(2048), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        shown s = make(keys[i], i % 2 ? "clientAuth" : NULL, 0);
        for (int version = i == P521 ? TLS1_3_VERSION : TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) { /* in 1.2 a key's curve must be one that keys are exchanged by */
            SSL_CTX *ctx = context(&s, version, version == TLS1_3_VERSION ? 3 : 0);
            char seen[256] = "", right[256];
            owed(&s, right);
            assert_true(ask(ctx, i % 2 ? "second.example" : "first.example", seen)); /* whichever certificate of ours */
            assert_string_equal(seen, right);
            SSL_CTX_free(ctx);
        }
        done(&s);
    }
}

static void asked_and_none_shown(void **state) {
    (void)state;
    char seen[256] = "";
    SSL_CTX *ctx = context(NULL, TLS1_3_VERSION, 0);
    assert_true(ask(ctx, "first.example", seen));
    assert_int_equal(strncmp(seen, "none ", 5), 0);
    SSL_CTX_free(ctx);
}

static void never_asked_elsewhere(void **state) {
    (void)state;
    shown s = make(EVP_EC_gen("P-256"), NULL, 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *ctx = context(&s, version, 0);
        char seen[256] = "";
        assert_true(ask(ctx, "first.example", seen));
        assert_int_equal(strncmp(seen, "none ", 5), 0);
        SSL_CTX_free(ctx);
    }
    done(&s);
}

/* Of five primes: it would take a minute to find two. */
static EVP_PKEY *long_key(void) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    assert_true(c != NULL && EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(c, 8200) == 1 && EVP_PKEY_CTX_set_rsa_keygen_primes(c, 5) == 1);
    assert_int_equal(EVP_PKEY_generate(c, &key), 1);
    EVP_PKEY_CTX_free(c);
    return key;
}

static void refused_in_the_handshake(void **state) {
    (void)state;
    const struct {
        const char *what;
        EVP_PKEY *key;
        const char *usage;
        size_t comment_bytes;
        unsigned chain;
    } rows[] = {
        {"weak RSA", EVP_RSA_gen(1024), NULL, 0, 0},
        {"a key that is longer than any that is registered", long_key(), NULL, 0, 0},
        {"a curve that nobody registers", EVP_EC_gen("secp256k1"), NULL, 0, 0},
        {"a server's certificate", EVP_EC_gen("P-256"), "serverAuth", 0, 0},
        {"a large certificate", EVP_EC_gen("P-256"), NULL, 20000, 0},
        {"a long chain", EVP_EC_gen("P-256"), NULL, 0, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        shown s = make(rows[i].key, rows[i].usage, rows[i].comment_bytes);
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            SSL_CTX *ctx = context(&s, version, rows[i].chain);
            char seen[256] = "";
            if (ask(ctx, "first.example", seen) && strncmp(seen, "none ", 5) != 0) { /* OpenSSL shows none when it knows that it can't sign with it */
                fail_msg("%s: %s", rows[i].what, seen);
            }
            SSL_CTX_free(ctx);
        }
        done(&s);
    }
    char seen[256] = ""; /* and the door goes on */
    SSL_CTX *ctx = context(NULL, TLS1_3_VERSION, 0);
    assert_true(ask(ctx, "first.example", seen));
    SSL_CTX_free(ctx);
}

/* Opens with a session; *ret_session, unless NULL, gets the connection's own. */
static bool ask_with(SSL_CTX *ctx, SSL_SESSION *session, SSL_SESSION **ret_session, bool *ret_reused, char ret[256]) {
    answer a;
    client *c = calloc(1, sizeof *c);
    c->fd = client_tcp(f.port);
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (session != NULL) {
        assert_int_equal(SSL_set_session(c->ssl, session), 1);
    }
    const bool ok = SSL_connect(c->ssl) == 1 && client_sends(c, "GET /certificate" AT_HEAD "\r\n") && client_read(c, false, &a) && a.status == 200;
    if (ok) {
        (void)snprintf(ret, 256, "%.255s", a.body);
        *ret_reused = SSL_session_reused(c->ssl) == 1;
    }
    if (ret_session != NULL) {
        *ret_session = SSL_get1_session(c->ssl);
        (void)SSL_shutdown(c->ssl);
    }
    client_close(c);
    return ok;
}

static void resumed_sessions_show_the_same(void **state) {
    (void)state;
    shown s = make(EVP_EC_gen("P-256"), NULL, 8000);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *ctx = context(&s, version, 0);
        SSL_SESSION *session = NULL;
        char seen[256] = "", right[256];
        bool reused = true;
        owed(&s, right);
        assert_true(ask_with(ctx, NULL, &session, &reused, seen));
        assert_false(reused);
        assert_string_equal(seen, right);
        assert_true(ask_with(ctx, session, NULL, &reused, seen));
        assert_true(reused);
        assert_string_equal(seen, right);
        SSL_SESSION_free(session);
        SSL_CTX_free(ctx);
    }
    done(&s);
}

/* The other listener's tickets, under the same keys, are none here: its handshake was never asked for a certificate. */
static void sessions_stay_where_they_began(void **state) {
    (void)state;
    shown s = make(EVP_EC_gen("P-256"), NULL, 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *ctx = context(&s, version, 0);
        SSL_SESSION *session = NULL;
        char seen[256] = "", right[256];
        bool reused = true;
        owed(&s, right);
        const unsigned asking = f.port;
        f.port = f.quiet_port;
        assert_true(ask_with(ctx, NULL, &session, &reused, seen));
        assert_int_equal(strncmp(seen, "none ", 5), 0);
        f.port = asking;
        assert_true(ask_with(ctx, session, NULL, &reused, seen));
        assert_false(reused);
        assert_string_equal(seen, right);
        SSL_SESSION_free(session);
        SSL_CTX_free(ctx);
    }
    done(&s);
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* for the client's side, whom the door leaves */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asked_and_shown, set_up_asking, tear_down),
        cmocka_unit_test_setup_teardown(asked_and_none_shown, set_up_asking, tear_down),
        cmocka_unit_test_setup_teardown(never_asked_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_in_the_handshake, set_up_asking, tear_down),
        cmocka_unit_test_setup_teardown(resumed_sessions_show_the_same, set_up_asking, tear_down),
        cmocka_unit_test_setup_teardown(sessions_stay_where_they_began, set_up_asking, tear_down),
    };
    return cmocka_run_group_tests(tests, make_group, end_group);
}

/* The private CA: what it signs is accepted for the names asked for, and a name can't smuggle another in. */
#include "process/certificate_authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static X509 *read_certificate(const eg_buf *pem) {
    BIO *b = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509 *c = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    assert_non_null(c);
    return c;
}

typedef struct made {
    eg_buf ca_key, ca, key, certificate;
} made;

static void make(made *m, const char *const *names, eg_err expected) {
    eg_problem p = {0};
    eg_buf_init(&m->ca_key, 65536);
    eg_buf_init(&m->ca, 65536);
    eg_buf_init(&m->key, 65536);
    eg_buf_init(&m->certificate, 65536);
    assert_int_equal(eg_ca_new("test CA", &m->ca_key, &m->ca, &p), EG_OK);
    eg_ca_request rq = {.common_name = "test", .names = names, .days = 30};
    assert_int_equal(eg_ca_issue(eg_buf_str(&m->ca_key), eg_buf_str(&m->ca), &rq, &m->key, &m->certificate, &p), expected);
}

static void made_done(made *m) {
    eg_buf_done(&m->ca_key);
    eg_buf_done(&m->ca);
    eg_buf_done(&m->key);
    eg_buf_done(&m->certificate);
}

static void test_chain_and_names(void **state) {
    (void)state;
    made m;
    const char *const names[] = {"gate.example", "*.dfs.gate.example", "127.0.0.1", "::1", NULL};
    make(&m, names, EG_OK);
    X509 *ca = read_certificate(&m.ca), *c = read_certificate(&m.certificate);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, c, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER), 1);
    assert_int_equal(X509_verify_cert(ctx), 1);
    assert_int_equal(X509_check_host(c, "gate.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(c, "lake.dfs.gate.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(c, "evil.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(c, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(c, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(c, "127.0.0.2", 0), 0);
    assert_int_equal(X509_check_ca(c), 0);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(c);
    X509_free(ca);
    made_done(&m);
}

static void test_name_with_a_comma_is_refused(void **state) {
    (void)state;
    made m;
    const char *const names[] = {"a.example,DNS:bank.example", NULL};
    make(&m, names, EG_ERR_INVALID);
    assert_int_equal(m.certificate.len, 0);
    made_done(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_and_names),
        cmocka_unit_test(test_name_with_a_comma_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

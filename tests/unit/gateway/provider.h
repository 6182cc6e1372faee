/* An identity provider's discovery and keys over TLS, in a thread, to be fetched from. */
#ifndef EG_TEST_PROVIDER_H
#define EG_TEST_PROVIDER_H

#include "token_maker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* What else it answers: the first row whose prefix the request begins with. */
typedef struct provider_row {
    const char *prefix;     /* "POST /token"; NULL = no row */
    const char *status;     /* NULL = "200 OK" */
    char *body;             /* malloced */
    unsigned asked;
    char last[4096];        /* the last request */
} provider_row;

typedef struct provider {
    char issuer[128];
    char discovery_url[192];
    char ca_file[160];
    int fd;
    SSL_CTX *ctx;
    pthread_t thread;
    pthread_mutex_t lock;   /* guards what follows */
    char *discovery;        /* the documents, malloced */
    char *jwks;
    const char *status;     /* "200 OK" */
    const char *extra;      /* a header line or "" */
    provider_row rows[4];
    unsigned discoveries;
    unsigned key_fetches;
    int stop;
} provider;

static inline X509 *provider_certificate(EVP_PKEY *key) {
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"provider", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509V3_CTX v3;
    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_subject_alt_name, "IP:127.0.0.1"}};
    for (size_t i = 0; i < 2; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, extensions[i].nid, extensions[i].value);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static inline void provider_answer(provider *p, SSL *ssl, const char *request) {
    pthread_mutex_lock(&p->lock);
    bool keys = strstr(request, "GET /keys") == request;
    provider_row *row = NULL;
    for (size_t i = 0; i < 4 && !row; i++) {
        row = p->rows[i].prefix && strstr(request, p->rows[i].prefix) == request ? &p->rows[i] : NULL;
    }
    p->discoveries += !keys && !row;
    p->key_fetches += keys;
    const char *body = keys ? p->jwks : p->discovery, *status = p->status;
    if (row) {
        row->asked++;
        snprintf(row->last, sizeof row->last, "%s", request);
        body = row->body;
        status = row->status ? row->status : "200 OK";
    }
    char head[512];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status, p->extra,
                     strlen(body));
    SSL_write(ssl, head, n);
    size_t left = strlen(body);
    while (left > 0) {
        int wrote = SSL_write(ssl, body, left > 16384 ? 16384 : (int)left);
        if (wrote <= 0) {
            break;
        }
        body += wrote;
        left -= (size_t)wrote;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Head and body; false when it doesn't come whole. */
static inline bool provider_read(SSL *ssl, char *to, size_t size) {
    size_t n = 0;
    while (n < size - 1) {
        const int got = SSL_read(ssl, to + n, (int)(size - 1 - n));
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        to[n] = '\0';
        const char *end = strstr(to, "\r\n\r\n"), *length = strcasestr(to, "\r\nContent-Length: ");
        if (end && (!length || length > end || n >= (size_t)(end + 4 - to) + strtoul(length + 18, NULL, 10))) {
            return true;
        }
    }
    return false;
}

static inline void *provider_serve(void *arg) {
    provider *p = arg;
    while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
        if (poll(&pfd, 1, 50) != 1) {
            continue;
        }
        int fd = accept(p->fd, NULL, NULL);
        struct timeval limit = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        SSL *ssl = SSL_new(p->ctx);
        SSL_set_fd(ssl, fd);
        char request[4096] = "";
        if (SSL_accept(ssl) == 1 && provider_read(ssl, request, sizeof request)) {
            provider_answer(p, ssl, request);
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

static inline void provider_set(provider *p, char **which, const char *text) {
    pthread_mutex_lock(&p->lock);
    free(*which);
    *which = strdup(text);
    pthread_mutex_unlock(&p->lock);
}

/* {"keys":[…]} of these keys, named by kid. */
static inline void provider_keys(provider *p, EVP_PKEY *key, const char *kid) {
    eg_buf json;
    eg_buf_init(&json, 8192);
    maker_set(maker_jwk(maker_named("ES256"), key, kid), &json);
    provider_set(p, &p->jwks, json.ptr);
    eg_buf_done(&json);
}

static inline void provider_start(provider *p, const char *dir) {
    *p = (provider){.status = "200 OK", .extra = ""};
    pthread_mutex_init(&p->lock, NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = provider_certificate(key);
    p->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(p->ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, key), 1);
    snprintf(p->ca_file, sizeof p->ca_file, "%s/provider.pem", dir);
    FILE *f = fopen(p->ca_file, "w");
    assert_non_null(f);
    PEM_write_X509(f, cert);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(p->fd, 16), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &n), 0);
    unsigned port = ntohs(a.sin_port);
    char document[512];
    snprintf(p->issuer, sizeof p->issuer, "https://127.0.0.1:%u/realm", port);
    snprintf(p->discovery_url, sizeof p->discovery_url, "%s/.well-known/openid-configuration", p->issuer);
    snprintf(document, sizeof document, "{\"issuer\":\"%s\",\"jwks_uri\":\"https://127.0.0.1:%u/keys\"}", p->issuer, port);
    provider_set(p, &p->discovery, document);
    provider_set(p, &p->jwks, "{\"keys\":[]}");
    assert_int_equal(pthread_create(&p->thread, NULL, provider_serve, p), 0);
}

static inline void provider_stop(provider *p) {
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELEASE);
    pthread_join(p->thread, NULL);
    close(p->fd);
    SSL_CTX_free(p->ctx);
    free(p->discovery);
    free(p->jwks);
    for (size_t i = 0; i < 4; i++) {
        free(p->rows[i].body);
    }
    pthread_mutex_destroy(&p->lock);
}

#endif

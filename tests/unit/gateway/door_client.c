/* A small HTTPS client over OpenSSL and a certificate made on the spot, for the tests of the door. */
#include "door_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static void write_pem(const char *dir, const char *name, const char *what, X509 *cert, EVP_PKEY *key) {
    char path[512];
    assert_true(snprintf(path, sizeof path, "%s/%s.%s", dir, name, what) < (int)sizeof path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    int ok = cert != NULL ? PEM_write_X509(f, cert) : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    assert_int_equal(ok, 1);
    assert_int_equal(fclose(f), 0);
}

void client_make_certificate(const char *dir, const char *name, const char *host) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_true(key != NULL && cert != NULL);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *n = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
    X509_set_issuer_name(cert, n);
    char names[256];
    assert_true(snprintf(names, sizeof names, "DNS:%s,IP:127.0.0.1", host) < (int)sizeof names);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(e);
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    write_pem(dir, name, "crt", cert, NULL);
    write_pem(dir, name, "key", NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

SSL_CTX *client_context(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    SSL_CTX_set_security_level(ctx, 0); /* so that old versions are offered: the door has to refuse them */
    return ctx;
}

int client_tcp(unsigned port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 20};
    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

client *client_open(SSL_CTX *ctx, unsigned port, const char *sni) {
    int fd = client_tcp(port);
    if (fd < 0) {
        return NULL;
    }
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = fd;
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, fd);
    if (sni != NULL) {
        char name[256]; /* OpenSSL's macro casts const away */
        (void)snprintf(name, sizeof name, "%s", sni);
        SSL_set_tlsext_host_name(c->ssl, name);
    }
    if (SSL_connect(c->ssl) != 1) {
        client_close(c);
        return NULL;
    }
    return c;
}

void client_close(client *c) {
    if (c != NULL) {
        SSL_free(c->ssl);
        (void)close(c->fd);
        free(c);
    }
    ERR_clear_error();
}

bool client_send(client *c, const void *p, size_t n) {
    size_t done = 0;
    while (done < n) {
        size_t once = 0;
        if (SSL_write_ex(c->ssl, (const char *)p + done, n - done, &once) != 1) {
            ERR_clear_error();
            return false;
        }
        done += once;
    }
    return true;
}

bool client_sends(client *c, const char *z) {
    return client_send(c, z, strlen(z));
}

int client_more(client *c) {
    if (c->used > 0) {
        memmove(c->buf, c->buf + c->used, c->len - c->used);
        c->len -= c->used;
        c->used = 0;
    }
    int n = SSL_read(c->ssl, c->buf + c->len, (int)(sizeof c->buf - c->len));
    if (n <= 0) {
        bool end = SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN;
        ERR_clear_error();
        return end ? 0 : -1;
    }
    c->len += (size_t)n;
    return n;
}

bool client_at_end(client *c) {
    return c->used == c->len && client_more(c) <= 0;
}

static bool take(client *c, answer *a, size_t n) {
    while (n > 0) {
        if (c->used == c->len && client_more(c) <= 0) {
            return false;
        }
        size_t once = c->len - c->used < n ? c->len - c->used : n;
        for (size_t i = 0; i < once; i++) {
            char b = c->buf[c->used + i];
            a->sum += (uint8_t)b;
            if (a->body_len + i < sizeof a->body - 1) {
                a->body[a->body_len + i] = b;
            }
        }
        a->body_len += once;
        c->used += once;
        n -= once;
    }
    return true;
}

static bool take_line(client *c, char *line, size_t cap) {
    for (size_t n = 0; n + 1 < cap;) {
        if (c->used == c->len && client_more(c) <= 0) {
            return false;
        }
        char b = c->buf[c->used++];
        if (b == '\n') {
            line[n > 0 ? n - 1 : 0] = '\0';
            return true;
        }
        line[n++] = b;
    }
    return false;
}

static bool take_chunks(client *c, answer *a) {
    char line[64];
    for (;;) {
        if (!take_line(c, line, sizeof line)) {
            return false;
        }
        unsigned long long n = strtoull(line, NULL, 16);
        if (n > 0 && !take(c, a, (size_t)n)) {
            return false;
        }
        if (!take_line(c, line, sizeof line)) {
            return false;
        }
        if (n == 0) {
            return true;
        }
    }
}

bool client_read(client *c, bool head_only, answer *ret) {
    char line[4096];
    size_t at = 0;
    *ret = (answer){.length = -1};
    if (!take_line(c, line, sizeof line)) {
        return false;
    }
    assert_int_equal(strncmp(line, "HTTP/1.1 ", 9), 0);
    ret->status = (int)strtol(line + 9, NULL, 10);
    while (take_line(c, line, sizeof line) && line[0] != '\0') {
        at += (size_t)snprintf(ret->head + at, sizeof ret->head - at, "%s\n", line);
        if (strncasecmp(line, "Content-Length: ", 16) == 0) {
            ret->length = strtoll(line + 16, NULL, 10);
        }
        ret->chunked = ret->chunked || strcasecmp(line, "Transfer-Encoding: chunked") == 0;
        ret->close = ret->close || strcasecmp(line, "Connection: close") == 0;
    }
    if (head_only || ret->status == 100 || ret->status == 204 || ret->status == 304) {
        return true;
    }
    ret->whole = ret->chunked ? take_chunks(c, ret) : take(c, ret, ret->length > 0 ? (size_t)ret->length : 0);
    return true;
}

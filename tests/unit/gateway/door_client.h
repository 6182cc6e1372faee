/* A small HTTPS client over OpenSSL and a certificate made on the spot, for the tests of the door. */
#ifndef EMBERGATE_TESTS_DOOR_CLIENT_H
#define EMBERGATE_TESTS_DOOR_CLIENT_H

#include <embergate/bytes.h>

#include <openssl/ssl.h>

typedef struct client {
    int fd;
    SSL *ssl;
    char buf[65536];
    size_t len, used; /* what was read and not yet used */
} client;

typedef struct answer {
    int status;
    char head[8192];
    long long length;  /* Content-Length; -1 = none */
    bool chunked, close;
    size_t body_len;   /* bytes of body that came */
    char body[4096];   /* its beginning */
    uint64_t sum;      /* of its bytes */
    bool whole;
} answer;

/* Writes chain and key of a self-signed certificate for `host` (and 127.0.0.1) into dir. */
void client_make_certificate(const char *dir, const char *name, const char *host);
SSL_CTX *client_context(void);
/* TCP only; -1 when refused. */
int client_tcp(unsigned port);
/* With TLS; NULL when the handshake failed. */
client *client_open(SSL_CTX *ctx, unsigned port, const char *sni);
void client_close(client *c);
bool client_send(client *c, const void *p, size_t n);
bool client_sends(client *c, const char *z);
/* Bytes available now or after waiting; 0 at the end, -1 on error or after 20 s. */
int client_more(client *c);
/* Reads a head and, unless `head_only`, the body by its framing. False when the connection ended before a head. */
bool client_read(client *c, bool head_only, answer *ret);
/* True when the server ends the connection without sending anything more. */
bool client_at_end(client *c);

#endif

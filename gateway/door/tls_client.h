/* Client certificates: asked for on some listeners, bounded, and read once. */
#ifndef EMBERGATE_DOOR_TLS_CLIENT_H
#define EMBERGATE_DOOR_TLS_CLIENT_H

#include <embergate/http.h>

#include <openssl/ssl.h>

#define EG_TLS_CLIENT_CHAIN_BYTES 16384
#define EG_TLS_CLIENT_CHAIN_MAX 4

/* What a certificate must be to be looked at; of every context, and without effect where none is asked for. */
bool eg_tls_client_bound(SSL_CTX *ctx);
/* This connection is asked for one; it may have none. */
bool eg_tls_client_ask(SSL *s);
/* After the handshake: what the peer, or the session that it resumed, has shown. */
void eg_tls_client_read(const SSL *s, eg_peer_certificate *ret);

#endif

/* One TLS connection on a non-blocking socket. */
#include "tls_conn.h"

#include "tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

/* eg_tls is OpenSSL's SSL under a name of ours: a struct of one pointer would cost an allocation a connection. */
static SSL *session(eg_tls *t) {
    return (SSL *)t;
}

eg_tls *eg_tls_new(eg_tls_context *t, int fd) {
    SSL *s = eg_tls_context_session(t);
    if (s != NULL && SSL_set_fd(s, fd) != 1) {
        SSL_free(s);
        s = NULL;
    }
    return (eg_tls *)s;
}

void eg_tls_free(eg_tls *t) {
    SSL_free(session(t));
    ERR_clear_error();
}

static eg_tls_status status_of(SSL *s, int result) {
    switch (SSL_get_error(s, result)) {
    case SSL_ERROR_NONE:
        return EG_TLS_DONE;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return EG_TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return EG_TLS_CLOSED;
    default:
        /* An end without close_notify is told apart from a broken record nowhere above: requests carry their length. */
        SSL_set_quiet_shutdown(s, 1);
        return EG_TLS_FAILED;
    }
}

eg_tls_status eg_tls_handshake(eg_tls *t) {
    ERR_clear_error();
    return status_of(session(t), SSL_accept(session(t)));
}

eg_tls_status eg_tls_read(eg_tls *t, void *buf, size_t cap, size_t *ret_n) {
    ERR_clear_error();
    return status_of(session(t), SSL_read_ex(session(t), buf, cap, ret_n));
}

eg_tls_status eg_tls_write(eg_tls *t, const void *buf, size_t n, size_t *ret_n) {
    ERR_clear_error();
    return status_of(session(t), SSL_write_ex(session(t), buf, n, ret_n));
}

void eg_tls_close_notify(eg_tls *t) {
    ERR_clear_error();
    if (SSL_is_init_finished(session(t))) {
        (void)SSL_shutdown(session(t));
    }
    ERR_clear_error();
}

void eg_tls_describe(const eg_tls *t, eg_peer *peer) {
    const SSL *s = (const SSL *)t;
    (void)snprintf(peer->tls_version, sizeof peer->tls_version, "%s", SSL_get_version(s));
    (void)snprintf(peer->tls_cipher, sizeof peer->tls_cipher, "%s", SSL_get_cipher_name(s));
}

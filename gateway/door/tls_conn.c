/* One TLS connection on a non-blocking socket. */
#include "tls_conn.h"

#include "tls_client.h"
#include "tls_session.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

/* eg_tls is OpenSSL's SSL under a name of ours: a struct of one pointer would cost an allocation a connection. */
static SSL *session(eg_tls *t) {
    return (SSL *)t;
}

/* OpenSSL's own socket BIO doesn't say how much a read asked for, so that each read that came short would be followed by one that only
 * finds EAGAIN. Otherwise this is what that one does. */

static int socket_read(BIO *b, char *buf, int n) {
    eg_tls_socket *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t got = recv(s->fd, buf, (size_t)n, 0);
    s->drained = got < n; /* epoll(7): less than asked for is all that there was */
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_read(b);
    } else if (got == 0) {
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    }
    return (int)got;
}

static int socket_write(BIO *b, const char *buf, int n) {
    const eg_tls_socket *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t put = send(s->fd, buf, (size_t)n, MSG_NOSIGNAL | (s->more ? MSG_MORE : 0));
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_write(b);
    }
    return (int)put;
}

static long socket_control(BIO *b, int what, long n, void *p) {
    (void)n;
    (void)p;
    switch (what) {
    case BIO_CTRL_EOF:
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_FLUSH:
        return 1;
    default:
        return 0;
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* made once, never changed */

static void make_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "embergate socket");
    if (m == NULL || BIO_meth_set_read(m, socket_read) != 1 || BIO_meth_set_write(m, socket_write) != 1 ||
        BIO_meth_set_ctrl(m, socket_control) != 1) {
        BIO_meth_free(m);
        m = NULL;
    }
    method = m;
}

eg_tls *eg_tls_new(eg_tls_context *t, eg_tls_socket *socket, bool ask_certificate) {
    (void)pthread_once(&once, make_method);
    SSL *s = method != NULL ? eg_tls_context_session(t) : NULL;
    BIO *b = s != NULL ? BIO_new(method) : NULL;
    if (b == NULL || (ask_certificate && !eg_tls_client_ask(s))) {
        BIO_free(b);
        SSL_free(s);
        return NULL;
    }
    BIO_set_data(b, socket);
    BIO_set_init(b, 1);
    SSL_set_bio(s, b, b);
    return (eg_tls *)s;
}

void eg_tls_free(eg_tls *t) {
    SSL_free(session(t));
    ERR_clear_error();
}

/* What another call left on this thread would be taken for the next one's failure. Looking is cheaper than clearing. */
static void forget_errors(void) {
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
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
    forget_errors();
    return status_of(session(t), SSL_accept(session(t)));
}

eg_tls_status eg_tls_read(eg_tls *t, void *buf, size_t cap, size_t *ret_n) {
    forget_errors();
    return status_of(session(t), SSL_read_ex(session(t), buf, cap, ret_n));
}

eg_tls_status eg_tls_write(eg_tls *t, const void *buf, size_t n, size_t *ret_n) {
    forget_errors();
    return status_of(session(t), SSL_write_ex(session(t), buf, n, ret_n));
}

bool eg_tls_drained(const eg_tls *t) {
    const SSL *s = (const SSL *)t;
    const eg_tls_socket *below = BIO_get_data(SSL_get_rbio(s));
    return below->drained && SSL_has_pending(s) == 0;
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
    if (peer->certificate.asked) {
        eg_tls_client_read(s, &peer->certificate);
    }
}

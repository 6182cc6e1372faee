/* The TLS profile of the door. */
#include "tls_context.h"

#include "tls_client.h"
#include "tls_session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

/* One OpenSSL context a certificate. The first owns the struct: sessions are made from it and keep it alive, so that a handshake
 * that began before a reload still finds the set that it began with. */
typedef struct certificate_set {
    size_t count;
    SSL_CTX *contexts[EG_DOOR_CERTIFICATES_MAX];
} certificate_set;

struct eg_tls_context {
    char *min_tls;
    size_t count;
    struct {
        char *chain, *key;
    } files[EG_DOOR_CERTIFICATES_MAX];
    pthread_mutex_t lock;                                /* guards `current` */
    certificate_set *current;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int set_index = -1; /* of a set in the ex_data of its first context */

/* Forward secrecy and AEAD only (RFC 9325 sections 3 and 4). TLS 1.3 has no others. */
#define SUITES_TLS12                                                \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"    \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_TLS13 "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"

static char groups[] = "X25519:P-256:P-384"; /* not const: OpenSSL's macro casts it */
static const unsigned char alpn_http11[] = "\x08http/1.1";

/* RFC 7301: a client that offers protocols but not ours is told so; one that offers none is served. */
static int choose_protocol(SSL *s, const unsigned char **ret, unsigned char *ret_len, const unsigned char *in, unsigned in_len, void *arg) {
    (void)s;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_len, alpn_http11, sizeof alpn_http11 - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 6066 section 3. A name that no certificate covers gets the first: the client then fails its own check. */
static int choose_certificate(SSL *s, int *alert, void *arg) {
    (void)alert;
    const certificate_set *t = arg;
    const char *name = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
    if (name == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(t->contexts[i]), name, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(s, t->contexts[i]);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static int no_password(char *buf, int size, int rwflag, void *arg) {
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0; /* an encrypted key must fail to load, not ask the terminal */
}

static eg_err load_certificate(SSL_CTX *ctx, const eg_door_certificate *c, eg_problem *p) {
    if (SSL_CTX_use_certificate_chain_file(ctx, c->chain_file) != 1) {
        (void)eg_fail(p, EG_ERR_CONFIG, "The certificate chain cannot be read");
        return p != NULL ? eg_fail_at(p, "%s", c->chain_file) : EG_ERR_CONFIG;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, c->key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        (void)eg_fail(p, EG_ERR_CONFIG, "The private key cannot be read or does not belong to the certificate");
        return p != NULL ? eg_fail_at(p, "%s", c->key_file) : EG_ERR_CONFIG;
    }
    return EG_OK;
}

static eg_err set_profile(SSL_CTX *ctx, const char *min_tls, eg_problem *p) {
    int min = TLS1_2_VERSION;
    if (min_tls != NULL && strcmp(min_tls, "1.3") == 0) {
        min = TLS1_3_VERSION;
    } else if (min_tls != NULL && strcmp(min_tls, "1.2") != 0) {
        return eg_fail(p, EG_ERR_CONFIG, "The lowest TLS version must be 1.2 or 1.3");
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    /* Resumption by tickets alone: nothing to keep here. Ticket keys are OpenSSL's, made anew for each set. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_max_early_data(ctx, 0); /* early data can be replayed */
    if (!eg_tls_client_bound(ctx)) {
        return eg_fail(p, EG_ERR_CONFIG, "OpenSSL refuses the bounds of client certificates");
    }
    static const unsigned char id[] = "embergate";
    if (SSL_CTX_set_min_proto_version(ctx, min) != 1 || SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, SUITES_TLS12) != 1 || SSL_CTX_set_ciphersuites(ctx, SUITES_TLS13) != 1 ||
        SSL_CTX_set1_groups_list(ctx, groups) != 1 || SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) != 1) {
        return eg_fail(p, EG_ERR_CONFIG, "OpenSSL refuses the TLS profile of the door");
    }
    return EG_OK;
}

/* All contexts encrypt tickets with the keys of the first: which one a name chose doesn't matter to a resumed session. */
static eg_err share_ticket_keys(const certificate_set *t) {
    unsigned char keys[256];
    long n = SSL_CTX_get_tlsext_ticket_keys(t->contexts[0], NULL, 0);
    bool ok = n > 0 && (size_t)n <= sizeof keys && SSL_CTX_get_tlsext_ticket_keys(t->contexts[0], keys, n) == 1;
    for (size_t i = 1; ok && i < t->count; i++) {
        ok = SSL_CTX_set_tlsext_ticket_keys(t->contexts[i], keys, n) == 1;
    }
    eg_cleanse(keys, sizeof keys);
    return ok ? EG_OK : EG_ERR_CRYPTO;
}

/* OpenSSL calls this when the last session of the first context, and the door, have let go of it. */
static void free_rest(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp) {
    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    certificate_set *s = ptr;
    for (size_t i = 1; s != NULL && i < s->count; i++) {
        SSL_CTX_free(s->contexts[i]);
    }
    free(s);
}

static void make_index(void) {
    set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_rest);
}

static void free_set(certificate_set *s) {
    if (s != NULL && s->count > 0) {
        SSL_CTX_free(s->contexts[0]);
    } else {
        free(s);
    }
}

static eg_err copy_certificate(SSL_CTX *to, SSL_CTX *from) {
    STACK_OF(X509) *chain = NULL;
    bool ok = SSL_CTX_get0_chain_certs(from, &chain) == 1 &&
              SSL_CTX_use_cert_and_key(to, SSL_CTX_get0_certificate(from), SSL_CTX_get0_privatekey(from), chain, 1) == 1;
    return ok ? EG_OK : EG_ERR_CRYPTO;
}

static eg_err add_context(const eg_tls_context *t, const certificate_set *same, certificate_set *s, eg_problem *p) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    size_t i = s->count;
    if (i == 0 && SSL_CTX_set_ex_data(ctx, set_index, s) != 1) {
        SSL_CTX_free(ctx);
        return EG_ERR_NO_MEMORY;
    }
    s->contexts[s->count++] = ctx;
    EG_TRY(set_profile(ctx, t->min_tls, p));
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, s);
    eg_door_certificate files = {.chain_file = t->files[i].chain, .key_file = t->files[i].key};
    return same != NULL ? copy_certificate(ctx, same->contexts[i]) : load_certificate(ctx, &files, p);
}

/* From the files or, with `same`, with the certificates of another set; its ticket keys are new in either case. */
static eg_err make_set(const eg_tls_context *t, const certificate_set *same, certificate_set **ret, eg_problem *p) {
    (void)pthread_once(&once, make_index);
    certificate_set *s = set_index >= 0 ? calloc(1, sizeof *s) : NULL;
    if (s == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = EG_OK;
    while (e == EG_OK && s->count < t->count) {
        e = add_context(t, same, s, p);
    }
    e = e == EG_OK ? share_ticket_keys(s) : e;
    ERR_clear_error();
    if (e != EG_OK) {
        free_set(s);
        return e;
    }
    *ret = s;
    return EG_OK;
}

static eg_err copy_options(eg_tls_context *t, const eg_door_options *o) {
    t->min_tls = strdup(o->min_tls != NULL ? o->min_tls : "1.2");
    bool ok = t->min_tls != NULL;
    for (size_t i = 0; ok && i < o->certificate_count; i++) {
        t->files[i].chain = strdup(o->certificates[i].chain_file);
        t->files[i].key = strdup(o->certificates[i].key_file);
        ok = t->files[i].chain != NULL && t->files[i].key != NULL;
        t->count++;
    }
    return ok ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_tls_context_new(const eg_door_options *o, eg_tls_context **ret, eg_problem *p) {
    if (o->certificate_count == 0 || o->certificate_count > EG_DOOR_CERTIFICATES_MAX) {
        return eg_fail(p, EG_ERR_CONFIG, "The door needs between 1 and %d certificates", EG_DOOR_CERTIFICATES_MAX);
    }
    eg_tls_context *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return EG_ERR_NO_MEMORY;
    }
    (void)pthread_mutex_init(&t->lock, NULL);
    eg_err e = copy_options(t, o);
    e = e == EG_OK ? make_set(t, NULL, &t->current, p) : e;
    if (e != EG_OK) {
        eg_tls_context_free(t);
        return e;
    }
    *ret = t;
    return EG_OK;
}

void eg_tls_context_free(eg_tls_context *t) {
    if (t == NULL) {
        return;
    }
    free_set(t->current);
    for (size_t i = 0; i < t->count; i++) {
        free(t->files[i].chain);
        free(t->files[i].key);
    }
    free(t->min_tls);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static void put_in_force(eg_tls_context *t, certificate_set *taken) {
    (void)pthread_mutex_lock(&t->lock);
    certificate_set *old = t->current;
    t->current = taken;
    (void)pthread_mutex_unlock(&t->lock);
    free_set(old);
}

eg_err eg_tls_context_reload(eg_tls_context *t, eg_problem *p) {
    certificate_set *fresh = NULL;
    EG_TRY(make_set(t, NULL, &fresh, p));
    put_in_force(t, fresh);
    return EG_OK;
}

/* `current` changes only here and in reload, on one thread: reading it needs no lock. */
eg_err eg_tls_context_renew_tickets(eg_tls_context *t, eg_problem *p) {
    certificate_set *fresh = NULL;
    EG_TRY(make_set(t, t->current, &fresh, p));
    put_in_force(t, fresh);
    return EG_OK;
}

int64_t eg_tls_context_expires_s(const eg_tls_context *t) {
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < t->current->count; i++) {
        struct tm end;
        if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(t->current->contexts[i])), &end) == 1) {
            int64_t s = timegm(&end);
            first = s < first ? s : first;
        }
    }
    return first;
}

SSL *eg_tls_context_session(eg_tls_context *t) {
    (void)pthread_mutex_lock(&t->lock);
    SSL *s = SSL_new(t->current->contexts[0]);
    (void)pthread_mutex_unlock(&t->lock);
    return s;
}

/* Client certificates at the door. They are read, not believed: whose key it is, identity knows (RFC 8705 section 2.2), so that no chain is built and no name is
 * compared here. */
#include "tls_client.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <time.h>

/* In the handshake's CertificateVerify; RFC 9325 section 4.2. */
#define SIGNATURES "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"\
                   "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"

static char signatures[] = SIGNATURES; /* not const: OpenSSL's macro casts it */

/* Those that a client may register. A longer key would only cost us. */
static bool key_is_taken(EVP_PKEY *key) {
    char group[32] = "";
    if (key == NULL) {
        return false;
    }
    if (EVP_PKEY_is_a(key, "RSA")) {
        return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        return EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
               (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 || strcmp(group, "secp521r1") == 0);
    }
    return EVP_PKEY_is_a(key, "ED25519") == 1;
}

/* In place of OpenSSL's building of a chain, before the peer's signature is looked at. */
static int look(X509_STORE_CTX *s, void *arg) {
    (void)arg;
    X509 *leaf = X509_STORE_CTX_get0_cert(s);
    const bool fine = leaf != NULL && sk_X509_num(X509_STORE_CTX_get0_untrusted(s)) <= EG_TLS_CLIENT_CHAIN_MAX && key_is_taken(X509_get0_pubkey(leaf)) &&
                      X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0) == 1;
    X509_STORE_CTX_set_error(s, fine ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return fine;
}

bool eg_tls_client_bound(SSL_CTX *ctx) {
    SSL_CTX_set_cert_verify_callback(ctx, look, NULL);
    SSL_CTX_set_max_cert_list(ctx, EG_TLS_CLIENT_CHAIN_BYTES);
    return SSL_CTX_set1_client_sigalgs_list(ctx, signatures) == 1;
}

/* Sessions of such connections are resumed on such alone: what another listener's began with is no answer to the question. */
bool eg_tls_client_ask(SSL *s) {
    static const unsigned char id[] = "embergate client";
    SSL_set_verify(s, SSL_VERIFY_PEER, NULL);
    return SSL_set_session_id_context(s, id, sizeof id - 1) == 1;
}

static bool read_time(const ASN1_TIME *t, int64_t *ret) {
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1) {
        return false;
    }
    *ret = timegm(&tm);
    return true;
}

static bool digest_key(X509 *x, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t *der = NULL;
    const int n = i2d_PUBKEY(X509_get0_pubkey(x), &der);
    if (n <= 0) {
        return false;
    }
    eg_sha256((eg_bytes){der, (size_t)n}, ret);
    OPENSSL_free(der);
    return true;
}

void eg_tls_client_read(const SSL *s, eg_peer_certificate *ret) {
    X509 *x = SSL_get0_peer_certificate(s);
    eg_peer_certificate c = {.asked = ret->asked, .signs_in = ret->signs_in};
    unsigned n = 0;
    c.there = x != NULL && SSL_get_verify_result(s) == X509_V_OK && X509_digest(x, EVP_sha256(), c.thumbprint, &n) == 1 && n == sizeof c.thumbprint &&
              digest_key(x, c.key) && read_time(X509_get0_notBefore(x), &c.from_s) && read_time(X509_get0_notAfter(x), &c.until_s);
    *ret = c;
    ERR_clear_error();
}

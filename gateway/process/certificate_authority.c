/* Makes the private CA and server certificates with OpenSSL's X.509 calls (RFC 5280). */
#include "certificate_authority.h"

#include <arpa/inet.h>
#include <embergate/crypto.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define CA_DAYS 3650
/* A certificate that is valid a little before it was made still works on machines whose clock is a little behind. */
#define BACKDATE_SECONDS 3600

static void x509_free_p(X509 **c) { X509_free(*c); }
static void pkey_free_p(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void bio_free_p(BIO **b) { BIO_free(*b); }

static eg_err crypto_failed(eg_problem *p, const char *what) {
    return eg_fail(p, EG_ERR_CRYPTO, "OpenSSL could not %s", what);
}

static eg_err add_extension(X509 *c, X509 *issuer, int nid, const char *value, eg_problem *p) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!e) {
        return crypto_failed(p, "make a certificate extension");
    }
    int ok = X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
    return ok ? EG_OK : crypto_failed(p, "add a certificate extension");
}

/* Serial numbers are 127 random bits (RFC 5280 section 4.1.2.2: positive, at most 20 octets). */
static eg_err set_basics(X509 *c, EVP_PKEY *key, const char *common_name, int days, eg_problem *p) {
    uint8_t serial[16];
    eg_random(serial, sizeof serial);
    serial[0] &= 0x7f;
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = X509_NAME_new();
    int ok = bn && name && X509_set_version(c, X509_VERSION_3) && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(c)) &&
             X509_gmtime_adj(X509_getm_notBefore(c), -BACKDATE_SECONDS) &&
             X509_gmtime_adj(X509_getm_notAfter(c), 86400L * days) && X509_set_pubkey(c, key) &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) &&
             X509_set_subject_name(c, name);
    BN_free(bn);
    X509_NAME_free(name);
    return ok ? EG_OK : crypto_failed(p, "fill a certificate");
}

static eg_err bio_to_buf(BIO *b, eg_buf *ret) {
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    return eg_buf_add(ret, data, (size_t)n);
}

static eg_err write_pem(EVP_PKEY *key, X509 *cert, eg_buf *ret_key, eg_buf *ret_certificate, eg_problem *p) {
    EG_CLEANUP(bio_free_p) BIO *kb = BIO_new(BIO_s_secmem());
    EG_CLEANUP(bio_free_p) BIO *cb = BIO_new(BIO_s_mem());
    if (!kb || !cb || !PEM_write_bio_PrivateKey(kb, key, NULL, NULL, 0, NULL, NULL) || !PEM_write_bio_X509(cb, cert)) {
        return crypto_failed(p, "write a certificate as PEM");
    }
    EG_TRY(bio_to_buf(kb, ret_key));
    return bio_to_buf(cb, ret_certificate);
}

eg_err eg_ca_new(const char *common_name, eg_buf *ret_key, eg_buf *ret_certificate, eg_problem *p) {
    EG_CLEANUP(pkey_free_p) EVP_PKEY *key = EVP_EC_gen("P-256");
    EG_CLEANUP(x509_free_p) X509 *c = X509_new();
    if (!key || !c) {
        return crypto_failed(p, "make the CA's key");
    }
    EG_TRY(set_basics(c, key, common_name, CA_DAYS, p));
    if (!X509_set_issuer_name(c, X509_get_subject_name(c))) {
        return crypto_failed(p, "name the CA");
    }
    EG_TRY(add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0", p));
    EG_TRY(add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign", p));
    EG_TRY(add_extension(c, c, NID_subject_key_identifier, "hash", p));
    if (!X509_sign(c, key, EVP_sha256())) {
        return crypto_failed(p, "sign the CA certificate");
    }
    return write_pem(key, c, ret_key, ret_certificate, p);
}

/* "DNS:a,IP:1.2.3.4": a name with a comma or blank could smuggle another entry, so it is refused. */
static eg_err subject_alt_names(const char *const *names, eg_buf *ret, eg_problem *p) {
    for (size_t i = 0; names[i]; i++) {
        unsigned char addr[16];
        bool ip = inet_pton(AF_INET, names[i], addr) == 1 || inet_pton(AF_INET6, names[i], addr) == 1;
        for (const char *c = names[i]; *c; c++) {
            bool ok = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                      *c == '.' || *c == '-' || *c == '*' || *c == ':' || *c == '_';
            if (!ok) {
                return eg_fail(p, EG_ERR_INVALID, "'%s' is neither a host name nor an address", names[i]);
            }
        }
        EG_TRY(eg_buf_addf(ret, "%s%s:%s", i ? "," : "", ip ? "IP" : "DNS", names[i]));
    }
    return EG_OK;
}

eg_err eg_ca_issue(eg_str ca_key, eg_str ca_certificate, const eg_ca_request *rq,
                   eg_buf *ret_key, eg_buf *ret_certificate, eg_problem *p) {
    EG_CLEANUP(bio_free_p) BIO *kb = BIO_new_mem_buf(ca_key.ptr, (int)ca_key.len);
    EG_CLEANUP(bio_free_p) BIO *cb = BIO_new_mem_buf(ca_certificate.ptr, (int)ca_certificate.len);
    EG_CLEANUP(pkey_free_p) EVP_PKEY *signer = kb ? PEM_read_bio_PrivateKey(kb, NULL, NULL, NULL) : NULL;
    EG_CLEANUP(x509_free_p) X509 *issuer = cb ? PEM_read_bio_X509(cb, NULL, NULL, NULL) : NULL;
    EG_CLEANUP(pkey_free_p) EVP_PKEY *key = EVP_EC_gen("P-256");
    EG_CLEANUP(x509_free_p) X509 *c = X509_new();
    if (!signer || !issuer || !key || !c) {
        return crypto_failed(p, "read the CA");
    }
    EG_TRY(set_basics(c, key, rq->common_name, rq->days, p));
    if (!X509_set_issuer_name(c, X509_get_subject_name(issuer))) {
        return crypto_failed(p, "name the issuer");
    }
    EG_CLEANUP(eg_buf_done) eg_buf san;
    eg_buf_init(&san, 16384);
    EG_TRY(subject_alt_names(rq->names, &san, p));
    EG_TRY(add_extension(c, issuer, NID_basic_constraints, "critical,CA:FALSE", p));
    EG_TRY(add_extension(c, issuer, NID_key_usage, "critical,digitalSignature", p));
    EG_TRY(add_extension(c, issuer, NID_ext_key_usage, "serverAuth", p));
    EG_TRY(add_extension(c, issuer, NID_subject_key_identifier, "hash", p));
    EG_TRY(add_extension(c, issuer, NID_authority_key_identifier, "keyid", p));
    EG_TRY(add_extension(c, issuer, NID_subject_alt_name, san.ptr, p));
    if (!X509_sign(c, signer, EVP_sha256())) {
        return crypto_failed(p, "sign the server certificate");
    }
    return write_pem(key, c, ret_key, ret_certificate, p);
}

/* Writes a Java key store of trusted certificates (sun.security.provider.JavaKeyStore's format, version 2). */
#include <embergate/java_trust.h>

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#define JKS_MAGIC 0xFEEDFEEDu
#define JKS_TRUSTED_CERT 2u
#define CERTIFICATES_MAX 500

static void add_u16(eg_buf *b, uint16_t v) {
    uint8_t raw[2];
    eg_put_u16(raw, v);
    eg_buf_add(b, raw, sizeof raw);
}

static void add_u32(eg_buf *b, uint32_t v) {
    uint8_t raw[4];
    eg_put_u32(raw, v);
    eg_buf_add(b, raw, sizeof raw);
}

/* java.io.DataOutput.writeUTF, for ASCII. */
static void add_utf(eg_buf *b, const char *z) {
    add_u16(b, (uint16_t)strlen(z));
    eg_buf_adds(b, z);
}

static eg_err add_entry(eg_buf *b, unsigned number, X509 *cert) {
    uint8_t *der = NULL;
    int n = i2d_X509(cert, &der);
    if (n <= 0) {
        return EG_ERR_CRYPTO;
    }
    char alias[16];
    uint8_t date[8] = {0}; /* of the entry; fixed, so that equal input gives equal output */
    snprintf(alias, sizeof alias, "ca%u", number);
    add_u32(b, JKS_TRUSTED_CERT);
    add_utf(b, alias);
    eg_buf_add(b, date, sizeof date);
    add_utf(b, "X.509");
    add_u32(b, (uint32_t)n);
    eg_buf_add(b, der, (size_t)n);
    OPENSSL_free(der);
    return b->err;
}

/* SHA-1 over the password in UTF-16BE, the format's fixed salt, and all that stands before. */
static eg_err add_digest(eg_buf *b, size_t start) {
    static const char password[] = EG_TRUST_JKS_PASSWORD;
    uint8_t wide[2 * (sizeof password - 1)];
    for (size_t i = 0; i < sizeof password - 1; i++) {
        wide[2 * i] = 0;
        wide[2 * i + 1] = (uint8_t)password[i];
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, wide, sizeof wide) == 1 &&
              EVP_DigestUpdate(c, "Mighty Aphrodite", 16) == 1 && EVP_DigestUpdate(c, b->ptr + start, b->len - start) == 1 &&
              EVP_DigestFinal_ex(c, digest, &n) == 1;
    EVP_MD_CTX_free(c);
    return ok ? eg_buf_add(b, digest, n) : EG_ERR_CRYPTO;
}

static eg_err add_all(BIO *in, eg_buf *b, unsigned *ret_count) {
    unsigned count = 0;
    X509 *cert;
    while (count < CERTIFICATES_MAX && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        eg_err e = add_entry(b, ++count, cert);
        X509_free(cert);
        EG_TRY(e);
    }
    /* "No start line" is how the end of the text is told; anything else is a certificate that can't be read. */
    unsigned long last = ERR_peek_last_error();
    bool clean = count == CERTIFICATES_MAX || (ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE);
    ERR_clear_error();
    *ret_count = count;
    return clean && count > 0 ? EG_OK : EG_ERR_CONFIG;
}

eg_err eg_trust_jks(eg_str pem, eg_buf *ret, eg_problem *p) {
    if (pem.len == 0 || pem.len > INT_MAX) {
        return eg_fail(p, EG_ERR_CONFIG, "The trust store holds no certificate.");
    }
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (!in) {
        return EG_ERR_NO_MEMORY;
    }
    size_t start = ret->len;
    add_u32(ret, JKS_MAGIC);
    add_u32(ret, 2);
    add_u32(ret, 0);
    unsigned count = 0;
    eg_err e = add_all(in, ret, &count);
    BIO_free(in);
    if (e == EG_OK && ret->err == EG_OK) {
        eg_put_u32((uint8_t *)ret->ptr + start + 8, count);
        e = add_digest(ret, start);
    }
    if (e != EG_OK || ret->err != EG_OK) {
        ret->len = start;
        return eg_fail(p, e != EG_OK ? e : ret->err, "The trust store is no list of PEM certificates.");
    }
    return EG_OK;
}

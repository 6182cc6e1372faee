/* MD5 in pieces, over OpenSSL's EVP. */
#include "md5_stream.h"

#include <openssl/evp.h>
#include <pthread.h>

/* Fetched once: by name it would be looked up, under a lock, for each stream. */
static EVP_MD *md5;
static pthread_once_t md5_once = PTHREAD_ONCE_INIT;

static void fetch_md5(void) { md5 = EVP_MD_fetch(NULL, "MD5", NULL); }

/* The context is OpenSSL's; the name keeps its type out of the header. */
static EVP_MD_CTX *ctx_of(eg_md5_stream *m) { return (EVP_MD_CTX *)(void *)m; }

eg_err eg_md5_stream_new(eg_md5_stream **ret) {
    (void)pthread_once(&md5_once, fetch_md5);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (!c || !md5 || EVP_DigestInit_ex(c, md5, NULL) != 1) {
        EVP_MD_CTX_free(c);
        return EG_ERR_CRYPTO;
    }
    *ret = (eg_md5_stream *)(void *)c;
    return EG_OK;
}

eg_err eg_md5_stream_add(eg_md5_stream *m, eg_bytes b) {
    return EVP_DigestUpdate(ctx_of(m), b.ptr, b.len) == 1 ? EG_OK : EG_ERR_CRYPTO;
}

eg_err eg_md5_stream_end(eg_md5_stream *m, uint8_t ret[16]) {
    unsigned n = 16;
    return EVP_DigestFinal_ex(ctx_of(m), ret, &n) == 1 && n == 16 ? EG_OK : EG_ERR_CRYPTO;
}

void eg_md5_stream_free(eg_md5_stream *m) { EVP_MD_CTX_free(ctx_of(m)); }

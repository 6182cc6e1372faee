/* AES-256-GCM, from OpenSSL: one key for many messages, and small values sealed whole. */
#include <embergate/crypto.h>

#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

/* One context for both directions: GCM encrypts with the block cipher either way, so there is one key schedule. */
struct eg_aead {
    EVP_CIPHER_CTX *ctx;
};

/* Fetched once: by name it would be looked up, under a lock, for each key. */
static EVP_CIPHER *cipher;
static pthread_once_t cipher_once = PTHREAD_ONCE_INIT;

static void fetch_cipher(void) {
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL); /* for the life of the process */
}

eg_aead *eg_aead_new(const uint8_t key[EG_KEY_LEN]) {
    (void)pthread_once(&cipher_once, fetch_cipher);
    eg_aead *a = calloc(1, sizeof *a);
    if (!a) {
        return NULL;
    }
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx || !cipher || EVP_CipherInit_ex(a->ctx, cipher, NULL, key, NULL, 1) != 1) {
        eg_aead_free(a);
        return NULL;
    }
    return a;
}

void eg_aead_free(eg_aead *a) {
    if (!a) {
        return;
    }
    EVP_CIPHER_CTX_free(a->ctx); /* cleanses its key schedule */
    free(a);
}

/* The nonce, then the additional data; the key stays. */
static bool start(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, eg_bytes ad, int encrypt) {
    int n = 0;
    return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, encrypt) == 1 &&
           (ad.len == 0 || EVP_CipherUpdate(ctx, NULL, &n, ad.ptr, (int)ad.len) == 1);
}

eg_err eg_aead_seal_begin(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad) {
    return ad.len > INT_MAX ? EG_ERR_LIMIT : start(a->ctx, nonce, ad, 1) ? EG_OK : EG_ERR_CRYPTO;
}

eg_err eg_aead_seal_add(eg_aead *a, eg_bytes in, uint8_t *ret) {
    int n = 0;
    if (in.len > INT_MAX - EG_GCM_TAG_LEN) {
        return EG_ERR_LIMIT;
    }
    return in.len == 0 || EVP_CipherUpdate(a->ctx, ret, &n, in.ptr, (int)in.len) == 1 ? EG_OK : EG_ERR_CRYPTO;
}

eg_err eg_aead_seal_end(eg_aead *a, uint8_t ret_tag[EG_GCM_TAG_LEN]) {
    uint8_t none[16];
    int tail = 0;
    return EVP_CipherFinal_ex(a->ctx, none, &tail) == 1 && EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, EG_GCM_TAG_LEN, ret_tag) == 1 ? EG_OK : EG_ERR_CRYPTO;
}

eg_err eg_aead_seal(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad, eg_bytes in, uint8_t *ret) {
    EG_TRY(eg_aead_seal_begin(a, nonce, ad));
    EG_TRY(eg_aead_seal_add(a, in, ret));
    return eg_aead_seal_end(a, ret + in.len);
}

eg_err eg_aead_open(eg_aead *a, const uint8_t nonce[EG_GCM_NONCE_LEN], eg_bytes ad, eg_bytes in, uint8_t *ret) {
    int n = 0;
    int tail = 0;
    if (in.len > INT_MAX || ad.len > INT_MAX) {
        return EG_ERR_LIMIT;
    }
    if (in.len < EG_GCM_TAG_LEN) {
        return EG_ERR_CORRUPT;
    }
    size_t len = in.len - EG_GCM_TAG_LEN;
    uint8_t tag[EG_GCM_TAG_LEN];
    memcpy(tag, in.ptr + len, sizeof tag);
    if (!start(a->ctx, nonce, ad, 0) || (len > 0 && EVP_CipherUpdate(a->ctx, ret, &n, in.ptr, (int)len) != 1) ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, EG_GCM_TAG_LEN, tag) != 1) {
        eg_cleanse(ret, len);
        return EG_ERR_CRYPTO;
    }
    uint8_t none[16];
    if (EVP_CipherFinal_ex(a->ctx, none, &tail) != 1) {
        eg_cleanse(ret, len);
        return EG_ERR_CORRUPT;
    }
    return EG_OK;
}

eg_err eg_seal(eg_bytes key32, eg_bytes ad, eg_bytes in, eg_buf *ret) {
    if (key32.len != EG_KEY_LEN || in.len > INT_MAX - EG_SEALED_OVERHEAD) {
        return EG_ERR_INVALID;
    }
    char *at = NULL;
    EG_TRY(eg_buf_reserve(ret, in.len + EG_SEALED_OVERHEAD, &at));
    EG_CLEANUP(eg_aead_free_p) eg_aead *a = eg_aead_new(key32.ptr);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    uint8_t *out = (uint8_t *)at;
    eg_random_public(out, EG_GCM_NONCE_LEN);
    EG_TRY(eg_aead_seal(a, out, ad, in, out + EG_GCM_NONCE_LEN));
    ret->len += in.len + EG_SEALED_OVERHEAD;
    return EG_OK;
}

eg_err eg_open_sealed(eg_bytes key32, eg_bytes ad, eg_bytes in, eg_buf *ret) {
    if (key32.len != EG_KEY_LEN) {
        return EG_ERR_INVALID;
    }
    if (in.len < EG_SEALED_OVERHEAD) {
        return EG_ERR_CORRUPT;
    }
    size_t len = in.len - EG_SEALED_OVERHEAD;
    char *at = NULL;
    EG_TRY(eg_buf_reserve(ret, len, &at));
    EG_CLEANUP(eg_aead_free_p) eg_aead *a = eg_aead_new(key32.ptr);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    eg_bytes body = {in.ptr + EG_GCM_NONCE_LEN, in.len - EG_GCM_NONCE_LEN};
    EG_TRY(eg_aead_open(a, in.ptr, ad, body, (uint8_t *)at));
    ret->len += len;
    return EG_OK;
}

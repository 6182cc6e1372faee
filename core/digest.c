/* Random bytes, digests and key derivation, from OpenSSL. */
#include <embergate/crypto.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <embergate/encoding.h>

void eg_random(void *p, size_t n) {
    if (RAND_priv_bytes_ex(NULL, p, n, 0) != 1) {
        abort(); /* a key or nonce that is not random must never exist */
    }
}

/* Which process this is, without a system call: a number in a page that the kernel clears in a forked child. NULL where it can't. */
static _Atomic uint64_t *process_mark;
static pthread_once_t mark_once = PTHREAD_ONCE_INIT;

static void make_mark(void) {
    void *page = mmap(NULL, sizeof *process_mark, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, sizeof *process_mark, MADV_WIPEONFORK) == 0) {
        process_mark = page;
    }
}

static uint64_t this_process(void) {
    (void)pthread_once(&mark_once, make_mark);
    if (!process_mark) {
        return (uint64_t)getpid();
    }
    uint64_t mark = atomic_load(process_mark);
    if (mark == 0) {
        uint64_t fresh = 0;
        eg_random(&fresh, sizeof fresh);
        fresh |= 1;
        mark = atomic_compare_exchange_strong(process_mark, &mark, fresh) ? fresh : mark;
    }
    return mark;
}

/* A call of OpenSSL's generator costs the same for one id as for thirty. Each byte is given once; a forked child starts anew, so that
 * it never gives its parent's. What is given is no secret. */
void eg_random_public(void *p, size_t n) {
    static _Thread_local struct {
        uint64_t process;
        size_t left;
        uint8_t bytes[30 * 16];
    } ahead;
    if (n > sizeof ahead.bytes) {
        eg_random(p, n);
        return;
    }
    uint64_t process = this_process();
    if (ahead.left < n || ahead.process != process) {
        eg_random(ahead.bytes, sizeof ahead.bytes);
        ahead.left = sizeof ahead.bytes;
        ahead.process = process;
    }
    ahead.left -= n;
    memcpy(p, ahead.bytes + ahead.left, n);
}

void eg_uuid_new(char ret[EG_UUID_LEN]) {
    uint8_t raw[16];
    eg_random_public(raw, sizeof raw);
    raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version and variant */
    raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
    char hex[33];
    eg_hex((eg_bytes){raw, sizeof raw}, hex);
    static const uint8_t groups[] = {8, 4, 4, 4, 12};
    size_t in = 0;
    size_t out = 0;
    for (size_t i = 0; i < sizeof groups; i++) {
        memcpy(ret + out, hex + in, groups[i]);
        in += groups[i];
        out += groups[i];
        ret[out++] = i + 1 < sizeof groups ? '-' : '\0';
    }
}

bool eg_uuid_valid(eg_str s) {
    if (s.len != EG_UUID_LEN - 1) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex) {
            return false;
        }
    }
    return true;
}

void eg_sha256(eg_bytes in, uint8_t ret[EG_SHA256_LEN]) {
    eg_sha256_v(&in, 1, ret);
}

/* Fetched once: by name it would be looked up, under a lock, for each digest. */
static EVP_MD *sha256;
static pthread_key_t digest_key;
static bool digest_key_made;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void free_context(void *ctx) { EVP_MD_CTX_free(ctx); }

static void fetch_sha256(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); /* for the life of the process */
    digest_key_made = pthread_key_create(&digest_key, free_context) == 0;
}

/* A thread's own context, made once: making one costs more than digesting a row does. NULL without memory. */
static EVP_MD_CTX *context(void) {
    (void)pthread_once(&sha256_once, fetch_sha256);
    EVP_MD_CTX *ctx = digest_key_made ? pthread_getspecific(digest_key) : NULL;
    if (!ctx && digest_key_made && (ctx = EVP_MD_CTX_new()) && pthread_setspecific(digest_key, ctx) != 0) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* Digests fail only without memory or with a broken OpenSSL; going on with a wrong digest is worse than stopping. */
void eg_sha256_v(const eg_bytes *in, size_t n, uint8_t ret[EG_SHA256_LEN]) {
    EVP_MD_CTX *ctx = context();
    bool ok = ctx && sha256 && EVP_DigestInit_ex(ctx, sha256, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++) {
        ok = in[i].len == 0 || EVP_DigestUpdate(ctx, in[i].ptr, in[i].len) == 1;
    }
    if (!ok || EVP_DigestFinal_ex(ctx, ret, NULL) != 1) {
        abort();
    }
}

void eg_md5(eg_bytes in, uint8_t ret[16]) {
    if (EVP_Digest(in.ptr, in.len, ret, NULL, EVP_md5(), NULL) != 1) {
        abort();
    }
}

#define SHA256_BLOCK ((size_t)64)
#define HMAC_PIECES 4u

/* RFC 2104, over pieces. By OpenSSL's own HMAC each call would look two algorithms up by name. */
static void hmac_v(eg_bytes key, const eg_bytes *in, size_t n, uint8_t ret[EG_SHA256_LEN]) {
    uint8_t pad[SHA256_BLOCK] = {0};
    uint8_t inner[EG_SHA256_LEN];
    eg_bytes pieces[1 + HMAC_PIECES] = {{pad, sizeof pad}};
    if (key.len > sizeof pad) {
        eg_sha256(key, pad);
    } else if (key.len > 0) {
        memcpy(pad, key.ptr, key.len);
    }
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36;
    }
    memcpy(pieces + 1, in, n * sizeof *in);
    eg_sha256_v(pieces, 1 + n, inner);
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    pieces[1] = (eg_bytes){inner, sizeof inner};
    eg_sha256_v(pieces, 2, ret);
    eg_cleanse(pad, sizeof pad);
    eg_cleanse(inner, sizeof inner);
}

void eg_hmac_sha256(eg_bytes key, eg_bytes in, uint8_t ret[EG_SHA256_LEN]) { hmac_v(key, &in, 1, ret); }

eg_err eg_hkdf_sha256(eg_bytes key, eg_bytes salt, eg_bytes info, uint8_t *ret, size_t n) {
    if (n == 0 || n > (size_t)255 * EG_SHA256_LEN) {
        return EG_ERR_INVALID;
    }
    uint8_t prk[EG_SHA256_LEN];
    uint8_t block[EG_SHA256_LEN];
    hmac_v(salt, &key, 1, prk); /* RFC 5869: no salt is a salt of zeros, which HMAC's padding makes of it */
    size_t before = 0;
    for (uint8_t i = 1; n > 0; i++) {
        const eg_bytes in[] = {{block, before}, info, {&i, 1}};
        hmac_v((eg_bytes){prk, sizeof prk}, in, 3, block);
        const size_t take = n < sizeof block ? n : sizeof block;
        memcpy(ret, block, take);
        ret += take;
        n -= take;
        before = sizeof block;
    }
    eg_cleanse(prk, sizeof prk);
    eg_cleanse(block, sizeof block);
    return EG_OK;
}

eg_err eg_scrypt(eg_bytes password, eg_bytes salt, uint8_t *ret, size_t n) {
    const uint64_t max_memory = 64u << 20;
    if (EVP_PBE_scrypt(password.len ? (const char *)password.ptr : "", password.len, salt.ptr, salt.len, 1u << 15, 8, 1,
                       max_memory, ret, n) != 1) {
        return EG_ERR_CRYPTO;
    }
    return EG_OK;
}

bool eg_ct_eq(const void *a, const void *b, size_t n) {
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

/* The context is OpenSSL's; the name keeps its type out of the header. */
static EVP_MD_CTX *stream_of(eg_sha256_stream *s) { return (EVP_MD_CTX *)(void *)s; }

eg_sha256_stream *eg_sha256_stream_new(void) {
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(c);
        c = NULL;
    }
    return (eg_sha256_stream *)(void *)c;
}

void eg_sha256_stream_add(eg_sha256_stream *s, eg_bytes b) {
    if (b.len > 0 && EVP_DigestUpdate(stream_of(s), b.ptr, b.len) != 1) {
        abort(); /* as with the other digests: it fails only when the library is broken */
    }
}

void eg_sha256_stream_end(eg_sha256_stream *s, uint8_t ret[EG_SHA256_LEN]) {
    unsigned n = EG_SHA256_LEN;
    if (EVP_DigestFinal_ex(stream_of(s), ret, &n) != 1 || n != EG_SHA256_LEN) {
        abort();
    }
}

void eg_sha256_stream_free(eg_sha256_stream *s) { EVP_MD_CTX_free(stream_of(s)); }

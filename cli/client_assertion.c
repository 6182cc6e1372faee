/* Signs the assertion by which a client proves its private key (RFC 7523 section 2.2). */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <time.h>

#define KEY_FILE_MAX 65536
#define LIFE_SECONDS 300
#define P256_HALF 32
#define SIGNATURE_MAX 1024

typedef struct signer {
    EVP_PKEY *key;
    const char *algorithm;
} signer;

static void signer_done(signer *s) {
    EVP_PKEY_free(s->key);
}

/* A key under a password would ask for it on the terminal. */
static int no_password(char *buf, int size, int writing, void *ctx) {
    (void)buf;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static eg_err read_key(const char *path, EVP_PKEY **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, KEY_FILE_MAX + 2);
    EG_TRY(eg_mounted_file_read(path, KEY_FILE_MAX, &text, p));
    BIO *b = BIO_new_mem_buf(text.ptr, (int)text.len);
    *ret = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
    BIO_free(b);
    eg_cleanse(text.ptr, text.cap);
    return *ret ? EG_OK : eg_fail(p, EG_ERR_INVALID, "'%s' holds no private key in PEM without a password", path);
}

static eg_err choose_algorithm(const eg_profile *profile, signer *s, eg_problem *p) {
    char group[32] = "";
    bool rsa = EVP_PKEY_is_a(s->key, "RSA") && EVP_PKEY_get_bits(s->key) >= 2048;
    bool p256 = EVP_PKEY_is_a(s->key, "EC") && EVP_PKEY_get_group_name(s->key, group, sizeof group, NULL) == 1 && strcmp(group, "prime256v1") == 0;
    if (!rsa && !p256) {
        return eg_fail(p, EG_ERR_INVALID, "the client's key is neither RSA with 2,048 bits or more nor on P-256");
    }
    static const struct {
        const char *name;
        bool rsa;
    } known[] = {{"RS256", true}, {"PS256", true}, {"ES256", false}};
    const char *wanted = profile->client_algorithm[0] ? profile->client_algorithm : rsa ? "RS256" : "ES256";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(wanted, known[i].name) == 0 && known[i].rsa == rsa) {
            s->algorithm = known[i].name;
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_INVALID, "client_algorithm is not one of RS256, PS256 and ES256, or doesn't fit the client's key");
}

/* RFC 7515 section 4.1.8: how Entra ID knows which of an application's certificates it is. */
static eg_err add_thumbprint(const char *path, json_t *header, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(eg_buf_done) eg_buf thumb;
    uint8_t digest[EG_SHA256_LEN];
    unsigned n = 0;
    eg_buf_init(&text, KEY_FILE_MAX + 2);
    eg_buf_init(&thumb, 64);
    EG_TRY(eg_mounted_file_read(path, KEY_FILE_MAX, &text, p));
    BIO *b = BIO_new_mem_buf(text.ptr, (int)text.len);
    X509 *certificate = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
    bool ok = certificate && X509_digest(certificate, EVP_sha256(), digest, &n) == 1 && n == sizeof digest;
    X509_free(certificate);
    BIO_free(b);
    if (!ok) {
        return eg_fail(p, EG_ERR_INVALID, "'%s' holds no certificate in PEM", path);
    }
    EG_TRY(eg_base64url((eg_bytes){digest, sizeof digest}, &thumb));
    return json_object_set_new(header, "x5t#S256", json_string(thumb.ptr)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err add_part(const json_t *v, eg_buf *to) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 4096);
    EG_TRY(eg_json_write(v, &text));
    return eg_base64url(eg_buf_bytes(&text), to);
}

/* RFC 7518 section 3.4: r and s at full width, where OpenSSL gives DER. */
static bool from_der(uint8_t *signature, size_t *n) {
    const uint8_t *at = signature;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)*n);
    bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, P256_HALF) == P256_HALF &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + P256_HALF, P256_HALF) == P256_HALF;
    ECDSA_SIG_free(sig);
    *n = 2 * (size_t)P256_HALF;
    return ok;
}

static eg_err add_signature(const signer *s, eg_buf *to, eg_problem *p) {
    uint8_t signature[SIGNATURE_MAX];
    size_t n = sizeof signature;
    EVP_PKEY_CTX *options = NULL; /* ctx's */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit_ex(ctx, &options, "SHA256", NULL, NULL, s->key, NULL) == 1;
    if (ok && strcmp(s->algorithm, "PS256") == 0) {
        ok = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    ok = ok && EVP_DigestSign(ctx, signature, &n, (const uint8_t *)to->ptr, to->len) == 1;
    EVP_MD_CTX_free(ctx);
    ok = ok && (strcmp(s->algorithm, "ES256") != 0 || from_der(signature, &n));
    if (!ok) {
        return eg_fail(p, EG_ERR_CRYPTO, "the client's assertion could not be signed");
    }
    EG_TRY(eg_buf_adds(to, "."));
    return eg_base64url((eg_bytes){signature, n}, to);
}

eg_err eg_client_assertion(const eg_profile *profile, const char *audience, eg_buf *ret, eg_problem *p) {
    EG_CLEANUP(signer_done) signer s = {0};
    EG_TRY(read_key(profile->client_key, &s.key, p));
    EG_TRY(choose_algorithm(profile, &s, p));
    char id[EG_UUID_LEN];
    eg_uuid_new(id);
    const json_int_t now = (json_int_t)time(NULL);
    EG_JSON_AUTO header = json_pack("{s:s,s:s}", "alg", s.algorithm, "typ", "JWT");
    EG_JSON_AUTO claims = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "iss", profile->client_id, "sub", profile->client_id, "aud", audience, "jti", id, "iat",
                                    now, "nbf", now, "exp", now + LIFE_SECONDS);
    if (!header || !claims) {
        return EG_ERR_NO_MEMORY;
    }
    if (profile->client_certificate[0] != '\0') {
        EG_TRY(add_thumbprint(profile->client_certificate, header, p));
    }
    EG_TRY(add_part(header, ret));
    EG_TRY(eg_buf_adds(ret, "."));
    EG_TRY(add_part(claims, ret));
    return add_signature(&s, ret, p);
}

/* Proves which client asks for a token: by a secret, by an assertion that its key signs, by a certificate in the handshake, or by a federated token. */
#include "sign_in.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/secret.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 512
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

eg_err eg_mounted_file_read(const char *path, size_t max, eg_buf *ret, eg_problem *p) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    char *to = NULL;
    eg_err e = fd < 0 ? EG_ERR_NOT_FOUND : fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ? EG_ERR_INVALID : EG_OK;
    if (e == EG_OK && (st.st_size < 0 || (size_t)st.st_size > max)) {
        e = EG_ERR_LIMIT;
    }
    if (e == EG_OK && (e = eg_buf_reserve(ret, (size_t)st.st_size + 1, &to)) == EG_OK && (e = eg_pread_all(fd, to, (size_t)st.st_size, 0)) == EG_OK) {
        ret->len += (size_t)st.st_size;
        ret->ptr[ret->len] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
    return e == EG_OK ? EG_OK : eg_fail(p, e, "'%s' can't be read (a regular file of at most %zu bytes is wanted)", path, max);
}

typedef enum proof { PROOF_NONE = 0, PROOF_SECRET, PROOF_SECRET_FILE, PROOF_KEY, PROOF_TLS, PROOF_FEDERATED } proof;

/* The variable that AKS and others set for workloads counts only where nothing else proves the client. */
static const char *federated_file(const eg_profile *profile) {
    if (profile->federated_token_file[0] != '\0') {
        return profile->federated_token_file;
    }
    const char *set = getenv("AZURE_FEDERATED_TOKEN_FILE");
    bool other = profile->client_secret[0] || profile->client_secret_file[0] || profile->client_key[0];
    return !other && set ? set : "";
}

bool eg_profile_shows_certificate(const eg_profile *profile) {
    return strcmp(profile->client_proof, "tls") == 0;
}

static eg_err check_way(const eg_profile *profile, eg_problem *p) {
    if (profile->client_proof[0] == '\0' || strcmp(profile->client_proof, "assertion") == 0) {
        return EG_OK;
    }
    if (!eg_profile_shows_certificate(profile)) {
        return eg_fail(p, EG_ERR_INVALID, "the profile's client_proof is none of assertion and tls");
    }
    return profile->client_key[0] && profile->client_certificate[0] ? EG_OK : eg_fail(p, EG_ERR_INVALID, "client_proof tls owes a client_key and its client_certificate");
}

static eg_err choose(const eg_profile *profile, proof *ret, eg_problem *p) {
    const struct {
        bool there;
        proof proof;
    } found[] = {
        {profile->client_secret[0] != '\0', PROOF_SECRET},
        {profile->client_secret_file[0] != '\0', PROOF_SECRET_FILE},
        {profile->client_key[0] != '\0', eg_profile_shows_certificate(profile) ? PROOF_TLS : PROOF_KEY},
        {federated_file(profile)[0] != '\0', PROOF_FEDERATED},
    };
    *ret = PROOF_NONE;
    EG_TRY(check_way(profile, p));
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        if (found[i].there && *ret != PROOF_NONE) {
            (void)eg_fail(p, EG_ERR_INVALID, "the client would be proven in two ways");
            return eg_fail_hint(p, "give one of client_secret, client_secret_file, client_key and federated_token_file");
        }
        *ret = found[i].there ? found[i].proof : *ret;
    }
    return EG_OK;
}

bool eg_client_proof_there(const eg_profile *profile) {
    proof found = PROOF_NONE;
    return choose(profile, &found, NULL) != EG_OK || found != PROOF_NONE;
}

/* A line's end behind it is the editor's. */
static void trim(eg_buf *b) {
    while (b->len > 0 && (b->ptr[b->len - 1] == '\n' || b->ptr[b->len - 1] == '\r')) {
        b->ptr[--b->len] = '\0';
    }
}

/* RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
static eg_err add_basic(const eg_profile *profile, const char *secret, eg_buf *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf pair;
    eg_buf_init(&pair, 4096);
    eg_buf_init(ret, 8192);
    EG_TRY(eg_percent_encode(eg_str_of(profile->client_id), false, &pair));
    EG_TRY(eg_buf_adds(&pair, ":"));
    EG_TRY(eg_percent_encode(eg_str_of(secret), false, &pair));
    EG_TRY(eg_buf_adds(ret, "Authorization: Basic "));
    eg_err e = eg_base64(eg_buf_bytes(&pair), ret);
    eg_cleanse(pair.ptr, pair.len);
    return e;
}

static eg_err add_secret(const eg_profile *profile, const eg_provider *provider, const char *secret, eg_buf *form, eg_buf *ret_authorization) {
    return provider->basic ? add_basic(profile, secret, ret_authorization) : eg_form_add(form, "client_secret", secret);
}

static eg_err add_assertion(const char *assertion, eg_buf *form) {
    EG_TRY(eg_form_add(form, "client_assertion_type", ASSERTION_TYPE));
    return eg_form_add(form, "client_assertion", assertion);
}

eg_err eg_client_proof_add(const eg_profile *profile, const eg_provider *provider, eg_buf *form, eg_buf *ret_authorization, eg_problem *p) {
    proof how = PROOF_NONE;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_TOKEN_BYTES_MAX);
    EG_TRY(choose(profile, &how, p));
    EG_TRY(eg_form_add(form, "client_id", profile->client_id));
    eg_err e = EG_OK;
    switch (how) {
    case PROOF_NONE:
    case PROOF_TLS: /* RFC 8705 section 2: the handshake was the proof; client_id says of whom */
        break;
    case PROOF_SECRET:
        e = add_secret(profile, provider, profile->client_secret, form, ret_authorization);
        break;
    case PROOF_SECRET_FILE:
        e = eg_mounted_file_read(profile->client_secret_file, SECRET_MAX, &text, p);
        trim(&text);
        e = e == EG_OK ? add_secret(profile, provider, text.ptr ? text.ptr : "", form, ret_authorization) : e;
        break;
    case PROOF_KEY:
        e = eg_client_assertion(profile, provider->token, &text, p);
        e = e == EG_OK ? add_assertion(text.ptr, form) : e;
        break;
    case PROOF_FEDERATED:
        e = eg_mounted_file_read(federated_file(profile), EG_TOKEN_BYTES_MAX - 2, &text, p);
        trim(&text);
        e = e == EG_OK ? add_assertion(text.ptr ? text.ptr : "", form) : e;
        break;
    }
    if (text.ptr) {
        eg_cleanse(text.ptr, text.cap);
    }
    return e;
}

/* Makes random texts, and the pair by which a sign-in proves that it is the one that was begun (RFC 7636). */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>
#include <embergate/secret.h>

static eg_err encode(eg_bytes b, char ret[EG_RANDOM_TEXT_LEN]) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_RANDOM_TEXT_LEN - 1);
    EG_TRY(eg_base64url(b, &text));
    memcpy(ret, text.ptr, text.len + 1);
    eg_cleanse(text.ptr, text.cap);
    return EG_OK;
}

eg_err eg_random_text(char ret[EG_RANDOM_TEXT_LEN]) {
    uint8_t raw[32];
    eg_random(raw, sizeof raw);
    eg_err e = encode((eg_bytes){raw, sizeof raw}, ret);
    eg_cleanse(raw, sizeof raw);
    return e;
}

eg_err eg_pkce_challenge(const char *verifier, char ret[EG_RANDOM_TEXT_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(eg_str_bytes(eg_str_of(verifier)), digest);
    return encode((eg_bytes){digest, sizeof digest}, ret);
}

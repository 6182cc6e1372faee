/* Writes and verifies statements that a log's key signed. */
#include "signed_statement.h"

#include <embergate/encoding.h>

#define FILE_MAX ((size_t)1 << 20)
#define ED25519 1 /* C2SP signed-note: the algorithm's byte before the key */

eg_err eg_statement_body(const char *kind, const json_t *value, eg_buf *ret) {
    (void)eg_buf_addf(ret, "%s\n", kind);
    EG_TRY(eg_json_write(value, ret));
    return eg_buf_adds(ret, "\n");
}

static eg_err base64_text(eg_bytes raw, eg_buf *ret) {
    EG_TRY(eg_base64(raw, ret));
    return eg_buf_add(ret, "", 1);
}

eg_err eg_statement_file(eg_str body, eg_str origin, const uint8_t public_key[32], const uint8_t signature[64], eg_buf *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf key;
    EG_CLEANUP(eg_buf_done) eg_buf sig;
    eg_buf_init(&key, 64);
    eg_buf_init(&sig, 128);
    EG_TRY(base64_text((eg_bytes){public_key, 32}, &key));
    EG_TRY(base64_text((eg_bytes){signature, 64}, &sig));
    EG_JSON_AUTO v = json_pack("{s:s%, s:s%, s:s, s:s}", "statement", body.ptr, body.len, "origin", origin.ptr, origin.len, "publicKey", key.ptr, "signature", sig.ptr);
    EG_TRY(v ? EG_OK : EG_ERR_NO_MEMORY);
    EG_TRY(eg_json_write(v, ret));
    return eg_buf_adds(ret, "\n");
}

/* "name+hash+base64(1 ‖ key)": C2SP signed-note. */
static eg_err read_verifier_key(eg_str text, eg_str origin, uint8_t ret[32], eg_problem *p) {
    uint8_t raw[33];
    size_t n = 0;
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == ' ')) {
        text.len--;
    }
    eg_str rest = text;
    const eg_str name = eg_str_cut(&rest, '+');
    (void)eg_str_cut(&rest, '+');
    if (!rest.ptr || eg_unbase64(rest, raw, sizeof raw, &n) != EG_OK || n != sizeof raw || raw[0] != ED25519) {
        return eg_fail(p, EG_ERR_INVALID, "the verifier key is not of the form name+hash+key");
    }
    if (!eg_str_eq(name, origin)) {
        return eg_fail(p, EG_ERR_CORRUPT, "it was signed by \"%.*s\", not by the log of the verifier key", EG_FMT(origin));
    }
    memcpy(ret, raw + 1, 32);
    return EG_OK;
}

static eg_err take_raw(const json_t *file, const char *name, uint8_t *ret, size_t n) {
    size_t got = 0;
    const eg_str text = eg_json_str(file, name);
    return text.ptr && eg_unbase64(text, ret, n, &got) == EG_OK && got == n ? EG_OK : EG_ERR_CORRUPT;
}

eg_err eg_statement_open(const char *kind, eg_str file, eg_str verifier_key, json_t **ret_value, eg_problem *p) {
    uint8_t key[32];
    uint8_t sig[64];
    EG_JSON_AUTO v = NULL;
    if (eg_json_parse(file, FILE_MAX, &v, NULL) != EG_OK || !json_is_object(v)) {
        return eg_fail(p, EG_ERR_CORRUPT, "this is no signed statement");
    }
    eg_str rest = eg_json_str(v, "statement");
    const eg_str body = rest;
    const eg_str origin = eg_json_str(v, "origin");
    const eg_str first = rest.ptr ? eg_str_cut(&rest, '\n') : rest;
    if (!body.ptr || !origin.ptr || !rest.ptr || !eg_str_is(first, kind) || take_raw(v, "publicKey", key, sizeof key) != EG_OK ||
        take_raw(v, "signature", sig, sizeof sig) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "this is no \"%s\"", kind);
    }
    if (verifier_key.len > 0) {
        EG_TRY(read_verifier_key(verifier_key, origin, key, p));
    }
    if (eg_ed25519_verify(key, eg_str_bytes(body), sig) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "the signature does not fit");
    }
    json_t *value = NULL;
    if (eg_json_parse(rest, FILE_MAX, &value, NULL) != EG_OK || !json_is_object(value)) {
        json_decref(value);
        return eg_fail(p, EG_ERR_CORRUPT, "the statement can't be read");
    }
    *ret_value = value;
    return EG_OK;
}

/* Formats and verifies checkpoints and verifier keys: C2SP tlog-checkpoint, signed-note. */
#include "checkpoint.h"

#include <embergate/encoding.h>
#include <inttypes.h>

#define ED25519 0x01
#define COSIGNATURE_V1 0x04 /* Ed25519 too, over a time and the checkpoint */
#define DASH "\xe2\x80\x94 " /* U+2014 and a blank begin a signature line */

/* signed-note: the first four bytes of SHA-256(name ‖ 0A ‖ type ‖ key). */
static void key_id(eg_str name, uint8_t type, const uint8_t public_key[32], uint8_t ret[4]) {
    const uint8_t newline_type[2] = {0x0a, type};
    uint8_t digest[EG_SHA256_LEN];
    const eg_bytes in[3] = {eg_str_bytes(name), {newline_type, 2}, {public_key, 32}};
    eg_sha256_v(in, 3, digest);
    memcpy(ret, digest, 4);
}

eg_err eg_checkpoint_body(eg_str origin, uint64_t size, const uint8_t root[EG_SHA256_LEN], eg_buf *ret) {
    eg_buf_add(ret, origin.ptr, origin.len);
    eg_buf_addf(ret, "\n%" PRIu64 "\n", size);
    eg_base64((eg_bytes){root, EG_SHA256_LEN}, ret);
    return eg_buf_adds(ret, "\n");
}

eg_err eg_checkpoint_note(eg_str body, eg_str origin, const uint8_t public_key[32], const uint8_t sig[64], eg_buf *ret) {
    uint8_t blob[4 + 64];
    key_id(origin, ED25519, public_key, blob);
    memcpy(blob + 4, sig, 64);
    eg_buf_add(ret, body.ptr, body.len);
    eg_buf_adds(ret, "\n" DASH);
    eg_buf_add(ret, origin.ptr, origin.len);
    eg_buf_adds(ret, " ");
    eg_base64((eg_bytes){blob, sizeof blob}, ret);
    return eg_buf_adds(ret, "\n");
}

static bool origin_ok(eg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((uint8_t)s.ptr[i] <= ' ' || s.ptr[i] == '+' || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return s.len > 0 && s.len < EG_ORIGIN_MAX && eg_utf8_valid(s);
}

eg_err eg_checkpoint_parse(eg_str note, eg_checkpoint *ret) {
    eg_checkpoint c = {0};
    eg_str rest = note;
    eg_str origin = eg_str_cut(&rest, '\n');
    eg_str size = rest.ptr ? eg_str_cut(&rest, '\n') : (eg_str){NULL, 0};
    eg_str root = rest.ptr ? eg_str_cut(&rest, '\n') : (eg_str){NULL, 0};
    size_t n = 0;
    if (note.len > EG_CHECKPOINT_MAX || !rest.ptr || !origin_ok(origin) || eg_str_u64(size, UINT64_MAX, &c.size) != EG_OK ||
        (size.len > 1 && size.ptr[0] == '0') || eg_unbase64(root, c.root, sizeof c.root, &n) != EG_OK || n != sizeof c.root) {
        return EG_ERR_CORRUPT;
    }
    /* tlog-checkpoint allows extension lines; this log writes none, and what it did not write is no checkpoint of it. */
    c.body = (eg_str){note.ptr, (size_t)(rest.ptr - note.ptr)};
    if (rest.len < 2 || rest.ptr[0] != '\n' || note.ptr[note.len - 1] != '\n') {
        return EG_ERR_CORRUPT;
    }
    c.signatures = (eg_str){rest.ptr + 1, rest.len - 1};
    memcpy(c.origin, origin.ptr, origin.len);
    *ret = c;
    return EG_OK;
}

bool eg_note_line(eg_str line, eg_str *ret_name, eg_str *ret_base64) {
    if (!eg_str_starts(line, DASH)) {
        return false;
    }
    line = (eg_str){line.ptr + sizeof DASH - 1, line.len - (sizeof DASH - 1)};
    *ret_name = eg_str_cut(&line, ' ');
    *ret_base64 = line;
    return line.ptr != NULL;
}

/* Other signers' lines are passed over. */
static bool line_verifies(eg_str line, const eg_checkpoint *c, const eg_verifier_key *k, uint8_t blob[4 + 64]) {
    eg_str name, text;
    size_t n = 0;
    return eg_note_line(line, &name, &text) && eg_str_is(name, k->name) && eg_unbase64(text, blob, 4 + 64, &n) == EG_OK && n == 4 + 64 &&
           memcmp(blob, k->id, 4) == 0 && eg_ed25519_verify(k->public_key, eg_str_bytes(c->body), blob + 4) == EG_OK;
}

eg_err eg_checkpoint_signature(const eg_checkpoint *c, const eg_verifier_key *k, uint8_t ret[64]) {
    uint8_t blob[4 + 64];
    if (strcmp(c->origin, k->name) != 0) {
        return EG_ERR_CORRUPT;
    }
    eg_str rest = c->signatures;
    while (rest.ptr && rest.len > 0) {
        if (line_verifies(eg_str_cut(&rest, '\n'), c, k, blob)) {
            memcpy(ret, blob + 4, 64);
            return EG_OK;
        }
    }
    return EG_ERR_CORRUPT;
}

eg_err eg_checkpoint_verify(const eg_checkpoint *c, const eg_verifier_key *k) {
    uint8_t unused[64];
    return eg_checkpoint_signature(c, k, unused);
}

eg_err eg_verifier_key_write(eg_str origin, const uint8_t public_key[32], eg_buf *ret) {
    uint8_t id[4];
    uint8_t typed[33] = {ED25519};
    char hex[9];
    memcpy(typed + 1, public_key, 32);
    key_id(origin, ED25519, public_key, id);
    eg_hex((eg_bytes){id, sizeof id}, hex);
    eg_buf_add(ret, origin.ptr, origin.len);
    eg_buf_addf(ret, "+%s+", hex);
    return eg_base64((eg_bytes){typed, sizeof typed}, ret);
}

static eg_err key_parse(eg_str text, uint8_t type, eg_verifier_key *ret) {
    eg_verifier_key k = {0};
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    eg_str rest = text;
    eg_str name = eg_str_cut(&rest, '+');
    eg_str hex = rest.ptr ? eg_str_cut(&rest, '+') : (eg_str){NULL, 0};
    uint8_t typed[33];
    uint8_t id[4];
    size_t n = 0;
    if (!rest.ptr || !origin_ok(name) || eg_unhex(hex, id, sizeof id, &n) != EG_OK || n != sizeof id ||
        eg_unbase64(rest, typed, sizeof typed, &n) != EG_OK || n != sizeof typed || typed[0] != type) {
        return EG_ERR_INVALID;
    }
    memcpy(k.name, name.ptr, name.len);
    memcpy(k.public_key, typed + 1, 32);
    key_id(name, type, k.public_key, k.id);
    if (memcmp(k.id, id, sizeof id) != 0) {
        return EG_ERR_INVALID;
    }
    *ret = k;
    return EG_OK;
}

eg_err eg_verifier_key_parse(eg_str text, eg_verifier_key *ret) { return key_parse(text, ED25519, ret); }
eg_err eg_cosigner_key_parse(eg_str text, eg_verifier_key *ret) { return key_parse(text, COSIGNATURE_V1, ret); }

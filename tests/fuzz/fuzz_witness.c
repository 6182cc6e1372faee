/* Fuzzes eg_witness_read_answer, eg_cosignature_find and eg_cosigner_key_parse: what a witness answers, and the key that an administrator got from it. The first byte says
 * which: 'k' a key, 'l' signature lines, anything else an answer of that status (200 and on).
 *
 *   ./dev fuzz witness */
#include <embergate/audit.h>
#include <embergate/encoding.h>

#include <stdlib.h>

#include "cosignature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY "embergate/log\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define NAME "w.test/1"

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

/* The key of the seeds: 32 bytes of 9 make it. */
static void own_key(eg_verifier_key *ret) {
    static const uint8_t seed[32] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    uint8_t typed[33] = {4}, digest[EG_SHA256_LEN];
    require(eg_ed25519_public(seed, typed + 1) == EG_OK);
    const eg_bytes in[2] = {eg_str_bytes(EG_LIT(NAME "\n")), {typed, sizeof typed}};
    eg_sha256_v(in, 2, digest);
    *ret = (eg_verifier_key){.name = NAME};
    memcpy(ret->id, digest, sizeof ret->id);
    memcpy(ret->public_key, typed + 1, sizeof ret->public_key);
}

static void read_lines(eg_str text) {
    eg_verifier_key k;
    eg_cosignature c;
    own_key(&k);
    if (eg_cosignature_find(EG_LIT(BODY), text, &k, &c) == EG_OK) {
        require(c.time_s >= 0 && c.line.ptr >= text.ptr && c.line.ptr + c.line.len <= text.ptr + text.len && !memchr(c.line.ptr, '\n', c.line.len));
    }
}

static void read_key(eg_str text) {
    eg_verifier_key k, plain;
    if (eg_cosigner_key_parse(text, &k) == EG_OK) {
        require(k.name[0] != '\0' && strlen(k.name) < sizeof k.name && eg_witness_key_valid(text));
        require(eg_verifier_key_parse(text, &plain) != EG_OK); /* of one kind alone */
    }
}

static void read_answer(unsigned char status, eg_str body) {
    uint64_t known = UINT64_MAX;
    const eg_witness_says says = eg_witness_read_answer(200 + status, body, &known);
    require(says != EG_WITNESS_KNOWS || known <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0) {
        const eg_str text = {(const char *)data + 1, size - 1};
        switch (data[0]) {
        case 'k': read_key(text); break;
        case 'l': read_lines(text); break;
        default: read_answer(data[0], text);
        }
    }
    return 0;
}

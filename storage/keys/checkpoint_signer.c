/* Signs checkpoints of the audit logs after comparing them with the last that was signed. */
#include "checkpoint_signer.h"

#include "keeper_file.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define ROOT_LEN 32
#define STATE_LEN (8 + ROOT_LEN)

static bool origin_valid(eg_str origin) {
    for (size_t i = 0; i < origin.len; i++) {
        if (origin.ptr[i] <= ' ' || origin.ptr[i] == '+' || origin.ptr[i] == 0x7f) {
            return false; /* a verifier key is "origin+hash+key" */
        }
    }
    return origin.len > 0 && origin.len <= EG_CHECKPOINT_ORIGIN_MAX;
}

static eg_err origin_seed(const eg_checkpoint_signer *s, eg_str origin, uint8_t ret[32]) {
    return eg_hkdf_sha256(eg_secret_bytes(s->seed), eg_str_bytes(EG_LIT("embergate log origin v1")), eg_str_bytes(origin), ret, 32);
}

/* C2SP tlog-checkpoint: origin, size in decimal, root in base64, each a line; other lines may follow. */
static eg_err parse(eg_str origin, eg_str body, uint64_t *ret_size, uint8_t ret_root[ROOT_LEN]) {
    if (body.len == 0 || body.len > EG_CHECKPOINT_BODY_MAX || body.ptr[body.len - 1] != '\n') {
        return EG_ERR_INVALID;
    }
    eg_str rest = body;
    eg_str first = eg_str_cut(&rest, '\n');
    if (!rest.ptr || !eg_str_eq(first, origin)) {
        return EG_ERR_INVALID;
    }
    eg_str size = eg_str_cut(&rest, '\n');
    if (!rest.ptr || (size.len > 1 && size.ptr[0] == '0')) {
        return EG_ERR_INVALID;
    }
    eg_str root = eg_str_cut(&rest, '\n');
    uint64_t n = 0;
    size_t root_len = 0;
    uint8_t raw[ROOT_LEN];
    if (!rest.ptr || eg_str_u64(size, INT64_MAX, &n) != EG_OK || eg_unbase64(root, raw, sizeof raw, &root_len) != EG_OK || root_len != ROOT_LEN) {
        return EG_ERR_INVALID;
    }
    /* An empty line would end the signed text in a note and let the rest pass for signatures. */
    while (rest.len > 0) {
        if (eg_str_cut(&rest, '\n').len == 0) {
            return EG_ERR_INVALID;
        }
    }
    *ret_size = n;
    memcpy(ret_root, raw, ROOT_LEN);
    return EG_OK;
}

static void state_file(eg_str origin, char ret[EG_KEEPER_NAME_MAX]) {
    uint8_t digest[EG_SHA256_LEN];
    char hex[33];
    eg_sha256(eg_str_bytes(origin), digest);
    eg_hex((eg_bytes){digest, 16}, hex);
    snprintf(ret, EG_KEEPER_NAME_MAX, EG_KEEPER_CHECKPOINTS_DIR "/%s.state", hex);
}

/* 0 and *ret_signed false when nothing was signed for the origin yet. */
static eg_err last_signed(const eg_checkpoint_signer *s, const char *file, eg_str origin, uint8_t ret[STATE_LEN], bool *ret_signed) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *sealed = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *plain = NULL;
    eg_err e = eg_keeper_file_read(s->dir_fd, file, EG_KEEPER_CHECKPOINT, &sealed, NULL);
    if (e == EG_ERR_NOT_FOUND) {
        *ret_signed = false;
        return EG_OK;
    }
    EG_TRY(e);
    EG_TRY(eg_keeper_unseal(s->master, EG_KEEPER_CHECKPOINT, eg_str_bytes(origin), eg_secret_bytes(sealed), &plain));
    if (eg_secret_bytes(plain).len != STATE_LEN) {
        return EG_ERR_CORRUPT;
    }
    memcpy(ret, eg_secret_bytes(plain).ptr, STATE_LEN);
    *ret_signed = true;
    return EG_OK;
}

static eg_err remember(const eg_checkpoint_signer *s, const char *file, eg_str origin, const uint8_t state[STATE_LEN]) {
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&sealed, STATE_LEN + EG_SEALED_OVERHEAD);
    EG_TRY(eg_keeper_seal(s->master, EG_KEEPER_CHECKPOINT, eg_str_bytes(origin), (eg_bytes){state, STATE_LEN}, &sealed));
    return eg_keeper_file_write(s->dir_fd, file, EG_KEEPER_CHECKPOINT, eg_str_bytes(eg_buf_str(&sealed)), NULL);
}

/* What a body says beside what is remembered of its origin. */
typedef struct standing {
    char file[EG_KEEPER_NAME_MAX];
    uint8_t said[STATE_LEN];
    uint64_t size;
    uint64_t before;     /* 0 when nothing was signed */
    bool signed_before;
    bool same;
} standing;

/* EG_ERR_CORRUPT for a fork. */
static eg_err stand(const eg_checkpoint_signer *s, eg_str origin, eg_str body, standing *ret) {
    standing t = {.size = 0};
    uint8_t last[STATE_LEN] = {0};
    EG_TRY(origin_valid(origin) ? parse(origin, body, &t.size, t.said + 8) : EG_ERR_INVALID);
    eg_put_u64(t.said, t.size);
    state_file(origin, t.file);
    EG_TRY(last_signed(s, t.file, origin, last, &t.signed_before));
    t.before = eg_get_u64(last);
    t.same = t.signed_before && memcmp(t.said, last, STATE_LEN) == 0;
    *ret = t;
    return t.signed_before && t.size == t.before && !t.same ? EG_ERR_CORRUPT : EG_OK;
}

eg_err eg_checkpoint_sign(const eg_checkpoint_signer *s, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    standing t;
    EG_TRY(stand(s, origin, body, &t));
    if (t.size < t.before) {
        return EG_ERR_CORRUPT;
    }
    if (!t.same) {
        EG_TRY(remember(s, t.file, origin, t.said));
    }
    uint8_t seed[32];
    EG_TRY(origin_seed(s, origin, seed));
    eg_err e = eg_ed25519_sign(seed, eg_str_bytes(body), ret_sig);
    eg_cleanse(seed, sizeof seed);
    return e;
}

eg_err eg_checkpoint_recall(const eg_checkpoint_signer *s, const eg_signed_checkpoint *c, bool remember_it, bool *ret_forgotten) {
    uint8_t pub[32];
    standing t;
    EG_TRY(eg_checkpoint_public_key(s, c->origin, pub));
    if (eg_ed25519_verify(pub, eg_str_bytes(c->body), c->signature) != EG_OK) {
        return EG_ERR_INVALID;
    }
    EG_TRY(stand(s, c->origin, c->body, &t));
    const bool forgotten = !t.signed_before || t.size > t.before;
    if (forgotten && remember_it) {
        EG_TRY(remember(s, t.file, c->origin, t.said));
    }
    *ret_forgotten = forgotten;
    return EG_OK;
}

/* An origin has no blanks, so that no checkpoint begins as a statement does. */
static bool is_statement(eg_str body) {
    static const char *const kinds[] = {EG_STATEMENT_ERASURE, EG_STATEMENT_BACKUP};
    const eg_str first = eg_str_cut(&body, '\n');
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        known = known || eg_str_is(first, kinds[i]);
    }
    return known && body.ptr != NULL;
}

eg_err eg_statement_sign(const eg_checkpoint_signer *s, eg_str origin, eg_str body, uint8_t ret_sig[64]) {
    uint8_t seed[32];
    if (!origin_valid(origin) || body.len > EG_STATEMENT_MAX || !is_statement(body)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(origin_seed(s, origin, seed));
    const eg_err e = eg_ed25519_sign(seed, eg_str_bytes(body), ret_sig);
    eg_cleanse(seed, sizeof seed);
    return e;
}

eg_err eg_checkpoint_public_key(const eg_checkpoint_signer *s, eg_str origin, uint8_t ret_pub[32]) {
    uint8_t seed[32];
    if (!origin_valid(origin)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(origin_seed(s, origin, seed));
    eg_err e = eg_ed25519_public(seed, ret_pub);
    eg_cleanse(seed, sizeof seed);
    return e;
}

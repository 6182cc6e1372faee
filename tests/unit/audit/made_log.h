/* A log made entry by entry, signed with a key of the test's own. */
#ifndef EG_TEST_AUDIT_MADE_LOG_H
#define EG_TEST_AUDIT_MADE_LOG_H

#include "bench.h"

#include <fcntl.h>

#include <embergate/encoding.h>

#include "checkpoint.h"

#define MADE_ORIGIN "embergate.test/made"
static const uint8_t made_seed[32] = {7};

static inline void made_write(int dir, const char *name, eg_buf *b) {
    assert_int_equal(b->err, EG_OK);
    assert_int_equal(eg_file_replace(dir, name, 0600, eg_buf_bytes(b), NULL), EG_OK);
    eg_buf_done(b);
}

static inline void made_checkpoint(int dir, const eg_tile_log *t) {
    uint8_t root[EG_SHA256_LEN];
    uint8_t pub[32];
    uint8_t sig[64];
    eg_buf body;
    eg_buf note;
    eg_buf_init(&body, 4096);
    eg_buf_init(&note, 4096);
    eg_tile_log_root(t, root);
    assert_int_equal(eg_checkpoint_body(EG_LIT(MADE_ORIGIN), eg_tile_log_size(t), root, &body), EG_OK);
    assert_int_equal(eg_ed25519_sign(made_seed, eg_str_bytes(eg_buf_str(&body)), sig), EG_OK);
    assert_int_equal(eg_ed25519_public(made_seed, pub), EG_OK);
    assert_int_equal(eg_checkpoint_note(eg_buf_str(&body), EG_LIT(MADE_ORIGIN), pub, sig, &note), EG_OK);
    made_write(dir, "checkpoint", &note);
    eg_buf_done(&body);
}

static inline void made_companions(int dir) {
    uint8_t pub[32];
    uint8_t wrapped[60] = {1, 2, 3};
    uint8_t digest[EG_SHA256_LEN];
    char hex[65];
    eg_buf b;
    eg_buf_init(&b, 4096);
    assert_int_equal(eg_ed25519_public(made_seed, pub), EG_OK);
    assert_int_equal(eg_verifier_key_write(EG_LIT(MADE_ORIGIN), pub, &b), EG_OK);
    eg_buf_adds(&b, "\n");
    made_write(dir, "vkey", &b);
    const eg_bytes in[2] = {eg_str_bytes(EG_LIT("made")), {wrapped, sizeof wrapped}};
    eg_sha256_v(in, 2, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    eg_buf_init(&b, 4096);
    eg_buf_adds(&b, "embergate audit key 1\nmade\n");
    eg_base64((eg_bytes){wrapped, sizeof wrapped}, &b);
    eg_buf_addf(&b, "\n%s\n", hex);
    made_write(dir, EG_WRAPPED_FILE, &b);
}

static inline void made_append(eg_tile_log *t, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; i++) {
        char line[64];
        int n = snprintf(line, sizeof line, "{\"n\":%llu}", (unsigned long long)i);
        assert_int_equal(eg_tile_log_append(t, (eg_bytes){(uint8_t *)line, (size_t)n}), EG_OK);
    }
    assert_int_equal(eg_tile_log_flush(t), EG_OK);
}

/* Makes the folder, opens an empty log in it. */
static inline eg_tile_log *made_open(const char *dir) {
    uint8_t empty[EG_SHA256_LEN];
    eg_tile_log *t = NULL;
    eg_sha256((eg_bytes){NULL, 0}, empty);
    assert_int_equal(eg_dir_make(dir, 0700, NULL), EG_OK);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(eg_tile_log_open(fd, 0, empty, 0, &t, NULL), EG_OK);
    return t;
}

static inline void made_log(const char *dir, uint64_t size) {
    eg_tile_log *t = made_open(dir);
    made_append(t, 0, size);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    made_checkpoint(fd, t);
    made_companions(fd);
    close(fd);
    eg_tile_log_free(t);
}

static inline int made_dir(void **state) {
    char name[] = "tmp-audit-XXXXXX";
    *state = mkdtemp(name) ? strdup(name) : NULL;
    return *state ? 0 : -1;
}

static inline int made_remove(void **state) {
    bench_remove(*state);
    free(*state);
    return 0;
}

#endif

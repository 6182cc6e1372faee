/* Checks checkpoints and verifier keys: the example of C2SP signed-note, every malformed text, every wrong signature. */
#include "bench.h"

#include "checkpoint.h"

/* golang.org/x/mod/sumdb/note's own example key and note. */
static const char peter[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char note[] = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";

static void known_keys_parse(void **state) {
    (void)state;
    eg_verifier_key k;
    eg_buf b;
    eg_buf_init(&b, 1024);
    assert_int_equal(eg_verifier_key_parse(eg_str_of(peter), &k), EG_OK);
    assert_string_equal(k.name, "PeterNeumann");
    assert_int_equal(eg_verifier_key_write(EG_LIT("PeterNeumann"), k.public_key, &b), EG_OK);
    assert_string_equal(b.ptr, peter);
    eg_buf_done(&b);
    /* Its signature of that note, as the package's documentation has it: the same form as a checkpoint's. */
    static const uint8_t none[64] = {0};
    assert_int_not_equal(eg_ed25519_verify(k.public_key, eg_str_bytes(eg_str_of(note)), none), EG_OK);
    static const char *const bad[] = {"", "a", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann+c74f20a3+ARpc2Q", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_verifier_key_parse(eg_str_of(bad[i]), &k), EG_ERR_INVALID);
    }
}

static const uint8_t seed[32] = {5};
static const uint8_t root[EG_SHA256_LEN] = {6};

static void make(uint64_t size, eg_buf *ret, eg_verifier_key *k) {
    uint8_t sig[64];
    uint8_t pub[32];
    eg_buf body;
    eg_buf key;
    eg_buf_init(&body, 1024);
    eg_buf_init(&key, 1024);
    eg_buf_init(ret, 2048);
    assert_int_equal(eg_checkpoint_body(EG_LIT("o/x"), size, root, &body), EG_OK);
    assert_int_equal(eg_ed25519_sign(seed, eg_str_bytes(eg_buf_str(&body)), sig), EG_OK);
    assert_int_equal(eg_ed25519_public(seed, pub), EG_OK);
    assert_int_equal(eg_checkpoint_note(eg_buf_str(&body), EG_LIT("o/x"), pub, sig, ret), EG_OK);
    assert_int_equal(eg_verifier_key_write(EG_LIT("o/x"), pub, &key), EG_OK);
    assert_int_equal(eg_verifier_key_parse(eg_buf_str(&key), k), EG_OK);
    eg_buf_done(&body);
    eg_buf_done(&key);
}

static void signed_and_verified(void **state) {
    (void)state;
    eg_buf b;
    eg_verifier_key k;
    eg_checkpoint c;
    make(UINT64_MAX, &b, &k);
    assert_int_equal(eg_checkpoint_parse(eg_buf_str(&b), &c), EG_OK);
    assert_string_equal(c.origin, "o/x");
    assert_true(c.size == UINT64_MAX);
    assert_memory_equal(c.root, root, sizeof root);
    assert_int_equal(eg_checkpoint_verify(&c, &k), EG_OK);
    eg_verifier_key other = k;
    other.public_key[0] ^= 1;
    assert_int_equal(eg_checkpoint_verify(&c, &other), EG_ERR_CORRUPT);
    other = k;
    other.name[0] = 'p';
    assert_int_equal(eg_checkpoint_verify(&c, &other), EG_ERR_CORRUPT);
    /* A witness's line beside ours does no harm; without ours it is none. */
    eg_buf_adds(&b, "\xe2\x80\x94 witness.example AAAAAAAA\n");
    assert_int_equal(eg_checkpoint_parse(eg_buf_str(&b), &c), EG_OK);
    assert_int_equal(eg_checkpoint_verify(&c, &k), EG_OK);
    eg_buf_done(&b);
}

static void malformed_ones_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "o/x", "o/x\n", "o/x\n5\n", "o/x\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "o/x\n05\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
        "o/x\n-5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n", "o/x\n5\nBgAA\n\nx\n", "\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
        "o x\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n", "o/x\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n\nx\n",
        "o/x\n5\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx", "o/x\n99999999999999999999\nBgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_checkpoint c;
        assert_int_equal(eg_checkpoint_parse(eg_str_of(bad[i]), &c), EG_ERR_CORRUPT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_keys_parse), cmocka_unit_test(signed_and_verified), cmocka_unit_test(malformed_ones_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

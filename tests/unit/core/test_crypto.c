/* Checks the primitives against published vectors, and that what was tampered with is refused. covers: aead.c digest.c ed25519.c */
#include <embergate/crypto.h>
#include <embergate/encoding.h>

#include "check.h"

static eg_bytes unhex(const char *z, uint8_t *room) {
    size_t n = 0;
    assert_int_equal(eg_unhex(eg_str_of(z), room, 256, &n), EG_OK);
    return (eg_bytes){room, n};
}

static void assert_hex(const uint8_t *p, size_t n, const char *want) {
    char text[513];
    eg_hex((eg_bytes){p, n}, text);
    assert_string_equal(text, want);
}

static void digests(void **state) {
    (void)state;
    uint8_t d[EG_SHA256_LEN];
    eg_sha256(eg_str_bytes(EG_LIT("abc")), d);
    assert_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    eg_bytes parts[] = {eg_str_bytes(EG_LIT("a")), {NULL, 0}, eg_str_bytes(EG_LIT("bc"))};
    eg_sha256_v(parts, 3, d);
    assert_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    eg_md5(eg_str_bytes(EG_LIT("abc")), d);
    assert_hex(d, 16, "900150983cd24fb0d6963f7d28e17f72");
    /* RFC 4231, test case 2 */
    eg_hmac_sha256(eg_str_bytes(EG_LIT("Jefe")), eg_str_bytes(EG_LIT("what do ya want for nothing?")), d);
    assert_hex(d, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void hkdf(void **state) {
    (void)state;
    uint8_t key[256];
    uint8_t salt[256];
    uint8_t info[256];
    uint8_t out[42];
    /* RFC 5869, A.1 and A.3 */
    assert_int_equal(eg_hkdf_sha256(unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", key), unhex("000102030405060708090a0b0c", salt),
                                    unhex("f0f1f2f3f4f5f6f7f8f9", info), out, 42), EG_OK);
    assert_hex(out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_int_equal(eg_hkdf_sha256(unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", key), (eg_bytes){0}, (eg_bytes){0}, out, 42), EG_OK);
    assert_hex(out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    assert_int_equal(eg_hkdf_sha256((eg_bytes){key, 22}, (eg_bytes){0}, (eg_bytes){0}, out, 255 * 32 + 1), EG_ERR_INVALID);
}

static void scrypt(void **state) {
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    assert_int_equal(eg_scrypt(eg_str_bytes(EG_LIT("password")), eg_str_bytes(EG_LIT("salt")), a, 32), EG_OK);
    assert_hex(a, 32, "4bc0fd507e93a600768021341ec726c57c00cb55a4702a1650131365500cf471");
    assert_int_equal(eg_scrypt(eg_str_bytes(EG_LIT("passwore")), eg_str_bytes(EG_LIT("salt")), b, 32), EG_OK);
    assert_memory_not_equal(a, b, 32);
}

static void uuid(void **state) {
    (void)state;
    char a[EG_UUID_LEN];
    char b[EG_UUID_LEN];
    eg_uuid_new(a);
    eg_uuid_new(b);
    assert_string_not_equal(a, b);
    assert_true(eg_uuid_valid(eg_str_of(a)));
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    static const char *const bad[] = {"", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-00000000000g", "00000000x0000-0000-0000-000000000000",
                                      "{0000000-0000-0000-0000-000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(eg_uuid_valid(eg_str_of(bad[i])));
    }
}

/* The GCM specification's test case 16. */
static void aead_vector(void **state) {
    (void)state;
    uint8_t key[256];
    uint8_t nonce[256];
    uint8_t ad_room[256];
    uint8_t in_room[256];
    uint8_t out[256];
    unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
    unhex("cafebabefacedbaddecaf888", nonce);
    eg_bytes ad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", ad_room);
    eg_bytes in = unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39", in_room);
    eg_aead *a = eg_aead_new(key);
    assert_int_equal(eg_aead_seal(a, nonce, ad, in, out), EG_OK);
    assert_hex(out, in.len + 16, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
    assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){out, in.len + 16}, out), EG_OK); /* in place */
    assert_memory_equal(out, in.ptr, in.len);
    eg_aead_free(a);
}

static void aead_refuses_tampering(void **state) {
    (void)state;
    uint8_t key[EG_KEY_LEN];
    uint8_t nonce[EG_GCM_NONCE_LEN];
    eg_random(key, sizeof key);
    eg_random(nonce, sizeof nonce);
    eg_aead *a = eg_aead_new(key);
    eg_bytes ad = eg_str_bytes(EG_LIT("context"));
    uint8_t sealed[20 + EG_GCM_TAG_LEN];
    uint8_t plain[20];
    assert_int_equal(eg_aead_seal(a, nonce, ad, eg_str_bytes(EG_LIT("twenty bytes of text")), sealed), EG_OK);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        memset(plain, 0xaa, sizeof plain);
        assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){sealed, sizeof sealed}, plain), EG_ERR_CORRUPT);
        for (size_t k = 0; k < sizeof plain; k++) {
            assert_int_equal(plain[k], 0);
        }
        sealed[i] ^= 1;
    }
    assert_int_equal(eg_aead_open(a, nonce, eg_str_bytes(EG_LIT("Context")), (eg_bytes){sealed, sizeof sealed}, plain), EG_ERR_CORRUPT);
    assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){sealed, 15}, plain), EG_ERR_CORRUPT);
    assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){sealed, sizeof sealed - 1}, plain), EG_ERR_CORRUPT);
    nonce[0] ^= 1;
    assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){sealed, sizeof sealed}, plain), EG_ERR_CORRUPT);
    nonce[0] ^= 1;
    assert_int_equal(eg_aead_open(a, nonce, ad, (eg_bytes){sealed, sizeof sealed}, plain), EG_OK);
    assert_memory_equal(plain, "twenty bytes of text", 20);
    /* Nothing but a tag. */
    assert_int_equal(eg_aead_seal(a, nonce, (eg_bytes){0}, (eg_bytes){0}, sealed), EG_OK);
    assert_int_equal(eg_aead_open(a, nonce, (eg_bytes){0}, (eg_bytes){sealed, 16}, plain), EG_OK);
    eg_aead_free(a);
    eg_aead_free(NULL);
}

static void small_values_sealed(void **state) {
    (void)state;
    uint8_t key[EG_KEY_LEN];
    eg_random(key, sizeof key);
    eg_bytes k = {key, sizeof key};
    eg_bytes ad = eg_str_bytes(EG_LIT("tenant key"));
    eg_buf one;
    eg_buf two;
    eg_buf out;
    eg_buf_init(&one, 1000);
    eg_buf_init(&two, 1000);
    eg_buf_init(&out, 1000);
    assert_int_equal(eg_seal(k, ad, eg_str_bytes(EG_LIT("value")), &one), EG_OK);
    assert_int_equal(eg_seal(k, ad, eg_str_bytes(EG_LIT("value")), &two), EG_OK);
    assert_int_equal(one.len, 5 + EG_SEALED_OVERHEAD);
    assert_memory_not_equal(one.ptr, two.ptr, one.len);
    assert_int_equal(eg_open_sealed(k, ad, eg_buf_bytes(&one), &out), EG_OK);
    assert_string_equal(out.ptr, "value");
    one.ptr[13] ^= 1;
    assert_int_equal(eg_open_sealed(k, ad, eg_buf_bytes(&one), &out), EG_ERR_CORRUPT);
    assert_int_equal(eg_open_sealed(k, ad, (eg_bytes){(const uint8_t *)one.ptr, 27}, &out), EG_ERR_CORRUPT);
    assert_int_equal(eg_open_sealed((eg_bytes){key, 16}, ad, eg_buf_bytes(&two), &out), EG_ERR_INVALID);
    assert_int_equal(out.len, 5);
    eg_buf_done(&one);
    eg_buf_done(&two);
    eg_buf_done(&out);
}

/* RFC 8032 section 7.1, tests 1 and 3. */
static void ed25519(void **state) {
    (void)state;
    uint8_t seed[256];
    uint8_t pub[32];
    uint8_t sig[64];
    uint8_t msg_room[256];
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed);
    assert_int_equal(eg_ed25519_public(seed, pub), EG_OK);
    assert_hex(pub, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_int_equal(eg_ed25519_sign(seed, (eg_bytes){NULL, 0}, sig), EG_OK);
    assert_hex(sig, 64, "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    assert_int_equal(eg_ed25519_verify(pub, (eg_bytes){NULL, 0}, sig), EG_OK);
    unhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", seed);
    assert_int_equal(eg_ed25519_public(seed, pub), EG_OK);
    eg_bytes msg = unhex("af82", msg_room);
    assert_int_equal(eg_ed25519_sign(seed, msg, sig), EG_OK);
    assert_hex(sig, 64, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    assert_int_equal(eg_ed25519_verify(pub, msg, sig), EG_OK);
    sig[5] ^= 1;
    assert_int_equal(eg_ed25519_verify(pub, msg, sig), EG_ERR_CORRUPT);
    sig[5] ^= 1;
    msg_room[0] ^= 1;
    assert_int_equal(eg_ed25519_verify(pub, msg, sig), EG_ERR_CORRUPT);
}

static void constant_time_equality(void **state) {
    (void)state;
    assert_true(eg_ct_eq("abc", "abc", 3));
    assert_false(eg_ct_eq("abc", "abd", 3));
    assert_true(eg_ct_eq(NULL, NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests), cmocka_unit_test(hkdf), cmocka_unit_test(scrypt), cmocka_unit_test(uuid), cmocka_unit_test(aead_vector),
        cmocka_unit_test(aead_refuses_tampering), cmocka_unit_test(small_values_sealed), cmocka_unit_test(ed25519), cmocka_unit_test(constant_time_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

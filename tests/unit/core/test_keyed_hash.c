/* SipHash against OpenSSL's, for every length around its words, and in pieces. */
#include "check.h"

#include <embergate/crypto.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static void reference(const uint8_t key[16], eg_bytes in, uint8_t ret[16]) {
    size_t size = 16, n = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, in.ptr, in.len), 1);
    assert_int_equal(EVP_MAC_final(ctx, ret, &n, 16), 1);
    assert_int_equal(n, 16);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}

static void test_agrees_with_openssl(void **unused) {
    (void)unused;
    uint8_t key[16], text[600], ours[16], theirs[16];
    eg_random(key, sizeof key);
    eg_random(text, sizeof text);
    for (size_t n = 0; n <= sizeof text; n++) {
        const eg_bytes in = {text, n};
        eg_keyed_hash(key, &in, 1, ours);
        reference(key, in, theirs);
        assert_memory_equal(ours, theirs, 16);
    }
}

static void test_pieces_are_one_text(void **unused) {
    (void)unused;
    uint8_t key[16] = {1, 2, 3}, text[67], whole[16], parts[16];
    eg_random(text, sizeof text);
    const eg_bytes all = {text, sizeof text};
    eg_keyed_hash(key, &all, 1, whole);
    for (size_t a = 0; a <= sizeof text; a++) {
        for (size_t b = a; b <= sizeof text; b += 5) {
            const eg_bytes in[] = {{text, a}, {text + a, b - a}, {text + b, 0}, {text + b, sizeof text - b}};
            eg_keyed_hash(key, in, 4, parts);
            assert_memory_equal(whole, parts, 16);
        }
    }
}

static void test_other_key_other_hash(void **unused) {
    (void)unused;
    uint8_t one[16] = {1}, two[16] = {2}, a[16], b[16];
    const eg_bytes in = {(const uint8_t *)"token", 5};
    eg_keyed_hash(one, &in, 1, a);
    eg_keyed_hash(two, &in, 1, b);
    assert_memory_not_equal(a, b, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_openssl),
        cmocka_unit_test(test_pieces_are_one_text),
        cmocka_unit_test(test_other_key_other_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks hex and base64: each value has one spelling, every other is refused. */
#include <embergate/encoding.h>

#include "check.h"

static void hex(void **state) {
    (void)state;
    uint8_t out[4];
    size_t n = 9;
    assert_int_equal(eg_unhex(EG_LIT("00fFA5"), out, 4, &n), EG_OK);
    assert_int_equal(n, 3);
    assert_int_equal(out[1], 255);
    assert_int_equal(eg_unhex(EG_LIT("abc"), out, 4, &n), EG_ERR_INVALID);
    assert_int_equal(eg_unhex(EG_LIT("0g"), out, 4, &n), EG_ERR_INVALID);
    assert_int_equal(eg_unhex(EG_LIT("0000000000"), out, 4, &n), EG_ERR_LIMIT);
    assert_int_equal(n, 3);
}

/* RFC 4648 section 10. */
static const struct {
    const char *plain;
    const char *encoded;
} vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

static void base64_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        eg_buf b;
        eg_buf_init(&b, 100);
        uint8_t out[16];
        size_t n = 0;
        eg_bytes plain = eg_str_bytes(eg_str_of(vectors[i].plain));
        assert_int_equal(eg_base64(plain, &b), EG_OK);
        assert_string_equal(b.ptr, vectors[i].encoded);
        assert_int_equal(eg_unbase64(eg_buf_str(&b), out, sizeof out, &n), EG_OK);
        assert_int_equal(n, plain.len);
        assert_memory_equal(out, plain.ptr, n);
        eg_buf_reset(&b);
        assert_int_equal(eg_base64url(plain, &b), EG_OK);
        assert_null(strchr(b.ptr, '='));
        assert_int_equal(eg_unbase64url(eg_buf_str(&b), out, sizeof out, &n), EG_OK);
        assert_int_equal(n, plain.len);
        eg_buf_done(&b);
    }
}

static void base64_refusals(void **state) {
    (void)state;
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 8", "Zm8\n", "=m8=", "Zm-_", "====", "Zg==Zg=="};
    static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "Zm+/", "Zm8=", "Zm9v Zg"};
    uint8_t out[16];
    size_t n = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_unbase64(eg_str_of(bad[i]), out, sizeof out, &n), EG_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof bad_url / sizeof bad_url[0]; i++) {
        assert_int_equal(eg_unbase64url(eg_str_of(bad_url[i]), out, sizeof out, &n), EG_ERR_INVALID);
    }
    assert_int_equal(eg_unbase64(EG_LIT("Zm9vYmFy"), out, 5, &n), EG_ERR_LIMIT);
    assert_int_equal(n, 77);
}

static void base64_all_bytes(void **state) {
    (void)state;
    uint8_t in[256];
    uint8_t out[256];
    size_t n = 0;
    eg_buf b;
    eg_buf_init(&b, 400);
    for (int i = 0; i < 256; i++) {
        in[i] = (uint8_t)(255 - i);
    }
    assert_int_equal(eg_base64url((eg_bytes){in, 256}, &b), EG_OK);
    assert_int_equal(eg_unbase64url(eg_buf_str(&b), out, 256, &n), EG_OK);
    assert_memory_equal(in, out, 256);
    assert_int_equal(eg_base64url((eg_bytes){in, 256}, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(hex), cmocka_unit_test(base64_vectors), cmocka_unit_test(base64_refusals), cmocka_unit_test(base64_all_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks text views, strict numbers, UTF-8 and the buffer's bound. covers: utf8.c */
#include <embergate/bytes.h>

#include "check.h"

static void views(void **state) {
    (void)state;
    assert_true(eg_str_ieq(EG_LIT("AbC-1"), EG_LIT("aBc-1")));
    assert_false(eg_str_ieq(EG_LIT("a["), EG_LIT("a{")));
    assert_true(eg_str_eq((eg_str){NULL, 0}, EG_LIT("")));
    assert_true(eg_str_starts(EG_LIT("abc"), "ab"));
    assert_false(eg_str_starts(EG_LIT("a"), "ab"));
    assert_true(eg_str_ends(EG_LIT("abc"), "bc"));
    eg_str rest = EG_LIT("a,b,");
    assert_true(eg_str_is(eg_str_cut(&rest, ','), "a"));
    assert_true(eg_str_is(eg_str_cut(&rest, ','), "b"));
    assert_non_null(rest.ptr);
    assert_true(eg_str_is(eg_str_cut(&rest, ','), ""));
    assert_null(rest.ptr);
}

static void joins(void **state) {
    (void)state;
    const eg_str parts[] = {EG_LIT("at "), {NULL, 0}, EG_LIT("/subscriptions"), EG_LIT("")};
    char text[18];
    eg_str_join(text, sizeof text, parts, 4);
    assert_string_equal(text, "at /subscriptions");
    for (size_t size = 1; size < sizeof text; size++) {
        memset(text, 'x', sizeof text);
        eg_str_join(text, size, parts, 4);
        assert_int_equal(strlen(text), size - 1);
        assert_int_equal(memcmp(text, "at /subscriptions", size - 1), 0);
        assert_int_equal(text[size], 'x');
    }
}

static void numbers(void **state) {
    (void)state;
    uint64_t v = 7;
    assert_int_equal(eg_str_u64(EG_LIT("18446744073709551615"), UINT64_MAX, &v), EG_OK);
    assert_true(v == UINT64_MAX);
    v = 7;
    static const char *const bad[] = {"", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "101", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_str_u64(eg_str_of(bad[i]), 100, &v), EG_ERR_INVALID);
    }
    assert_true(v == 7);
}

static void utf8(void **state) {
    (void)state;
    assert_true(eg_utf8_valid(EG_LIT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5")));
    static const char *const bad[] = {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(eg_utf8_valid(eg_str_of(bad[i])));
    }
}

static void buffer_stops_at_its_bound(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(eg_buf_adds(&b, "0123456789"), EG_OK);
        assert_int_equal(b.ptr[b.len], 0);
    }
    assert_int_equal(eg_buf_add(&b, "x", 1), EG_ERR_LIMIT);
    assert_int_equal(b.len, 1000);
    assert_int_equal(eg_buf_addf(&b, "%s", ""), EG_ERR_LIMIT); /* sticky */
    eg_buf_reset(&b);
    assert_int_equal(eg_buf_addf(&b, "%d-%s", 5, "x"), EG_OK);
    assert_string_equal(b.ptr, "5-x");
    char *at = NULL;
    assert_int_equal(eg_buf_reserve(&b, SIZE_MAX, &at), EG_ERR_LIMIT);
    eg_buf_done(&b);
    eg_buf_done(&b);
    assert_int_equal(eg_buf_adds(&b, "x"), EG_ERR_LIMIT);
}

static void big_endian(void **state) {
    (void)state;
    uint8_t p[8];
    eg_put_u64(p, 0x0102030405060708);
    assert_int_equal(p[0], 1);
    assert_true(eg_get_u64(p) == 0x0102030405060708);
    assert_int_equal(eg_get_u32(p + 4), 0x05060708);
    assert_int_equal(eg_get_u16(p), 0x0102);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(views), cmocka_unit_test(joins), cmocka_unit_test(numbers), cmocka_unit_test(utf8),
                                       cmocka_unit_test(buffer_stops_at_its_bound), cmocka_unit_test(big_endian)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

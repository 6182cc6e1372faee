/* Checks percent-decoding, resource paths and query parameters, mostly by what they refuse. */
#include <embergate/encoding.h>

#include "check.h"

static void decodes_once(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(1000);
    eg_str out;
    assert_int_equal(eg_percent_decode(a, EG_LIT("a%2Fb%252e+%c3%A9"), false, &out), EG_OK);
    assert_string_equal(out.ptr, "a/b%2e+\xc3\xa9");
    assert_int_equal(eg_percent_decode(a, EG_LIT("a+b%2B"), true, &out), EG_OK);
    assert_string_equal(out.ptr, "a b+");
    eg_arena_free(a);
}

static void decode_refusals(void **state) {
    (void)state;
    static const char *const bad[] = {"%", "%4", "a%zz", "%00", "%c3", "%ff", "%ed%a0%80", "%c0%af", "%u0041", "% 1"};
    eg_arena *a = eg_arena_new(1000);
    eg_str out = EG_LIT("untouched");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_percent_decode(a, eg_str_of(bad[i]), false, &out), EG_ERR_HTTP_TARGET);
    }
    assert_int_equal(eg_percent_decode(a, (eg_str){"a\0b", 3}, false, &out), EG_ERR_HTTP_TARGET);
    assert_string_equal(out.ptr, "untouched");
    char longer[2000];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(eg_percent_decode(a, (eg_str){longer, sizeof longer}, false, &out), EG_ERR_LIMIT);
    eg_arena_free(a);
}

static void encodes(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 40);
    assert_int_equal(eg_percent_encode(EG_LIT("a/b ~\xc3\xa9%"), true, &b), EG_OK);
    assert_string_equal(b.ptr, "a/b%20~%C3%A9%25");
    eg_buf_reset(&b);
    assert_int_equal(eg_percent_encode(EG_LIT("a/b"), false, &b), EG_OK);
    assert_string_equal(b.ptr, "a%2Fb");
    eg_buf_done(&b);
}

static void paths(void **state) {
    (void)state;
    static const char *const good[] = {"", "/", "/a", "a/b", "/a/...", "/.a/b..", "/\xc3\xa9"};
    static const char *const bad[] = {"/.", "..", "/a/../b", "a/./b", "a//b", "//a", "/a/", "/a/..", "\xff"};
    eg_problem p = {0};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(eg_path_check(eg_str_of(good[i]), &p), EG_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_path_check(eg_str_of(bad[i]), &p), EG_ERR_PATH_INVALID);
    }
    assert_int_equal(eg_path_check((eg_str){"a\0b", 3}, &p), EG_ERR_PATH_INVALID);
}

static void query(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(4000);
    eg_str out = {NULL, 0};
    eg_str q = EG_LIT("resource=file&x=%2F+&flag&empty=&b=1=2");
    assert_int_equal(eg_query_get(a, q, "resource", &out), EG_OK);
    assert_string_equal(out.ptr, "file");
    assert_int_equal(eg_query_get(a, q, "x", &out), EG_OK);
    assert_string_equal(out.ptr, "/+");
    assert_int_equal(eg_query_get(a, q, "flag", &out), EG_OK);
    assert_string_equal(out.ptr, "");
    assert_int_equal(eg_query_get(a, q, "empty", &out), EG_OK);
    assert_string_equal(out.ptr, "");
    assert_int_equal(eg_query_get(a, q, "b", &out), EG_OK);
    assert_string_equal(out.ptr, "1=2");
    assert_int_equal(eg_query_get(a, q, "Resource", &out), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_query_get(a, (eg_str){NULL, 0}, "a", &out), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_query_get(a, EG_LIT("a=1&a=1"), "a", &out), EG_ERR_QUERY);
    assert_int_equal(eg_query_get(a, EG_LIT("a=1&%61=2"), "a", &out), EG_ERR_QUERY); /* the same name, escaped */
    assert_int_equal(eg_query_get(a, EG_LIT("%61=2"), "a", &out), EG_OK);
    assert_int_equal(eg_query_get(a, EG_LIT("a=%00"), "a", &out), EG_ERR_QUERY);
    assert_int_equal(eg_query_get(a, EG_LIT("%zz=1&a=1"), "a", &out), EG_ERR_QUERY);
    eg_arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(decodes_once), cmocka_unit_test(decode_refusals), cmocka_unit_test(encodes),
                                       cmocka_unit_test(paths), cmocka_unit_test(query)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

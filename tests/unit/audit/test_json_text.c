/* Checks what becomes of text from outside in a JSON string. */
#include "bench.h"

#include "json_text.h"

static const struct {
    const char *in;
    size_t len;
    const char *out;
} texts[] = {
    {"plain", 5, "\"plain\""},
    {"\"\\/", 3, "\"\\\"\\\\/\""},
    {"a\nb\x1b[m", 6, "\"a\xef\xbf\xbd" "b\xef\xbf\xbd[m\""},
    {"\0x", 2, "\"\xef\xbf\xbdx\""},
    {"\x7f\xc2\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\xa5", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\xa5\""},
    {"\xff\xc3", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},           /* no such byte; cut off */
    {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
    {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},           /* overlong */
    {"", 0, "\"\""},
};

static void replaced_and_escaped(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        eg_buf b;
        eg_buf_init(&b, 1024);
        assert_int_equal(eg_json_text(&b, (eg_str){texts[i].in, texts[i].len}, 512), EG_OK);
        assert_string_equal(b.ptr, texts[i].out);
        eg_buf_done(&b);
    }
}

static void long_text_ends_in_an_ellipsis(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 64);
    assert_int_equal(eg_json_text(&b, EG_LIT("abcdefghij"), 5), EG_OK);
    assert_string_equal(b.ptr, "\"abcde\xe2\x80\xa6\"");
    assert_int_equal(eg_json_text(&b, (eg_str){(char[100]){0}, 100}, 1000), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(replaced_and_escaped), cmocka_unit_test(long_text_ends_in_an_ellipsis)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

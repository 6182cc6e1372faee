/* Escaping for JSON and XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_text.h"

#include <embergate/json.h>

static void json(void **state) {
    (void)state;
    char text[128];
    for (int i = 0; i < 128; i++) {
        text[i] = (char)i;
    }
    eg_buf b;
    eg_buf_init(&b, 4096);
    assert_int_equal(eg_json_text(&b, (eg_str){text + 1, 127}), EG_OK);
    json_t *v = json_loadb(b.ptr, b.len, JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    assert_int_equal(json_string_length(v), 127);
    assert_memory_equal(json_string_value(v), text + 1, 127);
    json_decref(v);
    eg_buf_reset(&b);
    assert_int_equal(eg_json_text(&b, EG_LIT("")), EG_OK);
    assert_string_equal(b.ptr, "\"\"");
    eg_buf_reset(&b);
    assert_int_equal(eg_json_text(&b, EG_LIT("a\377\"\303")), EG_OK); /* a page must stay JSON, whatever somebody wrote */
    assert_string_equal(b.ptr, "\"a?\\u0022?\"");
    eg_buf_reset(&b);
    char large[600];
    memset(large, 0xff, sizeof large);
    assert_int_equal(eg_json_text(&b, (eg_str){large, sizeof large}), EG_OK);
    assert_int_equal(b.len, sizeof large + 2);
    assert_ptr_equal(memchr(b.ptr, 0xff, b.len), NULL);
    eg_buf_done(&b);
    eg_buf_init(&b, 4);
    assert_int_equal(eg_json_text(&b, EG_LIT("long")), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

static void xml(void **state) {
    (void)state;
    eg_buf b;
    eg_buf_init(&b, 4096);
    assert_int_equal(eg_xml_text(&b, EG_LIT("<a b=\"c\">&\001\303\251")), EG_OK);
    assert_string_equal(b.ptr, "&lt;a b=&quot;c&quot;&gt;&amp;?\303\251");
    eg_buf_reset(&b);
    assert_int_equal(eg_xml_text(&b, EG_LIT("a\357\277\276b\357\277\277\357\277\275<")), EG_OK); /* U+FFFE, U+FFFF, U+FFFD */
    assert_string_equal(b.ptr, "a?b?\357\277\275&lt;");
    eg_buf_reset(&b);
    assert_int_equal(eg_xml_text(&b, EG_LIT("<\303")), EG_OK);
    assert_string_equal(b.ptr, "&lt;?");
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(json), cmocka_unit_test(xml)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

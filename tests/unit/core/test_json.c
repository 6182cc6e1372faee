/* Checks that JSON is read strictly and that refusals never quote it. */
#include <embergate/json.h>

#include "check.h"

static void refuse(eg_str text) {
    json_t *v = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_json_parse(text, 10000, &v, &p), EG_ERR_BODY_JSON);
    assert_null(v);
    assert_true(p.message[0] != '\0');
    assert_null(strstr(p.message, "s3cret"));
}

static void refusals(void **state) {
    (void)state;
    static const char *const bad[] = {"", "{", "{\"a\":1,\"a\":2}", "{\"a\":1}x", "{\"a\":1} {}", "[1,]", "{'a':1}", "\"s3cret", "s3cret", "{\"k\":s3cret}",
                                      "[\"\\u0000\"]", "{\"\\u0000\":1}", "\"\xff\"", "\"\\ud800\"", "[01]", "[1e999]", "[NaN]", "[99999999999999999999]", "\"a\nb\"",
                                      "{\"a\":{\"b\":1,\"b\":1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuse(eg_str_of(bad[i]));
    }
    refuse((eg_str){"[1]\0", 4});
    refuse((eg_str){NULL, 0});
}

static void depth_and_length(void **state) {
    (void)state;
    char text[200];
    json_t *v = NULL;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_int_equal(eg_json_parse((eg_str){text, 128}, 128, &v, NULL), EG_OK);
    json_decref(v);
    assert_int_equal(eg_json_parse((eg_str){text, 128}, 127, &v, NULL), EG_ERR_BODY_JSON);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    refuse((eg_str){text, 130});
    /* Brackets in strings are no depth. */
    memset(text, '[', 150);
    text[0] = '"';
    text[1] = '\\';
    text[2] = '"';
    text[149] = '"';
    assert_int_equal(eg_json_parse((eg_str){text, 150}, 1000, &v, NULL), EG_OK);
    json_decref(v);
}

static void members(void **state) {
    (void)state;
    EG_JSON_AUTO v = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_json_parse(EG_LIT("{\"s\":\"x\",\"n\":5,\"z\":null,\"r\":1.5}"), 100, &v, &p), EG_OK);
    const char *s = NULL;
    int64_t n = 0;
    assert_true(eg_str_is(eg_json_str(v, "s"), "x"));
    assert_null(eg_json_str(v, "n").ptr);
    assert_null(eg_json_str(v, "absent").ptr);
    assert_int_equal(eg_json_get_str(v, "z", "dflt", &s, &p), EG_OK);
    assert_string_equal(s, "dflt");
    assert_int_equal(eg_json_get_str(v, "n", "dflt", &s, &p), EG_ERR_BODY_FIELD);
    assert_string_equal(p.where, "n");
    assert_int_equal(eg_json_get_int(v, "n", 1, 0, 5, &n, &p), EG_OK);
    assert_int_equal(n, 5);
    assert_int_equal(eg_json_get_int(v, "n", 1, 0, 4, &n, &p), EG_ERR_BODY_FIELD);
    assert_int_equal(eg_json_get_int(v, "r", 1, 0, 4, &n, NULL), EG_ERR_BODY_FIELD);
    assert_int_equal(eg_json_get_int(v, "absent", 9, 0, 4, &n, &p), EG_OK);
    assert_int_equal(n, 9);
}

static void writes(void **state) {
    (void)state;
    EG_JSON_AUTO v = json_pack("{s:i,s:[s]}", "b", 1, "a", "x\n");
    eg_buf b;
    eg_buf_init(&b, 20);
    assert_int_equal(eg_json_write(v, &b), EG_OK);
    assert_string_equal(b.ptr, "{\"b\":1,\"a\":[\"x\\n\"]}");
    assert_int_equal(eg_json_write(v, &b), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(depth_and_length), cmocka_unit_test(members), cmocka_unit_test(writes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

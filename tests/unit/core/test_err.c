/* Checks that every error has a category, status, outcome and code, and that problem text is made safe. */
#include <embergate/bytes.h>

#include "check.h"

static void every_error_is_complete(void **state) {
    (void)state;
    for (int i = 0; i < EG_ERR_COUNT; i++) {
        eg_err e = (eg_err)i;
        int status = eg_err_http_status(e);
        assert_true(eg_err_code(e)[0] != '\0');
        assert_in_range(status, 200, 599);
        assert_true((status < 400) == (e == EG_OK || e == EG_ERR_NOT_MODIFIED));
        assert_string_equal(eg_err_outcome(e), status < 400 ? "allowed" : status == 401 || status == 403 || status == 429 || eg_err_category(e) == EG_CAT_GRANT ? "denied" : "failed");
        for (int k = 0; k < i; k++) {
            /* Azure has one code for a condition that isn't met; on a read it comes with 304. */
            assert_true(strcmp(eg_err_code(e), eg_err_code((eg_err)k)) != 0 || e == EG_ERR_NOT_MODIFIED || k == EG_ERR_NOT_MODIFIED);
        }
    }
}

static void unknown_error_is_internal(void **state) {
    (void)state;
    assert_int_equal(eg_err_http_status((eg_err)9999), 500);
    assert_string_equal(eg_err_outcome((eg_err)-1), "failed");
}

static void text_is_made_safe(void **state) {
    (void)state;
    eg_problem p = {0};
    assert_int_equal(eg_fail(&p, EG_ERR_INVALID, "a%sb", "\x1b[31m\r\n\xff\xc3\xa9\xe2\x80\xae"), EG_ERR_INVALID);
    assert_string_equal(p.message, "a?[31m???\xc3\xa9?b");
    eg_fail_at(&p, "%s", "line\n2");
    assert_string_equal(p.where, "line?2");
}

static void text_is_cut_between_characters(void **state) {
    (void)state;
    char longer[600];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2) {
        memcpy(longer + i, "\xc3\xa9", 2);
    }
    longer[598] = '\0';
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_INVALID, "x%s", longer);
    assert_true(strlen(p.message) < sizeof p.message);
    assert_true(eg_utf8_valid(eg_str_of(p.message)));
}

static void a_message_may_quote_itself(void **state) {
    (void)state;
    eg_problem p = {0};
    eg_fail(&p, EG_ERR_IO, "inner");
    eg_fail(&p, EG_ERR_CONFIG, "outer: %s", p.message);
    assert_string_equal(p.message, "outer: inner");
    assert_int_equal(eg_fail_hint(&p, "do it"), EG_ERR_CONFIG);
    assert_int_equal(eg_fail(NULL, EG_ERR_IO, "nobody listens"), EG_ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_is_complete), cmocka_unit_test(unknown_error_is_internal), cmocka_unit_test(text_is_made_safe),
        cmocka_unit_test(text_is_cut_between_characters), cmocka_unit_test(a_message_may_quote_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

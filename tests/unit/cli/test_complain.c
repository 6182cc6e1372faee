/* What commands print can't steer a terminal, and complaints choose the right exit status. */
#include "cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static void test_inert(void **state) {
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    eg_cli_put_inert(f, EG_LIT("a\x1b[2Jb\r\n\tc\x7f\xc2\x9b" "d\xc3\xa9"));
    fclose(f);
    assert_string_equal(text, "a?[2Jb??\tc??d\xc3\xa9");
    free(text);
}

static void test_exit_status(void **state) {
    (void)state;
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_CONFIG, "x");
    assert_int_equal(eg_cli_complain(&p), EG_EXIT_USAGE);
    (void)eg_fail(&p, EG_ERR_POLICY_INVALID, "x");
    assert_int_equal(eg_cli_complain(&p), EG_EXIT_USAGE);
    (void)eg_fail(&p, EG_ERR_UNAVAILABLE, "x");
    assert_int_equal(eg_cli_complain(&p), EG_EXIT_FAILED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inert), cmocka_unit_test(test_exit_status)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

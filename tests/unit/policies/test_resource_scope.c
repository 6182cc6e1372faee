/* Checks which resources a scope covers. */
#include <stdio.h>
#include <string.h>

#include "policy_text.h"

static void covering(void **state) {
    (void)state;
    static const struct { const char *scope, *resource; bool owed; } rows[] = {
        {"/", CLUSTER, true},
        {SUB, SUB, true},
        {SUB, CLUSTER, true},
        {GROUP, GROUP "2", false},
        {GROUP, GROUP "/", true},
        {CLUSTER, GROUP, false},
        {"/SUBSCRIPTIONS/5B7E4A6A-0000-4000-8000-000000000001/resourcegroups/LAB", CLUSTER, true},
        {CLUSTER, CLUSTER "-two", false},
        {SUB, "", false},
        {SUB, "subscriptions/5b7e4a6a-0000-4000-8000-000000000001", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (eg_policy_scope_covers(eg_str_of(rows[i].scope), eg_str_of(rows[i].resource)) != rows[i].owed) {
            fail_msg("%s on %s", rows[i].scope, rows[i].resource);
        }
    }
    assert_false(eg_policy_scope_covers((eg_str){NULL, 0}, EG_LIT(CLUSTER)));
}

static void parsing(void **state) {
    (void)state;
    eg_str s;
    static const char *const bad[] = {"", "a", "//", "/a//b", "/a/../b", "/a/./b", "/a/*", "/a b", "/a%2f", "/a?b", "/a\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_policy_scope_parse(eg_str_of(bad[i]), &s), EG_ERR_INVALID);
    }
    assert_int_equal(eg_policy_scope_parse(EG_LIT(SUB "/"), &s), EG_OK);
    assert_int_equal(s.len, strlen(SUB));
    assert_int_equal(eg_policy_scope_parse(EG_LIT("/"), &s), EG_OK);
    assert_int_equal(s.len, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(covering), cmocka_unit_test(parsing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

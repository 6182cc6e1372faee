/* Checks wildcard matching of actions. */
#include <stdio.h>
#include <string.h>

#include "policy_text.h"

static void matching(void **state) {
    (void)state;
    static const struct { const char *pattern, *action; bool owed; } rows[] = {
        {"*", "Microsoft.HDInsight/clusters/read", true},
        {"*", "", true},
        {"*/read", "Microsoft.HDInsight/clusters/read", true},
        {"*/read", "Microsoft.HDInsight/clusters/readme", false},
        {"*/read", "Microsoft.HDInsight/clusters/jobs/log/READ", true},
        {"Microsoft.HDInsight/*/read", "microsoft.hdinsight/clusters/jobs/read", true},
        {"Microsoft.HDInsight/*/read", "Microsoft.HDInsight/read", false},
        {"Microsoft.HDInsight/clusters/read", "microsoft.hdinsight/CLUSTERS/read", true},
        {"Microsoft.HDInsight/clusters/read", "Microsoft.HDInsight/clusters/read/", false},
        {"Microsoft.HDInsight/clusters/read", "Microsoft.HDInsight/clusters/rea", false},
        {"Microsoft.HDInsight/clusters", "Microsoft.HDInsight/clusters/read", false},
        {"Microsoft.HDInsight/clusters/*", "Microsoft.HDInsight/clusters", false},
        {"Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"a**c", "ac", true},
    };
    EG_CLEANUP(eg_arena_free_p) eg_arena *a = eg_arena_new(1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_policy_pattern pattern;
        assert_int_equal(eg_policy_pattern_make(a, eg_str_of(rows[i].pattern), &pattern), EG_OK);
        if (eg_policy_pattern_matches(&pattern, eg_str_of(rows[i].action)) != rows[i].owed) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].action);
        }
    }
}

/* Many stars against a long action must not take exponential time. */
static void stays_fast(void **state) {
    (void)state;
    EG_CLEANUP(eg_arena_free_p) eg_arena *a = eg_arena_new(1 << 16);
    char pattern_text[256], action[4096];
    for (size_t i = 0; i < sizeof pattern_text; i++) {
        pattern_text[i] = i % 2 ? '*' : 'a';
    }
    memset(action, 'a', sizeof action);
    action[sizeof action - 1] = 'b';
    pattern_text[254] = 'c';
    eg_policy_pattern pattern;
    assert_int_equal(eg_policy_pattern_make(a, (eg_str){pattern_text, 255}, &pattern), EG_OK);
    assert_false(eg_policy_pattern_matches(&pattern, (eg_str){action, sizeof action}));
}

static void refused(void **state) {
    (void)state;
    EG_CLEANUP(eg_arena_free_p) eg_arena *a = eg_arena_new(1 << 16);
    static const char *const bad[] = {"", "a b", "a?", "a\n", "\xc3\xa9", "a%2f"};
    eg_policy_pattern pattern;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(eg_policy_pattern_make(a, eg_str_of(bad[i]), &pattern), EG_ERR_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(matching), cmocka_unit_test(stays_fast), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What changes between two policies, as a person reads it. covers: policy_same.c */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

static char *told(eg_policy_kind kind, const char *older_text, const char *newer_text) {
    eg_policy *older = NULL, *newer = NULL;
    eg_problem p = {0};
    eg_buf text;
    eg_buf_init(&text, 65536);
    assert_int_equal(build(kind, older_text, &older, &p), EG_OK);
    assert_int_equal(build(kind, newer_text, &newer, &p), EG_OK);
    assert_int_equal(eg_policy_what_if(older, newer, &text), EG_OK);
    char *copy = test_malloc(text.len + 1);
    snprintf(copy, text.len + 1, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
    eg_buf_done(&text);
    eg_policy_unref(older);
    eg_policy_unref(newer);
    return copy;
}

static void is_told(eg_policy_kind kind, const char *older_text, const char *newer_text, const char *words) {
    char *text = told(kind, older_text, newer_text);
    assert_string_equal(text, words);
    test_free(text);
}

static void words(void **state) {
    (void)state;
    is_told(EG_POLICY_ASSIGNMENTS, NULL, NULL, "");
    char *renamed = replaced(assignment_text, "\"name\":\"2222", "\"name\":\"3222"); /* what it is called changes nothing */
    char *no_id = replaced(renamed, "\"id\":\"" GROUP "/providers/Microsoft.Authorization/roleAssignments/22222222-2222-4222-8222-222222222222\",", "");
    is_told(EG_POLICY_ASSIGNMENTS, NULL, no_id, "");
    test_free(renamed);
    test_free(no_id);
    char *bob = replaced(assignment_text, ALICE, "b0b00000-0000-4000-8000-000000000001");
    is_told(EG_POLICY_ASSIGNMENTS, NULL, bob,
            "the principal b0b00000-0000-4000-8000-000000000001 gains the role Night Operator at " GROUP " (file.json)\n"
            "the principal " ALICE " loses the role Night Operator at " GROUP " (file.json)\n");
    test_free(bob);
    char *rule = replaced(group_text, "192.0.2.7", "192.0.2.8");
    is_told(EG_POLICY_GROUPS, NULL, rule,
            "the rule front/deny-one, priority 100, which denies, is new (file.json)\nthe rule front/deny-one, priority 100, which denies, goes (file.json)\n");
    test_free(rule);
    char *timed = replaced(assignment_text, "\"condition\":null",
                           "\"condition\":\"@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'lake'\",\"conditionVersion\":\"2.0\"");
    is_told(EG_POLICY_ASSIGNMENTS, NULL, timed,
            "the principal " ALICE " gains the role Night Operator at " GROUP ", where @Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'lake' (file.json)\n"
            "the principal " ALICE " loses the role Night Operator at " GROUP " (file.json)\n");
    test_free(timed);
    static const char eligible[] = "{\"name\":\"e\",\"properties\":{\"roleDefinitionId\":\"Reader\",\"principalId\":\"" ALICE "\",\"scope\":\"" GROUP "\",\"status\":\"Provisioned\"}}";
    is_told(EG_POLICY_ELIGIBLE, NULL, eligible, "the principal or members of group " ALICE " may newly activate the role Reader at " GROUP " (file.json)\n");
    is_told(EG_POLICY_ELIGIBLE, eligible, NULL, "the principal or members of group " ALICE " may no longer activate the role Reader at " GROUP " (file.json)\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

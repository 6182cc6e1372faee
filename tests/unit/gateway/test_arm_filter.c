/* $filter: what is read, and that anything else is refused. covers: filter.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "arm/filter.h"

#define WHO "a11ce000-0000-4000-8000-000000000001"

static eg_err parse(eg_arena *a, const char *text, eg_arm_filter *ret) {
    eg_problem p = {0};
    const eg_err e = eg_arm_filter_parse(a, eg_str_of(text), ret, &p);
    assert_true(e == EG_OK || p.message[0] != '\0');
    return e;
}

static void what_azures_clients_send(void **state) {
    (void)state;
    eg_arena *a = eg_arena_new(65536);
    eg_arm_filter f;
    assert_int_equal(parse(a, "", &f), EG_OK);
    assert_false(f.at_scope);
    assert_int_equal(parse(a, "atScope()", &f), EG_OK);
    assert_true(f.at_scope);
    assert_int_equal(parse(a, "atScope() and assignedTo('" WHO "')", &f), EG_OK);
    assert_true(f.at_scope && eg_str_is(f.assigned_to, WHO));
    assert_int_equal(parse(a, " PrincipalId  eq '" WHO "' ", &f), EG_OK);
    assert_true(!f.at_scope && eg_str_is(f.principal, WHO));
    assert_int_equal(parse(a, "roleName eq 'it''s mine' and type eq 'CustomRole'", &f), EG_OK);
    assert_true(eg_str_is(f.role_name, "it's mine") && eg_str_is(f.role_type, "CustomRole"));
    assert_int_equal(parse(a, "servicePrincipalNames/any(c:c eq '" WHO "')", &f), EG_OK);
    assert_true(eg_str_is(f.service_name, WHO));
    assert_int_equal(parse(a, "asTarget()", &f), EG_OK);
    assert_true(f.as_target);
    assert_int_equal(parse(a, "atExactScope() and policyDefinitionId eq '/x'", &f), EG_OK);
    assert_true(f.at_exact_scope && !f.at_scope && eg_str_is(f.definition_id, "/x") && f.lists == EG_ARM_FILTER_POLICIES);
    assert_int_equal(parse(a, "isCompliant eq false and complianceState eq 'NonCompliant'", &f), EG_OK);
    assert_true(f.lists == EG_ARM_FILTER_STATES && eg_str_is(f.is_compliant, "false") && eg_str_is(f.compliance, "NonCompliant"));
    eg_arena_free(a);
}

static void what_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "atScope", "atScope(", "atScope() and", "atScope() or asTarget()", "atScope() asTarget()", "not atScope()", "principalId ne 'x'", "principalId eq x", "principalId eq 'x",
        "principalId eq 'x' and principalId eq 'y'", "surprise eq 'x'", "assignedTo()", "assignedTo('x'", "servicePrincipalNames/any(c:d eq 'x')", "servicePrincipalNames/any(c eq 'x')",
        "servicePrincipalNames/any(:eq 'x')", "()", "'", "and", "principalId eq 'x''", "isCompliant eq 'false'", "isCompliant eq no", "isCompliant", "isCompliant eq true and isCompliant eq false", "atScope('x')",
    };
    eg_arena *a = eg_arena_new(65536);
    eg_arm_filter f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(a, bad[i], &f) != EG_ERR_RESOURCE_FILTER) {
            fail_msg("%s is not refused", bad[i]);
        }
    }
    char longer[EG_ARM_FILTER_MAX + 2];
    memset(longer, ' ', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(parse(a, longer, &f), EG_ERR_RESOURCE_FILTER);
    eg_arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_azures_clients_send), cmocka_unit_test(what_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

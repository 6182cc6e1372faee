/* Resources are judged when policies change, and disabled while an enforced Deny finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/compliance_watch.h"

#include <embergate/durable_file.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define LAKE SUB "/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake"
#define SEA SUB "/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/sea"

static char dir[64];
static const char *source = "Microsoft.Storage";

static const char *key_source(void *ctx, eg_str account) {
    (void)ctx;
    return eg_str_is(account, "lake") ? source : NULL;
}

/* One encryption scope of the account "lake". */
static void scopes(void *ctx, eg_str account, void (*each)(void *each_ctx, const eg_resource *r), void *each_ctx) {
    (void)ctx;
    const eg_property properties[] = {{"Microsoft.Storage/storageAccounts/allowSharedKeyAccess", EG_LIT("true")}};
    const eg_resource r = {.id = EG_LIT(LAKE "/encryptionScopes/finance"), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("finance"), .properties = properties, .property_count = 1};
    if (eg_str_is(account, "lake")) {
        each(each_ctx, &r);
    }
}

static void assign(const char *effect, const char *mode) {
    char path[128], text[1024];
    eg_problem p = {0};
    snprintf(path, sizeof path, "%s/policyAssignments", dir);
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    snprintf(path, sizeof path, "%s/policyAssignments/keys.json", dir);
    snprintf(text, sizeof text,
             "{\"id\":\"" SUB "/providers/Microsoft.Authorization/policyAssignments/keys\",\"name\":\"keys\",\"properties\":{\"scope\":\"" SUB "\",\"enforcementMode\":\"%s\","
             "\"policyDefinitionId\":\"/providers/Microsoft.Authorization/policyDefinitions/8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54\",\"parameters\":{\"effect\":{\"value\":\"%s\"}},"
             "\"nonComplianceMessages\":[{\"message\":\"Keys name nobody.\"}]}}", mode, effect);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

static void wait_a_moment(void) {
    const struct timespec t = {0, 20000000};
    nanosleep(&t, NULL);
}

static void count_row(void *ctx, const eg_resource *r, const eg_compliance *c) {
    assert_true(r->id.len > 0 && c->assignment_scope.len > 0);
    ++*(size_t *)ctx;
}

static size_t rows_beneath(eg_compliance_watch *w, const eg_policy *pol, const char *scope) {
    size_t n = 0;
    eg_compliance_watch_each(w, pol, eg_str_of(scope), count_row, &n);
    return n;
}

static void disabled_and_enabled(void **state) {
    (void)state;
    eg_policy_watch *policies = NULL;
    eg_compliance_watch *w = NULL;
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/eg-compliance-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(dir));
    assign("Deny", "Default");
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system, .poll_ms = 10}, &policies, &p), EG_OK);
    eg_watched_resource all[2] = {
        {.resource = {.id = EG_LIT(LAKE), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("lake")}, .account = true, .property_count = 1,
         .properties = {{"Microsoft.Storage/storageAccounts/allowSharedKeyAccess", EG_LIT("true")}}},
        {.resource = {.id = EG_LIT(SEA), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("sea")}, .account = true, .property_count = 1,
         .properties = {{"Microsoft.Storage/storageAccounts/allowSharedKeyAccess", EG_LIT("false")}}},
    };
    const eg_compliance_watch_options o = {.policies = policies, .clock = &eg_clock_system, .resources = all, .count = 2, .key_source = key_source};
    assert_int_equal(eg_compliance_watch_new(&o, &w), EG_OK);
    char rule[192] = "";
    assert_int_equal(eg_compliance_watch_check(w, EG_LIT(LAKE), rule, &p), EG_ERR_DISALLOWED_POLICY);
    assert_string_equal(rule, "policyAssignment keys (Storage accounts should prevent shared key access)");
    assert_string_equal(p.message, "Resource 'lake' was disallowed by policy: \"Storage accounts should prevent shared key access\" (policy assignment 'keys'). Keys name nobody.");
    assert_int_equal(eg_compliance_watch_check(w, EG_LIT(SEA), rule, &p), EG_OK);
    assert_int_equal(eg_compliance_watch_check(w, EG_LIT(SUB), NULL, &p), EG_OK);
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_compliance_watch_policy(w);
    assert_int_equal(rows_beneath(w, pol, SUB), 2);
    assert_int_equal(rows_beneath(w, pol, LAKE), 1);
    assert_int_equal(rows_beneath(w, pol, "/subscriptions/5b7e4a6a"), 0);
    EG_JSON_AUTO only = eg_compliance_watch_disabled(w);
    assert_int_equal(json_array_size(only), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(only, 0), "resourceId")), LAKE);
    static const char *const milder[][2] = {{"Deny", "DoNotEnforce"}, {"Audit", "Default"}, {"Disabled", "Default"}};
    for (size_t k = 0; k < 3; k++) {
        assign(milder[k][0], milder[k][1]);
        eg_err e = EG_ERR_DISALLOWED_POLICY;
        for (int i = 0; i < 200 && e != EG_OK; i++) {
            wait_a_moment();
            eg_compliance_watch_tick(w);
            e = eg_compliance_watch_check(w, EG_LIT(LAKE), NULL, &p);
        }
        assert_int_equal(e, EG_OK);
        assign("Deny", "Default");
        for (int i = 0; i < 200 && e == EG_OK; i++) {
            wait_a_moment();
            eg_compliance_watch_tick(w);
            e = eg_compliance_watch_check(w, EG_LIT(LAKE), NULL, &p);
        }
        assert_int_equal(e, EG_ERR_DISALLOWED_POLICY);
    }
    eg_compliance_watch_free(w);
    eg_policy_watch_stop(policies);
}

static size_t numbers;

static void add_number(void *ctx, const eg_resource *r, const eg_compliance *c) {
    assert_true(c->denies && r->number == ++numbers);
    ++*(size_t *)ctx;
}

/* What lies in an account is told of after it, and judged when somebody asks. */
static void what_lies_in_an_account(void **state) {
    (void)state;
    eg_policy_watch *policies = NULL;
    eg_compliance_watch *w = NULL;
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/eg-compliance-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(dir));
    assign("Deny", "Default");
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system, .poll_ms = 10}, &policies, &p), EG_OK);
    eg_watched_resource lake = {.resource = {.id = EG_LIT(LAKE), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("lake")}, .account = true, .property_count = 1,
                                .properties = {{"Microsoft.Storage/storageAccounts/allowSharedKeyAccess", EG_LIT("true")}}};
    const eg_compliance_watch_options o = {.policies = policies, .clock = &eg_clock_system, .resources = &lake, .count = 1, .key_source = key_source, .scopes = scopes};
    assert_int_equal(eg_compliance_watch_new(&o, &w), EG_OK);
    eg_policy *pol = eg_compliance_watch_policy(w);
    assert_int_equal(rows_beneath(w, pol, LAKE "/encryptionScopes/finance"), 1);
    size_t n = 0;
    eg_compliance_watch_each(w, pol, EG_LIT(LAKE), add_number, &n);
    assert_int_equal(n, 2);
    eg_policy_unref(pol);
    EG_JSON_AUTO disabled = eg_compliance_watch_disabled(w);
    assert_string_equal(json_string_value(json_object_get(json_array_get(disabled, 1), "resourceId")), LAKE "/encryptionScopes/finance");
    eg_property keys = {"Microsoft.Storage/storageAccounts/allowSharedKeyAccess", EG_LIT("true")};
    const eg_resource asked = {.id = EG_LIT(LAKE "/x"), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("x"), .properties = &keys, .property_count = 1};
    eg_compliance_found found;
    assert_int_equal(eg_compliance_watch_judge(w, &asked, &found, &p), EG_ERR_DISALLOWED_POLICY);
    assert_string_equal(found.denied_by, "policyAssignment keys (Storage accounts should prevent shared key access)");
    assert_string_equal(found.audited_by, "");
    assert_non_null(strstr(p.message, "Resource 'x' was disallowed by policy: \"Storage accounts should prevent shared key access\""));
    keys.text = EG_LIT("false");
    assert_int_equal(eg_compliance_watch_judge(w, &asked, &found, &p), EG_OK);
    assert_string_equal(found.denied_by, "");
    keys.text = EG_LIT("true");
    assign("Audit", "Default");
    for (int i = 0; i < 200 && !found.audited_by[0]; i++) {
        wait_a_moment();
        (void)!eg_compliance_watch_judge(w, &asked, &found, &p);
    }
    assert_string_equal(found.audited_by, "policyAssignment keys (Storage accounts should prevent shared key access)");
    /* Without an assignment there is nothing to judge by. */
    char path[128];
    snprintf(path, sizeof path, "%s/policyAssignments/keys.json", dir);
    assert_true(eg_compliance_watch_judges(w));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eg_policy_watch_look(policies, 60000, &p), EG_OK);
    assert_false(eg_compliance_watch_judges(w));
    eg_compliance_watch_free(w);
    eg_policy_watch_stop(policies);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(disabled_and_enabled), cmocka_unit_test(what_lies_in_an_account)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

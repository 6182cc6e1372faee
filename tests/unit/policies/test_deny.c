/* Deny assignments go before every grant; assignments with a time count within it; what is eligible grants nothing. covers: deny_json.c assignment_json.c */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

#include <embergate/clock.h>

static const char deny_text[] =
    "{\"name\":\"33333333-3333-4333-8333-333333333333\",\"type\":\"Microsoft.Authorization/denyAssignments\",\"properties\":{\"denyAssignmentName\":\"no jobs at night\","
    "\"permissions\":[{\"actions\":[\"Microsoft.HDInsight/clusters/*\"],\"notActions\":[\"*/delete\"],\"dataActions\":[],\"notDataActions\":[]}],"
    "\"scope\":\"" GROUP "\",\"doNotApplyToChildScopes\":false,"
    "\"principals\":[{\"id\":\"" ALICE "\",\"type\":\"User\"}],\"excludePrincipals\":[],\"isSystemProtected\":false}}";

static const char schedule_text[] =
    "{\"name\":\"44444444-4444-4444-8444-444444444444\",\"type\":\"Microsoft.Authorization/roleAssignmentSchedules\",\"properties\":{"
    "\"roleDefinitionId\":\"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7\",\"principalId\":\"" TEAM "\","
    "\"principalType\":\"User\",\"scope\":\"" GROUP "\",\"status\":\"Provisioned\",\"startDateTime\":\"2026-01-01T00:00:00Z\",\"endDateTime\":\"2026-02-01T00:00:00Z\","
    "\"assignmentType\":\"Activated\",\"justification\":\"release 12\"}}";

static eg_policy *built(eg_policy_kind kind, const char *text) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    if (build(kind, text, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    return pol;
}

static eg_decision ask(const eg_policy *pol, const eg_principal *who, const char *action, const char *scope, const char *now) {
    eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(action), .scope = eg_str_of(scope)};
    if (now) {
        assert_int_equal(eg_time_parse_rfc3339(eg_str_of(now), &a.now_ns), EG_OK);
    }
    eg_decision d;
    eg_policy_decide(pol, &a, &d);
    return d;
}

#define READ "Microsoft.HDInsight/clusters/read"

static void before_grants(void **state) {
    (void)state;
    eg_principal *alice = person(TENANT, ALICE);
    eg_policy *without = built(EG_POLICY_KIND_COUNT, NULL);
    eg_policy *with = built(EG_POLICY_DENIES, deny_text);
    assert_true(ask(without, alice, READ, CLUSTER, NULL).allowed);
    const eg_decision d = ask(with, alice, READ, CLUSTER, NULL);
    assert_false(d.allowed);
    assert_int_equal(d.error, EG_ERR_DENIED_ROLE);
    assert_string_equal(d.rule, "denyAssignment 33333333-3333-4333-8333-333333333333 at " GROUP);
    assert_non_null(strstr(d.reason, "no jobs at night"));
    eg_policy_unref(with);
    eg_policy_unref(without);
    eg_principal_unref(alice);
}

/* Lists that a decision would take too long to look through: they forbid what they don't name. */
static void too_long_to_ask(void **state) {
    (void)state;
    enum { LIST = 2000, ENTRY = 16 };
    eg_principal *alice = person(TENANT, ALICE);
    for (size_t permissions = 15; permissions <= 20; permissions += 5) {
        const size_t cap = permissions * (LIST * ENTRY + 128) + 16;
        char *all = malloc(cap);
        assert_non_null(all);
        size_t n = (size_t)snprintf(all, cap, "[");
        for (size_t i = 0; i < permissions; i++) {
            n += (size_t)snprintf(all + n, cap - n, "%s{\"actions\":[", i ? "," : "");
            for (size_t k = 0; k < LIST; k++) {
                n += (size_t)snprintf(all + n, cap - n, "%s\"x/y%zu\"", k ? "," : "", k);
            }
            n += (size_t)snprintf(all + n, cap - n, "],\"notActions\":[],\"dataActions\":[],\"notDataActions\":[]}");
        }
        (void)snprintf(all + n, cap - n, "]");
        char *text = replaced(deny_text, "[{\"actions\":[\"Microsoft.HDInsight/clusters/*\"],\"notActions\":[\"*/delete\"],\"dataActions\":[],\"notDataActions\":[]}]", all);
        eg_policy *pol = built(EG_POLICY_DENIES, text);
        assert_int_equal(ask(pol, alice, READ, CLUSTER, NULL).allowed, permissions == 15);
        eg_policy_unref(pol);
        test_free(text);
        free(all);
    }
    eg_principal_unref(alice);
}

/* One value of the deny assignment changed, and whether alice is then denied to read the cluster. */
static const struct { const char *from, *to; bool denied; } changes[] = {
    {"\"scope\":\"" GROUP "\"", "\"scope\":\"" SUB "\"", true},
    {"\"scope\":\"" GROUP "\"", "\"scope\":\"" SUB "/resourceGroups/la\"", false},
    {"\"doNotApplyToChildScopes\":false", "\"doNotApplyToChildScopes\":true", false},
    {"\"excludePrincipals\":[]", "\"excludePrincipals\":[{\"id\":\"" ALICE "\",\"type\":\"User\"}]", false},
    {"\"excludePrincipals\":[]", "\"excludePrincipals\":[{\"id\":\"" ALICE "\",\"type\":\"Group\"}]", true},
    {"[{\"id\":\"" ALICE "\",\"type\":\"User\"}]", "[{\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"SystemDefined\"}]", true},
    {"[{\"id\":\"" ALICE "\",\"type\":\"User\"}]", "[{\"id\":\"" TEAM "\",\"type\":\"User\"}]", false},
    {"\"*/delete\"", "\"*/read\"", false},
    {"\"dataActions\":[]", "\"dataActions\":[],\"condition\":\"@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'lake'\",\"conditionVersion\":\"2.0\"", true},
};

static void variants(void **state) {
    (void)state;
    eg_principal *alice = person(TENANT, ALICE);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char *text = replaced(deny_text, changes[i].from, changes[i].to);
        eg_policy *pol = built(EG_POLICY_DENIES, text);
        if (ask(pol, alice, READ, CLUSTER, NULL).allowed == changes[i].denied) {
            fail_msg("row %zu", i);
        }
        eg_policy_unref(pol);
        test_free(text);
    }
    eg_principal_unref(alice);
}

/* A token that leaves out its groups may be of one that is denied, and is not known to be of one that is excluded. */
static void unknown_groups(void **state) {
    (void)state;
    eg_principal *alice = person(TENANT, ALICE);
    char *text = replaced(deny_text, "{\"id\":\"" ALICE "\",\"type\":\"User\"}", "{\"id\":\"" TEAM "\",\"type\":\"Group\"}");
    eg_policy *pol = built(EG_POLICY_DENIES, text);
    assert_true(ask(pol, alice, READ, CLUSTER, NULL).allowed);
    alice->groups_unknown = true;
    assert_false(ask(pol, alice, READ, CLUSTER, NULL).allowed);
    eg_policy_unref(pol);
    test_free(text);
    eg_principal_unref(alice);
}

static const struct { const char *from, *to, *where; } refused[] = {
    {"\"type\":\"Microsoft.Authorization/denyAssignments\"", "\"type\":\"Microsoft.Authorization/roleAssignments\"", "type"},
    {"\"principals\":[{\"id\":\"" ALICE "\",\"type\":\"User\"}]", "\"principals\":[]", "properties"},
    {"\"type\":\"User\"", "\"type\":\"Robot\"", "properties.principals[0]"},
    {"\"type\":\"User\"", "\"type\":\"SystemDefined\"", "properties.principals[0]"},
    {ALICE, "alice", "properties.principals[0]"},
    {"\"scope\":\"" GROUP "\"", "\"scope\":\"/\"", "properties.scope"},
    {"\"notActions\"", "\"noActions\"", "properties.permissions[0].noActions"},
    {"\"dataActions\":[]", "\"dataActions\":[],\"condition\":\"Exists @Environment[UtcNow]\"", "properties.permissions[0].condition"},
    {"\"excludePrincipals\":[]", "\"excludePrincipals\":[{\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"SystemDefined\"}]", "properties"},
};

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char *text = replaced(deny_text, refused[i].from, refused[i].to);
        eg_policy *pol = NULL;
        eg_problem p = {0};
        if (build(EG_POLICY_DENIES, text, &pol, &p) != EG_ERR_POLICY_INVALID || !strstr(p.where, refused[i].where)) {
            fail_msg("row %zu: %s at %s", i, p.message, p.where);
        }
        test_free(text);
    }
}

static void times(void **state) {
    (void)state;
    eg_principal *bob = person(TENANT, TEAM);
    eg_policy *pol = built(EG_POLICY_SCHEDULES, schedule_text);
    assert_false(ask(pol, bob, READ, CLUSTER, NULL).allowed); /* no clock, no grant */
    assert_false(ask(pol, bob, READ, CLUSTER, "2025-12-31T23:59:59Z").allowed);
    assert_true(ask(pol, bob, READ, CLUSTER, "2026-01-01T00:00:00Z").allowed);
    assert_true(ask(pol, bob, READ, CLUSTER, "2026-01-31T23:59:59Z").allowed);
    assert_false(ask(pol, bob, READ, CLUSTER, "2026-02-01T00:00:00Z").allowed);
    eg_policy_unref(pol);

    char *eligible = replaced(schedule_text, "roleAssignmentSchedules", "roleEligibilitySchedules");
    pol = built(EG_POLICY_ELIGIBLE, eligible);
    assert_false(ask(pol, bob, READ, CLUSTER, "2026-01-15T00:00:00Z").allowed);
    assert_int_equal(pol->eligible_count, 1);
    eg_policy_unref(pol);
    test_free(eligible);

    static const struct { const char *from, *to; } bad[] = {
        {"Provisioned", "PendingApproval"}, {"2026-02-01T00:00:00Z", "2025-02-01T00:00:00Z"}, {"2026-02-01T00:00:00Z", "soon"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *text = replaced(schedule_text, bad[i].from, bad[i].to);
        eg_problem p = {0};
        assert_int_equal(build(EG_POLICY_SCHEDULES, text, &pol, &p), EG_ERR_POLICY_INVALID);
        test_free(text);
    }
    eg_principal_unref(bob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_grants), cmocka_unit_test(too_long_to_ask), cmocka_unit_test(variants), cmocka_unit_test(unknown_groups), cmocka_unit_test(refusals), cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Conditions: what each operator says, what can't be known, and what is refused when it is read. covers: condition_compare.c */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

#include "condition.h"
#include <embergate/clock.h>

#define BLOBS "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
#define NAME "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
#define PATH "@Resource[" BLOBS ":path]"
#define PREFIX "@Request[" BLOBS ":prefix]"

static eg_err compile(eg_arena *a, const char *text, const eg_policy_condition **ret, eg_problem *p) {
    eg_policy_at at = {.name = "file.json"};
    return eg_policy_condition_compile(a, &at, eg_str_of(text), ret, p);
}

/* A read of lake/flights: raw/2013/jan.csv at the end of January 2026. */
static eg_access request(void) {
    eg_access a = {.action = EG_LIT(BLOBS "/read"), .data_action = true, .account = EG_LIT("lake"), .container = EG_LIT("flights"), .path = EG_LIT("raw/2013/jan.csv"),
                   .subnet = EG_LIT("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n")};
    int64_t now = 0;
    assert_int_equal(eg_time_parse_rfc3339(EG_LIT("2026-01-31T12:00:00Z"), &now), EG_OK);
    a.now_ns = now;
    return a;
}

static const struct { const char *text; eg_policy_truth says; } rows[] = {
    {NAME " StringEquals 'flights'", EG_TRUTH_TRUE},
    {NAME " StringEquals 'Flights'", EG_TRUTH_FALSE},
    {NAME " StringEqualsIgnoreCase 'FLIGHTS'", EG_TRUTH_TRUE},
    {NAME " StringNotEquals 'flights'", EG_TRUTH_FALSE},
    {NAME " StringNotEqualsIgnoreCase 'other'", EG_TRUTH_TRUE},
    {NAME " StringEquals 'flight'", EG_TRUTH_FALSE},
    {PATH " StringStartsWith 'raw/'", EG_TRUTH_TRUE},
    {PATH " StringStartsWithIgnoreCase 'RAW/'", EG_TRUTH_TRUE},
    {PATH " StringNotStartsWith 'raw/'", EG_TRUTH_FALSE},
    {PATH " StringLike 'raw/*/jan.?s?'", EG_TRUTH_TRUE},
    {PATH " StringLike 'raw/*/feb.*'", EG_TRUTH_FALSE},
    {PATH " StringLike '*'", EG_TRUTH_TRUE},
    {PATH " StringLike 'raw\\/2013/jan\\.csv'", EG_TRUTH_TRUE},
    {PATH " StringLike 'raw/\\*/jan.csv'", EG_TRUTH_FALSE},
    {PATH " StringLikeIgnoreCase 'RAW*CSV'", EG_TRUTH_TRUE},
    {PATH " StringNotLike 'raw/*'", EG_TRUTH_FALSE},
    {NAME " ForAnyOfAnyValues:StringEquals {'a', 'flights'}", EG_TRUTH_TRUE},
    {NAME " ForAnyOfAnyValues:StringEquals {'a', 'b'}", EG_TRUTH_FALSE},
    {NAME " ForAllOfAllValues:StringNotEquals {'a', 'b'}", EG_TRUTH_TRUE},
    {NAME " ForAnyOfAllValues:StringStartsWith {'f', 'fl', 'g'}", EG_TRUTH_FALSE},
    {NAME " StringEquals @Resource[Microsoft.Storage/storageAccounts:name]", EG_TRUTH_FALSE},
    {"@Environment[UtcNow] DateTimeGreaterThan '2026-01-31T11:59:59Z'", EG_TRUTH_TRUE},
    {"@Environment[UtcNow] DateTimeLessThanEquals '2026-01-31T12:00:00Z'", EG_TRUTH_TRUE},
    {"@Environment[UtcNow] DateTimeLessThan '2026-01-31T12:00:00Z'", EG_TRUTH_FALSE},
    {"@Environment[isPrivateLink] BoolEquals true", EG_TRUTH_FALSE},
    {"@Environment[isPrivateLink] BoolNotEquals 'true'", EG_TRUTH_TRUE},
    {"@Resource[Microsoft.Storage/storageAccounts:isHnsEnabled] BoolEquals true", EG_TRUTH_TRUE},
    {"@Environment[Microsoft.Network/virtualNetworks/subnets] StringEqualsIgnoreCase "
     "'/Subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n'", EG_TRUTH_TRUE},
    /* What the request doesn't have is not known, whichever way it is asked; but it can be asked whether it is there. */
    {PREFIX " StringEquals 'raw/'", EG_TRUTH_UNKNOWN},
    {PREFIX " StringNotEquals 'raw/'", EG_TRUTH_UNKNOWN},
    {"NOT (" PREFIX " StringEquals 'raw/')", EG_TRUTH_UNKNOWN},
    {"Exists " PREFIX, EG_TRUTH_FALSE},
    {"NOT Exists " PREFIX, EG_TRUTH_TRUE},
    {PREFIX " StringEquals 'raw/' OR " NAME " StringEquals 'flights'", EG_TRUTH_TRUE},
    {PREFIX " StringEquals 'raw/' AND " NAME " StringEquals 'flights'", EG_TRUTH_UNKNOWN},
    {PREFIX " StringEquals 'raw/' AND " NAME " StringEquals 'no'", EG_TRUTH_FALSE},
    {"ActionMatches{'" BLOBS "/read'}", EG_TRUTH_TRUE},
    {"ActionMatches{'" BLOBS "/*'} && !(ActionMatches{'" BLOBS "/write'})", EG_TRUTH_TRUE},
    {"SubOperationMatches{'Blob.List'}", EG_TRUTH_FALSE},
    /* AND binds tighter than OR; NOT tighter than both. */
    {NAME " StringEquals 'flights' OR " NAME " StringEquals 'x' AND " NAME " StringEquals 'y'", EG_TRUTH_TRUE},
    {"NOT " NAME " StringEquals 'x' AND " NAME " StringEquals 'flights'", EG_TRUTH_TRUE},
    /* As Azure's documentation writes it. */
    {"(\n (\n  !(ActionMatches{'" BLOBS "/read'} AND NOT SubOperationMatches{'Blob.List'})\n )\n OR \n (\n  " NAME " StringEquals 'blobs-example-container'\n )\n)", EG_TRUTH_FALSE},
    {"(\n (\n  !(ActionMatches{'" BLOBS "/read'} AND NOT SubOperationMatches{'Blob.List'})\n )\n OR \n (\n  " NAME " StringEquals 'flights'\n )\n)", EG_TRUTH_TRUE},
    {NAME " StringEquals 'it\\'s'", EG_TRUTH_FALSE},
};

static void verdicts(void **state) {
    (void)state;
    bool bad = false;
    const eg_access a = request();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_arena *arena = eg_arena_new(1 << 20);
        const eg_policy_condition *c = NULL;
        eg_problem p = {0};
        const eg_err e = compile(arena, rows[i].text, &c, &p);
        const int got = e == EG_OK ? (int)eg_policy_condition_holds(c, &a) : -1;
        if (got != (int)rows[i].says) {
            print_error("%s: %d instead of %d %s\n", rows[i].text, got, rows[i].says, p.message);
            bad = true;
        }
        eg_arena_free(arena);
    }
    assert_false(bad);
    assert_int_equal(eg_policy_condition_holds(NULL, &a), EG_TRUTH_TRUE);
}

static void escaped_quote(void **state) {
    (void)state;
    eg_arena *arena = eg_arena_new(1 << 20);
    const eg_policy_condition *c = NULL;
    eg_problem p = {0};
    eg_access a = request();
    a.path = EG_LIT("it's");
    assert_int_equal(compile(arena, PATH " StringEquals 'it\\'s'", &c, &p), EG_OK);
    assert_int_equal(eg_policy_condition_holds(c, &a), EG_TRUTH_TRUE);
    a.now_ns = 0;
    assert_int_equal(compile(arena, "@Environment[UtcNow] DateTimeLessThan '2026-01-31T12:00:00Z'", &c, &p), EG_OK);
    assert_int_equal(eg_policy_condition_holds(c, &a), EG_TRUTH_UNKNOWN);
    eg_arena_free(arena);
}

static const char *const refused[] = {
    "", "(", "NOT", NAME, NAME " StringEquals", NAME " StringEquals flights", NAME " StringEquals 'flights", NAME " StringIsLike 'a'", NAME " NumericEquals 1",
    NAME " StringEquals {'a'", NAME " StringEquals {}", NAME " ForAnyOfAnyValues StringEquals {'a'}", NAME " StringEquals 'a' XOR " NAME " StringEquals 'b'",
    NAME " StringEquals 'a')", "@Resource[x] StringEquals 'y'", "@Nobody[UtcNow] StringEquals 'y'", "@Resource[" BLOBS "/tags:Project<$key_case_sensitive$>] StringEquals 'y'",
    "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] StringEquals 'y'", "ActionMatches{'a b'}", "ActionMatches('a')",
    "@Environment[UtcNow] DateTimeGreaterThan 'tomorrow'", "@Environment[isPrivateLink] BoolEquals 'maybe'", NAME " StringEquals @Environment[UtcNow]",
    NAME " StringEquals 'a' AND", "Exists", "@Resource[Microsoft.Storage/storageAccounts:name",
};

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        eg_arena *arena = eg_arena_new(1 << 20);
        const eg_policy_condition *c = NULL;
        eg_problem p = {0};
        if (compile(arena, refused[i], &c, &p) != EG_ERR_POLICY_INVALID || !strstr(p.where, "file.json")) {
            fail_msg("accepted: %s", refused[i]);
        }
        assert_null(c);
        eg_arena_free(arena);
    }
}

static void bounds(void **state) {
    (void)state;
    eg_buf text;
    eg_buf_init(&text, 65536);
    eg_arena *arena = eg_arena_new(1 << 20);
    const eg_policy_condition *c = NULL;
    eg_problem p = {0};
    for (int i = 0; i < 40; i++) {
        eg_buf_adds(&text, "(");
    }
    assert_int_equal(compile(arena, text.ptr, &c, &p), EG_ERR_POLICY_INVALID);
    assert_non_null(strstr(p.message, "deep"));
    eg_buf_reset(&text);
    for (int i = 0; i < 50; i++) {
        eg_buf_adds(&text, "NOT ");
    }
    assert_int_equal(compile(arena, text.ptr, &c, &p), EG_ERR_POLICY_INVALID);
    eg_buf_reset(&text);
    for (int i = 0; i < 300; i++) {
        eg_buf_adds(&text, "Exists @Environment[UtcNow] OR ");
    }
    assert_int_equal(compile(arena, text.ptr, &c, &p), EG_ERR_POLICY_INVALID);
    assert_non_null(strstr(p.message, "8192"));
    eg_buf_done(&text);
    eg_arena_free(arena);
}

/* Whoever may assign roles can't make a decision last: what would take too long to know is not known, so that it neither grants nor lets a denial go. */
static void too_long_to_know(void **state) {
    (void)state;
    enum { PATH_LEN = 3000, PATTERN = 2000 };
    char path[PATH_LEN], pattern[PATTERN + 1], text[PATTERN + 512];
    for (size_t i = 0; i < PATTERN; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    pattern[PATTERN] = '\0';
    memset(path, 'a', sizeof path);
    eg_access a = request();
    a.path = (eg_str){path, sizeof path};
    const struct { const char *before, *behind; eg_policy_truth says; } asks[] = {
        {PATH " StringLike '", "b'", EG_TRUTH_UNKNOWN},
        {PATH " StringNotLike '", "b'", EG_TRUTH_UNKNOWN},
        {"NOT (" PATH " StringLike '", "b')", EG_TRUTH_UNKNOWN},
        {NAME " StringEquals 'flights' OR " PATH " StringLike '", "b'", EG_TRUTH_TRUE},
        {NAME " StringEquals 'planes' AND " PATH " StringNotLike '", "b'", EG_TRUTH_FALSE},
    };
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        eg_arena *arena = eg_arena_new(1 << 20);
        const eg_policy_condition *c = NULL;
        eg_problem p = {0};
        snprintf(text, sizeof text, "%s%s%s", asks[i].before, pattern, asks[i].behind);
        assert_int_equal(compile(arena, text, &c, &p), EG_OK);
        assert_int_equal(eg_policy_condition_holds(c, &a), asks[i].says);
        eg_arena_free(arena);
    }
    /* All of a decision's conditions together. */
    eg_arena *arena = eg_arena_new(1 << 20);
    const eg_policy_condition *c = NULL;
    eg_problem p = {0};
    size_t left = 3 * (PATH_LEN + 1);
    assert_int_equal(compile(arena, PATH " StringLike 'aaa*'", &c, &p), EG_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(eg_policy_condition_holds_within(c, &a, &left), i < 3 ? EG_TRUTH_TRUE : EG_TRUTH_UNKNOWN);
    }
    eg_arena_free(arena);
}

/* Within an assignment: it grants where the condition holds, and nowhere else. */
static void decides(void **state) {
    (void)state;
    eg_problem p = {0};
    char *text = replaced(assignment_text, "\"condition\":null", "\"condition\":\"" NAME " StringEquals 'flights'\",\"conditionVersion\":\"2.0\"");
    eg_policy *pol = NULL;
    assert_int_equal(build(EG_POLICY_ASSIGNMENTS, text, &pol, &p), EG_OK);
    eg_principal *who = person(TENANT, ALICE);
    eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT("Microsoft.HDInsight/clusters/read"), .scope = EG_LIT(CLUSTER)};
    eg_decision d;
    eg_policy_decide(pol, &a, &d);
    assert_false(d.allowed);
    a.container = EG_LIT("flights");
    eg_policy_decide(pol, &a, &d);
    assert_true(d.allowed);
    a.container = EG_LIT("planes");
    eg_policy_decide(pol, &a, &d);
    assert_false(d.allowed);
    assert_int_equal(d.error, EG_ERR_DENIED_ROLE);
    eg_principal_unref(who);
    eg_policy_unref(pol);
    test_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts), cmocka_unit_test(escaped_quote), cmocka_unit_test(refusals), cmocka_unit_test(bounds), cmocka_unit_test(too_long_to_know), cmocka_unit_test(decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

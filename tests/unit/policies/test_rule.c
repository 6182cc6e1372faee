/* Azure Policy: definitions, initiatives and assignments; what complies, what is refused. covers: rule_assignment.c rule_book.c rule_decide.c rule_field.c rule_json.c */
#include <stdio.h>

#include "policy_text.h"
#include "rule.h"

#define AUTHORIZATION "/providers/Microsoft.Authorization"
#define DEFINITION SUB AUTHORIZATION "/policyDefinitions/no-keys"
#define INITIATIVE SUB AUTHORIZATION "/policySetDefinitions/storage"
#define ASSIGNMENT GROUP AUTHORIZATION "/policyAssignments/strict"
#define STORAGE "Microsoft.Storage/storageAccounts"

static const char definition_text[] =
    "{\"id\":\"" DEFINITION "\",\"name\":\"no-keys\",\"type\":\"Microsoft.Authorization/policyDefinitions\",\"properties\":{\"displayName\":\"No keys\",\"mode\":\"All\","
    "\"parameters\":{\"effect\":{\"type\":\"String\",\"allowedValues\":[\"Deny\",\"Audit\",\"Disabled\"],\"defaultValue\":\"Deny\"},\"owners\":{\"type\":\"Array\",\"defaultValue\":[\"ops\"]}},"
    "\"policyRule\":{\"if\":{\"allOf\":[{\"field\":\"type\",\"equals\":\"" STORAGE "\"},"
    "{\"anyOf\":[{\"field\":\"" STORAGE "/allowSharedKeyAccess\",\"equals\":true},{\"not\":{\"field\":\"tags['owner']\",\"in\":\"[parameters('owners')]\"}}]}]},"
    "\"then\":{\"effect\":\"[parameters('effect')]\"}}}}";

static const char initiative_text[] =
    "{\"id\":\"" INITIATIVE "\",\"name\":\"storage\",\"properties\":{\"parameters\":{\"tls\":{\"type\":\"String\",\"defaultValue\":\"TLS1_3\"}},\"policyDefinitions\":["
    "{\"policyDefinitionId\":\"/providers/Microsoft.Authorization/policyDefinitions/fe83a0eb-a853-422d-aac2-1bffd182c5d0\",\"policyDefinitionReferenceId\":\"tls\","
    "\"parameters\":{\"effect\":{\"value\":\"Deny\"},\"minimumTlsVersion\":{\"value\":\"[parameters('tls')]\"}}},"
    "{\"policyDefinitionId\":\"34c877ad-507e-4c82-993e-3452a6e0ad3c\"}]}}";

static const char assignment_text_[] =
    "{\"id\":\"" ASSIGNMENT "\",\"name\":\"strict\",\"type\":\"Microsoft.Authorization/policyAssignments\",\"properties\":{\"policyDefinitionId\":\"" DEFINITION "\","
    "\"scope\":\"" GROUP "\",\"notScopes\":[\"" GROUP "/providers/Microsoft.Storage/storageAccounts/legacy\"],\"parameters\":{},\"enforcementMode\":\"Default\","
    "\"nonComplianceMessages\":[{\"message\":\"Ask ops.\"}]}}";

static eg_err made(const char *definition, const char *assignment, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    assert_int_equal(eg_policy_builder_new(&b, p), EG_OK);
    EG_TRY(eg_policy_builder_add(b, EG_POLICY_RULES, "d.json", eg_str_of(definition), p));
    EG_TRY(eg_policy_builder_add(b, EG_POLICY_INITIATIVES, "i.json", eg_str_of(initiative_text), p));
    EG_TRY(eg_policy_builder_add(b, EG_POLICY_RULE_ASSIGNMENTS, "a.json", eg_str_of(assignment), p));
    return eg_policy_builder_finish(b, 7, ret, p);
}

static eg_policy *policy(const char *definition, const char *assignment) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    if (made(definition, assignment, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    return pol;
}

typedef struct seen {
    char text[2048];
} seen;

static void see(void *ctx, const eg_compliance *c) {
    seen *s = ctx;
    const size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%.*s:%s:%s%s;", EG_FMT(c->definition_name), c->effect, c->compliant ? "yes" : "no", c->denies ? ":denied" : "");
}

static void expect(const eg_policy *pol, const char *account, const char *keys, const char *owner, const char *text) {
    char id[256];
    snprintf(id, sizeof id, GROUP "/providers/Microsoft.Storage/storageAccounts/%s", account);
    const eg_property properties[] = {
        {STORAGE "/allowSharedKeyAccess", eg_str_of(keys)}, {"tags.Owner", eg_str_of(owner)}, {STORAGE "/minimumTlsVersion", EG_LIT("TLS1_2")}, {STORAGE "/networkAcls.defaultAction", EG_LIT("Allow")},
    };
    const eg_resource r = {.id = eg_str_of(id), .type = EG_LIT(STORAGE), .name = eg_str_of(account), .location = EG_LIT("embergate"), .properties = properties, .property_count = 4};
    seen s = {""};
    eg_policy_compliance(pol, &r, see, &s);
    if (strcmp(s.text, text) != 0) {
        fail_msg("%s %s %s: %s", account, keys, owner, s.text);
    }
    eg_compliance c;
    assert_int_equal(eg_policy_resource_denied(pol, &r, &c), strstr(text, ":denied") != NULL);
}

static void what_complies(void **state) {
    (void)state;
    eg_policy *pol = policy(definition_text, assignment_text_);
    expect(pol, "lake", "false", "OPS", "No keys:Deny:yes;");
    expect(pol, "lake", "true", "ops", "No keys:Deny:no:denied;");
    expect(pol, "lake", "false", "me", "No keys:Deny:no:denied;");
    expect(pol, "lake", "false", NULL, "No keys:Deny:no:denied;");
    expect(pol, "legacy", "true", "ops", "");
    const eg_resource cluster = {.id = EG_LIT(CLUSTER), .type = EG_LIT("Microsoft.HDInsight/clusters"), .name = EG_LIT("spark")};
    const eg_resource elsewhere = {.id = EG_LIT("/subscriptions/x/resourceGroups/lab/providers/" STORAGE "/lake"), .type = EG_LIT(STORAGE), .name = EG_LIT("lake")};
    eg_compliance c;
    seen s = {""};
    eg_policy_compliance(pol, &cluster, see, &s); /* does not apply: not told of */
    eg_policy_compliance(pol, &elsewhere, see, &s);
    assert_string_equal(s.text, "");
    const eg_resource bare = {.id = EG_LIT(GROUP "/providers/" STORAGE "/sea"), .type = EG_LIT(STORAGE), .name = EG_LIT("sea")};
    assert_true(eg_policy_resource_denied(pol, &bare, &c));
    assert_true(eg_str_is(c.message, "Ask ops.") && eg_str_is(c.assignment_name, "strict") && eg_str_is(c.definition_id, DEFINITION));
    eg_policy_unref(pol);
}

static void effects_and_modes(void **state) {
    (void)state;
    static const struct { const char *from, *to, *text; } rows[] = {
        {"\"parameters\":{}", "\"parameters\":{\"effect\":{\"value\":\"Audit\"}}", "No keys:Audit:no;"},
        {"\"parameters\":{}", "\"parameters\":{\"effect\":{\"value\":\"disabled\"}}", ""},
        {"\"parameters\":{}", "\"parameters\":{\"owners\":{\"value\":[\"me\"]}}", "No keys:Deny:no:denied;"},
        {"\"Default\"", "\"DoNotEnforce\"", "No keys:Deny:no;"},
        /* by reference: "1" before "tls" */
        {DEFINITION, INITIATIVE, "Storage accounts should restrict network access:Audit:no;Storage accounts should have the specified minimum TLS version:Deny:no:denied;"},
        {"\"scope\":\"" GROUP "\",", "", "No keys:Deny:no:denied;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = replaced(assignment_text_, rows[i].from, rows[i].to);
        eg_policy *pol = policy(definition_text, text);
        expect(pol, "lake", "true", "ops", rows[i].text);
        eg_policy_unref(pol);
        test_free(text);
    }
    char *tls = replaced(assignment_text_, DEFINITION, INITIATIVE), *older = replaced(tls, "\"parameters\":{}", "\"parameters\":{\"tls\":{\"value\":\"TLS1_2\"}}");
    eg_policy *pol = policy(definition_text, older);
    expect(pol, "lake", "true", "ops", "Storage accounts should restrict network access:Audit:no;Storage accounts should have the specified minimum TLS version:Deny:yes;");
    eg_policy_unref(pol);
    test_free(tls);
    test_free(older);
}

static void operators(void **state) {
    (void)state;
    static const struct { const char *test; bool owner_ops, owner_none; } rows[] = {
        {"\"equals\":\"OPS\"", true, false}, {"\"notEquals\":\"ops\"", false, true}, {"\"in\":[\"a\",\"ops\"]", true, false}, {"\"notIn\":[\"ops\"]", false, true},
        {"\"in\":[]", false, false}, {"\"notIn\":[]", true, true}, {"\"like\":\"o*s\"", true, false}, {"\"like\":\"*\"", true, false}, {"\"notLike\":\"*p*\"", false, true},
        {"\"contains\":\"PS\"", true, false}, {"\"notContains\":\"ps\"", false, true}, {"\"exists\":\"true\"", true, false}, {"\"exists\":false", false, true},
        {"\"EQUALS\":\"ops\"", true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char test[256];
        snprintf(test, sizeof test, "{\"field\":\"tags.owner\",%s}", rows[i].test);
        char *text = replaced(definition_text, "{\"not\":{\"field\":\"tags['owner']\",\"in\":\"[parameters('owners')]\"}}", test);
        eg_policy *pol = policy(text, assignment_text_);
        expect(pol, "lake", "false", "ops", rows[i].owner_ops ? "No keys:Deny:no:denied;" : "No keys:Deny:yes;");
        expect(pol, "lake", "false", NULL, rows[i].owner_none ? "No keys:Deny:no:denied;" : "No keys:Deny:yes;");
        eg_policy_unref(pol);
        test_free(text);
    }
    assert_true(eg_rule_like(EG_LIT("a*b*c"), EG_LIT("aXbXbc")));
    assert_false(eg_rule_like(EG_LIT("a*b"), EG_LIT("abX")));
    assert_true(eg_rule_like(EG_LIT("**"), EG_LIT("")));
}

static void refuse(bool of_definition, const char *from, const char *to, const char *where) {
    char *text = replaced(of_definition ? definition_text : assignment_text_, from, to);
    eg_policy *pol = NULL;
    eg_problem p = {0};
    const eg_err e = made(of_definition ? text : definition_text, of_definition ? assignment_text_ : text, &pol, &p);
    if (e != EG_ERR_POLICY_INVALID || !strstr(p.where, where)) {
        fail_msg("%s → %s: %s, %s at %s", from, to, eg_err_code(e), p.message, p.where);
    }
    test_free(text);
}

/* What lies within an account has neither tags nor a location: a definition whose mode is Indexed, or not said, doesn't concern it. */
static void modes_of_definitions(void **state) {
    (void)state;
    static const struct { const char *mode; bool within; } rows[] = {{"\"mode\":\"All\",", true}, {"\"mode\":\"all\",", true}, {"\"mode\":\"Indexed\",", false}, {"", false}};
    static const char *const types[] = {STORAGE, "Microsoft.HDInsight/clusters", STORAGE "/encryptionScopes", STORAGE "/blobServices/containers"};
    eg_policy *made[4];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"id\":\"" DEFINITION "\",\"name\":\"no-keys\",\"properties\":{%s\"policyRule\":{\"if\":{\"field\":\"location\",\"notIn\":[\"elsewhere\"]},"
                 "\"then\":{\"effect\":\"Deny\"}}}}", rows[i].mode);
        made[i] = policy(text, assignment_text_);
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
            const eg_resource r = {.id = EG_LIT(GROUP "/providers/" STORAGE "/lake/x/y"), .name = EG_LIT("y"), .type = eg_str_of(types[k]), .location = EG_LIT("embergate")};
            eg_compliance c;
            assert_int_equal(eg_policy_resource_denied(made[i], &r, &c), k < 2 || rows[i].within);
        }
    }
    assert_true(eg_policy_has_assigned(made[0], &made[2]->assigned[0]));  /* which denies more than that */
    assert_false(eg_policy_has_assigned(made[2], &made[0]->assigned[0]));
    assert_true(eg_policy_has_assigned(made[3], &made[2]->assigned[0]));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_policy_unref(made[i]);
    }
}

/* Whoever may write policies of a subscription can't make a look at its resources last: it is a worker's, who has others to serve. */
static void too_much_to_compare(void **state) {
    (void)state;
    enum { TESTS = 40, PATTERN = 1000 };
    const size_t cap = (size_t)TESTS * (PATTERN + 100) + 1024;
    char *text = malloc(cap), pattern[PATTERN + 1];
    assert_non_null(text);
    for (size_t i = 0; i < PATTERN; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    pattern[PATTERN] = '\0';
    for (size_t tests = 4; tests <= TESTS; tests += 36) { /* 4 KB of stars, then 40 */
        eg_policy *pol = NULL;
        eg_problem p = {0};
        size_t n = (size_t)snprintf(text, cap, "{\"id\":\"" DEFINITION "\",\"name\":\"no-keys\",\"properties\":{\"mode\":\"All\",\"policyRule\":{\"if\":{\"anyOf\":[");
        for (size_t i = 0; i < tests; i++) {
            n += (size_t)snprintf(text + n, cap - n, "%s{\"field\":\"id\",\"like\":\"%sb\"}", i ? "," : "", pattern);
        }
        (void)snprintf(text + n, cap - n, "]},\"then\":{\"effect\":\"Deny\"}}}}");
        const eg_err e = made(text, assignment_text_, &pol, &p);
        assert_int_equal(e, tests == TESTS ? EG_ERR_POLICY_INVALID : EG_OK);
        assert_true(e == EG_OK || strstr(p.message, "compare too much"));
        eg_policy_unref(pol);
    }
    free(text);
}

static void refused(void **state) {
    (void)state;
    refuse(true, STORAGE "/allowSharedKeyAccess", STORAGE "/allowSharedKeyAcces", "properties.policyRule.if.allOf[1].anyOf[0].field");
    refuse(true, "tags['owner']", "tags", "anyOf[1].not.field");
    refuse(true, "tags['owner']", "tags[concat('a')]", "anyOf[1].not.field");
    refuse(true, "\"equals\":true", "\"equals\":{}", "anyOf[0].equals");
    refuse(true, "\"equals\":true", "\"matches\":true", "anyOf[0].matches");
    refuse(true, "\"equals\":true", "\"greater\":1", "anyOf[0].greater");
    refuse(true, "\"equals\":true", "\"equals\":true,\"in\":[]", "anyOf[0].in");
    refuse(true, ",\"equals\":true", "", "anyOf[0]");
    refuse(true, "\"field\":\"" STORAGE "/allowSharedKeyAccess\"", "\"value\":\"x\"", "anyOf[0]");
    refuse(true, "[parameters('owners')]", "[concat('a','b')]", "not.in");
    refuse(true, "[parameters('owners')]", "[parameters('absent')]", "not.in");
    refuse(true, "\"in\":\"[parameters('owners')]\"", "\"in\":\"ops\"", "not.in");
    refuse(true, "{\"anyOf\":[", "{\"anyOf\":[],\"allOf\":[", "allOf[1]");
    refuse(true, "\"then\":{\"effect\":\"[parameters('effect')]\"", "\"then\":{\"effect\":\"Modify\"", "then.effect");
    refuse(true, "\"then\":{\"effect\"", "\"then\":{\"details\":{\"a\":1},\"effect\"", "then.details");
    refuse(true, "\"mode\":\"All\"", "\"mode\":\"Microsoft.KeyVault.Data\"", "properties.mode");
    refuse(true, "\"type\":\"Array\"", "\"type\":\"Object\"", "parameters.owners.type");
    refuse(true, "\"defaultValue\":[\"ops\"]", "\"defaultValue\":\"ops\"", "parameters.owners.defaultValue");
    refuse(true, "\"defaultValue\":\"Deny\"", "\"defaultValue\":\"Modify\"", "parameters.effect.defaultValue");
    refuse(true, "\"id\":\"" DEFINITION "\"", "\"id\":\"/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9\"", "id");
    refuse(true, "\"displayName\"", "\"displayname\"", "properties.displayname");
    refuse(false, DEFINITION, SUB AUTHORIZATION "/policyDefinitions/absent", "properties.policyDefinitionId");
    refuse(false, "\"scope\":\"" GROUP "\"", "\"scope\":\"/subscriptions/5b7e4a6a-0000-4000-8000-000000000002\"", "properties.policyDefinitionId");
    refuse(false, "\"parameters\":{}", "\"parameters\":{\"effekt\":{\"value\":\"Deny\"}}", "parameters.effekt");
    refuse(false, "\"parameters\":{}", "\"parameters\":{\"effect\":{\"value\":\"Modify\"}}", "parameters.effect.value");
    refuse(false, "\"parameters\":{}", "\"parameters\":{\"effect\":\"Deny\"}", "parameters.effect");
    refuse(false, "\"Default\"", "\"Never\"", "properties.enforcementMode");
    refuse(false, "\"scope\":\"" GROUP "\"", "\"scope\":\"/\"", "properties.scope");
    refuse(false, "[\"" GROUP "/providers", "[\"/providers", "properties.notScopes[0]");
    refuse(false, "\"message\":\"Ask ops.\"", "\"text\":\"Ask ops.\"", "nonComplianceMessages[0].text");
    refuse(false, "\"notScopes\"", "\"overrides\":[{\"kind\":\"policyEffect\"}],\"notScopes\"", "properties.overrides");
}

static void deep(void **state) {
    (void)state;
    eg_buf text;
    eg_buf_init(&text, 1 << 16);
    for (int i = 0; i < EG_RULE_DEPTH_MAX; i++) {
        eg_buf_adds(&text, "{\"not\":");
    }
    eg_buf_adds(&text, "{\"field\":\"name\",\"equals\":\"x\"}");
    for (int i = 0; i < EG_RULE_DEPTH_MAX; i++) {
        eg_buf_adds(&text, "}");
    }
    assert_int_equal(eg_buf_add(&text, "", 1), EG_OK);
    refuse(true, "{\"field\":\"" STORAGE "/allowSharedKeyAccess\",\"equals\":true}", text.ptr, "not");
    eg_buf_done(&text);
}

static void proved_and_told(void **state) {
    (void)state;
    char *audit = replaced(assignment_text_, "\"parameters\":{}", "\"parameters\":{\"effect\":{\"value\":\"Audit\"}}"), *wider = replaced(assignment_text_, "\"scope\":\"" GROUP "\"", "\"scope\":\"" SUB "\"");
    eg_policy *strict = policy(definition_text, assignment_text_), *lax = policy(definition_text, audit), *wide = policy(definition_text, wider);
    eg_policy_proof proof;
    eg_problem p = {0};
    eg_buf text;
    eg_buf_init(&text, 1 << 16);
    assert_int_equal(eg_policy_prove_no_new_access(strict, lax, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_UNDECIDED);
    assert_non_null(strstr(proof.text, "the policy assignment strict no longer denies"));
    assert_int_equal(eg_policy_prove_no_new_access(lax, strict, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_HOLDS);
    assert_int_equal(eg_policy_prove_no_new_access(strict, wide, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_HOLDS);
    assert_int_equal(eg_policy_prove_no_new_access(wide, strict, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_UNDECIDED);
    assert_int_equal(eg_policy_what_if(strict, lax, &text), EG_OK);
    assert_string_equal(text.ptr, "the policy assignment strict, which audits what does not comply with \"No keys\" at " GROUP ", is new (a.json)\n"
                                  "the policy assignment strict, which denies what does not comply with \"No keys\" at " GROUP ", goes (a.json)\n");
    eg_buf_done(&text);
    eg_policy_unref(strict);
    eg_policy_unref(lax);
    eg_policy_unref(wide);
    test_free(audit);
    test_free(wider);
}

/* Of what lies in an account: its own types, aliases and full name. */
static void scopes_and_containers(void **state) {
    (void)state;
    static const struct { const char *type, *field, *test, *source, *scope; bool denied; } rows[] = {
        {STORAGE "/encryptionScopes", STORAGE "/encryptionScopes/source", "\"equals\":\"microsoft.storage\"", "Microsoft.Storage", NULL, true},
        {STORAGE "/encryptionScopes", STORAGE "/encryptionScopes/source", "\"notEquals\":\"Microsoft.KeyVault\"", "Microsoft.KeyVault", NULL, false},
        {STORAGE "/encryptionScopes", STORAGE "/encryptionScopes/state", "\"exists\":false", "Microsoft.Storage", NULL, true},
        {STORAGE "/encryptionScopes", "fullName", "\"like\":\"lake/*\"", "Microsoft.Storage", NULL, true},
        {STORAGE "/encryptionScopes", "name", "\"like\":\"lake/*\"", "Microsoft.Storage", NULL, false},
        {STORAGE, STORAGE "/encryptionScopes/source", "\"equals\":\"Microsoft.Storage\"", "Microsoft.Storage", NULL, false},
        {STORAGE "/blobServices/containers", STORAGE "/blobServices/containers/defaultEncryptionScope", "\"exists\":false", NULL, NULL, true},
        {STORAGE "/blobServices/containers", STORAGE "/blobServices/containers/defaultEncryptionScope", "\"notIn\":[\"finance\"]", NULL, "finance", false},
        {STORAGE "/blobServices/containers", STORAGE "/blobServices/containers/denyEncryptionScopeOverride", "\"notEquals\":true", NULL, "finance", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"id\":\"" DEFINITION "\",\"name\":\"no-keys\",\"properties\":{\"mode\":\"All\",\"policyRule\":{\"if\":{\"allOf\":[{\"field\":\"type\",\"equals\":\"%s\"},"
                 "{\"field\":\"%s\",%s}]},\"then\":{\"effect\":\"Deny\"}}}}", rows[i].type, rows[i].field, rows[i].test);
        eg_policy *pol = policy(text, assignment_text_);
        const eg_property properties[] = {{rows[i].source ? STORAGE "/encryptionScopes/source" : STORAGE "/blobServices/containers/defaultEncryptionScope",
                                           eg_str_of(rows[i].source ? rows[i].source : rows[i].scope)}};
        const eg_resource r = {.id = EG_LIT(GROUP "/providers/" STORAGE "/lake/encryptionScopes/finance"), .name = EG_LIT("finance"), .full_name = EG_LIT("lake/finance"),
                               .type = rows[i].source ? EG_LIT(STORAGE "/encryptionScopes") : EG_LIT(STORAGE "/blobServices/containers"), .properties = properties, .property_count = 1};
        eg_compliance c;
        if (eg_policy_resource_denied(pol, &r, &c) != rows[i].denied) {
            fail_msg("row %zu", i);
        }
        eg_policy_unref(pol);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_complies), cmocka_unit_test(effects_and_modes), cmocka_unit_test(operators), cmocka_unit_test(scopes_and_containers), cmocka_unit_test(modes_of_definitions), cmocka_unit_test(too_much_to_compare),
                                       cmocka_unit_test(refused), cmocka_unit_test(deep), cmocka_unit_test(proved_and_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks that policy files are read strictly: each refusal names the field. covers: role_json.c network_json.c subnet_json.c policy_field.c */
#include <stdio.h>
#include <string.h>

#include "policy_text.h"

typedef struct refusal {
    eg_policy_kind kind;
    const char *from, *to;
    const char *where;   /* what the problem's place must end with */
} refusal;

static const refusal refusals[] = {
    /* shape */
    {EG_POLICY_ROLES, "{\"id\"", "{\"id\":1,\"id\"", "file.json: "},
    {EG_POLICY_ROLES, "\"name\":\"1", "\"nom\":\"1", "nom"},
    {EG_POLICY_ROLES, "\"type\":\"Microsoft.Authorization/roleDefinitions\"", "\"type\":\"Microsoft.Authorization/roleAssignments\"", "type"},
    {EG_POLICY_ROLES, "\"name\":\"1", "\"name\":\"x", "name"},
    {EG_POLICY_ROLES, "roleDefinitions/11111111-1111-4111-8111-111111111111", "roleDefinitions/31111111-1111-4111-8111-111111111111", "id"},
    {EG_POLICY_ROLES, "\"Night Operator\"", "\"\"", "properties.roleName"},
    {EG_POLICY_ROLES, "\"Night Operator\"", "7", "properties.roleName"},
    {EG_POLICY_ROLES, "\"permissions\":[{", "\"permissions\":{},\"createdBy\":[{", "properties.permissions"},
    {EG_POLICY_ROLES, "\"permissions\":[{", "\"permissions\":[],\"createdBy\":[{", "properties.permissions"},
    {EG_POLICY_ROLES, "\"actions\":[\"Microsoft.HDInsight/*\"]", "\"actions\":[\"ok\",7]", "properties.permissions[0].actions[1]"},
    {EG_POLICY_ROLES, "\"actions\":[\"Microsoft.HDInsight/*\"]", "\"actions\":[\"a b\"]", "properties.permissions[0].actions[0]"},
    {EG_POLICY_ROLES, "\"actions\":[\"Microsoft.HDInsight/*\"]", "\"actions\":[\"\"]", "properties.permissions[0].actions[0]"},
    {EG_POLICY_ROLES, "\"actions\"", "\"Actions\"", "properties.permissions[0].Actions"},
    {EG_POLICY_ROLES, "\"notActions\"", "\"condition\":\"@Resource\",\"notActions\"", "properties.permissions[0].condition"},
    {EG_POLICY_ROLES, "[\"" GROUP "\"]", "[]", "properties.assignableScopes"},
    {EG_POLICY_ROLES, "[\"" GROUP "\"]", "[\"subscriptions\"]", "properties.assignableScopes[0]"},
    {EG_POLICY_ROLES, "[\"" GROUP "\"]", "[\"/subscriptions/*\"]", "properties.assignableScopes[0]"},
    /* the built-in roles stand */
    {EG_POLICY_ROLES, "roleDefinitions/11111111-1111-4111-8111-111111111111\",\"name\":\"11111111-1111-4111-8111-111111111111",
     "roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635\",\"name\":\"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", ": "},
    /* assignments */
    {EG_POLICY_ASSIGNMENTS, "\"principalId\":\"a", "\"principalId\":\"", "properties.principalId"},
    {EG_POLICY_ASSIGNMENTS, "\"principalId\"", "\"principal\"", "properties.principal"},
    {EG_POLICY_ASSIGNMENTS, "\"User\"", "\"ForeignGroup\"", "properties.principalType"},
    {EG_POLICY_ASSIGNMENTS, "\"User\"", "\"Everyone\"", "properties.principalType"},
    {EG_POLICY_ASSIGNMENTS, "\"condition\":null", "\"condition\":\"@Resource[x] StringEquals 'y'\",\"conditionVersion\":\"2.0\"", "properties.condition"},
    {EG_POLICY_ASSIGNMENTS, "roleDefinitions/1", "roleDefinitions/2", "properties.roleDefinitionId"},
    {EG_POLICY_ASSIGNMENTS, "roleDefinitions/1", "roles/1", "properties.roleDefinitionId"},
    {EG_POLICY_ASSIGNMENTS, "\"roleDefinitionId\":\"" SUB "/providers/Microsoft.Authorization/roleDefinitions/11111111-1111-4111-8111-111111111111\"",
     "\"roleDefinitionId\":\"No Such Role\"", "properties.roleDefinitionId"},
    {EG_POLICY_ASSIGNMENTS, "\"scope\":\"" GROUP "\"", "\"scope\":\"" SUB "\"", "properties.scope"}, /* differs from the id's */
    {EG_POLICY_ASSIGNMENTS, "\"scope\":\"" GROUP "\"", "\"scope\":\"" GROUP "/../x\"", "properties.scope"},
    {EG_POLICY_ASSIGNMENTS, "\"scope\":\"" GROUP "\"", "\"scope\":\"\"", "properties.scope"},
    {EG_POLICY_ASSIGNMENTS, "\"id\":\"" GROUP "/", "\"id\":\"" SUB "/", "properties.scope"},
    /* security groups */
    {EG_POLICY_GROUPS, "\"priority\":100", "\"priority\":99", "securityRules[0].properties.priority"},
    {EG_POLICY_GROUPS, "\"priority\":100", "\"priority\":4097", "securityRules[0].properties.priority"},
    {EG_POLICY_GROUPS, "\"priority\":100", "\"priority\":\"100\"", "securityRules[0].properties.priority"},
    {EG_POLICY_GROUPS, "\"priority\":100", "\"priority\":200", "properties.securityRules[1]"},
    {EG_POLICY_GROUPS, "\"Inbound\"", "\"inwards\"", "properties.direction"},
    {EG_POLICY_GROUPS, "\"Deny\"", "\"Reject\"", "properties.access"},
    {EG_POLICY_GROUPS, "\"Tcp\"", "\"Sctp\"", "properties.protocol"},
    {EG_POLICY_GROUPS, "\"192.0.2.7\"", "\"192.0.2.7/24\"", "properties.sourceAddressPrefix"},
    {EG_POLICY_GROUPS, "\"192.0.2.7\"", "\"192.0.2.0/33\"", "properties.sourceAddressPrefix"},
    {EG_POLICY_GROUPS, "\"192.0.2.7\"", "\"192.0.2\"", "properties.sourceAddressPrefix"},
    {EG_POLICY_GROUPS, "\"192.0.2.7\"", "\"Storage.WestEurope\"", "properties.sourceAddressPrefix"},
    {EG_POLICY_GROUPS, "\"sourceAddressPrefix\":\"192.0.2.7\",", "", "properties.sourceAddressPrefix"},
    {EG_POLICY_GROUPS, "\"2001:db8::/32\"", "\"2001:db8::1/32\"", "properties.sourceAddressPrefixes[1]"},
    {EG_POLICY_GROUPS, "\"8000-8443\"", "\"8443-8000\"", "properties.destinationPortRanges[1]"},
    {EG_POLICY_GROUPS, "\"8000-8443\"", "\"65536\"", "properties.destinationPortRanges[1]"},
    {EG_POLICY_GROUPS, "\"8000-8443\"", "8000", "properties.destinationPortRanges[1]"},
    {EG_POLICY_GROUPS, "\"sourcePortRange\"", "\"sourceApplicationSecurityGroups\":[{\"id\":\"x\"}],\"sourcePortRange\"", "properties.sourceApplicationSecurityGroups"},
    {EG_POLICY_GROUPS, "\"id\":\"" NSG_ID "\"", "\"id\":\"front\"", "id"},
    /* virtual networks */
    {EG_POLICY_VNETS, "\"addressPrefixes\":[\"10.0.0.0/8\",\"fd00::/16\"]", "\"addressPrefixes\":[]", "addressSpace.addressPrefixes"},
    {EG_POLICY_VNETS, "\"10.0.0.0/8\"", "\"10.0.0.1/8\"", "addressSpace.addressPrefixes[0]"},
    {EG_POLICY_VNETS, "\"addressPrefix\":\"10.1.0.0/24\",", "", "subnets[0].properties.addressPrefixes"},
    {EG_POLICY_VNETS, "{\"id\":\"" NSG_ID "\"}", "{\"id\":\"" NSG_ID "2\"}", "networkSecurityGroup.id"},
    {EG_POLICY_VNETS, "{\"id\":\"" NSG_ID "\"}", "7", "networkSecurityGroup"},
    {EG_POLICY_VNETS, "/subnets/open\"", "/subnets/GATEWAY\"", ": "},
    {EG_POLICY_VNETS, "\"subnets\"", "\"virtualNetworkPeerings\":[{}],\"subnets\"", "properties.virtualNetworkPeerings"},
};

static void refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const refusal *r = &refusals[i];
        char *text = replaced(kind_texts[r->kind], r->from, r->to);
        eg_policy *pol = NULL;
        eg_problem p = {0};
        eg_err e = build(r->kind, text, &pol, &p);
        if (e != EG_ERR_POLICY_INVALID || !eg_str_ends(eg_str_of(p.where), r->where) || strncmp(p.where, "file.json: ", 11) != 0) {
            fail_msg("row %zu (%s → %s): %s at \"%s\" (%s), owed at \"%s\"", i, r->from, r->to, eg_err_code(e), p.where, p.message, r->where);
        }
        assert_true(p.message[0] != '\0');
        assert_null(pol);
        test_free(text);
    }
}

static void root_scope_is_refused(void **state) {
    (void)state;
    char *text = replaced(assignment_text, "\"id\":\"" GROUP "/", "\"id\":\"/");
    char *both = replaced(text, "\"scope\":\"" GROUP "\"", "\"scope\":\"/\"");
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(build(EG_POLICY_ASSIGNMENTS, both, &pol, &p), EG_ERR_POLICY_INVALID);
    assert_string_equal(p.where, "file.json: properties.scope");
    test_free(text);
    test_free(both);
}

static void not_assignable_is_refused(void **state) {
    (void)state;
    char *text = replaced(role_text, "[\"" GROUP "\"]", "[\"" GROUP "2\"]");
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(build(EG_POLICY_ROLES, text, &pol, &p), EG_ERR_POLICY_INVALID);
    assert_string_equal(p.where, "file.json: properties.scope");
    test_free(text);
}

static void lists_and_other_spellings_are_read(void **state) {
    (void)state;
    static const struct { eg_policy_kind kind; const char *from, *to; } fine[] = {
        {EG_POLICY_ROLES, "11111111-1111-4111-8111-111111111111\",\"name\"", "11111111-1111-4111-8111-111111111111\",\"name\""},
        {EG_POLICY_ASSIGNMENTS, ALICE, "A11CE000-0000-4000-8000-000000000001"},
        {EG_POLICY_ASSIGNMENTS, "\"scope\":\"" GROUP "\",", ""},
        {EG_POLICY_ASSIGNMENTS, "\"principalType\":\"User\",", ""},
        {EG_POLICY_ASSIGNMENTS, "\"roleDefinitionId\":\"" SUB "/providers/Microsoft.Authorization/roleDefinitions/11111111-1111-4111-8111-111111111111\"",
         "\"roleDefinitionId\":\"night operator\""},
        {EG_POLICY_GROUPS, "\"protocol\":\"Tcp\"", "\"protocol\":\"TCP\""},
        {EG_POLICY_VNETS, "\"networkSecurityGroup\":{\"id\":\"" NSG_ID "\"}", "\"networkSecurityGroup\":null"},
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char *text = replaced(kind_texts[fine[i].kind], fine[i].from, fine[i].to);
        size_t n = strlen(text) + 64;
        char *list = test_malloc(n);
        snprintf(list, n, "{\"value\":[%s]}", text);
        eg_policy *pol = NULL;
        eg_problem p = {0};
        if (build(fine[i].kind, list, &pol, &p) != EG_OK) {
            fail_msg("row %zu: %s at %s", i, p.message, p.where);
        }
        eg_policy_unref(pol);
        test_free(list);
        test_free(text);
    }
}

static void not_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "[]", "7", "null", "{\"value\":7}", "{\"value\":[7]}", "{\"value\":[],\"more\":1}", "{\"value\":[],\"nextLink\":\"https://more\"}", "{"};
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            eg_policy *pol = NULL;
            eg_problem p = {0};
            if (build(k, bad[i], &pol, &p) != EG_ERR_POLICY_INVALID) {
                fail_msg("%s was taken", bad[i]);
            }
        }
    }
}

static void bounds(void **state) {
    (void)state;
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    for (size_t i = 0; i < EG_POLICY_FILES_MAX; i++) {
        assert_int_equal(eg_policy_builder_add(b, EG_POLICY_ROLES, "f.json", EG_LIT("{\"value\":[]}"), &p), EG_OK);
    }
    assert_int_equal(eg_policy_builder_add(b, EG_POLICY_ROLES, "f.json", EG_LIT("{\"value\":[]}"), &p), EG_ERR_POLICY_INVALID);
}

static void digest_changes_with_the_text(void **state) {
    (void)state;
    eg_policy *one = NULL, *two = NULL, *three = NULL;
    uint8_t a[EG_SHA256_LEN], b[EG_SHA256_LEN], c[EG_SHA256_LEN];
    eg_problem p = {0};
    char *text = replaced(assignment_text, ALICE, TEAM);
    assert_int_equal(build(0, NULL, &one, &p), EG_OK);
    assert_int_equal(build(0, NULL, &two, &p), EG_OK);
    assert_int_equal(build(EG_POLICY_ASSIGNMENTS, text, &three, &p), EG_OK);
    eg_policy_digest(one, a);
    eg_policy_digest(two, b);
    eg_policy_digest(three, c);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    assert_int_equal(eg_policy_version(one), 7);
    eg_policy_unref(one);
    eg_policy_unref(two);
    eg_policy_unref(three);
    test_free(text);
}

/* What stands at a document's id is its key in the store: slashes at its end aren't part of it, and of slashes alone nothing is left. */
static void ids_of_slashes_are_refused(void **state) {
    (void)state;
    static const struct { const char *text, *id; } rows[] = {
        {"{\"id\":\"/a/b\"}", "/a/b"}, {"{\"id\":\"/a/b//\"}", "/a/b"}, {"{\"id\":\"//\"}", NULL}, {"{\"id\":\"////////\"}", NULL}, {"{\"id\":\"/\"}", NULL},
        {"{\"id\":\"\"}", NULL}, {"{\"id\":\"a/b\"}", NULL}, {"{\"id\":7}", NULL}, {"{}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_policy_document d = {.kind = EG_POLICY_GROUPS, .name = "d", .text = eg_str_of(rows[i].text)};
        eg_problem p = {0};
        eg_buf id;
        eg_buf_init(&id, 4096);
        assert_int_equal(eg_policy_document_id(&d, &id, &p), rows[i].id ? EG_OK : EG_ERR_POLICY_INVALID);
        assert_true(eg_str_is(eg_buf_str(&id), rows[i].id ? rows[i].id : ""));
        eg_buf_done(&id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(root_scope_is_refused),
        cmocka_unit_test(not_assignable_is_refused),
        cmocka_unit_test(lists_and_other_spellings_are_read),
        cmocka_unit_test(not_json_is_refused),
        cmocka_unit_test(bounds),
        cmocka_unit_test(ids_of_slashes_are_refused),
        cmocka_unit_test(digest_changes_with_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

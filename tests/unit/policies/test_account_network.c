/* networkAcls and publicNetworkAccess: Azure's semantics, what is refused, what is proved and told of a change. covers: account_json.c account_network.c */
#include <stdio.h>

#include "policy_text.h"

static eg_policy *with(const char *text) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    if (build(EG_POLICY_ACCOUNTS, text, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    return pol;
}

static eg_policy *changed(const char *from, const char *to) {
    char *text = replaced(account_text, from, to);
    eg_policy *pol = with(text);
    test_free(text);
    return pol;
}

static void expect(const eg_policy *pol, const char *account, const char *source, const char *subnet, bool allowed, const char *rule) {
    const eg_account_flow f = {.account_id = eg_str_of(account), .source_address = eg_str_of(source), .cluster_subnet = eg_str_of(subnet)};
    eg_decision d = {.allowed = !allowed};
    eg_policy_account_network(pol, &f, &d);
    if (d.allowed != allowed || strcmp(d.rule, rule) != 0 || d.error != (allowed ? EG_OK : EG_ERR_DENIED_ACCOUNT_NETWORK) || d.policy_version != 7) {
        fail_msg("%s from %s, %s: %d by %s", account, source, subnet, d.allowed, d.rule);
    }
}

static void rules(void **state) {
    (void)state;
    eg_policy *pol = with(account_text);
    static const char by_ip[] = "networkAcls lake/ipRules", by_subnet[] = "networkAcls lake/virtualNetworkRules/open", none[] = "networkAcls lake/defaultAction";
    expect(pol, ACCOUNT_ID, "203.0.113.9", "", true, by_ip);
    expect(pol, ACCOUNT_ID, "::ffff:203.0.113.9", "", true, by_ip);
    expect(pol, ACCOUNT_ID, "198.51.100.4", "", true, by_ip);
    expect(pol, ACCOUNT_ID, "198.51.100.5", "", false, none);
    expect(pol, ACCOUNT_ID, "10.2.0.200", "", true, by_subnet);
    expect(pol, ACCOUNT_ID, "10.1.0.4", "", false, none);       /* another subnet of the same network */
    expect(pol, ACCOUNT_ID, "127.0.0.1", "", false, none);
    expect(pol, ACCOUNT_ID, "127.0.0.1", SUBNET_ID, false, none);
    expect(pol, ACCOUNT_ID, "127.0.0.1", VNET_ID "/subnets/OPEN", true, by_subnet);
    expect(pol, ACCOUNT_ID, "nonsense", "", false, none);
    expect(pol, ACCOUNT_ID, "", "", false, none);
    expect(pol, GROUP "/providers/microsoft.storage/storageaccounts/LAKE", "127.0.0.1", "", false, none);
    expect(pol, GROUP "/providers/Microsoft.Storage/storageAccounts/sea", "127.0.0.1", "", true, "no networkAcls");
    expect(pol, "", "127.0.0.1", "", true, "no networkAcls");
    assert_true(eg_policy_account_asks_subnet(pol, EG_LIT(ACCOUNT_ID)));
    assert_false(eg_policy_account_asks_subnet(pol, EG_LIT(SUB)));
    eg_policy_unref(pol);
}

static void words_of_the_account(void **state) {
    (void)state;
    eg_policy *pol = changed("\"Enabled\"", "\"disabled\"");
    expect(pol, ACCOUNT_ID, "203.0.113.9", VNET_ID "/subnets/open", false, "publicNetworkAccess lake");
    assert_false(eg_policy_account_asks_subnet(pol, EG_LIT(ACCOUNT_ID)));
    eg_policy_unref(pol);
    pol = changed("\"defaultAction\":\"Deny\"", "\"defaultAction\":\"Allow\"");
    expect(pol, ACCOUNT_ID, "192.0.2.1", "", true, "networkAcls lake/defaultAction");
    eg_policy_unref(pol);
    pol = changed("[{\"value\":\"203.0.113.0/24\",\"action\":\"Allow\"},{\"value\":\"198.51.100.4\"}]", "[]");
    expect(pol, ACCOUNT_ID, "203.0.113.9", "", false, "networkAcls lake/defaultAction");
    eg_policy_unref(pol);
    pol = with("{\"id\":\"" ACCOUNT_ID "\",\"properties\":{\"networkAcls\":null,\"publicNetworkAccess\":null}}");
    expect(pol, ACCOUNT_ID, "192.0.2.1", "", true, "networkAcls lake/defaultAction");
    eg_policy_unref(pol);
}

static void refused(void **state) {
    (void)state;
    static const struct { const char *from, *to, *where; } rows[] = {
        {"storageAccounts/lake", "storageAccounts/lake/blobServices/default", "id"},
        {"Microsoft.Storage/storageAccounts/lake", "Microsoft.Network/virtualNetworks/lake", "id"},
        {"/resourceGroups/lab/providers", "/providers", "id"},
        {"\"name\":\"lake\"", "\"name\":\"sea\"", "name"},
        {"\"type\":\"Microsoft.Storage/storageAccounts\"", "\"type\":\"Microsoft.Network/virtualNetworks\"", "type"},
        {"\"Enabled\"", "\"SecuredByPerimeter\"", "properties.publicNetworkAccess"},
        {"\"Enabled\"", "true", "properties.publicNetworkAccess"},
        {"\"publicNetworkAccess\"", "\"allowSharedKeyAccess\"", "properties.allowSharedKeyAccess"},
        {"\"defaultAction\":\"Deny\"", "\"defaultAction\":\"Denied\"", "properties.networkAcls.defaultAction"},
        {"\"defaultAction\":\"Deny\",", "", "properties.networkAcls.defaultAction"},
        {"AzureServices, Logging", "AzureServices, Everything", "properties.networkAcls.bypass"},
        {"\"resourceAccessRules\":[]", "\"resourceAccessRules\":[{\"tenantId\":\"x\"}]", "properties.networkAcls.resourceAccessRules"},
        {"\"ipRules\":", "\"ipRule\":", "properties.networkAcls.ipRule"},
        {"203.0.113.0/24", "203.0.113.1/24", "properties.networkAcls.ipRules[0].value"},
        {"203.0.113.0/24", "203.0.113.1-203.0.113.4", "properties.networkAcls.ipRules[0].value"},
        {"/24\",\"action\":\"Allow\"", "/24\",\"action\":\"Deny\"", "properties.networkAcls.ipRules[0].action"},
        {"/subnets/open", "/subnets/absent", "properties.networkAcls.virtualNetworkRules[0].id"},
        {"/subnets/open\",\"action\":\"Allow\"", "/subnets/open\",\"action\":\"Deny\"", "properties.networkAcls.virtualNetworkRules[0].action"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = replaced(account_text, rows[i].from, rows[i].to);
        eg_policy *pol = NULL;
        eg_problem p = {0};
        char where[200];
        snprintf(where, sizeof where, "file.json: %s", rows[i].where);
        const eg_err e = build(EG_POLICY_ACCOUNTS, text, &pol, &p);
        if (e != EG_ERR_POLICY_INVALID || strcmp(p.where, where) != 0) {
            fail_msg("row %zu: %s at %s", i, eg_err_code(e), p.where);
        }
        test_free(text);
    }
    eg_policy *pol = NULL;
    eg_problem p = {0};
    char twice[2 * sizeof account_text + 32];
    snprintf(twice, sizeof twice, "{\"value\":[%s,%s]}", account_text, account_text);
    assert_int_equal(build(EG_POLICY_ACCOUNTS, twice, &pol, &p), EG_ERR_POLICY_INVALID);
}

static void prove(const eg_policy *older, const eg_policy *newer, eg_proof_verdict verdict, const char *text) {
    eg_policy_proof proof;
    eg_problem p = {0};
    assert_int_equal(eg_policy_prove_no_new_access(older, newer, &proof, &p), EG_OK);
    if (proof.verdict != verdict || !strstr(proof.text, text)) {
        fail_msg("%d: %s", proof.verdict, proof.text);
    }
}

/* Brute force over a few addresses that stand for more than the proof's classes. */
static bool opened(const eg_policy *older, const eg_policy *newer) {
    static const char *const sources[] = {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", "198.51.100.3", "198.51.100.4", "198.51.100.5", "10.2.0.0", "10.2.0.255",
                                          "10.2.1.0", "10.1.0.9", "192.0.2.1", "2001:db8::1", "::1"};
    static const char *const subnets[] = {"", SUBNET_ID, VNET_ID "/subnets/open"};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        for (size_t k = 0; k < 3; k++) {
            const eg_account_flow f = {.account_id = EG_LIT(ACCOUNT_ID), .source_address = eg_str_of(sources[i]), .cluster_subnet = eg_str_of(subnets[k])};
            eg_decision a, b;
            eg_policy_account_network(older, &f, &a);
            eg_policy_account_network(newer, &f, &b);
            if (b.allowed && !a.allowed) {
                return true;
            }
        }
    }
    return false;
}

static void proofs(void **state) {
    (void)state;
    static const char acl[] = "\"defaultAction\":\"Deny\"";
    eg_policy *all[] = {
        with(account_text), with("{\"value\":[]}"), changed("\"Enabled\"", "\"Disabled\""), changed(acl, "\"defaultAction\":\"Allow\""), changed("203.0.113.0/24", "203.0.113.0/25"),
        changed("203.0.113.0/24", "203.0.112.0/23"), changed("203.0.113.0/24", "2001:db8::/32"), changed("/subnets/open", "/subnets/gateway"), changed("198.51.100.4", "198.51.100.4/31"),
        changed("198.51.100.4", "0.0.0.0/0"), changed("198.51.100.4", "10.2.0.0/16"),
    };
    const size_t n = sizeof all / sizeof all[0];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            prove(all[i], all[k], opened(all[i], all[k]) ? EG_PROOF_FAILS : EG_PROOF_HOLDS, "");
        }
    }
    prove(all[0], all[1], EG_PROOF_FAILS, "may come to the storage account " ACCOUNT_ID ". New: no networkAcls. Old: networkAcls lake/defaultAction.");
    prove(all[0], all[7], EG_PROOF_FAILS, "virtualNetworkRules/gateway");
    for (size_t i = 0; i < n; i++) {
        eg_policy_unref(all[i]);
    }
}

static void told(void **state) {
    (void)state;
    eg_policy *older = with(account_text), *newer = changed("203.0.113.0/24", "2001:db8::/32"), *open = with("{\"value\":[]}");
    eg_buf text;
    eg_buf_init(&text, 1 << 16);
    assert_int_equal(eg_policy_what_if(older, newer, &text), EG_OK);
    assert_string_equal(text.ptr, "the rule of the storage account " ACCOUNT_ID " that allows 2001:db8::/32 is new (file.json)\n"
                                  "the rule of the storage account " ACCOUNT_ID " that allows 203.0.113.0/24 goes (file.json)\n");
    eg_buf_reset(&text);
    assert_int_equal(eg_policy_what_if(older, open, &text), EG_OK);
    assert_non_null(strstr(text.ptr, "the storage account " ACCOUNT_ID ", which was open only to what its network rules name, is open to all networks\n"));
    assert_non_null(strstr(text.ptr, "that allows the subnet " VNET_ID "/subnets/open goes"));
    eg_buf_done(&text);
    eg_policy_unref(older);
    eg_policy_unref(newer);
    eg_policy_unref(open);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(words_of_the_account), cmocka_unit_test(refused), cmocka_unit_test(proofs), cmocka_unit_test(told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

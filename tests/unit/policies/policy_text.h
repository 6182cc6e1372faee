/* A small set of policy files in Azure's shapes, and a way to change one value in it. */
#ifndef EMBERGATE_TEST_POLICY_TEXT_H
#define EMBERGATE_TEST_POLICY_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_model.h"

#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define GROUP SUB "/resourceGroups/lab"
#define CLUSTER GROUP "/providers/Microsoft.HDInsight/clusters/spark"
#define NSG_ID GROUP "/providers/Microsoft.Network/networkSecurityGroups/front"
#define VNET_ID GROUP "/providers/Microsoft.Network/virtualNetworks/lab"
#define SUBNET_ID VNET_ID "/subnets/gateway"
#define ALICE "a11ce000-0000-4000-8000-000000000001"
#define TEAM "7ea30000-0000-4000-8000-000000000002"
#define TENANT "c0ff0000-0000-4000-8000-000000000003"

static const char role_text[] =
    "{\"id\":\"/providers/Microsoft.Authorization/roleDefinitions/11111111-1111-4111-8111-111111111111\",\"name\":\"11111111-1111-4111-8111-111111111111\","
    "\"type\":\"Microsoft.Authorization/roleDefinitions\",\"properties\":{\"roleName\":\"Night Operator\",\"type\":\"CustomRole\",\"description\":\"\","
    "\"permissions\":[{\"actions\":[\"Microsoft.HDInsight/*\"],\"notActions\":[\"Microsoft.HDInsight/clusters/delete\"],"
    "\"dataActions\":[\"Microsoft.HDInsight/clusters/jobs/*\"],\"notDataActions\":[\"*/submit/action\"]}],"
    "\"assignableScopes\":[\"" GROUP "\"]}}";

static const char assignment_text[] =
    "{\"id\":\"" GROUP "/providers/Microsoft.Authorization/roleAssignments/22222222-2222-4222-8222-222222222222\",\"name\":\"22222222-2222-4222-8222-222222222222\","
    "\"type\":\"Microsoft.Authorization/roleAssignments\",\"properties\":{"
    "\"roleDefinitionId\":\"" SUB "/providers/Microsoft.Authorization/roleDefinitions/11111111-1111-4111-8111-111111111111\","
    "\"principalId\":\"" ALICE "\",\"principalType\":\"User\",\"scope\":\"" GROUP "\",\"condition\":null,\"createdOn\":\"2026-01-01T00:00:00Z\"}}";

static const char group_text[] =
    "{\"id\":\"" NSG_ID "\",\"name\":\"front\",\"type\":\"Microsoft.Network/networkSecurityGroups\",\"location\":\"here\",\"properties\":{\"securityRules\":["
    "{\"name\":\"deny-one\",\"properties\":{\"priority\":100,\"direction\":\"Inbound\",\"access\":\"Deny\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"192.0.2.7\","
    "\"sourcePortRange\":\"*\",\"destinationAddressPrefix\":\"*\",\"destinationPortRange\":\"*\"}},"
    "{\"name\":\"office\",\"properties\":{\"priority\":200,\"direction\":\"Inbound\",\"access\":\"Allow\",\"protocol\":\"Tcp\","
    "\"sourceAddressPrefixes\":[\"192.0.2.0/24\",\"2001:db8::/32\"],\"sourcePortRange\":\"*\",\"destinationAddressPrefix\":\"VirtualNetwork\","
    "\"destinationPortRanges\":[\"443\",\"8000-8443\"]}}]}}";

static const char vnet_text[] =
    "{\"id\":\"" VNET_ID "\",\"name\":\"lab\",\"type\":\"Microsoft.Network/virtualNetworks\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/8\",\"fd00::/16\"]},"
    "\"subnets\":[{\"id\":\"" SUBNET_ID "\",\"name\":\"gateway\",\"properties\":{\"addressPrefix\":\"10.1.0.0/24\",\"networkSecurityGroup\":{\"id\":\"" NSG_ID "\"}}},"
    "{\"id\":\"" VNET_ID "/subnets/open\",\"name\":\"open\",\"properties\":{\"addressPrefixes\":[\"10.2.0.0/24\"]}}]}}";

#define ACCOUNT_ID GROUP "/providers/Microsoft.Storage/storageAccounts/lake"

static const char account_text[] =
    "{\"id\":\"" ACCOUNT_ID "\",\"name\":\"lake\",\"type\":\"Microsoft.Storage/storageAccounts\",\"properties\":{\"publicNetworkAccess\":\"Enabled\","
    "\"networkAcls\":{\"bypass\":\"AzureServices, Logging\",\"defaultAction\":\"Deny\",\"resourceAccessRules\":[],"
    "\"ipRules\":[{\"value\":\"203.0.113.0/24\",\"action\":\"Allow\"},{\"value\":\"198.51.100.4\"}],"
    "\"virtualNetworkRules\":[{\"id\":\"" VNET_ID "/subnets/open\",\"action\":\"Allow\",\"state\":\"Succeeded\"}]}}}";

static const char *const kind_texts[EG_POLICY_KIND_COUNT] = {
    [EG_POLICY_ROLES] = role_text, [EG_POLICY_ASSIGNMENTS] = assignment_text, [EG_POLICY_GROUPS] = group_text, [EG_POLICY_VNETS] = vnet_text,
    [EG_POLICY_ACCOUNTS] = account_text,
};

/* text with the first `from` replaced by `to`; to be freed with test_free. */
static __attribute__((unused)) char *replaced(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t n = strlen(text) - strlen(from) + strlen(to) + 1;
    char *out = test_malloc(n);
    snprintf(out, n, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

/* A snapshot of the four texts; one of them (kind) is `changed` instead when that is given. */
static __attribute__((unused)) eg_err build(eg_policy_kind kind, const char *changed, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    assert_int_equal(eg_policy_builder_new(&b, p), EG_OK);
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        const char *text = changed && k == kind ? changed : kind_texts[k];
        if (!text) {
            continue;
        }
        EG_TRY(eg_policy_builder_add(b, k, "file.json", eg_str_of(text), p));
    }
    return eg_policy_builder_finish(b, 7, ret, p);
}

static __attribute__((unused)) eg_principal *person(const char *tenant, const char *object_id) {
    eg_principal *who = eg_principal_new();
    assert_non_null(who);
    who->kind = EG_PRINCIPAL_USER;
    snprintf(who->tenant, sizeof who->tenant, "%s", tenant);
    snprintf(who->object_id, sizeof who->object_id, "%s", object_id);
    return who;
}

#endif

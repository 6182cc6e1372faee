/* Fuzzes eg_policy_builder_add and _finish, then eg_policy_decide, eg_policy_network, eg_policy_account_network and eg_policy_explain on what was accepted. The first
 * byte says which kind of file the rest is ('0' the first); the other kinds are a small valid set, and the
 * built-in roles are left out: reading their 11 KB each time was most of the time.
 *
 *   ./dev fuzz policy_json */
#include "policy_model.h"

#include <embergate/actions.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define NSG SUB "/networkSecurityGroups/front"
#define SUBNET SUB "/virtualNetworks/lab/subnets/gateway"
#define LAKE SUB "/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lake"
#define ALICE "a11ce000-0000-4000-8000-000000000001"

static const char *const valid[EG_POLICY_KIND_COUNT] = {
    [EG_POLICY_ROLES] = "{\"name\":\"11111111-1111-4111-8111-111111111111\",\"properties\":{\"roleName\":\"R\",\"permissions\":[{\"actions\":[\"*/read\"]}],\"assignableScopes\":[\"/\"]}}",
    [EG_POLICY_ASSIGNMENTS] = "{\"name\":\"a\",\"properties\":{\"roleDefinitionId\":\"R\",\"principalId\":\"" ALICE "\",\"scope\":\"" SUB "\"}}",
    [EG_POLICY_GROUPS] = "{\"id\":\"" NSG "\",\"name\":\"front\",\"properties\":{\"securityRules\":[]}}",
    [EG_POLICY_VNETS] = "{\"id\":\"" SUB "/virtualNetworks/lab\",\"name\":\"lab\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/8\"]},\"subnets\":[{\"id\":\"" SUBNET
    "\",\"name\":\"gateway\",\"properties\":{\"addressPrefix\":\"10.0.0.0/24\",\"networkSecurityGroup\":{\"id\":\"" NSG "\"}}}]}}",
};

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void use(const eg_policy *pol) {
    eg_principal who = {.refs = 1, .kind = EG_PRINCIPAL_USER, .tenant = "t", .object_id = ALICE};
    eg_access a = {.who = &who, .resource_tenant = EG_LIT("t"), .action = EG_LIT(EG_ACTION_CLUSTER_READ), .scope = EG_LIT(SUB "/resourceGroups/lab")};
    eg_decision d;
    eg_policy_decide(pol, &a, &d);
    require(d.allowed == (d.error == EG_OK));
    a.resource_tenant = EG_LIT("other");
    eg_policy_decide(pol, &a, &d);
    require(!d.allowed && d.error == EG_ERR_DENIED_TENANT);
    eg_flow f = {.source_address = EG_LIT("192.0.2.1"), .source_port = 5000, .destination_port = 443, .subnet = EG_LIT(SUBNET)};
    eg_policy_network(pol, &f, &d);
    require(d.allowed == (d.error == EG_OK));
    const eg_account_flow to = {.account_id = EG_LIT(LAKE), .source_address = EG_LIT("192.0.2.1")};
    eg_policy_account_network(pol, &to, &d);
    require(d.allowed == (d.error == EG_OK));
    eg_buf text;
    eg_buf_init(&text, 1 << 16);
    a.who = NULL;
    (void)eg_policy_explain(pol, &a, &text);
    eg_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    if (size == 0 || eg_policy_builder_new_bare(&b, &p) != EG_OK) {
        return 0;
    }
    eg_policy_kind kind = (uint8_t)(data[0] - '0') % EG_POLICY_KIND_COUNT;
    eg_err e = EG_OK;
    for (eg_policy_kind k = 0; e == EG_OK && k < EG_POLICY_KIND_COUNT; k++) {
        eg_str text = k == kind ? (eg_str){(const char *)data + 1, size - 1} : eg_str_of(valid[k]);
        e = text.ptr ? eg_policy_builder_add(b, k, "fuzzed.json", text, &p) : EG_OK;
    }
    e = e == EG_OK ? eg_policy_builder_finish(b, 1, &pol, &p) : e;
    if (e == EG_OK) {
        use(pol);
    } else {
        require(e != EG_ERR_POLICY_INVALID || (p.message[0] != '\0' && p.where[0] != '\0'));
    }
    eg_policy_unref(pol);
    eg_policy_builder_free(b);
    return 0;
}

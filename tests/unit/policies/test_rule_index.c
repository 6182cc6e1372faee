/* Two ways to the same answer: rules by index and one after the other; assignments from the scope's side, from the principal's, and by brute force. */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

static uint64_t seed = 20261123;

static unsigned pick(unsigned n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

static void add_rule(eg_buf *b, unsigned n) {
    static const char *const sources[] = {"*", "VirtualNetwork", "Internet", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/28", "192.0.2.7", "0.0.0.0/0", "::/0", "2001:db8::/32", "fd00::/20"};
    static const char *const destinations[] = {"*", "VirtualNetwork", "10.1.0.0/24", "10.1.0.0/25", "10.9.0.0/24"};
    static const char *const ports[] = {"*", "443", "8000-8443", "0-1024", "65535"};
    eg_buf_addf(b, "%s{\"name\":\"r%u\",\"properties\":{\"priority\":%u,\"direction\":\"Inbound\",\"access\":\"%s\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"%s\","
                   "\"sourcePortRange\":\"%s\",\"destinationAddressPrefix\":\"%s\",\"destinationPortRange\":\"%s\"}}",
                n ? "," : "", n, 100 + n, pick(2) ? "Deny" : "Allow", sources[pick(11)], ports[pick(5) * pick(2)], destinations[pick(5)], ports[pick(5)]);
}

static eg_policy *random_rules(unsigned rules) {
    eg_buf b;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    eg_buf_init(&b, 1 << 20);
    eg_buf_adds(&b, "{\"id\":\"" NSG_ID "\",\"name\":\"front\",\"properties\":{\"securityRules\":[");
    for (unsigned i = 0; i < rules; i++) {
        add_rule(&b, i);
    }
    assert_int_equal(eg_buf_adds(&b, "]}}"), EG_OK);
    if (build(EG_POLICY_GROUPS, b.ptr, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    eg_buf_done(&b);
    return pol;
}

static eg_policy_subnet *gateway_subnet(eg_policy *pol) {
    for (size_t i = 0; i < pol->subnet_count; i++) {
        if (eg_str_is(pol->subnets[i].id, SUBNET_ID)) {
            return &pol->subnets[i];
        }
    }
    fail();
    return NULL;
}

static void rules_agree(void **state) {
    (void)state;
    static const char *const addresses[] = {"10.1.2.3", "10.1.3.1", "10.0.0.0", "10.255.255.255", "11.0.0.0", "192.0.2.7", "192.0.2.8", "192.0.2.16", "0.0.0.0", "255.255.255.255",
                                            "::", "::1", "::ffff:192.0.2.7", "2001:db8::1", "2001:db9::1", "fd00::1", "fd00:1000::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    static const uint16_t ports[] = {0, 80, 443, 444, 1024, 1025, 8000, 8443, 8444, 65534, 65535};
    for (int round = 0; round < 20; round++) {
        eg_policy *pol = random_rules(33 + pick(170));
        eg_policy_subnet *subnet = gateway_subnet(pol);
        eg_policy_rule_index *index = subnet->index;
        assert_non_null(index);
        for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
            for (int k = 0; k < 40; k++) {
                eg_flow f = {.source_address = eg_str_of(addresses[i]), .source_port = ports[pick(11)], .destination_port = ports[pick(11)], .subnet = EG_LIT(SUBNET_ID)};
                eg_decision one, two;
                eg_policy_network(pol, &f, &one);
                subnet->index = NULL;
                eg_policy_network(pol, &f, &two);
                subnet->index = index;
                assert_string_equal(one.rule, two.rule);
                assert_int_equal(one.allowed, two.allowed);
            }
        }
        eg_policy_unref(pol);
    }
}

static void small_groups_have_none(void **state) {
    (void)state;
    eg_policy *pol = random_rules(10);
    assert_null(gateway_subnet(pol)->index);
    eg_policy_unref(pol);
}

static void id_of(unsigned n, char ret[EG_UUID_LEN]) { snprintf(ret, EG_UUID_LEN, "%08x-0000-4000-8000-000000000000", n); }

static const char *const scopes[] = {SUB, GROUP, GROUP "2", CLUSTER, GROUP "/providers/Microsoft.HDInsight/clusters/other", "/SUBSCRIPTIONS/5b7e4a6a-0000-4000-8000-000000000001/resourcegroups/LAB"};
static const char *const roles[] = {"8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "528f0a8f-2aa0-4460-bfa4-5b8f8b48313e", "b24988ac-6180-42a0-ab88-20f7382dd24c"};
static const char *const types[] = {"User", "Group", "ServicePrincipal"};

static eg_policy *random_assignments(unsigned n) {
    eg_buf b;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    eg_buf_init(&b, 1 << 20);
    eg_buf_adds(&b, "{\"value\":[");
    for (unsigned i = 0; i < n; i++) {
        char who[EG_UUID_LEN];
        id_of(pick(12), who);
        eg_buf_addf(&b, "%s{\"name\":\"a%u\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"principalType\":\"%s\",\"scope\":\"%s\"}}", i ? "," : "", i,
                    roles[pick(4)], who, types[pick(3)], scopes[pick(6)]);
    }
    assert_int_equal(eg_buf_adds(&b, "]}"), EG_OK);
    if (build(EG_POLICY_ASSIGNMENTS, b.ptr, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    eg_buf_done(&b);
    return pol;
}

/* Each assignment looked at, as the documentation says it. */
static bool brute(const eg_policy *pol, const eg_access *a) {
    for (size_t i = 0; i < pol->assignment_count; i++) {
        const eg_policy_assignment *m = &pol->assignments[i];
        eg_policy_guid id;
        bool concerns = (m->kind & EG_ASSIGNEE_PRINCIPAL) && eg_policy_guid_parse(eg_str_of(a->who->object_id), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0;
        for (size_t k = 0; k < a->who->group_count; k++) {
            concerns = concerns || ((m->kind & EG_ASSIGNEE_GROUP) && eg_policy_guid_parse(eg_str_of(a->who->groups[k]), &id) == EG_OK && eg_policy_guid_order(&id, &m->principal) == 0);
        }
        if (concerns && eg_policy_scope_covers(m->scope, a->scope) && eg_policy_role_grants(&pol->roles[m->role], a->action, a->data_action)) {
            return true;
        }
    }
    return false;
}

static void assignments_agree(void **state) {
    (void)state;
    static const char *const actions[] = {"Microsoft.HDInsight/clusters/read", "Microsoft.HDInsight/clusters/delete", "Microsoft.Authorization/roleAssignments/write",
                                          "Microsoft.HDInsight/clusters/jobs/submit/action"};
    unsigned allowed = 0, denied = 0;
    for (int round = 0; round < 60; round++) {
        eg_policy *pol = random_assignments(round % 3 == 0 ? 200 : pick(30)); /* 200: more than the scope's side looks at, for whom has few groups */
        for (int k = 0; k < 60; k++) {
            char id[EG_UUID_LEN];
            id_of(pick(12), id);
            eg_principal *who = person(TENANT, id);
            const bool in_many = pick(4) == 0; /* more groups than there are assignments at any scope; few of them have some */
            who->group_count = in_many ? 300 : pick(4);
            who->groups = calloc(300, sizeof *who->groups);
            for (size_t g = 0; g < who->group_count; g++) {
                id_of(in_many && pick(150) ? 1000 + (unsigned)g : pick(12), who->groups[g]);
            }
            const unsigned action = pick(4);
            eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(actions[action]), .data_action = action == 3, .scope = eg_str_of(scopes[pick(6)])};
            eg_decision by_text, by_id;
            eg_policy_decide(pol, &a, &by_text);
            eg_principal_index_groups(who);
            eg_policy_decide(pol, &a, &by_id);
            assert_int_equal(by_text.allowed, brute(pol, &a));
            assert_int_equal(by_id.allowed, by_text.allowed);
            allowed += by_id.allowed;
            denied += !by_id.allowed;
            eg_principal_unref(who);
        }
        eg_policy_unref(pol);
    }
    assert_true(allowed > 300 && denied > 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules_agree), cmocka_unit_test(small_groups_have_none), cmocka_unit_test(assignments_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

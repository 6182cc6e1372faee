/* Checks Azure's semantics of network security groups. */
#include <stdio.h>
#include <string.h>

#include "policy_text.h"

typedef struct row {
    const char *source;
    uint16_t port;
    const char *destination, *subnet;
    bool allowed;
    const char *rule;
} row;

static void check(const eg_policy *pol, const row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        eg_flow f = {.source_address = eg_str_of(rows[i].source), .source_port = 50000, .destination_port = rows[i].port,
                     .destination_address = eg_str_of(rows[i].destination), .subnet = eg_str_of(rows[i].subnet)};
        eg_decision d = {.allowed = !rows[i].allowed};
        eg_policy_network(pol, &f, &d);
        if (d.allowed != rows[i].allowed || strcmp(d.rule, rows[i].rule) != 0 || (d.error == EG_ERR_DENIED_NETWORK) == d.allowed) {
            fail_msg("row %zu: %s to port %u: %d by %s", i, rows[i].source, rows[i].port, d.allowed, d.rule);
        }
        assert_int_equal(d.policy_version, 7);
    }
}

static void rules_and_defaults(void **state) {
    (void)state;
    static const row rows[] = {
        {"192.0.2.7", 443, "", SUBNET_ID, false, "securityRule front/deny-one"},
        {"::ffff:192.0.2.7", 443, "", SUBNET_ID, false, "securityRule front/deny-one"},
        {"192.0.2.8", 443, "", SUBNET_ID, true, "securityRule front/office"},
        {"192.0.2.8", 8000, "", SUBNET_ID, true, "securityRule front/office"},
        {"192.0.2.8", 8443, "10.1.0.4", SUBNET_ID, true, "securityRule front/office"},
        {"192.0.2.8", 8443, "11.1.0.4", SUBNET_ID, false, "securityRule front/DenyAllInBound"}, /* not in VirtualNetwork */
        {"192.0.2.8", 8444, "", SUBNET_ID, false, "securityRule front/DenyAllInBound"},
        {"2001:db8::5", 443, "", SUBNET_ID, true, "securityRule front/office"},
        {"10.200.0.1", 9999, "", SUBNET_ID, true, "securityRule front/AllowVnetInBound"},
        {"fd00::1", 9999, "10.1.0.4", SUBNET_ID, true, "securityRule front/AllowVnetInBound"},
        {"10.200.0.1", 9999, "11.0.0.1", SUBNET_ID, false, "securityRule front/DenyAllInBound"},
        {"203.0.113.9", 443, "", SUBNET_ID, false, "securityRule front/DenyAllInBound"},
        {"203.0.113.9", 443, "", "", true, "no network security group"},
        {"203.0.113.9", 443, "", VNET_ID "/subnets/open", true, "no network security group"},
        {"203.0.113.9", 443, "", VNET_ID "/subnets/OPEN", true, "no network security group"},
        {"192.0.2.8", 443, "", VNET_ID "/subnets/absent", false, "unknown subnet"},
        {"nonsense", 443, "", SUBNET_ID, false, "default deny"},
        {"", 443, "", SUBNET_ID, false, "default deny"},
        {"192.0.2.8", 443, "nonsense", SUBNET_ID, false, "default deny"},
    };
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(build(0, NULL, &pol, &p), EG_OK);
    check(pol, rows, sizeof rows / sizeof rows[0]);
    eg_policy_unref(pol);
}

static void changed(const char *from, const char *to, const row *r) {
    char *text = replaced(group_text, from, to);
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(build(EG_POLICY_GROUPS, text, &pol, &p), EG_OK);
    check(pol, r, 1);
    eg_policy_unref(pol);
    test_free(text);
}

static void one_change_at_a_time(void **state) {
    (void)state;
    /* The lower number goes first, whatever the order in the file. */
    changed("\"priority\":100", "\"priority\":300", &(row){"192.0.2.7", 443, "", SUBNET_ID, true, "securityRule front/office"});
    changed("\"protocol\":\"Tcp\"", "\"protocol\":\"Udp\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, true, "securityRule front/office"});
    changed("\"Inbound\"", "\"Outbound\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, true, "securityRule front/office"});
    changed("\"protocol\":\"Tcp\"", "\"protocol\":\"*\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, false, "securityRule front/deny-one"});
    changed("\"192.0.2.7\"", "\"Internet\"", &(row){"203.0.113.1", 443, "", SUBNET_ID, false, "securityRule front/deny-one"});
    changed("\"192.0.2.7\"", "\"Internet\"", &(row){"10.0.0.1", 443, "", SUBNET_ID, true, "securityRule front/AllowVnetInBound"});
    changed("\"192.0.2.7\"", "\"VirtualNetwork\"", &(row){"10.0.0.1", 443, "", SUBNET_ID, false, "securityRule front/deny-one"});
    changed("\"192.0.2.7\"", "\"AzureLoadBalancer\"", &(row){"203.0.113.1", 443, "", SUBNET_ID, false, "securityRule front/DenyAllInBound"});
    changed("\"192.0.2.7\"", "\"*\"", &(row){"10.0.0.1", 443, "", SUBNET_ID, false, "securityRule front/deny-one"});
    changed("\"sourcePortRange\":\"*\"", "\"sourcePortRange\":\"1-49999\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, true, "securityRule front/office"});
    /* The destination isn't known: a rule that denies a part of the subnet holds, one that allows only a part doesn't. */
    changed("\"destinationAddressPrefix\":\"*\"", "\"destinationAddressPrefix\":\"10.1.0.9\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, false, "securityRule front/deny-one"});
    changed("\"destinationAddressPrefix\":\"*\"", "\"destinationAddressPrefix\":\"10.2.0.9\"", &(row){"192.0.2.7", 443, "", SUBNET_ID, true, "securityRule front/office"});
    changed("\"VirtualNetwork\"", "\"10.1.0.9\"", &(row){"192.0.2.8", 443, "", SUBNET_ID, false, "securityRule front/DenyAllInBound"});
    changed("\"VirtualNetwork\"", "\"10.1.0.0/16\"", &(row){"192.0.2.8", 443, "", SUBNET_ID, true, "securityRule front/office"});
    changed("\"VirtualNetwork\"", "\"10.1.0.9\"", &(row){"192.0.2.8", 443, "10.1.0.9", SUBNET_ID, true, "securityRule front/office"});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules_and_defaults), cmocka_unit_test(one_change_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

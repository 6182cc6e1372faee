/* Two tables in words, tests/snapshot/roles-and-rules.txt: what each built-in role grants, and what each kind of rule decides. A change of either shows there as a diff. */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

#include <embergate/actions.h>
#include <embergate/clock.h>
#include <embergate/compliance.h>
#include <embergate/durable_file.h>
#include <fcntl.h>

#define FLIGHTS ACCOUNT_ID "/blobServices/default/containers/flights"
#define READER "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" /* Storage Blob Data Reader */

/* All that routes ask for, and Azure's that az and the SDKs ask for. */
static const struct { const char *action; bool data; } actions[] = {
    {EG_ACTION_CLUSTER_READ, false}, {EG_ACTION_CLUSTER_WRITE, false}, {EG_ACTION_CLUSTER_DELETE, false}, {EG_ACTION_JOB_SUBMIT, true}, {EG_ACTION_JOB_READ, true},
    {EG_ACTION_JOB_LOG_READ, true}, {EG_ACTION_JOB_DELETE, true}, {EG_ACTION_JOB_MANAGE, true}, {EG_ACTION_CONTAINER_READ, false}, {EG_ACTION_CONTAINER_WRITE, false},
    {EG_ACTION_CONTAINER_DELETE, false}, {EG_ACTION_ACCOUNT_LIST_KEYS, false}, {EG_ACTION_ACCOUNT_RENEW_KEY, false}, {EG_ACTION_ACCOUNT_REVOKE_DELEGATIONS, false},
    {EG_ACTION_DELEGATION_KEY, false}, {EG_ACTION_BLOB_READ, true}, {EG_ACTION_BLOB_WRITE, true}, {EG_ACTION_BLOB_DELETE, true}, {EG_ACTION_BLOB_ADD, true}, {EG_ACTION_BLOB_MOVE, true},
    {EG_ACTION_BLOB_OWN, true}, {EG_ACTION_BLOB_PERMISSIONS, true}, {EG_ACTION_AUDIT_READ, true}, {EG_ACTION_POLICY_STATES, false}, {EG_ACTION_METRICS_READ, false}, {EG_ACTION_REVOKE, false},
    {EG_ACTION_REVOCATION_READ, false}, {EG_ACTION_ACT_FOR, true}, {EG_ACTION_ACT_CHAINED, true}, {EG_ACTION_KEY_READ, false}, {EG_ACTION_KEY_WRITE, false}, {"Microsoft.Authorization/roleAssignments/read", false},
    {"Microsoft.Authorization/roleAssignments/write", false}, {"Microsoft.Authorization/roleAssignments/delete", false}, {"Microsoft.Authorization/roleDefinitions/write", false},
    {"Microsoft.Authorization/denyAssignments/write", false}, {"Microsoft.Authorization/policyAssignments/write", false}, {"Microsoft.Authorization/elevateAccess/action", false},
    {"Microsoft.Network/networkSecurityGroups/read", false}, {"Microsoft.Network/networkSecurityGroups/write", false}, {"Microsoft.Network/virtualNetworks/subnets/write", false},
    {"Microsoft.Resources/subscriptions/resourceGroups/read", false}, {"Microsoft.Storage/storageAccounts/read", false}, {"Microsoft.Storage/storageAccounts/write", false},
};

static int name_order(const void *x, const void *y) {
    const eg_policy_role *const *a = x, *const *b = y;
    return eg_policy_id_order((*a)->name, (*b)->name);
}

static void render_roles(eg_buf *out) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    eg_policy_builder *b = NULL;
    eg_problem p = {0};
    const eg_policy_role *roles[64];
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    assert_int_equal(eg_policy_builder_finish(b, 1, &pol, &p), EG_OK);
    eg_policy_builder_free(b);
    assert_true(pol->role_count < 64);
    for (size_t i = 0; i < pol->role_count; i++) {
        roles[i] = &pol->roles[i];
    }
    qsort(roles, pol->role_count, sizeof roles[0], name_order);
    for (size_t i = 0; i < pol->role_count; i++) {
        assert_int_equal(eg_buf_addf(out, "%.*s\n", EG_FMT(roles[i]->name)), EG_OK);
        for (size_t k = 0; k < sizeof actions / sizeof actions[0]; k++) {
            if (eg_policy_role_grants(roles[i], eg_str_of(actions[k].action), actions[k].data)) {
                assert_int_equal(eg_buf_addf(out, "  %s%s\n", actions[k].data ? "data: " : "", actions[k].action), EG_OK);
            }
        }
    }
}

/* One document each, upon the small policy of policy_text.h; who asks is alice, in the team. */
#define HELD "\"roleDefinitionId\":\"" READER "\",\"principalId\":\"" ALICE "\",\"scope\":\"" ACCOUNT_ID "\""
#define CONDITION(text) "{\"name\":\"c\",\"properties\":{" HELD ",\"condition\":\"" text "\",\"conditionVersion\":\"2.0\"}}"
#define DENY(more) "{\"name\":\"d\",\"properties\":{\"denyAssignmentName\":\"no reading\",\"permissions\":[{\"dataActions\":[\"*/read\"]}],\"scope\":\"" GROUP "\"," more "}}"
#define ALL_PRINCIPALS "\"principals\":[{\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"SystemDefined\"}]"
#define NAME "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
#define PATH "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]"

static const struct { const char *says; eg_policy_kind kind; const char *text; const char *at; } held[] = {
    {"a role", EG_POLICY_ASSIGNMENTS, "{\"name\":\"a\",\"properties\":{" HELD "}}", NULL},
    {"a role of her team", EG_POLICY_ASSIGNMENTS, "{\"name\":\"a\",\"properties\":{\"roleDefinitionId\":\"" READER "\",\"principalId\":\"" TEAM "\",\"principalType\":\"Group\",\"scope\":\"" SUB "\"}}", NULL},
    {"a role whose scope is another's", EG_POLICY_ASSIGNMENTS, "{\"name\":\"a\",\"properties\":{\"roleDefinitionId\":\"" READER "\",\"principalId\":\"" ALICE "\",\"scope\":\"" FLIGHTS "2\"}}", NULL},
    {"a role with a condition that holds", EG_POLICY_ASSIGNMENTS, CONDITION(NAME " StringEquals 'flights' AND " PATH " StringLike 'raw/*'"), NULL},
    {"a role with a condition that doesn't", EG_POLICY_ASSIGNMENTS, CONDITION(NAME " StringNotEquals 'flights'"), NULL},
    {"a role with a condition upon what isn't there", EG_POLICY_ASSIGNMENTS, CONDITION("@Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix] StringNotEquals 'x'"), NULL},
    {"a role that has not begun", EG_POLICY_SCHEDULES, "{\"name\":\"s\",\"properties\":{" HELD ",\"status\":\"Provisioned\",\"startDateTime\":\"2026-06-02T00:00:00Z\"}}", NULL},
    {"a role within its time", EG_POLICY_SCHEDULES, "{\"name\":\"s\",\"properties\":{" HELD ",\"status\":\"Provisioned\",\"startDateTime\":\"2026-06-01T00:00:00Z\",\"endDateTime\":\"2026-06-02T00:00:00Z\"}}", NULL},
    {"a role at its end", EG_POLICY_SCHEDULES, "{\"name\":\"s\",\"properties\":{" HELD ",\"status\":\"Provisioned\",\"endDateTime\":\"2026-06-01T12:00:00Z\"}}", NULL},
    {"a role that she may activate", EG_POLICY_ELIGIBLE, "{\"name\":\"e\",\"properties\":{" HELD ",\"status\":\"Provisioned\"}}", NULL},
    {"a role, and a denial for everybody", EG_POLICY_DENIES, DENY(ALL_PRINCIPALS), "x"},
    {"a role, and a denial for all but her", EG_POLICY_DENIES, DENY(ALL_PRINCIPALS ",\"excludePrincipals\":[{\"id\":\"" ALICE "\",\"type\":\"User\"}]"), "x"},
    {"a role, and a denial for all but her team", EG_POLICY_DENIES, DENY(ALL_PRINCIPALS ",\"excludePrincipals\":[{\"id\":\"" TEAM "\",\"type\":\"Group\"}]"), "x"},
    {"a role, and a denial for her team", EG_POLICY_DENIES, DENY("\"principals\":[{\"id\":\"" TEAM "\",\"type\":\"Group\"}]"), "x"},
    {"a role, and a denial of that scope alone", EG_POLICY_DENIES, DENY(ALL_PRINCIPALS ",\"doNotApplyToChildScopes\":true"), "x"},
};

static eg_policy *with(eg_policy_kind kind, const char *text, bool role_too) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        const char *one = k == kind ? text : k == EG_POLICY_ASSIGNMENTS ? (role_too ? held[0].text : NULL) : kind_texts[k];
        if (one && eg_policy_builder_add(b, k, "file.json", eg_str_of(one), &p) != EG_OK) {
            fail_msg("%s at %s: %s", p.message, p.where, one);
        }
    }
    assert_int_equal(eg_policy_builder_finish(b, 7, &pol, &p), EG_OK);
    return pol;
}

static void tell(eg_buf *out, const char *says, const eg_decision *d) {
    const char *at = strstr(d->rule, " at /");
    assert_int_equal(eg_buf_addf(out, "  %-54s %s: %.*s\n", says, d->allowed ? "allowed" : eg_err_code(d->error), at ? (int)(at - d->rule) : (int)strlen(d->rule), d->rule), EG_OK);
}

static void render_held(eg_buf *out) {
    char group[1][EG_UUID_LEN] = {TEAM};
    eg_buf_adds(out, "\nalice, who has …, reads raw/jan.csv of flights at noon of 2026-06-01\n");
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        eg_policy *pol = with(held[i].kind, held[i].text, held[i].at != NULL);
        eg_principal *who = person(TENANT, ALICE);
        eg_decision d;
        who->groups = group;
        who->group_count = 1;
        eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT(EG_ACTION_BLOB_READ), .data_action = true, .scope = EG_LIT(FLIGHTS), .account = EG_LIT("lake"),
                       .container = EG_LIT("flights"), .path = EG_LIT("raw/jan.csv")};
        assert_int_equal(eg_time_parse_rfc3339(EG_LIT("2026-06-01T12:00:00Z"), &a.now_ns), EG_OK);
        eg_policy_decide(pol, &a, &d);
        tell(out, held[i].says, &d);
        who->groups = NULL;
        who->group_count = 0;
        eg_principal_unref(who);
        eg_policy_unref(pol);
    }
}

/* The group of policy_text.h: 192.0.2.7 denied; 192.0.2.0/24 and 2001:db8::/32 allowed to 443 and 8000 to 8443. */
static const struct { const char *source; uint16_t port; const char *subnet; } flows[] = {
    {"192.0.2.7", 443, SUBNET_ID}, {"192.0.2.8", 443, SUBNET_ID}, {"192.0.2.8", 8443, SUBNET_ID}, {"192.0.2.8", 8444, SUBNET_ID}, {"::ffff:192.0.2.8", 443, SUBNET_ID}, {"2001:db8::1", 443, SUBNET_ID},
    {"2001:db9::1", 443, SUBNET_ID}, {"10.9.9.9", 22, SUBNET_ID}, {"198.51.100.1", 443, SUBNET_ID}, {"", 443, SUBNET_ID}, {"198.51.100.1", 443, VNET_ID "/subnets/open"},
    {"198.51.100.1", 443, VNET_ID "/subnets/unknown"}, {"198.51.100.1", 443, ""},
};

static void render_flows(eg_buf *out) {
    eg_policy *pol = with(EG_POLICY_KIND_COUNT, NULL, false);
    eg_buf_adds(out, "\na connection from … to a port of a listener in …\n");
    for (size_t i = 0; i < sizeof flows / sizeof flows[0]; i++) {
        const eg_flow f = {.source_address = eg_str_of(flows[i].source), .source_port = 40000, .destination_port = flows[i].port, .subnet = eg_str_of(flows[i].subnet)};
        const char *name = strrchr(flows[i].subnet, '/');
        char says[100];
        eg_decision d;
        eg_policy_network(pol, &f, &d);
        snprintf(says, sizeof says, "%s to %u, %s", flows[i].source[0] ? flows[i].source : "nowhere", flows[i].port, name ? name + 1 : "no subnet");
        tell(out, says, &d);
    }
    eg_policy_unref(pol);
}

#define ACCOUNT(properties) "{\"id\":\"" ACCOUNT_ID "\",\"name\":\"lake\",\"properties\":{" properties "}}"
#define RULES "\"ipRules\":[{\"value\":\"203.0.113.0/24\"}],\"virtualNetworkRules\":[{\"id\":\"" VNET_ID "/subnets/open\"}]"

static void render_accounts(eg_buf *out) {
    static const struct { const char *says, *text; } accounts[] = {
        {"no document", NULL}, {"no networkAcls", ACCOUNT("\"publicNetworkAccess\":\"Enabled\"")}, {"Allow, with rules", ACCOUNT("\"networkAcls\":{\"defaultAction\":\"Allow\"," RULES "}")},
        {"Deny, without rules", ACCOUNT("\"networkAcls\":{\"defaultAction\":\"Deny\"}")}, {"Deny, with rules", ACCOUNT("\"networkAcls\":{\"defaultAction\":\"Deny\"," RULES "}")},
        {"Deny, with rules and bypass", ACCOUNT("\"networkAcls\":{\"defaultAction\":\"Deny\",\"bypass\":\"AzureServices\"," RULES "}")},
        {"Disabled, with rules", ACCOUNT("\"publicNetworkAccess\":\"Disabled\",\"networkAcls\":{\"defaultAction\":\"Deny\"," RULES "}")}};
    static const struct { const char *says, *source, *subnet; } from[] = {
        {"elsewhere", "198.51.100.9", ""}, {"an address of ipRules", "203.0.113.9", ""}, {"the subnet", "10.2.0.9", ""}, {"a job in the subnet", "127.0.0.1", VNET_ID "/subnets/open"},
        {"a job in another subnet", "127.0.0.1", SUBNET_ID}};
    eg_buf_adds(out, "\na request to an account with … from …\n");
    for (size_t i = 0; i < sizeof accounts / sizeof accounts[0]; i++) {
        eg_policy *pol = with(EG_POLICY_ACCOUNTS, accounts[i].text, false);
        for (size_t k = 0; k < sizeof from / sizeof from[0]; k++) {
            const eg_account_flow f = {.account_id = EG_LIT(ACCOUNT_ID), .source_address = eg_str_of(from[k].source), .cluster_subnet = eg_str_of(from[k].subnet)};
            char says[100];
            eg_decision d;
            eg_policy_account_network(pol, &f, &d);
            snprintf(says, sizeof says, "%s; %s", accounts[i].says, from[k].says);
            tell(out, says, &d);
        }
        eg_policy_unref(pol);
    }
}

static void tell_compliance(void *ctx, const eg_compliance *c) {
    assert_int_equal(eg_buf_addf(ctx, " %s%s", c->compliant ? "complies" : "does not comply", c->denies ? ", denied" : ""), EG_OK);
}

static void render_compliance(eg_buf *out) {
    static const struct { const char *effect, *enforcement; } assigned[] = {{"Deny", "Default"}, {"Deny", "DoNotEnforce"}, {"Audit", "Default"}, {"Disabled", "Default"}};
    eg_buf_adds(out, "\nan account for which \"Secure transfer to storage accounts should be enabled\" is assigned\n");
    for (size_t i = 0; i < 8; i++) {
        char text[1024], says[64];
        const bool secure = i % 2;
        snprintf(text, sizeof text, "{\"id\":\"" SUB "/providers/Microsoft.Authorization/policyAssignments/p\",\"name\":\"p\",\"properties\":{\"policyDefinitionId\":"
                                    "\"/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9\",\"scope\":\"" SUB "\",\"enforcementMode\":\"%s\","
                                    "\"parameters\":{\"effect\":{\"value\":\"%s\"}}}}", assigned[i / 2].enforcement, assigned[i / 2].effect);
        eg_policy *pol = with(EG_POLICY_RULE_ASSIGNMENTS, text, false);
        const eg_property property = {"Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", eg_str_of(secure ? "true" : "false")};
        const eg_resource r = {.id = EG_LIT(ACCOUNT_ID), .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = EG_LIT("lake"), .location = EG_LIT("embergate"), .properties = &property,
                               .property_count = 1};
        snprintf(says, sizeof says, "%s, %s, %s:", assigned[i / 2].effect, assigned[i / 2].enforcement, secure ? "HTTPS alone" : "HTTP too");
        assert_int_equal(eg_buf_addf(out, "  %-54s", says), EG_OK);
        eg_policy_compliance(pol, &r, tell_compliance, out);
        eg_buf_adds(out, "\n");
        eg_policy_unref(pol);
    }
}

/* To accept a change: run with EG_SNAPSHOT_UPDATE=1, read the diff, commit it. */
static void snapshot(void **state) {
    (void)state;
    EG_CLEANUP(eg_buf_done) eg_buf seen, owed;
    eg_problem p = {0};
    eg_buf_init(&seen, 1 << 20);
    eg_buf_init(&owed, 1 << 20);
    render_roles(&seen);
    render_held(&seen);
    render_flows(&seen);
    render_accounts(&seen);
    render_compliance(&seen);
    if (getenv("EG_SNAPSHOT_UPDATE")) {
        assert_int_equal(eg_file_replace(AT_FDCWD, EG_SNAPSHOT_DIR "/roles-and-rules.txt", 0644, eg_buf_bytes(&seen), &p), EG_OK);
    }
    assert_int_equal(eg_file_read(AT_FDCWD, EG_SNAPSHOT_DIR "/roles-and-rules.txt", 1 << 20, &owed, &p), EG_OK);
    assert_string_equal(seen.ptr, owed.ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(snapshot)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

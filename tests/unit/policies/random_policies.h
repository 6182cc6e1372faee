/* Small policies by chance, in a world that is small enough to ask every question of it. */
#ifndef EMBERGATE_TEST_RANDOM_POLICIES_H
#define EMBERGATE_TEST_RANDOM_POLICIES_H

#include "policy_text.h"
#include "seeded.h"

#include <embergate/clock.h>

#define STORAGE "/providers/Microsoft.Storage/storageAccounts/lake"
#define OTHER_SUB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000002"

static const char *const people[] = {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"};
static const char *const teams[] = {"00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000a2"};
static const char *const times[] = {"2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-09-01T00:00:00Z"};
static const char *const places[] = {SUB, GROUP, GROUP STORAGE, GROUP STORAGE "/blobServices/default/containers/flights", CLUSTER};
static const char *const role_ids[] = {"acdd72a7-3385-48ef-bd42-f606fba81ae7", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"};

/* One policy's documents, a list of JSON objects for each kind. */
typedef struct documents { eg_buf kinds[EG_POLICY_KIND_COUNT]; unsigned count[EG_POLICY_KIND_COUNT]; } documents;

static inline void documents_new(documents *d) {
    memset(d, 0, sizeof *d);
    for (size_t k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        eg_buf_init(&d->kinds[k], 1 << 18);
    }
}

static inline void documents_free(documents *d) {
    for (size_t k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        eg_buf_done(&d->kinds[k]);
    }
}

static inline eg_buf *one_more(documents *d, eg_policy_kind kind) {
    if (d->count[kind]++ > 0) {
        assert_int_equal(eg_buf_adds(&d->kinds[kind], ","), EG_OK);
    }
    return &d->kinds[kind];
}

/* Of which subscription, for scopes that begin with SUB. */
static inline const char *in_subscription(const char *sub, const char *place, char ret[512]) {
    snprintf(ret, 512, "%s%s", sub, place + sizeof SUB - 1);
    return ret;
}

static inline void random_assignment(documents *d, const char *sub) {
    static const struct { eg_policy_kind kind; const char *type; } forms[] = {
        {EG_POLICY_ASSIGNMENTS, "a"}, {EG_POLICY_ASSIGNMENTS, "a"}, {EG_POLICY_SCHEDULES, "s"}, {EG_POLICY_ELIGIBLE, "e"}};
    static const char *const conditions[] = {
        "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'flights'", "@Resource[Microsoft.Storage/storageAccounts:name] StringLike 'l*'",
        "@Environment[UtcNow] DateTimeLessThan '2026-06-01T00:00:00Z'", "NOT ActionMatches{'*/blobs/write'}",
        "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringNotEquals 'flights' OR SubOperationMatches{'Blob.List'}"};
    char at[512];
    const unsigned form = pick(4), team = pick(2);
    eg_buf *b = one_more(d, forms[form].kind);
    eg_buf_addf(b, "{\"name\":\"%s%u\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"principalType\":\"%s\",\"scope\":\"%s\"", forms[form].type, d->count[forms[form].kind],
                role_ids[pick(3)], team ? teams[pick(2)] : people[pick(2)], team ? "Group" : "User", in_subscription(sub, places[pick(5)], at));
    if (forms[form].kind != EG_POLICY_ASSIGNMENTS) {
        const unsigned from = pick(3), to = from + 1 + pick(3);
        if (pick(3)) {
            eg_buf_addf(b, ",\"startDateTime\":\"%s\"", times[from]);
        }
        if (to < 3) {
            eg_buf_addf(b, ",\"endDateTime\":\"%s\"", times[to]);
        }
    }
    if (pick(3) == 0) {
        eg_buf_addf(b, ",\"condition\":\"%s\",\"conditionVersion\":\"2.0\"", conditions[pick(5)]);
    }
    assert_int_equal(eg_buf_adds(b, "}}"), EG_OK);
}

static inline void random_deny(documents *d, const char *sub) {
    static const char *const what[] = {"\"actions\":[\"*/read\"]", "\"dataActions\":[\"*\"],\"notDataActions\":[\"*/write\"]", "\"dataActions\":[\"*/blobs/write\"],\"actions\":[\"Microsoft.Storage/*\"]"};
    static const char *const everybody = "00000000-0000-0000-0000-000000000000";
    char at[512];
    eg_buf *b = one_more(d, EG_POLICY_DENIES);
    const unsigned who = pick(3), out = pick(3);
    eg_buf_addf(b, "{\"name\":\"d%u\",\"properties\":{\"permissions\":[{%s}],\"scope\":\"%s\",\"doNotApplyToChildScopes\":%s,\"principals\":[{\"id\":\"%s\",\"type\":\"%s\"}],\"excludePrincipals\":[",
                d->count[EG_POLICY_DENIES], what[pick(3)], in_subscription(sub, places[pick(5)], at), pick(4) ? "false" : "true",
                who == 0 ? everybody : who == 1 ? people[pick(2)] : teams[pick(2)], who == 0 ? "SystemDefined" : who == 1 ? "User" : "Group");
    if (out < 2) {
        eg_buf_addf(b, "{\"id\":\"%s\",\"type\":\"%s\"}", out ? people[pick(2)] : teams[pick(2)], out ? "User" : "Group");
    }
    assert_int_equal(eg_buf_adds(b, "]}}"), EG_OK);
}

static inline void random_rule(eg_buf *b, unsigned n, unsigned priority, bool deny) {
    static const char *const sources[] = {"*", "VirtualNetwork", "Internet", "10.0.0.0/30", "10.0.0.2", "192.0.2.0/31", "192.0.2.0/24", "2001:db8::/127", "0.0.0.0/0", "AzureLoadBalancer"};
    static const char *const ports[] = {"*", "443", "443-444", "8443"};
    static const char *const source_ports[] = {"*", "*", "1024-65535"};
    static const char *const targets[] = {"*", "VirtualNetwork", "10.0.0.0/29", "10.0.0.4/32"};
    eg_buf_addf(b, "%s{\"name\":\"r%u\",\"properties\":{\"priority\":%u,\"direction\":\"%s\",\"access\":\"%s\",\"protocol\":\"%s\",\"sourceAddressPrefix\":\"%s\",\"sourcePortRange\":\"%s\","
                   "\"destinationAddressPrefix\":\"%s\",\"destinationPortRange\":\"%s\"}}", n ? "," : "", n, priority, pick(8) ? "Inbound" : "Outbound", deny || pick(2) ? "Deny" : "Allow",
                pick(6) ? "Tcp" : pick(2) ? "*" : "Udp", sources[pick(10)], source_ports[pick(3)], targets[pick(4)], ports[pick(4)]);
}

/* A subnet with a security group of some rules, and an account; `extra` is a Deny rule more, of a priority that none of the others has. */
static inline void random_network(documents *d, unsigned rules, bool extra) {
    eg_buf *b = one_more(d, EG_POLICY_GROUPS);
    eg_buf_addf(b, "{\"id\":\"" NSG_ID "\",\"name\":\"front\",\"properties\":{\"securityRules\":[");
    for (unsigned i = 0; i < rules; i++) {
        random_rule(b, i, 200 + 10 * i, false);
    }
    if (extra) {
        random_rule(b, rules, 195 + 10 * pick(rules + 1), true);
    }
    assert_int_equal(eg_buf_adds(b, "]}}"), EG_OK);
    assert_int_equal(eg_buf_addf(one_more(d, EG_POLICY_VNETS), "{\"id\":\"" VNET_ID "\",\"name\":\"lab\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/28\"]},\"subnets\":["
        "{\"id\":\"" SUBNET_ID "\",\"name\":\"gateway\",\"properties\":{\"addressPrefix\":\"10.0.0.0/29\",\"networkSecurityGroup\":{\"id\":\"" NSG_ID "\"}}},"
        "{\"id\":\"" VNET_ID "/subnets/jobs\",\"name\":\"jobs\",\"properties\":{\"addressPrefix\":\"10.0.0.8/30\"}}]}}"), EG_OK);
}

static inline void random_account(documents *d) {
    static const char *const addresses[] = {"", "{\"value\":\"192.0.2.0/31\"}", "{\"value\":\"192.0.2.1\"}", "{\"value\":\"10.0.0.0/30\"},{\"value\":\"2001:db8::/127\"}"};
    static const char *const subnets[] = {"", "{\"id\":\"" VNET_ID "/subnets/jobs\"}", "{\"id\":\"" SUBNET_ID "\"}"};
    if (pick(8) == 0) {
        return;
    }
    assert_int_equal(eg_buf_addf(one_more(d, EG_POLICY_ACCOUNTS), "{\"id\":\"" ACCOUNT_ID "\",\"name\":\"lake\",\"properties\":{\"publicNetworkAccess\":\"%s\",\"networkAcls\":{\"defaultAction\":\"%s\",\"ipRules\":[%s],"
                     "\"virtualNetworkRules\":[%s]}}}", pick(6) ? "Enabled" : "Disabled", pick(4) ? "Deny" : "Allow", addresses[pick(4)], subnets[pick(3)]), EG_OK);
}

static inline eg_policy *made_of(const documents *d) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        EG_CLEANUP(eg_buf_done) eg_buf text;
        eg_buf_init(&text, 1 << 19);
        if (d->count[k] == 0) {
            continue;
        }
        assert_int_equal(eg_buf_addf(&text, "{\"value\":[%.*s]}", (int)d->kinds[k].len, d->kinds[k].ptr), EG_OK);
        if (eg_policy_builder_add(b, k, "f.json", eg_buf_str(&text), &p) != EG_OK) {
            fail_msg("%s at %s: %s", p.message, p.where, text.ptr);
        }
    }
    if (eg_policy_builder_finish(b, 1, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    return pol;
}

/* Every person of the world, with every set of the teams, and one whose token leaves them out. */
#define PERSONS 15
static inline eg_principal *person_of(unsigned i, const char *tenant) {
    eg_principal *who = person(tenant, i / 5 < 2 ? people[i / 5] : "00000000-0000-4000-8000-00000000ffff");
    who->groups = calloc(2, sizeof *who->groups);
    who->groups_unknown = i % 5 == 4;
    for (unsigned g = 0; g < 2 && !who->groups_unknown; g++) {
        if ((i % 5 >> g) & 1) {
            snprintf(who->groups[who->group_count++], EG_UUID_LEN, "%s", teams[g]);
        }
    }
    if (pick(2)) {
        eg_principal_index_groups(who);
    }
    return who;
}

typedef bool (*asked)(void *ctx, const eg_access *a);

/* Asks until it is true. */
static inline bool each_moment(asked ask, void *ctx, eg_access *a) {
    for (unsigned t = 0; t < 6; t++) {
        assert_int_equal(eg_time_parse_rfc3339(eg_str_of(times[t / 2]), &a->now_ns), EG_OK);
        a->now_ns -= t % 2;
        if (ask(ctx, a)) {
            return true;
        }
    }
    return false;
}

static inline bool each_access(asked ask, void *ctx, const eg_principal *who, const char *sub) {
    static const struct { const char *action; bool data; } actions[] = {
        {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true}, {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete", true}, {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action", true},
        {"Microsoft.HDInsight/clusters/read", false}, {"Microsoft.Storage/storageAccounts/blobServices/containers/write", false},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/read", false}, {"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action", false}};
    static const struct { const char *scope, *account, *container; } resources[] = {
        {SUB, NULL, NULL}, {GROUP, NULL, NULL}, {CLUSTER, NULL, NULL}, {CLUSTER "/x", NULL, NULL}, {GROUP STORAGE, "lake", NULL}, {GROUP STORAGE "/x", "lake", NULL},
        {GROUP STORAGE "/blobServices/default/containers/flights", "lake", "flights"}, {GROUP STORAGE "/blobServices/default/containers/flights/x", "lake", "flights"},
        {GROUP STORAGE "/blobServices/default/containers/o", "lake", "o"}, {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/flights", "sea", "flights"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/o", "sea", "o"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/lake/blobServices/default/containers/flights", "lake", "flights"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/lake/blobServices/default/containers/o", "lake", "o"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/flights", "sea", "flights"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/o", "sea", "o"},
        {SUB "/x", NULL, NULL}, {GROUP "/x", NULL, NULL},
        /* what 'l*' fits besides lake, and accounts without a container */
        {GROUP "/providers/Microsoft.Storage/storageAccounts/l", "l", NULL}, {GROUP "/providers/Microsoft.Storage/storageAccounts/l/blobServices/default/containers/flights", "l", "flights"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/l/blobServices/default/containers/o", "l", "o"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/l/blobServices/default/containers/flights", "l", "flights"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/l/blobServices/default/containers/o", "l", "o"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/l", "l", NULL}, {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/lake", "lake", NULL},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea", "sea", NULL}, {GROUP "/providers/Microsoft.Storage/storageAccounts/sea", "sea", NULL}};
    char at[512];
    for (size_t n = 0; n < 2 * sizeof actions / sizeof actions[0]; n++) {
        const size_t i = n / 2;
        for (size_t k = 0; k < sizeof resources / sizeof resources[0]; k++) {
            eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(actions[i].action), .data_action = actions[i].data,
                           .scope = eg_str_of(in_subscription(sub, resources[k].scope, at)), .account = eg_str_of(resources[k].account), .container = eg_str_of(resources[k].container),
                           .sub_operation = eg_str_of(n % 2 ? "Blob.List" : NULL)};
            if (each_moment(ask, ctx, &a)) {
                return true;
            }
        }
    }
    return false;
}

typedef bool (*asked_flow)(void *ctx, const eg_flow *f);

static const char *const addresses[] = {"10.0.0.0", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.9", "10.0.0.15", "10.0.0.16", "192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.3.0", "::ffff:10.0.0.2",
                                        "2001:db8::", "2001:db8::1", "2001:db8::2", "::1", "255.255.255.255", "0.0.0.0"};
#define ADDRESSES (sizeof addresses / sizeof addresses[0])

static inline bool each_flow(asked_flow ask, void *ctx) {
    static const uint16_t from[] = {0, 1023, 1024, 65535}, to[] = {0, 442, 443, 444, 445, 8442, 8443, 8444, 65535};
    for (size_t i = 0; i < ADDRESSES; i++) {
        for (size_t k = 0; k < sizeof from / sizeof from[0] * (sizeof to / sizeof to[0]); k++) {
            const eg_flow f = {.source_address = eg_str_of(addresses[i]), .source_port = from[k % 4], .destination_port = to[k / 4], .subnet = EG_LIT(SUBNET_ID)};
            if (ask(ctx, &f)) {
                return true;
            }
        }
    }
    return false;
}

typedef bool (*asked_account)(void *ctx, const eg_account_flow *f);

static inline bool each_account_flow(asked_account ask, void *ctx) {
    static const char *const from[] = {NULL, SUBNET_ID, VNET_ID "/subnets/jobs"};
    for (size_t i = 0; i < ADDRESSES * 3; i++) {
        const eg_account_flow f = {.account_id = EG_LIT(ACCOUNT_ID), .source_address = eg_str_of(addresses[i / 3]), .cluster_subnet = eg_str_of(from[i % 3])};
        if (ask(ctx, &f)) {
            return true;
        }
    }
    return false;
}

#endif

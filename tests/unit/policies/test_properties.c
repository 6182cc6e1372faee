/* What has to hold of every policy, asked of random ones: a deny never allows more, the order of documents never matters, a foreign tenant's ids change nothing.
 * EG_SEED=N repeats a run, EG_LONG=1 makes ten times as many. */
#include "random_policies.h"

#include <embergate/compliance.h>

static unsigned rounds_of(unsigned n) { return getenv("EG_LONG") ? 10 * n : n; }

typedef struct pair { const eg_policy *older, *newer; bool same; } pair;

/* With `same` any difference, to the rule that decided; else what the newer allows and the older doesn't. */
static bool differ(const pair *p, const eg_decision *one, const eg_decision *two) {
    return p->same ? one->allowed != two->allowed || one->error != two->error || strcmp(one->rule, two->rule) != 0 : two->allowed && !one->allowed;
}

static bool access_differs(void *ctx, const eg_access *a) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_decide(p->older, a, &one);
    eg_policy_decide(p->newer, a, &two);
    return differ(p, &one, &two);
}

static bool flow_differs(void *ctx, const eg_flow *f) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_network(p->older, f, &one);
    eg_policy_network(p->newer, f, &two);
    return differ(p, &one, &two);
}

static bool account_differs(void *ctx, const eg_account_flow *f) {
    const pair *p = ctx;
    eg_decision one, two;
    eg_policy_account_network(p->older, f, &one);
    eg_policy_account_network(p->newer, f, &two);
    return differ(p, &one, &two);
}

static bool anyone_differs(pair *p, const char *sub) {
    bool found = false;
    for (unsigned i = 0; i < PERSONS && !found; i++) {
        eg_principal *who = person_of(i, TENANT);
        found = each_access(access_differs, p, who, sub);
        eg_principal_unref(who);
    }
    return found;
}

static void fill(documents *d, const char *sub) {
    for (unsigned n = 1 + pick(5); n > 0; n--) {
        random_assignment(d, sub);
    }
    for (unsigned n = pick(3); n > 0; n--) {
        random_deny(d, sub);
    }
}

/* The same by the same chances, and what `more` adds. */
static void with_and_without(documents *a, documents *b, void (*common)(documents *d), void (*more)(documents *d)) {
    documents_new(a);
    documents_new(b);
    const uint64_t before = chance;
    common(a);
    chance = before;
    common(b);
    more(b);
}

static void done(documents *a, documents *b, eg_policy *one, eg_policy *two) {
    eg_policy_unref(one);
    eg_policy_unref(two);
    documents_free(a);
    documents_free(b);
}

static void own_roles(documents *d) { fill(d, SUB); }
static void one_deny(documents *d) { random_deny(d, SUB); }

static void a_deny_assignment_allows_no_more(void **state) {
    (void)state;
    seeded("deny assignments");
    for (unsigned round = rounds_of(80); round > 0; round--) {
        documents a, b;
        with_and_without(&a, &b, own_roles, one_deny);
        eg_policy *older = made_of(&a), *newer = made_of(&b);
        assert_false(anyone_differs(&(pair){older, newer, false}, SUB));
        done(&a, &b, older, newer);
    }
}

/* The rules before the new one keep their places: a Deny rule put among them, or in front, or behind. */
static void a_deny_rule_allows_no_more(void **state) {
    (void)state;
    seeded("Deny rules");
    for (unsigned round = rounds_of(600); round > 0; round--) {
        documents a, b;
        const unsigned rules = pick(6);
        documents_new(&a);
        documents_new(&b);
        const uint64_t before = chance;
        random_network(&a, rules, false);
        chance = before;
        random_network(&b, rules, true);
        eg_policy *older = made_of(&a), *newer = made_of(&b);
        assert_false(each_flow(flow_differs, &(pair){older, newer, false}));
        done(&a, &b, older, newer);
    }
}

/* A rule less, the door shut, the default turned to Deny. */
static void a_stricter_account_allows_no_more(void **state) {
    (void)state;
    static const char *const rules[] = {"", "{\"value\":\"192.0.2.0/31\"}", "{\"value\":\"192.0.2.0/31\"},{\"value\":\"10.0.0.0/30\"}", "{\"value\":\"192.0.2.0/31\"},{\"value\":\"10.0.0.0/30\"},{\"value\":\"2001:db8::/127\"}"};
    seeded("networkAcls");
    for (unsigned round = rounds_of(300); round > 0; round--) {
        documents a, b;
        documents_new(&a);
        documents_new(&b);
        const unsigned more = pick(4), fewer = pick(more + 1);
        const bool open = pick(3) == 0, shut = pick(4) == 0;
        for (int i = 0; i < 2; i++) {
            documents *d = i ? &b : &a;
            random_network(d, 0, false);
            assert_int_equal(eg_buf_addf(one_more(d, EG_POLICY_ACCOUNTS), "{\"id\":\"" ACCOUNT_ID "\",\"name\":\"lake\",\"properties\":{\"publicNetworkAccess\":\"%s\",\"networkAcls\":{"
                             "\"defaultAction\":\"%s\",\"ipRules\":[%s]}}}", i && shut ? "Disabled" : "Enabled", !i && open ? "Allow" : "Deny", rules[i ? fewer : more]), EG_OK);
        }
        eg_policy *older = made_of(&a), *newer = made_of(&b);
        assert_false(each_account_flow(account_differs, &(pair){older, newer, false}));
        done(&a, &b, older, newer);
    }
}

/* Documents in another order, and in several files, decide the same by the same rule. */
static eg_policy *in_another_order(const documents *d) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        EG_CLEANUP(eg_buf_done) eg_buf list;
        EG_JSON_AUTO all = NULL;
        eg_buf_init(&list, 1 << 19);
        assert_int_equal(eg_buf_addf(&list, "[%.*s]", (int)d->kinds[k].len, d->kinds[k].ptr ? d->kinds[k].ptr : ""), EG_OK);
        assert_int_equal(eg_json_parse(eg_buf_str(&list), 1 << 19, &all, &p), EG_OK);
        while (json_array_size(all) > 0) {
            const size_t at = pick((unsigned)json_array_size(all));
            char *text = json_dumps(json_array_get(all, at), 0), name[32];
            snprintf(name, sizeof name, "%zu.json", json_array_size(all));
            assert_int_equal(eg_policy_builder_add(b, k, name, eg_str_of(text), &p), EG_OK);
            free(text);
            json_array_remove(all, at);
        }
    }
    assert_int_equal(eg_policy_builder_finish(b, 1, &pol, &p), EG_OK);
    return pol;
}

static void order_never_matters(void **state) {
    (void)state;
    seeded("order");
    for (unsigned round = rounds_of(60); round > 0; round--) {
        documents d;
        documents_new(&d);
        fill(&d, SUB);
        random_network(&d, pick(5), pick(2));
        random_account(&d);
        eg_policy *one = made_of(&d), *two = in_another_order(&d);
        pair p = {one, two, true};
        assert_false(anyone_differs(&p, SUB) || each_flow(flow_differs, &p) || each_account_flow(account_differs, &p));
        eg_policy_unref(one);
        eg_policy_unref(two);
        documents_free(&d);
    }
}

/* The same people and teams by their ids, in a subscription of somebody else's: nothing here changes, and nothing there is theirs. */
static void foreign_roles(documents *d) { fill(d, OTHER_SUB); }

static bool is_allowed(void *ctx, const eg_access *a) {
    eg_decision d;
    eg_policy_decide(ctx, a, &d);
    if (d.allowed || d.error != EG_ERR_DENIED_TENANT || !d.forbidden || strcmp(d.rule, "tenant separation") != 0) {
        return true;
    }
    return false;
}

static void foreign_ids_change_nothing(void **state) {
    (void)state;
    seeded("foreign ids");
    for (unsigned round = rounds_of(80); round > 0; round--) {
        documents a, b;
        with_and_without(&a, &b, own_roles, foreign_roles);
        eg_policy *alone = made_of(&a), *both = made_of(&b);
        assert_false(anyone_differs(&(pair){alone, both, true}, SUB));
        eg_principal *foreign = person_of(pick(PERSONS), "c0ff0000-0000-4000-8000-00000000000f");
        assert_false(each_access(is_allowed, both, foreign, SUB));
        assert_false(each_access(is_allowed, both, foreign, OTHER_SUB)); /* the resource is TENANT's, wherever it says that it lies */
        eg_principal_unref(foreign);
        done(&a, &b, alone, both);
    }
}

/* Azure Policy: what was denied stays denied, whatever is assigned besides. */
static void random_rule_assignment(documents *d) {
    static const char *const definitions[] = {"404c3081-a854-4457-ae30-26a93ef643f9", "8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54", "34c877ad-507e-4c82-993e-3452a6e0ad3c",
                                              "b2982f36-99f2-4db5-8eff-283140c09693", "d9da03a1-f3c3-412a-9709-947156872263", "1fd32ebd-e4c3-4e13-a54a-d7422d4d95f6"};
    static const char *const effects[] = {"Audit", "Deny", "Deny", "Disabled"};
    const unsigned n = d->count[EG_POLICY_RULE_ASSIGNMENTS];
    assert_int_equal(eg_buf_addf(one_more(d, EG_POLICY_RULE_ASSIGNMENTS),
        "{\"id\":\"" SUB "/providers/Microsoft.Authorization/policyAssignments/a%u\",\"name\":\"a%u\",\"properties\":{\"policyDefinitionId\":"
        "\"/providers/Microsoft.Authorization/policyDefinitions/%s\",\"scope\":\"%s\",\"notScopes\":[%s],\"enforcementMode\":\"%s\",\"parameters\":{\"effect\":{\"value\":\"%s\"}}}}",
        n, n, definitions[pick(6)], pick(2) ? SUB : GROUP, pick(4) ? "" : "\"" GROUP "\"", pick(4) ? "Default" : "DoNotEnforce", effects[pick(4)]), EG_OK);
}

static void some_rule_assignments(documents *d) {
    for (unsigned n = pick(4); n > 0; n--) {
        random_rule_assignment(d);
    }
}

static unsigned denied_resources(const eg_policy *pol, uint64_t salt) {
    static const char *const aliases[] = {"Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", "Microsoft.Storage/storageAccounts/allowSharedKeyAccess",
                                          "Microsoft.Storage/storageAccounts/networkAcls.defaultAction", "Microsoft.Storage/storageAccounts/publicNetworkAccess",
                                          "Microsoft.HDInsight/clusters/encryptionInTransitProperties.isEncryptionInTransitEnabled",
                                          "Microsoft.HDInsight/clusters/diskEncryptionProperties.encryptionAtHost"};
    static const char *const values[][3] = {{"true", "false", NULL}, {"true", "false", NULL}, {"Allow", "Deny", NULL}, {"Enabled", "Disabled", NULL}, {"true", "false", NULL}, {"true", "false", NULL}};
    unsigned denied = 0;
    for (unsigned i = 0; i < 32; i++) {
        eg_property properties[6];
        eg_compliance c;
        for (unsigned k = 0; k < 6; k++) {
            properties[k] = (eg_property){aliases[k], eg_str_of(values[k][((salt + i) >> (2 * k)) % 3])};
        }
        const bool cluster = i % 2;
        const eg_resource r = {.id = cluster ? EG_LIT(CLUSTER) : EG_LIT(ACCOUNT_ID), .type = cluster ? EG_LIT("Microsoft.HDInsight/clusters") : EG_LIT("Microsoft.Storage/storageAccounts"),
                               .name = cluster ? EG_LIT("spark") : EG_LIT("lake"), .location = EG_LIT("embergate"), .properties = properties, .property_count = 6};
        denied |= (unsigned)eg_policy_resource_denied(pol, &r, &c) << i;
    }
    return denied;
}

static void an_assigned_policy_allows_no_more(void **state) {
    (void)state;
    unsigned seen = 0;
    seeded("Azure Policy");
    for (unsigned round = rounds_of(300); round > 0; round--) {
        documents a, b;
        with_and_without(&a, &b, some_rule_assignments, random_rule_assignment);
        eg_policy *older = made_of(&a), *newer = made_of(&b);
        const uint64_t salt = chance >> 20;
        const unsigned one = denied_resources(older, salt), two = denied_resources(newer, salt);
        assert_int_equal(one & ~two, 0);
        seen += two != one;
        done(&a, &b, older, newer);
    }
    assert_true(seen > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_deny_assignment_allows_no_more), cmocka_unit_test(a_deny_rule_allows_no_more), cmocka_unit_test(a_stricter_account_allows_no_more),
                                       cmocka_unit_test(an_assigned_policy_allows_no_more), cmocka_unit_test(order_never_matters), cmocka_unit_test(foreign_ids_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The proof against brute force on random small policies, and its words on a few that a person can follow. covers: prove_flow.c prove_universe.c */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

#include <embergate/clock.h>

static uint64_t seed = 4;

static unsigned pick(unsigned n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

#define LAKE GROUP "/providers/Microsoft.Storage/storageAccounts/lake"
#define FLIGHTS LAKE "/blobServices/default/containers/flights"
#define NAME "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"

static const char *const ids[] = {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"};
static const char *const groups[] = {"00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000a2", "00000000-0000-4000-8000-0000000000a3"};
static const char *const scopes[] = {SUB, GROUP, LAKE, FLIGHTS, LAKE "/blobServices/default/containers/planes", CLUSTER};
static const char *const roles[] = {
    "acdd72a7-3385-48ef-bd42-f606fba81ae7", /* Reader */
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", /* Storage Blob Data Reader */
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe", /* Storage Blob Data Contributor */
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", /* Owner, only where duties are separated */
};
static unsigned role_kinds = 3;
static const char *const conditions[] = {
    NAME " StringEquals 'flights'", NAME " StringNotEquals 'planes'", NAME " StringStartsWith 'fl' OR NOT ActionMatches{'*/blobs/read'}",
    "@Environment[UtcNow] DateTimeLessThan '2026-06-01T00:00:00Z'", "Exists @Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix]",
    "SubOperationMatches{'Blob.List'}",
};

static void add_assignment(eg_buf *b, unsigned n) {
    const bool group = pick(2);
    eg_buf_addf(b, "%s{\"name\":\"a%u\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"principalType\":\"%s\",\"scope\":\"%s\"", n ? "," : "", n, roles[pick(role_kinds)],
                group ? groups[pick(3)] : ids[pick(3)], group ? "Group" : "User", scopes[pick(6)]);
    if (pick(3) == 0) {
        eg_buf_addf(b, ",\"condition\":\"%s\",\"conditionVersion\":\"2.0\"", conditions[pick(6)]);
    }
    eg_buf_adds(b, "}}");
}

static void add_deny(eg_buf *b, unsigned n) {
    static const char *const actions[] = {"\"actions\":[\"*/read\"]", "\"dataActions\":[\"*\"]", "\"dataActions\":[\"*/blobs/write\",\"*/blobs/delete\"],\"actions\":[\"Microsoft.Storage/*\"]"};
    static const char *const principals[] = {
        "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"SystemDefined\"}", "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"type\":\"User\"}",
        "{\"id\":\"00000000-0000-4000-8000-0000000000a1\",\"type\":\"Group\"}", "{\"id\":\"00000000-0000-4000-8000-0000000000a2\",\"type\":\"Group\"}",
    };
    static const char *const excluded[] = {
        "", "{\"id\":\"00000000-0000-4000-8000-000000000002\",\"type\":\"User\"}", "{\"id\":\"00000000-0000-4000-8000-0000000000a2\",\"type\":\"Group\"}",
    };
    eg_buf_addf(b, "%s{\"name\":\"d%u\",\"properties\":{\"permissions\":[{%s}],\"scope\":\"%s\",\"doNotApplyToChildScopes\":%s,\"principals\":[%s],\"excludePrincipals\":[%s]}}", n ? "," : "", n,
                actions[pick(3)], scopes[pick(6)], pick(4) ? "false" : "true", principals[pick(4)], excluded[pick(3)]);
}

static void write_list(eg_buf *b, unsigned n, void (*add)(eg_buf *b, unsigned n)) {
    eg_buf_reset(b);
    eg_buf_adds(b, "{\"value\":[");
    for (unsigned i = 0; i < n; i++) {
        add(b, i);
    }
    assert_int_equal(eg_buf_adds(b, "]}"), EG_OK);
}

static eg_policy *made(const char *assignments, const char *denies) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    if (eg_policy_builder_add(b, EG_POLICY_ASSIGNMENTS, "a.json", eg_str_of(assignments), &p) != EG_OK ||
        (denies && eg_policy_builder_add(b, EG_POLICY_DENIES, "d.json", eg_str_of(denies), &p) != EG_OK)) {
        fail_msg("%s at %s", p.message, p.where);
    }
    assert_int_equal(eg_policy_builder_finish(b, 1, &pol, &p), EG_OK);
    return pol;
}

static bool newly_allowed(const eg_policy *older, const eg_policy *newer, const eg_access *a) {
    eg_decision one, two;
    eg_policy_decide(newer, a, &two);
    if (!two.allowed) {
        return false;
    }
    eg_policy_decide(older, a, &one);
    return !one.allowed;
}

static bool brute_attributes(const eg_policy *older, const eg_policy *newer, eg_access *a) {
    static const char *const times[] = {"2026-05-31T00:00:00Z", "2026-06-01T00:00:00Z"};
    for (int t = 0; t < 2; t++) {
        assert_int_equal(eg_time_parse_rfc3339(eg_str_of(times[t]), &a->now_ns), EG_OK);
        for (int i = 0; i < 4; i++) {
            a->prefix = i & 1 ? EG_LIT("x") : (eg_str){NULL, 0};
            a->sub_operation = i & 2 ? EG_LIT("Blob.List") : (eg_str){NULL, 0};
            if (newly_allowed(older, newer, a)) {
                return true;
            }
        }
    }
    return false;
}

static bool brute_resources(const eg_policy *older, const eg_policy *newer, const eg_principal *who) {
    static const struct { const char *action; bool data; } actions[] = {
        {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true}, {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete", true}, {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action", true},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/read", false}, {"Microsoft.Storage/storageAccounts/blobServices/containers/write", false},
        {"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action", false}, {"Microsoft.Storage/storageAccounts/listKeys/action", false},
        {"Microsoft.HDInsight/clusters/read", false},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/delete", false},
    };
    static const struct { const char *scope, *account, *container; } resources[] = {
        {SUB, NULL, NULL}, {SUB "/x", NULL, NULL}, {GROUP, NULL, NULL}, {GROUP "/x", NULL, NULL}, {CLUSTER, NULL, NULL}, {CLUSTER "/x", NULL, NULL}, {LAKE, "lake", NULL}, {LAKE "/x", "lake", NULL},
        {FLIGHTS, "lake", "flights"}, {FLIGHTS "/x", "lake", "flights"}, {LAKE "/blobServices/default/containers/planes", "lake", "planes"},
        {LAKE "/blobServices/default/containers/fl", "lake", "fl"}, {LAKE "/blobServices/default/containers/other", "lake", "other"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/flights", "sea", "flights"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/planes", "sea", "planes"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/fl", "sea", "fl"},
        {GROUP "/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/o", "sea", "o"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/flights", "sea", "flights"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/planes", "sea", "planes"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/fl", "sea", "fl"},
        {SUB "/resourceGroups/b/providers/Microsoft.Storage/storageAccounts/sea/blobServices/default/containers/o", "sea", "o"},
    };
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        for (size_t k = 0; k < sizeof resources / sizeof resources[0]; k++) {
            eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(actions[i].action), .data_action = actions[i].data, .scope = eg_str_of(resources[k].scope),
                           .account = eg_str_of(resources[k].account), .container = eg_str_of(resources[k].container)};
            if (brute_attributes(older, newer, &a)) {
                return true;
            }
        }
    }
    return false;
}

static bool brute(const eg_policy *older, const eg_policy *newer) {
    bool found = false;
    for (int person_index = 0; person_index < 4 && !found; person_index++) {
        for (unsigned set = 0; set <= 8 && !found; set++) {
            eg_principal *who = person(TENANT, person_index < 3 ? ids[person_index] : "00000000-0000-4000-8000-00000000ffff");
            who->groups = calloc(3, sizeof *who->groups);
            who->groups_unknown = set == 8;
            for (unsigned g = 0; g < 3; g++) {
                if ((set >> g) & 1 && set < 8) {
                    snprintf(who->groups[who->group_count++], EG_UUID_LEN, "%s", groups[g]);
                }
            }
            found = brute_resources(older, newer, who);
            eg_principal_unref(who);
        }
    }
    return found;
}

/* What the newer policy is like; 0 = duties are not separated. */
static void compare_rounds(int rounds, unsigned separated, unsigned verdicts[3]) {
    eg_buf a, b, d, e;
    eg_buf_init(&a, 1 << 16);
    eg_buf_init(&b, 1 << 16);
    eg_buf_init(&d, 1 << 16);
    eg_buf_init(&e, 1 << 16);
    for (int round = 0; round < rounds; round++) {
        write_list(&a, 1 + pick(6), add_assignment);
        write_list(&d, pick(3), add_deny);
        if (round % 2) { /* what differs in one thing only is where a proof is hard */
            const uint64_t kept = seed;
            write_list(&b, 1 + pick(3), add_assignment);
            seed = kept;
            write_list(&a, 4, add_assignment);
            seed = kept;
            write_list(&b, 1 + (round / 2) % 4, add_assignment);
        } else {
            write_list(&b, 1 + pick(3), add_assignment);
        }
        write_list(&e, pick(3), add_deny);
        eg_policy *older = made(a.ptr, d.ptr), *newer = made(b.ptr, round % 3 ? d.ptr : e.ptr);
        eg_policy_separate_duties(older, separated > 0);
        eg_policy_separate_duties(newer, separated > 0 && round % separated != 0);
        eg_policy_proof proof;
        eg_problem p = {0};
        assert_int_equal(eg_policy_prove_no_new_access(older, newer, &proof, &p), EG_OK);
        verdicts[proof.verdict]++;
        const bool found = brute(older, newer);
        if ((proof.verdict == EG_PROOF_FAILS && !found) || (proof.verdict == EG_PROOF_HOLDS && found)) {
            fail_msg("round %d: brute force says %d, the proof: %s\nold %s %s\nnew %s %s", round, found, proof.text, a.ptr, d.ptr, b.ptr, round % 3 ? d.ptr : e.ptr);
        }
        eg_policy_unref(older);
        eg_policy_unref(newer);
    }
    eg_buf_done(&a);
    eg_buf_done(&b);
    eg_buf_done(&d);
    eg_buf_done(&e);
    print_message("undecided %u, holds %u, fails %u\n", verdicts[0], verdicts[1], verdicts[2]);
}

static void agrees_with_brute_force(void **state) {
    (void)state;
    unsigned verdicts[3] = {0};
    compare_rounds(72, 0, verdicts);
    assert_true(verdicts[EG_PROOF_HOLDS] > 15 && verdicts[EG_PROOF_FAILS] > 15 && verdicts[EG_PROOF_UNDECIDED] < 10);
}

/* The same where who writes policies uses no data; every fifth newer policy gives that up. */
static void agrees_where_duties_are_separated(void **state) {
    (void)state;
    unsigned verdicts[3] = {0};
    role_kinds = 4;
    compare_rounds(60, 5, verdicts);
    role_kinds = 3;
    assert_true(verdicts[EG_PROOF_HOLDS] > 8 && verdicts[EG_PROOF_FAILS] > 8 && verdicts[EG_PROOF_UNDECIDED] < 10);
}

#define ONE(id, role, scope, more) "{\"name\":\"x\",\"properties\":{\"roleDefinitionId\":\"" role "\",\"principalId\":\"" id "\",\"principalType\":\"User\",\"scope\":\"" scope "\"" more "}}"

static eg_policy_proof proof_of(const char *older_text, const char *newer_text) {
    eg_policy *older = made(older_text, NULL), *newer = made(newer_text, NULL);
    eg_policy_proof proof;
    eg_problem p = {0};
    assert_int_equal(eg_policy_prove_no_new_access(older, newer, &proof, &p), EG_OK);
    eg_policy_unref(older);
    eg_policy_unref(newer);
    return proof;
}

static void words(void **state) {
    (void)state;
    eg_policy_proof p = proof_of(ONE(ALICE, "Storage Blob Data Contributor", LAKE, ""), ONE(ALICE, "Storage Blob Data Reader", FLIGHTS, ""));
    assert_int_equal(p.verdict, EG_PROOF_HOLDS);
    assert_string_equal(p.text, "The new policy allows nothing that the old one denies.");
    p = proof_of(ONE(ALICE, "Storage Blob Data Reader", FLIGHTS, ""), ONE(ALICE, "Storage Blob Data Reader", LAKE, ""));
    assert_int_equal(p.verdict, EG_PROOF_FAILS);
    assert_non_null(strstr(p.text, ALICE));
    assert_non_null(strstr(p.text, ". New: roleAssignment x (Storage Blob Data Reader) at " LAKE ". Old: default deny."));
    /* A condition that narrows grants nothing new; one that compares two attributes isn't guessed at. */
    p = proof_of(ONE(ALICE, "Storage Blob Data Reader", LAKE, ""), ONE(ALICE, "Storage Blob Data Reader", LAKE, ",\"condition\":\"" NAME " StringLike 'f*s'\",\"conditionVersion\":\"2.0\""));
    assert_int_equal(p.verdict, EG_PROOF_HOLDS);
    p = proof_of(ONE(ALICE, "Storage Blob Data Reader", LAKE, ",\"condition\":\"" NAME " StringLike 'f*s'\",\"conditionVersion\":\"2.0\""), ONE(ALICE, "Storage Blob Data Reader", LAKE, ""));
    assert_int_equal(p.verdict, EG_PROOF_FAILS);
    p = proof_of(ONE(ALICE, "Reader", LAKE, ""),
                 ONE(ALICE, "Storage Blob Data Reader", LAKE, ",\"condition\":\"" NAME " StringEquals @Resource[Microsoft.Storage/storageAccounts:name]\",\"conditionVersion\":\"2.0\""));
    assert_int_equal(p.verdict, EG_PROOF_UNDECIDED);
    assert_non_null(strstr(p.text, "two attributes"));
}

/* The builder's own small policy with one network rule changed. */
static void flows(void **state) {
    (void)state;
    static const struct { const char *from, *to; eg_proof_verdict says; } changes[] = {
        {"192.0.2.7", "192.0.2.8", EG_PROOF_FAILS},          {"192.0.2.0/24", "192.0.2.0/25", EG_PROOF_HOLDS},
        {"192.0.2.0/24", "192.0.0.0/16", EG_PROOF_FAILS},    {"\"8000-8443\"", "\"8000-8444\"", EG_PROOF_FAILS},
        {"\"8000-8443\"", "\"8001-8443\"", EG_PROOF_HOLDS},  {"\"priority\":100", "\"priority\":300", EG_PROOF_FAILS},
        {"2001:db8::/32", "2001:db8::/31", EG_PROOF_FAILS},  {"192.0.2.7", "192.0.2.0/28", EG_PROOF_HOLDS},
    };
    eg_problem p = {0};
    eg_policy *older = NULL;
    assert_int_equal(build(EG_POLICY_KIND_COUNT, NULL, &older, &p), EG_OK);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char *text = replaced(group_text, changes[i].from, changes[i].to);
        eg_policy *newer = NULL;
        eg_policy_proof proof;
        assert_int_equal(build(EG_POLICY_GROUPS, text, &newer, &p), EG_OK);
        assert_int_equal(eg_policy_prove_no_new_access(older, newer, &proof, &p), EG_OK);
        if (proof.verdict != changes[i].says) {
            fail_msg("row %zu: %s", i, proof.text);
        }
        eg_policy_unref(newer);
        test_free(text);
    }
    eg_policy_unref(older);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_brute_force),
        cmocka_unit_test(agrees_where_duties_are_separated), cmocka_unit_test(words), cmocka_unit_test(flows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

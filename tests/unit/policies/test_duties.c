/* Separated duties: who may write policies uses no data there, by whatever way it came to both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_text.h"

#include <embergate/actions.h>

#define LAKE GROUP "/providers/Microsoft.Storage/storageAccounts/lake"
#define FLIGHTS LAKE "/blobServices/default/containers/flights"
#define OWNER "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
#define ACCESS "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9" /* User Access Administrator */
#define READS "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" /* Storage Blob Data Reader */
#define CLERKS "c1e4c500-0000-4000-8000-000000000004"
#define KEYS "Microsoft.Storage/storageAccounts/listKeys/action"
#define HAS(n, role, who, kind, scope, more) \
    "{\"name\":\"" n "\",\"properties\":{\"roleDefinitionId\":\"" role "\",\"principalId\":\"" who "\",\"principalType\":\"" kind "\",\"scope\":\"" scope "\"" more "}}"

static eg_policy *made(const char *one, const char *two, const char *schedule) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    char text[2048];
    snprintf(text, sizeof text, "{\"value\":[%s%s%s]}", one, two ? "," : "", two ? two : "");
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    if (eg_policy_builder_add(b, EG_POLICY_ASSIGNMENTS, "a.json", eg_str_of(text), &p) != EG_OK ||
        (schedule && eg_policy_builder_add(b, EG_POLICY_SCHEDULES, "s.json", eg_str_of(schedule), &p) != EG_OK)) {
        fail_msg("%s at %s", p.message, p.where);
    }
    assert_int_equal(eg_policy_builder_finish(b, 1, &pol, &p), EG_OK);
    return pol;
}

typedef struct asked {
    const char *group;
    bool unknown_groups;
    const char *action, *scope;   /* NULL: reading flights */
    int64_t now;
} asked;

static eg_decision ask(eg_policy *pol, bool separate, const asked *q) {
    eg_principal *who = person(TENANT, ALICE);
    eg_decision d;
    if (q->group) {
        who->groups = calloc(1, sizeof *who->groups);
        snprintf(who->groups[who->group_count++], EG_UUID_LEN, "%s", q->group);
    }
    who->groups_unknown = q->unknown_groups;
    const eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(q->action ? q->action : EG_ACTION_BLOB_READ), .data_action = !q->action,
                         .scope = eg_str_of(q->scope ? q->scope : FLIGHTS), .now_ns = q->now ? q->now : 1750000000000000000};
    eg_policy_separate_duties(pol, separate);
    eg_policy_decide(pol, &a, &d);
    eg_principal_unref(who);
    return d;
}

static const char reads[] = HAS("reads", READS, ALICE, "User", GROUP, "");
#define SCHEDULE(from, to) HAS("for-a-day", ACCESS, ALICE, "User", SUB, ",\"startDateTime\":\"" from "\",\"endDateTime\":\"" to "\"")

static void by_every_way(void **state) {
    (void)state;
    static const struct { const char *says, *writes, *schedule; asked q; bool kept; } table[] = {
        {"above", HAS("w", OWNER, ALICE, "User", SUB, ""), NULL, {0}, true},
        {"at the same scope", HAS("w", ACCESS, ALICE, "User", FLIGHTS, ""), NULL, {0}, true},
        {"elsewhere", HAS("w", OWNER, ALICE, "User", LAKE "/blobServices/default/containers/planes", ""), NULL, {0}, false},
        {"below what is asked", HAS("w", OWNER, ALICE, "User", FLIGHTS, ""), NULL, {.scope = LAKE "/blobServices/default/containers/flights2"}, false},
        {"by a group of the token", HAS("w", OWNER, CLERKS, "Group", GROUP, ""), NULL, {.group = CLERKS}, true},
        {"by a group that it isn't in", HAS("w", OWNER, CLERKS, "Group", GROUP, ""), NULL, {.group = TEAM}, false},
        {"by a group that isn't known", HAS("w", OWNER, CLERKS, "Group", GROUP, ""), NULL, {.unknown_groups = true}, true},
        {"unknown groups where none writes", reads, NULL, {.unknown_groups = true}, false},
        {"somebody else's", HAS("w", OWNER, TEAM, "User", SUB, ""), NULL, {0}, false},
        {"only where a condition holds", HAS("w", ACCESS, ALICE, "User", SUB, ",\"condition\":\"@Environment[isPrivateLink] BoolEquals true\",\"conditionVersion\":\"2.0\""), NULL, {0}, true},
        {"activated", reads, SCHEDULE("2025-06-15T00:00:00Z", "2025-06-16T00:00:00Z"), {0}, true},
        {"elapsed", reads, SCHEDULE("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"), {0}, false},
        {"a time, and no clock", reads, SCHEDULE("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"), {.now = -1}, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const bool twice = strcmp(table[i].writes, reads) == 0;
        eg_policy *pol = made(reads, twice ? NULL : table[i].writes, table[i].schedule);
        eg_decision d = ask(pol, true, &table[i].q);
        if (d.allowed == table[i].kept || (table[i].kept && (d.error != EG_ERR_DENIED_DUTIES || !d.forbidden || strncmp(d.rule, "separationOfDuties ", 19) != 0))) {
            fail_msg("%s: %s, %s", table[i].says, d.rule, d.reason);
        }
        d = ask(pol, false, &table[i].q);
        assert_true(d.allowed && d.error == EG_OK);
        eg_policy_unref(pol);
    }
}

/* Access control lists come after roles: what is forbidden here they don't allow. And keys read in nobody's name. */
static void without_a_role_for_data(void **state) {
    (void)state;
    eg_policy *pol = made(HAS("w", OWNER, ALICE, "User", SUB, ""), NULL, NULL);
    eg_decision d = ask(pol, true, &(asked){0});
    assert_true(!d.allowed && d.forbidden && d.error == EG_ERR_DENIED_DUTIES);
    assert_non_null(strstr(d.reason, "Owner at " SUB));
    d = ask(pol, false, &(asked){0});
    assert_true(!d.allowed && !d.forbidden && d.error == EG_ERR_DENIED_DATA);
    d = ask(pol, true, &(asked){.action = KEYS, .scope = LAKE});
    assert_int_equal(d.error, EG_ERR_DENIED_DUTIES);
    assert_true(ask(pol, false, &(asked){.action = KEYS, .scope = LAKE}).allowed);
    assert_true(ask(pol, true, &(asked){.action = "Microsoft.Authorization/roleAssignments/write", .scope = LAKE}).allowed);
    assert_true(ask(pol, true, &(asked){.action = "Microsoft.Storage/storageAccounts/read", .scope = LAKE}).allowed);
    eg_policy_unref(pol);
}

static void who_can_and_what_changes(void **state) {
    (void)state;
    EG_CLEANUP(eg_buf_done) eg_buf out;
    eg_buf_init(&out, 1 << 16);
    eg_policy *both = made(reads, HAS("w", OWNER, ALICE, "User", SUB, ""), NULL), *one = made(reads, NULL, NULL);
    const eg_access a = {.resource_tenant = EG_LIT(TENANT), .action = EG_LIT(EG_ACTION_BLOB_READ), .data_action = true, .scope = EG_LIT(FLIGHTS)};
    assert_int_equal(eg_policy_explain(both, &a, &out), EG_OK);
    assert_null(strstr(out.ptr, "separated duties"));
    eg_policy_separate_duties(both, true);
    eg_policy_separate_duties(one, true);
    eg_buf_reset(&out);
    assert_int_equal(eg_policy_explain(both, &a, &out), EG_OK);
    assert_non_null(strstr(out.ptr, "kept from it by separated duties: Owner at " SUB));
    eg_buf_reset(&out);
    assert_int_equal(eg_policy_what_if(one, both, &out), EG_OK);
    assert_non_null(strstr(out.ptr, "the principal " ALICE " may use no data at " SUB ": the role Owner writes policies"));
    eg_buf_reset(&out);
    assert_int_equal(eg_policy_what_if(both, one, &out), EG_OK);
    assert_non_null(strstr(out.ptr, "may use data again where a role grants it at " SUB));
    eg_policy_proof proof;
    eg_problem p = {0};
    assert_int_equal(eg_policy_prove_no_new_access(both, one, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_FAILS); /* a right less, and data more */
    assert_int_equal(eg_policy_prove_no_new_access(one, both, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_FAILS);
    eg_policy_separate_duties(both, false);
    eg_policy_separate_duties(one, false);
    assert_int_equal(eg_policy_prove_no_new_access(both, one, &proof, &p), EG_OK);
    assert_int_equal(proof.verdict, EG_PROOF_HOLDS);
    eg_policy_unref(both);
    eg_policy_unref(one);
}

/* Where a scope has so many writers that the way is from the principal's side, the answers are the same. */
static void among_many(void **state) {
    (void)state;
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    eg_buf_init(&text, 1 << 20);
    eg_buf_addf(&text, "{\"value\":[%s,%s", reads, HAS("clerks", OWNER, CLERKS, "Group", GROUP, ""));
    for (int i = 0; i < 200; i++) {
        eg_buf_addf(&text, ",{\"name\":\"m%d\",\"properties\":{\"roleDefinitionId\":\"" OWNER "\",\"principalId\":\"00000000-0000-4000-8000-%012d\",\"principalType\":\"User\","
                    "\"scope\":\"" GROUP "\"}}", i, i);
    }
    assert_int_equal(eg_buf_adds(&text, "]}"), EG_OK);
    assert_int_equal(eg_policy_builder_new(&b, &p), EG_OK);
    assert_int_equal(eg_policy_builder_add(b, EG_POLICY_ASSIGNMENTS, "a.json", eg_buf_str(&text), &p), EG_OK);
    assert_int_equal(eg_policy_builder_finish(b, 1, &pol, &p), EG_OK);
    assert_true(ask(pol, true, &(asked){0}).allowed);
    assert_true(ask(pol, true, &(asked){.group = TEAM}).allowed);
    assert_int_equal(ask(pol, true, &(asked){.group = CLERKS}).error, EG_ERR_DENIED_DUTIES);
    assert_int_equal(ask(pol, true, &(asked){.unknown_groups = true}).error, EG_ERR_DENIED_DUTIES);
    assert_true(ask(pol, true, &(asked){.group = CLERKS, .action = "Microsoft.HDInsight/clusters/read", .scope = CLUSTER}).allowed);
    eg_policy_unref(pol);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_every_way), cmocka_unit_test(without_a_role_for_data), cmocka_unit_test(who_can_and_what_changes), cmocka_unit_test(among_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

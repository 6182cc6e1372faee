/* Checks decisions against tests/snapshot/decisions.txt, so that a change of policy behaviour shows as a diff in plain words. covers: explain.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_text.h"

#include <embergate/actions.h>
#include <embergate/durable_file.h>
#include <fcntl.h>

#define LAB "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001/resourceGroups/lab"
#define SPARK LAB "/providers/Microsoft.HDInsight/clusters/spark"
#define LAKE LAB "/providers/Microsoft.Storage/storageAccounts/lake"
#define FLIGHTS LAKE "/blobServices/default/containers/flights"

static const struct { const char *name, *tenant, *object_id, *group; } people[] = {
    {"olivia, Owner of the subscription", TENANT, "00000000-0000-4000-8000-00000000000a", NULL},
    {"carl, Contributor of the group", TENANT, "00000000-0000-4000-8000-00000000000b", NULL},
    {"rita, Reader of the subscription", TENANT, "00000000-0000-4000-8000-00000000000c", NULL},
    {"alice, Job Submitter, in the team that reads flights", TENANT, "00000000-0000-4000-8000-00000000000d", "00000000-0000-4000-8000-000000000010"},
    {"audrey, Auditor", TENANT, "00000000-0000-4000-8000-00000000000e", NULL},
    {"nina, Night Operator (custom, with NotActions)", TENANT, "00000000-0000-4000-8000-00000000000f", NULL},
    {"olivia, in the team that reads flights", TENANT, "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-000000000010"},
    {"the team's id used as a person's", TENANT, "00000000-0000-4000-8000-000000000010", NULL},
    {"alice's id used as a group's", TENANT, "00000000-0000-4000-8000-000000000099", "00000000-0000-4000-8000-00000000000d"},
    {"olivia's id in another tenant", "0bad0000-0000-4000-8000-000000000009", "00000000-0000-4000-8000-00000000000a", NULL},
    {"nobody", "", "", NULL},
};

static const struct { const char *action; bool data; const char *scope, *says; } asked[] = {
    {EG_ACTION_CLUSTER_READ, false, SPARK, "see the cluster"},
    {EG_ACTION_CLUSTER_DELETE, false, SPARK, "delete the cluster"},
    {EG_ACTION_JOB_SUBMIT, true, SPARK, "submit a job"},
    {EG_ACTION_JOB_READ, true, SPARK, "see jobs"},
    {EG_ACTION_JOB_MANAGE, true, SPARK, "manage other people's jobs"},
    {EG_ACTION_CONTAINER_WRITE, false, FLIGHTS, "make the container"},
    {EG_ACTION_BLOB_READ, true, FLIGHTS, "read flights"},
    {EG_ACTION_BLOB_READ, true, LAKE "/blobServices/default/containers/flights2", "read flights2"},
    {EG_ACTION_BLOB_WRITE, true, FLIGHTS, "write flights"},
    {EG_ACTION_AUDIT_READ, true, "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001", "read the audit log"},
    {"Microsoft.Authorization/roleAssignments/write", false, LAB, "assign a role"},
    {"Microsoft.Storage/storageAccounts/listKeys/action", false, LAKE, "list the account's keys"},
    {EG_ACTION_BLOB_READ, false, FLIGHTS, "read flights, asked as a control action"},
};

static eg_policy *load(void) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    if (eg_policy_load(EG_SNAPSHOT_DIR "/policies", 7, &pol, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
    return pol;
}

static void render(bool separate, eg_buf *out) {
    eg_policy *pol = load();
    eg_policy_separate_duties(pol, separate);
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++) {
        eg_principal *who = person(people[i].tenant, people[i].object_id);
        char group[1][EG_UUID_LEN] = {{0}};
        if (people[i].group) {
            snprintf(group[0], sizeof group[0], "%s", people[i].group);
            who->groups = group;
            who->group_count = 1;
        }
        who->kind = people[i].tenant[0] ? EG_PRINCIPAL_USER : EG_PRINCIPAL_NONE;
        eg_buf_addf(out, "%s%s\n", people[i].name, separate ? ", duties being separated" : "");
        for (size_t k = 0; k < sizeof asked / sizeof asked[0]; k++) {
            eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(asked[k].action), .data_action = asked[k].data, .scope = eg_str_of(asked[k].scope)};
            eg_decision d;
            eg_policy_decide(pol, &a, &d);
            assert_true(d.allowed == (d.error == EG_OK));
            const char *at = strstr(d.rule, " at /");
            eg_buf_addf(out, "  %-42s %s: %.*s\n", asked[k].says, d.allowed ? "allowed" : eg_err_code(d.error), at ? (int)(at - d.rule) : (int)strlen(d.rule), d.rule);
        }
        who->groups = NULL;
        who->group_count = 0;
        eg_principal_unref(who);
    }
    eg_policy_unref(pol);
}

/* To accept a change: run with EG_SNAPSHOT_UPDATE=1, read the diff, commit it. */
static void snapshot(void **state) {
    (void)state;
    EG_CLEANUP(eg_buf_done) eg_buf seen, owed;
    eg_problem p = {0};
    eg_buf_init(&seen, 1 << 20);
    eg_buf_init(&owed, 1 << 20);
    render(false, &seen);
    render(true, &seen);
    if (getenv("EG_SNAPSHOT_UPDATE")) {
        assert_int_equal(eg_file_replace(AT_FDCWD, EG_SNAPSHOT_DIR "/decisions.txt", 0644, eg_buf_bytes(&seen), &p), EG_OK);
    }
    assert_int_equal(eg_file_read(AT_FDCWD, EG_SNAPSHOT_DIR "/decisions.txt", 1 << 20, &owed, &p), EG_OK);
    assert_string_equal(seen.ptr, owed.ptr);
}

static void unknown_groups_are_no_groups_to_rely_on(void **state) {
    (void)state;
    eg_policy *pol = load();
    eg_principal *who = person(TENANT, "00000000-0000-4000-8000-00000000000d");
    who->groups_unknown = true;
    eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT(EG_ACTION_BLOB_READ), .data_action = true, .scope = EG_LIT(FLIGHTS)};
    eg_decision d;
    eg_policy_decide(pol, &a, &d);
    assert_int_equal(d.error, EG_ERR_DENIED_DATA);
    assert_non_null(strstr(d.reason, "leaves out its groups"));
    a.action = EG_LIT(EG_ACTION_JOB_SUBMIT);
    a.scope = EG_LIT(SPARK);
    eg_policy_decide(pol, &a, &d);
    assert_true(d.allowed);
    a.resource_tenant = (eg_str){NULL, 0};
    eg_policy_decide(pol, &a, &d);
    assert_int_equal(d.error, EG_ERR_DENIED_TENANT);
    eg_principal_unref(who);
    eg_policy_unref(pol);
}

static void explained(void **state) {
    (void)state;
    eg_policy *pol = load();
    EG_CLEANUP(eg_buf_done) eg_buf out;
    eg_buf_init(&out, 1 << 16);
    eg_access a = {.resource_tenant = EG_LIT(TENANT), .action = EG_LIT(EG_ACTION_CLUSTER_READ), .scope = EG_LIT(SPARK)};
    assert_int_equal(eg_policy_explain(pol, &a, &out), EG_OK);
    /* Owner, Contributor, Reader, Job Submitter, Night Operator: everybody who may, and nobody else. */
    size_t lines = 0;
    for (const char *z = out.ptr; *z; z++) {
        lines += *z == '\n';
    }
    assert_int_equal(lines, 5);
    assert_non_null(strstr(out.ptr, "principal 00000000-0000-4000-8000-00000000000d: Embergate Job Submitter at " SPARK));
    assert_null(strstr(out.ptr, "Auditor"));
    eg_buf_reset(&out);
    eg_principal *who = person("0bad0000-0000-4000-8000-000000000009", "00000000-0000-4000-8000-00000000000a");
    a.who = who;
    assert_int_equal(eg_policy_explain(pol, &a, &out), EG_OK);
    assert_int_equal(out.len, 0);
    eg_principal_unref(who);
    eg_policy_unref(pol);
}

/* Every action that routes ask for is granted by a built-in role, so that none can be asked for in vain. */
static void actions_have_roles(void **state) {
    (void)state;
    static const struct { const char *action; bool data; } all[] = {
        {EG_ACTION_CLUSTER_READ, false}, {EG_ACTION_CLUSTER_WRITE, false}, {EG_ACTION_CLUSTER_DELETE, false}, {EG_ACTION_JOB_SUBMIT, true},
        {EG_ACTION_JOB_READ, true}, {EG_ACTION_JOB_LOG_READ, true}, {EG_ACTION_JOB_DELETE, true}, {EG_ACTION_JOB_MANAGE, true},
        {EG_ACTION_CONTAINER_READ, false}, {EG_ACTION_CONTAINER_WRITE, false}, {EG_ACTION_CONTAINER_DELETE, false}, {EG_ACTION_BLOB_READ, true},
        {EG_ACTION_BLOB_WRITE, true}, {EG_ACTION_BLOB_DELETE, true}, {EG_ACTION_BLOB_ADD, true}, {EG_ACTION_BLOB_MOVE, true}, {EG_ACTION_BLOB_OWN, true},
        {EG_ACTION_BLOB_PERMISSIONS, true}, {EG_ACTION_AUDIT_READ, true}, {EG_ACTION_METRICS_READ, false}, {EG_ACTION_KEY_READ, false}, {EG_ACTION_KEY_WRITE, false},
        {EG_ACTION_REVOKE, false}, {EG_ACTION_REVOCATION_READ, false}, {EG_ACTION_ACCOUNT_LIST_KEYS, false}, {EG_ACTION_ACCOUNT_RENEW_KEY, false},
        {EG_ACTION_ACCOUNT_REVOKE_DELEGATIONS, false}, {EG_ACTION_DELEGATION_KEY, false}, {EG_ACTION_POLICY_STATES, false},
    };
    eg_policy *pol = load();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool granted = false;
        for (size_t k = 0; k < pol->role_count; k++) {
            granted = granted || eg_policy_role_grants(&pol->roles[k], eg_str_of(all[i].action), all[i].data);
        }
        if (!granted) {
            fail_msg("no role grants %s", all[i].action);
        }
    }
    eg_policy_unref(pol);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot),
        cmocka_unit_test(unknown_groups_are_no_groups_to_rely_on),
        cmocka_unit_test(explained),
        cmocka_unit_test(actions_have_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

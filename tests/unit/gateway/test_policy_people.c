/* Who may change policies, and how: tickets, a second person, rights at each scope, eligibility and activation, separated duties, a tenant's share.
 * covers: policy_pending.c policy_rights.c policy_activation.c policy_share.c; of policies/: duties.c policy_room.c */
#include "policy_store_bench.h"

static void a_ticket_is_owed_when_it_is_asked_for(void **state) {
    (void)state;
    bench b;
    char text[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.require_ticket = true;
    open_with(&b, &o);
    const eg_policy_put put = {EG_POLICY_ASSIGNMENTS, eg_str_of(assignment(text, "one", ALICE, "Reader", SCOPE)), NULL};
    eg_policy_change c = {.by = "test", .puts = &put, .put_count = 1, .ticket = EG_LIT("T-1")};
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_ERR_POLICY_TICKET);
    c.justification = EG_LIT("needed");
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_OK);
    close_bench(&b);
}

static void duties_are_kept_apart(void **state) {
    (void)state;
    bench b;
    char text[1024];
    eg_policy_changed done;
    open_bench(&b);
    grant(&b, "one", ALICE, "Owner");
    grant(&b, "two", BOB, "Owner");
    grant(&b, "three", BOB, "Storage Blob Data Reader"); /* from before: told at once, not undone */
    eg_policy_store_close(b.store);
    eg_policy_store_options o = options_of(&b);
    o.separation_of_duties = true;
    open_with(&b, &o);
    assert_int_equal(put_as(&b, NULL, assignment(text, "four", ALICE, "Storage Blob Data Reader", SCOPE), &done), EG_ERR_POLICY_DUTIES);
    assert_int_equal(put_as(&b, NULL, assignment(text, "four", CAROL, "Storage Blob Data Reader", SCOPE), &done), EG_OK);
    assert_int_equal(put_as(&b, NULL, assignment(text, "five", CAROL, "User Access Administrator", SCOPE), &done), EG_ERR_POLICY_DUTIES);
    close_bench(&b);
}

static void a_second_person_approves(void **state) {
    (void)state;
    bench b;
    char text[1024], id[EG_UUID_LEN];
    eg_problem p = {0};
    eg_policy_changed done;
    const eg_principal alice = person(ALICE), bob = person(BOB), carol = person(CAROL);
    open_bench(&b);
    grant(&b, "one", ALICE, "Owner");
    grant(&b, "two", BOB, "User Access Administrator");
    eg_policy_store_close(b.store);
    eg_policy_store_options o = options_of(&b);
    o.two_person = true;
    open_with(&b, &o);
    assert_int_equal(put_as(&b, &alice, assignment(text, "three", CAROL, "Reader", SCOPE), &done), EG_OK);
    assert_int_equal(done.version, 2);
    assert_true(eg_uuid_valid(eg_str_of(done.pending)));
    memcpy(id, done.pending, sizeof id);
    assert_false(may_read(b.store, CAROL));
    EG_JSON_AUTO list = NULL;
    assert_int_equal(eg_policy_store_pending(b.store, &list), EG_OK);
    assert_int_equal(json_array_size(list), 1);
    /* Not oneself, not nobody, not somebody without the right. */
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(id), &alice, NULL, &done, &p), EG_ERR_POLICY_SECOND_PERSON);
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(id), NULL, NULL, &done, &p), EG_ERR_POLICY_SECOND_PERSON);
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(id), &carol, NULL, &done, &p), EG_ERR_DENIED_ROLE);
    assert_int_equal(eg_policy_store_reject(b.store, eg_str_of(id), &carol, NULL, &p), EG_ERR_DENIED_ROLE);
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(id), &bob, NULL, &done, &p), EG_OK);
    assert_int_equal(done.version, 3);
    assert_true(may_read(b.store, CAROL));
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(id), &bob, NULL, &done, &p), EG_ERR_NOT_FOUND);
    EG_JSON_AUTO third = NULL;
    assert_int_equal(eg_policy_store_show(b.store, 3, &third, &p), EG_OK);
    assert_true(eg_str_is(eg_json_str(json_object_get(third, "author"), "oid"), ALICE));
    assert_true(eg_str_is(eg_json_str(json_object_get(third, "approver"), "oid"), BOB));
    /* What was proposed on a version that is no longer in force is approved by nobody; what nobody looks at, expires. */
    eg_policy_changed stale;
    assert_int_equal(put_as(&b, &alice, assignment(text, "four", CAROL, "Contributor", SCOPE), &stale), EG_OK);
    assert_int_equal(put_as(&b, &alice, assignment(text, "five", CAROL, "Owner", SCOPE), &done), EG_OK);
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(done.pending), &bob, NULL, &done, &p), EG_OK);
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(stale.pending), &bob, NULL, &done, &p), EG_ERR_POLICY_VERSION);
    assert_int_equal(eg_policy_store_reject(b.store, eg_str_of(stale.pending), &alice, NULL, &p), EG_OK);
    assert_int_equal(put_as(&b, &alice, assignment(text, "six", CAROL, "Contributor", SCOPE), &stale), EG_OK);
    now_ns += (int64_t)8 * 24 * 3600 * 1000000000;
    assert_int_equal(eg_policy_store_approve(b.store, eg_str_of(stale.pending), &bob, NULL, &done, &p), EG_ERR_NOT_FOUND);
    close_bench(&b);
}

static void rights_are_asked_at_each_scope(void **state) {
    (void)state;
    bench b;
    char mine[1024], below[1024], foreign[1024];
    eg_problem p = {0};
    const eg_principal alice = person(ALICE), bob = person(BOB);
    open_bench(&b);
    grant(&b, "one", ALICE, "Owner");
    grant(&b, "two", BOB, "Storage Blob Data Owner");
    const eg_policy_put puts[] = {{EG_POLICY_ASSIGNMENTS, eg_str_of(assignment(mine, "x", CAROL, "Reader", SCOPE)), NULL},
                                  {EG_POLICY_ASSIGNMENTS, eg_str_of(assignment(below, "y", CAROL, "Reader", SCOPE "/resourceGroups/a")), NULL},
                                  {EG_POLICY_ASSIGNMENTS, eg_str_of(assignment(foreign, "z", CAROL, "Reader", "/subscriptions/" OTHER_SUB)), NULL}};
    eg_policy_change c = {.puts = puts, .put_count = 2};
    assert_int_equal(eg_policy_store_may_change(b.store, &alice, &c, &p), EG_OK);
    assert_int_equal(eg_policy_store_may_change(b.store, &bob, &c, &p), EG_ERR_DENIED_ROLE);
    assert_int_equal(eg_policy_store_may_change(b.store, NULL, &c, &p), EG_ERR_DENIED_ROLE);
    c.put_count = 3;
    assert_int_equal(eg_policy_store_may_change(b.store, &alice, &c, &p), EG_ERR_DENIED_ROLE);
    const eg_policy_put role = {EG_POLICY_ROLES, EG_LIT("{\"name\":\"0f0f0f0f-0000-4000-8000-000000000001\",\"properties\":{\"roleName\":\"Mine\",\"permissions\":[{\"actions\":[\"*\"]}],"
                                                        "\"assignableScopes\":[\"" SCOPE "\",\"/\"]}}"), NULL};
    c = (eg_policy_change){.puts = &role, .put_count = 1};
    assert_int_equal(eg_policy_store_may_change(b.store, &alice, &c, &p), EG_ERR_DENIED_ROLE);
    close_bench(&b);
}

static void eligibility(bench *b, const char *who, const char *until) {
    char text[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    snprintf(text, sizeof text, "{\"id\":\"" SCOPE "/providers/Microsoft.Authorization/roleEligibilitySchedules/e1\",\"name\":\"e1\",\"properties\":{\"roleDefinitionId\":\"Contributor\","
                                "\"principalId\":\"%s\",\"principalType\":\"User\",\"scope\":\"" SCOPE "\"%s}}", who, until);
    const eg_policy_put put = {EG_POLICY_ELIGIBLE, eg_str_of(text), NULL};
    const eg_policy_change c = {.by = "test", .puts = &put, .put_count = 1};
    assert_int_equal(eg_policy_store_change(b->store, &c, NULL, &done, &p), EG_OK);
}

static void what_one_is_eligible_for_is_activated(void **state) {
    (void)state;
    bench b;
    eg_problem p = {0};
    const eg_principal alice = person(ALICE), bob = person(BOB);
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    open_bench(&b);
    eligibility(&b, ALICE, "");
    assert_false(may(b.store, ALICE, "Microsoft.HDInsight/clusters/write", false));
    eg_policy_activation a = {.who = &bob, .role = EG_LIT("Contributor"), .scope = EG_LIT(SCOPE), .seconds = 3600, .justification = EG_LIT("on call")};
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_POLICY_NOT_ELIGIBLE);
    a.who = &alice;
    a.role = EG_LIT("Owner");
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_POLICY_NOT_ELIGIBLE);
    a.role = EG_LIT("contributor");
    a.scope = EG_LIT("/subscriptions/" OTHER_SUB);
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_POLICY_NOT_ELIGIBLE);
    a.scope = EG_LIT(SCOPE);
    a.seconds = EG_POLICY_ACTIVATION_MAX_S + 1;
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_INVALID);
    a.seconds = 3600;
    a.justification = EG_LIT("");
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_POLICY_TICKET);
    a.justification = EG_LIT("on call");
    a.name = EG_LIT("0f0f0f0f-0000-4000-8000-00000000000a");
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_OK);
    assert_true(may(b.store, ALICE, "Microsoft.HDInsight/clusters/write", false));
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_EXISTS); /* the name is taken: nobody's schedule is overwritten */
    now_ns += (int64_t)3601 * 1000000000;
    assert_false(may(b.store, ALICE, "Microsoft.HDInsight/clusters/write", false));
    close_bench(&b);
}

static void an_activation_ends_with_its_eligibility(void **state) {
    (void)state;
    bench b;
    eg_problem p = {0};
    const eg_principal alice = person(ALICE);
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    open_bench(&b);
    char until[80], time[EG_RFC3339_LEN];
    eg_time_rfc3339(now_ns + (int64_t)600 * 1000000000, time);
    snprintf(until, sizeof until, ",\"endDateTime\":\"%s\"", time);
    eligibility(&b, ALICE, until);
    const eg_policy_activation a = {.who = &alice, .role = EG_LIT("Contributor"), .scope = EG_LIT(SCOPE), .seconds = 3600, .justification = EG_LIT("on call")};
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_OK);
    assert_non_null(strstr(text.ptr, time));
    now_ns += (int64_t)601 * 1000000000;
    assert_int_equal(eg_policy_store_activate(b.store, &a, NULL, &text, &p), EG_ERR_POLICY_NOT_ELIGIBLE);
    close_bench(&b);
}

/* Alice's tenant has room for three rows; what the operator gives it besides stays, and may become less. */
static void a_tenant_has_its_share(void **state) {
    (void)state;
    bench b;
    char text[1024];
    const eg_principal alice = person(ALICE);
    eg_policy_changed done;
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.tenant_room.rows = 3;
    open_with(&b, &o);
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {"one", "two", "three"};
        assert_int_equal(put_as(&b, &alice, assignment(text, names[i], BOB, "Reader", SCOPE), &done), EG_OK);
    }
    assert_int_equal(put_as(&b, &alice, assignment(text, "four", BOB, "Reader", SCOPE), &done), EG_ERR_LIMIT);
    assert_int_equal(put_as(&b, &alice, assignment(text, "three", CAROL, "Reader", SCOPE), &done), EG_OK);
    assert_int_equal(put_as(&b, NULL, assignment(text, "of-another", BOB, "Reader", "/subscriptions/" OTHER_SUB), &done), EG_OK); /* counts for its own tenant */
    assert_int_equal(put_as(&b, NULL, assignment(text, "four", BOB, "Reader", SCOPE), &done), EG_OK);
    assert_int_equal(put_as(&b, &alice, assignment(text, "five", BOB, "Reader", SCOPE), &done), EG_ERR_LIMIT);
    assert_int_equal(put_as(&b, &alice, assignment(text, "four", CAROL, "Reader", SCOPE), &done), EG_OK);
    close_bench(&b);
}

static eg_err put_kind(bench *b, const eg_principal *author, eg_policy_kind kind, const char *text) {
    eg_problem p = {0};
    eg_policy_changed done;
    const eg_policy_put put = {kind, eg_str_of(text), NULL};
    const eg_policy_change c = {.author = author, .by = "test", .puts = &put, .put_count = 1};
    return eg_policy_store_change(b->store, &c, NULL, &done, &p);
}

static const char *definition(char ret[1024], const char *subscription, int n, const char *like) {
    snprintf(ret, 1024, "{\"id\":\"/subscriptions/%s/providers/Microsoft.Authorization/policyDefinitions/d%d\",\"name\":\"d%d\",\"properties\":{\"mode\":\"All\",\"policyRule\":"
                        "{\"if\":{\"field\":\"name\",\"like\":\"%s\"},\"then\":{\"effect\":\"audit\"}}}}", subscription, n, n, like);
    return ret;
}

static const char *in_force(char ret[1024], const char *subscription, int n) {
    snprintf(ret, 1024, "{\"id\":\"/subscriptions/%s/providers/Microsoft.Authorization/policyAssignments/a%d\",\"name\":\"a%d\",\"properties\":{\"scope\":\"/subscriptions/%s\","
                        "\"policyDefinitionId\":\"/subscriptions/%s/providers/Microsoft.Authorization/policyDefinitions/d%d\"}}", subscription, n, n, subscription, subscription, n);
    return ret;
}

static void roles_have_shares_too(void **state) {
    (void)state;
    bench b;
    char text[1024];
    const eg_principal alice = person(ALICE);
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.tenant_room.roles = 2;
    open_with(&b, &o);
    for (int n = 0; n < 4; n++) {
        const char *sub = n == 3 ? OTHER_SUB : SUB;
        snprintf(text, sizeof text, "{\"id\":\"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-00000000000%d\",\"name\":"
                                    "\"00000000-0000-4000-8000-00000000000%d\",\"properties\":{\"roleName\":\"r%d\",\"assignableScopes\":[\"/subscriptions/%s\"],"
                                    "\"permissions\":[{\"actions\":[\"*/read\"],\"notActions\":[],\"dataActions\":[],\"notDataActions\":[]}]}}", sub, n, n, n, sub);
        assert_int_equal(put_kind(&b, n == 3 ? NULL : &alice, EG_POLICY_ROLES, text), n == 2 ? EG_ERR_LIMIT : EG_OK);
    }
    close_bench(&b);
}

/* Each of them is one that all tenants' policies share. */
static void definitions_have_shares_too(void **state) {
    (void)state;
    bench b;
    char text[1024];
    const eg_principal alice = person(ALICE);
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.tenant_room = (eg_policy_room){.defined = 3, .in_force = 2, .weight = 1000};
    open_with(&b, &o);
    for (int n = 0; n < 3; n++) {
        assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULES, definition(text, SUB, n, n == 1 ? "a-name-of-forty-letters-that-costs-much-*" : "x*")), EG_OK);
    }
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULES, definition(text, SUB, 3, "x*")), EG_ERR_LIMIT);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULES, definition(text, SUB, 2, "y*")), EG_OK);
    assert_int_equal(put_kind(&b, NULL, EG_POLICY_RULES, definition(text, OTHER_SUB, 0, "x*")), EG_OK);
    assert_int_equal(put_kind(&b, NULL, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, OTHER_SUB, 0)), EG_OK);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, SUB, 0)), EG_OK);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, SUB, 1)), EG_OK);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, SUB, 2)), EG_ERR_LIMIT);
    eg_policy_store_close(b.store);
    o.tenant_room = (eg_policy_room){.weight = 300}; /* 8 for each byte of the long pattern is more */
    open_with(&b, &o);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, SUB, 2)), EG_ERR_LIMIT);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULES, definition(text, SUB, 1, "z*")), EG_OK);
    assert_int_equal(put_kind(&b, &alice, EG_POLICY_RULE_ASSIGNMENTS, in_force(text, SUB, 2)), EG_OK);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ticket_is_owed_when_it_is_asked_for, make, drop),
        cmocka_unit_test_setup_teardown(duties_are_kept_apart, make, drop),
        cmocka_unit_test_setup_teardown(a_second_person_approves, make, drop),
        cmocka_unit_test_setup_teardown(rights_are_asked_at_each_scope, make, drop),
        cmocka_unit_test_setup_teardown(what_one_is_eligible_for_is_activated, make, drop),
        cmocka_unit_test_setup_teardown(an_activation_ends_with_its_eligibility, make, drop),
        cmocka_unit_test_setup_teardown(a_tenant_has_its_share, make, drop),
        cmocka_unit_test_setup_teardown(roles_have_shares_too, make, drop),
        cmocka_unit_test_setup_teardown(definitions_have_shares_too, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks the store of policies: one change is one version, in force when it returns, whole after a crash, and back on request.
 * covers: policy_store.c policy_set.c policy_rows.c policy_history.c policy_pending.c policy_rights.c policy_activation.c policy_mirror.c policy_share.c; of policies/: duties.c policy_document.c rows_within.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <embergate/durable_file.h>
#include <embergate/policy_store.h>

#define SUB "5b7e4a6a-0000-4000-8000-000000000001"
#define SCOPE "/subscriptions/" SUB
#define OTHER_SUB "5b7e4a6a-0000-4000-8000-000000000002"
#define ALICE "a11ce000-0000-4000-8000-000000000001"
#define BOB "b0b00000-0000-4000-8000-000000000002"
#define CAROL "ca401000-0000-4000-8000-000000000003"
#define TENANT "c0ff0000-0000-4000-8000-000000000003"
#define OTHER "c0ff0000-0000-4000-8000-000000000004"

static char dir[40];
static int64_t now_ns;
static int64_t tell_wall(void *ctx) { (void)ctx; return now_ns; }
static const eg_clock hands = {tell_wall, tell_wall, NULL};
static const eg_policy_subscription subscriptions[] = {{{SUB, 36}, {TENANT, 36}}, {{OTHER_SUB, 36}, {OTHER, 36}}};

typedef struct bench {
    eg_kv *kv;
    eg_committer *committer;
    eg_policy_store *store;
} bench;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int make(void **state) {
    (void)state;
    now_ns = 1800000000 * (int64_t)1000000000;
    snprintf(dir, sizeof dir, "policy-store-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop(void **state) {
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static eg_policy_store_options options_of(const bench *b) {
    return (eg_policy_store_options){.kv = b->kv, .committer = b->committer, .clock = &hands, .subscriptions = subscriptions, .subscription_count = 2};
}

static void open_kv(bench *b) {
    eg_problem p = {0};
    eg_kv_options o = {.dir = dir, .map_size = 256u << 20};
    assert_int_equal(eg_kv_open(&o, &b->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(b->kv, &b->committer), EG_OK);
}

static void open_with(bench *b, const eg_policy_store_options *o) {
    eg_problem p = {0};
    assert_int_equal(eg_policy_store_open(o, &b->store, &p), EG_OK);
}

static void open_bench(bench *b) {
    open_kv(b);
    eg_policy_store_options o = options_of(b);
    open_with(b, &o);
}

static void close_bench(bench *b) {
    eg_policy_store_close(b->store);
    eg_committer_stop(b->committer);
    eg_kv_close(b->kv);
    *b = (bench){0};
}

static const char *assignment(char ret[1024], const char *name, const char *who, const char *role, const char *scope) {
    snprintf(ret, 1024, "{\"id\":\"%s/providers/Microsoft.Authorization/roleAssignments/%s\",\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\","
                        "\"scope\":\"%s\"}}", scope, name, name, role, who, scope);
    return ret;
}

static eg_principal person(const char *id) {
    eg_principal p = {.refs = 1, .kind = EG_PRINCIPAL_USER, .tenant = TENANT};
    snprintf(p.object_id, sizeof p.object_id, "%s", id);
    return p;
}

static eg_err put_as(bench *b, const eg_principal *author, const char *text, eg_policy_changed *ret) {
    eg_problem p = {0};
    const eg_policy_put put = {EG_POLICY_ASSIGNMENTS, eg_str_of(text), NULL};
    const eg_policy_change c = {.author = author, .by = "test", .ticket = EG_LIT("T-1"), .justification = EG_LIT("because"), .puts = &put, .put_count = 1};
    return eg_policy_store_change(b->store, &c, NULL, ret, &p);
}

static void grant(bench *b, const char *name, const char *who, const char *role) {
    char text[1024];
    eg_policy_changed done;
    assert_int_equal(put_as(b, NULL, assignment(text, name, who, role, SCOPE), &done), EG_OK);
    assert_int_equal(done.changes, 1);
}

static eg_err take_away(bench *b, const char *name, uint64_t expected) {
    char id[300];
    eg_problem p = {0};
    eg_policy_changed done;
    snprintf(id, sizeof id, SCOPE "/providers/microsoft.authorization/RoleAssignments/%s", name);
    const eg_policy_delete d = {EG_POLICY_ASSIGNMENTS, eg_str_of(id)};
    const eg_policy_change c = {.by = "test", .ticket = EG_LIT("T-2"), .justification = EG_LIT("gone"), .deletes = &d, .delete_count = 1, .expected_version = expected};
    return eg_policy_store_change(b->store, &c, NULL, &done, &p);
}

static bool may(eg_policy_store *s, const char *who, const char *action, bool data) {
    eg_principal person_ = person(who);
    eg_access a = {.who = &person_, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(action), .data_action = data, .scope = EG_LIT(SCOPE), .now_ns = now_ns};
    eg_decision d;
    eg_policy *pol = eg_policy_store_snapshot(s);
    eg_policy_decide(pol, &a, &d);
    eg_policy_unref(pol);
    return d.allowed;
}

static bool may_read(eg_policy_store *s, const char *who) { return may(s, who, "Microsoft.HDInsight/clusters/read", false); }

static void a_change_is_in_force_and_stays(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    assert_int_equal(eg_policy_store_version(b.store), 0);
    assert_false(may_read(b.store, ALICE));
    grant(&b, "one", ALICE, "Reader");
    assert_int_equal(eg_policy_store_version(b.store), 1);
    assert_true(may_read(b.store, ALICE));
    close_bench(&b);
    open_bench(&b);
    assert_int_equal(eg_policy_store_version(b.store), 1);
    assert_true(may_read(b.store, ALICE));
    /* Nothing new: no version. */
    char text[1024];
    eg_policy_changed done;
    assert_int_equal(put_as(&b, NULL, assignment(text, "one", ALICE, "Reader", SCOPE), &done), EG_OK);
    assert_int_equal(done.changes, 0);
    assert_int_equal(done.version, 1);
    assert_int_equal(take_away(&b, "one", 0), EG_OK);
    assert_false(may_read(b.store, ALICE));
    assert_int_equal(take_away(&b, "one", 0), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_policy_store_version(b.store), 2);
    close_bench(&b);
}

static void what_is_invalid_changes_nothing(void **state) {
    (void)state;
    bench b;
    char good[1024], bad[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    open_bench(&b);
    assignment(good, "one", ALICE, "Reader", SCOPE);
    assignment(bad, "two", ALICE, "No such role", SCOPE);
    const eg_policy_put puts[] = {{EG_POLICY_ASSIGNMENTS, eg_str_of(good), NULL}, {EG_POLICY_ASSIGNMENTS, eg_str_of(bad), NULL}};
    eg_policy_change c = {.by = "test", .puts = puts, .put_count = 2};
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_ERR_POLICY_INVALID);
    assert_string_equal(p.where, "roleAssignments/two: properties.roleDefinitionId");
    assert_int_equal(eg_policy_store_version(b.store), 0);
    assert_false(may_read(b.store, ALICE));
    const eg_policy_put twice[] = {puts[0], puts[0]};
    c.puts = twice;
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_ERR_POLICY_INVALID);
    const eg_policy_put broken = {EG_POLICY_ASSIGNMENTS, EG_LIT("{\"name\":"), "roleAssignments/x.json"};
    c.puts = &broken;
    c.put_count = 1;
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_ERR_POLICY_INVALID);
    assert_true(eg_str_starts(eg_str_of(p.where), "roleAssignments/x.json"));
    close_bench(&b);
}

static void whoever_is_late_is_told(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    grant(&b, "two", BOB, "Reader");
    assert_int_equal(take_away(&b, "one", 1), EG_ERR_POLICY_VERSION);
    assert_int_equal(take_away(&b, "one", 2), EG_OK);
    close_bench(&b);
}

static void a_dry_run_tells_and_changes_nothing(void **state) {
    (void)state;
    bench b;
    char text[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    EG_CLEANUP(eg_buf_done) eg_buf words;
    eg_buf_init(&words, 65536);
    open_bench(&b);
    const eg_policy_put put = {EG_POLICY_ASSIGNMENTS, eg_str_of(assignment(text, "one", ALICE, "Reader", SCOPE)), NULL};
    const eg_policy_change c = {.by = "test", .puts = &put, .put_count = 1, .dry_run = true, .what_if = &words};
    assert_int_equal(eg_policy_store_change(b.store, &c, NULL, &done, &p), EG_OK);
    assert_int_equal(done.version, 1);
    assert_non_null(strstr(words.ptr, ALICE " gains the role Reader at " SCOPE));
    assert_int_equal(eg_policy_store_version(b.store), 0);
    close_bench(&b);
}

static void history_tells_and_leads_back(void **state) {
    (void)state;
    bench b;
    eg_problem p = {0};
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    grant(&b, "two", BOB, "Reader");
    grant(&b, "two", BOB, "Contributor");
    assert_int_equal(take_away(&b, "one", 0), EG_OK);
    EG_JSON_AUTO all = NULL;
    assert_int_equal(eg_policy_store_history(b.store, 0, 10, &all), EG_OK);
    assert_int_equal(json_array_size(all), 4);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(all, 0), "version")), 4);
    assert_true(eg_str_is(eg_json_str(json_array_get(all, 0), "ticket"), "T-2"));
    EG_JSON_AUTO third = NULL;
    assert_int_equal(eg_policy_store_show(b.store, 3, &third, &p), EG_OK);
    const json_t *change = json_array_get(json_object_get(third, "documents"), 0);
    assert_true(eg_str_is(eg_json_str(json_object_get(json_object_get(change, "before"), "properties"), "roleDefinitionId"), "Reader"));
    assert_true(eg_str_is(eg_json_str(json_object_get(json_object_get(change, "after"), "properties"), "roleDefinitionId"), "Contributor"));
    assert_int_equal(eg_policy_store_show(b.store, 5, &third, &p), EG_ERR_NOT_FOUND);
    EG_JSON_AUTO back = NULL;
    assert_int_equal(eg_policy_store_way_back(b.store, 1, &back, &p), EG_OK);
    assert_int_equal(json_array_size(json_object_get(back, "puts")), 1);
    assert_int_equal(json_array_size(json_object_get(back, "deletes")), 1);
    assert_int_equal(eg_policy_store_way_back(b.store, 9, &back, &p), EG_ERR_NOT_FOUND);
    close_bench(&b);
}

static void documents_are_read_by_id(void **state) {
    (void)state;
    bench b;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    assert_int_equal(eg_policy_store_get(b.store, EG_POLICY_ASSIGNMENTS, EG_LIT(SCOPE "/PROVIDERS/Microsoft.Authorization/roleAssignments/ONE"), &text), EG_OK);
    assert_non_null(strstr(text.ptr, ALICE));
    assert_int_equal(eg_policy_store_get(b.store, EG_POLICY_DENIES, EG_LIT(SCOPE "/PROVIDERS/Microsoft.Authorization/roleAssignments/ONE"), &text), EG_ERR_NOT_FOUND);
    close_bench(&b);
}

static void files_refuse_other_writers(void **state) {
    (void)state;
    bench b;
    char text[1024];
    eg_policy_changed done;
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.files = true;
    open_with(&b, &o);
    assert_int_equal(put_as(&b, NULL, assignment(text, "one", ALICE, "Reader", SCOPE), &done), EG_ERR_POLICY_FILES);
    close_bench(&b);
}

static void write_file(const char *name, const char *text) {
    char path[200];
    eg_problem p = {0};
    snprintf(path, sizeof path, "%s/files/roleAssignments", dir);
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    snprintf(path, sizeof path, "%s/files/roleAssignments/%s", dir, name);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

static void mirror(bench *b) {
    char path[100];
    eg_problem p = {0};
    eg_policy *loaded = NULL;
    snprintf(path, sizeof path, "%s/files", dir);
    assert_int_equal(eg_policy_load(path, 1, &loaded, &p), EG_OK);
    assert_int_equal(eg_policy_store_mirror(b->store, path, loaded, &p), EG_OK);
}

static void a_directory_is_a_version_too(void **state) {
    (void)state;
    bench b;
    char one[1024], list[2200];
    open_kv(&b);
    eg_policy_store_options o = options_of(&b);
    o.files = true;
    open_with(&b, &o);
    write_file("a.json", assignment(one, "one", ALICE, "Reader", SCOPE));
    mirror(&b);
    assert_int_equal(eg_policy_store_version(b.store), 1);
    assert_true(may_read(b.store, ALICE));
    mirror(&b); /* as it was */
    assert_int_equal(eg_policy_store_version(b.store), 1);
    snprintf(list, sizeof list, "{\"value\":[%s]}", assignment(one, "two", BOB, "Reader", SCOPE));
    write_file("a.json", list);
    mirror(&b);
    assert_int_equal(eg_policy_store_version(b.store), 2);
    assert_false(may_read(b.store, ALICE));
    EG_JSON_AUTO second = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_store_show(b.store, 2, &second, &p), EG_OK);
    assert_int_equal(json_array_size(json_object_get(second, "documents")), 2);
    assert_true(eg_str_is(eg_json_str(json_object_get(second, "author"), "by"), "files"));
    close_bench(&b);
    /* The same directory at the next start is the same version, and what was mirrored is what a store goes on with. */
    open_bench(&b);
    assert_int_equal(eg_policy_store_version(b.store), 2);
    assert_true(may_read(b.store, BOB));
    close_bench(&b);
}

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

/* Each version grants one of two exactly: a snapshot that grants both or none would be two versions mixed. */
typedef struct readers {
    eg_policy_store *store;
    atomic_bool stop;
    unsigned mixed, asked;
} readers;

static void *keep_asking(void *arg) {
    readers *r = arg;
    const eg_principal alice = person(ALICE), bob = person(BOB);
    while (!atomic_load(&r->stop)) {
        eg_decision one, two;
        eg_access a = {.who = &alice, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT("Microsoft.HDInsight/clusters/read"), .scope = EG_LIT(SCOPE), .now_ns = 1};
        eg_policy *pol = eg_policy_store_snapshot(r->store);
        eg_policy_decide(pol, &a, &one);
        a.who = &bob;
        eg_policy_decide(pol, &a, &two);
        const uint64_t version = eg_policy_version(pol);
        eg_policy_unref(pol);
        r->mixed += one.allowed == two.allowed || one.policy_version != version || two.policy_version != version;
        r->asked++;
    }
    return NULL;
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
    o.tenant_rows = 3;
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

/* A policy that was replaced lasts for as long as somebody asks it, however many came after it, and is freed by the sweep, not by who asked last. */
static void replaced_ones_last(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    eg_policy *asked = eg_policy_store_snapshot(b.store);
    const uint64_t version = eg_policy_version(asked);
    for (int i = 0; i < 20; i++) { /* more than are kept for the sweep */
        grant(&b, "two", i % 2 ? ALICE : BOB, "Reader");
    }
    eg_policy_store_sweep(b.store);
    eg_policy_store_sweep(b.store);
    assert_int_equal(eg_policy_version(asked), version);
    assert_true(eg_policy_is_shared(asked)); /* the store still has it, and lets go of it last */
    eg_policy *last = eg_policy_ref(asked);
    eg_policy_unref(asked);
    assert_true(eg_policy_is_shared(last));
    eg_policy_unref(last);
    eg_policy_store_sweep(b.store);
    for (int i = 0; i < 3; i++) {
        grant(&b, "three", i % 2 ? BOB : ALICE, "Reader");
    }
    close_bench(&b);
}

/* A role, upon which all assignments are held against it, and a security group, upon which the networks are. */
static void put_role_and_group(bench *b, int turn) {
    char role[1024], group[1024];
    eg_problem p = {0};
    eg_policy_changed done;
    snprintf(role, sizeof role, "{\"name\":\"11111111-1111-4111-8111-111111111111\",\"properties\":{\"roleName\":\"Turn\",\"type\":\"CustomRole\",\"description\":\"%d\","
                                "\"permissions\":[{\"actions\":[\"*/read\"]}],\"assignableScopes\":[\"" SCOPE "\"]}}", turn);
    snprintf(group, sizeof group, "{\"id\":\"" SCOPE "/resourceGroups/lab/providers/Microsoft.Network/networkSecurityGroups/g\",\"name\":\"g\",\"properties\":{\"securityRules\":[{\"name\":\"r\","
                                  "\"properties\":{\"priority\":%d,\"direction\":\"Inbound\",\"access\":\"Deny\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"192.0.2.1\",\"sourcePortRange\":\"*\","
                                  "\"destinationAddressPrefix\":\"*\",\"destinationPortRange\":\"443\"}}]}}", 100 + turn);
    const eg_policy_put puts[] = {{EG_POLICY_ROLES, eg_str_of(role), NULL}, {EG_POLICY_GROUPS, eg_str_of(group), NULL}};
    const eg_policy_change both = {.by = "test", .puts = puts, .put_count = 2}, one = {.by = "test", .puts = puts + 1, .put_count = 1};
    if (eg_policy_store_change(b->store, turn % 3 ? &both : &one, NULL, &done, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
}

static void digest_in_force(bench *b, uint8_t ret[EG_SHA256_LEN]) {
    eg_policy *pol = eg_policy_store_snapshot(b->store);
    eg_policy_digest(pol, ret);
    eg_policy_unref(pol);
}

static void swaps_never_mix(void **state) {
    (void)state;
    bench b;
    open_bench(&b);
    grant(&b, "one", ALICE, "Reader");
    readers r[3] = {{.store = b.store}, {.store = b.store}, {.store = b.store}};
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &r[i]), 0);
    }
    for (int i = 0, turn = 0; i < 300; i++) { /* more than are made one upon the other before all is read again */
        if (i % 20 == 7) {
            put_role_and_group(&b, i);
        } else {
            grant(&b, "one", turn++ % 2 ? ALICE : BOB, "Reader");
        }
        if (i % 3 == 0) {
            eg_policy_store_sweep(b.store);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&r[i].stop, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(r[i].mixed, 0);
    }
    /* What was made change by change is what the documents say. */
    uint8_t changed[EG_SHA256_LEN], read[EG_SHA256_LEN];
    digest_in_force(&b, changed);
    close_bench(&b);
    open_bench(&b);
    digest_in_force(&b, read);
    assert_memory_equal(changed, read, sizeof read);
    close_bench(&b);
}

/* A child makes change after change and is killed; the next open has a whole version: the documents are those that its number stands for. */
static void a_kill_leaves_a_whole_version(void **state) {
    (void)state;
    for (int round = 0; round < 6; round++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bench b;
            open_bench(&b);
            for (;;) {
                char text[1024];
                eg_policy_changed done;
                const bool odd = eg_policy_store_version(b.store) % 2 == 1; /* version n: n odd = alice's, even = bob's */
                if (put_as(&b, NULL, assignment(text, "one", odd ? BOB : ALICE, "Reader", SCOPE), &done) != EG_OK) {
                    _exit(1);
                }
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000 + round * 7000000}, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        bench b;
        open_bench(&b);
        const uint64_t version = eg_policy_store_version(b.store);
        assert_int_equal(may_read(b.store, ALICE), version % 2 == 1);
        assert_int_equal(may_read(b.store, BOB), version > 0 && version % 2 == 0);
        EG_JSON_AUTO all = NULL;
        assert_int_equal(eg_policy_store_history(b.store, 0, 1000, &all), EG_OK);
        assert_int_equal(json_array_size(all), version < 1000 ? version : 1000);
        close_bench(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_is_in_force_and_stays, make, drop),
        cmocka_unit_test_setup_teardown(what_is_invalid_changes_nothing, make, drop),
        cmocka_unit_test_setup_teardown(whoever_is_late_is_told, make, drop),
        cmocka_unit_test_setup_teardown(a_dry_run_tells_and_changes_nothing, make, drop),
        cmocka_unit_test_setup_teardown(history_tells_and_leads_back, make, drop),
        cmocka_unit_test_setup_teardown(documents_are_read_by_id, make, drop),
        cmocka_unit_test_setup_teardown(files_refuse_other_writers, make, drop),
        cmocka_unit_test_setup_teardown(a_directory_is_a_version_too, make, drop),
        cmocka_unit_test_setup_teardown(a_ticket_is_owed_when_it_is_asked_for, make, drop),
        cmocka_unit_test_setup_teardown(duties_are_kept_apart, make, drop),
        cmocka_unit_test_setup_teardown(a_second_person_approves, make, drop),
        cmocka_unit_test_setup_teardown(rights_are_asked_at_each_scope, make, drop),
        cmocka_unit_test_setup_teardown(what_one_is_eligible_for_is_activated, make, drop),
        cmocka_unit_test_setup_teardown(an_activation_ends_with_its_eligibility, make, drop),
        cmocka_unit_test_setup_teardown(a_tenant_has_its_share, make, drop),
        cmocka_unit_test_setup_teardown(replaced_ones_last, make, drop),
                                       cmocka_unit_test_setup_teardown(swaps_never_mix, make, drop),
        cmocka_unit_test_setup_teardown(a_kill_leaves_a_whole_version, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Checks the store of policies: one change is one version, in force when it returns, and back on request; a directory of files is a version too.
 * covers: policy_store.c policy_set.c policy_rows.c policy_history.c policy_mirror.c; of policies/: policy_document.c */
#include "policy_store_bench.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <embergate/durable_file.h>

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

static unsigned rests;
static int64_t no_time(void *ctx) { (void)ctx; return 0; }
static void count_rest(void *ctx, int64_t ns) {
    (void)ctx;
    (void)ns;
    rests++;
}

/* At a pace that rests whenever it is asked: reading and taking over both ask it. */
static void mirror(bench *b) {
    char path[100];
    eg_problem p = {0};
    eg_policy *loaded = NULL;
    eg_pace pace = {.rest_ns = 1, .rests_ns = INT64_MAX, .mono_ns = no_time, .rest = count_rest};
    snprintf(path, sizeof path, "%s/files", dir);
    rests = 0;
    assert_int_equal(eg_policy_load_paced(path, 1, &pace, &loaded, &p), EG_OK);
    const unsigned by_reading = rests;
    assert_true(by_reading > 0);
    const uint64_t before = eg_policy_store_version(b->store);
    assert_int_equal(eg_policy_store_mirror(b->store, path, loaded, &pace, &p), EG_OK);
    assert_int_equal(rests > by_reading, eg_policy_store_version(b->store) > before); /* what is in the store already isn't read again */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

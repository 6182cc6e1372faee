/* Checks that a change of the policy directory is in force soon, and that a broken one never is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/policy_watch.h"

#include <embergate/durable_file.h>

#define SCOPE "/subscriptions/5b7e4a6a-0000-4000-8000-000000000001"
#define WHO "a11ce000-0000-4000-8000-000000000001"
#define TENANT "c0ff0000-0000-4000-8000-000000000003"

static char dir[32];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int make(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "watch-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop(void **state) {
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *text) {
    char folder[64], path[96];
    eg_problem p = {0};
    snprintf(folder, sizeof folder, "%s/roleAssignments", dir);
    snprintf(path, sizeof path, "%s/a.json", folder);
    assert_int_equal(eg_dir_make(folder, 0700, &p), EG_OK);
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

static const char reader[] = "{\"name\":\"one\",\"properties\":{\"roleDefinitionId\":\"Reader\",\"principalId\":\"" WHO "\",\"scope\":\"" SCOPE "\"}}";

static bool may(eg_policy_watch *w, uint64_t *ret_version) {
    eg_principal who = {.refs = 1, .kind = EG_PRINCIPAL_USER, .tenant = TENANT, .object_id = WHO};
    eg_access a = {.who = &who, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT("Microsoft.HDInsight/clusters/read"), .scope = EG_LIT(SCOPE)};
    eg_decision d;
    eg_policy *pol = eg_policy_watch_get(w);
    eg_policy_decide(pol, &a, &d);
    *ret_version = eg_policy_version(pol);
    eg_policy_unref(pol);
    return d.allowed;
}

/* Half a second is promised; a loaded machine gets more before the test fails. */
static bool becomes(eg_policy_watch *w, bool owed) {
    uint64_t version;
    for (int i = 0; i < 250; i++) {
        if (may(w, &version) == owed) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

static bool becomes_state(eg_policy_watch *w, eg_err owed) {
    for (int i = 0; i < 250; i++) {
        if (eg_policy_watch_state(w, NULL) == owed) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

static void reloads(void **state) {
    (void)state;
    eg_policy_watch *w = NULL;
    eg_problem p = {0};
    uint64_t first, second, third;
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system, .poll_ms = 20}, &w, &p), EG_OK);
    assert_false(may(w, &first));
    put(reader);
    assert_true(becomes(w, true));
    assert_true(may(w, &second));
    assert_int_equal(second, first + 1);
    /* Broken: the old stays in force, and the problem is told. */
    put("{\"name\":\n \"a\",\n \"unheard\": 1}");
    assert_true(becomes_state(w, EG_ERR_POLICY_INVALID));
    eg_policy_watch_state(w, &p);
    assert_true(eg_str_starts(eg_str_of(p.where), "roleAssignments/a.json:3: unheard"));
    put("{\"name\":");
    assert_true(becomes_state(w, EG_ERR_POLICY_INVALID));
    assert_true(may(w, &third));
    assert_int_equal(third, second);
    /* Mended with the same text as before: the same decisions, the same version. */
    put(reader);
    assert_true(becomes_state(w, EG_OK));
    assert_true(may(w, &third));
    assert_int_equal(third, second);
    put("{\"value\":[]}");
    assert_true(becomes(w, false));
    eg_policy_watch_stop(w);
}

/* Two changes of equal length within one tick of the file system's clock. */
static void quick_changes_are_seen(void **state) {
    (void)state;
    eg_policy_watch *w = NULL;
    eg_problem p = {0};
    char other[sizeof reader];
    memcpy(other, reader, sizeof reader);
    memcpy(strstr(other, WHO), "b", 1);
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system, .poll_ms = 1}, &w, &p), EG_OK);
    for (int i = 0; i < 20; i++) {
        put(other);
        put(reader);
        assert_true(becomes(w, true));
        put(reader);
        put(other);
        assert_true(becomes(w, false));
    }
    eg_policy_watch_stop(w);
}

/* Who asks it to look is answered when what lay there is in force: no waiting behind it. */
static void looks_when_asked(void **state) {
    (void)state;
    eg_policy_watch *w = NULL;
    eg_problem p = {0};
    uint64_t version;
    char other[sizeof reader];
    memcpy(other, reader, sizeof reader);
    memcpy(strstr(other, WHO), "b", 1);
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system, .poll_ms = 3600000}, &w, &p), EG_OK);
    for (int i = 0; i < 20; i++) {
        put(reader);
        assert_int_equal(eg_policy_watch_look(w, 60000, &p), EG_OK);
        assert_true(may(w, &version));
        put(other);
        assert_int_equal(eg_policy_watch_look(w, 60000, &p), EG_OK);
        assert_false(may(w, &version));
    }
    put("{\"name\":");
    assert_int_equal(eg_policy_watch_look(w, 60000, &p), EG_ERR_POLICY_INVALID);
    assert_true(eg_str_starts(eg_str_of(p.where), "roleAssignments/a.json"));
    put(reader);
    assert_int_equal(eg_policy_watch_look(w, 60000, &p), EG_OK);
    assert_true(may(w, &version));
    eg_policy_watch_stop(w);
}

static void first_load_must_succeed(void **state) {
    (void)state;
    eg_policy_watch *w = NULL;
    eg_problem p = {0};
    put("{");
    assert_int_equal(eg_policy_watch_start(&(eg_policy_watch_options){.dir = dir, .clock = &eg_clock_system}, &w, &p), EG_ERR_POLICY_INVALID);
    assert_null(w);
    eg_policy_watch_stop(NULL);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {IN_DIR(reloads), IN_DIR(quick_changes_are_seen), IN_DIR(looks_when_asked), IN_DIR(first_load_must_succeed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

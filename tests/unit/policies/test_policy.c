/* Checks how a policy directory is read: what lies in the wrong place is refused, never overlooked, and a refusal names file, line and key. covers: policy_line.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_text.h"

#include <embergate/durable_file.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "policy-test-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int make(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "policy-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop(void **state) {
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text) {
    char path[300];
    eg_problem p = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(eg_dir_make(path, 0700, &p), EG_OK);
    *slash = '/';
    assert_int_equal(eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), &p), EG_OK);
}

static void loads(eg_err owed, const char *where) {
    eg_policy *pol = NULL;
    eg_problem p = {0};
    eg_err e = eg_policy_load(dir, 3, &pol, &p);
    if (e != owed || (where && !strstr(p.where, where))) {
        fail_msg("%s: %s at \"%s\"", eg_err_code(e), p.message, p.where);
    }
    eg_policy_unref(pol);
}

static void whole_directory(void **state) {
    (void)state;
    put("roleDefinitions/night.json", role_text);
    put("roleAssignments/alice.json", assignment_text);
    put("networkSecurityGroups/front.json", group_text);
    put("virtualNetworks/lab.json", vnet_text);
    put("README.md", "people may write here");
    put("roleAssignments/alice.json~", "{ an editor's copy");
    put("roleAssignments/.alice.json.swp", "{ another");
    put("roleAssignments/alice.json.new", "{ being written");
    loads(EG_OK, NULL);
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_load(dir, 3, &pol, &p), EG_OK);
    eg_policy *again = eg_policy_ref(pol);
    eg_policy_unref(pol);
    assert_int_equal(eg_policy_version(again), 3);
    eg_principal *who = person(TENANT, ALICE);
    eg_access a = {.who = who, .resource_tenant = EG_LIT(TENANT), .action = EG_LIT("Microsoft.HDInsight/clusters/read"), .scope = EG_LIT(CLUSTER)};
    eg_decision d;
    eg_policy_decide(again, &a, &d);
    assert_true(d.allowed);
    eg_principal_unref(who);
    eg_policy_unref(again);
}

static void empty_directory_denies(void **state) {
    (void)state;
    loads(EG_OK, NULL);
}

static void wrong_places(void **state) {
    (void)state;
    put("denyAssignments/a.json", "{}");
    loads(EG_ERR_POLICY_INVALID, "denyAssignments");
    assert_int_equal(drop(NULL), 0);
    assert_int_equal(make(NULL), 0);
    put("alice.json", assignment_text);
    loads(EG_ERR_POLICY_INVALID, "alice.json");
    assert_int_equal(drop(NULL), 0);
    assert_int_equal(make(NULL), 0);
    put("roleAssignments/more/alice.json", assignment_text);
    loads(EG_ERR_POLICY_INVALID, "roleAssignments/more");
}

static void links(void **state) {
    (void)state;
    char to[300], from[300];
    put("elsewhere.txt", "{\"value\":[]}");
    put("roleAssignments/a.json", "{\"value\":[]}");
    snprintf(to, sizeof to, "../elsewhere.txt");
    snprintf(from, sizeof from, "%s/roleAssignments/b.json", dir);
    assert_int_equal(symlink(to, from), 0);
    loads(EG_ERR_POLICY_INVALID, "roleAssignments/b.json");
}

static void too_large(void **state) {
    (void)state;
    size_t n = EG_POLICY_FILE_BYTES_MAX + 1;
    char *text = test_malloc(n + 1);
    memset(text, ' ', n);
    text[n] = '\0';
    put("roleAssignments/a.json", text);
    loads(EG_ERR_POLICY_INVALID, "roleAssignments/a.json");
    test_free(text);
}

static void one_bad_file_refuses_all(void **state) {
    (void)state;
    put("roleDefinitions/night.json", role_text);
    put("roleAssignments/alice.json", assignment_text);
    put("roleAssignments/half.json", "{\"id\":");
    loads(EG_ERR_POLICY_INVALID, "roleAssignments/half.json");
}

/* The line of the key, or of what it is missing in; of what is no JSON the message has the line. */
static void a_refusal_names_the_line(void **state) {
    (void)state;
    static const struct { const char *text, *where; } rows[] = {
        {"{\"value\": [\n {\"name\": \"a\",\n  \"properties\": {\"roleDefinitionId\": \"Reader\",\n   \"principalId\": \"nobody\",\n   \"scope\": \"" SUB "\"}}]}",
         "roleAssignments/a.json:4: value[0].properties.principalId"},
        {"{\"value\": [\n {\"name\": \"a\\\"]\",\n  \"properties\": {\"roleDefinitionId\": \"Reader\",\n   \"scope\": \"" SUB "\"}}]}", "roleAssignments/a.json:3: value[0].properties.principalId"},
        {"\n\n{\"name\": \"a\", \"unheard\": [1, {\"x\": 2}],\n \"properties\": 5}", "roleAssignments/a.json:3: unheard"},
        {"{\"name\": \"a\",\n \"properties\": 5}", "roleAssignments/a.json:2: properties"},
        {"{\"name\": \"a\",,}", "roleAssignments/a.json: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put("roleAssignments/a.json", rows[i].text);
        loads(EG_ERR_POLICY_INVALID, rows[i].where);
    }
}

static void absent(void **state) {
    (void)state;
    eg_policy *pol = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_policy_load("no-such-directory", 1, &pol, &p), EG_ERR_POLICY_INVALID);
    assert_null(pol);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(whole_directory), IN_DIR(empty_directory_denies), IN_DIR(wrong_places), IN_DIR(links), IN_DIR(too_large), IN_DIR(one_bad_file_refuses_all), IN_DIR(a_refusal_names_the_line),
        cmocka_unit_test(absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

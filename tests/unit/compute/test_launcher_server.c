/* What the launcher refuses, each by its code: it believes no path, user or name from a message. covers: launcher_client.c launcher_program.c */
#include "launcher_fixture.h"

static eg_err start_file(fixture *f, const char *file) {
    eg_problem p = {0};
    eg_launch_spec s = {.cluster = "spark", .kind = EG_RUNNER_BATCH, .id = "1", .log_key = {f->key, sizeof f->key}, .file = eg_str_of(file)};
    return eg_launcher_start(f->client, &s, &p);
}

static void test_files(void **state) {
    fixture *f = *state;
    char path[512], other[512];
    snprintf(other, sizeof other, "%s/secret.sh", f->dir);
    fixture_write(other, "exit 0\n", 0644);
    snprintf(path, sizeof path, "%s/link.sh", f->jobs);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(start_file(f, other), EG_ERR_FILE_REFUSED);
    assert_int_equal(start_file(f, path), EG_ERR_FILE_REFUSED);
    snprintf(path, sizeof path, "%s/../secret.sh", f->jobs);
    assert_int_equal(start_file(f, path), EG_ERR_FILE_REFUSED);
    snprintf(path, sizeof path, "%s/absent.sh", f->jobs);
    assert_int_equal(start_file(f, path), EG_ERR_FILE_REFUSED);
    assert_int_equal(start_file(f, f->jobs), EG_ERR_FILE_REFUSED);
    snprintf(path, sizeof path, "%s-other/x.sh", f->jobs);
    assert_int_equal(start_file(f, path), EG_ERR_FILE_REFUSED);
    assert_int_equal(start_file(f, "--conf"), EG_ERR_FILE_REFUSED);
    assert_int_equal(start_file(f, "https://elsewhere.example/x.py"), EG_ERR_FILE_REFUSED);
    assert_int_equal(start_file(f, ""), EG_ERR_FILE_REFUSED);
    assert_int_equal(fixture_look(f, "1").state, EG_RUNNER_ABSENT);
}

static void test_names(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    assert_int_equal(eg_launcher_ensure(f->client, "other", &p), EG_ERR_CLUSTER_NOT_FOUND);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "../1", EG_LAUNCH_STOP_NOW, &p), EG_ERR_INVALID);
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, "", &p), EG_ERR_INVALID);
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_KIND_COUNT, "1", &p), EG_ERR_INVALID);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "1", (eg_launch_stop)9, &p), EG_ERR_INVALID);
    eg_runner_status s;
    eg_runner_ref ref = fixture_ref(f, "..");
    assert_int_equal(eg_runner_look(&ref, &s, &p), EG_ERR_INVALID);
}

static void test_fields(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_launch_spec s = {.cluster = "spark", .kind = EG_RUNNER_BATCH, .id = "1", .log_key = {f->key, 16}, .file = EG_LIT("abfss://c@a.b/x.py")};
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_LIMIT);
    s.log_key.len = sizeof f->key;
    s.main_class = EG_LIT("a;b");
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_INVALID);
    s.main_class = (eg_str){0};
    static uint8_t big[EG_LAUNCH_CREDENTIAL_MAX + 1];
    s.credential = (eg_bytes){big, sizeof big};
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_LIMIT);
    s.credential = (eg_bytes){0};
    eg_str arg = {"a\0b", 3};
    s.args = &arg;
    s.arg_count = 1;
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_INVALID);
    static char long_arg[EG_LAUNCH_ARGS_BYTES_MAX + 1];
    memset(long_arg, 'x', sizeof long_arg);
    arg = (eg_str){long_arg, sizeof long_arg};
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_LIMIT);
    s.kind = EG_RUNNER_MASTER;
    s.arg_count = 0;
    assert_int_equal(eg_launcher_start(f->client, &s, &p), EG_ERR_INVALID); /* no port */
}

/* Directories that somebody could have put in our way are not taken. */
static void test_directories(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    char path[512], away[512];
    struct stat st;
    snprintf(path, sizeof path, "%s/spark/run", f->clusters);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0751);
    assert_int_equal(st.st_uid, geteuid());
    snprintf(path, sizeof path, "%s/spark/scratch", f->clusters);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 65534u : geteuid());
    snprintf(away, sizeof away, "%s/elsewhere", f->dir);
    mkdir(away, 0700);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink(away, path), 0);
    assert_int_not_equal(eg_launcher_ensure(f->client, "spark", &p), EG_OK);
    unlink(path);
    assert_int_equal(eg_launcher_ensure(f->client, "spark", &p), EG_OK);
    assert_int_equal(chmod(f->clusters, 0777), 0);
    assert_int_equal(eg_launcher_ensure(f->client, "spark", &p), EG_ERR_CONFIG);
    chmod(f->clusters, 0711);
}

static void test_away(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    eg_launcher_client *c = eg_launcher_client_new("/nonexistent/launcher.sock");
    assert_int_equal(eg_launcher_ensure(c, "spark", &p), EG_ERR_LAUNCHER);
    eg_launcher_client_free(c);
    (void)f;
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(test_files), T(test_names), T(test_fields), T(test_directories), T(test_away)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

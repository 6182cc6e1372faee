/* Profiles: from a file, overridden by the environment, refused when they are not https. */
#include "cli.h"

#include <embergate/durable_file.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_profile(char path[], const char *text) {
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_file_and_environment(void **state) {
    (void)state;
    char path[] = P_tmpdir "/eg-profile-XXXXXX";
    write_profile(path, "{\"endpoint\":\"https://a:1\",\"tenant\":\"t\",\"client_id\":\"c\",\"client_secret\":\"s\",\"cluster\":\"k\"}");
    eg_profile profile;
    eg_problem p = {0};
    assert_int_equal(eg_profile_load(path, &profile, &p), EG_OK);
    assert_string_equal(profile.endpoint, "https://a:1");
    assert_string_equal(profile.cluster, "k");
    assert_int_equal(setenv("EMBERGATE_CLUSTER", "other", 1), 0);
    assert_int_equal(eg_profile_load(path, &profile, &p), EG_OK);
    assert_string_equal(profile.cluster, "other");
    unsetenv("EMBERGATE_CLUSTER");
    eg_profile_done(&profile);
    assert_string_equal(profile.client_secret, "");
    unlink(path);
}

static void test_refusals(void **state) {
    (void)state;
    eg_profile profile;
    eg_problem p = {0};
    assert_int_equal(eg_profile_load("no-such-file.json", &profile, &p), EG_ERR_NOT_FOUND);
    assert_non_null(strstr(p.hint, "--profile"));
    char http[] = P_tmpdir "/eg-profile-XXXXXX", broken[] = P_tmpdir "/eg-profile-XXXXXX";
    write_profile(http, "{\"endpoint\":\"http://a:1\"}");
    assert_int_equal(eg_profile_load(http, &profile, &p), EG_ERR_INVALID);
    write_profile(broken, "{\"endpoint\":");
    assert_int_equal(eg_profile_load(broken, &profile, &p), EG_ERR_BODY_JSON);
    unlink(http);
    unlink(broken);
}

static void test_saved(void **state) {
    (void)state;
    char path[] = P_tmpdir "/eg-profile-XXXXXX";
    write_profile(path, "{\"endpoint\":\"https://a:1\",\"client_secret\":\"s\",\"subscription\":\"kept\"}");
    eg_profile profile;
    eg_problem p = {0};
    assert_int_equal(eg_profile_load_any(path, &profile, &p), EG_OK);
    assert_int_equal(eg_profile_set(&profile, "authority", "https://i", &p), EG_OK);
    assert_int_equal(eg_profile_set(&profile, "no_such_field", "x", &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_profile_set(&profile, "client_secret", "from stdin", &p), EG_OK);
    assert_int_equal(eg_profile_save(&profile, (const char *const[]){"authority", NULL}, &p), EG_OK);
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 4096);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 4096, &text, &p), EG_OK);
    assert_true(eg_str_is(eg_buf_str(&text), "{\"endpoint\":\"https://a:1\",\"client_secret\":\"s\",\"subscription\":\"kept\",\"authority\":\"https://i\"}"));
    unlink(path);
    assert_int_equal(eg_profile_load_any(path, &profile, &p), EG_OK);
    assert_int_equal(eg_profile_check(&profile, &p), EG_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file_and_environment), cmocka_unit_test(test_refusals), cmocka_unit_test(test_saved)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

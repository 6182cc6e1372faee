/* A session survives as written, is nobody else's to read, and is held by one process at a time. */
#include "sign_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "eg-sessions-XXXXXX";
static char path[64];
static eg_profile profile;

static int set_up(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    assert_int_equal(setenv("EMBERGATE_SESSIONS", path, 1), 0);
    profile = (eg_profile){.path = "p.json", .endpoint = "https://a", .authority = "https://i", .client_id = "c"};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) {
        closedir(d);
    }
    rmdir(path);
    return rmdir(folder);
}

static eg_token_answer an_answer(void) {
    eg_token_answer a = {.expires_in_s = 600};
    eg_problem p = {0};
    assert_int_equal(eg_token_answer_read(200, EG_LIT("{\"token_type\":\"bearer\",\"access_token\":\"at\",\"refresh_token\":\"rt\",\"expires_in\":600}"), &a, &p), EG_OK);
    return a;
}

static void test_round_trip(void **state) {
    (void)state;
    eg_problem p = {0};
    EG_CLEANUP(eg_session_leave) eg_session_place at = {.dir = -1, .lock = -1};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = "ada"}, back = {.name = ""};
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = an_answer();
    assert_int_equal(eg_session_enter(&profile, false, &at, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(eg_session_enter(&profile, true, &at, &p), EG_OK);
    assert_int_equal(eg_session_load(&at, &back, &p), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_session_take(&s, &profile, EG_CLI_GATEWAY, &a, &p), EG_OK);
    assert_int_equal(eg_session_save(&at, &s, &p), EG_OK);
    assert_int_equal(eg_session_load(&at, &back, &p), EG_OK);
    assert_string_equal(back.name, "ada");
    assert_string_equal(back.refresh.ptr, "rt");
    assert_string_equal(back.access[EG_CLI_STORAGE].token.ptr, "at"); /* one token is good for both */
    assert_true(back.access[EG_CLI_GATEWAY].expires_s > (int64_t)time(NULL) + 500);
    struct stat st;
    assert_int_equal(fstatat(at.dir, at.file, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(eg_session_remove(&at, &p), EG_OK);
    assert_int_equal(eg_session_remove(&at, &p), EG_ERR_NOT_FOUND);
}

static void test_each_has_its_own(void **state) {
    (void)state;
    eg_problem p = {0};
    char first[64];
    eg_session_place at = {.dir = -1, .lock = -1};
    assert_int_equal(eg_session_enter(&profile, true, &at, &p), EG_OK);
    memcpy(first, at.file, sizeof first);
    eg_session_leave(&at);
    char *const parts[] = {profile.path, profile.authority, profile.client_id, profile.endpoint, profile.tenant};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char kept = parts[i][0];
        parts[i][0] = 'x';
        assert_int_equal(eg_session_enter(&profile, true, &at, &p), EG_OK);
        assert_string_not_equal(at.file, first);
        eg_session_leave(&at);
        parts[i][0] = kept;
    }
}

static void test_others_folders_and_files_are_refused(void **state) {
    (void)state;
    eg_problem p = {0};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = "ada"}, back = {.name = ""};
    eg_session_place at = {.dir = -1, .lock = -1};
    assert_int_equal(eg_session_enter(&profile, true, &at, &p), EG_OK);
    assert_int_equal(eg_session_save(&at, &s, &p), EG_OK);
    assert_int_equal(fchmodat(at.dir, at.file, 0640, 0), 0);
    assert_int_equal(eg_session_load(&at, &back, &p), EG_ERR_INVALID);
    assert_int_equal(unlinkat(at.dir, at.file, 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", at.dir, at.file), 0);
    assert_int_equal(eg_session_load(&at, &back, &p), EG_ERR_INVALID);
    assert_int_equal(unlinkat(at.dir, at.file, 0), 0);
    int fd = openat(at.dir, at.file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "{\"v\":2}", 7), 7);
    close(fd);
    assert_int_equal(eg_session_load(&at, &back, &p), EG_ERR_FORMAT_VERSION);
    eg_session_leave(&at);
    assert_int_equal(chmod(path, 0750), 0);
    assert_int_equal(eg_session_enter(&profile, false, &at, &p), EG_ERR_INVALID);
    assert_int_equal(chmod(path, 0700), 0);
}

static void test_one_at_a_time(void **state) {
    (void)state;
    eg_problem p = {0};
    char name[80];
    eg_session_place at = {.dir = -1, .lock = -1};
    assert_int_equal(eg_session_enter(&profile, true, &at, &p), EG_OK);
    (void)snprintf(name, sizeof name, "%s.lock", at.file);
    int fd = openat(at.dir, name, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    eg_session_leave(&at);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_each_has_its_own),
                                       cmocka_unit_test(test_others_folders_and_files_are_refused), cmocka_unit_test(test_one_at_a_time)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

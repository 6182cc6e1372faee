/* The state directory's format check and the lock of its supervisor. */
#include "process/state_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(const char *dir, const char *name, const char *text) {
    char path[EG_STATE_PATH_MAX];
    assert_int_equal(eg_state_path(dir, name, path, NULL), EG_OK);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_all(const char *dir) {
    const char *const names[] = {"FORMAT", "run/supervisor.lock", "run"};
    char path[EG_STATE_PATH_MAX];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)remove(path);
    }
    (void)rmdir(dir);
}

static void test_format(void **state) {
    (void)state;
    char dir[] = "eg-state-XXXXXX";
    eg_problem p = {0};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(eg_state_check(dir, &p), EG_ERR_NOT_FOUND);
    assert_non_null(strstr(p.hint, "embergate init"));
    put(dir, "FORMAT", "2\n");
    assert_int_equal(eg_state_check(dir, &p), EG_ERR_FORMAT_VERSION);
    put(dir, "FORMAT", "1\n");
    assert_int_equal(eg_state_check(dir, &p), EG_OK);
    remove_all(dir);
}

static void test_lock_names_its_holder(void **state) {
    (void)state;
    char dir[] = "eg-state-XXXXXX", path[EG_STATE_PATH_MAX];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(eg_state_path(dir, "run", path, NULL), EG_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    int fd = -1;
    eg_problem p = {0};
    assert_int_equal(eg_state_holder(dir), 0);
    assert_int_equal(eg_state_lock(dir, &fd, &p), EG_OK);
    pid_t other = fork();
    if (other == 0) { /* another process, with an open file description of its own */
        int second = -1;
        char own[32];
        (void)snprintf(own, sizeof own, "(process %d)", (int)getppid());
        eg_err e = eg_state_lock(dir, &second, &p);
        _exit(e == EG_ERR_LOCKED && strstr(p.message, own) && eg_state_holder(dir) == (int)getppid() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(eg_state_holder(dir), 0);
    remove_all(dir);
}

/* A supervisor that was killed: its child holds the lock a little longer, and the next one waits for it. */
static void test_lock_waits_for_orphans(void **state) {
    (void)state;
    char dir[] = "eg-state-XXXXXX", path[EG_STATE_PATH_MAX];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(eg_state_path(dir, "run", path, NULL), EG_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    int fd = -1;
    eg_problem p = {0};
    pid_t supervisor = fork();
    if (supervisor == 0) {
        bool locked = eg_state_lock(dir, &fd, &p) == EG_OK;
        if (locked && fork() == 0) {
            usleep(700000);
            _exit(0);
        }
        _exit(locked ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
    assert_int_equal(status, 0);
    assert_int_equal(eg_state_holder(dir), supervisor);
    assert_int_equal(eg_state_lock(dir, &fd, &p), EG_OK);
    assert_int_equal(eg_state_holder(dir), getpid());
    close(fd);
    remove_all(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_format), cmocka_unit_test(test_lock_names_its_holder),
                                       cmocka_unit_test(test_lock_waits_for_orphans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

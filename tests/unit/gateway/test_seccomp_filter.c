/* The system call filter: threads and files still work, starting a program ends the process. */
#include "process/seccomp_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void *thread_body(void *arg) { return arg; }

static int filtered_child(void (*then)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        bool on = false;
        eg_problem p = {0};
        pthread_t t;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || eg_seccomp_gateway(&on, &p) != EG_OK) {
            _exit(10);
        }
        if (!on) {
            _exit(77);
        }
        if (pthread_create(&t, NULL, thread_body, NULL) != 0 || pthread_join(t, NULL) != 0 || open("/dev/null", O_RDONLY) < 0) {
            _exit(11);
        }
        then();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void nothing(void) {}
static void start_program(void) {
    char name[] = "true";
    char *argv[] = {name, NULL};
    (void)execv("/bin/true", argv);
}
static void new_process(void) {
    if (fork() >= 0) {
        _exit(12);
    }
}
static void trace(void) { (void)ptrace(PTRACE_TRACEME, 0, 0, 0); }

static void test_filter(void **state) {
    (void)state;
    int quiet = filtered_child(nothing);
    if (WIFEXITED(quiet) && WEXITSTATUS(quiet) == 77) {
        skip(); /* the filter is off in builds with sanitizers; ./dev test runs this one in the ordinary build too */
    }
    assert_int_equal(quiet, 0);
    assert_int_equal(WTERMSIG(filtered_child(start_program)), SIGSYS);
    assert_int_equal(WTERMSIG(filtered_child(trace)), SIGSYS);
    assert_int_equal(filtered_child(new_process), 0); /* refused with EPERM */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_filter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

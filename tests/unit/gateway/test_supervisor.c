/* The supervisor restarts what dies and stops all in order. covers: supervisor.c unix_user.c */
#include "process/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Says its pid, and whether it is hardened; then waits to be told to stop. */
static int patient(void *ctx, const atomic_int *stop) {
    int fd = *(int *)ctx;
    struct rlimit core;
    int hardened = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                   getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
    int said[2] = {(int)getpid(), hardened};
    if (write(fd, said, sizeof said) != (ssize_t)sizeof said) {
        return 1;
    }
    while (!atomic_load(stop)) {
        pause_ms(10);
    }
    return 0;
}

static void read_said(int fd, int said[2]) {
    assert_int_equal(read(fd, said, 2 * sizeof(int)), (int)(2 * sizeof(int)));
}

/* A supervisor of one process, as ourselves. */
static pid_t supervised(eg_process *one) {
    const pid_t supervisor = fork();
    if (supervisor == 0) {
        eg_problem p = {0};
        if (eg_unix_user_find("", &one->user, &p) != EG_OK) {
            _exit(3);
        }
        _exit(eg_supervise(one, 1, &p) == EG_OK ? 0 : 2);
    }
    return supervisor;
}

static void test_restarts_and_stops(void **state) {
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    const pid_t supervisor = supervised(&(eg_process){.name = "patient", .run = patient, .ctx = &pipe_fds[1], .log_level = EG_LOG_INFO, .stop_seconds = 5});
    int first[2], second[2];
    read_said(pipe_fds[0], first);
    assert_int_equal(first[1], 1);
    assert_int_equal(kill(first[0], SIGKILL), 0);
    read_said(pipe_fds[0], second);
    assert_int_not_equal(first[0], second[0]);
    assert_int_equal(kill(supervisor, SIGTERM), 0);
    int status = 0;
    assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
    assert_int_equal(status, 0);
    assert_int_equal(kill(second[0], 0), -1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* Hears that it is to stop, and doesn't. */
static int stubborn(void *ctx, const atomic_int *stop) {
    int fd = *(int *)ctx;
    int said[2] = {(int)getpid(), 0};
    (void)stop;
    if (write(fd, said, sizeof said) != (ssize_t)sizeof said) {
        return 1;
    }
    for (;;) {
        pause_ms(10);
    }
}

/* Nobody is left who would kill it: its own alarm does. */
static void test_an_orphan_that_hangs_ends(void **state) {
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    const pid_t supervisor = supervised(&(eg_process){.name = "stubborn", .run = stubborn, .ctx = &pipe_fds[1], .log_level = EG_LOG_INFO, .stop_seconds = 1});
    close(pipe_fds[1]);
    int said[2];
    read_said(pipe_fds[0], said);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
    assert_int_equal(kill(said[0], 0), 0); /* it outlives its supervisor for as long as its alarm lets it */
    struct pollfd ended = {.fd = pipe_fds[0], .events = POLLIN};
    if (poll(&ended, 1, 30000) != 1) {
        (void)kill(said[0], SIGKILL);
        fail_msg("it hangs on");
    }
    char more;
    assert_int_equal(read(pipe_fds[0], &more, 1), 0); /* the end of the pipe is the end of the process */
    close(pipe_fds[0]);
}

static void test_unknown_user(void **state) {
    (void)state;
    eg_unix_user u;
    eg_problem p = {0};
    assert_int_equal(eg_unix_user_find("no-such-user-eg", &u, &p), EG_ERR_NOT_FOUND);
    assert_non_null(strstr(p.hint, "useradd"));
    assert_int_equal(eg_unix_user_ensure("-rf", &p), EG_ERR_INVALID);
    assert_int_equal(eg_unix_user_ensure("a b", &p), EG_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_restarts_and_stops), cmocka_unit_test(test_an_orphan_that_hangs_ends), cmocka_unit_test(test_unknown_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

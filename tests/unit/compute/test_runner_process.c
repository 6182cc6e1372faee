/* What runners promise: the program's output sealed, its end written down, its tree ended, and never a second run. covers: process_tree.c runner_dir.c runner_files.c runner_init.c scratch.c */
#include "launcher_fixture.h"

static void reads_to(fixture *f, const char *id, const char *want) {
    eg_runner_log l;
    fixture_log(f, id, &l);
    assert_non_null(l.lines.ptr);
    assert_string_equal(l.lines.ptr, want);
    eg_runner_log_done(&l);
}

static void test_success(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "echo out $1; echo \"err $2\" >&2; exit 0\n"), EG_OK);
    eg_runner_status s = fixture_wait(f, "1");
    assert_int_equal(s.state, EG_RUNNER_ENDED);
    assert_int_equal(s.exit_code, 0);
    assert_int_equal(s.signal, 0);
    assert_false(s.stopped || s.start_failed || s.log_cut);
    assert_true(s.started_ns > 0 && s.ended_ns > s.started_ns);
    assert_true(s.max_rss_kb > 0);
    reads_to(f, "1", "out first\nerr second word\n");
}

static void test_failure(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "exit 7\n"), EG_OK);
    assert_int_equal(fixture_wait(f, "1").exit_code, 7);
    assert_int_equal(fixture_run(f, "2", "kill -SEGV $$\n"), EG_OK);
    eg_runner_status s = fixture_wait(f, "2");
    assert_int_equal(s.state, EG_RUNNER_ENDED);
    assert_int_equal(s.exit_code, -1);
    assert_int_equal(s.signal, SIGSEGV);
}

static void test_once(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_look(f, "1").state, EG_RUNNER_ABSENT);
    assert_int_equal(fixture_run(f, "1", "echo once\n"), EG_OK);
    fixture_wait(f, "1");
    assert_int_equal(fixture_run(f, "1", "echo twice\n"), EG_ERR_EXISTS);
    reads_to(f, "1", "once\n");
    eg_problem p = {0};
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, "1", &p), EG_OK);
    assert_int_equal(fixture_look(f, "1").state, EG_RUNNER_ABSENT);
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, "1", &p), EG_OK);
}

/* The program sees a clean environment, no descriptor but its own, and a umask; it runs as the cluster's user and can't get more. */
static void test_surroundings(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1",
                                 "echo leaked=$LEAKED; umask; ulimit -c; ls /proc/self/fd | tr '\\n' ' '; echo; id -u; "
                                 "grep NoNewPrivs /proc/self/status | tr '\\t' ' '; cat <&0; pwd\n"),
                     EG_OK);
    fixture_wait(f, "1");
    char want[512];
    snprintf(want, sizeof want, "leaked=\n0077\n0\n0 1 2 3 4 \n%u\nNoNewPrivs: 1\n%s/spark/home\n", geteuid() == 0 ? 65534u : geteuid(), f->clusters);
    reads_to(f, "1", want);
}

static void test_secrets(void **state) {
    fixture *f = *state;
    char script[1024];
    snprintf(script, sizeof script, "cat /proc/self/fd/3; cat %s/spark/run/batch-1/credential; echo; stat -c %%a:%%U %s/spark/run/batch-1/credential; ", f->clusters,
             f->clusters);
    size_t n = strlen(script);
    snprintf(script + n, sizeof script - n, "echo x >/proc/self/fd/3 || echo sealed; cat %s/spark/run/batch-1/log >/dev/null && echo readable; exit 0\n", f->clusters);
    assert_int_equal(fixture_run(f, "1", script), EG_OK);
    fixture_wait(f, "1");
    eg_runner_log l;
    fixture_log(f, "1", &l);
    assert_non_null(strstr(l.lines.ptr, "spark.secret=never-on-disk\ncredential-of-the-job\n600:"));
    assert_non_null(strstr(l.lines.ptr, "sealed\n"));
    if (geteuid() == 0) {
        assert_null(strstr(l.lines.ptr, "readable\n"));
    }
    eg_runner_log_done(&l);
    char path[256], text[65536];
    snprintf(path, sizeof path, "%s/spark/run/batch-1/credential", f->clusters);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    snprintf(path, sizeof path, "%s/spark/run/batch-1/log", f->clusters);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    assert_true(got > 32);
    assert_null(memmem(text, (size_t)got, "never-on-disk", 13));
}

static void test_stop(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    assert_int_equal(fixture_run(f, "1", "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done\n"), EG_OK);
    fixture_log_says(f, "1", "ready");
    assert_int_equal(fixture_look(f, "1").state, EG_RUNNER_RUNNING);
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, "1", &p), EG_ERR_BUSY);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "1", EG_LAUNCH_STOP_GRACEFUL, &p), EG_OK);
    eg_runner_status s = fixture_wait(f, "1");
    assert_int_equal(s.exit_code, 3);
    assert_true(s.stopped);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "1", EG_LAUNCH_STOP_GRACEFUL, &p), EG_OK);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "2", EG_LAUNCH_STOP_GRACEFUL, &p), EG_ERR_NOT_FOUND);
}

static void test_kill_stubborn_tree(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    assert_int_equal(fixture_run(f, "1", "trap '' TERM; setsid sleep 600.0001 & sleep 600.0001\n"), EG_OK);
    assert_true(fixture_counts("600.0001", 2));
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "1", EG_LAUNCH_STOP_NOW, &p), EG_OK);
    eg_runner_status s = fixture_wait(f, "1");
    assert_int_equal(s.signal, SIGKILL);
    assert_true(s.stopped);
    assert_int_equal(fixture_count("600.0001"), 0);
}

/* What the program leaves behind ends with it, also when it made itself a session of its own. */
static void test_orphans_end(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "setsid sh -c 'sleep 600.0002 & sleep 600.0002' & sleep 0.3; echo started; exit 0\n"), EG_OK);
    eg_runner_status s = fixture_wait(f, "1");
    assert_int_equal(s.exit_code, 0);
    fixture_log_says(f, "1", "started");
    assert_int_equal(fixture_count("600.0002"), 0);
}

/* The whole tree goes with a runner that is killed, and the job counts as dead: it is not started again. */
static void test_killed_runner_is_dead(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "setsid sleep 600.0003 & exec sleep 600.0003\n"), EG_OK);
    assert_true(fixture_counts("600.0003", 2));
    eg_runner_status s = fixture_look(f, "1");
    assert_int_equal(s.state, EG_RUNNER_RUNNING);
    assert_true(s.pid > 1);
    assert_int_equal(kill((pid_t)s.pid, SIGKILL), 0);
    s = fixture_wait(f, "1");
    assert_int_equal(s.state, EG_RUNNER_DEAD);
    if (eg_launcher_client_no_private_tmp(f->client)) {
        assert_true(fixture_count("600.0003") <= 1); /* without a namespace only the program itself is tied to its runner */
    } else {
        assert_true(fixture_counts("600.0003", 0));
    }
    assert_int_equal(fixture_run(f, "1", "echo twice\n"), EG_ERR_EXISTS);
}

/* Where the host allows: what a job writes to its temporary directory never reaches the disk, and it sees no other processes. */
static void test_private_world(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "echo in-clear >$TMPDIR/note; cat $TMPDIR/note; ls -d /proc/[0-9]* | wc -l; sleep 1\n"), EG_OK);
    fixture_log_says(f, "1", "in-clear");
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/spark/tmp/note", f->clusters);
    if (!eg_launcher_client_no_private_tmp(f->client)) {
        assert_int_not_equal(stat(path, &st), 0);
    }
    fixture_wait(f, "1");
}

/* Scratch files go with the program that made them; those of a runner that was killed go when it is discarded. Links are not followed. */
static void test_scratch(void **state) {
    fixture *f = *state;
    char path[256], kept[256];
    struct stat st;
    static const char script[] = "mkdir -p $SPARK_LOCAL_DIRS/a/b && echo x >$SPARK_LOCAL_DIRS/a/b/c && ln -s $HOME $SPARK_LOCAL_DIRS/a/home && touch $HOME/kept && echo made\n";
    snprintf(path, sizeof path, "%s/spark/scratch/batch-1", f->clusters);
    snprintf(kept, sizeof kept, "%s/spark/home/kept", f->clusters);
    assert_int_equal(fixture_run(f, "1", script), EG_OK);
    fixture_wait(f, "1");
    fixture_log_says(f, "1", "made");
    assert_int_not_equal(stat(path, &st), 0);
    assert_int_equal(stat(kept, &st), 0);

    char forever[512];
    snprintf(forever, sizeof forever, "%sexec sleep 600.0004\n", script);
    snprintf(path, sizeof path, "%s/spark/scratch/batch-2", f->clusters);
    assert_int_equal(fixture_run(f, "2", forever), EG_OK);
    assert_true(fixture_counts("600.0004", 1));
    assert_int_equal(stat(path, &st), 0);
    kill((pid_t)fixture_look(f, "2").pid, SIGKILL);
    assert_int_equal(fixture_wait(f, "2").state, EG_RUNNER_DEAD);
    eg_problem p = {0};
    assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, "2", &p), EG_OK);
    for (int i = 0; i < 1000 && stat(path, &st) == 0; i++) {
        usleep(10000);
    }
    assert_int_not_equal(stat(path, &st), 0);
    assert_int_equal(stat(kept, &st), 0);
}

/* Runners outlive the launcher, killed or stopped, and a new launcher can end them. */
static void test_launcher_restart(void **state) {
    fixture *f = *state;
    eg_problem p = {0};
    assert_int_equal(fixture_run(f, "1", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done\n"), EG_OK);
    fixture_log_says(f, "1", "ready");
    fixture_launcher_end(f, SIGKILL);
    assert_int_equal(fixture_look(f, "1").state, EG_RUNNER_RUNNING);
    fixture_launcher_start(f);
    assert_int_equal(eg_launcher_stop(f->client, "spark", EG_RUNNER_BATCH, "1", EG_LAUNCH_STOP_GRACEFUL, &p), EG_OK);
    assert_int_equal(fixture_wait(f, "1").exit_code, 4);
}

static void test_program_missing(void **state) {
    fixture *f = *state;
    char path[256];
    snprintf(path, sizeof path, "%s/bin/spark-submit", f->spark);
    unlink(path);
    assert_int_equal(fixture_run(f, "1", "exit 0\n"), EG_ERR_LAUNCHER);
    eg_runner_status s = fixture_wait(f, "1");
    assert_int_equal(s.state, EG_RUNNER_ENDED);
    assert_true(s.start_failed);
    assert_int_equal(s.exit_code, -1);
}

/* Much output neither stops the program nor is lost. */
static void test_much_output(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "seq 1 200000\n"), EG_OK);
    assert_int_equal(fixture_wait(f, "1").exit_code, 0);
    eg_runner_ref ref = fixture_ref(f, "1");
    eg_runner_log l;
    eg_problem p = {0};
    assert_int_equal(eg_runner_log_read(&ref, (eg_bytes){f->key, sizeof f->key}, -1, 2, &l, &p), EG_OK);
    assert_int_equal(l.total, 200000);
    assert_int_equal(l.from, 199998);
    assert_string_equal(l.lines.ptr, "199999\n200000\n");
    eg_runner_log_done(&l);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_success),     T(test_failure),           T(test_once),         T(test_surroundings),          T(test_secrets),
        T(test_stop),        T(test_kill_stubborn_tree), T(test_orphans_end), T(test_killed_runner_is_dead), T(test_private_world), T(test_scratch), T(test_launcher_restart),
        T(test_program_missing), T(test_much_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

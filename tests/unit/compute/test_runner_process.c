/* What runners promise: the program's output sealed, its end written down, its tree ended, and never a second run. covers: disk_use.c process_tree.c runner_bounds.c runner_filter.c runner_mounts.c runner_dir.c runner_files.c runner_init.c scratch.c */
#include "launcher_fixture.h"
#include "runner_init.h"
#include "runner_process.h"

#include <time.h>

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
    if (eg_launcher_client_lacks(f->client, EG_RUNNER_PRIVATE_TMP)) {
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
    if (!eg_launcher_client_lacks(f->client, EG_RUNNER_PRIVATE_TMP)) {
        assert_int_not_equal(stat(path, &st), 0);
    }
    fixture_wait(f, "1");
}

/* Scratch files go with the program that made them; those of a runner that was killed go when it is discarded. Links are not followed. */
static void test_scratch(void **state) {
    fixture *f = *state;
    char path[256], kept[256];
    struct stat st;
    static const char script[] = "mkdir -p $SPARK_LOCAL_DIRS/a/b && echo x >$SPARK_LOCAL_DIRS/a/b/c && ln -s $HOME $SPARK_LOCAL_DIRS/a/home && echo made\n";
    snprintf(path, sizeof path, "%s/spark/scratch/batch-1", f->clusters);
    snprintf(kept, sizeof kept, "%s/spark/home/kept", f->clusters);
    fixture_write(kept, "", 0666);
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

/* What is dug too deep for one descent, and closed by its owner to itself, goes all the same. */
static void test_scratch_is_deep_and_closed(void **state) {
    fixture *f = *state;
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/spark/scratch/batch-1", f->clusters);
    assert_int_equal(fixture_run(f, "1", "mkdir -p $SPARK_LOCAL_DIRS && cd $SPARK_LOCAL_DIRS && for i in $(seq 200); do mkdir d && touch d/f && cd d || exit 1; done; "
                                         "mkdir $SPARK_LOCAL_DIRS/shut && touch $SPARK_LOCAL_DIRS/shut/f && chmod 0 $SPARK_LOCAL_DIRS/shut; chmod 500 $SPARK_LOCAL_DIRS/d; exit 0\n"),
                     EG_OK);
    fixture_wait(f, "1"); /* ended for its depth, or before that was seen */
    assert_int_not_equal(stat(path, &st), 0);
}

static bool has(fixture *f, unsigned isolation) {
    return !eg_launcher_client_lacks(f->client, isolation);
}

/* The only places to write are its own scratch directory, its home there, and what is in memory. */
static void test_confined(void **state) {
    fixture *f = *state;
    char script[1024];
    snprintf(script, sizeof script,
             "cd $HOME && echo x >in-home && cat in-home; echo x >$SPARK_LOCAL_DIRS/a && echo scratch; echo x >$TMPDIR/a && echo tmp; "
             "for d in /tmp /var/tmp %s %s/spark %s/spark/scratch; do touch $d/eg-jail-test 2>/dev/null && echo wrote $d; done; true\n", f->jobs, f->clusters, f->clusters);
    assert_int_equal(fixture_run(f, "1", script), EG_OK);
    fixture_wait(f, "1");
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/spark/home/in-home", f->clusters);
    if (has(f, EG_RUNNER_CONFINED)) {
        reads_to(f, "1", "x\nscratch\ntmp\n");
        assert_int_not_equal(stat(path, &st), 0);
    }
}

static void test_filter(void **state) {
    fixture *f = *state;
    assert_int_equal(fixture_run(f, "1", "unshare -U true 2>/dev/null && echo user namespace; unshare -r -m true 2>/dev/null && echo mounts; echo done\n"), EG_OK);
    fixture_wait(f, "1");
    if (has(f, EG_RUNNER_FILTER)) {
        reads_to(f, "1", "done\n");
    }
}

/* Somebody swaps a job's file for a link to another one while it is checked and started: that one is never run. */
static void test_no_race_of_links_is_won(void **state) {
    fixture *f = *state;
    char path[256], real[256], link_path[256], outside[256];
    snprintf(path, sizeof path, "%s/raced.sh", f->jobs);
    snprintf(real, sizeof real, "%s/real", f->jobs);
    snprintf(link_path, sizeof link_path, "%s/link", f->jobs);
    snprintf(outside, sizeof outside, "%s/outside.sh", f->dir);
    fixture_write(outside, "echo OUTSIDE\n", 0644);
    pid_t swapper = fork();
    if (swapper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            fixture_write(real, "echo real\n", 0644);
            rename(real, path);
            usleep(300);
            (void)!symlink(outside, link_path);
            rename(link_path, path);
            usleep(300);
        }
    }
    const char *is_long = getenv("EG_LONG");
    time_t end = time(NULL) + (is_long ? 60 : 4);
    unsigned started = 0, refused = 0;
    for (unsigned i = 1; time(NULL) < end; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        eg_launch_spec s = {.cluster = "spark", .kind = EG_RUNNER_BATCH, .id = id, .log_key = {f->key, sizeof f->key}, .properties = eg_str_bytes(EG_LIT("a=b\n")),
                            .credential = eg_str_bytes(EG_LIT("c")), .file = eg_str_of(path)};
        eg_problem p = {0};
        if (eg_launcher_start(f->client, &s, &p) != EG_OK) {
            refused++;
            continue;
        }
        started++;
        fixture_wait(f, id);
        eg_runner_log l;
        fixture_log(f, id, &l);
        bool won = l.lines.ptr && strstr(l.lines.ptr, "OUTSIDE");
        eg_runner_log_done(&l);
        assert_true(!won || eg_launcher_client_lacks(f->client, EG_RUNNER_CONFINED));
        assert_int_equal(eg_launcher_discard(f->client, "spark", EG_RUNNER_BATCH, id, &p), EG_OK);
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
    assert_true(started > 0 && refused > 0);
}

/* Files with and without a name count; whoever passes the bound is ended, and it is told why. */
static void test_disk_is_bounded(void **state) {
    fixture *f = *state;
    static const char *const scripts[] = {
        "cd $SPARK_LOCAL_DIRS; i=0; while :; do i=$((i+1)); head -c 4000000 /dev/zero >f$i; sleep 0.05; done\n",
        "cd $SPARK_LOCAL_DIRS; exec 5>f; rm f; while :; do head -c 4000000 /dev/zero >&5; sleep 0.2; done\n",
    };
    for (size_t i = 0; has(f, EG_RUNNER_CONFINED) && i < sizeof scripts / sizeof *scripts; i++) {
        const char id[] = {(char)('1' + i), '\0'};
        assert_int_equal(fixture_run(f, id, scripts[i]), EG_OK);
        if (!has(f, EG_RUNNER_CONFINED)) {
            return;
        }
        eg_runner_status s = fixture_wait(f, id);
        assert_true(s.over_disk);
        assert_false(s.stopped);
        assert_int_equal(s.signal, SIGKILL);
        fixture_log_says(f, id, "more than 32 MiB of disk");
        char path[256];
        struct stat st;
        snprintf(path, sizeof path, "%s/spark/scratch/batch-%s", f->clusters, id);
        assert_int_not_equal(stat(path, &st), 0);
    }
    assert_int_equal(fixture_run(f, "3", "cd $SPARK_LOCAL_DIRS; head -c 40000000 /dev/zero >f || echo refused; ls -s f | cut -d' ' -f1; rm f\n"), EG_OK);
    fixture_wait(f, "3");
    fixture_log_says(f, "3", "refused");
}

/* A bomb of processes ends at its bound; as root alone, because it counts a user's processes. */
static void test_processes_are_bounded(void **state) {
    fixture *f = *state;
    if (geteuid() != 0) {
        return;
    }
    fixture_launcher_end(f, SIGTERM);
    f->cluster.max_processes = 100;
    fixture_launcher_start(f);
    assert_int_equal(fixture_run(f, "1", "i=0; while [ $i -lt 200 ]; do sleep 600.0005 & i=$((i+1)); done; echo forked all\n"), EG_OK);
    assert_int_not_equal(fixture_wait(f, "1").exit_code, 0);
    assert_int_equal(fixture_count("600.0005"), 0);
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

/* In a folder that is no mount point nothing can be mounted over /proc: no process namespace then, in which nobody would find its own children. */
static void test_no_namespace_without_its_proc(void **state) {
    const fixture *f = *state;
    if (geteuid() != 0) {
        skip();
    }
    assert_true(eg_runner_init_probe());
    const pid_t child = fork();
    if (child == 0) {
        const eg_runner_job job = {.drop = true};
        const bool inside = chroot(f->spark) == 0 && chdir("/") == 0;
        _exit(inside && !eg_runner_init_probe() && !eg_runner_init_prepare(&job) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
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
        T(test_scratch_is_deep_and_closed), T(test_confined), T(test_filter), T(test_no_race_of_links_is_won), T(test_disk_is_bounded), T(test_processes_are_bounded),
        T(test_program_missing), T(test_no_namespace_without_its_proc), T(test_much_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

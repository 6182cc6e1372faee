/* Checks the engine: what is accepted is in a signed log once, in whichever way it came in and whatever ended the process.
 * covers: batch.c intake.c outbox.c publish.c sequencer.c */
#include "bench.h"

#include <embergate/json.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "tile_path.h"

/* Reads all entries of a log through its tiles, as a stranger would. */
typedef struct entries {
    size_t count;
    eg_str line[20000];
    eg_buf bundles[100];
    size_t bundle_count;
} entries;

static entries *read_entries(const bench *b, const char *log) {
    entries *e = calloc(1, sizeof *e);
    eg_buf note;
    eg_checkpoint c;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, log, "checkpoint"), EG_CHECKPOINT_MAX, &note, NULL), EG_OK);
    assert_int_equal(eg_checkpoint_parse(eg_buf_str(&note), &c), EG_OK);
    for (uint64_t at = 0; at < c.size; at += EG_TILE_WIDTH) {
        uint64_t left = c.size - at;
        char path[EG_TILE_PATH_LEN];
        eg_audit_tile_path(EG_TILE_ENTRIES, at / EG_TILE_WIDTH, left < EG_TILE_WIDTH ? (unsigned)left : EG_TILE_WIDTH, path);
        eg_buf *bundle = &e->bundles[e->bundle_count++];
        eg_buf_init(bundle, 16 << 20);
        assert_int_equal(eg_file_read(AT_FDCWD, bench_path(b, log, path), 16 << 20, bundle, NULL), EG_OK);
        eg_bytes rest = eg_buf_bytes(bundle);
        eg_bytes entry = {NULL, 0};
        while (rest.len) {
            assert_int_equal(eg_audit_bundle_next(&rest, &entry), EG_OK);
            e->line[e->count++] = eg_bytes_str(entry);
        }
    }
    assert_int_equal(e->count, c.size);
    eg_buf_done(&note);
    return e;
}

static void free_entries(entries *e) {
    for (size_t i = 0; i < e->bundle_count; i++) {
        eg_buf_done(&e->bundles[i]);
    }
    free(e);
}

/* How many entries have this resource. */
static size_t count_resource(const entries *e, const char *resource) {
    size_t n = 0;
    char want[128];
    snprintf(want, sizeof want, "\"resource\":\"%s\"", resource);
    for (size_t i = 0; i < e->count; i++) {
        n += memmem(e->line[i].ptr, e->line[i].len, want, strlen(want)) != NULL;
    }
    return n;
}

static void start_and_stop_are_recorded(void **state) {
    bench *b = *state;
    bench_open(b);
    bench_close(b);
    bench_open(b);
    bench_close(b);
    entries *e = read_entries(b, "server");
    assert_int_equal(e->count, 4);
    assert_non_null(memmem(e->line[0].ptr, e->line[0].len, "\"event\":\"audit.start\"", 21));
    assert_non_null(memmem(e->line[1].ptr, e->line[1].len, "\"event\":\"audit.stop\"", 20));
    assert_non_null(memmem(e->line[2].ptr, e->line[2].len, "\"log_size\":2", 12));
    free_entries(e);
}

static void both_ways_in_one_log(void **state) {
    bench *b = *state;
    bench_open(b);
    eg_arena *arena = eg_arena_new(1 << 20);
    char resource[64];
    for (int i = 0; i < 300; i++) {
        snprintf(resource, sizeof resource, "r%d", i);
        eg_audit_record r = bench_record(resource);
        if (i % 3 == 0) {
            eg_txn_op op = eg_audit_op(b->audit, arena, &r);
            assert_int_equal(eg_commit(b->committer, &op, 1, NULL), EG_OK);
            eg_audit_poke(b->audit);
        } else {
            assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
        }
    }
    eg_arena_free(arena);
    bench_close(b);
    entries *e = read_entries(b, TENANT);
    assert_int_equal(e->count, 300);
    for (int i = 0; i < 300; i++) {
        snprintf(resource, sizeof resource, "r%d", i);
        assert_int_equal(count_resource(e, resource), 1);
    }
    free_entries(e);
}

/* The child reports what was acknowledged; then it is killed at a moment that it doesn't choose. */
static void child(bench *b, int out) {
    bench_open(b);
    eg_arena *arena = eg_arena_new(64 << 20);
    char resource[64];
    for (int i = 0;; i++) {
        snprintf(resource, sizeof resource, "%ld-%d", (long)getpid(), i);
        eg_audit_record r = bench_record(resource);
        eg_err e;
        if (i % 4 == 0) {
            eg_txn_op op = eg_audit_op(b->audit, arena, &r);
            e = eg_commit(b->committer, &op, 1, NULL);
        } else {
            e = eg_audit_append_wait(b->audit, &r);
        }
        if (e == EG_OK && write(out, &i, sizeof i) != sizeof i) {
            _exit(0);
        }
    }
}

static void killed_processes_lose_nothing(void **state) {
    bench *b = *state;
    b->checkpoint_ms = 20;
    b->journal_bytes = 65536; /* recycled many times */
    enum { ROUNDS = 14 };
    long pids[ROUNDS];
    int acked[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(fds[0]);
            child(b, fds[1]);
        }
        close(fds[1]);
        /* Every second one early, while it still recovers what the one before left. */
        usleep(round % 2 ? 10000u + (unsigned)(round * 6000) : 150000u + (unsigned)(round * 20000));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        pids[round] = pid;
        acked[round] = -1;
        int i;
        while (read(fds[0], &i, sizeof i) == sizeof i) {
            acked[round] = i;
        }
        close(fds[0]);
    }
    bench_open(b);
    bench_close(b);
    entries *e = read_entries(b, TENANT);
    size_t total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t found = 0;
        char want[64];
        int n = snprintf(want, sizeof want, "\"resource\":\"%ld-", pids[round]);
        unsigned char *seen = calloc((size_t)acked[round] + 2, 1);
        for (size_t k = 0; k < e->count; k++) {
            char *at = memmem(e->line[k].ptr, e->line[k].len, want, (size_t)n);
            if (at) {
                long i = strtol(at + n, NULL, 10);
                assert_in_range(i, 0, acked[round] + 1); /* one more may have been durable but not told */
                assert_int_equal(seen[i]++, 0);
                found++;
            }
        }
        assert_in_range(found, acked[round] + 1, acked[round] + 2);
        total += found;
        free(seen);
    }
    assert_true(total > ROUNDS);
    free_entries(e);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX);
}

static bool becomes(eg_audit *a, bool healthy) {
    for (int i = 0; i < 500 && eg_audit_healthy(a) != healthy; i++) {
        usleep(10000);
    }
    return eg_audit_healthy(a) == healthy;
}

/* A file stands where the tiles' folder should be: the sequencer can't write. */
static void unwritable_tiles_fail_closed_until_they_can_be_written(void **state) {
    bench *b = *state;
    char aside[512];
    bench_open(b);
    eg_audit_record r = bench_record("before");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    snprintf(aside, sizeof aside, "%s", bench_path(b, TENANT, "aside"));
    bench_settle(b, TENANT, 1);
    assert_int_equal(rename(bench_path(b, TENANT, "tile"), aside), 0);
    int fd = open(bench_path(b, TENANT, "tile"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    r.resource = EG_LIT("acknowledged");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK); /* it is in the journal */
    assert_true(becomes(b->audit, false));
    r.resource = EG_LIT("refused");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_ERR_AUDIT_UNAVAILABLE);
    assert_true(eg_audit_access(b->audit, &r));
    eg_arena *arena = eg_arena_new(65536);
    eg_txn_op op = eg_audit_op(b->audit, arena, &r);
    assert_int_equal(eg_commit(b->committer, &op, 1, NULL), EG_ERR_AUDIT_UNAVAILABLE);
    eg_arena_free(arena);
    assert_int_equal(unlink(bench_path(b, TENANT, "tile")), 0);
    assert_int_equal(rename(aside, bench_path(b, TENANT, "tile")), 0);
    assert_true(becomes(b->audit, true));
    r.resource = EG_LIT("after");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
    entries *e = read_entries(b, TENANT);
    assert_int_equal(e->count, 3);
    assert_int_equal(count_resource(e, "acknowledged"), 1);
    assert_int_equal(count_resource(e, "refused"), 0);
    free_entries(e);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX);
}

/* No file may grow or be written past a bound that lies before the journal's next frame. */
static void unwritable_journal_fails_closed_until_it_can_be_written(void **state) {
    bench *b = *state;
    struct rlimit old;
    bench_open(b);
    eg_audit_record r = bench_record("before");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    usleep(300000); /* until it is integrated, so that only the journal is written to below */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    r.resource = EG_LIT("refused");
    eg_err e = eg_audit_append_wait(b->audit, &r);
    bool healthy = eg_audit_healthy(b->audit);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(e, EG_ERR_AUDIT_UNAVAILABLE);
    assert_false(healthy);
    assert_true(becomes(b->audit, true));
    r.resource = EG_LIT("after");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
    entries *all = read_entries(b, TENANT);
    assert_int_equal(all->count, 2);
    assert_int_equal(count_resource(all, "after"), 1);
    free_entries(all);
}

/* Stale files are what a crash between tiles and transaction leaves; the copy is of a moment in the middle of writing. */
static void copies_of_any_moment_recover(void **state) {
    bench *b = *state;
    bench_open(b);
    char resource[64];
    for (int i = 0; i < 40; i++) {
        snprintf(resource, sizeof resource, "r%d", i);
        eg_audit_record r = bench_record(resource);
        assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    }
    /* What the journal holds at this moment, with the store of this moment, cut at every frame and between frames. */
    char name[512];
    snprintf(name, sizeof name, "%s/journal.0", b->audit_dir);
    eg_buf journal;
    eg_buf_init(&journal, 1 << 20);
    assert_int_equal(eg_file_read(AT_FDCWD, name, 1 << 20, &journal, NULL), EG_OK);
    bench_close(b);
    entries *before = read_entries(b, TENANT);
    size_t whole = before->count;
    free_entries(before);
    for (size_t cut = 4096; cut < 4096 + 3000; cut += 173) {
        /* The old journal under a store that is past it: nothing comes twice. */
        int fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write(fd, journal.ptr, cut), (ssize_t)cut);
        close(fd);
        bench_open(b);
        bench_close(b);
        entries *e = read_entries(b, TENANT);
        assert_int_equal(e->count, whole);
        free_entries(e);
    }
    eg_buf_done(&journal);
}

/* The journal's records are lost to no moment of a kill: here the store never heard of them. */
static void a_journal_alone_recovers(void **state) {
    bench *b = *state;
    b->checkpoint_ms = 600000; /* the sequencer sleeps */
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bench_open(b);
        char resource[64];
        for (int i = 0; i < 50; i++) {
            snprintf(resource, sizeof resource, "r%d", i);
            eg_audit_record r = bench_record(resource);
            if (eg_audit_append_wait(b->audit, &r) != EG_OK) {
                _exit(1);
            }
        }
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    close(fds[0]);
    close(fds[1]);
    bench_open(b);
    bench_close(b);
    entries *e = read_entries(b, TENANT);
    assert_int_equal(e->count, 50);
    free_entries(e);
}

struct answers {
    _Atomic int durable;
    _Atomic int refused;
};

static void count_done(void *ctx, eg_err e) {
    struct answers *a = ctx;
    (*(e == EG_OK ? &a->durable : &a->refused))++;
}

/* Every accepted record is answered; what is not accepted is refused at once. */
static void a_flood_is_bounded(void **state) {
    bench *b = *state;
    b->journal_bytes = 1 << 17;
    bench_open(b);
    struct answers answers = {0};
    int accepted = 0;
    int busy = 0;
    for (int i = 0; i < 40000; i++) {
        eg_audit_record r = bench_record("flood");
        eg_err e = eg_audit_append(b->audit, &r, count_done, &answers);
        assert_true(e == EG_OK || e == EG_ERR_BUSY);
        accepted += e == EG_OK;
        busy += e == EG_ERR_BUSY;
    }
    bench_close(b);
    assert_int_equal(accepted + busy, 40000);
    assert_int_equal(answers.refused + answers.durable, accepted);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX);
    assert_int_equal(v.size, answers.durable);
}

/* Verified while it is written, as an operator would: partial tiles come and go meanwhile. */
static void a_living_log_verifies(void **state) {
    bench *b = *state;
    b->checkpoint_ms = 5;
    bench_open(b);
    unsigned verified = 0;
    for (int i = 0; i < 600; i++) {
        eg_audit_record r = bench_record("x");
        assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
        eg_audit_verdict v;
        eg_problem p = {0};
        if (i % 3 == 0 && access(bench_path(b, TENANT, "checkpoint"), F_OK) == 0) {
            eg_err e = eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, &p);
            if (e != EG_OK || v.damaged != UINT64_MAX) {
                print_error("%s %s\n", p.message, e == EG_OK ? v.damaged_what : "");
            }
            assert_int_equal(e, EG_OK);
            assert_true(v.damaged == UINT64_MAX);
            verified++;
        }
    }
    assert_true(verified > 100);
}

static void damage_is_found_at_the_start(void **state) {
    bench *b = *state;
    bench_open(b);
    eg_audit_record r = bench_record("x");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    bench_close(b);
    int fd = open(bench_path(b, TENANT, "tile/entries/000.p/1"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 10), 1);
    close(fd);
    eg_problem p = {0};
    assert_int_equal(bench_try_open(b, &p), EG_ERR_CORRUPT);
    assert_non_null(strstr(p.message, "tile/entries"));
    bench_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(start_and_stop_are_recorded, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(both_ways_in_one_log, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(killed_processes_lose_nothing, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(unwritable_tiles_fail_closed_until_they_can_be_written, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(unwritable_journal_fails_closed_until_it_can_be_written, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(copies_of_any_moment_recover, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_journal_alone_recovers, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_flood_is_bounded, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(a_living_log_verifies, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(damage_is_found_at_the_start, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

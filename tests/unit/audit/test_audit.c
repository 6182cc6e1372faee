/* Checks the engine: what is accepted is in a signed log once, in whichever way it came in and whatever ended the process. */
#include "bench.h"

#include <embergate/json.h>
#include <fcntl.h>
#include <signal.h>
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
        eg_bytes entry;
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
    enum { ROUNDS = 8 };
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
        usleep(150000u + (unsigned)(round * 37000));
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
        assert_true(acked[round] >= 0);
    }
    bench_open(b);
    bench_close(b);
    entries *e = read_entries(b, TENANT);
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
        free(seen);
    }
    free_entries(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(start_and_stop_are_recorded, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(both_ways_in_one_log, bench_make, bench_drop),
        cmocka_unit_test_setup_teardown(killed_processes_lose_nothing, bench_make, bench_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

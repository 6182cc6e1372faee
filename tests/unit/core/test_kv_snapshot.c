/* A copy of the store while it is written: exactly one moment of it, that opens as a store of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <embergate/kv.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

typedef struct put_many {
    unsigned from;
    unsigned n;
} put_many;

static eg_err put(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const put_many *m = ctx;
    for (unsigned i = m->from; i < m->from + m->n; i++) {
        uint8_t key[4];
        eg_put_u32(key, i);
        EG_TRY(eg_kv_put(t, EG_DB_TEST, (eg_bytes){key, 4}, (eg_bytes){key, 4}));
        EG_TRY(eg_kv_put(t, EG_DB_FS_ENTRY, (eg_bytes){key, 4}, (eg_bytes){key, 4}));
    }
    return EG_OK;
}

static size_t count(eg_kv *kv, eg_kv_db db) {
    eg_kv_txn *t = NULL;
    eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes v;
    size_t n = 0;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, db, (eg_bytes){NULL, 0}, &c), EG_OK);
    while (eg_kv_cursor_next(c, &k, &v) == EG_OK) {
        n++;
    }
    eg_kv_cursor_close(c);
    eg_kv_read_end(t);
    return n;
}

/* In a process of its own, as a backup does it: LMDB allows one environment of a store a process. */
static void copy_elsewhere(const char *from, const char *to, int wait_fd, int tell_fd) {
    eg_kv_snapshot *s = NULL;
    eg_problem p = {0};
    char c = 's';
    if (eg_kv_snapshot_open(from, &s, &p) != EG_OK || write(tell_fd, &c, 1) != 1 || read(wait_fd, &c, 1) != 1 ||
        eg_kv_snapshot_write(s, to, &p) != EG_OK) {
        fprintf(stderr, "%s\n", p.message);
        _exit(1);
    }
    eg_kv_snapshot_close(s);
    _exit(0);
}

static void one_moment(void **state) {
    (void)state;
    char top[64];
    char from[96];
    char to[96];
    int go[2];
    int told[2];
    int status = 0;
    char c = 'g';
    eg_problem p = {0};
    eg_kv *kv = NULL;
    eg_committer *committer = NULL;
    snprintf(top, sizeof top, "%s/eg-snapshot-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(top));
    snprintf(from, sizeof from, "%s/from", top);
    snprintf(to, sizeof to, "%s/to", top);
    assert_int_equal(mkdir(to, 0700), 0);
    const eg_kv_options o = {.dir = from, .map_size = (uint64_t)1 << 30, .no_sync = true};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_OK);
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(told), 0);
    put_many m = {0, 30000};
    {
        eg_committer *before = NULL;
        assert_int_equal(eg_committer_start(kv, &before), EG_OK);
        const eg_txn_op op = {put, &m};
        assert_int_equal(eg_commit(before, &op, 1, &p), EG_OK);
        eg_committer_stop(before);
    }
    eg_kv_close(kv);
    const pid_t child = fork();
    if (child == 0) {
        copy_elsewhere(from, to, go[0], told[1]);
    }
    assert_int_equal(read(told[0], &c, 1), 1);
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(kv, &committer), EG_OK);
    m = (put_many){30000, 5000};
    const eg_txn_op op = {put, &m};
    assert_int_equal(eg_commit(committer, &op, 1, &p), EG_OK);
    assert_int_equal(write(go[1], &c, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count(kv, EG_DB_TEST), 35000);
    eg_committer_stop(committer);
    eg_kv_close(kv);
    const eg_kv_options copy = {.dir = to, .map_size = (uint64_t)1 << 30, .no_sync = true};
    assert_int_equal(eg_kv_open(&copy, &kv, &p), EG_OK); /* checks the format, which was copied too */
    assert_int_equal(count(kv, EG_DB_TEST), 30000);
    assert_int_equal(count(kv, EG_DB_FS_ENTRY), 30000);
    eg_kv_close(kv);
    eg_kv_snapshot *none = NULL;
    snprintf(to, sizeof to, "%s/nowhere", top);
    assert_int_equal(eg_kv_snapshot_open(to, &none, &p), EG_ERR_NOT_FOUND);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

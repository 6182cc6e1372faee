/* After a crash the store is as the last acknowledged change left it, whatever part of LMDB's file the kernel had written; damage of the log is said.
 * covers: kv_log.c kv_changes.c kv_checkpoint.c kv_recover.c kv_open.c */
#include <embergate/durable_file.h>
#include <embergate/kv.h>

#include "check.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096
#define RECORDS_AT 16384

static eg_err open_store(void **state, eg_kv **ret, eg_problem *p) {
    const eg_kv_options o = {.dir = in_dir(state, "db"), .map_size = (uint64_t)1 << 30};
    return eg_kv_open(&o, ret, p);
}

static eg_kv *opened(void **state) {
    eg_kv *kv = NULL;
    eg_problem p = {0};
    const eg_err e = open_store(state, &kv, &p);
    if (e != EG_OK) {
        fprintf(stderr, "%s\n", p.message);
    }
    assert_int_equal(e, EG_OK);
    return kv;
}

static eg_err open_fails(void **state) {
    eg_kv *kv = NULL;
    eg_problem p = {0};
    const eg_err e = open_store(state, &kv, &p);
    assert_true(e == EG_OK || p.message[0] != '\0');
    eg_kv_close(kv);
    return e;
}

/* A step of a change: rows [from, to) are put, or deleted, or the first of all goes by a cursor. */
typedef struct step {
    int from, to;
    bool del, first;
    size_t size;
    eg_err refuse;
    uint64_t beside;       /* offset + 1 of what is written beside */
} step;

static eg_err take_step(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const step *s = ctx;
    static uint8_t value[70000];
    for (int i = s->from; i < s->to; i++) {
        uint8_t key[4];
        eg_put_u32(key, (uint32_t)i);
        memset(value, i % 251, s->size);
        EG_TRY(s->del ? eg_kv_del(t, EG_DB_TEST, (eg_bytes){key, 4}) : eg_kv_put(t, EG_DB_TEST, (eg_bytes){key, 4}, (eg_bytes){value, s->size}));
    }
    if (s->first) {
        EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
        eg_bytes k, v;
        EG_TRY(eg_kv_cursor_open(t, EG_DB_TEST, (eg_bytes){NULL, 0}, &c));
        EG_TRY(eg_kv_cursor_next(c, &k, &v));
        EG_TRY(eg_kv_cursor_del(c));
    }
    if (s->beside) {
        EG_TRY(eg_kv_write_beside(t, "files/one", s->beside - 1, (eg_bytes){(const uint8_t *)"beside", 6}));
    }
    return s->refuse == EG_OK ? EG_OK : eg_fail(p, s->refuse, "refused");
}

static eg_err take(eg_committer *c, step s) {
    const eg_txn_op op = {take_step, &s};
    return eg_commit(c, &op, 1, NULL);
}

static void copy_file(const char *from, const char *to) {
    char block[65536];
    const int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (ssize_t n = 1; n > 0;) {
        n = read(in, block, sizeof block);
        if (n > 0 && write(out, block, (size_t)n) != n) {
            abort();
        }
    }
    close(in);
    close(out);
}

static void copy_in(void **state, const char *from, const char *to) {
    char a[256];
    snprintf(a, sizeof a, "%s", in_dir(state, from));
    copy_file(a, in_dir(state, to));
}

/* A process that opens the store, lets `work` change it, and is gone without a word. What LMDB's file was like before the work: "before". */
static void crash_after(void **state, void (*work)(void **state, eg_kv *kv, eg_committer *c)) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        eg_kv *kv = opened(state);
        eg_committer *c = NULL;
        copy_in(state, "db/data.mdb", "before");
        if (eg_committer_start(kv, &c) != EG_OK) {
            _exit(2);
        }
        work(state, kv, c);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void check_row(eg_kv_txn *t, int i, size_t want) {
    uint8_t key[4];
    eg_bytes v = {0};
    eg_put_u32(key, (uint32_t)i);
    const eg_err e = eg_kv_get(t, EG_DB_TEST, (eg_bytes){key, 4}, &v);
    assert_int_equal(e, want ? EG_OK : EG_ERR_NOT_FOUND);
    if (want) {
        assert_int_equal(v.len, want);
        assert_int_equal(v.ptr[want - 1], i % 251);
    }
}

#define MANY 120

static void little_work(void **state, eg_kv *kv, eg_committer *c) {
    (void)state;
    (void)kv;
    for (int i = 0; i < MANY; i++) {
        if (take(c, (step){.from = i * 10, .to = i * 10 + 10, .size = 300}) != EG_OK) {
            _exit(3);
        }
    }
    if (take(c, (step){.from = 5000, .to = 5010, .size = 10, .refuse = EG_ERR_INVALID}) != EG_ERR_INVALID ||
        take(c, (step){.from = 100, .to = 200, .del = true}) != EG_OK || take(c, (step){.first = true}) != EG_OK ||
        take(c, (step){.from = 7, .to = 8, .size = 60000, .beside = 101}) != EG_OK) {
        _exit(4);
    }
}

static void assert_little_work(void **state) {
    eg_kv *kv = opened(state);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    check_row(t, 0, 0); /* the first */
    for (int i = 1; i < MANY * 10; i++) {
        check_row(t, i, i >= 100 && i < 200 ? 0 : i == 7 ? 60000 : 300);
    }
    check_row(t, 5000, 0);
    eg_kv_read_end(t);
    eg_kv_close(kv);
}

/* Of what was written since "before", a part is as it was then: the pages that `keep` says no to. */
static void lose_pages(void **state, bool (*keep)(unsigned page)) {
    uint8_t page[PAGE];
    const int old = open(in_dir(state, "before"), O_RDONLY), now = open(in_dir(state, "db/data.mdb"), O_RDWR);
    struct stat st;
    assert_int_equal(fstat(now, &st), 0);
    for (unsigned n = 0; (off_t)n * PAGE < st.st_size; n++) {
        if (!keep(n)) {
            const ssize_t got = pread(old, page, PAGE, (off_t)n * PAGE);
            memset(page + (got > 0 ? got : 0), 0, (size_t)(PAGE - (got > 0 ? got : 0)));
            assert_int_equal(pwrite(now, page, PAGE, (off_t)n * PAGE), PAGE);
        }
    }
    close(old);
    close(now);
}

static bool keep_all(unsigned n) { return n < UINT32_MAX; }
static bool keep_none(unsigned n) { return n == UINT32_MAX; }
static bool keep_meta(unsigned n) { return n < 2; }
static bool keep_data(unsigned n) { return n >= 2; }
static bool keep_some(unsigned n) { return n < 2 || (n * 2654435761u) >> 31; }

static void a_power_cut_loses_nothing(void **state) {
    bool (*const kept[])(unsigned) = {keep_all, keep_none, keep_meta, keep_data, keep_some};
    assert_int_equal(mkdir(in_dir(state, "files"), 0700), 0);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        char got[7] = "";
        const int fd = open(in_dir(state, "files/one"), O_RDWR | O_CREAT | O_TRUNC, 0600); /* as if the kernel had written nothing of it */
        crash_after(state, little_work);
        lose_pages(state, kept[i]);
        assert_little_work(state);
        assert_int_equal(pread(fd, got, 6, 100), 6);
        assert_string_equal(got, "beside");
        close(fd);
        assert_little_work(state); /* and once more, after an orderly end */
    }
    assert_int_equal(unlink(in_dir(state, "files/one")), 0); /* what was unlinked since is not made again */
    crash_after(state, little_work);
    assert_little_work(state);
    assert_int_equal(access(in_dir(state, "files/one"), F_OK), -1);
}

/* More than the log has room for: checkpoints come in between, and a change that is larger than a record may be. */
static void much_work(void **state, eg_kv *kv, eg_committer *c) {
    (void)state;
    (void)kv;
    for (int i = 0; i < 400; i++) {
        if (take(c, (step){.from = i * 4, .to = i * 4 + 4, .size = 30000}) != EG_OK) {
            _exit(3);
        }
    }
    if (take(c, (step){.from = 2000, .to = 2200, .size = 60000}) != EG_OK || take(c, (step){.from = 3000, .to = 3001, .size = 1}) != EG_OK) {
        _exit(4);
    }
}

static void checkpoints_come_in_between(void **state) {
    crash_after(state, much_work);
    eg_kv *kv = opened(state);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    for (int i = 0; i < 1600; i++) {
        check_row(t, i, 30000);
    }
    for (int i = 2000; i < 2200; i++) {
        check_row(t, i, 60000);
    }
    check_row(t, 3000, 1);
    eg_kv_read_end(t);
    eg_kv_close(kv);
    struct stat st;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(in_dir(state, i ? "db/log.1" : "db/log.0"), &st), 0);
        assert_true(st.st_size <= 16 << 20);
    }
}

static void flip(void **state, const char *name, off_t at) {
    uint8_t b;
    const int fd = open(in_dir(state, name), O_RDWR);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

/* The file whose records count, as its first one's magic says: a store that was opened once writes into log.1. */
static void damage_is_said(void **state) {
    eg_kv_close(opened(state));
    crash_after(state, little_work);
    copy_in(state, "db/log.0", "log.0");
    copy_in(state, "db/log.1", "log.1");
    copy_in(state, "db/data.mdb", "data.mdb");
    const char *live = "db/log.0"; /* two openings: the second one's */
    static const struct { off_t at; eg_err want; } flips[] = {
        {8, EG_OK}, {8192 + 100, EG_OK},               /* one of two copies of the header */
        {RECORDS_AT + 100, EG_ERR_CORRUPT},            /* what the first record has */
        {RECORDS_AT + 20, EG_ERR_CORRUPT},             /* its header */
        {RECORDS_AT + 5 * PAGE + 8, EG_ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        copy_in(state, "log.0", "db/log.0");
        copy_in(state, "log.1", "db/log.1");
        copy_in(state, "data.mdb", "db/data.mdb");
        flip(state, live, flips[i].at);
        assert_int_equal(open_fails(state), flips[i].want);
        if (flips[i].want == EG_OK) {
            uint8_t one[PAGE], two[PAGE];
            const int fd = open(in_dir(state, live), O_RDONLY);
            assert_int_equal(pread(fd, one, PAGE, 0), PAGE);
            assert_int_equal(pread(fd, two, PAGE, 8192), PAGE);
            close(fd);
            assert_memory_equal(one, two, PAGE); /* put right */
            assert_little_work(state);
        }
    }
    copy_in(state, "log.0", "db/log.0");
    copy_in(state, "log.1", "db/log.1");
    flip(state, live, 40);
    flip(state, live, 8192 + 40);
    assert_int_equal(open_fails(state), EG_ERR_CORRUPT);
    copy_in(state, "log.0", "db/log.0");
    copy_in(state, "log.1", "db/log.1");
    copy_in(state, "data.mdb", "db/data.mdb");
    assert_little_work(state);
}

/* An older copy of LMDB's file under a log that goes on from a later one. */
static void an_older_file_is_refused(void **state) {
    eg_kv_close(opened(state));
    copy_in(state, "db/data.mdb", "old");
    crash_after(state, little_work);
    eg_kv_close(opened(state));
    copy_in(state, "old", "db/data.mdb");
    assert_int_equal(open_fails(state), EG_ERR_CORRUPT);
}

static void set_format(void **state, char *format) {
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    char name[] = "format";
    MDB_val k = {6, name}, v = {strlen(format), format};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
    assert_int_equal(mdb_env_open(env, in_dir(state, "db"), 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* A store of the format before, which had no log. */
static void an_older_store_gets_a_log(void **state) {
    const eg_kv_options o = {.dir = in_dir(state, "db"), .map_size = (uint64_t)1 << 30, .no_sync = true};
    eg_kv *kv = NULL;
    eg_committer *c = NULL;
    assert_int_equal(eg_kv_open(&o, &kv, NULL), EG_OK);
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    assert_int_equal(take(c, (step){.from = 6000, .to = 6010, .size = 77}), EG_OK);
    eg_committer_stop(c);
    eg_kv_close(kv);
    assert_int_equal(access(in_dir(state, "db/log.0"), F_OK), -1);
    char one[] = "1";
    set_format(state, one);
    assert_int_equal(mkdir(in_dir(state, "files"), 0700), 0);
    crash_after(state, little_work);
    lose_pages(state, keep_some);
    kv = opened(state);
    eg_kv_txn *t = NULL;
    eg_bytes format;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    for (int i = 6000; i < 6010; i++) {
        check_row(t, i, 77);
    }
    check_row(t, 1, 300);
    assert_int_equal(eg_kv_get(t, EG_DB_META, (eg_bytes){(const uint8_t *)"format", 6}, &format), EG_OK);
    assert_true(eg_str_is(eg_bytes_str(format), "2"));
    eg_kv_read_end(t);
    eg_kv_close(kv);
}

static eg_err never(void *ctx) {
    ++*(int *)ctx;
    return EG_ERR_IO;
}

/* What can't be made durable ends all promises until the next start, which has everything that was promised. */
static void a_failed_checkpoint_ends_it(void **state) {
    int asked = 0;
    eg_committer *c = NULL;
    eg_kv *kv = opened(state);
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    eg_kv_on_checkpoint(kv, never, &asked);
    int ok = 0;
    assert_false(eg_kv_failed(kv));
    while (ok < 100000 && take(c, (step){.from = ok, .to = ok + 1, .size = 60000}) == EG_OK) {
        ok++;
    }
    assert_true(ok > 50 && ok < 1000);
    assert_int_equal(asked, 1);
    assert_true(eg_kv_failed(kv));
    assert_int_equal(take(c, (step){.from = 0, .to = 1, .size = 1}), EG_ERR_IO);
    eg_committer_stop(c);
    eg_kv_close(kv);
    kv = opened(state);
    assert_false(eg_kv_failed(kv));
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    for (int i = 0; i < ok; i++) {
        check_row(t, i, 60000);
    }
    eg_kv_read_end(t);
    eg_kv_close(kv);
}

/* A backup reads an open store, and only one. */
static void snapshots_want_an_open_store(void **state) {
    eg_problem p = {0};
    eg_kv_snapshot *s = NULL;
    eg_kv *kv = opened(state);
    assert_false(eg_kv_is_beside(kv, "files", 0));
    assert_int_equal(eg_kv_snapshot_open(in_dir(state, "nowhere"), &s, &p), EG_ERR_NOT_FOUND);
    int status = 0;
    const pid_t child = fork(); /* LMDB wants another process */
    if (child == 0) {
        char to[256];
        snprintf(to, sizeof to, "%s", in_dir(state, "copy"));
        _exit(mkdir(to, 0700) || eg_kv_snapshot_open(in_dir(state, "db"), &s, &p) != EG_OK || eg_kv_snapshot_write(s, to, &p) != EG_OK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    eg_kv_close(kv);
    assert_int_equal(eg_kv_snapshot_open(in_dir(state, "db"), &s, &p), EG_ERR_BUSY);
    const eg_kv_options o = {.dir = in_dir(state, "copy"), .map_size = (uint64_t)1 << 30};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_OK); /* without a log of its own until now */
    eg_kv_close(kv);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_power_cut_loses_nothing), LOG_TEST(checkpoints_come_in_between), LOG_TEST(damage_is_said), LOG_TEST(an_older_file_is_refused),
        LOG_TEST(an_older_store_gets_a_log), LOG_TEST(a_failed_checkpoint_ends_it), LOG_TEST(snapshots_want_an_open_store)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

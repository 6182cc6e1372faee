/* Checks the store: its lock and format, reads, cursors, and changes that fail without harming others. covers: committer.c kv_ahead.c kv_lmdb.c kv_open.c */
#include <embergate/durable_file.h>
#include <embergate/kv.h>
#include <embergate/metrics.h>

#include "check.h"

#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>

static eg_bytes text(const char *z) {
    return eg_str_bytes(eg_str_of(z));
}

static eg_kv *open_store(void **state, uint64_t map_size) {
    eg_kv *kv = NULL;
    eg_problem p = {0};
    eg_kv_options o = {.dir = in_dir(state, "kv"), .map_size = map_size, .no_sync = true};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_OK);
    return kv;
}

typedef struct put_ctx {
    const char *key;
    const char *value;
    eg_err refuse;  /* said after the put */
    bool new_only;
} put_ctx;

static eg_err put_step(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const put_ctx *c = ctx;
    if (c->new_only) {
        EG_TRY(eg_kv_put_new(t, EG_DB_TEST, text(c->key), text(c->value)));
    } else {
        EG_TRY(eg_kv_put(t, EG_DB_TEST, text(c->key), text(c->value)));
    }
    return c->refuse == EG_OK ? EG_OK : eg_fail(p, c->refuse, "refused %s", c->key);
}

static eg_err commit_put(eg_committer *c, const char *key, const char *value) {
    put_ctx ctx = {.key = key, .value = value};
    eg_txn_op op = {put_step, &ctx};
    return eg_commit(c, &op, 1, NULL);
}

static void assert_value(eg_kv *kv, const char *key, const char *want) {
    eg_kv_txn *t = NULL;
    eg_bytes v = {0};
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    eg_err e = eg_kv_get(t, EG_DB_TEST, text(key), &v);
    assert_int_equal(e, want ? EG_OK : EG_ERR_NOT_FOUND);
    if (want) {
        assert_true(eg_str_is(eg_bytes_str(v), want));
    }
    eg_kv_read_end(t);
}

static void survives_reopening(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    int64_t commits = eg_metric_get(EG_METRIC_COMMITS);
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    assert_int_equal(commit_put(c, "a", "1"), EG_OK);
    assert_int_equal(eg_metric_get(EG_METRIC_COMMITS), commits + 1);
    eg_committer_stop(c);
    eg_kv_close(kv);
    kv = open_store(state, 0);
    assert_value(kv, "a", "1");
    assert_value(kv, "b", NULL);
    eg_kv_close(kv);
    eg_kv_close(NULL);
}

static void one_process_at_a_time(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_kv *second = NULL;
    eg_problem p = {0};
    eg_kv_options o = {.dir = in_dir(state, "kv")};
    assert_int_equal(eg_kv_open(&o, &second, &p), EG_ERR_LOCKED);
    assert_null(second);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(p.message, pid));
    struct stat st;
    assert_int_equal(stat(in_dir(state, "kv"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    eg_kv_close(kv);
}

/* Writes with LMDB itself what another version would have written. */
static void write_foreign(void **state, const char *db, char *value) {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char name[] = "format";
    MDB_val k = {6, name};
    MDB_val v = {strlen(value), value};
    assert_int_equal(eg_dir_make(in_dir(state, "kv"), 0700, NULL), EG_OK);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 4);
    assert_int_equal(mdb_env_open(env, in_dir(state, "kv"), 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, db, MDB_CREATE, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void unknown_format_is_refused(void **state) {
    char later[] = "9";
    write_foreign(state, "meta", later);
    eg_kv *kv = NULL;
    eg_problem p = {0};
    eg_kv_options o = {.dir = in_dir(state, "kv")};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_ERR_FORMAT_VERSION);
    assert_non_null(strstr(p.message, "\"9\""));
    assert_true(p.hint[0] != '\0');
}

static void missing_format_is_refused(void **state) {
    char x[] = "x";
    write_foreign(state, "other", x);
    eg_kv *kv = NULL;
    eg_problem p = {0};
    eg_kv_options o = {.dir = in_dir(state, "kv")};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_ERR_FORMAT_VERSION);
}

static void a_refusal_undoes_its_own_change(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    put_ctx first = {.key = "x", .value = "1"};
    put_ctx second = {.key = "y", .value = "2", .refuse = EG_ERR_PATH_CONFLICT};
    eg_txn_op ops[] = {{put_step, &first}, {put_step, &second}};
    assert_int_equal(eg_commit(c, ops, 2, &p), EG_ERR_PATH_CONFLICT);
    assert_string_equal(p.message, "refused y");
    assert_value(kv, "x", NULL);
    assert_value(kv, "y", NULL);
    put_ctx again = {.key = "x", .value = "1", .new_only = true};
    eg_txn_op op = {put_step, &again};
    assert_int_equal(eg_commit(c, &op, 1, &p), EG_OK);
    assert_int_equal(eg_commit(c, &op, 1, &p), EG_ERR_EXISTS);
    assert_int_equal(p.code, EG_ERR_EXISTS);
    assert_int_equal(eg_commit(c, ops, EG_COMMIT_OPS_MAX + 1, &p), EG_ERR_LIMIT);
    assert_int_equal(eg_commit(c, ops, 0, &p), EG_ERR_LIMIT);
    eg_committer_stop(c);
    eg_kv_close(kv);
}

/* The first change holds the committer until all the others are queued, so that those become one group. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool entered;
    bool open;
} gate;

static eg_err wait_at_gate(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)p;
    gate *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->moved);
    while (!g->open) {
        pthread_cond_wait(&g->moved, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return EG_OK;
}

enum { WRITERS = 8 };

typedef struct writer {
    pthread_t thread;
    eg_committer *committer;
    char key[16];
    eg_err refuse;
    eg_err result;
    eg_problem problem;
    gate *g;
} writer;

static void *write_one(void *arg) {
    writer *w = arg;
    put_ctx ctx = {.key = w->key, .value = "v", .refuse = w->refuse};
    eg_txn_op op = {w->g ? wait_at_gate : put_step, w->g ? (void *)w->g : &ctx};
    w->result = eg_commit(w->committer, &op, 1, &w->problem);
    return NULL;
}

static void one_refusal_in_a_group_harms_no_other(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};
    writer w[WRITERS + 1] = {0};
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    w[WRITERS].committer = c;
    w[WRITERS].g = &g;
    pthread_create(&w[WRITERS].thread, NULL, write_one, &w[WRITERS]);
    pthread_mutex_lock(&g.lock);
    while (!g.entered) {
        pthread_cond_wait(&g.moved, &g.lock);
    }
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i < WRITERS; i++) {
        w[i].committer = c;
        w[i].refuse = i % 2 ? EG_ERR_QUOTA : EG_OK;
        snprintf(w[i].key, sizeof w[i].key, "k%d", i);
        pthread_create(&w[i].thread, NULL, write_one, &w[i]);
    }
    usleep(100000); /* lets them queue; without it they'd be more groups and the test still right */
    int64_t commits = eg_metric_get(EG_METRIC_COMMITS);
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.moved);
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i <= WRITERS; i++) {
        pthread_join(w[i].thread, NULL);
    }
    assert_true(eg_metric_get(EG_METRIC_COMMITS) - commits < WRITERS / 2 + 1);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(w[i].result, w[i].refuse);
        assert_value(kv, w[i].key, i % 2 ? NULL : "v");
        if (i % 2) {
            assert_non_null(strstr(w[i].problem.message, w[i].key));
        }
    }
    eg_committer_stop(c);
    eg_kv_close(kv);
}

static eg_err fill(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    for (int i = 0; i < 1000; i++) {
        uint8_t key[4];
        eg_put_u32(key, (uint32_t)i);
        (void)eg_kv_put(t, EG_DB_TEST, (eg_bytes){key, 4}, *(eg_bytes *)ctx); /* unchecked: the error sticks */
    }
    return EG_OK;
}

/* The file grows ahead of what is used, and only behind it. */
static void written_ahead(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    struct stat st;
    char key[32], value[2000], path[512];
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "key%d", i);
        memset(value, 'a' + i % 26, sizeof value - 1);
        value[sizeof value - 1] = '\0';
        assert_int_equal(commit_put(c, key, value), EG_OK);
    }
    snprintf(path, sizeof path, "%s/data.mdb", in_dir(state, "kv"));
    assert_int_equal(stat(path, &st), 0);
    eg_committer_stop(c);
    eg_kv_close(kv);
    kv = open_store(state, 0);
    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "key%d", i);
        memset(value, 'a' + i % 26, sizeof value - 1);
        assert_value(kv, key, value);
    }
    eg_kv_close(kv);
    assert_true(st.st_size > 1500 * 2000 + (256 << 10));
}

typedef struct later {
    sem_t told;
    eg_err result;
    eg_problem problem;
    const char *key;
    eg_err before;             /* what the sync says */
    int syncs;
} later;

static void told(void *ctx, eg_err e, const eg_problem *p) {
    later *l = ctx;
    l->result = e;
    l->problem = *p;
    sem_post(&l->told);
}

static eg_err sync_first(void *ctx) {
    later *l = ctx;
    l->syncs++;
    return l->before;
}

static eg_err put_later(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const later *l = ctx;
    assert_int_equal(l->syncs, 1); /* what must be on disk before is, before the transaction is begun */
    return strcmp(l->key, "refused") == 0 ? eg_fail(p, EG_ERR_PATH_CONFLICT, "no") : eg_kv_put(t, EG_DB_TEST, eg_str_bytes(eg_str_of(l->key)), eg_str_bytes(EG_LIT("v")));
}

/* Commits that nobody waits for: each is told its own end, and a failed sync before one is that one's alone. */
static void commits_are_told_later(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    later of[60];
    eg_txn_op ops[60];
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    char keys[60][16];
    for (int i = 0; i < 60; i++) {
        snprintf(keys[i], sizeof keys[i], "later%d", i);
        of[i] = (later){.key = i % 5 == 1 ? "refused" : keys[i], .before = i % 5 == 2 ? EG_ERR_IO : EG_OK};
        sem_init(&of[i].told, 0, 0);
        ops[i] = (eg_txn_op){put_later, &of[i], .before = sync_first};
        assert_int_equal(eg_commit_start(c, &ops[i], 1, told, &of[i]), EG_OK);
    }
    assert_int_equal(eg_commit_start(c, ops, 0, told, of), EG_ERR_LIMIT);
    for (int i = 0; i < 60; i++) {
        sem_wait(&of[i].told);
        sem_destroy(&of[i].told);
        assert_int_equal(of[i].result, i % 5 == 1 ? EG_ERR_PATH_CONFLICT : i % 5 == 2 ? EG_ERR_IO : EG_OK);
        assert_int_equal(of[i].problem.code, of[i].result);
        if (of[i].result == EG_OK) {
            assert_value(kv, keys[i], "v");
        }
    }
    assert_value(kv, "later2", NULL);
    eg_committer_stop(c);
    eg_kv_close(kv);
}

static void a_full_map_is_said_and_survived(void **state) {
    eg_kv *kv = open_store(state, 1 << 20);
    eg_committer *c = NULL;
    static const uint8_t block[10000];
    eg_bytes value = {block, sizeof block};
    eg_problem p = {0};
    eg_txn_op op = {fill, &value};
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    assert_int_equal(eg_commit(c, &op, 1, &p), EG_ERR_MAP_FULL);
    assert_int_equal(p.code, EG_ERR_MAP_FULL);
    assert_int_equal(commit_put(c, "small", "1"), EG_OK);
    assert_value(kv, "small", "1");
    eg_committer_stop(c);
    eg_kv_close(kv);
}

typedef struct numbered { unsigned number; bool gone; } numbered;

static eg_err put_numbered(eg_kv_txn *t, void *ctx, eg_problem *p) {
    static const uint8_t block[3000];
    const numbered *n = ctx;
    uint8_t key[8];
    (void)p;
    eg_put_u64(key, n->number);
    return n->gone ? eg_kv_del(t, EG_DB_TEST, (eg_bytes){key, sizeof key}) : eg_kv_put(t, EG_DB_TEST, (eg_bytes){key, sizeof key}, (eg_bytes){block, sizeof block});
}

static eg_err commit_numbered(eg_committer *c, numbered n, bool grows, eg_problem *p) {
    eg_txn_op op = {put_numbered, &n, .grows = grows};
    return eg_commit(c, &op, 1, p);
}

static void a_reserve_is_kept_for_what_must_be(void **state) {
    eg_kv *kv = open_store(state, 1 << 20);
    eg_committer *c = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    unsigned made = 0;
    while (made < 1000 && commit_numbered(c, (numbered){made, false}, true, &p) == EG_OK) {
        made++;
    }
    assert_in_range(made, 50, 250);
    assert_int_equal(p.code, EG_ERR_MAP_FULL);
    assert_non_null(strstr(p.message, "reserve"));
    assert_int_equal(commit_numbered(c, (numbered){made, false}, false, &p), EG_OK); /* a record of it, say */
    assert_int_equal(commit_numbered(c, (numbered){made + 1, false}, true, &p), EG_ERR_MAP_FULL);
    for (unsigned i = 0; i < made / 2; i++) {
        assert_int_equal(commit_numbered(c, (numbered){i, true}, false, &p), EG_OK);
    }
    assert_int_equal(commit_numbered(c, (numbered){made + 1, false}, true, &p), EG_OK);
    eg_committer_stop(c);
    eg_kv_close(kv);
}

static eg_err delete_from_b(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx;
    (void)p;
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes v;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_TEST, text("b"), &c));
    eg_err e;
    while ((e = eg_kv_cursor_next(c, &k, &v)) == EG_OK) {
        EG_TRY(eg_kv_cursor_del(c));
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static void assert_next(eg_kv_cursor *c, const char *want) {
    eg_bytes k;
    eg_bytes v;
    eg_err e = eg_kv_cursor_next(c, &k, &v);
    assert_int_equal(e, want ? EG_OK : EG_ERR_NOT_FOUND);
    if (want) {
        assert_true(eg_str_is(eg_bytes_str(k), want));
    }
}

static void assert_before(eg_kv_cursor *c, const char *before, const char *want) {
    eg_bytes k;
    eg_bytes v;
    eg_err e = eg_kv_cursor_prev_of(c, text(before), &k, &v);
    assert_int_equal(e, want ? EG_OK : EG_ERR_NOT_FOUND);
    if (want) {
        assert_true(eg_str_is(eg_bytes_str(k), want));
    }
}

static void cursors(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *committer = NULL;
    assert_int_equal(eg_committer_start(kv, &committer), EG_OK);
    static const char *const keys[] = {"a", "b", "ba", "c"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(commit_put(committer, keys[i], "v"), EG_OK);
    }
    eg_kv_txn *t = NULL;
    eg_kv_cursor *c = NULL;
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, EG_DB_TEST, text("aa"), &c), EG_OK);
    assert_next(c, "b");
    assert_next(c, "ba");
    assert_next(c, "c");
    assert_next(c, NULL);
    assert_before(c, "b", "a");
    assert_before(c, "bb", "ba");
    assert_before(c, "zz", "c");
    assert_before(c, "a", NULL);
    assert_before(c, "", NULL);
    eg_bytes k;
    eg_bytes v;
    assert_int_equal(eg_kv_cursor_prev_of(c, (eg_bytes){NULL, 0}, &k, &v), EG_OK);
    assert_true(eg_str_is(eg_bytes_str(k), "c"));
    assert_int_equal(eg_kv_cursor_del(c), EG_ERR_INVALID); /* a read transaction */
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, text("x"), text("y")), EG_ERR_INVALID);
    eg_kv_cursor_close(c);
    eg_kv_read_end(t);
    eg_txn_op op = {delete_from_b, NULL};
    assert_int_equal(eg_commit(committer, &op, 1, NULL), EG_OK);
    assert_value(kv, "a", "v");
    assert_value(kv, "b", NULL);
    assert_value(kv, "ba", NULL);
    assert_value(kv, "c", NULL);
    eg_committer_stop(committer);
    eg_kv_close(kv);
}

static void keys_are_bounded(void **state) {
    eg_kv *kv = open_store(state, 0);
    eg_committer *c = NULL;
    char key[EG_KV_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    assert_int_equal(eg_committer_start(kv, &c), EG_OK);
    assert_int_equal(commit_put(c, key, "v"), EG_ERR_INVALID);
    assert_int_equal(commit_put(c, "", "v"), EG_ERR_INVALID);
    assert_int_equal(commit_put(c, key + 1, "v"), EG_OK);
    eg_committer_stop(c);
    eg_kv_close(kv);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(survives_reopening), STORE_TEST(one_process_at_a_time), STORE_TEST(unknown_format_is_refused), STORE_TEST(missing_format_is_refused),
        STORE_TEST(a_refusal_undoes_its_own_change), STORE_TEST(one_refusal_in_a_group_harms_no_other), STORE_TEST(written_ahead), STORE_TEST(commits_are_told_later), STORE_TEST(a_full_map_is_said_and_survived), STORE_TEST(a_reserve_is_kept_for_what_must_be),
        STORE_TEST(cursors), STORE_TEST(keys_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

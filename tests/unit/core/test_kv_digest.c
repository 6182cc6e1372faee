/* The digest of the store: what transactions do keeps it, what is done behind their back is found. */
#include "check.h"

#include "kv_env.h"

#include <embergate/crypto.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

typedef struct scene {
    char dir[96];
    bool synced;
    eg_kv *kv;
    eg_committer *committer;
    bool counted;
} scene;

static void open_kv(scene *s) {
    eg_problem p = {0};
    const eg_kv_options o = {.dir = s->dir, .map_size = 64u << 20, .no_sync = !s->synced};
    assert_int_equal(eg_kv_open(&o, &s->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
}

static eg_err start(scene *s, uint8_t key_byte) {
    const uint8_t raw[EG_KEY_LEN] = {key_byte};
    eg_secret *key = eg_secret_new(raw, sizeof raw);
    eg_problem p = {0};
    const eg_err e = eg_kv_digest_start(s->kv, s->committer, key, &s->counted, &p);
    assert_true(e == EG_OK || p.message[0] != 0);
    eg_secret_free(key);
    return e;
}

static void close_kv(scene *s) {
    eg_committer_stop(s->committer);
    eg_kv_close(s->kv);
}

static int set_up(void **state) {
    scene *s = calloc(1, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s/eg-digest-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(s->dir));
    open_kv(s);
    assert_int_equal(start(s, 1), EG_OK);
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    close_kv(s);
    nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* ---- changes as the store makes them ---- */

typedef struct change {
    eg_kv_db db;
    const char *key, *value;     /* NULL: deleted */
    eg_err refuse;               /* after it */
} change;

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const change *c = ctx;
    const eg_bytes k = eg_str_bytes(eg_str_of(c->key));
    const eg_err e = c->value ? eg_kv_put(t, c->db, k, eg_str_bytes(eg_str_of(c->value))) : eg_kv_del(t, c->db, k);
    return e == EG_OK ? c->refuse : e;
}

static eg_err run(scene *s, eg_err (*fn)(eg_kv_txn *, void *, eg_problem *), void *ctx) {
    const eg_txn_op op = {.apply = fn, .ctx = ctx};
    return eg_commit(s->committer, &op, 1, NULL);
}

static eg_err put(scene *s, eg_kv_db db, const char *key, const char *value) {
    change c = {db, key, value, EG_OK};
    return run(s, apply, &c);
}

/* Several changes in one group: the committer may take them one by one, so the transaction is made here. */
static void group(scene *s, change *c, size_t n) {
    eg_kv_txn *t = NULL;
    eg_committer_stop(s->committer);
    assert_int_equal(eg_kv_write_begin(s->kv, &t), EG_OK);
    for (size_t i = 0; i < n; i++) {
        eg_kv_txn *one = NULL;
        eg_problem p = {0};
        assert_int_equal(eg_kv_change_begin(t, &one), EG_OK);
        assert_int_equal(eg_kv_change_end(one, apply(one, &c[i], &p)), c[i].refuse);
    }
    assert_int_equal(eg_kv_write_commit(t), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
}

/* ---- what is found ---- */

typedef struct found {
    size_t n;
    char first[32];
} found;

static void differs(void *ctx, const char *database) {
    found *f = ctx;
    if (f->n++ == 0) {
        snprintf(f->first, sizeof f->first, "%s", database);
    }
}

static found look(scene *s) {
    found f = {0};
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_digest_check(t, &(eg_kv_digest_sink){.differs = differs, .ctx = &f}), EG_OK);
    eg_kv_read_end(t);
    return f;
}

static void expect_clean(scene *s) { assert_int_equal(look(s).n, 0); }

static void expect_differs(scene *s, const char *database) {
    const found f = look(s);
    assert_int_equal(f.n, 1);
    assert_string_equal(f.first, database);
}

/* Behind the store's back. */
static void raw(scene *s, eg_kv_db db, eg_bytes key, const eg_bytes *value) {
    MDB_txn *txn = NULL;
    MDB_val k = eg_kv_val(key);
    assert_int_equal(mdb_txn_begin(s->kv->env, NULL, 0, &txn), 0);
    if (value) {
        MDB_val v = eg_kv_val(*value);
        assert_int_equal(mdb_put(txn, s->kv->dbis[db], &k, &v, 0), 0);
    } else {
        assert_int_equal(mdb_del(txn, s->kv->dbis[db], &k, NULL), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static void raw_text(scene *s, eg_kv_db db, const char *key, const char *value) {
    const eg_bytes v = value ? eg_str_bytes(eg_str_of(value)) : (eg_bytes){NULL, 0};
    raw(s, db, eg_str_bytes(eg_str_of(key)), value ? &v : NULL);
}

static void copy_of(scene *s, eg_kv_db db, const char *key, eg_buf *ret) {
    eg_kv_txn *t = NULL;
    eg_bytes v;
    eg_buf_init(ret, 4096);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_get(t, db, eg_str_bytes(eg_str_of(key)), &v), EG_OK);
    assert_int_equal(eg_buf_add(ret, v.ptr, v.len), EG_OK);
    eg_kv_read_end(t);
}

static void an_older_row_is_found(void **state) {
    scene *s = *state;
    assert_true(s->counted);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "first"), EG_OK);
    assert_int_equal(put(s, EG_DB_FS_INODE, "b", "other"), EG_OK);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "second"), EG_OK);
    assert_int_equal(put(s, EG_DB_BATCH, "a", "second"), EG_OK);
    expect_clean(s);
    raw_text(s, EG_DB_FS_INODE, "a", "first");
    expect_differs(s, "fs.inode");
    raw_text(s, EG_DB_FS_INODE, "a", "second");
    expect_clean(s);
    raw_text(s, EG_DB_FS_INODE, "b", NULL);
    expect_differs(s, "fs.inode");
    raw_text(s, EG_DB_FS_INODE, "b", "other");
    raw_text(s, EG_DB_FS_LEASE, "b", "foreign");
    expect_differs(s, "fs.lease");
    raw_text(s, EG_DB_FS_LEASE, "b", NULL);
    raw_text(s, EG_DB_BATCH, "a", "changed");
    expect_differs(s, "compute.batch");
    raw_text(s, EG_DB_BATCH, "a", NULL);
    expect_differs(s, "compute.batch");
}

/* Who is disabled or revoked, or lost a role, puts back what was. */
static void older_rows_of_people_are_found(void **state) {
    scene *s = *state;
    static const struct {
        eg_kv_db db;
        const char *name;
    } rows[] = {{EG_DB_PRINCIPAL, "identity.principal"}, {EG_DB_REVOKED, "identity.revoked"}, {EG_DB_POLICY_DOCUMENT, "policy.document"},
                {EG_DB_POLICY_VERSION, "policy.version"}, {EG_DB_POLICY_CHANGE, "policy.change"}, {EG_DB_POLICY_PENDING, "policy.pending"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(put(s, rows[i].db, "who", "may"), EG_OK);
        assert_int_equal(put(s, rows[i].db, "who", "may not"), EG_OK);
        expect_clean(s);
        raw_text(s, rows[i].db, "who", "may");
        expect_differs(s, rows[i].name);
        raw_text(s, rows[i].db, "who", NULL);
        expect_differs(s, rows[i].name);
        raw_text(s, rows[i].db, "who", "may not");
        expect_clean(s);
    }
}

/* The same row in another database, and key and value cut elsewhere, are other rows. */
static void rows_have_one_meaning(void **state) {
    scene *s = *state;
    assert_int_equal(put(s, EG_DB_FS_ENTRY, "ab", "c"), EG_OK);
    raw_text(s, EG_DB_FS_ENTRY, "ab", NULL);
    raw_text(s, EG_DB_FS_ENTRY, "a", "bc");
    expect_differs(s, "fs.entry");
    raw_text(s, EG_DB_FS_ENTRY, "a", NULL);
    raw_text(s, EG_DB_FS_EXTENT, "ab", "c");
    assert_int_equal(look(s).n, 2);
}

static void an_older_digest_is_found(void **state) {
    scene *s = *state;
    eg_buf older;
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "first"), EG_OK);
    copy_of(s, EG_DB_META, "digest", &older);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "second"), EG_OK);
    eg_buf now;
    copy_of(s, EG_DB_META, "digest", &now);
    const eg_bytes old_row = eg_buf_bytes(&older), row = eg_buf_bytes(&now);
    raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), &old_row);
    expect_differs(s, "fs.inode");
    raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), &row);
    expect_clean(s);
    for (size_t i = 0; i < now.len; i += 37) {
        now.ptr[i] ^= 1;
        raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), &row);
        found f = {0};
        eg_kv_txn *t = NULL;
        assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
        assert_int_equal(eg_kv_digest_check(t, &(eg_kv_digest_sink){.differs = differs, .ctx = &f}), i == 0 ? EG_ERR_FORMAT_VERSION : EG_ERR_CORRUPT);
        eg_kv_read_end(t);
        now.ptr[i] ^= 1;
    }
    raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), NULL);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_digest_check(t, &(eg_kv_digest_sink){.differs = differs}), EG_ERR_CORRUPT);
    eg_kv_read_end(t);
    eg_buf_done(&older);
    eg_buf_done(&now);
}

static eg_err new_and_gone(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx;
    (void)p;
    eg_kv_cursor *c = NULL;
    eg_bytes k, v;
    assert_int_equal(eg_kv_put_new(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("k1")), eg_str_bytes(EG_LIT("v1"))), EG_OK);
    assert_int_equal(eg_kv_put_new(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("k1")), eg_str_bytes(EG_LIT("v2"))), EG_ERR_EXISTS);
    assert_int_equal(eg_kv_put(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("k2")), eg_str_bytes(EG_LIT("v2"))), EG_OK);
    assert_int_equal(eg_kv_put(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("k2")), eg_str_bytes(EG_LIT("v3"))), EG_OK);
    assert_int_equal(eg_kv_del(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("none"))), EG_OK);
    assert_int_equal(eg_kv_cursor_open(t, EG_DB_FS_ENTRY, eg_str_bytes(EG_LIT("k1")), &c), EG_OK);
    assert_int_equal(eg_kv_cursor_next(c, &k, &v), EG_OK);
    assert_int_equal(eg_kv_cursor_del(c), EG_OK);
    eg_kv_cursor_close(c);
    return EG_OK;
}

static void every_way_to_change_keeps_it(void **state) {
    scene *s = *state;
    assert_int_equal(run(s, new_and_gone, NULL), EG_OK);
    expect_clean(s);
    assert_int_equal(put(s, EG_DB_FS_ENTRY, "k2", NULL), EG_OK);
    expect_clean(s);
    change several[] = {{EG_DB_FS_INODE, "a", "1", EG_OK}, {EG_DB_FS_INODE, "a", "2", EG_ERR_EXISTS}, {EG_DB_FS_INODE, "a", NULL, EG_ERR_EXISTS},
                        {EG_DB_FS_INODE, "b", "3", EG_ERR_EXISTS}, {EG_DB_FS_INODE, "c", "4", EG_OK}};
    group(s, several, sizeof several / sizeof several[0]);
    expect_clean(s);
    raw_text(s, EG_DB_FS_INODE, "a", NULL); /* it is the first one's */
    expect_differs(s, "fs.inode");
}

/* A single change that fails takes its transaction with it; the same sums come again and have to be written then. */
static void what_is_taken_back_counts_not(void **state) {
    scene *s = *state;
    change refused = {EG_DB_FS_INODE, "a", "1", EG_ERR_EXISTS};
    assert_int_equal(run(s, apply, &refused), EG_ERR_EXISTS);
    expect_clean(s);
    eg_kv_txn *t = NULL;
    eg_committer_stop(s->committer);
    assert_int_equal(eg_kv_write_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_put(t, EG_DB_FS_INODE, eg_str_bytes(EG_LIT("a")), eg_str_bytes(EG_LIT("1"))), EG_OK);
    assert_int_equal(eg_kv_digest_write(t), EG_OK);
    eg_kv_write_abort(t);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "1"), EG_OK);
    expect_clean(s);
}

static void it_is_found_again(void **state) {
    scene *s = *state;
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "1"), EG_OK);
    close_kv(s);
    open_kv(s);
    /* Not without the key; what isn't covered may be changed. */
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "2"), EG_ERR_INVALID);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", NULL), EG_ERR_INVALID);
    assert_int_equal(put(s, EG_DB_AUDIT_STATE, "p", "1"), EG_OK);
    assert_int_equal(start(s, 2), EG_ERR_CORRUPT);
    assert_int_equal(start(s, 1), EG_OK);
    assert_false(s->counted);
    expect_clean(s);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "2"), EG_OK);
    expect_clean(s);
    raw_text(s, EG_DB_META, "digest", NULL);
    close_kv(s);
    open_kv(s);
    assert_int_equal(start(s, 1), EG_ERR_CORRUPT); /* nobody counts anew what was there before */
}

static void an_earlier_store_is_counted(void **state) {
    scene *s = *state;
    close_kv(s);
    nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    open_kv(s);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "1"), EG_OK);
    assert_int_equal(start(s, 1), EG_OK);
    assert_true(s->counted);
    expect_clean(s);
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", NULL), EG_OK);
    expect_clean(s);
}

/* The row of version 1: the first 20 sums, under the key byte 1. */
static void write_first_version(scene *s) {
    enum { OLD = 20, SALT = 16, SUMS = EG_KV_DIGEST_DBS * 16 };
    const uint8_t raw_key[EG_KEY_LEN] = {1};
    uint8_t seal[EG_KEY_LEN], key[EG_SHA256_LEN], head[1 + SALT] = {1, 7}, plain[SUMS] = {0};
    eg_kv_sums sums;
    eg_buf row;
    eg_buf_init(&row, 4096);
    eg_kv_digest_get(s->kv->digest, &sums);
    for (size_t i = 0; i < OLD; i++) {
        eg_put_u64(plain + 16 * i, sums.of[i][0]);
        eg_put_u64(plain + 16 * i + 8, sums.of[i][1]);
    }
    assert_int_equal(eg_hkdf_sha256((eg_bytes){raw_key, sizeof raw_key}, (eg_bytes){NULL, 0}, eg_str_bytes(EG_LIT("sums")), seal, sizeof seal), EG_OK);
    eg_hmac_sha256((eg_bytes){seal, sizeof seal}, (eg_bytes){head + 1, SALT}, key);
    assert_int_equal(eg_buf_add(&row, head, sizeof head), EG_OK);
    assert_int_equal(eg_seal((eg_bytes){key, sizeof key}, eg_str_bytes(EG_LIT("embergate store digest v1")), (eg_bytes){plain, sizeof plain}, &row), EG_OK);
    const eg_bytes v = eg_buf_bytes(&row);
    raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), &v);
    eg_buf_done(&row);
}

/* What it didn't cover is counted, once, and it says so; what it covered has to fit. */
static void a_digest_of_the_first_version_goes_on(void **state) {
    scene *s = *state;
    assert_int_equal(put(s, EG_DB_FS_INODE, "a", "1"), EG_OK);
    assert_int_equal(put(s, EG_DB_PRINCIPAL, "who", "may"), EG_OK);
    write_first_version(s);
    close_kv(s);
    open_kv(s);
    assert_int_equal(start(s, 1), EG_OK);
    assert_true(s->counted);
    expect_clean(s);
    assert_int_equal(put(s, EG_DB_PRINCIPAL, "who", "may not"), EG_OK);
    close_kv(s);
    open_kv(s);
    assert_int_equal(start(s, 1), EG_OK);
    assert_false(s->counted);
    expect_clean(s);
    raw_text(s, EG_DB_PRINCIPAL, "who", "may");
    expect_differs(s, "identity.principal");
    raw_text(s, EG_DB_PRINCIPAL, "who", "may not");
    raw_text(s, EG_DB_FS_INODE, "a", "2");
    write_first_version(s);
    close_kv(s);
    open_kv(s);
    assert_int_equal(start(s, 1), EG_OK);
    expect_differs(s, "fs.inode");
}

/* Else whoever writes the disk had what only the newer one covers counted anew. */
static void a_digest_is_not_called_older_than_it_is(void **state) {
    scene *s = *state;
    eg_buf row;
    assert_int_equal(put(s, EG_DB_PRINCIPAL, "who", "may not"), EG_OK);
    copy_of(s, EG_DB_META, "digest", &row);
    row.ptr[0] = 1;
    const eg_bytes v = eg_buf_bytes(&row);
    raw(s, EG_DB_META, eg_str_bytes(EG_LIT("digest")), &v);
    raw_text(s, EG_DB_PRINCIPAL, "who", "may");
    close_kv(s);
    open_kv(s);
    assert_int_equal(start(s, 1), EG_ERR_CORRUPT);
    eg_buf_done(&row);
}

static void copy_file(const char *from, const char *to, const char *name) {
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", from, name);
    const int in = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/%s", to, name);
    const int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fstat(in, &st), 0);
    for (off_t done = 0; done < st.st_size;) {
        const ssize_t n = sendfile(out, in, NULL, (size_t)(st.st_size - done));
        assert_true(n > 0);
        done += n;
    }
    close(in);
    close(out);
}

/* With the store's log: what a crash leaves is done again, the digest with it. */
static void a_crash_leaves_it_right(void **state) {
    scene *s = *state;
    close_kv(s);
    nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    s->synced = true;
    open_kv(s);
    assert_int_equal(start(s, 1), EG_OK);
    char value[16];
    for (int i = 0; i < 50; i++) {
        snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(put(s, EG_DB_FS_INODE, i % 3 ? "a" : "b", value), EG_OK);
    }
    static const char *const left[] = {"data.mdb", "log.0", "log.1"};
    scene crashed = {.synced = true};
    snprintf(crashed.dir, sizeof crashed.dir, "%.80s-copy", s->dir);
    assert_int_equal(mkdir(crashed.dir, 0700), 0);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) { /* as a kill would leave it: LMDB's file and the log, nothing closed */
        copy_file(s->dir, crashed.dir, left[i]);
    }
    open_kv(&crashed);
    assert_int_equal(start(&crashed, 1), EG_OK);
    assert_false(crashed.counted);
    expect_clean(&crashed);
    raw_text(&crashed, EG_DB_FS_INODE, "a", "v1");
    expect_differs(&crashed, "fs.inode");
    close_kv(&crashed);
    nftw(crashed.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool not_on(void *ctx) {
    ++*(size_t *)ctx;
    return false;
}

static eg_err put_many(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx;
    (void)p;
    for (int i = 0; i < 3000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        eg_kv_put(t, EG_DB_FS_ENTRY, eg_str_bytes(eg_str_of(key)), eg_str_bytes(EG_LIT("v")));
    }
    return EG_OK;
}

static void a_look_can_be_ended(void **state) {
    scene *s = *state;
    size_t asked = 0;
    eg_kv_txn *t = NULL;
    assert_int_equal(run(s, put_many, NULL), EG_OK);
    expect_clean(s);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_digest_check(t, &(eg_kv_digest_sink){.differs = differs, .go_on = not_on, .ctx = &asked}), EG_ERR_CANCELLED);
    assert_int_equal(asked, 1);
    eg_kv_read_end(t);
}

int main(void) {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_older_row_is_found), T(older_rows_of_people_are_found), T(a_digest_of_the_first_version_goes_on), T(a_digest_is_not_called_older_than_it_is), T(rows_have_one_meaning), T(an_older_digest_is_found), T(every_way_to_change_keeps_it), T(what_is_taken_back_counts_not),
        T(it_is_found_again), T(an_earlier_store_is_counted), T(a_crash_leaves_it_right),
        T(a_look_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

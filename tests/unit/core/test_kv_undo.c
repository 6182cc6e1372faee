/* Checks that a change in a group's transaction that fails leaves every row as it was, whatever it did, and that nothing lent outlives a write. covers: kv_borrowed.c */
#include "kv_env.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEYS = 40, DBS = 2, ROUNDS = 300, CHANGES = 12, OPS = 10, VALUE_MAX = 6000 };

static const eg_kv_db dbs[DBS] = {EG_DB_TEST, EG_DB_META};

typedef struct row {
    bool there;
    size_t len;
    uint8_t fill;
} row;

typedef struct model {
    row rows[DBS][KEYS];
} model;

static uint64_t seed;

/* xorshift: the same run for the same seed. */
static size_t below(size_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

static eg_bytes key_of(size_t i, char room[16]) {
    snprintf(room, 16, "key-%zu", i);
    return eg_str_bytes(eg_str_of(room));
}

static eg_kv *open_store(void **state) {
    eg_kv *kv = NULL;
    eg_kv_options o = {.dir = in_dir(state, "kv"), .no_sync = true};
    assert_int_equal(eg_kv_open(&o, &kv, NULL), EG_OK);
    return kv;
}

static void put_some(eg_kv_txn *t, size_t d, size_t i, row *r) {
    static uint8_t value[VALUE_MAX];
    char room[16];
    *r = (row){.there = true, .len = below(VALUE_MAX), .fill = (uint8_t)below(256)};
    memset(value, r->fill, r->len);
    assert_int_equal(eg_kv_put(t, dbs[d], key_of(i, room), (eg_bytes){value, r->len}), EG_OK);
}

static void put_new(eg_kv_txn *t, size_t d, size_t i, row *r) {
    char room[16];
    const eg_err e = eg_kv_put_new(t, dbs[d], key_of(i, room), eg_str_bytes(EG_LIT("nnn")));
    assert_int_equal(e, r->there ? EG_ERR_EXISTS : EG_OK);
    if (e == EG_OK) {
        *r = (row){.there = true, .len = 3, .fill = 'n'};
    }
}

static void del(eg_kv_txn *t, size_t d, size_t i, row *r) {
    char room[16];
    assert_int_equal(eg_kv_del(t, dbs[d], key_of(i, room)), EG_OK);
    r->there = false;
}

/* The first row at or behind the key. */
static void cursor_del(eg_kv_txn *t, size_t d, size_t i, row *rows) {
    char room[16], found[16] = "";
    eg_bytes k, v;
    eg_kv_cursor *c = NULL;
    assert_int_equal(eg_kv_cursor_open(t, dbs[d], key_of(i, room), &c), EG_OK);
    if (eg_kv_cursor_next(c, &k, &v) == EG_OK && k.len > 4 && memcmp(k.ptr, "key-", 4) == 0) {
        memcpy(found, k.ptr, k.len);
        assert_int_equal(eg_kv_cursor_del(c), EG_OK);
        rows[strtoul(found + 4, NULL, 10)].there = false;
    }
    eg_kv_cursor_close(c);
}

static void do_one(eg_kv_txn *t, model *m) {
    const size_t d = below(DBS), i = below(KEYS);
    switch (below(5)) {
    case 0:
        put_new(t, d, i, &m->rows[d][i]);
        break;
    case 1:
        del(t, d, i, &m->rows[d][i]);
        break;
    case 2:
        cursor_del(t, d, i, m->rows[d]);
        break;
    default:
        put_some(t, d, i, &m->rows[d][i]);
        break;
    }
}

static void assert_like(eg_kv_txn *t, const model *m) {
    char room[16];
    for (size_t d = 0; d < DBS; d++) {
        for (size_t i = 0; i < KEYS; i++) {
            const row *r = &m->rows[d][i];
            eg_bytes v = {0};
            assert_int_equal(eg_kv_get(t, dbs[d], key_of(i, room), &v), r->there ? EG_OK : EG_ERR_NOT_FOUND);
            if (r->there) {
                assert_int_equal(v.len, r->len);
                assert_true(r->len == 0 || (v.ptr[0] == r->fill && v.ptr[r->len - 1] == r->fill));
            }
        }
    }
}

static void a_failed_change_leaves_no_trace(void **state) {
    eg_kv *kv = open_store(state);
    const char *given = getenv("EG_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("EG_SEED=%llu\n", (unsigned long long)seed);
    seed += 88172645463325252u;
    model whole = {0};
    for (int round = 0; round < ROUNDS; round++) {
        eg_kv_txn *group = NULL;
        model m = whole;
        assert_int_equal(eg_kv_write_begin(kv, &group), EG_OK);
        for (size_t n = below(CHANGES); n > 0; n--) {
            const model before = m;
            const bool refused = below(2) == 0;
            eg_kv_txn *t = NULL;
            assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
            for (size_t ops = below(OPS); ops > 0; ops--) {
                do_one(t, &m);
            }
            assert_int_equal(eg_kv_change_end(t, refused ? EG_ERR_QUOTA : EG_OK), refused ? EG_ERR_QUOTA : EG_OK);
            m = refused ? before : m;
            assert_like(group, &m);
        }
        if (below(4) == 0) {
            eg_kv_write_abort(group);
        } else {
            assert_int_equal(eg_kv_write_commit(group), EG_OK);
            whole = m;
        }
        eg_kv_txn *r = NULL;
        assert_int_equal(eg_kv_read_begin(kv, &r), EG_OK);
        assert_like(r, &whole);
        eg_kv_read_end(r);
    }
    eg_kv_close(kv);
}

/* The sticky error is the change's own: what comes after it in the group goes on. */
static void a_sticky_error_ends_with_its_change(void **state) {
    eg_kv *kv = open_store(state);
    static uint8_t long_key[EG_KV_KEY_MAX + 1];
    eg_kv_txn *group = NULL, *t = NULL;
    eg_bytes v;
    assert_int_equal(eg_kv_write_begin(kv, &group), EG_OK);
    assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, eg_str_bytes(EG_LIT("gone")), eg_str_bytes(EG_LIT("1"))), EG_OK);
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, (eg_bytes){long_key, sizeof long_key}, eg_str_bytes(EG_LIT("1"))), EG_ERR_INVALID);
    assert_int_equal(eg_kv_get(t, EG_DB_TEST, eg_str_bytes(EG_LIT("gone")), &v), EG_ERR_INVALID);
    assert_int_equal(eg_kv_change_end(t, EG_OK), EG_ERR_INVALID);
    assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
    assert_int_equal(eg_kv_get(t, EG_DB_TEST, eg_str_bytes(EG_LIT("gone")), &v), EG_ERR_NOT_FOUND);
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, eg_str_bytes(EG_LIT("kept")), eg_str_bytes(EG_LIT("2"))), EG_OK);
    assert_int_equal(eg_kv_change_end(t, EG_OK), EG_OK);
    assert_int_equal(eg_kv_write_commit(group), EG_OK);
    assert_int_equal(eg_kv_read_begin(kv, &t), EG_OK);
    assert_int_equal(eg_kv_get(t, EG_DB_TEST, eg_str_bytes(EG_LIT("kept")), &v), EG_OK);
    eg_kv_read_end(t);
    eg_kv_close(kv);
}

/* LMDB takes nothing more in a transaction whose map is full: the group ends with that error, nothing of it is there, and the next one is as ever. */
static void a_full_map_ends_the_group(void **state) {
    enum { MAP = 1 << 20, ROW = 100000 };
    eg_kv *kv = NULL;
    eg_kv_options o = {.dir = in_dir(state, "kv"), .no_sync = true, .map_size = MAP};
    uint8_t *zeros = calloc(2, MAP);
    char room[16];
    assert_int_equal(eg_kv_open(&o, &kv, NULL), EG_OK);
    for (int at_once = 0; at_once < 2; at_once++) {
        eg_kv_txn *group = NULL, *t = NULL;
        eg_bytes v;
        eg_err e = EG_OK;
        assert_int_equal(eg_kv_write_begin(kv, &group), EG_OK);
        assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
        assert_int_equal(eg_kv_put(t, EG_DB_TEST, eg_str_bytes(EG_LIT("first")), eg_str_bytes(EG_LIT("1"))), EG_OK);
        assert_int_equal(eg_kv_change_end(t, EG_OK), EG_OK);
        assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
        /* At once, so that nothing has to be taken back; or after some rows that then have to be. */
        for (size_t i = 0; i < 2 * MAP / ROW && e == EG_OK; i++) {
            e = eg_kv_put(t, EG_DB_TEST, key_of(i, room), (eg_bytes){zeros, at_once ? 2 * MAP : ROW});
        }
        assert_int_equal(e, EG_ERR_MAP_FULL);
        assert_int_equal(eg_kv_change_end(t, e), EG_ERR_MAP_FULL);
        assert_int_equal(eg_kv_change_begin(group, &t), EG_ERR_MAP_FULL);
        assert_int_equal(eg_kv_write_commit(group), EG_ERR_MAP_FULL);
        assert_int_equal(eg_kv_write_begin(kv, &group), EG_OK);
        assert_int_equal(eg_kv_get(group, EG_DB_TEST, eg_str_bytes(EG_LIT("first")), &v), EG_ERR_NOT_FOUND);
        assert_int_equal(eg_kv_put(group, EG_DB_TEST, eg_str_bytes(EG_LIT("after")), eg_str_bytes(EG_LIT("1"))), EG_OK);
        assert_int_equal(eg_kv_write_commit(group), EG_OK);
    }
    free(zeros);
    eg_kv_close(kv);
}

/* What can be taken back has a bound; the change that goes beyond it fails alone. */
static void what_is_kept_is_bounded(void **state) {
    eg_kv *kv = open_store(state);
    enum { BIG = 8 << 20, ROWS = 9 };
    uint8_t *big = calloc(1, BIG);
    eg_kv_txn *group = NULL, *t = NULL;
    char room[16];
    eg_bytes v;
    eg_err e = EG_OK;
    assert_int_equal(eg_kv_write_begin(kv, &group), EG_OK);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(eg_kv_put(group, EG_DB_TEST, key_of(i, room), (eg_bytes){big, BIG}), EG_OK);
    }
    assert_int_equal(eg_kv_change_begin(group, &t), EG_OK);
    size_t gone = 0;
    for (; gone < ROWS && e == EG_OK; gone++) {
        e = eg_kv_del(t, EG_DB_TEST, key_of(gone, room));
    }
    assert_int_equal(e, EG_ERR_LIMIT);
    assert_int_equal(gone, 8);
    assert_int_equal(eg_kv_change_end(t, EG_OK), EG_ERR_LIMIT);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(eg_kv_get(group, EG_DB_TEST, key_of(i, room), &v), EG_OK);
        assert_int_equal(v.len, BIG);
    }
    assert_int_equal(eg_kv_write_commit(group), EG_OK);
    free(big);
    eg_kv_close(kv);
}

/* What makes the other tests find whoever keeps a row beyond the next write to its database. */
static void a_sanitizer_sees_what_is_kept_too_long(void **state) {
#ifdef EG_KV_LENDS_COPIES
    eg_kv *kv = open_store(state);
    eg_kv_txn *t = NULL;
    eg_bytes one, two;
    assert_int_equal(eg_kv_write_begin(kv, &t), EG_OK);
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, eg_str_bytes(EG_LIT("k")), eg_str_bytes(EG_LIT("v"))), EG_OK);
    assert_int_equal(eg_kv_get(t, EG_DB_TEST, eg_str_bytes(EG_LIT("k")), &one), EG_OK);
    assert_int_equal(eg_kv_get(t, EG_DB_TEST, eg_str_bytes(EG_LIT("k")), &two), EG_OK);
    assert_ptr_not_equal(one.ptr, two.ptr);
    assert_non_null(t->lent);
    assert_int_equal(eg_kv_put(t, EG_DB_META, eg_str_bytes(EG_LIT("other")), eg_str_bytes(EG_LIT("v"))), EG_OK);
    assert_true(one.len == 1 && one.ptr[0] == 'v');
    assert_int_equal(eg_kv_put(t, EG_DB_TEST, eg_str_bytes(EG_LIT("l")), eg_str_bytes(EG_LIT("v"))), EG_OK);
    assert_null(t->lent);
    eg_kv_write_abort(t);
    eg_kv_close(kv);
#else
    (void)state;
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failed_change_leaves_no_trace, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_sticky_error_ends_with_its_change, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_full_map_ends_the_group, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_sanitizer_sees_what_is_kept_too_long, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

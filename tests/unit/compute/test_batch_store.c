/* Batches and idempotency keys in the store: ids, names, no lost change, expiry. covers: idempotency.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch_store.h"
#include "idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ID "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"

typedef struct store {
    char dir[64];
    eg_kv *kv;
    eg_committer *c;
} store;

static int setup(void **state) {
    store *s = calloc(1, sizeof *s);
    assert_non_null(s);
    snprintf(s->dir, sizeof s->dir, P_tmpdir "/eg-store-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    eg_kv_options o = {.dir = s->dir, .no_sync = true};
    eg_problem p = {0};
    assert_int_equal(eg_kv_open(&o, &s->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->c), EG_OK);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    store *s = *state;
    eg_committer_stop(s->c);
    eg_kv_close(s->kv);
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
        unlink(path);
    }
    rmdir(s->dir);
    free(s);
    return 0;
}

static eg_err insert(store *s, const char *cluster, uint32_t id, const char *name, eg_problem *p) {
    eg_batch b;
    eg_batch_init(&b);
    snprintf(b.cluster, sizeof b.cluster, "%s", cluster);
    snprintf(b.name, sizeof b.name, "%s", name);
    snprintf(b.tenant, sizeof b.tenant, ID);
    snprintf(b.owner, sizeof b.owner, ID);
    b.owner_kind = EG_PRINCIPAL_USER;
    b.id = id;
    b.state = EG_BATCH_STARTING;
    eg_buf record;
    eg_buf_init(&record, EG_BATCH_RECORD_MAX);
    assert_int_equal(eg_batch_record_encode(&b, &record), EG_OK);
    eg_batch_insert i = {&b, eg_buf_bytes(&record)};
    eg_txn_op op = eg_batch_store_insert(&i);
    eg_err e = eg_commit(s->c, &op, 1, p);
    eg_buf_done(&record);
    eg_batch_done(&b);
    return e;
}

static eg_err find(store *s, const char *cluster, const char *what, uint32_t *ret_id, bool *ret_flag) {
    eg_kv_txn *t = NULL;
    eg_batch b;
    eg_batch_init(&b);
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    eg_err e = eg_batch_store_find(t, eg_str_of(cluster), eg_str_of(what), false, &b);
    eg_kv_read_end(t);
    *ret_id = b.id;
    *ret_flag = eg_batch_state_final(b.state);
    eg_batch_done(&b);
    return e;
}

static uint32_t next_id(store *s, const char *cluster) {
    eg_kv_txn *t = NULL;
    uint32_t next = 0;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_batch_store_next_id(t, eg_str_of(cluster), &next), EG_OK);
    eg_kv_read_end(t);
    return next;
}

static eg_err end(eg_batch *b, void *ctx) {
    b->state = EG_BATCH_SUCCESS;
    b->usage.bytes_read += *(uint64_t *)ctx;
    return EG_OK;
}

static eg_err hide(eg_batch *b, void *ctx) {
    (void)ctx;
    b->deleted = true;
    return EG_OK;
}

static eg_err count(void *ctx, eg_batch *b) {
    (void)b;
    ++*(unsigned *)ctx;
    return EG_OK;
}

static void names_and_ids(void **state) {
    store *s = *state;
    eg_problem p = {0};
    uint32_t id = 0;
    bool final = false;
    assert_int_equal(next_id(s, "a"), 0);
    assert_int_equal(insert(s, "a", 0, "x", &p), EG_OK);
    assert_int_equal(insert(s, "a", 1, "x", &p), EG_ERR_NAME_TAKEN);
    assert_int_equal(find(s, "a", "1", &id, &final), EG_ERR_BATCH_NOT_FOUND); /* nothing of a refused one */
    assert_int_equal(next_id(s, "a"), 1);
    assert_int_equal(insert(s, "b", 0, "x", &p), EG_OK); /* names and ids are per cluster */
    assert_int_equal(insert(s, "a", 4, "", &p), EG_OK);
    assert_int_equal(insert(s, "a", 5, "", &p), EG_OK);
    assert_int_equal(insert(s, "a", 4, "", &p), EG_ERR_EXISTS);
    assert_int_equal(next_id(s, "a"), 6);
    assert_int_equal(find(s, "a", "x", &id, &final), EG_OK);
    assert_int_equal(id, 0);
    static const char *const absent[] = {"", "y", "99", "4294967296", "-1", "0x0", "00000000000000000000"};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(find(s, "a", absent[i], &id, &final), EG_ERR_BATCH_NOT_FOUND);
    }
    assert_int_equal(find(s, "", "0", &id, &final), EG_ERR_BATCH_NOT_FOUND);
}

static void changes_and_lists(void **state) {
    store *s = *state;
    eg_problem p = {0};
    uint32_t id = 0;
    bool final = false;
    for (uint32_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(insert(s, "a", i, name, &p), EG_OK);
    }
    assert_int_equal(insert(s, "aa", 0, "", &p), EG_OK); /* a cluster whose name begins alike */
    uint64_t bytes = 5;
    eg_batch_update u = {"a", 1, end, &bytes};
    eg_txn_op op = eg_batch_store_update(&u);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_OK);
    assert_int_equal(find(s, "a", "n1", &id, &final), EG_OK);
    assert_true(final);
    eg_batch_update d = {"a", 2, hide, NULL};
    op = eg_batch_store_update(&d);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_OK);
    assert_int_equal(find(s, "a", "2", &id, &final), EG_ERR_BATCH_NOT_FOUND);
    assert_int_equal(insert(s, "a", 9, "n2", &p), EG_OK); /* its name is free */
    eg_batch_update absent = {"a", 77, hide, NULL};
    op = eg_batch_store_update(&absent);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_ERR_BATCH_NOT_FOUND);
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    unsigned n = 0;
    uint64_t total = 0;
    assert_int_equal(eg_batch_store_list(t, EG_LIT("a"), &(eg_batch_page){1, 5, count, &n}, &total), EG_OK);
    assert_int_equal(total, 3);
    assert_int_equal(n, 2);
    n = 0;
    assert_int_equal(eg_batch_store_list(t, EG_LIT("a"), &(eg_batch_page){0, 1, count, &n}, &total), EG_OK);
    assert_true(total == 3 && n == 1);
    assert_int_equal(eg_batch_store_list(t, EG_LIT("a"), &(eg_batch_page){0, 1, count, &n, .look_max = 4}, &total), EG_OK);
    assert_int_equal(eg_batch_store_list(t, EG_LIT("a"), &(eg_batch_page){0, 1, count, &n, .look_max = 3}, &total), EG_ERR_BUSY);
    n = 0;
    assert_int_equal(eg_batch_store_unsettled(t, count, &n), EG_OK);
    assert_int_equal(n, 4); /* a/0, a/2 (deleted, there still), a/9, aa/0 */
    eg_kv_read_end(t);
    eg_batch_remove r = {"a", 2};
    op = eg_batch_store_remove(&r);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_OK);
}

static eg_err lookup(store *s, eg_idempotency *i, int64_t now) {
    eg_kv_txn *t = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    eg_err e = eg_idempotency_find(t, i, now, &p);
    eg_kv_read_end(t);
    return e;
}

static void idempotency(void **state) {
    store *s = *state;
    eg_principal who = {.tenant = ID, .object_id = ID};
    eg_problem p = {0};
    eg_idempotency i, other;
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "POST /batches", EG_LIT("k"), eg_str_bytes(EG_LIT("{}"))}, &i, &p), EG_OK);
    assert_int_equal(lookup(s, &i, 1000), EG_ERR_NOT_FOUND);
    i.id = 12;
    i.time_s = 1000;
    eg_txn_op op = eg_idempotency_keep(&i);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_OK);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_ERR_IDEMPOTENCY_BUSY); /* two at once: one wins */
    i.id = 0;
    assert_int_equal(lookup(s, &i, 1000 + EG_IDEMPOTENCY_KEPT_S - 1), EG_OK);
    assert_int_equal(i.id, 12);
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "POST /batches", EG_LIT("k"), eg_str_bytes(EG_LIT("{ }"))}, &other, &p), EG_OK);
    assert_int_equal(lookup(s, &other, 1001), EG_ERR_IDEMPOTENCY_MISMATCH);
    /* Another cluster, another person, another key: another slot. */
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("b"), "POST /batches", EG_LIT("k"), eg_str_bytes(EG_LIT("{}"))}, &other, &p), EG_OK);
    assert_int_equal(lookup(s, &other, 1001), EG_ERR_NOT_FOUND);
    who.object_id[0] = 'b';
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "POST /batches", EG_LIT("k"), eg_str_bytes(EG_LIT("{}"))}, &other, &p), EG_OK);
    assert_int_equal(lookup(s, &other, 1001), EG_ERR_NOT_FOUND);
    /* After seven days it is new again, and swept. */
    int64_t late = 1000 + EG_IDEMPOTENCY_KEPT_S;
    assert_int_equal(lookup(s, &i, late), EG_ERR_NOT_FOUND);
    eg_idempotency_sweep old = {.now_s = late};
    op = eg_idempotency_expire(&old);
    assert_int_equal(eg_commit(s->c, &op, 1, &p), EG_OK);
    assert_int_equal(lookup(s, &i, 1001), EG_ERR_NOT_FOUND);
    char longest[EG_IDEMPOTENCY_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest);
    static const char *const bad[] = {"", "a\nb", "\xc3\xbc", "\x7f"};
    for (size_t n = 0; n < 4; n++) {
        assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "r", eg_str_of(bad[n]), eg_str_bytes(EG_LIT(""))}, &other, &p), EG_ERR_HTTP_HEADER);
    }
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "r", (eg_str){longest, EG_IDEMPOTENCY_KEY_MAX + 1}, eg_str_bytes(EG_LIT(""))}, &other, &p), EG_ERR_HTTP_HEADER);
    assert_int_equal(eg_idempotency_of(&(eg_idempotency_ask){&who, EG_LIT("a"), "r", (eg_str){longest, EG_IDEMPOTENCY_KEY_MAX}, eg_str_bytes(EG_LIT(""))}, &other, &p), EG_OK);
}

static void in_progress(void **state) {
    (void)state;
    eg_idempotency_busy *b = eg_idempotency_busy_new();
    assert_non_null(b);
    eg_idempotency one = {.slot = {1}}, two = {.slot = {2}};
    eg_problem p = {0};
    assert_int_equal(eg_idempotency_enter(b, &one, &p), EG_OK);
    assert_int_equal(eg_idempotency_enter(b, &one, &p), EG_ERR_IDEMPOTENCY_BUSY);
    assert_int_equal(eg_err_http_status(EG_ERR_IDEMPOTENCY_BUSY), 409);
    assert_int_equal(eg_idempotency_enter(b, &two, &p), EG_OK);
    eg_idempotency_leave(b, &one);
    assert_int_equal(eg_idempotency_enter(b, &one, &p), EG_OK);
    for (uint32_t i = 3; i < 257; i++) {
        eg_idempotency n = {0};
        eg_put_u32(n.slot, i | 0x40000000);
        assert_int_equal(eg_idempotency_enter(b, &n, &p), EG_OK);
    }
    eg_idempotency full = {.slot = {9}};
    assert_int_equal(eg_idempotency_enter(b, &full, &p), EG_ERR_BUSY);
    eg_idempotency_busy_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(names_and_ids, setup, teardown), cmocka_unit_test_setup_teardown(changes_and_lists, setup, teardown),
                                       cmocka_unit_test_setup_teardown(idempotency, setup, teardown), cmocka_unit_test(in_progress)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

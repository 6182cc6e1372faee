/* A stopped server's store as commands have it: its digest goes on, and none begins. */
#include "../storage/keeper_fixture.h"

#include "process/offline_store.h"
#include "process/store_digest.h"

static eg_err put(eg_kv_txn *t, void *value, eg_problem *p) {
    (void)p;
    return eg_kv_put(t, EG_DB_PRINCIPAL, eg_str_bytes(EG_LIT("who")), eg_str_bytes(eg_str_of(value)));
}

static eg_err change(const eg_offline_store *s, char *value) {
    const eg_txn_op op = {.apply = put, .ctx = value};
    return eg_commit(s->committer, &op, 1, NULL);
}

static void open_store(const fixture *f, eg_offline_store *s) {
    eg_problem p = {0};
    assert_int_equal(eg_offline_store_open(f->top, 64, s, &p), EG_OK);
}

static void count(void *ctx, const char *database) {
    (void)database;
    ++*(size_t *)ctx;
}

static size_t differing(const eg_offline_store *s) {
    size_t n = 0;
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    assert_int_equal(eg_kv_digest_check(t, &(eg_kv_digest_sink){.differs = count, .ctx = &n}), EG_OK);
    eg_kv_read_end(t);
    return n;
}

/* As its server does, at its start. */
static void begin_digest(const fixture *f, const eg_offline_store *s) {
    eg_problem p = {0};
    eg_keys *keys = NULL;
    bool counted = false;
    assert_int_equal(eg_keeper_open_local(f->dir, &keys, &p), EG_OK);
    assert_int_equal(eg_store_digest_start(s->kv, s->committer, keys, NULL, &counted, &p), EG_OK);
    assert_true(counted);
    eg_keeper_local_free(keys);
}

static int set_up(void **state) {
    (void)fixture_open(state);
    const fixture *f = *state;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/gateway", f->top);
    return mkdir(dir, 0700);
}

static void a_digest_goes_on_and_none_begins(void **state) {
    const fixture *f = *state;
    eg_offline_store s;
    open_store(f, &s);
    assert_false(eg_kv_has_digest(s.kv));
    assert_int_equal(change(&s, (char[]){"first"}), EG_OK);
    eg_offline_store_done(&s);
    open_store(f, &s);
    assert_false(eg_kv_has_digest(s.kv)); /* who looks or changes does not believe what is there: that its server does, and says so */
    begin_digest(f, &s);
    eg_offline_store_done(&s);
    open_store(f, &s);
    assert_true(eg_kv_has_digest(s.kv));
    assert_int_equal(change(&s, (char[]){"second"}), EG_OK);
    assert_int_equal(differing(&s), 0);
    eg_offline_store_done(&s);
    open_store(f, &s);
    assert_int_equal(differing(&s), 0);
    eg_offline_store_done(&s);
}

static void what_is_refused(void **state) {
    const fixture *f = *state;
    eg_problem p = {0};
    eg_offline_store s, second = {0};
    char away[128];
    open_store(f, &s);
    assert_int_equal(eg_offline_store_open(f->top, 64, &second, &p), EG_ERR_LOCKED);
    begin_digest(f, &s);
    eg_offline_store_done(&s);
    snprintf(away, sizeof away, "%s.away", f->dir);
    assert_int_equal(rename(f->dir, away), 0);
    assert_int_not_equal(eg_offline_store_open(f->top, 64, &second, &p), EG_OK); /* without its keys nothing is changed */
    assert_non_null(strstr(p.message, "keeper"));
    assert_null(second.kv);
    assert_int_equal(rename(away, f->dir), 0);
    open_store(f, &s);
    eg_offline_store_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_digest_goes_on_and_none_begins, set_up, fixture_close),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

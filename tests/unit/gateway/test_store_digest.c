/* The store's digest as the gateway has it: its key comes from the keeper, and each start looks at all rows. */
#include "../storage/keeper_fixture.h"

#include "../storage/exchange.h"

#include "process/store_digest.h"

#include <embergate/metrics.h>

#include <string.h>

#define GIVEN "rights: may read"
#define TAKEN "rights: may none"

typedef struct store {
    char dir[96];
    eg_kv *kv;
    eg_committer *committer;
    eg_keys *keys;
    eg_audit *audit;
    bool counted;
} store;

static eg_err put(eg_kv_txn *t, void *value, eg_problem *p) {
    (void)p;
    return eg_kv_put(t, EG_DB_FS_INODE, eg_str_bytes(EG_LIT("row")), eg_str_bytes(eg_str_of(value)));
}

static void open_store(const fixture *f, store *s) {
    eg_problem p = {0};
    char dir[96];
    snprintf(s->dir, sizeof s->dir, "%s/kv", f->top);
    const eg_kv_options o = {.dir = s->dir, .map_size = 64u << 20, .no_sync = true};
    assert_int_equal(eg_kv_open(&o, &s->kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(s->kv, &s->committer), EG_OK);
    assert_int_equal(eg_keeper_open_local(f->dir, &s->keys, &p), EG_OK);
    assert_int_equal(eg_store_digest_start(s->kv, s->committer, s->keys, NULL, &s->counted, &p), EG_OK);
    snprintf(dir, sizeof dir, "%s/audit", f->top);
    const eg_audit_options a = {.dir = dir, .kv = s->kv, .committer = s->committer, .keys = s->keys, .clock = &eg_clock_system, .origin = "test/digest"};
    assert_int_equal(eg_audit_open(&a, &s->audit, &p), EG_OK);
}

static void close_store(store *s) {
    eg_audit_close(s->audit);
    eg_committer_stop(s->committer);
    eg_kv_close(s->kv);
    eg_keeper_local_free(s->keys);
}

/* How many databases the start's look finds changed. */
static int64_t found_by_start(store *s) {
    const int64_t before = eg_metric_get(EG_METRIC_STORAGE_CORRUPT);
    eg_store_digest_watch *w = NULL;
    eg_problem p = {0};
    assert_int_equal(eg_store_digest_watch_start(s->kv, s->audit, s->counted, &w, &p), EG_OK);
    eg_store_digest_watch_stop(w); /* waits: whether to go on is asked behind 1,024 rows only */
    return eg_metric_get(EG_METRIC_STORAGE_CORRUPT) - before;
}

static void a_row_that_was_set_back_is_found_at_the_start(void **state) {
    const fixture *f = *state;
    store s = {0};
    char given[] = GIVEN, taken[] = TAKEN;
    open_store(f, &s);
    assert_true(s.counted);
    const eg_txn_op ops[] = {{.apply = put, .ctx = given}, {.apply = put, .ctx = taken}};
    assert_int_equal(eg_commit(s.committer, ops, 2, NULL), EG_OK);
    assert_int_equal(found_by_start(&s), 0);
    close_store(&s);
    open_store(f, &s);
    assert_false(s.counted);
    assert_int_equal(found_by_start(&s), 0);
    close_store(&s);
    char file[128];
    snprintf(file, sizeof file, "%s/data.mdb", s.dir);
    exchange_bytes(file, eg_str_bytes(EG_LIT(TAKEN)), eg_str_bytes(EG_LIT(GIVEN)));
    open_store(f, &s);
    assert_int_equal(found_by_start(&s), 1);
    close_store(&s);
}

static bool twice(void *ctx) { return ++*(int *)ctx <= 2; }

static void no_keeper_no_start(void **state) {
    const fixture *f = *state;
    char dir[96];
    eg_kv *kv = NULL;
    eg_committer *committer = NULL;
    eg_keys *keys = NULL;
    bool counted = false;
    eg_problem p = {0};
    snprintf(dir, sizeof dir, "%s/kv", f->top);
    const eg_kv_options o = {.dir = dir, .map_size = 64u << 20, .no_sync = true};
    assert_int_equal(eg_kv_open(&o, &kv, &p), EG_OK);
    assert_int_equal(eg_committer_start(kv, &committer), EG_OK);
    snprintf(dir, sizeof dir, "%s/no.sock", f->top);
    assert_int_equal(eg_keeper_client_new(dir, &keys), EG_OK);
    assert_int_equal(eg_store_digest_start(kv, committer, keys, &(eg_keeper_wait){.seconds = 1}, &counted, &p), EG_ERR_KEEPER);
    int looked = 0; /* who is told that nobody starts a keeper any more doesn't wait for an hour */
    assert_int_equal(eg_store_digest_start(kv, committer, keys, &(eg_keeper_wait){3600, twice, &looked}, &counted, &p), EG_ERR_KEEPER);
    assert_int_equal(looked, 3);
    assert_non_null(strstr(p.message, "keeper"));
    eg_keeper_client_free(keys);
    eg_committer_stop(committer);
    eg_kv_close(kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_that_was_set_back_is_found_at_the_start, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(no_keeper_no_start, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

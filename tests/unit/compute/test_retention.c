/* Batches that ended long ago go by themselves, with a record each; no other does. */
#include "livy_fixture.h"

#include "retention.h"

#include <embergate/durable_file.h>

#define DAY_NS (24 * INT64_C(3600000000000))

static void put(const livy *l, uint32_t id, eg_batch_state state, int created_days, int ended_days) {
    eg_batch b;
    eg_batch_init(&b);
    snprintf(b.cluster, sizeof b.cluster, "spark");
    snprintf(b.tenant, sizeof b.tenant, TENANT);
    snprintf(b.owner, sizeof b.owner, ANNA);
    snprintf(b.name, sizeof b.name, "n%u", id);
    const int64_t now = eg_wall_ns(&eg_clock_system);
    b.owner_kind = EG_PRINCIPAL_USER;
    b.id = id;
    b.state = state;
    b.created_ns = now - created_days * DAY_NS;
    b.ended_ns = eg_batch_state_final(state) ? now - ended_days * DAY_NS : 0;
    eg_buf record;
    eg_buf_init(&record, EG_BATCH_RECORD_MAX);
    assert_int_equal(eg_batch_record_encode(&b, &record), EG_OK);
    eg_batch_insert i = {&b, eg_buf_bytes(&record)};
    const eg_txn_op op = eg_batch_store_insert(&i);
    assert_int_equal(eg_commit(l->committer, &op, 1, NULL), EG_OK);
    eg_buf_done(&record);
    eg_batch_done(&b);
}

static bool there(const livy *l, uint32_t id) {
    eg_kv_txn *t = NULL;
    eg_batch b;
    eg_batch_init(&b);
    assert_int_equal(eg_kv_read_begin(l->kv, &t), EG_OK);
    const eg_err e = eg_batch_store_get(t, EG_LIT("spark"), id, false, &b);
    eg_kv_read_end(t);
    eg_batch_done(&b);
    assert_true(e == EG_OK || e == EG_ERR_BATCH_NOT_FOUND);
    return e == EG_OK;
}

/* Rows that are still there, also of deleted ones. */
static eg_err count_row(void *ctx, eg_batch *b) {
    *(unsigned *)ctx += b->deleted ? 1 : 0;
    return EG_OK;
}

static unsigned waiting_to_be_discarded(const livy *l) {
    eg_kv_txn *t = NULL;
    unsigned n = 0;
    assert_int_equal(eg_kv_read_begin(l->kv, &t), EG_OK);
    assert_int_equal(eg_batch_store_unsettled(t, count_row, &n), EG_OK);
    eg_kv_read_end(t);
    return n;
}

static void the_old_go_and_no_other(void **state) {
    livy *l = *state;
    put(l, 0, EG_BATCH_SUCCESS, 41, 40);
    put(l, 1, EG_BATCH_DEAD, 41, 10);    /* ran for a month */
    put(l, 2, EG_BATCH_RUNNING, 40, 0);
    put(l, 3, EG_BATCH_KILLED, 32, 31);
    put(l, 4, EG_BATCH_SUCCESS, 5, 4);
    assert_int_equal(eg_retention_sweep(l->c), 0); /* kept for ever */
    l->f->cluster.batch_retention_days = 30;
    assert_int_equal(eg_retention_sweep(l->c), 2);
    assert_true(!there(l, 0) && there(l, 1) && there(l, 2) && !there(l, 3) && there(l, 4));
    assert_int_equal(eg_retention_sweep(l->c), 0);
    for (int i = 0; i < 400 && waiting_to_be_discarded(l) > 0; i++) {
        usleep(25000);
    }
    assert_int_equal(waiting_to_be_discarded(l), 0);
    answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/state", .id = "3"});
    assert_int_equal(a.error, EG_ERR_BATCH_NOT_FOUND);
    json_decref(a.json);
}

static void few_at_once(void **state) {
    livy *l = *state;
    for (uint32_t id = 0; id < EG_RETENTION_AT_ONCE + 3; id++) {
        put(l, id, EG_BATCH_SUCCESS, 3, 2);
    }
    l->f->cluster.batch_retention_days = 1;
    assert_int_equal(eg_retention_sweep(l->c), EG_RETENTION_AT_ONCE);
    assert_int_equal(eg_retention_sweep(l->c), 3);
}

static void each_is_recorded(void **state) {
    livy *l = *state;
    char dir[192], path[320];
    eg_problem p = {0};
    EG_CLEANUP(eg_buf_done) eg_buf line;
    eg_buf_init(&line, 65536);
    snprintf(dir, sizeof dir, "%s/audit", l->f->dir);
    const eg_audit_options o = {.dir = dir, .kv = l->kv, .committer = l->committer, .keys = l->keys, .clock = &eg_clock_system, .origin = "test", .journal_bytes = 1 << 20, .checkpoint_ms = 20};
    eg_audit *audit = NULL;
    assert_int_equal(eg_audit_open(&o, &audit, &p), EG_OK);
    put(l, 0, EG_BATCH_SUCCESS, 3, 2);
    l->f->cluster.batch_retention_days = 1;
    l->c->o.audit = audit;
    assert_int_equal(eg_retention_sweep(l->c), 1);
    l->c->o.audit = NULL;
    eg_audit_close(audit);
    snprintf(path, sizeof path, "%s/" TENANT "/tile/entries/000.p/1", dir);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 65536, &line, &p), EG_OK);
    assert_non_null(memmem(line.ptr, line.len, "\"event\":\"job.expire\"", 20));
    assert_non_null(memmem(line.ptr, line.len, "\"job\":\"spark/0\"", 15));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_old_go_and_no_other, livy_setup, livy_teardown),
        cmocka_unit_test_setup_teardown(few_at_once, livy_setup, livy_teardown),
        cmocka_unit_test_setup_teardown(each_is_recorded, livy_setup, livy_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Batches that ended long ago go by themselves, with a record each; no other does. */
#include "livy_fixture.h"

#include "retention.h"

#include <embergate/durable_file.h>
#include <embergate/metrics.h>

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

/* What a sweep needs of a room, without the watcher that would sweep too. */
typedef struct room {
    eg_compute c;
    eg_retention since;
} room;

static room *room_of(const livy *l, unsigned days, const eg_clock *clock, eg_audit *audit) {
    room *r = calloc(1, sizeof *r);
    assert_non_null(r);
    l->f->cluster.batch_retention_days = days;
    r->c.o = (eg_compute_options){.clusters = &l->f->cluster, .cluster_count = 1, .kv = l->kv, .committer = l->committer, .clock = clock, .audit = audit};
    r->c.jobs = eg_live_jobs_new();
    assert_non_null(r->c.jobs);
    r->since = eg_retention_begin(clock);
    return r;
}

static void room_free(room *r) {
    eg_live_jobs_free(r->c.jobs);
    free(r);
}

static size_t sweep(room *r) {
    return eg_retention_sweep(&r->c, &r->since);
}

static int setup(void **state) {
    const int e = livy_setup(state);
    livy *l = *state;
    eg_compute_close(l->c);
    l->c = NULL;
    return e;
}

static void the_old_go_and_no_other(void **state) {
    livy *l = *state;
    put(l, 0, EG_BATCH_SUCCESS, 41, 40);
    put(l, 1, EG_BATCH_DEAD, 41, 10);    /* ran for a month */
    put(l, 2, EG_BATCH_RUNNING, 40, 0);
    put(l, 3, EG_BATCH_KILLED, 32, 31);
    put(l, 4, EG_BATCH_SUCCESS, 5, 4);
    room *r = room_of(l, 0, &eg_clock_system, NULL);
    assert_int_equal(sweep(r), 0); /* kept for ever */
    room_free(r);
    r = room_of(l, 30, &eg_clock_system, NULL);
    assert_int_equal(sweep(r), 2);
    assert_true(!there(l, 0) && there(l, 1) && there(l, 2) && !there(l, 3) && there(l, 4));
    assert_int_equal(sweep(r), 0);
    room_free(r);
    assert_int_equal(waiting_to_be_discarded(l), 2);
}

static void few_at_once(void **state) {
    livy *l = *state;
    for (uint32_t id = 0; id < EG_RETENTION_AT_ONCE + 3; id++) {
        put(l, id, EG_BATCH_SUCCESS, 3, 2);
    }
    room *r = room_of(l, 1, &eg_clock_system, NULL);
    assert_int_equal(sweep(r), EG_RETENTION_AT_ONCE);
    assert_int_equal(sweep(r), 3);
    room_free(r);
}

static eg_err put_what_nobody_can_read(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)ctx, (void)p;
    return eg_kv_put(t, EG_DB_BATCH, (eg_bytes){(const uint8_t *)"spark\0\0\0\0\1", 10}, (eg_bytes){(const uint8_t *)"?", 1});
}

static void what_can_not_go_is_counted(void **state) {
    livy *l = *state;
    put(l, 0, EG_BATCH_SUCCESS, 3, 2);
    const int64_t expired = eg_metric_get(EG_METRIC_BATCHES_EXPIRED), failed = eg_metric_get(EG_METRIC_BATCH_EXPIRY_FAILED);
    room *r = room_of(l, 1, &eg_clock_system, NULL);
    assert_int_equal(sweep(r), 1);
    assert_int_equal(eg_metric_get(EG_METRIC_BATCHES_EXPIRED) - expired, 1);
    assert_int_equal(eg_metric_get(EG_METRIC_BATCH_EXPIRY_FAILED), failed);
    const eg_txn_op op = {.apply = put_what_nobody_can_read};
    assert_int_equal(eg_commit(l->committer, &op, 1, NULL), EG_OK);
    put(l, 2, EG_BATCH_SUCCESS, 3, 2);
    assert_int_equal(sweep(r), 0);
    assert_true(there(l, 2));
    assert_int_equal(eg_metric_get(EG_METRIC_BATCH_EXPIRY_FAILED) - failed, 1);
    room_free(r);
}

static int64_t ahead_ns;
static int64_t set_forward(void *ctx) {
    (void)ctx;
    return eg_wall_ns(&eg_clock_system) + ahead_ns;
}

static int64_t as_it_is(void *ctx) {
    (void)ctx;
    return eg_mono_ns(&eg_clock_system);
}

static void a_clock_that_is_set_deletes_nothing(void **state) {
    static const eg_clock moved = {.wall_ns = set_forward, .mono_ns = as_it_is};
    livy *l = *state;
    put(l, 0, EG_BATCH_SUCCESS, 3, 2);
    ahead_ns = 0;
    room *r = room_of(l, 30, &moved, NULL);
    ahead_ns = 365 * DAY_NS;
    assert_int_equal(sweep(r), 0);
    ahead_ns = -365 * DAY_NS;
    assert_int_equal(sweep(r), 0);
    ahead_ns = 365 * DAY_NS;
    r->since = eg_retention_begin(&moved); /* a start believes what it finds */
    assert_int_equal(sweep(r), 1);
    room_free(r);
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
    room *r = room_of(l, 1, &eg_clock_system, audit);
    assert_int_equal(sweep(r), 1);
    room_free(r);
    eg_audit_close(audit);
    snprintf(path, sizeof path, "%s/" TENANT "/tile/entries/000.p/1", dir);
    assert_int_equal(eg_file_read(AT_FDCWD, path, 65536, &line, &p), EG_OK);
    assert_non_null(memmem(line.ptr, line.len, "\"event\":\"job.expire\"", 20));
    assert_non_null(memmem(line.ptr, line.len, "\"job\":\"spark/0\"", 15));
}

/* With its logs, by the watcher, which sweeps as it starts. */
static void the_watcher_does_it(void **state) {
    livy *l = *state;
    put(l, 0, EG_BATCH_SUCCESS, 3, 2);
    put(l, 1, EG_BATCH_SUCCESS, 1, 0);
    l->f->cluster.batch_retention_days = 1;
    livy_open(l);
    for (int i = 0; i < 400 && (there(l, 0) || waiting_to_be_discarded(l) > 0); i++) {
        usleep(25000);
    }
    assert_true(!there(l, 0) && waiting_to_be_discarded(l) == 0);
    static const char *const ids[] = {"0", "1"};
    for (size_t i = 0; i < 2; i++) {
        answer a = livy_ask(l, (ask){.method = "GET", .pattern = "/batches/{id}/state", .id = ids[i]});
        assert_int_equal(a.error, i == 0 ? EG_ERR_BATCH_NOT_FOUND : EG_OK);
        json_decref(a.json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_old_go_and_no_other, setup, livy_teardown),
        cmocka_unit_test_setup_teardown(few_at_once, setup, livy_teardown),
        cmocka_unit_test_setup_teardown(what_can_not_go_is_counted, setup, livy_teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_is_set_deletes_nothing, setup, livy_teardown),
        cmocka_unit_test_setup_teardown(each_is_recorded, setup, livy_teardown),
        cmocka_unit_test_setup_teardown(the_watcher_does_it, setup, livy_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

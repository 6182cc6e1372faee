/* Checks that repeated accesses become a first record and a closing one, that sums are bounded, and that none is lost silently. */
#include "bench.h"

#include "access_sum.h"

static int64_t now_ns;

static int64_t fake_now(void *ctx) {
    (void)ctx;
    return now_ns;
}

static const eg_clock fake = {fake_now, fake_now, NULL};

typedef struct sink {
    unsigned records;
    uint64_t count;
    uint64_t bytes;
    int64_t first;
    int64_t last;
    char resource[64];
    char actor[128];
    eg_err answer;
} sink;

static eg_err take(void *ctx, const eg_audit_record *r, const eg_audit_extra *extra) {
    sink *s = ctx;
    if (s->answer == EG_OK) {
        s->records++;
        s->count += r->count;
        s->bytes += r->bytes;
        s->first = extra->first_ns;
        s->last = extra->last_ns;
        snprintf(s->resource, sizeof s->resource, "%.*s", EG_FMT(r->resource));
        snprintf(s->actor, sizeof s->actor, "%s", r->actor ? r->actor->name : "");
        assert_string_equal(r->event, "storage.file.read");
    }
    return s->answer;
}

static eg_audit_record read_of(const char *resource, const char *job) {
    eg_audit_record r = bench_record(resource);
    r.job = eg_str_of(job);
    r.bytes = 10;
    return r;
}

static int start(void **state) {
    now_ns = INT64_C(1000000000000);
    *state = calloc(1, sizeof(sink));
    return 0;
}

static int stop(void **state) {
    free(*state);
    return 0;
}

static void first_and_closing(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    eg_audit_record r = read_of("file", "etl/1");
    assert_true(eg_access_sum_add(a, &r));
    for (int i = 0; i < 5; i++) {
        now_ns += 1000000000;
        assert_false(eg_access_sum_add(a, &r));
    }
    eg_audit_record other = read_of("file", "etl/2");
    assert_true(eg_access_sum_add(a, &other));
    other = read_of("other file", "etl/1");
    assert_true(eg_access_sum_add(a, &other));
    eg_principal who = {.kind = EG_PRINCIPAL_USER, .object_id = "x", .name = "somebody"};
    other = read_of("file", "etl/1");
    other.actor = &who;
    assert_true(eg_access_sum_add(a, &other));
    eg_access_sum_flush(a, now_ns + 59 * INT64_C(1000000000), false);
    assert_int_equal(s->records, 0);
    eg_access_sum_flush(a, now_ns + 60 * INT64_C(1000000000), false);
    assert_int_equal(s->records, 1); /* of the others there was nothing more to say */
    assert_int_equal(s->count, 5);
    assert_int_equal(s->bytes, 50);
    assert_int_equal(s->last - s->first, INT64_C(4000000000));
    assert_true(eg_access_sum_add(a, &r));
    eg_access_sum_free(a);
}

/* A closing record is read by people: it names who it was, as the first one did. */
static void the_name_is_kept(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    eg_principal who = {.kind = EG_PRINCIPAL_USER, .object_id = "x", .name = "somebody"};
    eg_audit_record r = read_of("file", "");
    r.actor = &who;
    assert_true(eg_access_sum_add(a, &r));
    assert_false(eg_access_sum_add(a, &r));
    eg_access_sum_flush(a, now_ns, true);
    assert_int_equal(s->records, 1);
    assert_string_equal(s->actor, "somebody");
    eg_access_sum_free(a);
}

static void refusals_are_never_added_up(void **state) {
    eg_access_sum *a = eg_access_sum_new(&fake, take, *state);
    eg_audit_record r = read_of("file", "etl/1");
    r.outcome = "denied";
    r.error = EG_ERR_DENIED_DATA;
    assert_true(eg_access_sum_add(a, &r));
    assert_true(eg_access_sum_add(a, &r));
    eg_access_sum_free(a);
}

static void a_job_s_end_closes_its_sums(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    eg_audit_record r = read_of("file", "etl/1");
    eg_audit_record other = read_of("file", "etl/2");
    for (int i = 0; i < 3; i++) {
        eg_access_sum_add(a, &r);
        eg_access_sum_add(a, &other);
    }
    eg_access_sum_close(a, EG_LIT("etl/1"));
    assert_int_equal(s->records, 1);
    assert_int_equal(s->count, 2);
    eg_access_sum_close(a, EG_LIT(""));
    assert_int_equal(s->records, 1);
    eg_access_sum_flush(a, now_ns, true);
    assert_int_equal(s->records, 2);
    eg_access_sum_free(a);
}

static void what_never_rests_is_recorded_now_and_then(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    eg_audit_record r = read_of("file", "etl/1");
    assert_true(eg_access_sum_add(a, &r));
    for (int i = 0; i < 3600; i++) {
        now_ns += 1000000000;
        assert_false(eg_access_sum_add(a, &r));
        eg_access_sum_flush(a, now_ns, false);
    }
    assert_in_range(s->records, 5, 6);
    eg_access_sum_flush(a, now_ns, true);
    assert_int_equal(s->count, 3600);
    eg_access_sum_free(a);
}

/* A path of one account is not that of another. */
static void accounts_are_apart(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    eg_audit_record one = read_of("data/file", ""), two = read_of("data/file", "");
    one.account = EG_LIT("lake");
    two.account = EG_LIT("sea");
    assert_true(eg_access_sum_add(a, &one));
    assert_true(eg_access_sum_add(a, &two));
    assert_false(eg_access_sum_add(a, &one));
    eg_access_sum_flush(a, now_ns, true);
    assert_int_equal(s->count, 1);
    eg_access_sum_free(a);
}

static void the_table_is_bounded(void **state) {
    sink *s = *state;
    eg_access_sum *a = eg_access_sum_new(&fake, take, s);
    char name[32];
    for (unsigned i = 0; i < EG_ACCESS_ROWS_MAX + 10; i++) {
        snprintf(name, sizeof name, "file%u", i);
        eg_audit_record r = read_of(name, "etl/1");
        assert_true(eg_access_sum_add(a, &r));
        assert_int_equal(eg_access_sum_add(a, &r), false);
    }
    assert_int_equal(s->records, 10); /* the longest unused were closed */
    assert_string_equal(s->resource, "file9");
    /* When they can't be closed, every access gets a record of its own. */
    s->answer = EG_ERR_BUSY;
    eg_audit_record r = read_of("one more", "etl/1");
    assert_true(eg_access_sum_add(a, &r));
    assert_true(eg_access_sum_add(a, &r));
    eg_access_sum_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_and_closing, start, stop),
        cmocka_unit_test_setup_teardown(the_name_is_kept, start, stop),
        cmocka_unit_test_setup_teardown(refusals_are_never_added_up, start, stop),
        cmocka_unit_test_setup_teardown(a_job_s_end_closes_its_sums, start, stop),
        cmocka_unit_test_setup_teardown(what_never_rests_is_recorded_now_and_then, start, stop),
        cmocka_unit_test_setup_teardown(accounts_are_apart, start, stop),
        cmocka_unit_test_setup_teardown(the_table_is_bounded, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

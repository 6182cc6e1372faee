/* Checks that failures are added up by error and network, bounded, and that none is lost when the log is busy. */
#include "bench.h"

#include "failure_count.h"

typedef struct sink {
    unsigned records;
    uint64_t total;
    uint64_t beyond;
    eg_err answer;
    char sources[8][64];
} sink;

static eg_err take(void *ctx, const eg_audit_record *r, const eg_audit_extra *extra) {
    sink *s = ctx;
    if (s->answer != EG_OK) {
        return s->answer;
    }
    assert_string_equal(r->event, "request.refused");
    assert_string_equal(r->outcome, eg_err_outcome(r->error));
    assert_true(extra->first_ns > 0 && extra->last_ns >= extra->first_ns);
    if (s->records < 8) {
        snprintf(s->sources[s->records], 64, "%.*s", EG_FMT(r->source_address));
    }
    s->beyond += r->source_address.len ? 0 : r->count;
    s->records++;
    s->total += r->count;
    return EG_OK;
}

static void added_up_by_network(void **state) {
    (void)state;
    static const struct {
        const char *address;
        const char *network;
    } cases[] = {{"192.0.2.77", "192.0.2.0/24"}, {"::ffff:192.0.2.9", "192.0.2.0/24"}, {"2001:db8:1:2::5", "2001:db8:1::/48"}, {"junk\x1b[m", "unknown"}, {"", "unknown"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sink s = {0};
        eg_failure_count *f = eg_failure_count_new(&eg_clock_system, take, &s);
        for (int k = 0; k < 100; k++) {
            eg_failure_count_add(f, EG_ERR_TOKEN_MISSING, eg_str_of(cases[i].address), EG_LIT(""));
        }
        eg_failure_count_flush(f);
        assert_int_equal(s.records, 1);
        assert_int_equal(s.total, 100);
        assert_string_equal(s.sources[0], cases[i].network);
        eg_failure_count_flush(f);
        assert_int_equal(s.records, 1);
        eg_failure_count_free(f);
    }
}

static void the_table_is_bounded(void **state) {
    (void)state;
    sink s = {0};
    eg_failure_count *f = eg_failure_count_new(&eg_clock_system, take, &s);
    for (unsigned i = 0; i < 20000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.%u.%u.1", i / 256, i % 256);
        eg_failure_count_add(f, EG_ERR_TOKEN_MISSING, eg_str_of(address), EG_LIT(""));
    }
    eg_failure_count_flush(f);
    assert_int_equal(s.records, EG_FAILURE_ROWS_MAX + 1);
    assert_int_equal(s.total, 20000);
    assert_int_equal(s.beyond, 20000 - EG_FAILURE_ROWS_MAX);
    eg_failure_count_free(f);
}

static void a_busy_log_gets_them_later(void **state) {
    (void)state;
    sink s = {.answer = EG_ERR_BUSY};
    eg_failure_count *f = eg_failure_count_new(&eg_clock_system, take, &s);
    eg_failure_count_add(f, EG_ERR_TOKEN_MISSING, EG_LIT("192.0.2.1"), EG_LIT(""));
    eg_failure_count_flush(f);
    eg_failure_count_add(f, EG_ERR_TOKEN_MISSING, EG_LIT("192.0.2.2"), EG_LIT(""));
    eg_failure_count_add(f, (eg_err)9999, EG_LIT("192.0.2.2"), EG_LIT(""));
    s.answer = EG_OK;
    eg_failure_count_flush(f);
    assert_int_equal(s.records, 2);
    assert_int_equal(s.total, 3);
    eg_failure_count_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(added_up_by_network), cmocka_unit_test(the_table_is_bounded), cmocka_unit_test(a_busy_log_gets_them_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

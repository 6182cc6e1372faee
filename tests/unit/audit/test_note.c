/* A record that nobody waits for: it is in the log, or counted as one that isn't. */
#include "bench.h"

#include <embergate/metrics.h>
#include <fcntl.h>

static bool becomes(eg_audit *a, bool healthy) {
    for (int i = 0; i < 500 && eg_audit_healthy(a) != healthy; i++) {
        usleep(10000);
    }
    return eg_audit_healthy(a) == healthy;
}

static void what_failed_is_counted(void **state) {
    bench *b = *state;
    char aside[512];
    bench_open(b);
    eg_audit_record r = bench_record("kept");
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    assert_int_equal(eg_audit_note(NULL, &r), EG_OK);
    bench_settle(b, TENANT, 1);
    /* A file stands where the tiles' folder should be: the sequencer can't write. */
    snprintf(aside, sizeof aside, "%s", bench_path(b, TENANT, "aside"));
    assert_int_equal(rename(bench_path(b, TENANT, "tile"), aside), 0);
    close(open(bench_path(b, TENANT, "tile"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(eg_audit_append_wait(b->audit, &r), EG_OK);
    assert_true(becomes(b->audit, false));
    const int64_t failed = eg_metric_get(EG_METRIC_AUDIT_FAILED);
    assert_int_equal(eg_audit_note(b->audit, &r), EG_ERR_AUDIT_UNAVAILABLE);
    assert_int_equal(eg_metric_get(EG_METRIC_AUDIT_FAILED), failed + 1);
    assert_int_equal(unlink(bench_path(b, TENANT, "tile")), 0);
    assert_int_equal(rename(aside, bench_path(b, TENANT, "tile")), 0);
    assert_true(becomes(b->audit, true));
    assert_int_equal(eg_audit_note(b->audit, &r), EG_OK);
    bench_close(b);
    eg_audit_verdict v;
    assert_int_equal(eg_audit_verify(bench_path(b, TENANT, ""), NULL, &v, NULL), EG_OK);
    assert_true(v.damaged == UINT64_MAX);
    assert_int_equal(v.size, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(what_failed_is_counted, bench_make, bench_drop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

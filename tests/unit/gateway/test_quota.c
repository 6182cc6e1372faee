/* Token buckets: rates, bursts, debts, who counts for what, and that no crowd of names makes the table forget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pipeline/quota.h"

#include <embergate/metrics.h>

#include <stdio.h>

static int64_t now_ns = 1000000000;

static int64_t mono(void *ctx) {
    (void)ctx;
    return now_ns;
}
static int64_t wall(void *ctx) {
    (void)ctx;
    return now_ns;
}
static const eg_clock test_clock = {.mono_ns = mono, .wall_ns = wall};

#define SECOND ((int64_t)1000000000)
#define TENANT EG_LIT("c0ff0000-0000-4000-8000-000000000003")

static unsigned retry;
static bool bytes;
static const char *name;

static bool take(eg_quotas *q, const char *who, const char *cluster) {
    const eg_quota_use u = {.tenant = TENANT, .principal = eg_str_of(who), .cluster = eg_str_of(cluster)};
    return eg_quotas_take(q, &u, &name, &bytes, &retry);
}

static unsigned many(eg_quotas *q, const char *who, unsigned n) {
    unsigned got = 0;
    for (unsigned i = 0; i < n; i++) {
        got += take(q, who, "");
    }
    return got;
}

static void requests(void **state) {
    (void)state;
    const eg_quota each = {.name = "people", .per = EG_QUOTA_PER_PRINCIPAL, .only = "", .requests = 10, .burst_s = 2};
    eg_quotas *q = eg_quotas_new(&each, 1, &test_clock);
    assert_int_equal(many(q, "alice", 100), 20);
    assert_string_equal(name, "people");
    assert_true(!bytes && retry == 1);
    assert_int_equal(many(q, "bob", 100), 20); /* has his own */
    now_ns += SECOND / 10;
    assert_int_equal(many(q, "alice", 100), 1);
    now_ns += SECOND;
    assert_int_equal(many(q, "alice", 100), 10);
    now_ns += 1000 * SECOND;
    assert_int_equal(many(q, "alice", 100), 20);
    assert_int_equal(many(q, "", 100), 100); /* nobody: not this quota's */
    eg_quotas_free(q);
}

static void debts_of_bytes(void **state) {
    (void)state;
    const eg_quota each = {.name = "bytes", .per = EG_QUOTA_PER_TENANT, .only = "", .bytes_out = 1000, .bytes_in = 500, .burst_s = 1};
    const eg_quota_use u = {.tenant = TENANT, .principal = EG_LIT("alice")};
    eg_quotas *q = eg_quotas_new(&each, 1, &test_clock);
    assert_true(take(q, "alice", ""));
    eg_quotas_spend(q, &u, 0, 11000); /* a large answer: what comes after it pays */
    assert_false(take(q, "bob", ""));
    assert_true(bytes);
    assert_int_equal(retry, 11);
    now_ns += 10 * SECOND;
    assert_false(take(q, "alice", ""));
    now_ns += SECOND / 100;
    assert_true(take(q, "alice", ""));
    now_ns += 10 * SECOND;
    eg_quotas_spend(q, &u, 500, 0);
    assert_false(take(q, "alice", ""));
    now_ns += SECOND;
    assert_true(take(q, "alice", ""));
    eg_quotas_spend(q, &u, 0, UINT64_MAX); /* no overflow, no wrap to plenty */
    assert_false(take(q, "alice", ""));
    assert_int_equal(retry, 600);
    eg_quotas_free(q);
}

/* A refusal by one quota takes nothing from another; each tells its own name. */
static void several(void **state) {
    (void)state;
    const eg_quota all[] = {{.name = "tenant", .per = EG_QUOTA_PER_TENANT, .only = "", .requests = 100, .burst_s = 1},
                            {.name = "spark", .per = EG_QUOTA_PER_CLUSTER, .only = "spark", .requests = 1, .burst_s = 1}};
    eg_quotas *q = eg_quotas_new(all, 2, &test_clock);
    assert_true(take(q, "alice", "spark"));
    for (int i = 0; i < 50; i++) {
        assert_false(take(q, "alice", "spark"));
        assert_string_equal(name, "spark");
    }
    unsigned got = 0;
    for (int i = 0; i < 200; i++) {
        got += take(q, "alice", "other");
    }
    assert_int_equal(got, 99);
    eg_quotas_free(q);
}

static void a_crowd_changes_nothing(void **state) {
    (void)state;
    const eg_quota each = {.name = "people", .per = EG_QUOTA_PER_PRINCIPAL, .only = "", .requests = 1, .burst_s = 1};
    eg_quotas *q = eg_quotas_new(&each, 1, &test_clock);
    assert_int_equal(many(q, "alice", 5), 1);
    const int64_t shared = eg_metric_get(EG_METRIC_QUOTA_SHARED);
    unsigned got = 0;
    for (unsigned i = 0; i < 3 * EG_QUOTA_ROWS; i++) {
        char who[32];
        snprintf(who, sizeof who, "crowd %u", i);
        got += take(q, who, "");
    }
    assert_true(got <= EG_QUOTA_ROWS + 64 && eg_metric_get(EG_METRIC_QUOTA_SHARED) > shared); /* beyond the table they share */
    assert_int_equal(many(q, "alice", 5), 0);
    now_ns += 2 * SECOND; /* all rows say nothing any more: the next crowd finds room */
    assert_int_equal(many(q, "newcomer", 5), 1);
    eg_quotas_free(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests), cmocka_unit_test(debts_of_bytes), cmocka_unit_test(several), cmocka_unit_test(a_crowd_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

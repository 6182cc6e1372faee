/* Live jobs: whose tokens are good, what is added up, and where it is bounded; what a request amounts to. covers: batch_start.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch_settle.h"
#include "batch_start.h"

#include <pthread.h>
#include <stdio.h>

#define ID "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"

static void make(eg_batch *b, const char *cluster, uint32_t id, bool admitted) {
    eg_batch_init(b);
    snprintf(b->cluster, sizeof b->cluster, "%s", cluster);
    snprintf(b->tenant, sizeof b->tenant, ID);
    snprintf(b->owner, sizeof b->owner, ID);
    snprintf(b->credential, sizeof b->credential, "%s", admitted ? "00" : "");
    b->id = id;
    b->state = EG_BATCH_RUNNING;
}

static void tokens_end_when_told(void **state) {
    (void)state;
    eg_live_jobs *j = eg_live_jobs_new();
    eg_batch b;
    make(&b, "spark", 3, true);
    assert_int_equal(eg_live_jobs_add(j, &b, "anna", NULL), EG_OK);
    make(&b, "spark", 4, false);
    assert_int_equal(eg_live_jobs_add(j, &b, "", NULL), EG_OK);
    eg_job_identity who;
    assert_true(eg_live_jobs_running(j, EG_LIT("spark/3")));
    assert_true(eg_live_jobs_identity(j, EG_LIT("spark/3"), &who));
    assert_string_equal(who.name, "anna");
    assert_string_equal(who.job, "spark/3");
    assert_string_equal(who.object_id, ID);
    assert_false(eg_live_jobs_running(j, EG_LIT("spark/4"))); /* no credential was issued */
    assert_false(eg_live_jobs_identity(j, EG_LIT("spark/4"), &who));
    static const char *const others[] = {"", "spark", "spark/", "spark/33", "spark/3 ", "Spark/3", "other/3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(eg_live_jobs_running(j, eg_str_of(others[i])));
    }
    eg_live_jobs_stop(j, EG_LIT("spark/3"));
    assert_false(eg_live_jobs_running(j, EG_LIT("spark/3")));
    assert_false(eg_live_jobs_identity(j, EG_LIT("spark/3"), &who));
    eg_live_jobs_free(j);
}

static eg_live_job *job_named(eg_live_jobs *j, const char *name) {
    eg_live_job *list[16];
    size_t n = eg_live_jobs_list(j, list, sizeof list / sizeof *list);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i]->who.job, name) == 0) {
            return list[i];
        }
    }
    fail_msg("no job %s", name);
    return NULL;
}

/* What runs loses its credential; what waits is ended too; what was submitted later, by others or in another tenant is left alone. */
static void who_is_revoked_loses_their_jobs(void **state) {
    (void)state;
    eg_live_jobs *j = eg_live_jobs_new();
    eg_batch b;
    for (uint32_t id = 1; id <= 5; id++) {
        make(&b, "spark", id, id != 2);
        b.created_ns = id == 3 ? 2001000000000 : 2000900000000;
        if (id == 4) {
            b.owner[0] = 'b';
        } else if (id == 5) {
            b.tenant[0] = 'b';
        }
        assert_int_equal(eg_live_jobs_add(j, &b, "", NULL), EG_OK);
    }
    assert_true(eg_live_jobs_of(j, EG_LIT(ID), EG_LIT("spark/1")));
    assert_false(eg_live_jobs_of(j, EG_LIT(ID), EG_LIT("spark/5")));
    assert_false(eg_live_jobs_of(j, EG_LIT(ID), EG_LIT("spark/9")));
    eg_live_jobs_revoke_owner(j, EG_LIT(ID), EG_LIT(ID), 2000);
    assert_false(eg_live_jobs_running(j, EG_LIT("spark/1")));
    assert_false(atomic_load(&job_named(j, "spark/1")->stop_asked));
    assert_true(atomic_load(&job_named(j, "spark/2")->stop_asked));
    for (int id = 3; id <= 5; id++) {
        char name[16];
        snprintf(name, sizeof name, "spark/%d", id);
        assert_true(eg_live_jobs_running(j, eg_str_of(name)));
    }
    eg_live_jobs_revoke(j, EG_LIT("spark/4"));
    assert_false(eg_live_jobs_running(j, EG_LIT("spark/4")));
    assert_true(atomic_load(&job_named(j, "spark/4")->stop_asked) && atomic_load(&job_named(j, "spark/4")->revoked));
    eg_live_jobs_revoke(j, EG_LIT("spark/99"));
    eg_live_jobs_free(j);
}

static void *mover(void *arg) {
    for (int i = 0; i < 10000; i++) {
        eg_live_jobs_moved(arg, EG_LIT("spark/1"), 3, 1);
    }
    return NULL;
}

static void sums_lose_nothing(void **state) {
    (void)state;
    eg_live_jobs *j = eg_live_jobs_new();
    eg_batch b;
    make(&b, "spark", 1, true);
    b.usage.bytes_read = 100; /* from before a restart */
    assert_int_equal(eg_live_jobs_add(j, &b, "", NULL), EG_OK);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, mover, j), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    uint64_t r = 0, w = 0;
    assert_true(eg_live_jobs_sums(j, EG_LIT("spark/1"), &r, &w));
    assert_int_equal(r, 100 + 4 * 10000 * 3);
    assert_int_equal(w, 4 * 10000);
    assert_false(eg_live_jobs_sums(j, EG_LIT("spark/2"), &r, &w));
    eg_live_jobs_free(j);
}

static void a_cluster_is_bounded(void **state) {
    (void)state;
    eg_live_jobs *j = eg_live_jobs_new();
    eg_batch b;
    for (uint32_t i = 0; i < EG_LIVE_JOBS_PER_CLUSTER; i++) {
        assert_int_equal(eg_live_jobs_room(j, EG_LIT("spark"), NULL), EG_OK);
        make(&b, "spark", i, false);
        assert_int_equal(eg_live_jobs_add(j, &b, "", NULL), EG_OK);
    }
    eg_problem p = {0};
    assert_int_equal(eg_live_jobs_room(j, EG_LIT("spark"), &p), EG_ERR_QUOTA);
    assert_int_equal(eg_err_http_status(EG_ERR_QUOTA), 429);
    assert_int_equal(eg_live_jobs_room(j, EG_LIT("other"), NULL), EG_OK);
    eg_live_job *list[EG_LIVE_JOBS_PER_CLUSTER + 5];
    size_t n = eg_live_jobs_list(j, list, sizeof list / sizeof *list);
    assert_int_equal(n, EG_LIVE_JOBS_PER_CLUSTER);
    eg_live_jobs_remove(j, list[7]);
    assert_int_equal(eg_live_jobs_room(j, EG_LIT("spark"), NULL), EG_OK);
    eg_live_jobs_free(j);
}

static eg_batch_shape shape(const char *request) {
    const eg_cluster_config c = {.name = "spark", .workers = 2, .worker_cores = 2, .worker_memory_mb = 3072};
    EG_JSON_AUTO o = json_loads(request, 0, NULL);
    assert_non_null(o);
    return eg_batch_start_shape(&c, o);
}

static void what_a_request_amounts_to(void **state) {
    (void)state;
    eg_batch_shape s = shape("{}");
    assert_true(s.driver_mib == 1024 && s.executors == 2 && s.executor_cores == 1 && s.executor_mib == 1024);
    s = shape("{\"executorCores\":2,\"numExecutors\":1,\"executorMemory\":\"2g\",\"driverMemory\":\"600m\"}");
    assert_true(s.driver_mib == 600 && s.executors == 1 && s.executor_cores == 2 && s.executor_mib == 2048);
    s = shape("{\"numExecutors\":1000}"); /* no more than the cluster has */
    assert_int_equal(s.executors, 4);
    s = shape("{\"conf\":{\"spark.cores.max\":\"3\"}}");
    assert_int_equal(s.executors, 3);
    eg_batch_usage u = {0};
    eg_batch_settle_sums(&s, 2000, 1500000, &u);
    assert_int_equal(u.core_ms, 3 * 2000 + 1500);
    assert_int_equal(u.memory_mib_ms, (3 * 1024 + 1024) * 2000);
}

static void what_may_be_tried_again(void **state) {
    (void)state;
    static const eg_err again[] = {EG_ERR_CLUSTER_DOWN, EG_ERR_LAUNCHER, EG_ERR_KEEPER, EG_ERR_TIMEOUT, EG_ERR_AUDIT_UNAVAILABLE, EG_ERR_DISK_FULL};
    static const eg_err never[] = {EG_OK, EG_ERR_FILE_REFUSED, EG_ERR_CONF_REFUSED, EG_ERR_INVALID, EG_ERR_CORRUPT, EG_ERR_KEY_DESTROYED, EG_ERR_CLUSTER_NOT_FOUND, EG_ERR_EXISTS};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        assert_true(eg_batch_start_again(again[i]));
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_false(eg_batch_start_again(never[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_end_when_told), cmocka_unit_test(who_is_revoked_loses_their_jobs), cmocka_unit_test(sums_lose_nothing), cmocka_unit_test(a_cluster_is_bounded),
                                       cmocka_unit_test(what_a_request_amounts_to), cmocka_unit_test(what_may_be_tried_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

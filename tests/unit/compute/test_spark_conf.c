/* The Spark properties of batches and daemons: what stands in them, what can't be overridden, what can't be smuggled in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "spark_conf.h"

#include <stdio.h>

static const char *const jars[] = {"/opt/jars/hadoop-azure.jar", NULL};
static const eg_cluster_config config = {
    .name = "spark", .workers = 2, .worker_cores = 2, .worker_memory_mb = 2048, .spark_home = "/opt/spark", .python = "/usr/bin/python3", .jars = jars};
static const eg_spark_site site = {.cluster = &config,
                                   .clusters_dir = "/state/clusters",
                                   .public_url = "https://127.0.0.1:8443",
                                   .tenant = "tenant-1",
                                   .master_port = 7077,
                                   .rpc_secret = {"rpc-secret", 10},
                                   .ui_secret = {"ui-secret", 9}};

/* The value that counts for a key: the last one. */
static void has(const eg_buf *b, const char *key, const char *want) {
    char line[512];
    snprintf(line, sizeof line, "%s=", key);
    const char *last = NULL;
    for (const char *at = b->ptr; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, line, strlen(line)) == 0) {
            last = at + strlen(line);
        }
    }
    if (!want) {
        assert_null(last);
        return;
    }
    assert_non_null(last);
    assert_memory_equal(last, want, strlen(want));
    assert_int_equal(last[strlen(want)], '\n');
}

static void test_batch(void **state) {
    (void)state;
    const eg_spark_pair conf[] = {{EG_LIT("spark.sql.shuffle.partitions"), EG_LIT("8")}, {EG_LIT("spark.executor.memory"), EG_LIT("700m")}};
    const eg_spark_batch batch = {
        .cluster = "spark", .id = "12", .name = EG_LIT("a name"), .job_client_id = EG_LIT("spark/12"), .executor_cores = 2, .executors = 1, .conf = conf, .conf_count = 2};
    eg_buf b;
    eg_problem p = {0};
    eg_buf_init(&b, EG_SPARK_CONF_MAX);
    assert_int_equal(eg_spark_conf_batch(&site, &batch, &b, &p), EG_OK);
    has(&b, "spark.master", "spark\\u003a//127.0.0.1\\u003a7077");
    has(&b, "spark.app.name", "a\\u0020name");
    has(&b, "spark.sql.shuffle.partitions", "8");
    has(&b, "spark.executor.memory", "700m");
    has(&b, "spark.executor.cores", "2");
    has(&b, "spark.cores.max", "2");
    has(&b, "spark.authenticate", "true");
    has(&b, "spark.authenticate.secret", "rpc-secret");
    has(&b, "spark.network.crypto.enabled", "true");
    has(&b, "spark.network.crypto.saslFallback", "false");
    has(&b, "spark.io.encryption.enabled", "true");
    has(&b, "spark.ui.enabled", "false");
    has(&b, "spark.driver.extraClassPath", "/opt/jars/hadoop-azure.jar");
    has(&b, "spark.hadoop.fs.azure.account.oauth2.msi.authority", "https\\u003a//127.0.0.1\\u003a8443/");
    has(&b, "spark.hadoop.fs.azure.account.oauth2.msi.tenant", "tenant-1");
    has(&b, "spark.hadoop.fs.azure.account.oauth2.client.id", "spark/12");
    has(&b, "spark.hadoop.fs.azure.account.oauth2.token.file", "/state/clusters/spark/run/batch-12/credential");
    has(&b, "spark.org.apache.spark.ui.JWSFilter.param.secretKey", NULL);
    assert_null(strstr(b.ptr, "ui-secret"));
    eg_buf_done(&b);
}

static void test_half_of_the_cores_by_default(void **state) {
    (void)state;
    const eg_spark_batch batch = {.cluster = "spark", .id = "1", .job_client_id = EG_LIT("spark/1")};
    eg_buf b;
    eg_problem p = {0};
    eg_buf_init(&b, EG_SPARK_CONF_MAX);
    assert_int_equal(eg_spark_conf_batch(&site, &batch, &b, &p), EG_OK);
    has(&b, "spark.cores.max", "2");
    has(&b, "spark.executor.cores", "1");
    has(&b, "spark.executor.memory", "1024m");
    eg_buf_done(&b);
}

/* HotSpot has the processor's AES in its optimising compiler alone: without it TLS is several times slower, on few cores too. */
static void test_every_job_has_the_optimising_compiler(void **state) {
    (void)state;
    const eg_spark_batch batch = {.cluster = "spark", .id = "1", .job_client_id = EG_LIT("spark/1")};
    eg_cluster_config many = config;
    many.workers = 3;
    const eg_cluster_config *const clusters[] = {&config, &many};
    for (size_t i = 0; i < 2; i++) {
        eg_spark_site here = site;
        here.cluster = clusters[i];
        eg_buf b;
        eg_problem p = {0};
        eg_buf_init(&b, EG_SPARK_CONF_MAX);
        assert_int_equal(eg_spark_conf_batch(&here, &batch, &b, &p), EG_OK);
        assert_null(strstr(b.ptr, "TieredStopAtLevel"));
        const char *java = strstr(b.ptr, "spark.executor.extraJavaOptions=");
        assert_non_null(java);
        assert_true((strstr(java, "Tier4InvocationThreshold") != NULL) == (clusters[i] == &config));
        assert_true((strstr(java, "UseSerialGC") != NULL) == (clusters[i] == &config));
        eg_buf_done(&b);
    }
}

static void test_reserved(void **state) {
    (void)state;
    static const char *const keys[] = {"spark.master", "spark.authenticate.secret", "spark.driver.extraJavaOptions", "spark.jars",
                                       "spark.hadoop.fs.azure.account.oauth2.token.file", "spark.network.crypto.enabled", "spark.ui.enabled"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const eg_spark_pair conf[] = {{eg_str_of(keys[i]), EG_LIT("x")}};
        const eg_spark_batch batch = {.cluster = "spark", .id = "1", .job_client_id = EG_LIT("spark/1"), .conf = conf, .conf_count = 1};
        eg_buf b;
        eg_problem p = {0};
        eg_buf_init(&b, EG_SPARK_CONF_MAX);
        assert_true(eg_spark_conf_reserved(eg_str_of(keys[i])));
        assert_int_equal(eg_spark_conf_batch(&site, &batch, &b, &p), EG_ERR_CONF_REFUSED);
        eg_buf_done(&b);
    }
    assert_false(eg_spark_conf_reserved(EG_LIT("spark.executor.memory")));
}

/* No value can end its line or begin a comment, a key or a continuation. */
static void test_escapes(void **state) {
    (void)state;
    static const struct {
        const char *value, *want;
    } rows[] = {
        {"two\nspark.master=local", "k=two\\u000aspark.master\\u003dlocal\n"},
        {"back\\slash", "k=back\\u005cslash\n"},
        {" lead#!", "k=\\u0020lead\\u0023\\u0021\n"},
        {"\xC3\xBC \xF0\x9F\x98\x80", "k=\\u00fc\\u0020\\ud83d\\ude00\n"},
        {"", "k=\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_buf b;
        eg_buf_init(&b, 1024);
        assert_int_equal(eg_spark_conf_pair(EG_LIT("k"), eg_str_of(rows[i].value), &b), EG_OK);
        assert_string_equal(b.ptr, rows[i].want);
        eg_buf_done(&b);
    }
    eg_buf b;
    eg_buf_init(&b, 1024);
    assert_int_equal(eg_spark_conf_pair(EG_LIT("k=x"), EG_LIT("v"), &b), EG_OK);
    assert_string_equal(b.ptr, "k\\u003dx=v\n");
    assert_int_equal(eg_spark_conf_pair(EG_LIT("k"), (eg_str){"a\0b", 3}, &b), EG_ERR_CONF_REFUSED);
    assert_int_equal(eg_spark_conf_pair(EG_LIT("k"), EG_LIT("\xC3"), &b), EG_ERR_CONF_REFUSED);
    assert_int_equal(eg_spark_conf_pair(EG_LIT(""), EG_LIT("v"), &b), EG_ERR_CONF_REFUSED);
    eg_buf_done(&b);
}

static void test_daemons(void **state) {
    (void)state;
    eg_buf b;
    eg_problem p = {0};
    eg_buf_init(&b, EG_SPARK_CONF_MAX);
    assert_int_equal(eg_spark_conf_master(&site, &b, &p), EG_OK);
    has(&b, "spark.ui.filters", "org.apache.spark.ui.JWSFilter");
    has(&b, "spark.org.apache.spark.ui.JWSFilter.param.secretKey", "ui-secret");
    has(&b, "spark.authenticate.secret", "rpc-secret");
    has(&b, "spark.master.rest.enabled", "false");
    eg_buf_done(&b);
    eg_buf_init(&b, 64);
    assert_int_equal(eg_spark_conf_worker(&site, &b, &p), EG_ERR_LIMIT);
    eg_buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batch),    cmocka_unit_test(test_half_of_the_cores_by_default),
                                       cmocka_unit_test(test_every_job_has_the_optimising_compiler),
                                       cmocka_unit_test(test_reserved), cmocka_unit_test(test_escapes),
                                       cmocka_unit_test(test_daemons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

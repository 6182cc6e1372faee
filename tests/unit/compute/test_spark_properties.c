/* The allow-list: each dangerous property is refused by name, harmless ones pass with sane values only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "spark_properties.h"

static const eg_job_places places = {.public_url = "https://gw.example:8443"};

static eg_err check(const char *name, const char *value, bool *ignored, eg_problem *p) {
    return eg_spark_properties_check(&places, eg_str_of(name), eg_str_of(value), ignored, p);
}

static void dangerous_ones_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions", "spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions",
        "spark.driver.extraClassPath", "spark.executor.extraClassPath", "spark.driver.extraLibraryPath", "spark.executor.extraLibraryPath",
        "spark.driver.userClassPathFirst", "spark.executor.userClassPathFirst", "spark.master", "spark.master.rest.enabled",
        "spark.submit.pyFiles", "spark.submit.deployMode", "spark.jars", "spark.jars.packages", "spark.jars.repositories", "spark.jars.ivy",
        "spark.jars.ivySettings", "spark.files", "spark.archives", "spark.executorEnv.LD_PRELOAD", "spark.executorEnv.PYTHONPATH",
        "spark.pyspark.python", "spark.pyspark.driver.python", "spark.python.daemon.module", "spark.python.worker.module", "spark.r.command",
        "spark.plugins", "spark.plugins.defaultList", "spark.extraListeners", "spark.sql.queryExecutionListeners",
        "spark.sql.streaming.streamingQueryListeners", "spark.authenticate", "spark.authenticate.secret", "spark.authenticate.secret.file",
        "spark.network.crypto.enabled", "spark.network.sasl.serverAlwaysEncrypt", "spark.io.encryption.enabled", "spark.io.crypto.cipher.transformation",
        "spark.ssl.enabled", "spark.ssl.rpc.keyStore", "spark.acls.enable", "spark.admin.acls", "spark.modify.acls",
        "spark.security.credentials.hive.enabled", "spark.kerberos.keytab", "spark.redaction.regex", "spark.eventLog.dir", "spark.eventLog.enabled",
        "spark.history.fs.logDirectory", "spark.metrics.conf", "spark.metrics.namespace", "spark.kubernetes.container.image", "spark.yarn.archive",
        "spark.yarn.appMasterEnv.X", "spark.mesos.uris", "spark.deploy.recoveryMode", "spark.worker.cleanup.enabled", "spark.launcher.secret",
        "spark.local.dir", "spark.driver.host", "spark.driver.bindAddress", "spark.driver.resource.gpu.discoveryScript",
        "spark.executor.resource.gpu.discoveryScript", "spark.shuffle.manager", "spark.shuffle.service.enabled",
        "spark.shuffle.sort.io.plugin.class", "spark.scheduler.allocation.file", "spark.repl.class.uri", "spark.connect.grpc.binding.port",
        "spark.kryo.registrator", "spark.kryo.classesToRegister", "spark.sql.extensions", "spark.sql.catalog.mine", "spark.sql.catalog.mine.uri",
        "spark.sql.catalog.spark_catalog", "spark.sql.defaultCatalog", "spark.sql.hive.metastore.jars", "spark.hive.metastore.uris",
        "spark.sql.cache.serializer", "spark.hadoop.fs.azure.account.key.x", "spark.hadoop.fs.defaultFS",
        "spark.hadoop.fs.azure.account.oauth2.msi.authority", "spark.hadoop.hadoop.security.credential.provider.path",
        "spark.sql.adaptive.customCostEvaluatorClass", "spark.sql.parquet.output.committer.class", "spark.sql.sources.commitProtocolClass",
        "spark.sql.streaming.commitProtocolClass", "spark.sql.streaming.stateStore.providerClass", "spark.sql.streaming.checkpointFileManagerClass",
        "spark.ui.filters", "spark.ui.proxyBase", "spark.ui.reverseProxy", "spark.log.structuredLogging.enabled", "spark.unsafe.exceptionOnMemoryLeak",
        "spark.hadoop.javax.jdo.option.ConnectionURL", "spark.sql.warehouse.dirs", "spark.nonsense", "my.property", "SPARK.MASTER", "Spark.app.name", "",
        "spark.app.name ", "spark.app.name\nspark.master", "spark.app.name=x",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        eg_problem p = {0};
        bool ignored = false;
        eg_err e = check(names[i], "1", &ignored, &p);
        if (e != EG_ERR_CONF_REFUSED) {
            print_error("%s was not refused\n", names[i]);
        }
        assert_int_equal(e, EG_ERR_CONF_REFUSED);
        assert_true(p.message[0] != 0 && p.where[0] != 0);
    }
}

static void the_reason_is_named(void **state) {
    (void)state;
    eg_problem p = {0};
    bool ignored = false;
    assert_int_equal(check("spark.driver.extraJavaOptions", "-javaagent:/x.jar", &ignored, &p), EG_ERR_CONF_REFUSED);
    assert_non_null(strstr(p.message, "spark.driver.extraJavaOptions"));
    assert_non_null(strstr(p.message, "agents"));
    assert_null(strstr(p.message, "/x.jar"));
    assert_string_equal(p.where, "conf[\"spark.driver.extraJavaOptions\"]");
}

static void harmless_ones_pass(void **state) {
    (void)state;
    static const struct {
        const char *name, *good, *bad;
    } rows[] = {
        {"spark.app.name", "my job: 1", NULL},
        {"spark.executor.memory", "512m", "512"},
        {"spark.executor.memory", "2G", "2x"},
        {"spark.executor.cores", "2", "two"},
        {"spark.executor.instances", "3", "-1"},
        {"spark.driver.maxResultSize", "0", "lots"},
        {"spark.default.parallelism", "8", "8;rm"},
        {"spark.sql.shuffle.partitions", "16", "/etc/passwd"},
        {"spark.sql.adaptive.enabled", "true", "a b"},
        {"spark.sql.autoBroadcastJoinThreshold", "-1", "-2"},
        {"spark.sql.ansi.enabled", "false", "x.y.Z"},
        {"spark.sql.session.timeZone", "Europe/Berlin", "UTC;"},
        {"spark.sql.parquet.compression.codec", "ZSTD", "x.Codec"},
        {"spark.serializer", "org.apache.spark.serializer.KryoSerializer", "evil.Serializer"},
        {"spark.io.compression.codec", "zstd", "evil.Codec"},
        {"spark.dynamicAllocation.enabled", "false", "file:///x"},
        {"spark.dynamicAllocation.executorIdleTimeout", "60s", "60 s"},
        {"spark.speculation", "true", "1"},
        {"spark.memory.fraction", "0.6", "0.6.1"},
        {"spark.sql.catalogImplementation", "in-memory", "hive"},
        {"spark.sql.warehouse.dir", "abfss://data@gw.example:8443/warehouse", "file:///elsewhere"},
        {"spark.sql.streaming.checkpointLocation", "abfss://data@gw.example:8443/c", "abfss://data@evil.example/c"},
        {"spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version", "2", "3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_problem p = {0};
        bool ignored = true;
        if (check(rows[i].name, rows[i].good, &ignored, &p) != EG_OK) {
            print_error("%s=%s: %s\n", rows[i].name, rows[i].good, p.message);
        }
        assert_int_equal(check(rows[i].name, rows[i].good, &ignored, &p), EG_OK);
        assert_false(ignored);
        if (rows[i].bad) {
            assert_int_equal(check(rows[i].name, rows[i].bad, &ignored, &p), EG_ERR_CONF_REFUSED);
        }
    }
    bool ignored = false;
    eg_problem p = {0};
    assert_int_equal(check("spark.ui.enabled", "false", &ignored, &p), EG_OK);
    assert_true(ignored);
    assert_int_equal(check("spark.app.name", "${env:HOME}", &ignored, &p), EG_ERR_BODY_FIELD);
    assert_int_equal(check("spark.app.name", "a\nspark.master=x", &ignored, &p), EG_ERR_BODY_FIELD);
}

static void memory_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t mib; /* 0 = refused */
    } rows[] = {{"512m", 512}, {"1g", 1024}, {"2GB", 2048}, {"1048576k", 1024}, {"1k", 1}, {"1t", 1048576}, {"2t", 0}, {"512", 0}, {"512b", 0}, {"0m", 0},
                {"", 0}, {"m", 0}, {"-1m", 0}, {"1.5g", 0}, {"99999999999999999999g", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t mib = 0;
        assert_int_equal(eg_spark_properties_memory(eg_str_of(rows[i].text), &mib) == EG_OK, rows[i].mib != 0);
        assert_int_equal(mib, rows[i].mib);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(dangerous_ones_are_refused), cmocka_unit_test(the_reason_is_named),
                                       cmocka_unit_test(harmless_ones_pass), cmocka_unit_test(memory_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Builds the Spark properties of batches, masters and workers. */
#include "spark_conf.h"

#include <embergate/java_trust.h>

#include <stdarg.h>
#include <stdio.h>

#define VALUE_MAX (16u << 10)
/* No file in /tmp. Where there are few cores, a parallel collector and much optimising cost a short job more than they give: only what runs
 * ten times as often as HotSpot asks for by default is optimised. Never optimising (TieredStopAtLevel=1) would save such a job some more, but
 * HotSpot has the processor's AES in its optimising compiler alone, and a job that reads and writes data through TLS took four times as long. */
#define JVM_OPTIONS "-Xshare:auto -XX:-UsePerfData"
#define JVM_OPTIMISE_LATE                                                                                            \
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 -XX:Tier4CompileThreshold=150000 "      \
    "-XX:Tier4BackEdgeThreshold=400000 "
#define JVM_OPTIONS_FEW_CORES "-XX:+UseSerialGC " JVM_OPTIMISE_LATE JVM_OPTIONS
#define FEW_CORES 4

/* One escaped character as java.util.Properties.load reads it: outside of ASCII by its UTF-16 units. */
static eg_err put_code_point(uint32_t c, eg_buf *ret) {
    if (c >= 0x10000) {
        c -= 0x10000;
        return eg_buf_addf(ret, "\\u%04x\\u%04x", 0xD800 + (unsigned)(c >> 10), 0xDC00 + (unsigned)(c & 0x3FF));
    }
    return eg_buf_addf(ret, "\\u%04x", (unsigned)c);
}

static eg_err put_ascii(char c, eg_buf *ret) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_./,;@$%&*()[]{}<>?|+~^'\"`", c));
    return plain ? eg_buf_add(ret, &c, 1) : put_code_point((unsigned char)c, ret);
}

static eg_err put_escaped(eg_str s, eg_buf *ret) {
    for (size_t i = 0; i < s.len;) {
        const uint8_t *u = (const uint8_t *)s.ptr + i;
        if (*u < 0x80) {
            EG_TRY(put_ascii((char)*u, ret));
            i++;
            continue;
        }
        size_t n = *u >= 0xF0 ? 4 : *u >= 0xE0 ? 3 : 2;
        uint32_t c = *u & (0xFFu >> (n + 1));
        for (size_t k = 1; k < n; k++) {
            c = (c << 6) | (u[k] & 0x3F);
        }
        EG_TRY(put_code_point(c, ret));
        i += n;
    }
    return EG_OK;
}

eg_err eg_spark_conf_pair(eg_str key, eg_str value, eg_buf *ret) {
    bool bad = key.len == 0 || !eg_utf8_valid(key) || !eg_utf8_valid(value) || memchr(key.ptr, 0, key.len) ||
               (value.len > 0 && memchr(value.ptr, 0, value.len));
    if (bad) {
        return EG_ERR_CONF_REFUSED;
    }
    EG_TRY(put_escaped(key, ret));
    EG_TRY(eg_buf_add(ret, "=", 1));
    EG_TRY(put_escaped(value, ret));
    return eg_buf_add(ret, "\n", 1);
}

static eg_err put(eg_buf *b, const char *key, const char *value) {
    return eg_spark_conf_pair(eg_str_of(key), eg_str_of(value), b);
}

static eg_err putf(eg_buf *b, const char *key, const char *fmt, ...) EG_PRINTF(3, 4);
static eg_err putf(eg_buf *b, const char *key, const char *fmt, ...) {
    char text[VALUE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text) {
        return EG_ERR_LIMIT;
    }
    eg_err e = eg_spark_conf_pair(eg_str_of(key), (eg_str){text, (size_t)n}, b);
    eg_cleanse(text, sizeof text);
    return e;
}

typedef struct fixed {
    const char *key;
    const char *value;
} fixed;

/* Every connection inside a cluster is authenticated and encrypted, every spilled byte too; no web page, no event log. */
static const fixed wire[] = {
    {"spark.authenticate", "true"},
    {"spark.network.crypto.enabled", "true"},
    {"spark.network.crypto.authEngineVersion", "2"},
    {"spark.network.crypto.saslFallback", "false"},
    {"spark.io.encryption.enabled", "true"},
    {"spark.io.encryption.keySizeBits", "256"},
};

static const fixed batch_fixed[] = {
    {"spark.submit.deployMode", "client"},
    {"spark.driver.host", "127.0.0.1"},
    {"spark.driver.bindAddress", "127.0.0.1"},
    {"spark.ui.enabled", "false"},
    {"spark.eventLog.enabled", "false"},
    {"spark.master.rest.enabled", "false"},
    {"spark.shuffle.service.enabled", "false"},
    {"spark.hadoop.fs.azure.account.auth.type", "OAuth"},
    {"spark.hadoop.fs.azure.account.oauth.provider.type", "org.apache.hadoop.fs.azurebfs.oauth2.WorkloadIdentityTokenProvider"},
    {"spark.hadoop.fs.azure.account.hns.enabled", "true"},
    {"spark.hadoop.fs.azure.ssl.channel.mode", "Default_JSSE"},
    {"spark.hadoop.fs.azure.networking.library", "JDK_HTTP_URL_CONNECTION"},
    {"spark.hadoop.fs.azure.metrics.collection.enabled", "false"},
};

static const fixed daemon_fixed[] = {
    {"spark.master.rest.enabled", "false"},
    {"spark.port.maxRetries", "0"},
    {"spark.ui.filters", "org.apache.spark.ui.JWSFilter"},
    {"spark.ui.killEnabled", "false"},
    {"spark.worker.cleanup.enabled", "true"},
    {"spark.worker.cleanup.appDataTtl", "300"},
    {"spark.worker.cleanup.interval", "300"},
};

/* Set from values, or (spark.local.dir) by the environment that the launcher gives, beside the tables above. */
static const char *const batch_set[] = {
    "spark.master",
    "spark.authenticate.secret",
    "spark.local.dir",
    "spark.jars",
    "spark.submit.pyFiles",
    "spark.files",
    "spark.archives",
    "spark.driver.extraJavaOptions",
    "spark.executor.extraJavaOptions",
    "spark.driver.defaultJavaOptions",
    "spark.executor.defaultJavaOptions",
    "spark.driver.extraClassPath",
    "spark.executor.extraClassPath",
    "spark.pyspark.python",
    "spark.pyspark.driver.python",
    "spark.hadoop.fs.azure.account.oauth2.msi.authority",
    "spark.hadoop.fs.azure.account.oauth2.msi.tenant",
    "spark.hadoop.fs.azure.account.oauth2.client.id",
    "spark.hadoop.fs.azure.account.oauth2.token.file",
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool in_table(eg_str key, const fixed *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (eg_str_is(key, t[i].key)) {
            return true;
        }
    }
    return false;
}

bool eg_spark_conf_reserved(eg_str key) {
    for (size_t i = 0; i < COUNT(batch_set); i++) {
        if (eg_str_is(key, batch_set[i])) {
            return true;
        }
    }
    return in_table(key, wire, COUNT(wire)) || in_table(key, batch_fixed, COUNT(batch_fixed));
}

static eg_err put_table(eg_buf *b, const fixed *t, size_t n) {
    for (size_t i = 0; i < n; i++) {
        EG_TRY(put(b, t[i].key, t[i].value));
    }
    return EG_OK;
}

static eg_err put_said(eg_buf *b, const char *key, eg_str value) {
    return value.len > 0 ? eg_spark_conf_pair(eg_str_of(key), value, b) : EG_OK;
}

static eg_err put_wire(const eg_spark_site *site, eg_buf *b) {
    EG_TRY(put_table(b, wire, COUNT(wire)));
    return eg_spark_conf_pair(EG_LIT("spark.authenticate.secret"), site->rpc_secret, b);
}

/* Before the submitter's own: of two lines with one key the later counts. Half of the cluster's cores for one batch, so that a second one
 * finds some; who wants more says so. */
static eg_err put_default_sizes(const eg_cluster_config *c, eg_buf *b) {
    unsigned all = c->workers * c->worker_cores;
    unsigned a_core = c->worker_memory_mb / (c->worker_cores ? c->worker_cores : 1);
    EG_TRY(put(b, "spark.driver.memory", "1g"));
    EG_TRY(put(b, "spark.executor.cores", "1"));
    EG_TRY(putf(b, "spark.executor.memory", "%um", a_core < 512 ? 512 : a_core > 1024 ? 1024 : a_core));
    return putf(b, "spark.cores.max", "%u", all > 2 ? all / 2 : 1);
}

/* The fields of the request, which count for more than its conf. */
static eg_err put_said_sizes(const eg_spark_batch *batch, eg_buf *b) {
    EG_TRY(put_said(b, "spark.driver.memory", batch->driver_memory));
    EG_TRY(put_said(b, "spark.executor.memory", batch->executor_memory));
    if (batch->driver_cores) {
        EG_TRY(putf(b, "spark.driver.cores", "%u", batch->driver_cores));
    }
    if (batch->executor_cores) {
        EG_TRY(putf(b, "spark.executor.cores", "%u", batch->executor_cores));
    }
    if (batch->executors) {
        unsigned long long cores = batch->executor_cores ? batch->executor_cores : 1;
        EG_TRY(putf(b, "spark.cores.max", "%llu", cores * batch->executors));
    }
    return EG_OK;
}

static eg_err put_java(const eg_spark_site *site, eg_buf *b) {
    char options[VALUE_MAX];
    const char *dir = site->clusters_dir;
    const char *name = site->cluster->name;
    bool few = site->cluster->workers * site->cluster->worker_cores <= FEW_CORES;
    int n = snprintf(options, sizeof options,
                     "%s \"-Djava.io.tmpdir=%s/%s/tmp\" \"-Djavax.net.ssl.trustStore=%s/%s/trust.jks\""
                     " -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=" EG_TRUST_JKS_PASSWORD,
                     few ? JVM_OPTIONS_FEW_CORES : JVM_OPTIONS, dir, name, dir, name);
    if (n < 0 || (size_t)n >= sizeof options) {
        return EG_ERR_LIMIT;
    }
    EG_TRY(put(b, "spark.driver.extraJavaOptions", options));
    return put(b, "spark.executor.extraJavaOptions", options);
}

/* The cluster's JARs stand on the class path itself: spark-submit needs hadoop-azure before the application has a class loader. */
static eg_err put_class_path(const eg_cluster_config *c, eg_buf *b) {
    eg_buf path;
    eg_buf_init(&path, VALUE_MAX);
    for (size_t i = 0; c->jars && c->jars[i]; i++) {
        eg_buf_addf(&path, "%s%s", i ? ":" : "", c->jars[i]);
    }
    eg_err e = path.err;
    if (e == EG_OK && path.len > 0) {
        e = eg_spark_conf_pair(EG_LIT("spark.driver.extraClassPath"), eg_buf_str(&path), b);
    }
    if (e == EG_OK && path.len > 0) {
        e = eg_spark_conf_pair(EG_LIT("spark.executor.extraClassPath"), eg_buf_str(&path), b);
    }
    eg_buf_done(&path);
    return e;
}

static eg_err put_identity(const eg_spark_site *site, const eg_spark_batch *batch, eg_buf *b) {
    EG_TRY(putf(b, "spark.hadoop.fs.azure.account.oauth2.msi.authority", "%s/", site->public_url));
    EG_TRY(put(b, "spark.hadoop.fs.azure.account.oauth2.msi.tenant", site->tenant));
    EG_TRY(eg_spark_conf_pair(EG_LIT("spark.hadoop.fs.azure.account.oauth2.client.id"), batch->job_client_id, b));
    return putf(b, "spark.hadoop.fs.azure.account.oauth2.token.file", "%s/%s/run/batch-%s/credential", site->clusters_dir, batch->cluster, batch->id);
}

static eg_err put_submitted(const eg_spark_batch *batch, eg_buf *b, eg_problem *p) {
    for (size_t i = 0; i < batch->conf_count; i++) {
        eg_str key = batch->conf[i].key;
        if (eg_spark_conf_reserved(key)) {
            return eg_fail(p, EG_ERR_CONF_REFUSED, "The property \"%.*s\" is set by the cluster.", EG_FMT(key));
        }
        EG_TRY(eg_spark_conf_pair(key, batch->conf[i].value, b));
    }
    EG_TRY(put_said(b, "spark.app.name", batch->name));
    EG_TRY(put_said(b, "spark.jars", batch->jars));
    EG_TRY(put_said(b, "spark.submit.pyFiles", batch->py_files));
    EG_TRY(put_said(b, "spark.files", batch->files));
    return put_said(b, "spark.archives", batch->archives);
}

static eg_err put_batch(const eg_spark_site *site, const eg_spark_batch *batch, eg_buf *b, eg_problem *p) {
    const char *python = site->cluster->python && site->cluster->python[0] ? site->cluster->python : "/usr/bin/python3";
    EG_TRY(put_default_sizes(site->cluster, b));
    EG_TRY(put_submitted(batch, b, p));
    EG_TRY(put_said_sizes(batch, b));
    EG_TRY(put_java(site, b));
    EG_TRY(put_class_path(site->cluster, b));
    EG_TRY(put(b, "spark.pyspark.python", python));
    EG_TRY(put(b, "spark.pyspark.driver.python", python));
    EG_TRY(put_identity(site, batch, b));
    EG_TRY(put_table(b, batch_fixed, COUNT(batch_fixed)));
    EG_TRY(putf(b, "spark.master", "spark://127.0.0.1:%u", site->master_port));
    return put_wire(site, b);
}

static eg_err told(eg_err e, eg_problem *p) {
    bool said = p && p->code == e && p->message[0];
    return e == EG_OK || said ? e : eg_fail(p, e, "A Spark property holds what a property can't hold, or all of them are too long.");
}

eg_err eg_spark_conf_batch(const eg_spark_site *site, const eg_spark_batch *batch, eg_buf *ret, eg_problem *p) {
    return told(put_batch(site, batch, ret, p), p);
}

static eg_err put_daemon(const eg_spark_site *site, eg_buf *b) {
    EG_TRY(put_table(b, daemon_fixed, COUNT(daemon_fixed)));
    EG_TRY(eg_spark_conf_pair(EG_LIT("spark.org.apache.spark.ui.JWSFilter.param.secretKey"), site->ui_secret, b));
    return put_wire(site, b);
}

eg_err eg_spark_conf_master(const eg_spark_site *site, eg_buf *ret, eg_problem *p) {
    return told(put_daemon(site, ret), p);
}

eg_err eg_spark_conf_worker(const eg_spark_site *site, eg_buf *ret, eg_problem *p) {
    return told(put_daemon(site, ret), p);
}

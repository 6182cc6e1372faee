/* The tables of refused and allowed Spark properties, and the checks of their values. */
#include "spark_properties.h"

#include <ctype.h>
#include <stdio.h>

typedef enum match { M_EXACT = 0, M_PREFIX, M_SUFFIX } match;

/* Known to be dangerous: these are refused whatever else the tables say, each with its reason. The first that fits is named. */
static const struct {
    const char *text;
    match how;
    const char *reason;
} refused[] = {
    {"JavaOptions", M_SUFFIX, "JVM options can load agents and change what the JVM trusts"},
    {"ClassPath", M_SUFFIX, "a class path puts code before Spark's own"},
    {"LibraryPath", M_SUFFIX, "a library path loads native code"},
    {"serClassPathFirst", M_SUFFIX, "it puts code before Spark's own"},
    {"spark.master", M_PREFIX, "the cluster decides where its jobs run"},
    {"spark.submit.", M_PREFIX, "how a job is handed to Spark is the gateway's affair"},
    {"spark.jars", M_PREFIX, "it would fetch code from elsewhere; name files of your storage in the fields jars and pyFiles"},
    {"spark.files", M_EXACT, "name files of your storage in the field files"},
    {"spark.archives", M_EXACT, "name archives of your storage in the field archives"},
    {"spark.executorEnv.", M_PREFIX, "environment variables of executors can load code and hold secrets"},
    {"spark.pyspark.", M_PREFIX, "the cluster fixes its Python interpreter"},
    {"spark.python.daemon.", M_PREFIX, "it replaces the code that starts Python workers"},
    {"spark.python.worker.module", M_EXACT, "it replaces the code of Python workers"},
    {"spark.r.", M_PREFIX, "it names a program to run"},
    {"spark.plugins", M_PREFIX, "plugins load code into every process"},
    {"spark.extraListeners", M_EXACT, "listeners load code into the driver"},
    {"istener", M_SUFFIX, "listeners load code"},
    {"isteners", M_SUFFIX, "listeners load code"},
    {"spark.authenticate", M_PREFIX, "the cluster's authentication is fixed"},
    {"spark.network.crypto.", M_PREFIX, "the cluster's encryption is fixed"},
    {"spark.network.sasl.", M_PREFIX, "the cluster's encryption is fixed"},
    {"spark.io.encryption.", M_PREFIX, "the cluster's encryption is fixed"},
    {"spark.io.crypto.", M_PREFIX, "the cluster's encryption is fixed"},
    {"spark.ssl.", M_PREFIX, "the cluster's encryption is fixed"},
    {"spark.acls.", M_PREFIX, "who may do what is the gateway's affair"},
    {"spark.admin.", M_PREFIX, "who may do what is the gateway's affair"},
    {"spark.modify.", M_PREFIX, "who may do what is the gateway's affair"},
    {"spark.security.", M_PREFIX, "credentials are the gateway's affair"},
    {"spark.kerberos.", M_PREFIX, "credentials are the gateway's affair"},
    {"spark.redaction.", M_PREFIX, "what is hidden from logs is fixed"},
    {"spark.eventLog.", M_PREFIX, "event logs would leave the job's sealed log"},
    {"spark.history.", M_PREFIX, "the history server is not a job's to set"},
    {"spark.metrics.", M_PREFIX, "metrics sinks load code and open connections"},
    {"spark.kubernetes.", M_PREFIX, "this cluster is no Kubernetes cluster"},
    {"spark.yarn.", M_PREFIX, "this cluster is no YARN cluster"},
    {"spark.mesos.", M_PREFIX, "this cluster is no Mesos cluster"},
    {"spark.deploy.", M_PREFIX, "it belongs to the cluster, not to a job"},
    {"spark.worker.", M_PREFIX, "it belongs to the cluster, not to a job"},
    {"spark.launcher.", M_PREFIX, "how a job is handed to Spark is the gateway's affair"},
    {"spark.proxy.", M_PREFIX, "it belongs to the cluster, not to a job"},
    {"spark.rpc.io.", M_PREFIX, "it belongs to the cluster, not to a job"},
    {"spark.local.dir", M_EXACT, "scratch space is fixed, so that it is cleaned and encrypted"},
    {"spark.driver.host", M_EXACT, "addresses are the cluster's affair"},
    {"spark.driver.bindAddress", M_EXACT, "addresses are the cluster's affair"},
    {"spark.driver.resource.", M_PREFIX, "a discovery script is a program to run"},
    {"spark.executor.resource.", M_PREFIX, "a discovery script is a program to run"},
    {"spark.executor.logs.", M_PREFIX, "logs are kept by the gateway"},
    {"spark.shuffle.manager", M_EXACT, "it loads code"},
    {"spark.shuffle.service.", M_PREFIX, "it belongs to the cluster, not to a job"},
    {"spark.shuffle.sort.io.", M_PREFIX, "it loads code"},
    {"spark.scheduler.allocation.file", M_EXACT, "it reads a file of the gateway's machine"},
    {"spark.repl.", M_PREFIX, "it serves classes from a directory"},
    {"spark.connect.", M_PREFIX, "it would open a server of its own"},
    {"spark.kryo.registrator", M_EXACT, "it loads code"},
    {"spark.kryo.classesToRegister", M_EXACT, "it loads code"},
    {"spark.sql.extensions", M_PREFIX, "extensions load code into the session"},
    {"spark.sql.catalog.", M_PREFIX, "a catalog loads code and can point elsewhere"},
    {"spark.sql.defaultCatalog", M_EXACT, "a catalog loads code and can point elsewhere"},
    {"spark.sql.hive.", M_PREFIX, "there is no Hive metastore here, and its settings load code"},
    {"spark.hive.", M_PREFIX, "there is no Hive metastore here, and its settings load code"},
    {"spark.sql.cache.serializer", M_EXACT, "it loads code"},
    {"spark.hadoop.fs.", M_PREFIX, "file systems and their sign-in are set by the gateway, with the job's own identity"},
    {"spark.hadoop.hadoop.security.", M_PREFIX, "credentials are the gateway's affair"},
    {"Class", M_SUFFIX, "it loads code"},
    {"Classes", M_SUFFIX, "it loads code"},
    {".class", M_SUFFIX, "it loads code"},
    {"ClassName", M_SUFFIX, "it loads code"},
    {"Provider", M_SUFFIX, "it loads code"},
    {"Providers", M_SUFFIX, "it loads code"},
    {"Command", M_SUFFIX, "it names a program to run"},
};

typedef enum check {
    C_BOOL = 1,
    C_COUNT,     /* 0 to 1,000,000,000 */
    C_LIMIT,     /* a count, or -1 */
    C_NUMBER,    /* decimal, at most three digits before the point */
    C_MEMORY,    /* a size with its unit, to 1 TiB */
    C_SIZE,      /* a size, unit optional, or -1 */
    C_TIME,      /* "30s", "100ms", "5min", or a bare number */
    C_TEXT,      /* one line, at most 256 bytes */
    C_ONE_OF,    /* of `values`, separated by '|', without case */
    C_ZONE,      /* a time zone's name */
    C_STORAGE,   /* an abfss URI of ours */
    C_PLAIN,     /* any of bool, number, size, time or one word: for prefixes of harmless switches */
    C_IGNORED,   /* accepted and dropped */
} check;

static const struct {
    const char *text;
    match how;
    check check;
    const char *values;
} allowed[] = {
    {"spark.app.name", M_EXACT, C_TEXT, NULL},
    {"spark.driver.memory", M_EXACT, C_MEMORY, NULL},
    {"spark.driver.cores", M_EXACT, C_COUNT, NULL},
    {"spark.driver.maxResultSize", M_EXACT, C_SIZE, NULL},
    {"spark.executor.memory", M_EXACT, C_MEMORY, NULL},
    {"spark.executor.cores", M_EXACT, C_COUNT, NULL},
    {"spark.executor.instances", M_EXACT, C_COUNT, NULL},
    {"spark.executor.pyspark.memory", M_EXACT, C_MEMORY, NULL},
    {"spark.executor.heartbeatInterval", M_EXACT, C_TIME, NULL},
    {"spark.cores.max", M_EXACT, C_COUNT, NULL},
    {"spark.task.cpus", M_EXACT, C_COUNT, NULL},
    {"spark.task.maxFailures", M_EXACT, C_COUNT, NULL},
    {"spark.stage.maxConsecutiveAttempts", M_EXACT, C_COUNT, NULL},
    {"spark.default.parallelism", M_EXACT, C_COUNT, NULL},
    {"spark.memory.fraction", M_EXACT, C_NUMBER, NULL},
    {"spark.memory.storageFraction", M_EXACT, C_NUMBER, NULL},
    {"spark.dynamicAllocation.", M_PREFIX, C_PLAIN, NULL},
    {"spark.speculation", M_EXACT, C_BOOL, NULL},
    {"spark.speculation.", M_PREFIX, C_PLAIN, NULL},
    {"spark.excludeOnFailure.", M_PREFIX, C_PLAIN, NULL},
    {"spark.locality.wait", M_EXACT, C_TIME, NULL},
    {"spark.locality.wait.", M_PREFIX, C_TIME, NULL},
    {"spark.scheduler.mode", M_EXACT, C_ONE_OF, "FIFO|FAIR"},
    {"spark.scheduler.minRegisteredResourcesRatio", M_EXACT, C_NUMBER, NULL},
    {"spark.scheduler.maxRegisteredResourcesWaitingTime", M_EXACT, C_TIME, NULL},
    {"spark.network.timeout", M_EXACT, C_TIME, NULL},
    {"spark.rpc.askTimeout", M_EXACT, C_TIME, NULL},
    {"spark.rpc.message.maxSize", M_EXACT, C_COUNT, NULL},
    {"spark.serializer", M_EXACT, C_ONE_OF, "org.apache.spark.serializer.KryoSerializer|org.apache.spark.serializer.JavaSerializer"},
    {"spark.kryoserializer.buffer", M_EXACT, C_SIZE, NULL},
    {"spark.kryoserializer.buffer.max", M_EXACT, C_SIZE, NULL},
    {"spark.kryo.unsafe", M_EXACT, C_BOOL, NULL},
    {"spark.kryo.referenceTracking", M_EXACT, C_BOOL, NULL},
    {"spark.kryo.registrationRequired", M_EXACT, C_BOOL, NULL},
    {"spark.rdd.compress", M_EXACT, C_BOOL, NULL},
    {"spark.checkpoint.compress", M_EXACT, C_BOOL, NULL},
    {"spark.broadcast.compress", M_EXACT, C_BOOL, NULL},
    {"spark.broadcast.blockSize", M_EXACT, C_SIZE, NULL},
    {"spark.shuffle.compress", M_EXACT, C_BOOL, NULL},
    {"spark.shuffle.spill.compress", M_EXACT, C_BOOL, NULL},
    {"spark.shuffle.file.buffer", M_EXACT, C_SIZE, NULL},
    {"spark.shuffle.io.maxRetries", M_EXACT, C_COUNT, NULL},
    {"spark.shuffle.io.retryWait", M_EXACT, C_TIME, NULL},
    {"spark.reducer.maxSizeInFlight", M_EXACT, C_SIZE, NULL},
    {"spark.io.compression.codec", M_EXACT, C_ONE_OF, "lz4|lzf|snappy|zstd"},
    {"spark.cleaner.periodicGC.interval", M_EXACT, C_TIME, NULL},
    {"spark.files.maxPartitionBytes", M_EXACT, C_SIZE, NULL},
    {"spark.python.worker.memory", M_EXACT, C_MEMORY, NULL},
    {"spark.python.worker.reuse", M_EXACT, C_BOOL, NULL},
    {"spark.log.level", M_EXACT, C_ONE_OF, "ALL|TRACE|DEBUG|INFO|WARN|ERROR|FATAL|OFF"},
    {"spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version", M_EXACT, C_ONE_OF, "1|2"},
    {"spark.ui.showConsoleProgress", M_EXACT, C_BOOL, NULL},
    {"spark.ui.enabled", M_EXACT, C_IGNORED, NULL},
    {"spark.ui.port", M_EXACT, C_IGNORED, NULL},

    {"spark.sql.shuffle.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.adaptive.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.ansi.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.cbo.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.autoBroadcastJoinThreshold", M_EXACT, C_SIZE, NULL},
    {"spark.sql.broadcastTimeout", M_EXACT, C_LIMIT, NULL},
    {"spark.sql.caseSensitive", M_EXACT, C_BOOL, NULL},
    {"spark.sql.catalogImplementation", M_EXACT, C_ONE_OF, "in-memory"},
    {"spark.sql.codegen.wholeStage", M_EXACT, C_BOOL, NULL},
    {"spark.sql.codegen.maxFields", M_EXACT, C_COUNT, NULL},
    {"spark.sql.crossJoin.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.csv.filterPushdown.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.datetime.java8API.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.debug.maxToStringFields", M_EXACT, C_COUNT, NULL},
    {"spark.sql.execution.arrow.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.execution.pandas.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.files.maxPartitionBytes", M_EXACT, C_SIZE, NULL},
    {"spark.sql.files.maxPartitionNum", M_EXACT, C_COUNT, NULL},
    {"spark.sql.files.minPartitionNum", M_EXACT, C_COUNT, NULL},
    {"spark.sql.files.maxRecordsPerFile", M_EXACT, C_COUNT, NULL},
    {"spark.sql.files.openCostInBytes", M_EXACT, C_SIZE, NULL},
    {"spark.sql.files.ignoreCorruptFiles", M_EXACT, C_BOOL, NULL},
    {"spark.sql.files.ignoreMissingFiles", M_EXACT, C_BOOL, NULL},
    {"spark.sql.inMemoryColumnarStorage.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.join.preferSortMergeJoin", M_EXACT, C_BOOL, NULL},
    {"spark.sql.json.filterPushdown.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.legacy.timeParserPolicy", M_EXACT, C_ONE_OF, "EXCEPTION|CORRECTED|LEGACY"},
    {"spark.sql.mapKeyDedupPolicy", M_EXACT, C_ONE_OF, "EXCEPTION|LAST_WIN"},
    {"spark.sql.maxPlanStringLength", M_EXACT, C_COUNT, NULL},
    {"spark.sql.optimizer.dynamicPartitionPruning.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.optimizer.maxIterations", M_EXACT, C_COUNT, NULL},
    {"spark.sql.orc.compression.codec", M_EXACT, C_ONE_OF, "none|uncompressed|snappy|zlib|lzo|zstd|lz4|brotli"},
    {"spark.sql.orc.filterPushdown", M_EXACT, C_BOOL, NULL},
    {"spark.sql.orc.mergeSchema", M_EXACT, C_BOOL, NULL},
    {"spark.sql.orc.enableVectorizedReader", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.compression.codec", M_EXACT, C_ONE_OF, "none|uncompressed|snappy|gzip|lzo|brotli|lz4|lz4_raw|zstd"},
    {"spark.sql.parquet.filterPushdown", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.filterPushdown.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.parquet.aggregatePushdown", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.mergeSchema", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.enableVectorizedReader", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.columnarReaderBatchSize", M_EXACT, C_COUNT, NULL},
    {"spark.sql.parquet.binaryAsString", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.int96AsTimestamp", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.outputTimestampType", M_EXACT, C_ONE_OF, "INT96|TIMESTAMP_MICROS|TIMESTAMP_MILLIS"},
    {"spark.sql.parquet.writeLegacyFormat", M_EXACT, C_BOOL, NULL},
    {"spark.sql.parquet.datetimeRebaseModeInRead", M_EXACT, C_ONE_OF, "EXCEPTION|CORRECTED|LEGACY"},
    {"spark.sql.parquet.datetimeRebaseModeInWrite", M_EXACT, C_ONE_OF, "EXCEPTION|CORRECTED|LEGACY"},
    {"spark.sql.parquet.int96RebaseModeInRead", M_EXACT, C_ONE_OF, "EXCEPTION|CORRECTED|LEGACY"},
    {"spark.sql.parquet.int96RebaseModeInWrite", M_EXACT, C_ONE_OF, "EXCEPTION|CORRECTED|LEGACY"},
    {"spark.sql.pyspark.jvmStacktrace.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.repl.eagerEval.", M_PREFIX, C_PLAIN, NULL},
    {"spark.sql.session.timeZone", M_EXACT, C_ZONE, NULL},
    {"spark.sql.sources.bucketing.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.sources.default", M_EXACT, C_ONE_OF, "parquet|orc|csv|json|text"},
    {"spark.sql.sources.partitionColumnTypeInference.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.sources.partitionOverwriteMode", M_EXACT, C_ONE_OF, "STATIC|DYNAMIC"},
    {"spark.sql.statistics.histogram.enabled", M_EXACT, C_BOOL, NULL},
    {"spark.sql.storeAssignmentPolicy", M_EXACT, C_ONE_OF, "ANSI|LEGACY|STRICT"},
    {"spark.sql.streaming.checkpointLocation", M_EXACT, C_STORAGE, NULL},
    {"spark.sql.streaming.schemaInference", M_EXACT, C_BOOL, NULL},
    {"spark.sql.streaming.minBatchesToRetain", M_EXACT, C_COUNT, NULL},
    {"spark.sql.streaming.stopTimeout", M_EXACT, C_TIME, NULL},
    {"spark.sql.timestampType", M_EXACT, C_ONE_OF, "TIMESTAMP_LTZ|TIMESTAMP_NTZ"},
    {"spark.sql.warehouse.dir", M_EXACT, C_STORAGE, NULL},
};

static bool fits(eg_str name, const char *text, match how) {
    return how == M_EXACT ? eg_str_is(name, text) : how == M_PREFIX ? eg_str_starts(name, text) : eg_str_ends(name, text);
}

/* Digits, then an optional unit out of a list such as "|k|kb|", without case. */
static eg_err quantity(eg_str v, const char *const *units, uint64_t *ret_n, size_t *ret_unit) {
    size_t digits = 0;
    while (digits < v.len && v.ptr[digits] >= '0' && v.ptr[digits] <= '9') {
        digits++;
    }
    uint64_t n = 0;
    EG_TRY(eg_str_u64((eg_str){v.ptr, digits}, UINT32_MAX * 1024ull, &n));
    eg_str unit = {v.ptr + digits, v.len - digits};
    for (size_t i = 0; units[i]; i++) {
        if (eg_str_ieq(unit, eg_str_of(units[i]))) {
            *ret_n = n;
            *ret_unit = i;
            return EG_OK;
        }
    }
    return EG_ERR_INVALID;
}

static const char *const size_units[] = {"", "b", "k", "kb", "m", "mb", "g", "gb", "t", "tb", NULL};
static const char *const time_units[] = {"", "us", "ms", "s", "m", "min", "h", "d", NULL};
#define MEMORY_MAX_MIB (1024ull * 1024)

eg_err eg_spark_properties_memory(eg_str text, uint64_t *ret_mib) {
    uint64_t n = 0;
    size_t unit = 0;
    EG_TRY(quantity(text, size_units, &n, &unit));
    /* A bare number means bytes in one place of Spark and MiB in another: a unit is owed. */
    static const uint64_t to_kib[] = {[2] = 1, [3] = 1, [4] = 1024, [5] = 1024, [6] = 1024 * 1024, [7] = 1024 * 1024, [8] = 1ull << 30, [9] = 1ull << 30};
    if (unit < 2 || n > MEMORY_MAX_MIB * 1024 / to_kib[unit]) {
        return EG_ERR_INVALID;
    }
    uint64_t mib = (n * to_kib[unit] + 1023) / 1024;
    if (mib == 0) {
        return EG_ERR_INVALID;
    }
    *ret_mib = mib;
    return EG_OK;
}

static bool is_bool(eg_str v) {
    return eg_str_ieq(v, EG_LIT("true")) || eg_str_ieq(v, EG_LIT("false"));
}

static bool is_number(eg_str v) {
    eg_str rest = v;
    uint64_t n = 0;
    eg_str whole = eg_str_cut(&rest, '.');
    if (eg_str_u64(whole, 999, &n) != EG_OK) {
        return false;
    }
    return !rest.ptr || (rest.len <= 9 && eg_str_u64(rest, UINT32_MAX, &n) == EG_OK);
}

static bool is_size(eg_str v) {
    uint64_t n = 0;
    size_t unit = 0;
    return eg_str_is(v, "-1") || quantity(v, size_units, &n, &unit) == EG_OK;
}

static bool is_time(eg_str v) {
    uint64_t n = 0;
    size_t unit = 0;
    return quantity(v, time_units, &n, &unit) == EG_OK;
}

static bool is_made_of(eg_str v, size_t max, const char *extra) {
    if (v.len == 0 || v.len > max) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (!isalnum((unsigned char)v.ptr[i]) && !strchr(extra, v.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool is_one_of(eg_str v, const char *values) {
    eg_str rest = eg_str_of(values);
    while (rest.ptr) {
        if (eg_str_ieq(eg_str_cut(&rest, '|'), v)) {
            return true;
        }
    }
    return false;
}

static bool value_fits(check c, const char *values, eg_str v) {
    uint64_t n = 0;
    switch (c) {
    case C_BOOL:
        return is_bool(v);
    case C_LIMIT:
    case C_COUNT:
        return (c == C_LIMIT && eg_str_is(v, "-1")) || eg_str_u64(v, 1000000000, &n) == EG_OK;
    case C_NUMBER:
        return is_number(v);
    case C_MEMORY:
        return eg_spark_properties_memory(v, &n) == EG_OK;
    case C_SIZE:
        return is_size(v);
    case C_TIME:
        return is_time(v);
    case C_TEXT:
        return v.len <= 256;
    case C_ONE_OF:
        return is_one_of(v, values);
    case C_ZONE:
        return is_made_of(v, 64, "/_+-:");
    case C_PLAIN:
        return is_number(v) || is_size(v) || is_time(v) || is_made_of(v, 64, "_-");
    case C_IGNORED:
        return true;
    case C_STORAGE:
        return false;
    }
    return false;
}

static const char *expected(check c) {
    static const char *const words[] = {
        [C_BOOL] = "true or false", [C_COUNT] = "a whole number", [C_LIMIT] = "a whole number or -1", [C_NUMBER] = "a decimal number",
        [C_MEMORY] = "a size with its unit, such as 512m or 2g", [C_SIZE] = "a size such as 64m", [C_TIME] = "a time such as 30s",
        [C_TEXT] = "at most 256 bytes", [C_ZONE] = "a time zone's name", [C_PLAIN] = "a number, a size, a time, true, false or one word",
    };
    return (size_t)c < sizeof words / sizeof *words && words[c] ? words[c] : "another value";
}

static eg_err refuse(eg_problem *p, eg_str name, const char *reason) {
    eg_problem local = {0};
    p = p ? p : &local;
    (void)eg_fail(p, EG_ERR_CONF_REFUSED, "the property %.*s can't be set: %s", EG_FMT(name), reason);
    return eg_fail_at(p, "conf[\"%.*s\"]", EG_FMT(name));
}

eg_err eg_spark_properties_check(const eg_job_places *places, eg_str name, eg_str value, bool *ret_ignored, eg_problem *p) {
    if (!is_made_of(name, EG_SPARK_PROPERTY_NAME_MAX, "._-")) {
        return refuse(p, (eg_str){name.ptr, name.len < 64 ? name.len : 64}, "a property's name is made of letters, digits, '.', '_' and '-'");
    }
    EG_TRY(eg_job_place_text(value, EG_SPARK_PROPERTY_VALUE_MAX, "conf", p));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (fits(name, refused[i].text, refused[i].how)) {
            return refuse(p, name, refused[i].reason);
        }
    }
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        if (!fits(name, allowed[i].text, allowed[i].how)) {
            continue;
        }
        if (allowed[i].check == C_STORAGE) {
            EG_TRY(eg_job_place_storage(places, value, allowed[i].text, p) == EG_OK ? EG_OK : refuse(p, name, "it must be an abfss:// URI on this gateway's storage endpoint"));
        } else if (!value_fits(allowed[i].check, allowed[i].values, value)) {
            char reason[256];
            snprintf(reason, sizeof reason, "its value must be %s%s", allowed[i].values ? "one of " : "", allowed[i].values ? allowed[i].values : expected(allowed[i].check));
            return refuse(p, name, reason);
        }
        *ret_ignored = allowed[i].check == C_IGNORED;
        return EG_OK;
    }
    return refuse(p, name, "it is not among the properties that a job may set (docs/LIVY-API.md lists them)");
}

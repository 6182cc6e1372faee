/* Starts the driver of one batch. */
#include "batch_start.h"

#include "spark_properties.h"

#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

#define CREDENTIAL_BYTES 32
#define LIST_MAX (160u << 10)   /* bytes of one comma-separated list */

bool eg_batch_start_again(eg_err e) {
    switch (e) {
    case EG_ERR_CLUSTER_DOWN:
    case EG_ERR_LAUNCHER:
    case EG_ERR_KEEPER:
    case EG_ERR_BUSY:
    case EG_ERR_UNAVAILABLE:
    case EG_ERR_TIMEOUT:
    case EG_ERR_CANCELLED:
    case EG_ERR_AUDIT_UNAVAILABLE:
    case EG_ERR_NO_MEMORY:
    case EG_ERR_DISK_FULL:
    case EG_ERR_MAP_FULL:
    case EG_ERR_IO:
        return true;
    default:
        return false;
    }
}

static unsigned count_of(const json_t *o, const char *name) {
    return (unsigned)json_integer_value(json_object_get(o, name));
}

static unsigned memory_of(const json_t *o, const char *name, unsigned dflt) {
    uint64_t mib = 0;
    return eg_spark_properties_memory(eg_json_str(o, name), &mib) == EG_OK ? (unsigned)mib : dflt;
}

eg_batch_shape eg_batch_start_shape(const eg_cluster_config *cluster, const json_t *request) {
    unsigned all = cluster->workers * cluster->worker_cores;
    unsigned a_core = cluster->worker_memory_mb / (cluster->worker_cores ? cluster->worker_cores : 1);
    unsigned cores = count_of(request, "executorCores") ? count_of(request, "executorCores") : 1;
    uint64_t most = all > 2 ? all / 2 : 1;
    (void)!eg_str_u64(eg_json_str(json_object_get(request, "conf"), "spark.cores.max"), 1000000000, &most);
    unsigned executors = count_of(request, "numExecutors") ? count_of(request, "numExecutors") : (unsigned)(most / cores);
    unsigned fit = cores && all / cores ? all / cores : 1;
    return (eg_batch_shape){
        .driver_mib = memory_of(request, "driverMemory", 1024),
        .executors = executors > fit ? fit : executors ? executors : 1,
        .executor_cores = cores,
        .executor_mib = memory_of(request, "executorMemory", a_core < 512 ? 512 : a_core > 1024 ? 1024 : a_core),
    };
}

/* ---- the job's identity ---- */

typedef struct admit {
    const char *hash, *old_hash;    /* hex */
    const char *job;
    uint64_t generation;
} admit;

static eg_err patch_credential(eg_batch *b, void *ctx) {
    if (b->deleted || eg_batch_state_final(b->state)) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    const admit *a = ctx;
    snprintf(b->credential, sizeof b->credential, "%s", a->hash);
    b->generation = a->generation;
    return EG_OK;
}

/* Row of EG_DB_CREDENTIAL: digest → u8 version, job. */
static eg_err apply_admit(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const admit *a = ctx;
    uint8_t hash[EG_SHA256_LEN], row[80] = {1};
    size_t n = 0;
    if (a->old_hash[0] && eg_unhex(eg_str_of(a->old_hash), hash, sizeof hash, &n) == EG_OK) {
        EG_TRY(eg_kv_del(t, EG_DB_CREDENTIAL, (eg_bytes){hash, n}));
    }
    EG_TRY(eg_unhex(eg_str_of(a->hash), hash, sizeof hash, &n));
    size_t len = strlen(a->job);
    memcpy(row + 1, a->job, len);
    return eg_kv_put(t, EG_DB_CREDENTIAL, (eg_bytes){hash, n}, (eg_bytes){row, len + 1});
}

/* Makes the credential and writes its digest and the generation of the driver's master with a record of it, in one transaction, before any process knows it. */
static eg_err issue_credential(eg_compute *c, eg_live_job *job, eg_buf *ret, eg_problem *p) {
    eg_secret *secret = eg_secret_random(CREDENTIAL_BYTES);
    eg_err e = secret ? eg_base64url(eg_secret_bytes(secret), ret) : EG_ERR_NO_MEMORY;
    eg_secret_free(secret);
    EG_TRY(e);
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    eg_sha256(eg_buf_bytes(ret), digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    admit a = {.hash = hex, .old_hash = job->credential, .job = job->who.job, .generation = job->generation};
    eg_batch_update u = {.cluster = job->who.cluster, .id = job->id, .patch = patch_credential, .ctx = &a};
    eg_txn_op ops[3] = {eg_batch_store_update(&u), {apply_admit, &a}};
    size_t n = 2;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(64u << 10);
    size_t at = 0;
    const eg_cluster_config *cluster = eg_compute_cluster(c, eg_str_of(job->who.cluster), &at);
    eg_principal who = {.kind = EG_PRINCIPAL_JOB};
    memcpy(who.tenant, job->who.tenant, sizeof who.tenant);
    memcpy(who.object_id, job->who.object_id, sizeof who.object_id);
    memcpy(who.name, job->who.name, sizeof who.name);
    memcpy(who.job, job->who.job, sizeof who.job);
    memcpy(who.cluster, job->who.cluster, sizeof who.cluster);
    if (c->o.audit && arena && cluster) {
        eg_audit_record r = {.tenant = eg_str_of(job->who.tenant), .event = "job.start", .outcome = "allowed", .actor = &who,
                             .resource = eg_str_of(cluster->resource_id), .job = eg_str_of(job->who.job), .error = EG_OK};
        ops[n++] = eg_audit_op(c->o.audit, arena, &r);
    }
    EG_TRY(arena ? EG_OK : EG_ERR_NO_MEMORY);
    EG_TRY(eg_commit(c->o.committer, ops, n, p));
    memcpy(job->credential, hex, sizeof hex);
    atomic_store(&job->admitted, !atomic_load(&job->stop_asked) && !atomic_load(&job->revoked));
    if (atomic_load(&job->revoked)) { /* meanwhile */
        atomic_store(&job->admitted, false);
    }
    if (c->o.audit) {
        eg_audit_poke(c->o.audit);
    }
    return EG_OK;
}

/* ---- what the launcher is told ---- */

static eg_err join(const json_t *list, eg_buf *ret) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        EG_TRY(eg_buf_addf(ret, "%s%s", i ? "," : "", json_string_value(json_array_get(list, i))));
    }
    return ret->err;
}

typedef struct material {
    eg_buf jars, py_files, files, archives, properties, credential;
    eg_spark_pair *pairs;
    eg_str *args;
    json_t *request;
} material;

static void cleansed(eg_buf *b) {
    if (b->ptr) {
        eg_cleanse(b->ptr, b->cap);
    }
    eg_buf_done(b);
}

static void material_done(material *m) {
    eg_buf_done(&m->jars);
    eg_buf_done(&m->py_files);
    eg_buf_done(&m->files);
    eg_buf_done(&m->archives);
    cleansed(&m->properties);
    cleansed(&m->credential);
    free(m->pairs);
    free(m->args);
    json_decref(m->request);
}

static eg_err gather(material *m) {
    eg_buf *const lists[4] = {&m->jars, &m->py_files, &m->files, &m->archives};
    static const char *const names[4] = {"jars", "pyFiles", "files", "archives"};
    for (size_t i = 0; i < 4; i++) {
        EG_TRY(join(json_object_get(m->request, names[i]), lists[i]));
    }
    json_t *conf = json_object_get(m->request, "conf"), *args = json_object_get(m->request, "args");
    m->pairs = calloc(json_object_size(conf) + 1, sizeof *m->pairs);
    m->args = calloc(json_array_size(args) + 1, sizeof *m->args);
    if (!m->pairs || !m->args) {
        return EG_ERR_NO_MEMORY;
    }
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(conf, key, value) {
        m->pairs[n++] = (eg_spark_pair){eg_str_of(key), eg_str_of(json_string_value(value))};
    }
    for (size_t i = 0; i < json_array_size(args); i++) {
        m->args[i] = eg_str_of(json_string_value(json_array_get(args, i)));
    }
    return EG_OK;
}

static eg_err properties_of(eg_compute *c, eg_live_job *job, material *m, eg_problem *p) {
    eg_spark_batch b = {
        .cluster = job->who.cluster,
        .id = job->id_text,
        .name = eg_json_str(m->request, "name"),
        .job_client_id = eg_str_of(job->who.job),
        .driver_memory = eg_json_str(m->request, "driverMemory"),
        .executor_memory = eg_json_str(m->request, "executorMemory"),
        .driver_cores = count_of(m->request, "driverCores"),
        .executor_cores = count_of(m->request, "executorCores"),
        .executors = count_of(m->request, "numExecutors"),
        .jars = eg_buf_str(&m->jars),
        .py_files = eg_buf_str(&m->py_files),
        .files = eg_buf_str(&m->files),
        .archives = eg_buf_str(&m->archives),
        .conf = m->pairs,
        .conf_count = json_object_size(json_object_get(m->request, "conf")),
    };
    return eg_clusters_batch_conf(c->clusters, &b, &m->properties, &job->generation, p);
}

/* Reads the whole batch, and its data key. */
static eg_err load(eg_compute *c, const eg_live_job *job, eg_batch *ret, eg_secret **ret_key) {
    eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    eg_err e = eg_batch_store_get(t, eg_str_of(job->who.cluster), job->id, true, ret);
    eg_kv_read_end(t);
    return e != EG_OK ? e : eg_batch_keys_get(c->keys, ret, ret_key);
}

eg_err eg_batch_start_unlock(eg_compute *c, eg_live_job *job) {
    if (job->have_log_key) {
        return EG_OK;
    }
    eg_batch b;
    eg_batch_init(&b);
    eg_secret *key = NULL;
    EG_JSON_AUTO who = NULL;
    eg_err e = load(c, job, &b, &key);
    e = e != EG_OK ? e : eg_batch_log_key(key, job->log_key);
    e = e != EG_OK ? e : eg_batch_open_who(&b, key, &who);
    if (e == EG_OK) {
        const char *owner = json_string_value(json_object_get(who, "owner"));
        eg_live_jobs_rename(c->jobs, job, owner ? owner : "");
        job->have_log_key = true;
    }
    eg_secret_free(key);
    eg_batch_done(&b);
    return e;
}

static eg_err open_request(eg_compute *c, const eg_live_job *job, json_t **ret) {
    eg_batch b;
    eg_batch_init(&b);
    eg_secret *key = NULL;
    eg_err e = load(c, job, &b, &key);
    e = e != EG_OK ? e : eg_batch_open_request(&b, key, ret);
    eg_secret_free(key);
    eg_batch_done(&b);
    return e;
}

static eg_err launch(eg_compute *c, eg_live_job *job, material *m, eg_problem *p) {
    EG_TRY(eg_batch_start_unlock(c, job));
    EG_TRY(open_request(c, job, &m->request));
    EG_TRY(gather(m));
    EG_TRY(properties_of(c, job, m, p));
    EG_TRY(issue_credential(c, job, &m->credential, p));
    eg_launch_spec s = {
        .cluster = job->who.cluster,
        .kind = EG_RUNNER_BATCH,
        .id = job->id_text,
        .log_key = {job->log_key, sizeof job->log_key},
        .properties = eg_buf_bytes(&m->properties),
        .credential = eg_buf_bytes(&m->credential),
        .main_class = eg_json_str(m->request, "className"),
        .file = eg_json_str(m->request, "file"),
        .args = m->args,
        .arg_count = json_array_size(json_object_get(m->request, "args")),
    };
    return eg_launcher_start(c->launcher, &s, p);
}

/* What was allowed when the batch was submitted may be no longer. */
static eg_err ask_gate(eg_compute *c, const eg_live_job *job, eg_problem *p) {
    size_t at = 0;
    const eg_cluster_config *cluster = eg_compute_cluster(c, eg_str_of(job->who.cluster), &at);
    return c->o.gate.ask && cluster ? c->o.gate.ask(c->o.gate.ctx, cluster->resource_id, p) : EG_OK;
}

eg_err eg_batch_start(eg_compute *c, eg_live_job *job, eg_problem *p) {
    material m = {0};
    EG_TRY(ask_gate(c, job, p));
    eg_buf_init(&m.jars, LIST_MAX);
    eg_buf_init(&m.py_files, LIST_MAX);
    eg_buf_init(&m.files, LIST_MAX);
    eg_buf_init(&m.archives, LIST_MAX);
    eg_buf_init(&m.properties, EG_SPARK_CONF_MAX);
    eg_buf_init(&m.credential, 256);
    eg_err e = launch(c, job, &m, p);
    material_done(&m);
    return e;
}

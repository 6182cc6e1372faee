/* Writes how batches go on and how they end. */
#include "batch_settle.h"

#include <embergate/encoding.h>
#include <embergate/metrics.h>

#include <stdio.h>
#include <sys/stat.h>

void eg_batch_settle_sums(const eg_batch_shape *shape, uint64_t wall_ms, uint64_t cpu_us, eg_batch_usage *ret) {
    uint64_t cores = (uint64_t)shape->executors * shape->executor_cores;
    uint64_t memory = (uint64_t)shape->executors * shape->executor_mib + shape->driver_mib;
    ret->core_ms = cores * wall_ms + cpu_us / 1000;
    ret->memory_mib_ms = memory * wall_ms;
}

typedef struct change {
    const eg_live_job *job;
    eg_batch_state state;
    int64_t started_ns, ended_ns;
    uint64_t cpu_us, read, written;
    int exit_code, exit_signal;
    const char *why;
    bool was_deleted;               /* set by the patch */
    eg_batch_usage usage;           /* set by the patch */
} change;

static eg_err patch_end(eg_batch *b, void *ctx) {
    change *ch = ctx;
    if (eg_batch_state_final(b->state)) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    b->state = ch->state;
    b->started_ns = ch->started_ns ? ch->started_ns : b->started_ns;
    b->ended_ns = ch->ended_ns;
    b->exit_code = ch->exit_code;
    b->exit_signal = ch->exit_signal;
    snprintf(b->why, sizeof b->why, "%s", ch->why);
    snprintf(b->app_id, sizeof b->app_id, "%s", ch->job->app_id);
    b->credential[0] = 0;
    uint64_t wall_ms = b->started_ns && b->ended_ns > b->started_ns ? (uint64_t)(b->ended_ns - b->started_ns) / 1000000 : 0;
    eg_batch_settle_sums(&b->shape, wall_ms, ch->cpu_us, &b->usage);
    b->usage.bytes_read = ch->read;
    b->usage.bytes_written = ch->written;
    ch->was_deleted = b->deleted;
    ch->usage = b->usage;
    return EG_OK;
}

static eg_err apply_revoke(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const eg_live_job *job = ctx;
    uint8_t hash[EG_SHA256_LEN];
    size_t n = 0;
    if (!job->credential[0] || eg_unhex(eg_str_of(job->credential), hash, sizeof hash, &n) != EG_OK) {
        return EG_OK;
    }
    return eg_kv_del(t, EG_DB_CREDENTIAL, (eg_bytes){hash, n});
}

static eg_err patch_no_credential(eg_batch *b, void *ctx) {
    (void)ctx;
    b->credential[0] = 0;
    return EG_OK;
}

eg_err eg_batch_settle_credential(eg_compute *c, eg_live_job *job) {
    eg_batch_update u = {.cluster = job->who.cluster, .id = job->id, .patch = patch_no_credential};
    const eg_txn_op ops[] = {eg_batch_store_update(&u), {apply_revoke, job}};
    EG_TRY(eg_commit(c->o.committer, ops, 2, NULL));
    job->credential[0] = 0;
    return EG_OK;
}

/* A runner that died without a word left no time of its end; its last sign of life is what it wrote last. */
static int64_t last_sign(const eg_compute *c, const eg_live_job *job) {
    char path[512];
    struct stat st;
    eg_runner_ref ref = {c->o.clusters_dir, job->who.cluster, EG_RUNNER_BATCH, job->id_text};
    if (eg_runner_path(&ref, "log", path, sizeof path) == EG_OK && stat(path, &st) == 0) {
        return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
    return eg_wall_ns(c->o.clock);
}

static change change_of(const eg_compute *c, const eg_live_job *job, const eg_batch_end *end) {
    change ch = {.job = job, .state = end->state, .started_ns = job->started_ns, .why = end->why == EG_OK ? "" : eg_err_code(end->why), .exit_code = -1};
    ch.read = atomic_load(&job->read);
    ch.written = atomic_load(&job->written);
    const eg_runner_status *s = end->status;
    if (s && s->state == EG_RUNNER_ENDED) {
        ch.started_ns = s->started_ns ? s->started_ns : ch.started_ns;
        ch.ended_ns = s->ended_ns;
        ch.exit_code = s->exit_code;
        ch.exit_signal = s->signal;
        ch.cpu_us = (uint64_t)(s->user_us + s->system_us);
    } else if (s) {
        ch.started_ns = s->started_ns ? s->started_ns : ch.started_ns;
        ch.ended_ns = last_sign(c, job);
    }
    ch.ended_ns = ch.ended_ns ? ch.ended_ns : eg_wall_ns(c->o.clock);
    return ch;
}

/* The record of the end. Its sums of cores and memory are those that the patch will write: both come from the same numbers. */
static eg_txn_op end_record(eg_compute *c, const eg_live_job *job, const change *ch, eg_arena *arena, json_t **ret_details) {
    size_t at = 0;
    const eg_cluster_config *cluster = eg_compute_cluster(c, eg_str_of(job->who.cluster), &at);
    eg_principal who = {.kind = EG_PRINCIPAL_JOB};
    memcpy(who.tenant, job->who.tenant, sizeof who.tenant);
    memcpy(who.object_id, job->who.object_id, sizeof who.object_id);
    memcpy(who.name, job->who.name, sizeof who.name);
    memcpy(who.job, job->who.job, sizeof who.job);
    memcpy(who.cluster, job->who.cluster, sizeof who.cluster);
    uint64_t wall_ms = ch->started_ns && ch->ended_ns > ch->started_ns ? (uint64_t)(ch->ended_ns - ch->started_ns) / 1000000 : 0;
    eg_batch_usage u;
    eg_batch_settle_sums(&job->shape, wall_ms, ch->cpu_us, &u);
    *ret_details = json_pack("{s:s,s:i,s:i,s:s,s:I,s:I,s:I,s:I,s:I}", "state", eg_batch_state_name(ch->state), "exitCode", ch->exit_code, "signal", ch->exit_signal,
                             "why", ch->why, "wallMs", (json_int_t)wall_ms, "coreMs", (json_int_t)u.core_ms, "memoryMiBMs", (json_int_t)u.memory_mib_ms,
                             "bytesRead", (json_int_t)ch->read, "bytesWritten", (json_int_t)ch->written);
    eg_audit_record r = {
        .tenant = eg_str_of(job->who.tenant), .event = "job.end", .outcome = ch->state == EG_BATCH_DEAD ? "failed" : "allowed",
        .actor = &who, .resource = eg_str_of(cluster ? cluster->resource_id : ""), .job = eg_str_of(job->who.job),
        .bytes = ch->read + ch->written, .details = *ret_details, .error = EG_OK,
    };
    return eg_audit_op(c->o.audit, arena, &r);
}

eg_err eg_batch_settle(eg_compute *c, eg_live_job *job, const eg_batch_end *end) {
    atomic_store(&job->admitted, false);
    change ch = change_of(c, job, end);
    eg_batch_update u = {.cluster = job->who.cluster, .id = job->id, .patch = patch_end, .ctx = &ch};
    eg_txn_op ops[3] = {eg_batch_store_update(&u), {apply_revoke, job}};
    size_t n = 2;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(64u << 10);
    if (!arena) {
        return EG_ERR_NO_MEMORY;
    }
    EG_JSON_AUTO details = NULL;
    if (c->o.audit) {
        ops[n++] = end_record(c, job, &ch, arena, &details);
    }
    EG_TRY(eg_commit(c->o.committer, ops, n, NULL));
    if (c->o.audit) {
        eg_audit_poke(c->o.audit);
        eg_audit_access_close(c->o.audit, eg_str_of(job->who.job));
    }
    if (job->state == EG_BATCH_RUNNING) {
        eg_metric_add(EG_METRIC_BATCHES_RUNNING, -1);
    }
    job->state = ch.state;
    job->deleted = ch.was_deleted;
    job->settled = true;
    return EG_OK;
}

static eg_err patch_progress(eg_batch *b, void *ctx) {
    const change *ch = ctx;
    if (eg_batch_state_final(b->state)) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    b->state = EG_BATCH_RUNNING;
    b->started_ns = ch->started_ns;
    snprintf(b->app_id, sizeof b->app_id, "%s", ch->job->app_id);
    b->usage.bytes_read = ch->read;
    b->usage.bytes_written = ch->written;
    return EG_OK;
}

eg_err eg_batch_settle_progress(eg_compute *c, eg_live_job *job) {
    change ch = {.job = job, .started_ns = job->started_ns, .read = atomic_load(&job->read), .written = atomic_load(&job->written)};
    eg_batch_update u = {.cluster = job->who.cluster, .id = job->id, .patch = patch_progress, .ctx = &ch};
    eg_txn_op op = eg_batch_store_update(&u);
    EG_TRY(eg_commit(c->o.committer, &op, 1, NULL));
    if (job->state != EG_BATCH_RUNNING) {
        eg_metric_add(EG_METRIC_BATCHES_RUNNING, 1);
    }
    job->state = EG_BATCH_RUNNING;
    job->flushed_read = ch.read;
    job->flushed_written = ch.written;
    return EG_OK;
}

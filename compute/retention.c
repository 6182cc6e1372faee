/* Deletes batches that ended longer ago than their cluster keeps them. */
#include "retention.h"

#include <embergate/metrics.h>

#include <stdlib.h>

#define DAY_NS (24 * INT64_C(3600000000000))

typedef struct due {
    eg_batch batches[EG_RETENTION_AT_ONCE];
    size_t count;
} due;

static eg_err take(void *ctx, eg_batch *b) {
    due *d = ctx;
    d->batches[d->count++] = *b;
    eg_batch_init(b);
    return d->count == EG_RETENTION_AT_ONCE ? EG_ERR_CANCELLED : EG_OK;
}

eg_retention eg_retention_begin(const eg_clock *clock) { return (eg_retention){eg_wall_ns(clock), eg_mono_ns(clock)}; }

static int64_t patient_now(const eg_clock *clock, const eg_retention *r) {
    const int64_t wall = eg_wall_ns(clock), counted = r->wall_ns + (eg_mono_ns(clock) - r->mono_ns);
    return wall < counted ? wall : counted;
}

static eg_err find_due(const eg_compute *c, const eg_cluster_config *k, int64_t now, due *d) {
    const int64_t before = now - k->batch_retention_days * DAY_NS;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    return eg_batch_store_ended(t, eg_str_of(k->name), before, take, d);
}

/* Somebody may have deleted it meanwhile. */
static eg_err patch_expired(eg_batch *b, void *ctx) {
    (void)ctx;
    if (b->deleted || !eg_batch_state_final(b->state)) {
        return EG_ERR_BATCH_NOT_FOUND;
    }
    b->deleted = true;
    return EG_OK;
}

static eg_err expire(eg_compute *c, const eg_cluster_config *k, eg_batch *b) {
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(64u << 10);
    if (!arena) {
        return EG_ERR_NO_MEMORY;
    }
    char job[80];
    eg_batch_job(b, job);
    eg_batch_update u = {.cluster = b->cluster, .id = b->id, .patch = patch_expired};
    eg_txn_op ops[2] = {eg_batch_store_update(&u)};
    if (c->o.audit) {
        const eg_audit_record r = {.tenant = eg_str_of(b->tenant), .event = "job.expire", .outcome = "allowed", .resource = eg_str_of(k->resource_id), .job = eg_str_of(job)};
        ops[1] = eg_audit_op(c->o.audit, arena, &r);
    }
    EG_TRY(eg_commit(c->o.committer, ops, c->o.audit ? 2 : 1, NULL));
    b->deleted = true;
    (void)!eg_live_jobs_add(c->jobs, b, "", NULL); /* else the next start of the gateway discards it */
    return EG_OK;
}

static size_t sweep_cluster(eg_compute *c, const eg_cluster_config *k, int64_t now, due *d) {
    size_t expired = 0;
    eg_err e = find_due(c, k, now, d);
    for (size_t i = 0; i < d->count; i++) {
        e = e == EG_OK ? expire(c, k, &d->batches[i]) : e;
        expired += e == EG_OK;
        e = e == EG_ERR_BATCH_NOT_FOUND ? EG_OK : e;
        eg_batch_done(&d->batches[i]);
    }
    eg_metric_add(EG_METRIC_BATCHES_EXPIRED, (int64_t)expired);
    eg_metric_add(EG_METRIC_BATCH_EXPIRY_FAILED, e != EG_OK);
    return expired;
}

size_t eg_retention_sweep(eg_compute *c, const eg_retention *r) {
    const int64_t now = patient_now(c->o.clock, r);
    size_t expired = 0;
    for (size_t i = 0; i < c->o.cluster_count; i++) {
        const eg_cluster_config *k = &c->o.clusters[i];
        due *d = k->batch_retention_days > 0 ? calloc(1, sizeof *d) : NULL;
        expired += d ? sweep_cluster(c, k, now, d) : 0;
        free(d);
    }
    return expired;
}

/* Bounds on the batches that have not ended: how many, and what they take. */
#include "job_quota.h"

#include <embergate/metrics.h>

static bool concerns(const eg_job_quota *q, const eg_batch *b) {
    const char *const who[] = {[EG_QUOTA_PER_TENANT] = b->tenant, [EG_QUOTA_PER_PRINCIPAL] = b->owner, [EG_QUOTA_PER_CLUSTER] = b->cluster};
    return (q->jobs || q->cores || q->memory_mb) && (!q->only[0] || eg_str_ieq(eg_str_of(q->only), eg_str_of(who[q->per])));
}

static uint64_t cores_of(const eg_batch_shape *s) { return (uint64_t)s->executors * s->executor_cores + 1; }
static uint64_t memory_of(const eg_batch_shape *s) { return (uint64_t)s->executors * s->executor_mib + s->driver_mib; }

static eg_err refuse(const eg_job_quota *q, unsigned limit, const char *of, eg_problem *p) {
    static const char *const whose[] = {"this tenant", "you", "this cluster"};
    eg_metric_add(EG_METRIC_QUOTA_JOBS, 1);
    return eg_fail(p, EG_ERR_QUOTA, "the quota \"%s\" allows %s %u %s in batches that have not ended; wait for some, or delete them", q->name, whose[q->per], limit, of);
}

static eg_err check(eg_compute *c, const eg_job_quota *q, const eg_batch *b, eg_problem *p) {
    const eg_live_match match = {.tenant = b->tenant, .owner = q->per == EG_QUOTA_PER_PRINCIPAL ? b->owner : NULL, .cluster = q->per == EG_QUOTA_PER_CLUSTER ? b->cluster : NULL};
    eg_live_load load;
    eg_live_jobs_load(c->jobs, &match, &load);
    if (q->jobs && load.jobs + 1 > q->jobs) {
        return refuse(q, q->jobs, "jobs", p);
    }
    if (q->cores && load.cores + cores_of(&b->shape) > q->cores) {
        return refuse(q, q->cores, "cores", p);
    }
    return q->memory_mb && load.memory_mib + memory_of(&b->shape) > q->memory_mb ? refuse(q, q->memory_mb, "MiB of memory", p) : EG_OK;
}

eg_err eg_job_quota_room(eg_compute *c, const eg_batch *b, eg_problem *p) {
    for (size_t i = 0; i < c->o.quota_count; i++) {
        if (concerns(&c->o.quotas[i], b)) {
            EG_TRY(check(c, &c->o.quotas[i], b, p));
        }
    }
    return EG_OK;
}

void eg_job_quota_enter(eg_compute *c) {
    if (c->o.quota_count > 0) {
        pthread_mutex_lock(&c->quota_lock);
    }
}

void eg_job_quota_leave(eg_compute *c) {
    if (c->o.quota_count > 0) {
        pthread_mutex_unlock(&c->quota_lock);
    }
}

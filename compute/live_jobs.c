/* A sharded table of live jobs. */
#include "live_jobs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARDS 16

typedef struct shard {
    pthread_rwlock_t lock;
    eg_live_job *first;
} shard;

struct eg_live_jobs {
    shard shards[SHARDS];
    atomic_uint count;
};

static shard *shard_of(eg_live_jobs *j, eg_str job) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < job.len; i++) {
        h = (h ^ (uint8_t)job.ptr[i]) * 16777619u;
    }
    return &j->shards[h % SHARDS];
}

eg_live_jobs *eg_live_jobs_new(void) {
    eg_live_jobs *j = calloc(1, sizeof *j);
    for (size_t i = 0; j && i < SHARDS; i++) {
        pthread_rwlock_init(&j->shards[i].lock, NULL);
    }
    return j;
}

static void free_job(eg_live_job *job) {
    eg_cleanse(job->log_key, sizeof job->log_key);
    free(job);
}

void eg_live_jobs_free(eg_live_jobs *j) {
    for (size_t i = 0; j && i < SHARDS; i++) {
        for (eg_live_job *at = j->shards[i].first; at;) {
            eg_live_job *next = at->next;
            free_job(at);
            at = next;
        }
        pthread_rwlock_destroy(&j->shards[i].lock);
    }
    free(j);
}

static eg_live_job *find(const shard *s, eg_str job) {
    eg_live_job *at = s->first;
    while (at && !eg_str_is(job, at->who.job)) {
        at = at->next;
    }
    return at;
}

eg_err eg_live_jobs_room(eg_live_jobs *j, eg_str cluster, eg_problem *p) {
    unsigned same = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_rwlock_rdlock(&j->shards[i].lock);
        for (const eg_live_job *at = j->shards[i].first; at; at = at->next) {
            same += eg_str_is(cluster, at->who.cluster);
        }
        pthread_rwlock_unlock(&j->shards[i].lock);
    }
    if (same >= EG_LIVE_JOBS_PER_CLUSTER) {
        return eg_fail(p, EG_ERR_QUOTA, "this cluster has %d batches that have not ended; wait for some, or delete them", EG_LIVE_JOBS_PER_CLUSTER);
    }
    return atomic_load(&j->count) < EG_LIVE_JOBS_MAX ? EG_OK : eg_fail(p, EG_ERR_QUOTA, "%d batches have not ended; wait for some", EG_LIVE_JOBS_MAX);
}

static bool fits(const char *wanted, const char *is) { return !wanted || eg_str_ieq(eg_str_of(wanted), eg_str_of(is)); }

/* A shape never changes once its job is in the table. */
void eg_live_jobs_load(eg_live_jobs *j, const eg_live_match *m, eg_live_load *ret) {
    *ret = (eg_live_load){0};
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_rwlock_rdlock(&j->shards[i].lock);
        for (const eg_live_job *at = j->shards[i].first; at; at = at->next) {
            if (fits(m->tenant, at->who.tenant) && fits(m->owner, at->who.object_id) && fits(m->cluster, at->who.cluster)) {
                ret->jobs++;
                ret->cores += (uint64_t)at->shape.executors * at->shape.executor_cores + 1;
                ret->memory_mib += (uint64_t)at->shape.executors * at->shape.executor_mib + at->shape.driver_mib;
            }
        }
        pthread_rwlock_unlock(&j->shards[i].lock);
    }
}

static void fill(eg_live_job *job, const eg_batch *b, const char *owner_name) {
    eg_job_identity *who = &job->who;
    snprintf(who->tenant, sizeof who->tenant, "%s", b->tenant);
    snprintf(who->object_id, sizeof who->object_id, "%s", b->owner);
    snprintf(who->name, sizeof who->name, "%s", owner_name);
    snprintf(who->cluster, sizeof who->cluster, "%s", b->cluster);
    snprintf(who->job, sizeof who->job, "%.52s/%u", b->cluster, b->id);
    who->submitter_kind = b->owner_kind;
    who->groups_unknown = b->groups_unknown;
    who->group_count = b->group_count < EG_PRINCIPAL_GROUPS_MAX ? b->group_count : EG_PRINCIPAL_GROUPS_MAX;
    for (size_t i = 0; i < who->group_count; i++) {
        memcpy(who->groups[i], b->groups[i], EG_UUID_LEN);
    }
    job->id = b->id;
    snprintf(job->id_text, sizeof job->id_text, "%u", b->id);
    job->state = b->state;
    job->deleted = b->deleted;
    job->shape = b->shape;
    job->generation = b->generation;
    job->started_ns = b->started_ns;
    job->created_ns = b->created_ns;
    snprintf(job->app_id, sizeof job->app_id, "%s", b->app_id);
    snprintf(job->credential, sizeof job->credential, "%s", b->credential);
    atomic_init(&job->stop_asked, b->deleted);
    atomic_init(&job->admitted, b->credential[0] != 0 && !b->deleted && !eg_batch_state_final(b->state));
    atomic_init(&job->read, b->usage.bytes_read);
    atomic_init(&job->written, b->usage.bytes_written);
    job->flushed_read = b->usage.bytes_read;
    job->flushed_written = b->usage.bytes_written;
}

eg_err eg_live_jobs_add(eg_live_jobs *j, const eg_batch *b, const char *owner_name, eg_problem *p) {
    if (atomic_fetch_add(&j->count, 1) >= EG_LIVE_JOBS_MAX) {
        atomic_fetch_sub(&j->count, 1);
        return eg_fail(p, EG_ERR_QUOTA, "%d batches have not ended; wait for some", EG_LIVE_JOBS_MAX);
    }
    eg_live_job *job = calloc(1, sizeof *job);
    if (!job) {
        atomic_fetch_sub(&j->count, 1);
        return EG_ERR_NO_MEMORY;
    }
    fill(job, b, owner_name);
    shard *s = shard_of(j, eg_str_of(job->who.job));
    pthread_rwlock_wrlock(&s->lock);
    job->next = s->first;
    s->first = job;
    pthread_rwlock_unlock(&s->lock);
    return EG_OK;
}

bool eg_live_jobs_running(eg_live_jobs *j, eg_str job) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    bool running = at && atomic_load(&at->admitted);
    pthread_rwlock_unlock(&s->lock);
    return running;
}

void eg_live_jobs_moved(eg_live_jobs *j, eg_str job, uint64_t read, uint64_t written) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    if (at) {
        atomic_fetch_add_explicit(&at->read, read, memory_order_relaxed);
        atomic_fetch_add_explicit(&at->written, written, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&s->lock);
}

bool eg_live_jobs_sums(eg_live_jobs *j, eg_str job, uint64_t *ret_read, uint64_t *ret_written) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    if (at) {
        *ret_read = atomic_load_explicit(&at->read, memory_order_relaxed);
        *ret_written = atomic_load_explicit(&at->written, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&s->lock);
    return at != NULL;
}

bool eg_live_jobs_identity(eg_live_jobs *j, eg_str job, eg_job_identity *ret) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    bool good = at && atomic_load(&at->admitted);
    if (good) {
        *ret = at->who;
    }
    pthread_rwlock_unlock(&s->lock);
    return good;
}

void eg_live_jobs_stop(eg_live_jobs *j, eg_str job) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    if (at) {
        atomic_store(&at->stop_asked, true);
        atomic_store(&at->admitted, false);
    }
    pthread_rwlock_unlock(&s->lock);
}

bool eg_live_jobs_of(eg_live_jobs *j, eg_str tenant, eg_str job) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    const eg_live_job *at = find(s, job);
    bool is = at && eg_str_is(tenant, at->who.tenant);
    pthread_rwlock_unlock(&s->lock);
    return is;
}

/* stop_asked before admitted: a start that is just happening looks at both, in the other order. */
static void take_credential(eg_live_job *job, bool end) {
    atomic_store(&job->revoked, true);
    if (end) {
        atomic_store(&job->stop_asked, true);
    }
    atomic_store(&job->admitted, false);
}

void eg_live_jobs_revoke(eg_live_jobs *j, eg_str job) {
    shard *s = shard_of(j, job);
    pthread_rwlock_rdlock(&s->lock);
    eg_live_job *at = find(s, job);
    if (at) {
        take_credential(at, true);
    }
    pthread_rwlock_unlock(&s->lock);
}

void eg_live_jobs_revoke_owner(eg_live_jobs *j, eg_str tenant, eg_str object_id, int64_t until_s) {
    for (size_t i = 0; i < SHARDS; i++) {
        shard *s = &j->shards[i];
        pthread_rwlock_rdlock(&s->lock);
        for (eg_live_job *at = s->first; at; at = at->next) {
            if (eg_str_is(tenant, at->who.tenant) && eg_str_is(object_id, at->who.object_id) && at->created_ns / 1000000000 <= until_s) {
                take_credential(at, !atomic_load(&at->admitted)); /* what runs fails at its next request; what waits is ended here */
            }
        }
        pthread_rwlock_unlock(&s->lock);
    }
}

size_t eg_live_jobs_list(eg_live_jobs *j, eg_live_job **ret, size_t cap) {
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_rwlock_rdlock(&j->shards[i].lock);
        for (eg_live_job *at = j->shards[i].first; at && n < cap; at = at->next) {
            ret[n++] = at;
        }
        pthread_rwlock_unlock(&j->shards[i].lock);
    }
    return n;
}

void eg_live_jobs_rename(eg_live_jobs *j, eg_live_job *job, const char *owner_name) {
    shard *s = shard_of(j, eg_str_of(job->who.job));
    pthread_rwlock_wrlock(&s->lock);
    snprintf(job->who.name, sizeof job->who.name, "%s", owner_name);
    pthread_rwlock_unlock(&s->lock);
}

void eg_live_jobs_remove(eg_live_jobs *j, eg_live_job *job) {
    shard *s = shard_of(j, eg_str_of(job->who.job));
    pthread_rwlock_wrlock(&s->lock);
    for (eg_live_job **at = &s->first; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            break;
        }
    }
    pthread_rwlock_unlock(&s->lock);
    atomic_fetch_sub(&j->count, 1);
    free_job(job);
}

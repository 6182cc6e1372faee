/* Opens and closes the compute room, and answers what the gateway asks of jobs. */
#include "compute_object.h"
#include "livy.h"
#include "watcher.h"

#include <embergate/metrics.h>

#include <stdlib.h>

#define CLUSTER_NAME_MAX 52 /* bytes, so that "{cluster}/{id}" fits where jobs are named */

static eg_err check_clusters(const eg_compute_options *o, eg_problem *p) {
    for (size_t i = 0; i < o->cluster_count; i++) {
        eg_str name = eg_str_of(o->clusters[i].name);
        if (name.len > CLUSTER_NAME_MAX || !eg_runner_cluster_valid(name)) {
            return eg_fail(p, EG_ERR_CONFIG, "the cluster's name \"%.*s\" must be at most %d of a-z, 0-9 and '-', and begin with a letter or digit", EG_FMT(name), CLUSTER_NAME_MAX);
        }
    }
    return EG_OK;
}

typedef struct recovery {
    eg_compute *c;
    eg_problem *p;
} recovery;

static eg_err recover(void *ctx, eg_batch *b) {
    const recovery *r = ctx;
    if (b->state == EG_BATCH_RUNNING) {
        eg_metric_add(EG_METRIC_BATCHES_RUNNING, 1);
    }
    /* Its owner's name is sealed: the watcher fills it in as soon as the keeper answers. */
    return eg_live_jobs_add(r->c->jobs, b, "", r->p);
}

static eg_err recover_all(eg_compute *c, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    for (size_t i = 0; i < c->o.cluster_count; i++) {
        uint32_t next = 0;
        EG_TRY(eg_batch_store_next_id(t, eg_str_of(c->o.clusters[i].name), &next));
        atomic_init(&c->next_ids[i], next);
    }
    recovery r = {c, p};
    eg_err e = eg_batch_store_unsettled(t, recover, &r);
    return e == EG_ERR_CORRUPT || e == EG_ERR_FORMAT_VERSION ? eg_fail(p, e, "a stored batch can't be read; restore the store from a backup, or use the version that wrote it") : e;
}

static void on_cluster_change(void *ctx, const char *cluster) {
    (void)cluster;
    eg_compute *c = ctx;
    eg_watcher_poke(c->watcher);
}

eg_err eg_compute_open(const eg_compute_options *o, eg_compute **ret, eg_problem *p) {
    EG_TRY(check_clusters(o, p));
    eg_compute *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->o = *o;
    (void)pthread_mutex_init(&c->quota_lock, NULL);
    c->next_ids = calloc(o->cluster_count + 1, sizeof *c->next_ids);
    c->jobs = eg_live_jobs_new();
    c->keys = eg_batch_keys_new(o->keys, o->clock);
    c->busy = eg_idempotency_busy_new();
    c->launcher = eg_launcher_client_new(o->launcher_socket);
    eg_err e = c->next_ids && c->jobs && c->keys && c->busy && c->launcher ? EG_OK : EG_ERR_NO_MEMORY;
    e = e != EG_OK ? e : recover_all(c, p);
    e = e != EG_OK ? e : eg_clusters_open(&c->o, c->launcher, &c->clusters, p);
    e = e != EG_OK ? e : eg_watcher_start(c, &c->watcher);
    if (e != EG_OK) {
        eg_compute_close(c);
        return e;
    }
    eg_clusters_on_change(c->clusters, on_cluster_change, c);
    *ret = c;
    return EG_OK;
}

void eg_compute_close(eg_compute *c) {
    if (!c) {
        return;
    }
    if (c->clusters) {
        eg_clusters_on_change(c->clusters, NULL, NULL);
    }
    eg_watcher_stop(c->watcher);
    if (c->clusters) {
        eg_clusters_close(c->clusters);
    }
    eg_watcher_free(c->watcher); /* only now: the clusters' thread may have been about to poke it */
    eg_launcher_client_free(c->launcher);
    eg_batch_keys_free(c->keys);
    eg_live_jobs_free(c->jobs);
    eg_idempotency_busy_free(c->busy);
    free(c->next_ids);
    (void)pthread_mutex_destroy(&c->quota_lock);
    free(c);
}

eg_err eg_compute_job_by_credential(eg_compute *c, eg_bytes credential, eg_job_identity *ret) {
    if (credential.len == 0 || credential.len > EG_LAUNCH_CREDENTIAL_MAX) {
        return EG_ERR_OAUTH_CLIENT;
    }
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(credential, digest);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    eg_bytes row;
    EG_TRY(eg_kv_read_begin(c->o.kv, &t));
    eg_err e = eg_kv_get(t, EG_DB_CREDENTIAL, (eg_bytes){digest, sizeof digest}, &row);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? EG_ERR_OAUTH_CLIENT : e;
    }
    if (row.len < 2 || row.ptr[0] != 1) {
        return EG_ERR_CORRUPT;
    }
    eg_str job = {(const char *)row.ptr + 1, row.len - 1};
    return eg_live_jobs_identity(c->jobs, job, ret) ? EG_OK : EG_ERR_OAUTH_CLIENT;
}

bool eg_compute_job_running(eg_compute *c, eg_str job) {
    return eg_live_jobs_running(c->jobs, job);
}

bool eg_compute_job_of(eg_compute *c, eg_str tenant, eg_str job) {
    return eg_live_jobs_of(c->jobs, tenant, job);
}

void eg_compute_revoke_owner(eg_compute *c, eg_str tenant, eg_str object_id, int64_t made_s) {
    eg_live_jobs_revoke_owner(c->jobs, tenant, object_id, made_s);
    eg_watcher_poke(c->watcher);
}

void eg_compute_revoke_job(eg_compute *c, eg_str job) {
    eg_live_jobs_revoke(c->jobs, job);
    eg_watcher_poke(c->watcher);
}

static void moved(void *ctx, eg_str job, uint64_t read, uint64_t written) {
    eg_compute *c = ctx;
    if (job.len) {
        eg_live_jobs_moved(c->jobs, job, read, written);
    }
}

eg_usage_sink eg_compute_usage_sink(eg_compute *c) {
    return (eg_usage_sink){.ctx = c, .moved = moved};
}

json_t *eg_compute_health(eg_compute *c) {
    return json_pack("{s:o,s:o}", "clusters", eg_clusters_health(c->clusters), "isolation", eg_clusters_isolation_missing(c->clusters));
}

const eg_route *eg_compute_routes(size_t *ret_n) {
    return eg_livy_routes(ret_n);
}

/* What an eg_compute consists of; for the files of compute/ that serve Livy's API and keep the batches. */
#ifndef EMBERGATE_COMPUTE_OBJECT_H
#define EMBERGATE_COMPUTE_OBJECT_H

#include "batch_keys.h"
#include "batch_store.h"
#include "cluster.h"
#include "idempotency.h"
#include "live_jobs.h"

#include <pthread.h>

struct eg_watcher;

struct eg_compute {
    eg_compute_options o;
    eg_launcher_client *launcher;
    eg_clusters *clusters;
    eg_live_jobs *jobs;
    eg_batch_keys *keys;
    eg_idempotency_busy *busy;
    _Atomic uint32_t *next_ids;     /* one a cluster, as in o.clusters */
    struct eg_watcher *watcher;
    pthread_mutex_t quota_lock;     /* from asking for room to taking it */
};

/* NULL when there is none of this name. */
static inline const eg_cluster_config *eg_compute_cluster(const eg_compute *c, eg_str name, size_t *ret_index) {
    for (size_t i = 0; i < c->o.cluster_count; i++) {
        if (eg_str_is(name, c->o.clusters[i].name)) {
            *ret_index = i;
            return &c->o.clusters[i];
        }
    }
    return NULL;
}

#endif

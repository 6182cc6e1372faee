/* What cluster.c (asked by the other rooms' threads) and cluster_keeper.c (the one thread that acts) share. */
#ifndef EG_COMPUTE_CLUSTER_KEEPER_H
#define EG_COMPUTE_CLUSTER_KEEPER_H

#include "cluster.h"
#include "cluster_record.h"
#include "cluster_runners.h"

#include <pthread.h>

#define EG_CLUSTER_WORKERS_MAX 64

typedef struct eg_cluster_worker {
    char id[EG_RUNNER_ID_MAX + 1];  /* "" = none was started yet */
    int64_t since_ms, retry_ms, backoff_ms;
} eg_cluster_worker;

typedef struct eg_cluster {
    const eg_cluster_config *config;
    eg_cluster_site site;
    /* Under the lock of eg_clusters: */
    unsigned holds;
    eg_cluster_state state;
    eg_problem problem;             /* why it doesn't run; code EG_OK = nothing to say */
    unsigned alive;                 /* registered workers, as last counted */
    eg_secret *key;                 /* set once; NULL until the keeper gave it */
    eg_cluster_record record;
    /* The thread's own: */
    int64_t next_ms;                /* nothing is done before */
    int64_t since_ms;               /* of this state */
    int64_t idle_ms;                /* since when nobody holds it; 0 = somebody does */
    int64_t counted_ms;
    int64_t backoff_ms;
    uint64_t worker_number;         /* of the next worker of this generation */
    size_t worker_count;            /* places in use: 0 until the master listens */
    eg_cluster_worker workers[EG_CLUSTER_WORKERS_MAX];
} eg_cluster;

struct eg_clusters {
    const eg_compute_options *o;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool stop;
    void (*on_change)(void *ctx, const char *cluster);
    void *on_change_ctx;
    size_t n;
    eg_cluster clusters[];
};

/* The thread: looks at every cluster until cs->stop, which is waited for on cs->wake. */
void *eg_cluster_keeper(void *eg_clusters_ptr);

#endif

/* Clusters on the gateway's side: started when somebody needs them, kept up with backoff, stopped when idle, found again after a restart. */
#ifndef EG_COMPUTE_CLUSTER_H
#define EG_COMPUTE_CLUSTER_H

#include "launcher.h"
#include "spark_conf.h"

typedef enum eg_cluster_state {
    EG_CLUSTER_STOPPED = 0,
    EG_CLUSTER_STARTING,            /* master or workers come up */
    EG_CLUSTER_RUNNING,             /* the master answers and at least one worker is registered */
    EG_CLUSTER_BACKOFF,             /* it failed; the next try waits (1 s … 60 s) */
    EG_CLUSTER_STOPPING,
} eg_cluster_state;
const char *eg_cluster_state_name(eg_cluster_state s); /* "stopped", "starting", "running", "backoff", "stopping" */

typedef struct eg_clusters eg_clusters;

/* Borrows o (kv, committer, keys, clock, clusters must outlive) and the launcher client. Takes up what it finds running and starts one
 * thread that keeps all clusters. Needs no launcher and no keeper yet: they are tried again. */
eg_err eg_clusters_open(const eg_compute_options *o, eg_launcher_client *launcher, eg_clusters **ret, eg_problem *p) EG_MUST_CHECK;
void eg_clusters_close(eg_clusters *c);  /* clusters run on */

/* The configuration by name; NULL when there is no such cluster. */
const eg_cluster_config *eg_clusters_config(const eg_clusters *c, eg_str name);
/* A batch that waits or runs holds its cluster: it is started, and not stopped before the last release. Never block. */
eg_err eg_clusters_hold(eg_clusters *c, eg_str name) EG_MUST_CHECK;   /* EG_ERR_CLUSTER_NOT_FOUND */
void eg_clusters_release(eg_clusters *c, eg_str name);
/* Never blocks. With *p (may be NULL) saying why when it isn't RUNNING. */
eg_cluster_state eg_clusters_state(eg_clusters *c, eg_str name, eg_problem *p);
/* Which start of the cluster is the last one: its master has ports and secrets of its own. 0 = never started. Never blocks. */
uint64_t eg_clusters_generation(eg_clusters *c, eg_str name);
/* The complete properties of a batch on its running cluster (secrets included: see eg_spark_conf_batch), and the generation whose master they name.
 * EG_ERR_CLUSTER_DOWN until it runs. */
eg_err eg_clusters_batch_conf(eg_clusters *c, const eg_spark_batch *b, eg_buf *ret, uint64_t *ret_generation, eg_problem *p) EG_MUST_CHECK;
/* Called in the keeper thread whenever a cluster's state changed, so that waiting batches are looked at; must not block long. */
void eg_clusters_on_change(eg_clusters *c, void (*fn)(void *ctx, const char *cluster), void *ctx);

/* [{"name","state","workers","workersWanted","batches", …}] and the names of what isolates less than it should ("" list = all is there). */
json_t *eg_clusters_health(eg_clusters *c);
json_t *eg_clusters_isolation_missing(const eg_clusters *c);

#endif

/* The compute room as the gateway sees it: clusters, batches behind Livy's API, and the identity of jobs. compute/ implements it. */
#ifndef EMBERGATE_COMPUTE_H
#define EMBERGATE_COMPUTE_H

#include <embergate/audit.h>
#include <embergate/clock.h>
#include <embergate/http.h>
#include <embergate/keys.h>
#include <embergate/pool.h>
#include <embergate/usage.h>

typedef struct eg_compute eg_compute;

/* A cluster as configured. All text borrowed for the life of eg_compute. */
typedef struct eg_cluster_config {
    const char *name;
    const char *tenant;
    const char *resource_id;      /* /subscriptions/…/Microsoft.HDInsight/clusters/{name} */
    const char *user;             /* UNIX user of its processes; "" = ours (isolation is then missing, and said) */
    unsigned workers;
    unsigned worker_cores;
    unsigned worker_memory_mb;
    unsigned max_processes;       /* bounds of its user; 0 = none … */
    unsigned max_memory_mb;       /* … 0 = four fifths of the machine's memory */
    unsigned max_disk_mb;         /* of each of its runners; 0 = none */
    unsigned idle_stop_s;         /* 0 = never */
    unsigned batch_retention_days;  /* of batches that ended; 0 = for ever */
    const char *const *file_roots;  /* directories that job files may come from, NULL-terminated */
    const char *spark_home;
    const char *python;
    const char *java_home;        /* "" = the system's */
    const char *const *jars;      /* NULL-terminated: hadoop-azure */
} eg_cluster_config;

/* A bound on the batches that have not ended: of each tenant, principal or cluster, or of one of them. 0 = none. */
typedef enum eg_quota_per { EG_QUOTA_PER_TENANT = 0, EG_QUOTA_PER_PRINCIPAL, EG_QUOTA_PER_CLUSTER } eg_quota_per;
typedef struct eg_job_quota {
    const char *name;
    eg_quota_per per;
    const char *only;             /* id of the tenant or principal, name of the cluster; "" = each has its own */
    unsigned jobs;
    unsigned cores;               /* of executors and drivers */
    unsigned memory_mb;
} eg_job_quota;

/* Asked before a batch's driver is started; a denial ends the batch, what passes by itself (EG_ERR_UNAVAILABLE) is asked again. Any thread; never blocks. ask NULL = everything may. */
typedef struct eg_start_gate {
    eg_err (*ask)(void *ctx, const char *cluster_resource_id, eg_problem *p);
    void *ctx;
} eg_start_gate;

typedef struct eg_compute_options {
    const char *clusters_dir;     /* state/clusters */
    const char *launcher_socket;
    const char *public_url;       /* "https://127.0.0.1:8443": token endpoint and storage as jobs see them */
    const char *trust_store;      /* PEM of the CA that jobs must trust */
    const eg_cluster_config *clusters;
    size_t cluster_count;
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    eg_audit *audit;              /* records of what happens without a request: job end, cluster start */
    eg_pool *pool;
    const eg_clock *clock;
    const eg_job_quota *quotas;   /* borrowed for the life of eg_compute */
    size_t quota_count;
    eg_start_gate gate;
} eg_compute_options;

/* Recovers: finds the runners of batches that were alive, settles those that ended meanwhile. Starts the watcher thread. */
eg_err eg_compute_open(const eg_compute_options *o, eg_compute **ret, eg_problem *p) EG_MUST_CHECK;
void eg_compute_close(eg_compute *c);  /* runners go on */

/* Livy routes; the router has set rq->cluster, rq->tenant, rq->scope (the cluster's resource id) and rq->path = what follows "/livy". room = eg_compute*. */
const eg_route *eg_compute_routes(size_t *ret_n);

/* Who a job's opaque credential stands for. EG_ERR_OAUTH_CLIENT when unknown, or the job does not run. Blocks briefly on LMDB only. */
typedef struct eg_job_identity {
    char tenant[EG_UUID_LEN];
    char object_id[EG_UUID_LEN];   /* the submitter's */
    eg_principal_kind submitter_kind;
    char name[128];
    char cluster[64];
    char job[64];                  /* "{cluster}/{batch id}" */
    bool groups_unknown;           /* its token left them out: they are unknown to the job as well, never none */
    size_t group_count;
    char groups[EG_PRINCIPAL_GROUPS_MAX][EG_UUID_LEN]; /* the submitter's when it submitted */
} eg_job_identity;
eg_err eg_compute_job_by_credential(eg_compute *c, eg_bytes credential, eg_job_identity *ret) EG_MUST_CHECK;
/* Whether a job's tokens are still good. Never blocks. */
bool eg_compute_job_running(eg_compute *c, eg_str job);
/* Whether there is a job of this tenant, "{cluster}/{batch id}", that has not ended. Never blocks. */
bool eg_compute_job_of(eg_compute *c, eg_str tenant, eg_str job);
/* The principal was revoked: its jobs that were submitted until made_s have no credential any more, and those that wait never start. Never blocks; the watcher
 * makes it durable. Told again at each start, as long as the revocation stands. */
void eg_compute_revoke_owner(eg_compute *c, eg_str tenant, eg_str object_id, int64_t made_s);
/* The job is ended as if it had been deleted, but stays to be seen. */
void eg_compute_revoke_job(eg_compute *c, eg_str job);

/* Where storage tells what jobs moved. */
eg_usage_sink eg_compute_usage_sink(eg_compute *c);
/* After a tenant's keys were destroyed: no batch's key is used from memory. */
void eg_compute_forget_keys(eg_compute *c);
/* For eg_rewrapper: the data keys of batches and clusters. room = eg_compute*. */
eg_err eg_compute_rewrap(void *compute, const eg_rewrap *what, uint64_t *ret_moved) EG_MUST_CHECK;
/* {"clusters":[{name,state,workers,…}],"isolation":[…missing…]} for /healthz; taken by the caller. */
json_t *eg_compute_health(eg_compute *c);

/* The launcher process: the only one with privileges. Serves until *stop. */
typedef struct eg_launcher_options {
    int listen_fd;
    uid_t gateway_uid;
    gid_t gateway_gid;
    const char *clusters_dir;
    const eg_cluster_config *clusters;   /* it trusts its own configuration, never a path or user from a message */
    size_t cluster_count;
    const char *trust_store;             /* PEM of the CA that jobs must trust, made into each cluster's trust.jks; NULL = none */
} eg_launcher_options;
eg_err eg_launcher_run(const eg_launcher_options *o, const atomic_int *stop, eg_problem *p) EG_MUST_CHECK;
/* Makes or mends a cluster's directories with their owners; needs privileges when the users differ. Called by the launcher. */

/* Ends every runner beneath clusters_dir that is verified to be ours (lock held, pid with its start time and boot id): SIGTERM, and
 * SIGKILL after 15 s. For `embergate stop`, when no launcher runs; needs the launcher's privileges. *ret_n counts them. */
eg_err eg_launcher_end_runners(const char *clusters_dir, unsigned *ret_n, eg_problem *p) EG_MUST_CHECK;

#endif

/* The jobs that are not settled yet, in memory: whose tokens are good, what they moved, and what the watcher knows of each. */
#ifndef EMBERGATE_COMPUTE_LIVE_JOBS_H
#define EMBERGATE_COMPUTE_LIVE_JOBS_H

#include "batch_record.h"

#include <stdatomic.h>

#define EG_LIVE_JOBS_MAX 2048           /* in all */
#define EG_LIVE_JOBS_PER_CLUSTER 256

typedef struct eg_live_job {
    eg_job_identity who;                /* fixed, but for the name (guarded by the shard) */
    uint32_t id;
    char id_text[12];
    atomic_bool admitted;               /* its credential and tokens are good */
    atomic_bool stop_asked;             /* by DELETE, or because it was revoked */
    atomic_bool revoked;                /* it, or who submitted it: no credential ever again */
    int64_t created_ns;
    _Atomic uint64_t read, written;     /* bytes, with those from before a restart */

    /* The watcher's alone: */
    eg_batch_state state;
    bool deleted, held, launched, stop_sent, settled, gone, have_log_key, revisited;
    uint8_t log_key[EG_KEY_LEN];
    eg_batch_shape shape;
    uint64_t generation;                /* of its cluster when it was started; 0 = not yet */
    bool lost;                          /* its master was started anew */
    char app_id[64];
    char credential[2 * EG_SHA256_LEN + 1];
    int64_t started_ns;
    int64_t next_try_ns, next_app_ns, flush_ns, down_ns;  /* monotonic */
    unsigned tries;
    uint64_t flushed_read, flushed_written;
    struct eg_live_job *next;
} eg_live_job;

typedef struct eg_live_jobs eg_live_jobs;
eg_live_jobs *eg_live_jobs_new(void);
void eg_live_jobs_free(eg_live_jobs *j);

/* owner_name may be "". EG_ERR_QUOTA when a bound is reached. */
eg_err eg_live_jobs_add(eg_live_jobs *j, const eg_batch *b, const char *owner_name, eg_problem *p) EG_MUST_CHECK;
/* The same bound, asked before anything is written. */
eg_err eg_live_jobs_room(eg_live_jobs *j, eg_str cluster, eg_problem *p) EG_MUST_CHECK;
/* What the jobs that match take together. NULL = any. */
typedef struct eg_live_match { const char *tenant, *owner, *cluster; } eg_live_match;
typedef struct eg_live_load { uint64_t jobs, cores, memory_mib; } eg_live_load;
void eg_live_jobs_load(eg_live_jobs *j, const eg_live_match *m, eg_live_load *ret);
/* Any thread; never block but for a short lock. Unknown jobs are not running and moved nothing. */
bool eg_live_jobs_running(eg_live_jobs *j, eg_str job);
void eg_live_jobs_moved(eg_live_jobs *j, eg_str job, uint64_t read, uint64_t written);
bool eg_live_jobs_sums(eg_live_jobs *j, eg_str job, uint64_t *ret_read, uint64_t *ret_written);
bool eg_live_jobs_identity(eg_live_jobs *j, eg_str job, eg_job_identity *ret); /* only of one that is admitted */
void eg_live_jobs_stop(eg_live_jobs *j, eg_str job);                           /* its tokens end here and now */

bool eg_live_jobs_of(eg_live_jobs *j, eg_str tenant, eg_str job);              /* there is one of this tenant that hasn't ended */
void eg_live_jobs_revoke(eg_live_jobs *j, eg_str job);                         /* no credential, and it is ended */
/* All of an owner that were submitted until then: no credential; those that have none yet never get to start. */
void eg_live_jobs_revoke_owner(eg_live_jobs *j, eg_str tenant, eg_str object_id, int64_t until_s);

/* The watcher's thread only: it alone removes, so what it lists stays valid until it does. */
size_t eg_live_jobs_list(eg_live_jobs *j, eg_live_job **ret, size_t cap);
void eg_live_jobs_rename(eg_live_jobs *j, eg_live_job *job, const char *owner_name);
void eg_live_jobs_remove(eg_live_jobs *j, eg_live_job *job);

#endif

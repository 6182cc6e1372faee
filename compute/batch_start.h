/* From an accepted batch to a driver that runs: the job's identity first, durably, then the runner. */
#ifndef EMBERGATE_COMPUTE_BATCH_START_H
#define EMBERGATE_COMPUTE_BATCH_START_H

#include "compute_object.h"

/* Blocks (keeper, commit, launcher); the watcher's thread only. EG_OK: the runner lives. EG_ERR_EXISTS: it was started before.
 * Other errors: nothing runs, as far as the launcher told; eg_batch_start_again says whether another try can help. */
eg_err eg_batch_start(eg_compute *c, eg_live_job *job, eg_problem *p) EG_MUST_CHECK;
bool eg_batch_start_again(eg_err e);

/* What a request amounts to on this cluster, with the defaults that spark_conf.c gives. */
eg_batch_shape eg_batch_start_shape(const eg_cluster_config *cluster, const json_t *request);

/* Fills job->log_key and the owner's name once the keeper answers. Blocks. */
eg_err eg_batch_start_unlock(eg_compute *c, eg_live_job *job) EG_MUST_CHECK;

#endif

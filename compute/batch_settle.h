/* The durable changes of a batch's life after it was accepted: it runs, it moved so much, it ended. Watcher's thread only. */
#ifndef EMBERGATE_COMPUTE_BATCH_SETTLE_H
#define EMBERGATE_COMPUTE_BATCH_SETTLE_H

#include "compute_object.h"

/* How a batch ended, as far as it is known. */
typedef struct eg_batch_end {
    eg_batch_state state;           /* SUCCESS, DEAD or KILLED */
    eg_err why;                     /* EG_OK, or what kept it from starting */
    const eg_runner_status *status; /* NULL = it never had a runner */
} eg_batch_end;

/* One transaction: the final state, the sums, the end of its credential, and the record job.end. Then its accesses are closed in the log.
 * Sets job->deleted when it was deleted meanwhile. EG_ERR_BATCH_NOT_FOUND: there is nothing left to settle. */
eg_err eg_batch_settle(eg_compute *c, eg_live_job *job, const eg_batch_end *end) EG_MUST_CHECK;
/* The credential of a job that was revoked is forgotten in the store too. */
eg_err eg_batch_settle_credential(eg_compute *c, eg_live_job *job) EG_MUST_CHECK;
/* Writes that it runs, since when, its application id, and what it moved so far. */
eg_err eg_batch_settle_progress(eg_compute *c, eg_live_job *job) EG_MUST_CHECK;
/* The sums of a batch that ran for wall_ms; cpu_us is the driver's. */
void eg_batch_settle_sums(const eg_batch_shape *shape, uint64_t wall_ms, uint64_t cpu_us, eg_batch_usage *ret);

#endif

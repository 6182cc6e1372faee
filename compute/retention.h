/* Batches that ended long ago go by themselves, where a cluster says so (batch_retention_days). Watcher's thread only. */
#ifndef EMBERGATE_COMPUTE_RETENTION_H
#define EMBERGATE_COMPUTE_RETENTION_H

#include "compute_object.h"

/* When the watcher began: a wall clock that was set forward since then deletes nothing before its time. */
typedef struct eg_retention {
    int64_t wall_ns, mono_ns;
} eg_retention;
eg_retention eg_retention_begin(const eg_clock *clock);

/* Deletes the oldest whose time has come, at most EG_RETENTION_AT_ONCE of each cluster; the record of each is job.expire. What can't be deleted now is tried at the next
 * sweep. How many were: the watcher then discards their logs as of those that somebody deleted. */
#define EG_RETENTION_AT_ONCE 16u /* they count among the live ones (EG_LIVE_JOBS_PER_CLUSTER) until they are discarded */
size_t eg_retention_sweep(eg_compute *c, const eg_retention *r);

#endif

/* Bounds on the batches that have not ended: how many, and what they take. */
#ifndef EMBERGATE_COMPUTE_JOB_QUOTA_H
#define EMBERGATE_COMPUTE_JOB_QUOTA_H

#include "compute_object.h"

/* EG_ERR_QUOTA names the quota. Hold eg_job_quota_enter until the batch is among the live ones, or two at once may pass where one fits. */
eg_err eg_job_quota_room(eg_compute *c, const eg_batch *b, eg_problem *p) EG_MUST_CHECK;
void eg_job_quota_enter(eg_compute *c);   /* nothing when there are no quotas */
void eg_job_quota_leave(eg_compute *c);

#endif

/* How much of the machine a runner's program may take. */
#ifndef EG_COMPUTE_RUNNER_BOUNDS_H
#define EG_COMPUTE_RUNNER_BOUNDS_H

#include "runner_process.h"

/* Before the change of user: puts the calling process into the control group of its user, bounded in processes, memory and share of the
 * processors, and makes it what the kernel ends first when memory is short. False where there is no such group to be had: then it gives
 * way to others by its priority alone. */
bool eg_runner_bounds_group(const eg_runner_job *job);
/* Removes the group of a user whose programs have all ended; one that still has a process stays. Needs the launcher's privileges. */
void eg_runner_bounds_forget(uid_t uid);
/* After the change of user: the limits that need no group. An errno, 0 on success. */
int eg_runner_bounds_set(const eg_runner_job *job);

#endif

/* What of the file system a runner's program sees and may write. */
#ifndef EG_COMPUTE_RUNNER_MOUNTS_H
#define EG_COMPUTE_RUNNER_MOUNTS_H

#include "runner_process.h"

/* Flags of EG_RUNNER_PRIVATE_TMP and EG_RUNNER_CONFINED, as far as the host allows. For the first process of a process namespace, before
 * the change of user. */
unsigned eg_runner_mounts(const eg_runner_job *job);

#endif

/* The process between a runner and its program: the first of its namespaces, so that its end is the end of all. */
#ifndef EG_COMPUTE_RUNNER_INIT_H
#define EG_COMPUTE_RUNNER_INIT_H

#include "runner_process.h"

#include <sys/resource.h>

/* How the program ended, as init writes it to its result pipe. */
typedef struct eg_runner_result {
    int status;              /* of wait4 */
    struct rusage usage;
} eg_runner_result;

/* Once in a launcher, before its first runner, while it is one thread: whether a process namespace here can have a /proc of its own. Without one, programs that look for
 * their children there, as Spark does for its Python workers, find none or another's, so that no program gets such a namespace then. */
bool eg_runner_init_probe(void);
/* Gives the next child a process namespace of its own. False where the host does not allow it, or the probe said no. */
bool eg_runner_init_prepare(const eg_runner_job *job);

typedef struct eg_runner_init_pipes {
    int said;                /* an eg_runner_report: one of failure, or one of success just before the program is executed */
    int result;              /* an eg_runner_result */
    int output;              /* of the program */
} eg_runner_init_pipes;

/* Never returns. Runs in a child of the runner, still with the launcher's rights. */
_Noreturn void eg_runner_init(const eg_runner_job *job, const eg_runner_init_pipes *pipes, bool own_namespace);

/* Gives up the launcher's rights for good; an errno, 0 on success. The runner and init both call it. */
int eg_runner_init_drop(const eg_runner_job *job);

#endif

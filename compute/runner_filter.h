/* The system calls that jobs have no business with. */
#ifndef EG_COMPUTE_RUNNER_FILTER_H
#define EG_COMPUTE_RUNNER_FILTER_H

#include <stdbool.h>

/* From here on, for this process and all that it starts. Owes no_new_privs. False when the kernel has no filters. */
bool eg_runner_filter(void);

#endif

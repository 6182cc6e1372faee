/* Ending all that a program started. */
#ifndef EG_COMPUTE_PROCESS_TREE_H
#define EG_COMPUTE_PROCESS_TREE_H

#include <stddef.h>
#include <sys/types.h>

/* SIGKILL to the process group and to every descendant of the calling process (a child subreaper). Returns how many descendants there
 * were: call again, reaping in between, until 0, since what forked meanwhile is seen only then. */
size_t eg_process_tree_kill(pid_t group);

#endif

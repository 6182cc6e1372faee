/* Ending all that a program started. */
#ifndef EG_COMPUTE_PROCESS_TREE_H
#define EG_COMPUTE_PROCESS_TREE_H

#include <stddef.h>

/* SIGKILL to every descendant of the calling process (a child subreaper). Returns how many there were: call again, reaping in between,
 * until 0, since what forked meanwhile is seen only then. */
size_t eg_process_tree_kill(void);

#endif

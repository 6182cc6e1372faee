/* All that a program started: ending it, and what it holds. */
#ifndef EG_COMPUTE_PROCESS_TREE_H
#define EG_COMPUTE_PROCESS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* SIGKILL to every descendant of the calling process (a child subreaper). Returns how many there were: call again, reaping in between,
 * until 0, since what forked meanwhile is seen only then. */
size_t eg_process_tree_kill(void);
/* Bytes of disk, on this device, of files that descendants hold open and that have no name any more. Of a process that hides its descriptors,
 * or of a file that is only mapped, nothing is known. */
uint64_t eg_process_tree_unlinked(dev_t device);

#endif

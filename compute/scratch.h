/* Removing what a runner's program left in the cluster's scratch directory. */
#ifndef EG_COMPUTE_SCRATCH_H
#define EG_COMPUTE_SCRATCH_H

/* Removes {scratch}/{name} and all beneath it, following no link; to be called with the rights of the cluster's user, whose tree it is.
 * What can't be removed stays. */
void eg_scratch_remove(const char *scratch, const char *name);

#endif

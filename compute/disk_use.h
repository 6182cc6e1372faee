/* How much disk a runner's program uses. */
#ifndef EG_COMPUTE_DISK_USE_H
#define EG_COMPUTE_DISK_USE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether {scratch}/{name}, with what descendants of the calling process keep open of files that they unlinked there, takes more than
 * `bytes`; or more files, or directories deeper, than can be counted in reasonable time. */
bool eg_disk_use_beyond(const char *scratch, const char *name, uint64_t bytes);

#endif

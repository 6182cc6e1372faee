/* Removes tile files that no checkpoint refers to. */
#ifndef EG_AUDIT_TILE_SWEEP_H
#define EG_AUDIT_TILE_SWEEP_H

#include "tile_path.h"

/* The most tiles of one level that one batch can have written beyond a committed size. */
#define EG_TILES_BEYOND_MAX 72u

/* After a crash: whatever lies beyond `size`, and partial tiles at the end that are neither of `size` nor of `keep`.
 * What can't be removed stays: it is not referred to. */
void eg_tile_sweep(int dir_fd, uint64_t size, uint64_t keep);
/* The partial tiles of one size, except those that sizes keep1 and keep2 have too. */
void eg_tile_unlink_partials(int dir_fd, uint64_t size, uint64_t keep1, uint64_t keep2);

#endif

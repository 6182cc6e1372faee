/* Reads tiles and entries of a log that is being written. */
#ifndef EG_AUDIT_TILE_READ_H
#define EG_AUDIT_TILE_READ_H

#include "tile_path.h"

#define EG_BUNDLE_MAX ((size_t)EG_TILE_WIDTH * 65537)

/* The first `width` hashes or entries of a tile, out of the file that a log of `size` entries has. EG_ERR_NOT_FOUND: the tile is not
 * in such a log, or its partial file was outgrown meanwhile: then the log is larger now. *ret is reset first. */
eg_err eg_tile_read(int dir_fd, uint64_t size, unsigned level, uint64_t index, unsigned width, eg_buf *ret) EG_MUST_CHECK;

#endif

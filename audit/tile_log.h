/* One log's folder of tiles: entries in at the end, files that C2SP tlog-tiles readers understand. */
#ifndef EG_AUDIT_TILE_LOG_H
#define EG_AUDIT_TILE_LOG_H

#include "tile_path.h"

#define EG_ENTRY_MAX 65535u

typedef struct eg_tile_log eg_tile_log;

/* dir_fd is taken. Reads back the unfinished tiles of `size` entries, and fails with EG_ERR_CORRUPT when they don't add up to
 * `root`. Removes what a crash left beyond `size`, and partial tiles of other sizes than `size` and `checkpoint_size`. */
eg_err eg_tile_log_open(int dir_fd, uint64_t size, const uint8_t root[EG_SHA256_LEN], uint64_t checkpoint_size, eg_tile_log **ret, eg_problem *p) EG_MUST_CHECK;
void eg_tile_log_free(eg_tile_log *t);
/* Tiles that fill are written and synced. After a failure the object is good for nothing: free it and open at the old size. */
eg_err eg_tile_log_append(eg_tile_log *t, eg_bytes entry) EG_MUST_CHECK;
/* Writes and syncs the partial tiles: after EG_OK all entries are durable and the log can be read at this size. */
eg_err eg_tile_log_flush(eg_tile_log *t) EG_MUST_CHECK;
uint64_t eg_tile_log_size(const eg_tile_log *t);
void eg_tile_log_root(const eg_tile_log *t, uint8_t ret[EG_SHA256_LEN]);
/* Removes the partial tiles of flushed sizes other than the present one and `keep`. */
void eg_tile_log_trim(eg_tile_log *t, uint64_t keep);

#endif

/* Where a tile lies beneath a log's folder (C2SP tlog-tiles). */
#ifndef EG_AUDIT_TILE_PATH_H
#define EG_AUDIT_TILE_PATH_H

#include "tree_hash.h"

#define EG_TILE_ENTRIES EG_TREE_LEVELS /* in place of a level: the bundle of entries beneath level 0's tile */
#define EG_TILE_PATH_LEN 64

/* Width EG_TILE_WIDTH is the whole tile, less is a partial one. */
void eg_audit_tile_path(unsigned level, uint64_t index, unsigned width, char ret[EG_TILE_PATH_LEN]);
/* The rest of a path after "tile/", as a client asks for it. EG_ERR_NOT_FOUND for everything that no writer makes. */
eg_err eg_audit_tile_parse(eg_str rest, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width) EG_MUST_CHECK;

/* One entry off the front of a bundle: big-endian u16 length and the bytes. EG_ERR_CORRUPT at a bad or missing one. */
static inline eg_err eg_audit_bundle_next(eg_bytes *rest, eg_bytes *ret) {
    if (rest->len < 2 || rest->len - 2 < eg_get_u16(rest->ptr)) {
        return EG_ERR_CORRUPT;
    }
    size_t n = eg_get_u16(rest->ptr);
    *ret = (eg_bytes){rest->ptr + 2, n};
    rest->ptr += 2 + n;
    rest->len -= 2 + n;
    return EG_OK;
}

#endif

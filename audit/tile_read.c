/* Reads tiles of a log that is being written: a partial tile is the beginning of whichever wider one is there. */
#include "tile_read.h"

#include <embergate/durable_file.h>

/* Bytes of the first n entries. */
static eg_err entries_length(eg_bytes bundle, unsigned n, size_t *ret) {
    eg_bytes rest = bundle;
    eg_bytes entry = {NULL, 0};
    for (unsigned i = 0; i < n; i++) {
        EG_TRY(eg_audit_bundle_next(&rest, &entry));
    }
    *ret = bundle.len - rest.len;
    return EG_OK;
}

eg_err eg_tile_read(int dir_fd, uint64_t size, unsigned level, uint64_t index, unsigned width, eg_buf *ret) {
    unsigned at = level == EG_TILE_ENTRIES ? 0 : level;
    bool full = index < eg_audit_tree_index(size, at);
    unsigned there = full ? EG_TILE_WIDTH : index == eg_audit_tree_index(size, at) ? eg_audit_tree_width(size, at) : 0;
    if (width == 0 || width > there) {
        return EG_ERR_NOT_FOUND;
    }
    char path[EG_TILE_PATH_LEN];
    size_t length = (size_t)width * EG_SHA256_LEN;
    eg_audit_tile_path(level, index, there, path);
    eg_buf_reset(ret);
    EG_TRY(eg_file_read(dir_fd, path, ret->max, ret, NULL));
    if (level == EG_TILE_ENTRIES) {
        EG_TRY(entries_length(eg_buf_bytes(ret), width, &length));
    }
    if (ret->len < length) {
        return EG_ERR_CORRUPT;
    }
    ret->len = length;
    return EG_OK;
}

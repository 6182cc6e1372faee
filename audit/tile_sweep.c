/* Removes tile files that no checkpoint refers to: leftovers of a crash, partial tiles that were outgrown. */
#include "tile_sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool has_partial(uint64_t size, unsigned level, uint64_t index, unsigned width) {
    return eg_audit_tree_width(size, level) == width && eg_audit_tree_index(size, level) == index;
}

static void folder_of(unsigned level, uint64_t index, char ret[EG_TILE_PATH_LEN]) {
    eg_audit_tile_path(level, index, 1, ret);
    *strrchr(ret, '/') = '\0';
}

/* Removes the partial tiles of one tile, except those of the two sizes. */
static void sweep_folder(int dir_fd, unsigned level, uint64_t index, const uint64_t keep[2]) {
    char path[EG_TILE_PATH_LEN];
    folder_of(level, index, path);
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    unsigned at = level == EG_TILE_ENTRIES ? 0 : level;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        uint64_t width = 0;
        bool number = eg_str_u64(eg_str_of(e->d_name), EG_TILE_WIDTH - 1, &width) == EG_OK && width > 0;
        bool kept = number && (has_partial(keep[0], at, index, (unsigned)width) || has_partial(keep[1], at, index, (unsigned)width));
        if (!kept && (number || e->d_name[0] == '.')) { /* ".name.hex": a replacement that a crash cut short */
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    closedir(d);
    unlinkat(dir_fd, path, AT_REMOVEDIR); /* only when it is empty */
}

void eg_tile_sweep(int dir_fd, uint64_t size, uint64_t keep) {
    const uint64_t sizes[2] = {size, keep};
    for (unsigned l = 0; l <= EG_TILE_ENTRIES; l++) {
        unsigned at = l == EG_TILE_ENTRIES ? 0 : l;
        uint64_t first = eg_audit_tree_index(size, at);
        for (uint64_t i = first; i < first + (at == 0 ? EG_TILES_BEYOND_MAX : 2); i++) {
            char path[EG_TILE_PATH_LEN];
            eg_audit_tile_path(l, i, EG_TILE_WIDTH, path);
            unlinkat(dir_fd, path, 0);
            sweep_folder(dir_fd, l, i, sizes);
        }
    }
}

void eg_tile_unlink_partials(int dir_fd, uint64_t size, uint64_t keep1, uint64_t keep2) {
    for (unsigned l = 0; l <= EG_TILE_ENTRIES; l++) {
        unsigned at = l == EG_TILE_ENTRIES ? 0 : l;
        unsigned width = eg_audit_tree_width(size, at);
        uint64_t index = eg_audit_tree_index(size, at);
        if (width == 0 || has_partial(keep1, at, index, width) || has_partial(keep2, at, index, width)) {
            continue;
        }
        char path[EG_TILE_PATH_LEN];
        eg_audit_tile_path(l, index, width, path);
        unlinkat(dir_fd, path, 0);
        if (eg_audit_tree_index(keep1, at) != index) {
            folder_of(l, index, path);
            unlinkat(dir_fd, path, AT_REMOVEDIR);
        }
    }
}

/* Writes a log's tiles and bundles of entries, and reads the unfinished ones back. */
#include "tile_log.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tile_sweep.h"

#define BUNDLE_MAX ((size_t)EG_TILE_WIDTH * (EG_ENTRY_MAX + 2))
#define FLUSHED_MAX 16

struct eg_tile_log {
    int dir_fd;
    eg_audit_tree tree;
    eg_buf bundle;                 /* entries of the unfinished level 0 tile */
    uint64_t flushed[FLUSHED_MAX]; /* sizes that have partial tiles on disk */
    unsigned flushed_count;
};

/* Makes the folders above a file, each durable before anything is put into it. */
static eg_err make_folders(int dir_fd, const char *path) {
    char part[EG_TILE_PATH_LEN];
    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '/') {
            part[i] = '\0';
            if (mkdirat(dir_fd, part, 0700) == 0) {
                char *slash = strrchr(part, '/');
                size_t parent = slash ? (size_t)(slash - part) : 0;
                char name[EG_TILE_PATH_LEN] = ".";
                memcpy(name, parent ? part : ".", parent ? parent : 1);
                name[parent ? parent : 1] = '\0';
                int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                eg_err e = fd < 0 ? eg_err_from_errno(errno) : eg_dir_sync(fd);
                if (fd >= 0) {
                    close(fd);
                }
                EG_TRY(e);
            } else if (errno != EEXIST) {
                return eg_err_from_errno(errno);
            }
        }
        part[i] = path[i];
    }
    return EG_OK;
}

static eg_err write_tile(const eg_tile_log *t, unsigned level, uint64_t index, unsigned width, eg_bytes content) {
    char path[EG_TILE_PATH_LEN];
    eg_audit_tile_path(level, index, width, path);
    eg_err e = eg_file_replace(t->dir_fd, path, 0600, content, NULL);
    if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    EG_TRY(make_folders(t->dir_fd, path));
    return eg_file_replace(t->dir_fd, path, 0600, content, NULL);
}

static eg_err tile_full(void *ctx, unsigned level, uint64_t index, const uint8_t *hashes) {
    eg_tile_log *t = ctx;
    if (level == 0) {
        EG_TRY(write_tile(t, EG_TILE_ENTRIES, index, EG_TILE_WIDTH, eg_buf_bytes(&t->bundle)));
        eg_buf_reset(&t->bundle);
    }
    return write_tile(t, level, index, EG_TILE_WIDTH, (eg_bytes){hashes, (size_t)EG_TILE_WIDTH * EG_SHA256_LEN});
}

static eg_err corrupt(eg_problem *p, const char *path) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, EG_ERR_CORRUPT, "The audit log's file \"%s\" is damaged or missing: it does not fit what was committed.", path);
    return eg_fail_hint(to, "Run 'embergate audit verify' on a copy of the log's folder; it names the damaged record.");
}

static eg_err read_tile(eg_tile_log *t, unsigned level, eg_buf *ret, eg_problem *p) {
    char path[EG_TILE_PATH_LEN];
    unsigned at = level == EG_TILE_ENTRIES ? 0 : level;
    eg_audit_tile_path(level, eg_audit_tree_index(t->tree.size, at), eg_audit_tree_width(t->tree.size, at), path);
    eg_err e = eg_file_read(t->dir_fd, path, BUNDLE_MAX, ret, p);
    if (e == EG_ERR_NOT_FOUND || e == EG_ERR_LIMIT || e == EG_ERR_INVALID) {
        return corrupt(p, path);
    }
    EG_TRY(e);
    if (level != EG_TILE_ENTRIES && ret->len != (size_t)eg_audit_tree_width(t->tree.size, level) * EG_SHA256_LEN) {
        return corrupt(p, path);
    }
    return EG_OK;
}

/* The unfinished bundle must hold just the entries whose hashes the tile has. */
static eg_err check_bundle(const eg_tile_log *t, eg_problem *p) {
    eg_bytes rest = eg_buf_bytes(&t->bundle);
    for (unsigned i = 0; i < eg_audit_tree_width(t->tree.size, 0); i++) {
        eg_bytes entry = {NULL, 0};
        uint8_t hash[EG_SHA256_LEN];
        if (eg_audit_bundle_next(&rest, &entry) != EG_OK) {
            return corrupt(p, "tile/entries");
        }
        eg_audit_leaf_hash(entry, hash);
        if (memcmp(hash, t->tree.level[0] + (size_t)i * EG_SHA256_LEN, sizeof hash) != 0) {
            return corrupt(p, "tile/entries");
        }
    }
    return rest.len == 0 ? EG_OK : corrupt(p, "tile/entries");
}

static eg_err load(eg_tile_log *t, const uint8_t *root, eg_problem *p) {
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        if (eg_audit_tree_width(t->tree.size, l) == 0) {
            continue;
        }
        EG_CLEANUP(eg_buf_done) eg_buf hashes;
        eg_buf_init(&hashes, (size_t)EG_TILE_WIDTH * EG_SHA256_LEN);
        EG_TRY(read_tile(t, l, &hashes, p));
        EG_TRY(eg_audit_tree_restore(&t->tree, l, eg_buf_bytes(&hashes)));
    }
    if (eg_audit_tree_width(t->tree.size, 0) > 0) {
        EG_TRY(read_tile(t, EG_TILE_ENTRIES, &t->bundle, p));
        EG_TRY(check_bundle(t, p));
    }
    uint8_t found[EG_SHA256_LEN];
    eg_audit_tree_root(&t->tree, found);
    return memcmp(found, root, sizeof found) == 0 ? EG_OK : corrupt(p, "tile");
}

eg_err eg_tile_log_open(int dir_fd, uint64_t size, const uint8_t root[EG_SHA256_LEN], uint64_t checkpoint_size, eg_tile_log **ret, eg_problem *p) {
    eg_tile_log *t = calloc(1, sizeof *t);
    if (!t) {
        close(dir_fd);
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for an audit log.");
    }
    t->dir_fd = dir_fd;
    t->tree = (eg_audit_tree){.size = size, .tile_full = tile_full, .ctx = t};
    eg_buf_init(&t->bundle, BUNDLE_MAX);
    t->flushed[t->flushed_count++] = checkpoint_size;
    if (size != checkpoint_size) {
        t->flushed[t->flushed_count++] = size;
    }
    eg_err e = load(t, root, p);
    if (e != EG_OK) {
        eg_tile_log_free(t);
        return e;
    }
    eg_tile_sweep(dir_fd, size, checkpoint_size);
    *ret = t;
    return EG_OK;
}

void eg_tile_log_free(eg_tile_log *t) {
    if (t) {
        close(t->dir_fd);
        eg_audit_tree_done(&t->tree);
        eg_buf_done(&t->bundle);
        free(t);
    }
}

eg_err eg_tile_log_append(eg_tile_log *t, eg_bytes entry) {
    if (entry.len > EG_ENTRY_MAX) {
        return EG_ERR_LIMIT;
    }
    uint8_t length[2];
    uint8_t hash[EG_SHA256_LEN];
    eg_put_u16(length, (uint16_t)entry.len);
    EG_TRY(eg_buf_add(&t->bundle, length, sizeof length));
    EG_TRY(eg_buf_add(&t->bundle, entry.ptr, entry.len));
    eg_audit_leaf_hash(entry, hash);
    return eg_audit_tree_push(&t->tree, hash);
}

eg_err eg_tile_log_flush(eg_tile_log *t) {
    uint64_t size = t->tree.size;
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        unsigned width = eg_audit_tree_width(size, l);
        if (width == 0) {
            continue;
        }
        if (l == 0) {
            EG_TRY(write_tile(t, EG_TILE_ENTRIES, eg_audit_tree_index(size, 0), width, eg_buf_bytes(&t->bundle)));
        }
        EG_TRY(write_tile(t, l, eg_audit_tree_index(size, l), width, (eg_bytes){t->tree.level[l], (size_t)width * EG_SHA256_LEN}));
    }
    if (t->flushed_count < FLUSHED_MAX && (t->flushed_count == 0 || t->flushed[t->flushed_count - 1] != size)) {
        t->flushed[t->flushed_count++] = size; /* when the table is full, the file stays until the log is opened again */
    }
    return EG_OK;
}

uint64_t eg_tile_log_size(const eg_tile_log *t) {
    return t->tree.size;
}

void eg_tile_log_root(const eg_tile_log *t, uint8_t ret[EG_SHA256_LEN]) {
    eg_audit_tree_root(&t->tree, ret);
}

void eg_tile_log_trim(eg_tile_log *t, uint64_t keep) {
    unsigned kept = 0;
    for (unsigned i = 0; i < t->flushed_count; i++) {
        uint64_t size = t->flushed[i];
        if (size == t->tree.size || size == keep) {
            t->flushed[kept++] = size;
        } else {
            eg_tile_unlink_partials(t->dir_fd, size, t->tree.size, keep);
        }
    }
    t->flushed_count = kept;
}

/* Adds up the disk that a runner's program uses. */
#include "disk_use.h"

#include "process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64       /* Spark's own trees have five levels */
#define ENTRIES_MAX 1000000

typedef struct walk {
    uint64_t left;     /* bytes */
    uint64_t entries;
} walk;

static bool is_dir(int parent, const char *name) {
    struct stat st;
    return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* A directory that its owner closed to itself is opened again: we have its owner's rights. */
static DIR *open_dir(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && is_dir(parent, name) && fchmodat(parent, name, 0700, 0) == 0) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d && fd >= 0) {
        close(fd);
    }
    return d;
}

/* False when a bound is passed. */
static bool add_tree(walk *w, int parent, const char *name, unsigned depth) {
    DIR *d = open_dir(parent, name);
    bool ok = depth < DEPTH_MAX;
    const struct dirent *e;
    while (d && ok && (e = readdir(d))) {
        struct stat st;
        if (strcmp(e->d_name, "..") == 0 || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        uint64_t bytes = (uint64_t)st.st_blocks * 512;
        ok = bytes <= w->left && ++w->entries <= ENTRIES_MAX;
        w->left -= ok ? bytes : 0;
        if (ok && S_ISDIR(st.st_mode) && strcmp(e->d_name, ".") != 0) {
            ok = add_tree(w, dirfd(d), e->d_name, depth + 1);
        }
    }
    if (d) {
        closedir(d);
    }
    return ok;
}

bool eg_disk_use_beyond(const char *scratch, const char *name, uint64_t bytes) {
    walk w = {.left = bytes};
    int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat st;
    bool within = add_tree(&w, fd, name, 0);
    within = within && (fstat(fd, &st) != 0 || eg_process_tree_unlinked(st.st_dev) <= w.left);
    close(fd);
    return !within;
}

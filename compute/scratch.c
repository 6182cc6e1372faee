/* Removes a tree of files that belongs to a cluster's user. */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32     /* Spark's own trees have five levels; what is deeper is lifted to the top first */
#define ROUNDS_MAX 10000 /* of lifting */

typedef struct removal {
    int top;
    unsigned lifted;
    bool again;
} removal;

static int open_dir(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    /* Its owner closed it to itself; we have its owner's rights. */
    if (fd < 0 && errno == EACCES && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) && fchmodat(parent, name, 0700, 0) == 0) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return fd;
}

static void lift(removal *r, int parent, const char *name) {
    char to[32];
    snprintf(to, sizeof to, ".lifted-%u", r->lifted++);
    r->again = renameat(parent, name, r->top, to) == 0 || r->again;
}

static void remove_tree(removal *r, int parent, const char *name, unsigned depth) {
    int fd = open_dir(parent, name);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    (void)fchmod(fd, 0700);
    if (depth == 0) {
        r->top = fd;
    }
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(fd, e->d_name, 0) == 0) {
            continue;
        }
        if (depth < DEPTH_MAX) {
            remove_tree(r, fd, e->d_name, depth + 1);
        } else {
            lift(r, fd, e->d_name);
        }
    }
    closedir(d);
    (void)!unlinkat(parent, name, AT_REMOVEDIR);
}

void eg_scratch_remove(const char *scratch, const char *name) {
    int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    removal r = {.again = true};
    for (unsigned i = 0; r.again && i < ROUNDS_MAX; i++) {
        r.again = false;
        remove_tree(&r, fd, name, 0);
    }
    close(fd);
}

/* Removes a tree of files that belongs to a cluster's user. */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 32 /* Spark's own trees have five levels; what a job dug deeper stays */

static void remove_tree(int parent, const char *name, unsigned depth) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dirfd(d), e->d_name, 0) != 0 && depth < DEPTH_MAX) {
            remove_tree(dirfd(d), e->d_name, depth + 1);
        }
    }
    closedir(d);
    (void)!unlinkat(parent, name, AT_REMOVEDIR);
}

void eg_scratch_remove(const char *scratch, const char *name) {
    int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        remove_tree(fd, name, 0);
        close(fd);
    }
}

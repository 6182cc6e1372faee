/* Finds every descendant of a child subreaper through /proc/{pid}/task/{tid}/children, to kill it or to see what it holds. */
#include "process_tree.h"

#include <embergate/bytes.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNLINKED_MAX 1024 /* different files; what a program holds beyond is not counted */
#define TREE_MAX 4096 /* processes looked at in one round; the rest falls in the next */

typedef struct tree {
    size_t n;
    pid_t pid[TREE_MAX];
} tree;

static void add_children_of_task(tree *t, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    char text[8192];
    size_t held = 0;
    ssize_t n;
    while ((n = read(fd, text + held, sizeof text - held)) > 0) {
        eg_str rest = {text, held + (size_t)n};
        while (t->n < TREE_MAX && memchr(rest.ptr, ' ', rest.len)) {
            uint64_t pid;
            if (eg_str_u64(eg_str_cut(&rest, ' '), INT32_MAX, &pid) == EG_OK && pid > 1) {
                t->pid[t->n++] = (pid_t)pid;
            }
        }
        held = t->n < TREE_MAX ? rest.len : 0;
        memmove(text, rest.ptr, held);
    }
    close(fd);
}

static void add_children(tree *t, pid_t parent) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    DIR *d = opendir(path);
    if (!d) {
        return;
    }
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "/proc/%d/task/%.16s/children", (int)parent, e->d_name);
            add_children_of_task(t, path);
        }
    }
    closedir(d);
}

static tree *find_all(void) {
    tree *t = calloc(1, sizeof *t);
    if (t) {
        add_children(t, getpid());
        for (size_t i = 0; i < t->n; i++) {
            add_children(t, t->pid[i]);
        }
    }
    return t;
}

size_t eg_process_tree_kill(void) {
    tree *t = find_all();
    if (!t) {
        return 1;
    }
    /* Parents first: what a killed one leaves behind becomes ours, and is found in the next round. */
    for (size_t i = 0; i < t->n; i++) {
        kill(t->pid[i], SIGKILL);
    }
    size_t n = t->n;
    free(t);
    return n;
}

typedef struct unlinked {
    dev_t device;
    uint64_t bytes;
    size_t n;
    ino_t seen[UNLINKED_MAX];
} unlinked;

static void add_unlinked(unlinked *u, const struct stat *st) {
    if (!S_ISREG(st->st_mode) || st->st_nlink > 0 || st->st_dev != u->device || u->n == UNLINKED_MAX) {
        return;
    }
    for (size_t i = 0; i < u->n; i++) {
        if (u->seen[i] == st->st_ino) {
            return; /* held by several */
        }
    }
    u->seen[u->n++] = st->st_ino;
    u->bytes += (uint64_t)st->st_blocks * 512;
}

uint64_t eg_process_tree_unlinked(dev_t device) {
    unlinked u = {.device = device};
    tree *t = find_all();
    for (size_t i = 0; t && i < t->n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd", (int)t->pid[i]);
        DIR *d = opendir(path);
        const struct dirent *e;
        while (d && (e = readdir(d))) {
            struct stat st;
            if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
                add_unlinked(&u, &st);
            }
        }
        if (d) {
            closedir(d);
        }
    }
    free(t);
    return u.bytes;
}

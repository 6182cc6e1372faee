/* Finds and kills every descendant of a child subreaper through /proc/{pid}/task/{tid}/children. */
#include "process_tree.h"

#include <embergate/bytes.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

size_t eg_process_tree_kill(void) {
    tree *t = calloc(1, sizeof *t);
    if (!t) {
        return 1;
    }
    add_children(t, getpid());
    for (size_t i = 0; i < t->n; i++) {
        add_children(t, t->pid[i]);
    }
    /* Parents first: what a killed one leaves behind becomes ours, and is found in the next round. */
    for (size_t i = 0; i < t->n; i++) {
        kill(t->pid[i], SIGKILL);
    }
    size_t n = t->n;
    free(t);
    return n;
}

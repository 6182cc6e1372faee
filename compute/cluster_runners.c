/* Lists and ends the masters and workers of a cluster. */
#include "cluster_runners.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse(const char *name, eg_cluster_runner *ret) {
    eg_str rest = eg_str_of(name);
    eg_str kind = eg_str_cut(&rest, '-');
    eg_cluster_runner r = {0};
    if (eg_str_is(kind, "master")) {
        r.kind = EG_RUNNER_MASTER;
    } else if (eg_str_is(kind, "worker")) {
        r.kind = EG_RUNNER_WORKER;
    } else {
        return false;
    }
    if (!rest.ptr || rest.len > EG_RUNNER_ID_MAX) {
        return false;
    }
    memcpy(r.id, rest.ptr, rest.len);
    eg_str number = rest;
    eg_str generation = eg_str_cut(&number, '-');
    if (eg_str_u64(generation, INT64_MAX, &r.generation) != EG_OK) {
        return false;
    }
    if (number.ptr && eg_str_u64(number, INT64_MAX, &r.number) != EG_OK) {
        return false;
    }
    *ret = r;
    return true;
}

eg_err eg_cluster_runners_list(const eg_cluster_site *s, eg_cluster_runner *ret, size_t cap, size_t *ret_n, eg_problem *p) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s/run", s->clusters_dir, s->cluster);
    DIR *d = len > 0 && (size_t)len < sizeof path ? opendir(path) : NULL;
    size_t n = 0;
    if (!d) {
        if (errno != ENOENT) {
            return eg_fail(p, eg_err_from_errno(errno), "Cannot list the runners of cluster \"%s\".", s->cluster);
        }
        *ret_n = 0;
        return EG_OK;
    }
    struct dirent *entry;
    while (n < cap && (entry = readdir(d))) {
        eg_cluster_runner r;
        if (!parse(entry->d_name, &r)) {
            continue;
        }
        eg_runner_ref ref = {.clusters_dir = s->clusters_dir, .cluster = s->cluster, .kind = r.kind, .id = r.id};
        eg_runner_status status;
        if (eg_runner_look(&ref, &status, NULL) == EG_OK && status.state != EG_RUNNER_ABSENT) {
            r.state = status.state;
            ret[n++] = r;
        }
    }
    closedir(d);
    *ret_n = n;
    return EG_OK;
}

eg_err eg_cluster_runners_end(const eg_cluster_site *s, eg_launch_stop how, size_t *ret_living, eg_problem *p) {
    eg_cluster_runner *all = calloc(EG_CLUSTER_RUNNERS_MAX, sizeof *all);
    if (!all) {
        return EG_ERR_NO_MEMORY;
    }
    size_t n = 0, living = 0;
    eg_err e = eg_cluster_runners_list(s, all, EG_CLUSTER_RUNNERS_MAX, &n, p);
    for (size_t i = 0; i < n && e == EG_OK; i++) {
        bool lives = all[i].state == EG_RUNNER_RUNNING;
        living += lives;
        e = lives ? eg_launcher_stop(s->launcher, s->cluster, all[i].kind, all[i].id, how, p)
                  : eg_launcher_discard(s->launcher, s->cluster, all[i].kind, all[i].id, p);
        if (e == EG_ERR_NOT_FOUND || e == EG_ERR_BUSY) {
            e = EG_OK; /* it changed while we looked; the next call sees how */
        }
    }
    free(all);
    if (e == EG_OK) {
        *ret_living = living;
    }
    return e;
}

void eg_cluster_runners_last_words(const eg_runner_ref *ref, const uint8_t log_key[EG_RUNNER_LOG_KEY_LEN], char *ret, size_t cap) {
    eg_runner_log l;
    ret[0] = '\0';
    if (eg_runner_log_read(ref, (eg_bytes){log_key, EG_RUNNER_LOG_KEY_LEN}, -1, 2, &l, NULL) != EG_OK) {
        return;
    }
    snprintf(ret, cap, "%.*s", EG_FMT(eg_buf_str(&l.lines)));
    eg_runner_log_done(&l);
}

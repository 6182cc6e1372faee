/* Clusters as the rest of compute asks for them; cluster_keeper.c acts. */
#include "cluster_keeper.h"

#include "runner_process.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const state_names[] = {
    [EG_CLUSTER_STOPPED] = "stopped",
    [EG_CLUSTER_STARTING] = "starting",
    [EG_CLUSTER_RUNNING] = "running",
    [EG_CLUSTER_BACKOFF] = "backoff",
    [EG_CLUSTER_STOPPING] = "stopping",
};

const char *eg_cluster_state_name(eg_cluster_state s) {
    return (unsigned)s < sizeof state_names / sizeof *state_names ? state_names[s] : "stopped";
}

static eg_cluster *find(const eg_clusters *cs, eg_str name) {
    for (size_t i = 0; i < cs->n; i++) {
        if (eg_str_is(name, cs->clusters[i].config->name)) {
            return (eg_cluster *)(uintptr_t)&cs->clusters[i];
        }
    }
    return NULL;
}

eg_err eg_clusters_open(const eg_compute_options *o, eg_launcher_client *launcher, eg_clusters **ret, eg_problem *p) {
    eg_clusters *cs = calloc(1, sizeof *cs + o->cluster_count * sizeof *cs->clusters);
    if (!cs) {
        return EG_ERR_NO_MEMORY;
    }
    cs->o = o;
    cs->n = o->cluster_count;
    for (size_t i = 0; i < cs->n; i++) {
        cs->clusters[i].config = &o->clusters[i];
        cs->clusters[i].site = (eg_cluster_site){.clusters_dir = o->clusters_dir, .cluster = o->clusters[i].name, .launcher = launcher};
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cs->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&cs->lock, NULL);
    if (pthread_create(&cs->thread, NULL, eg_cluster_keeper, cs) != 0) {
        free(cs);
        return eg_fail(p, EG_ERR_UNAVAILABLE, "Cannot start the thread that keeps the clusters.");
    }
    *ret = cs;
    return EG_OK;
}

void eg_clusters_close(eg_clusters *cs) {
    if (!cs) {
        return;
    }
    pthread_mutex_lock(&cs->lock);
    cs->stop = true;
    pthread_cond_signal(&cs->wake);
    pthread_mutex_unlock(&cs->lock);
    pthread_join(cs->thread, NULL);
    for (size_t i = 0; i < cs->n; i++) {
        eg_secret_free(cs->clusters[i].key);
    }
    pthread_cond_destroy(&cs->wake);
    pthread_mutex_destroy(&cs->lock);
    free(cs);
}

const eg_cluster_config *eg_clusters_config(const eg_clusters *cs, eg_str name) {
    const eg_cluster *c = find(cs, name);
    return c ? c->config : NULL;
}

void eg_clusters_on_change(eg_clusters *cs, void (*fn)(void *ctx, const char *cluster), void *ctx) {
    pthread_mutex_lock(&cs->lock);
    cs->on_change = fn;
    cs->on_change_ctx = ctx;
    pthread_mutex_unlock(&cs->lock);
}

eg_err eg_clusters_hold(eg_clusters *cs, eg_str name) {
    eg_cluster *c = find(cs, name);
    if (!c) {
        return EG_ERR_CLUSTER_NOT_FOUND;
    }
    pthread_mutex_lock(&cs->lock);
    c->holds++;
    pthread_cond_signal(&cs->wake);
    pthread_mutex_unlock(&cs->lock);
    return EG_OK;
}

void eg_clusters_release(eg_clusters *cs, eg_str name) {
    eg_cluster *c = find(cs, name);
    if (c) {
        pthread_mutex_lock(&cs->lock);
        c->holds -= c->holds > 0;
        pthread_mutex_unlock(&cs->lock);
    }
}

eg_cluster_state eg_clusters_state(eg_clusters *cs, eg_str name, eg_problem *p) {
    eg_cluster *c = find(cs, name);
    if (!c) {
        (void)eg_fail(p, EG_ERR_CLUSTER_NOT_FOUND, "There is no cluster \"%.*s\".", EG_FMT(name));
        return EG_CLUSTER_STOPPED;
    }
    pthread_mutex_lock(&cs->lock);
    eg_cluster_state s = c->state;
    if (p && s != EG_CLUSTER_RUNNING) {
        if (c->problem.code != EG_OK) {
            *p = c->problem;
        } else {
            eg_fail(p, EG_ERR_CLUSTER_DOWN, "Cluster \"%s\" is %s.", c->config->name, eg_cluster_state_name(s));
        }
    }
    pthread_mutex_unlock(&cs->lock);
    return s;
}

uint64_t eg_clusters_generation(eg_clusters *cs, eg_str name) {
    eg_cluster *c = find(cs, name);
    if (!c) {
        return 0;
    }
    pthread_mutex_lock(&cs->lock);
    const uint64_t n = c->record.generation;
    pthread_mutex_unlock(&cs->lock);
    return n;
}

eg_err eg_clusters_batch_conf(eg_clusters *cs, const eg_spark_batch *b, eg_buf *ret, uint64_t *ret_generation, eg_problem *p) {
    eg_cluster *c = find(cs, eg_str_of(b->cluster));
    if (!c) {
        return eg_fail(p, EG_ERR_CLUSTER_NOT_FOUND, "There is no cluster \"%s\".", b->cluster);
    }
    char rpc[EG_CLUSTER_SECRET_TEXT] = "";
    pthread_mutex_lock(&cs->lock);
    bool running = c->state == EG_CLUSTER_RUNNING;
    uint16_t port = c->record.port;
    *ret_generation = c->record.generation;
    if (running) {
        eg_cluster_record_rpc_secret(c->key, c->record.generation, rpc);
    }
    pthread_mutex_unlock(&cs->lock);
    if (!running) {
        return eg_fail(p, EG_ERR_CLUSTER_DOWN, "Cluster \"%s\" is not running yet.", c->config->name);
    }
    eg_spark_site site = {.cluster = c->config, .clusters_dir = cs->o->clusters_dir, .public_url = cs->o->public_url, .tenant = c->config->tenant,
                          .master_port = port, .rpc_secret = eg_str_of(rpc)};
    eg_err e = eg_spark_conf_batch(&site, b, ret, p);
    eg_cleanse(rpc, sizeof rpc);
    return e;
}

static json_t *health_of(eg_clusters *cs, const eg_cluster *c) {
    pthread_mutex_lock(&cs->lock);
    json_t *v = json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", c->config->name, "state", eg_cluster_state_name(c->state), "workers", (int)c->alive,
                          "workersWanted", (int)c->config->workers, "batches", (int)c->holds);
    if (v && c->problem.code != EG_OK) {
        json_object_set_new(v, "problem", json_string(c->problem.message));
    }
    pthread_mutex_unlock(&cs->lock);
    return v;
}

json_t *eg_clusters_health(eg_clusters *cs) {
    json_t *all = json_array();
    for (size_t i = 0; i < cs->n && all; i++) {
        json_array_append_new(all, health_of(cs, &cs->clusters[i]));
    }
    return all;
}

/* Its jobs run as the user that this process has. */
static bool shares_our_user(const eg_cluster_config *c) {
    struct passwd pw;
    struct passwd *found = NULL;
    char text[4096];
    if (!c->user || c->user[0] == '\0') {
        return true;
    }
    return getpwnam_r(c->user, &pw, text, sizeof text, &found) != 0 || !found || pw.pw_uid == geteuid();
}

static const struct {
    unsigned flag;
    const char *words;
} told[] = {
    {EG_RUNNER_PRIVATE_TMP, "no mount namespace of its own, so what executors print lies unsealed in its tmp/work"},
    {EG_RUNNER_CONFINED, "no read-only view of this machine, so its jobs write wherever its user may, and that is not counted"},
    {EG_RUNNER_GROUP, "no cgroup of its own, so its jobs share memory and processors with the server"},
    {EG_RUNNER_FILTER, "no filter of system calls, so its jobs reach all of the kernel"},
};

json_t *eg_clusters_isolation_missing(const eg_clusters *cs) {
    json_t *all = json_array();
    for (size_t i = 0; i < cs->n && all; i++) {
        const eg_cluster_config *c = cs->clusters[i].config;
        if (shares_our_user(c)) {
            json_array_append_new(all, json_sprintf("%s: no UNIX user of its own, so its jobs can read what the server can read", c->name));
        }
        for (size_t k = 0; k < sizeof told / sizeof *told; k++) {
            if (eg_launcher_client_lacks(cs->clusters[i].site.launcher, told[k].flag)) {
                json_array_append_new(all, json_sprintf("%s: %s", c->name, told[k].words));
            }
        }
        json_array_append_new(all, json_sprintf("%s: no network namespace of its own, so its jobs reach what this machine reaches", c->name));
    }
    return all;
}

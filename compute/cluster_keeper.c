/* The thread that keeps clusters: starts, watches and stops their masters and workers as is wanted. */
#include "cluster_keeper.h"

#include "cluster_probe.h"

#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 200
#define START_MS 180000        /* from the master's start to the first registered worker */
#define STOP_MS 15000          /* then what still lives is killed */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define STEADY_MS 60000        /* what ran so long starts again without delay */
#define WATCH_MS 1000
#define COUNT_MS 5000          /* between two questions how many workers are registered */

static int64_t now_ms(const eg_clusters *cs) {
    return eg_mono_ns(cs->o->clock) / 1000000;
}

static void set_state(eg_clusters *cs, eg_cluster *c, eg_cluster_state state, const eg_problem *why) {
    pthread_mutex_lock(&cs->lock);
    bool changed = c->state != state;
    c->state = state;
    c->problem = why ? *why : (eg_problem){0};
    c->alive = state == EG_CLUSTER_RUNNING ? c->alive : 0;
    void (*fn)(void *, const char *) = changed ? cs->on_change : NULL;
    void *ctx = cs->on_change_ctx;
    pthread_mutex_unlock(&cs->lock);
    if (changed) {
        c->since_ms = now_ms(cs);
        c->next_ms = 0;
    }
    if (fn) {
        fn(ctx, c->config->name);
    }
}

static eg_runner_ref master_ref(const eg_cluster *c, char id[EG_RUNNER_ID_MAX + 1]) {
    snprintf(id, EG_RUNNER_ID_MAX + 1, "%llu", (unsigned long long)c->record.generation);
    return (eg_runner_ref){.clusters_dir = c->site.clusters_dir, .cluster = c->config->name, .kind = EG_RUNNER_MASTER, .id = id};
}

static eg_runner_state look(const eg_runner_ref *ref) {
    eg_runner_status s;
    return eg_runner_look(ref, &s, NULL) == EG_OK ? s.state : EG_RUNNER_UNKNOWN;
}

static void log_key_of(const eg_cluster *c, eg_runner_kind kind, const char *id, uint8_t ret[EG_KEY_LEN]) {
    char name[64];
    snprintf(name, sizeof name, "%s-%s", eg_runner_kind_name(kind), id);
    eg_cluster_record_log_key(c->key, name, ret);
}

/* Into backoff; what lives is ended there. */
static void fail(eg_clusters *cs, eg_cluster *c, const eg_problem *why) {
    int64_t lasted = now_ms(cs) - c->since_ms;
    if (c->state == EG_CLUSTER_RUNNING && lasted > STEADY_MS) {
        c->backoff_ms = 0;
    }
    c->backoff_ms = c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2 < BACKOFF_LAST_MS ? c->backoff_ms * 2 : BACKOFF_LAST_MS;
    c->worker_count = 0;
    set_state(cs, c, EG_CLUSTER_BACKOFF, why);
}

static void fail_master(eg_clusters *cs, eg_cluster *c, const char *what) {
    char id[EG_RUNNER_ID_MAX + 1], words[256];
    uint8_t key[EG_KEY_LEN];
    eg_problem p = {0};
    eg_runner_ref ref = master_ref(c, id);
    log_key_of(c, EG_RUNNER_MASTER, id, key);
    eg_cluster_runners_last_words(&ref, key, words, sizeof words);
    eg_cleanse(key, sizeof key);
    eg_fail(&p, EG_ERR_CLUSTER_DOWN, "Cluster \"%s\": %s.", c->config->name, what);
    if (words[0]) {
        eg_fail_hint(&p, "It last said: %s", words);
    }
    fail(cs, c, &p);
}

/* The properties of a master or worker, given to a runner. */
static eg_err start_daemon(eg_clusters *cs, eg_cluster *c, eg_runner_kind kind, const char *id, eg_problem *p) {
    char rpc[EG_CLUSTER_SECRET_TEXT];
    uint8_t ui[EG_KEY_LEN], log_key[EG_KEY_LEN];
    eg_buf ui_text, properties;
    eg_buf_init(&ui_text, 128);
    eg_buf_init(&properties, EG_SPARK_CONF_MAX);
    eg_cluster_record_rpc_secret(c->key, c->record.generation, rpc);
    eg_cluster_record_ui_key(c->key, c->record.generation, ui);
    log_key_of(c, kind, id, log_key);
    eg_err e = eg_base64url((eg_bytes){ui, sizeof ui}, &ui_text);
    eg_spark_site site = {
        .cluster = c->config, .clusters_dir = cs->o->clusters_dir, .public_url = cs->o->public_url, .tenant = c->config->tenant,
        .master_port = c->record.port, .rpc_secret = eg_str_of(rpc), .ui_secret = eg_buf_str(&ui_text)};
    if (e == EG_OK) {
        e = kind == EG_RUNNER_MASTER ? eg_spark_conf_master(&site, &properties, p) : eg_spark_conf_worker(&site, &properties, p);
    }
    if (e == EG_OK) {
        eg_launch_spec s = {
            .cluster = c->config->name, .kind = kind, .id = id, .log_key = {log_key, sizeof log_key}, .properties = eg_buf_bytes(&properties),
            .port = c->record.port, .ui_port = kind == EG_RUNNER_MASTER ? c->record.ui_port : 0};
        e = eg_launcher_start(c->site.launcher, &s, p);
    }
    if (properties.ptr) {
        eg_cleanse(properties.ptr, properties.cap);
    }
    if (ui_text.ptr) {
        eg_cleanse(ui_text.ptr, ui_text.cap);
    }
    eg_cleanse(rpc, sizeof rpc);
    eg_cleanse(ui, sizeof ui);
    eg_cleanse(log_key, sizeof log_key);
    eg_buf_done(&properties);
    eg_buf_done(&ui_text);
    return e;
}

/* A new generation: durable before its master is started, so that no generation is ever used twice. */
static eg_err start_master(eg_clusters *cs, eg_cluster *c, eg_problem *p) {
    eg_cluster_record r = c->record;
    char id[EG_RUNNER_ID_MAX + 1];
    r.generation++;
    EG_TRY(eg_cluster_probe_free_ports(&r.port, &r.ui_port));
    EG_TRY(eg_cluster_record_save(cs->o, c->config, &r, p));
    pthread_mutex_lock(&cs->lock);
    c->record = r;
    pthread_mutex_unlock(&cs->lock);
    c->worker_count = 0;
    c->worker_number = 0;
    EG_TRY(eg_launcher_ensure(c->site.launcher, c->config->name, p));
    (void)master_ref(c, id);
    return start_daemon(cs, c, EG_RUNNER_MASTER, id, p);
}

static void start_cluster(eg_clusters *cs, eg_cluster *c) {
    eg_problem p = {0};
    set_state(cs, c, EG_CLUSTER_STARTING, NULL);
    eg_err e = start_master(cs, c, &p);
    if (e != EG_OK) {
        if (p.message[0] == '\0') {
            eg_fail(&p, e, "Cluster \"%s\" cannot start: %s.", c->config->name, eg_err_code(e));
        }
        fail(cs, c, &p);
    }
}

static void start_worker(eg_clusters *cs, eg_cluster *c, eg_cluster_worker *w) {
    eg_problem p = {0};
    int64_t now = now_ms(cs);
    if (w->id[0] && now - w->since_ms > STEADY_MS) {
        w->backoff_ms = 0;
    }
    w->backoff_ms = w->backoff_ms == 0 ? BACKOFF_FIRST_MS : w->backoff_ms * 2 < BACKOFF_LAST_MS ? w->backoff_ms * 2 : BACKOFF_LAST_MS;
    w->retry_ms = now + w->backoff_ms;
    w->since_ms = now;
    if (w->id[0]) {
        eg_err gone = eg_launcher_discard(c->site.launcher, c->config->name, EG_RUNNER_WORKER, w->id, &p);
        (void)gone; /* a directory too many harms nobody; the next start of the cluster removes it */
    }
    snprintf(w->id, sizeof w->id, "%llu-%llu", (unsigned long long)c->record.generation, (unsigned long long)c->worker_number++);
    eg_err e = start_daemon(cs, c, EG_RUNNER_WORKER, w->id, &p);
    if (e != EG_OK) {
        pthread_mutex_lock(&cs->lock);
        c->problem = p;
        pthread_mutex_unlock(&cs->lock);
    }
}

static void keep_workers(eg_clusters *cs, eg_cluster *c) {
    unsigned wanted = c->config->workers < EG_CLUSTER_WORKERS_MAX ? c->config->workers : EG_CLUSTER_WORKERS_MAX;
    int64_t now = now_ms(cs);
    c->worker_count = wanted;
    for (size_t i = 0; i < wanted; i++) {
        eg_cluster_worker *w = &c->workers[i];
        eg_runner_ref ref = {.clusters_dir = c->site.clusters_dir, .cluster = c->config->name, .kind = EG_RUNNER_WORKER, .id = w->id};
        if ((w->id[0] == '\0' || look(&ref) != EG_RUNNER_RUNNING) && now >= w->retry_ms) {
            start_worker(cs, c, w);
        }
    }
}

static eg_err count_workers(eg_clusters *cs, eg_cluster *c, eg_problem *p) {
    uint8_t ui[EG_KEY_LEN];
    unsigned alive = 0;
    eg_cluster_record_ui_key(c->key, c->record.generation, ui);
    eg_err e = eg_cluster_probe_workers(c->record.ui_port, ui, eg_wall_s(cs->o->clock), &alive, p);
    eg_cleanse(ui, sizeof ui);
    c->counted_ms = now_ms(cs);
    if (e == EG_OK) {
        pthread_mutex_lock(&cs->lock);
        c->alive = alive;
        pthread_mutex_unlock(&cs->lock);
    }
    return e;
}

static void step_starting(eg_clusters *cs, eg_cluster *c, bool wanted) {
    (void)wanted;
    char id[EG_RUNNER_ID_MAX + 1];
    eg_problem p = {0};
    eg_runner_ref ref = master_ref(c, id);
    if (look(&ref) != EG_RUNNER_RUNNING) {
        fail_master(cs, c, "its master ended");
        return;
    }
    if (now_ms(cs) - c->since_ms > START_MS) {
        fail_master(cs, c, "no worker registered in time");
        return;
    }
    if (c->worker_count == 0) {
        if (eg_cluster_probe_port(c->record.port) == EG_OK) {
            memset(c->workers, 0, sizeof c->workers);
            keep_workers(cs, c);
        }
        return;
    }
    keep_workers(cs, c);
    if (count_workers(cs, c, &p) == EG_OK && c->alive > 0) {
        set_state(cs, c, EG_CLUSTER_RUNNING, NULL);
    }
}

static void step_running(eg_clusters *cs, eg_cluster *c, bool wanted) {
    char id[EG_RUNNER_ID_MAX + 1];
    eg_problem p = {0};
    int64_t now = now_ms(cs);
    c->next_ms = now + WATCH_MS;
    eg_runner_ref ref = master_ref(c, id);
    if (look(&ref) != EG_RUNNER_RUNNING) {
        fail_master(cs, c, "its master ended");
        return;
    }
    keep_workers(cs, c);
    if (now - c->counted_ms > COUNT_MS && count_workers(cs, c, &p) != EG_OK) {
        pthread_mutex_lock(&cs->lock);
        c->problem = p; /* a busy machine may keep a master from answering: said, but no reason to end what runs */
        pthread_mutex_unlock(&cs->lock);
    }
    c->idle_ms = wanted ? 0 : c->idle_ms ? c->idle_ms : now;
    if (c->idle_ms && c->config->idle_stop_s && now - c->idle_ms > (int64_t)c->config->idle_stop_s * 1000) {
        c->idle_ms = 0;
        set_state(cs, c, EG_CLUSTER_STOPPING, NULL);
    }
}

static void step_stopping(eg_clusters *cs, eg_cluster *c, bool wanted) {
    (void)wanted;
    size_t living = 1;
    eg_problem p = {0};
    bool late = now_ms(cs) - c->since_ms > STOP_MS;
    c->next_ms = now_ms(cs) + 500;
    if (eg_cluster_runners_end(&c->site, late ? EG_LAUNCH_STOP_NOW : EG_LAUNCH_STOP_GRACEFUL, &living, &p) == EG_OK && living == 0) {
        c->worker_count = 0;
        set_state(cs, c, EG_CLUSTER_STOPPED, NULL);
    }
}

static void step_backoff(eg_clusters *cs, eg_cluster *c, bool wanted) {
    size_t living = 1;
    eg_problem p = {0};
    eg_err e = eg_cluster_runners_end(&c->site, EG_LAUNCH_STOP_NOW, &living, &p);
    c->next_ms = now_ms(cs) + 500;
    if (e != EG_OK || living > 0 || now_ms(cs) - c->since_ms < c->backoff_ms) {
        return;
    }
    if (wanted) {
        start_cluster(cs, c);
    } else {
        pthread_mutex_lock(&cs->lock);
        eg_problem last = c->problem;
        pthread_mutex_unlock(&cs->lock);
        set_state(cs, c, EG_CLUSTER_STOPPED, &last);
    }
}

static void step_stopped(eg_clusters *cs, eg_cluster *c, bool wanted) {
    if (wanted) {
        start_cluster(cs, c);
    }
}

static void (*const steps[])(eg_clusters *, eg_cluster *, bool) = {
    [EG_CLUSTER_STOPPED] = step_stopped,
    [EG_CLUSTER_STARTING] = step_starting,
    [EG_CLUSTER_RUNNING] = step_running,
    [EG_CLUSTER_BACKOFF] = step_backoff,
    [EG_CLUSTER_STOPPING] = step_stopping,
};

/* Takes up what a gateway before us left running. */
static void adopt(eg_clusters *cs, eg_cluster *c, const eg_cluster_runner *all, size_t n) {
    bool master = false;
    size_t living = 0;
    for (size_t i = 0; i < n; i++) {
        bool ours = all[i].generation == c->record.generation && all[i].state == EG_RUNNER_RUNNING;
        living += all[i].state == EG_RUNNER_RUNNING;
        master = master || (ours && all[i].kind == EG_RUNNER_MASTER);
        if (all[i].kind == EG_RUNNER_WORKER && all[i].generation == c->record.generation && all[i].number >= c->worker_number) {
            c->worker_number = all[i].number + 1;
        }
        if (ours && all[i].kind == EG_RUNNER_WORKER && c->worker_count < EG_CLUSTER_WORKERS_MAX) {
            memcpy(c->workers[c->worker_count++].id, all[i].id, sizeof all[i].id);
        }
    }
    if (!master) {
        c->worker_count = 0;
    }
    set_state(cs, c, master ? EG_CLUSTER_STARTING : living > 0 ? EG_CLUSTER_STOPPING : EG_CLUSTER_STOPPED, NULL);
}

/* False while keeper or store do not answer; tried again with backoff. */
static bool load(eg_clusters *cs, eg_cluster *c) {
    eg_problem p = {0};
    eg_secret *key = NULL;
    eg_cluster_record r;
    size_t n = 0;
    eg_cluster_runner *all = calloc(EG_CLUSTER_RUNNERS_MAX, sizeof *all);
    eg_err e = all ? eg_cluster_record_load(cs->o, c->config, &r, &key, &p) : EG_ERR_NO_MEMORY;
    if (e == EG_OK) {
        e = eg_cluster_runners_list(&c->site, all, EG_CLUSTER_RUNNERS_MAX, &n, &p);
    }
    if (e == EG_OK) {
        pthread_mutex_lock(&cs->lock);
        c->record = r;
        c->key = key;
        pthread_mutex_unlock(&cs->lock);
        adopt(cs, c, all, n);
        c->backoff_ms = 0;
    } else {
        eg_secret_free(key);
        c->backoff_ms = c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2 < BACKOFF_LAST_MS ? c->backoff_ms * 2 : BACKOFF_LAST_MS;
        c->next_ms = now_ms(cs) + c->backoff_ms;
        pthread_mutex_lock(&cs->lock);
        c->problem = p;
        pthread_mutex_unlock(&cs->lock);
    }
    free(all);
    return e == EG_OK;
}

static void step(eg_clusters *cs, eg_cluster *c) {
    pthread_mutex_lock(&cs->lock);
    bool wanted = c->holds > 0;
    eg_cluster_state state = c->state;
    pthread_mutex_unlock(&cs->lock);
    if (now_ms(cs) < c->next_ms && !(wanted && state == EG_CLUSTER_STOPPED && c->key)) {
        return;
    }
    if (c->key || load(cs, c)) {
        steps[c->state](cs, c, wanted);
    }
}

void *eg_cluster_keeper(void *eg_clusters_ptr) {
    eg_clusters *cs = eg_clusters_ptr;
    for (;;) {
        for (size_t i = 0; i < cs->n; i++) {
            step(cs, &cs->clusters[i]);
        }
        int64_t until = eg_mono_ns(&eg_clock_system) + (int64_t)TICK_MS * 1000000;
        struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
        pthread_mutex_lock(&cs->lock);
        if (!cs->stop) {
            pthread_cond_timedwait(&cs->wake, &cs->lock, &t);
        }
        bool stop = cs->stop;
        pthread_mutex_unlock(&cs->lock);
        if (stop) {
            return NULL;
        }
    }
}

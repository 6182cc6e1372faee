/* Looks at every live batch in turn and takes its next step. */
#include "watcher.h"

#include "batch_settle.h"
#include "batch_start.h"
#include "retention.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define SWEEP_MS 250
#define SECOND 1000000000ll
#define APP_FAST_S 180          /* the application id is looked for every second so long, then every 15 s */
#define FLUSH_S 5
#define TRIES_MAX 40            /* about 20 minutes */
#define EXPIRE_S 60
#define CLUSTER_WAIT_S 1200     /* for a cluster that doesn't come up */

struct eg_watcher {
    eg_compute *c;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, poked;
    int64_t expire_ns;
    eg_retention retention;
    eg_live_job *list[EG_LIVE_JOBS_MAX];
    size_t count;
};

static eg_runner_ref ref_of(const eg_compute *c, const eg_live_job *job) {
    return (eg_runner_ref){c->o.clusters_dir, job->who.cluster, EG_RUNNER_BATCH, job->id_text};
}

/* After this the job is no more. */
static void remove_job(eg_compute *c, eg_live_job *job) {
    if (job->held) {
        eg_clusters_release(c->clusters, eg_str_of(job->who.cluster));
    }
    eg_live_jobs_remove(c->jobs, job);
}

/* A step that failed is tried again: soon, then ever later. */
static void later(const eg_compute *c, eg_live_job *job) {
    unsigned s = job->tries < 5 ? 1u << job->tries : 30;
    job->tries++;
    job->next_try_ns = eg_mono_ns(c->o.clock) + (int64_t)s * SECOND;
}

/* Of a deleted batch nothing stays but its row of usage. */
static void discard(eg_compute *c, eg_live_job *job) {
    eg_err e = eg_launcher_discard(c->launcher, job->who.cluster, EG_RUNNER_BATCH, job->id_text, NULL);
    if (e != EG_OK && e != EG_ERR_CLUSTER_NOT_FOUND) {
        later(c, job);
        return;
    }
    eg_batch_remove r = {job->who.cluster, job->id};
    eg_txn_op op = eg_batch_store_remove(&r);
    if (eg_commit(c->o.committer, &op, 1, NULL) == EG_OK) {
        job->gone = true;
    } else {
        later(c, job);
    }
}

static void settle(eg_compute *c, eg_live_job *job, const eg_batch_end *end) {
    eg_err e = eg_batch_settle(c, job, end);
    if (e == EG_ERR_BATCH_NOT_FOUND || (e == EG_OK && !job->deleted)) {
        job->gone = true;
    } else if (e != EG_OK) {
        later(c, job);
    }
}

static void settle_status(eg_compute *c, eg_live_job *job, const eg_runner_status *s) {
    eg_batch_end end = {.state = EG_BATCH_DEAD, .status = s};
    if (s->state == EG_RUNNER_ENDED && s->exit_code == 0 && s->signal == 0 && !s->start_failed) {
        end.state = EG_BATCH_SUCCESS;
    } else if ((s->state == EG_RUNNER_ENDED && s->stopped) || atomic_load(&job->stop_asked)) {
        end.state = EG_BATCH_KILLED;
    }
    if (job->lost && end.state == EG_BATCH_KILLED && !atomic_load(&job->stop_asked)) {
        end.state = EG_BATCH_DEAD;
        end.why = EG_ERR_CLUSTER_DOWN;
    } else if (s->state == EG_RUNNER_ENDED && s->start_failed) {
        end.why = EG_ERR_LAUNCHER;
    } else if (s->state == EG_RUNNER_ENDED && s->over_disk) {
        end.why = EG_ERR_QUOTA;
    } else if (atomic_load(&job->revoked) && end.state != EG_BATCH_SUCCESS) {
        end.why = EG_ERR_TOKEN_REVOKED;
    }
    settle(c, job, &end);
}

/* "Connected to Spark cluster with app ID app-20261123-0001" */
static bool find_app_id(const eg_runner_log *l, char ret[64]) {
    static const char words[] = "Connected to Spark cluster with app ID ";
    const char *at = l->lines.ptr ? memmem(l->lines.ptr, l->lines.len, words, sizeof words - 1) : NULL;
    if (!at) {
        return false;
    }
    at += sizeof words - 1;
    size_t left = (size_t)(l->lines.ptr + l->lines.len - at), n = 0;
    while (n < left && n < 63 && (at[n] == '-' || (at[n] >= '0' && at[n] <= '9') || (at[n] >= 'a' && at[n] <= 'z'))) {
        n++;
    }
    memcpy(ret, at, n);
    ret[n] = 0;
    return n > 4;
}

static void look_for_app(eg_compute *c, eg_live_job *job) {
    int64_t now = eg_mono_ns(c->o.clock);
    if (job->app_id[0] || now < job->next_app_ns || eg_batch_start_unlock(c, job) != EG_OK) {
        return;
    }
    bool young = eg_wall_ns(c->o.clock) - job->started_ns < APP_FAST_S * SECOND;
    job->next_app_ns = now + (young ? SECOND : 15 * SECOND);
    eg_runner_log l = {0};
    eg_runner_ref ref = ref_of(c, job);
    if (eg_runner_log_read(&ref, (eg_bytes){job->log_key, sizeof job->log_key}, 0, 5000, &l, NULL) == EG_OK) {
        char id[64];
        if (find_app_id(&l, id)) {
            memcpy(job->app_id, id, sizeof id);
            job->flush_ns = 0; /* write it now */
        }
        eg_runner_log_done(&l);
    }
}

static void ask_to_stop(eg_compute *c, eg_live_job *job) {
    if (eg_mono_ns(c->o.clock) < job->next_try_ns) {
        return;
    }
    /* The launcher kills after 10 s what SIGTERM doesn't end; asked again in case it was restarted in between. */
    eg_err e = eg_launcher_stop(c->launcher, job->who.cluster, EG_RUNNER_BATCH, job->id_text, job->stop_sent ? EG_LAUNCH_STOP_NOW : EG_LAUNCH_STOP_GRACEFUL, NULL);
    job->stop_sent = job->stop_sent || e == EG_OK;
    job->next_try_ns = eg_mono_ns(c->o.clock) + (e == EG_OK ? 15 : 1) * SECOND;
}

/* A driver never finds a master that was started anew, with other ports and secrets, and would wait for it for ever. What has no application goes on: it
 * needs no master. */
static bool lost_its_master(eg_compute *c, eg_live_job *job) {
    const uint64_t now = eg_clusters_generation(c->clusters, eg_str_of(job->who.cluster));
    job->generation = job->generation ? job->generation : now; /* started by an earlier version */
    return job->app_id[0] && now != 0 && now != job->generation;
}

static void on_running(eg_compute *c, eg_live_job *job, const eg_runner_status *s) {
    if (atomic_load(&job->stop_asked)) {
        ask_to_stop(c, job);
        return;
    }
    job->started_ns = s->started_ns ? s->started_ns : job->started_ns ? job->started_ns : eg_wall_ns(c->o.clock);
    look_for_app(c, job);
    job->lost = job->lost || lost_its_master(c, job);
    if (job->lost) {
        ask_to_stop(c, job);
        return;
    }
    bool moved = job->flushed_read != atomic_load(&job->read) || job->flushed_written != atomic_load(&job->written);
    bool due = eg_mono_ns(c->o.clock) >= job->flush_ns;
    if (job->state == EG_BATCH_STARTING || (due && (moved || (job->app_id[0] && job->flush_ns == 0)))) {
        if (eg_batch_settle_progress(c, job) == EG_OK) {
            job->flush_ns = eg_mono_ns(c->o.clock) + FLUSH_S * SECOND;
        }
    }
}

static void watch(eg_compute *c, eg_live_job *job) {
    eg_runner_status s = {0};
    eg_runner_ref ref = ref_of(c, job);
    eg_err e = eg_runner_look(&ref, &s, NULL);
    if (e == EG_ERR_CORRUPT) {
        settle(c, job, &(eg_batch_end){.state = EG_BATCH_DEAD, .why = EG_ERR_CORRUPT});
    } else if (e != EG_OK) {
        later(c, job);
    } else if (s.state == EG_RUNNER_RUNNING) {
        on_running(c, job, &s);
    } else if (s.state == EG_RUNNER_ABSENT) {
        job->launched = false; /* the launcher never got to it */
    } else if (s.state == EG_RUNNER_DEAD && s.pid == 0 && !atomic_load(&job->stop_asked)) {
        /* A runner's record is durable before its program is started: without one (the launcher was killed just then) nothing of
         * the batch has run, and its place can be used again. */
        if (eg_launcher_discard(c->launcher, job->who.cluster, EG_RUNNER_BATCH, job->id_text, NULL) == EG_OK) {
            job->launched = false;
        } else {
            later(c, job);
        }
    } else {
        settle_status(c, job, &s);
    }
}

/* Drivers at one time: as many as the cluster has cores, and two at least. */
static bool has_turn(const eg_watcher *w, const eg_live_job *job) {
    size_t at = 0;
    const eg_cluster_config *cluster = eg_compute_cluster(w->c, eg_str_of(job->who.cluster), &at);
    unsigned most = cluster ? cluster->workers * cluster->worker_cores : 0, running = 0;
    for (size_t i = 0; i < w->count; i++) {
        const eg_live_job *other = w->list[i];
        running += other && other->launched && !other->settled && strcmp(other->who.cluster, job->who.cluster) == 0;
        /* First come, first served. */
        if (other && other != job && !other->launched && !other->settled && other->id < job->id && strcmp(other->who.cluster, job->who.cluster) == 0 && other->tries == 0) {
            return false;
        }
    }
    return running < (most > 2 ? most : 2);
}

static void start(eg_watcher *w, eg_live_job *job) {
    eg_compute *c = w->c;
    if (!job->held) {
        eg_err e = eg_clusters_hold(c->clusters, eg_str_of(job->who.cluster));
        if (e != EG_OK) {
            settle(c, job, &(eg_batch_end){.state = EG_BATCH_DEAD, .why = e});
            return;
        }
        job->held = true;
    }
    int64_t now = eg_mono_ns(c->o.clock);
    if (eg_clusters_state(c->clusters, eg_str_of(job->who.cluster), NULL) != EG_CLUSTER_RUNNING) {
        job->down_ns = job->down_ns ? job->down_ns : now;
        if (now - job->down_ns > CLUSTER_WAIT_S * SECOND) {
            settle(c, job, &(eg_batch_end){.state = EG_BATCH_DEAD, .why = EG_ERR_CLUSTER_DOWN});
        }
        return;
    }
    job->down_ns = 0;
    if (now < job->next_try_ns || !has_turn(w, job)) {
        return;
    }
    eg_problem p = {0};
    eg_err e = eg_batch_start(c, job, &p);
    if (e == EG_OK || e == EG_ERR_EXISTS) {
        job->launched = true;
        job->tries = 0;
        job->next_try_ns = 0;
        return;
    }
    /* The launcher may have done it all the same: its directory tells. */
    job->revisited = false;
    if (atomic_load(&job->stop_asked)) {
        return; /* the next look settles it */
    }
    if (!eg_batch_start_again(e) || job->tries >= TRIES_MAX) {
        settle(c, job, &(eg_batch_end){.state = EG_BATCH_DEAD, .why = e});
    } else {
        later(c, job);
    }
}

static void step(eg_watcher *w, eg_live_job *job) {
    eg_compute *c = w->c;
    if (job->settled || (eg_batch_state_final(job->state) && job->deleted)) {
        if (eg_mono_ns(c->o.clock) >= job->next_try_ns) {
            discard(c, job);
        }
        return;
    }
    if (!job->launched && !job->revisited) {
        eg_runner_status s = {0};
        eg_runner_ref ref = ref_of(c, job);
        job->launched = eg_runner_look(&ref, &s, NULL) != EG_OK || s.state != EG_RUNNER_ABSENT;
        job->revisited = true;
        if (job->launched && !job->held) {
            job->held = eg_clusters_hold(c->clusters, eg_str_of(job->who.cluster)) == EG_OK;
        }
    }
    if (atomic_load(&job->revoked) && job->credential[0]) {
        (void)!eg_batch_settle_credential(c, job); /* what is in memory is in force already; else at the next look */
    }
    if (job->launched) {
        watch(c, job);
    } else if (atomic_load(&job->stop_asked)) {
        settle(c, job, &(eg_batch_end){.state = EG_BATCH_KILLED, .why = atomic_load(&job->revoked) ? EG_ERR_TOKEN_REVOKED : EG_OK});
    } else {
        start(w, job);
    }
}

static void sweep(eg_watcher *w) {
    w->count = eg_live_jobs_list(w->c->jobs, w->list, EG_LIVE_JOBS_MAX);
    for (size_t i = 0; i < w->count; i++) {
        eg_live_job *job = w->list[i];
        step(w, job);
        if (job->gone) {
            w->list[i] = NULL;
            remove_job(w->c, job);
        }
    }
    int64_t now = eg_mono_ns(w->c->o.clock);
    if (now >= w->expire_ns) {
        w->expire_ns = now + EXPIRE_S * SECOND;
        eg_idempotency_sweep old = {.now_s = eg_wall_s(w->c->o.clock)};
        eg_random(old.start, sizeof old.start);
        eg_txn_op op = eg_idempotency_expire(&old);
        (void)!eg_commit(w->c->o.committer, &op, 1, NULL); /* tried again in a minute */
        (void)eg_retention_sweep(w->c, &w->retention);
    }
}

static void *run(void *arg) {
    eg_watcher *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        w->poked = false;
        pthread_mutex_unlock(&w->lock);
        sweep(w);
        pthread_mutex_lock(&w->lock);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SWEEP_MS * 1000000ll;
        until.tv_sec += until.tv_nsec / SECOND;
        until.tv_nsec %= SECOND;
        while (!w->stop && !w->poked && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0) {
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

eg_err eg_watcher_start(eg_compute *c, eg_watcher **ret) {
    eg_watcher *w = calloc(1, sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    w->c = c;
    w->retention = eg_retention_begin(c->o.clock);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return EG_ERR_NO_MEMORY;
    }
    *ret = w;
    return EG_OK;
}

void eg_watcher_stop(eg_watcher *w) {
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}

void eg_watcher_free(eg_watcher *w) {
    if (!w) {
        return;
    }
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void eg_watcher_poke(eg_watcher *w) {
    if (w) {
        pthread_mutex_lock(&w->lock);
        w->poked = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
    }
}

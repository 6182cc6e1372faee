/* The thread that puts records into the logs and publishes checkpoints, once a period or sooner when much has come. */
#include "engine.h"

#include <time.h>

#define DRAIN_TRIES 3
#define FAILURES_EVERY_NS INT64_C(60000000000)

eg_err eg_sequencer_drain(eg_audit *a) {
    bool more = true;
    while (more) {
        EG_TRY(eg_batch_integrate(a, &more));
    }
    return EG_OK;
}

/* Without a signature nothing is lost, so that a keeper that restarts stops nobody; for long it must not be. */
static void publish(eg_audit *a) {
    int64_t now = eg_mono_ns(a->clock);
    if (eg_publish(a, NULL) == EG_OK) {
        a->unsigned_since_ns = 0;
        atomic_store(&a->unsigned_too_long, false);
        return;
    }
    if (a->unsigned_since_ns == 0) {
        a->unsigned_since_ns = now;
    }
    atomic_store(&a->unsigned_too_long, now - a->unsigned_since_ns > EG_UNSIGNED_MAX_NS);
}

static bool much_is_ready(const eg_audit *a) {
    return a->ready.count >= EG_BATCH_RECORDS_MAX || a->ready.bytes >= EG_BATCH_BYTES_MAX / 2;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* how long the thread sleeps, not what time it is: not the seam */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool can_go_on(const eg_audit *a) {
    return !atomic_load(&a->sequencer_failed) && (a->urgent || much_is_ready(a)); /* a failure waits for the next period */
}

/* Sleeps until the period ends, or sooner when much is ready, the journal waits for room, a commit was announced, or the log
 * is being closed (false). */
static bool wait_for_work(eg_audit *a, int64_t began, int64_t *deadline) {
    pthread_mutex_lock(&a->ready_lock);
    while (!a->sequencer_stopping && !can_go_on(a)) {
        if (a->poked && *deadline > began + a->checkpoint_ms / 4) {
            *deadline = began + a->checkpoint_ms / 4;
        }
        if (now_ms() >= *deadline) {
            break;
        }
        struct timespec until = {.tv_sec = *deadline / 1000, .tv_nsec = *deadline % 1000 * 1000000};
        (void)pthread_cond_clockwait(&a->ready_changed, &a->ready_lock, CLOCK_MONOTONIC, &until);
    }
    a->urgent = false;
    a->poked = false;
    bool stopping = a->sequencer_stopping;
    pthread_mutex_unlock(&a->ready_lock);
    return !stopping;
}

/* Waits while a backup holds the logs. A hold that is never let go of ends with the log itself. */
static void enter(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    while (a->held && !a->sequencer_stopping) {
        pthread_cond_wait(&a->ready_changed, &a->ready_lock);
    }
    a->in_batch = true;
    pthread_mutex_unlock(&a->ready_lock);
}

static void leave(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    a->in_batch = false;
    pthread_cond_broadcast(&a->ready_changed);
    pthread_mutex_unlock(&a->ready_lock);
}

eg_err eg_audit_hold(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    const eg_err e = a->held || a->sequencer_stopping ? EG_ERR_BUSY : EG_OK;
    if (e == EG_OK) {
        a->held = true;
        while (a->in_batch) {
            pthread_cond_wait(&a->ready_changed, &a->ready_lock);
        }
    }
    pthread_mutex_unlock(&a->ready_lock);
    return e;
}

void eg_audit_release(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    a->held = false;
    pthread_cond_broadcast(&a->ready_changed);
    pthread_mutex_unlock(&a->ready_lock);
}

/* Sums whose time has come become records. */
static void close_sums(eg_audit *a) {
    int64_t now = eg_mono_ns(a->clock);
    eg_access_sum_flush(a->accesses, now, false);
    if (now - a->last_failures_ns >= FAILURES_EVERY_NS) {
        a->last_failures_ns = now;
        eg_failure_count_flush(a->failures);
    }
}

void *eg_sequencer_run(void *audit) {
    eg_audit *a = audit;
    int64_t began = now_ms();
    int64_t deadline = began + a->checkpoint_ms;
    while (wait_for_work(a, began, &deadline)) {
        bool more = true;
        eg_err e = EG_OK;
        enter(a);
        while (more && e == EG_OK && now_ms() < deadline + a->checkpoint_ms) {
            e = eg_batch_integrate(a, &more);
        }
        if (now_ms() >= deadline) {
            close_sums(a);
            publish(a);
            began = now_ms();
            deadline = began + a->checkpoint_ms;
        }
        leave(a);
    }
    for (int i = 0; i < DRAIN_TRIES && eg_sequencer_drain(a) != EG_OK; i++) {
        continue;
    }
    publish(a);
    return NULL;
}

/* The first way in: a bounded queue, and the thread that makes its records durable in groups. */
#include "engine.h"

#include <embergate/metrics.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define RECYCLE_WAIT_MS 10000
#define REPAIR_EVERY_MS 1000

void eg_item_free(eg_intake_item *i) {
    if (i) {
        eg_audit_draft_done(&i->draft);
        eg_buf_done(&i->envelope);
        free(i);
    }
}

void eg_item_list_push(eg_item_list *l, eg_intake_item *i) {
    i->next = NULL;
    if (l->last) {
        l->last->next = i;
    } else {
        l->first = i;
    }
    l->last = i;
    l->count++;
    l->bytes += i->bytes;
}

eg_intake_item *eg_item_list_pop(eg_item_list *l) {
    eg_intake_item *i = l->first;
    if (i) {
        l->first = i->next;
        if (!l->first) {
            l->last = NULL;
        }
        l->count--;
        l->bytes -= i->bytes;
    }
    return i;
}

/* The monotonic clock of pthread_cond_clockwait, not the seam: this is how long a thread sleeps, not what time it is. */
static void wait_ms(pthread_cond_t *c, pthread_mutex_t *m, unsigned ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    (void)pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, &t);
}

/* Any thread: into the queue. */

eg_err eg_intake_append(eg_audit *a, const eg_audit_record *r, const eg_audit_extra *extra, void (*done)(void *ctx, eg_err e), void *ctx) {
    if (!eg_audit_healthy(a)) {
        return EG_ERR_AUDIT_UNAVAILABLE;
    }
    eg_intake_item *i = calloc(1, sizeof *i);
    if (!i) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = eg_audit_draft_make(r, extra, a->clock, &i->draft);
    if (e != EG_OK) {
        eg_item_free(i);
        return e;
    }
    eg_buf_init(&i->envelope, EG_ENVELOPE_MAX);
    i->bytes = sizeof *i + i->draft.open.cap + i->draft.secret.cap;
    i->done = done;
    i->ctx = ctx;
    pthread_mutex_lock(&a->intake_lock);
    bool full = a->intake.count >= EG_INTAKE_RECORDS_MAX || a->intake.bytes + i->bytes > EG_INTAKE_BYTES_MAX;
    e = a->intake_stopping ? EG_ERR_AUDIT_UNAVAILABLE : full ? EG_ERR_BUSY : EG_OK;
    if (e == EG_OK) {
        eg_item_list_push(&a->intake, i);
        pthread_cond_signal(&a->intake_filled);
    }
    pthread_mutex_unlock(&a->intake_lock);
    if (e != EG_OK) {
        eg_item_free(i);
    }
    return e;
}

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool done;
    eg_err result;
} waiter;

static void wake(void *ctx, eg_err e) {
    waiter *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->result = e;
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->lock);
}

eg_err eg_intake_append_wait(eg_audit *a, const eg_audit_record *r, const eg_audit_extra *extra) {
    waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    EG_TRY(eg_intake_append(a, r, extra, wake, &w));
    pthread_mutex_lock(&w.lock);
    while (!w.done) {
        pthread_cond_wait(&w.woken, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.woken);
    return w.result;
}

/* The journal thread. */

static void answer(const eg_intake_item *i, eg_err e) {
    eg_metric_add(e == EG_OK ? EG_METRIC_AUDIT_RECORDS : EG_METRIC_AUDIT_FAILED, 1);
    if (i->done) {
        i->done(i->ctx, e);
    }
}

static void refuse_all(eg_item_list *l) {
    for (eg_intake_item *i = eg_item_list_pop(l); i; i = eg_item_list_pop(l)) {
        answer(i, EG_ERR_AUDIT_UNAVAILABLE);
        eg_item_free(i);
    }
}

static eg_err finish(eg_audit *a, eg_intake_item *i) {
    eg_log *g = NULL;
    EG_TRY(eg_logs_for_record(a->logs, eg_str_of(i->draft.log), &g));
    memcpy(i->draft.log, g->id, sizeof i->draft.log);
    EG_TRY(eg_audit_draft_finish(&i->draft, eg_log_key(g), &i->envelope));
    eg_audit_draft_done(&i->draft);
    i->draft = (eg_audit_draft){0};
    i->bytes = sizeof *i + i->envelope.cap;
    return EG_OK;
}

/* Durable: the sequencer gets the records first, so that whoever is told finds them on their way. */
static void hand_over(eg_audit *a, eg_item_list *group) {
    typedef struct told {
        void (*done)(void *ctx, eg_err e);
        void *ctx;
    } told;
    size_t n = group->count;
    told *whom = calloc(n ? n : 1, sizeof *whom);
    size_t k = 0;
    pthread_mutex_lock(&a->ready_lock);
    for (eg_intake_item *i = eg_item_list_pop(group); i; i = eg_item_list_pop(group)) {
        if (whom) {
            whom[k++] = (told){i->done, i->ctx};
        } else {
            answer(i, EG_OK); /* no memory for the list: told one by one, under the lock */
        }
        eg_item_list_push(&a->ready, i);
    }
    if (a->ready.count >= EG_BATCH_RECORDS_MAX || a->ready.bytes >= EG_BATCH_BYTES_MAX / 2) {
        pthread_cond_broadcast(&a->ready_changed);
    }
    pthread_mutex_unlock(&a->ready_lock);
    eg_metric_add(EG_METRIC_AUDIT_RECORDS, (int64_t)k);
    for (size_t m = 0; m < k; m++) {
        if (whom[m].done) {
            whom[m].done(whom[m].ctx, EG_OK);
        }
    }
    free(whom);
}

/* Until the sequencer has emptied the journal's other half: bounded, and not at all while it fails. */
static eg_err sync_group(eg_audit *a) {
    for (int waited = 0; waited < RECYCLE_WAIT_MS; waited += 50) {
        pthread_mutex_lock(&a->ready_lock);
        uint64_t integrated = a->integrated_seq;
        pthread_mutex_unlock(&a->ready_lock);
        eg_err e = eg_journal_sync(a->journal, integrated);
        if (e != EG_ERR_BUSY) {
            return e;
        }
        pthread_mutex_lock(&a->ready_lock);
        if (a->integrated_seq == integrated && !atomic_load(&a->sequencer_failed)) {
            a->urgent = true;
            pthread_cond_broadcast(&a->ready_changed);
            wait_ms(&a->ready_changed, &a->ready_lock, 50);
        }
        pthread_mutex_unlock(&a->ready_lock);
        if (atomic_load(&a->sequencer_failed)) {
            break;
        }
    }
    return EG_ERR_BUSY;
}

static void flush_group(eg_audit *a, eg_item_list *group) {
    if (group->count == 0) {
        return;
    }
    uint64_t first = group->first->seq;
    eg_err e = sync_group(a);
    if (e == EG_OK) {
        hand_over(a, group);
        return;
    }
    a->next_seq = first;
    if (e == EG_ERR_BUSY) {
        eg_journal_drop_group(a->journal); /* nothing of it was written: the journal itself is sound */
    } else {
        atomic_store(&a->journal_failed, true);
    }
    refuse_all(group);
}

static void add_to_group(eg_audit *a, eg_item_list *group, eg_intake_item *i) {
    eg_err e = finish(a, i);
    if (e == EG_OK) {
        i->seq = a->next_seq;
        e = eg_journal_add(a->journal, i->seq, eg_buf_bytes(&i->envelope));
        if (e == EG_ERR_LIMIT && group->count > 0) {
            flush_group(a, group);
            i->seq = a->next_seq;
            e = atomic_load(&a->journal_failed) ? EG_ERR_AUDIT_UNAVAILABLE : eg_journal_add(a->journal, i->seq, eg_buf_bytes(&i->envelope));
        }
    }
    if (e != EG_OK) {
        answer(i, EG_ERR_AUDIT_UNAVAILABLE);
        eg_item_free(i);
        return;
    }
    a->next_seq++;
    eg_item_list_push(group, i);
}

static void write_all(eg_audit *a, eg_item_list *taken) {
    eg_item_list group = {0};
    while (taken->first && a->journal && !atomic_load(&a->journal_failed)) {
        add_to_group(a, &group, eg_item_list_pop(taken));
    }
    flush_group(a, &group);
    refuse_all(taken);
}

/* After a failed write nobody knows what the files hold. What was acknowledged is with the sequencer: once that is in the
 * logs, both files are made anew. */
static void repair(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    bool all_in = a->ready.count == 0 && a->integrated_seq + 1 >= a->next_seq;
    if (!all_in) {
        a->urgent = true;
        pthread_cond_broadcast(&a->ready_changed);
    }
    pthread_mutex_unlock(&a->ready_lock);
    if (!all_in) {
        return;
    }
    eg_journal_free(a->journal);
    a->journal = NULL;
    if (eg_journal_create(a->dir_fd, a->journal_bytes, &a->journal, NULL) == EG_OK) {
        atomic_store(&a->journal_failed, false);
    }
}

void *eg_intake_run(void *audit) {
    eg_audit *a = audit;
    pthread_mutex_lock(&a->intake_lock);
    for (;;) {
        while (!a->intake.first && !a->intake_stopping) {
            if (!atomic_load(&a->journal_failed)) {
                pthread_cond_wait(&a->intake_filled, &a->intake_lock);
                continue;
            }
            wait_ms(&a->intake_filled, &a->intake_lock, REPAIR_EVERY_MS);
            pthread_mutex_unlock(&a->intake_lock);
            repair(a);
            pthread_mutex_lock(&a->intake_lock);
        }
        if (!a->intake.first) {
            break;
        }
        eg_item_list taken = a->intake;
        a->intake = (eg_item_list){0};
        pthread_mutex_unlock(&a->intake_lock);
        write_all(a, &taken);
        pthread_mutex_lock(&a->intake_lock);
    }
    pthread_mutex_unlock(&a->intake_lock);
    return NULL;
}

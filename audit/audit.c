/* The audit log as its users see it: open, append, a step of a transaction, close. */
#include "engine.h"

#include <embergate/durable_file.h>
#include <embergate/metrics.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outbox.h"

#define JOURNAL_BYTES ((uint64_t)64 << 20)
#define CLOSE_TRIES 3

static eg_err emit(void *ctx, const eg_audit_record *r, const eg_audit_extra *extra) {
    return eg_intake_append(ctx, r, extra, NULL, NULL);
}

/* Recovery: what the journal holds past the committed number is ready again. */
static eg_err recovered(void *ctx, uint64_t seq, eg_bytes record) {
    eg_audit *a = ctx;
    eg_envelope v;
    if (seq <= a->integrated_seq) {
        return EG_OK;
    }
    EG_TRY(eg_envelope_read(record, &v));
    eg_intake_item *i = calloc(1, sizeof *i);
    if (!i) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf_init(&i->envelope, EG_ENVELOPE_MAX);
    eg_err e = eg_buf_add(&i->envelope, record.ptr, record.len);
    if (e != EG_OK) {
        eg_item_free(i);
        return e;
    }
    i->seq = seq;
    i->bytes = sizeof *i + record.len;
    eg_item_list_push(&a->ready, i);
    return EG_OK;
}

static eg_err read_integrated(eg_audit *a) {
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(a->kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    eg_bytes v;
    eg_err e = eg_kv_get(t, EG_DB_AUDIT_STATE, eg_str_bytes(EG_LIT("journal")), &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(e);
    if (v.len != 8) {
        return EG_ERR_CORRUPT;
    }
    a->integrated_seq = eg_get_u64(v.ptr);
    return EG_OK;
}

static eg_err open_logs(eg_audit *a, eg_problem *p) {
    const eg_logs_options o = {.dir_fd = a->dir_fd, .kv = a->kv, .committer = a->committer, .keys = a->keys, .origin = a->origin};
    EG_TRY(eg_logs_open(&o, &a->logs, p));
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        uint64_t published = eg_published_size(g);
        int fd = eg_log_dup_dir(g);
        if (fd < 0) {
            return eg_fail(p, EG_ERR_IO, "Cannot open the folder of the audit log \"%s\".", g->id);
        }
        EG_TRY(eg_tile_log_open(fd, g->size, g->root, published, &g->tiles, p));
        atomic_store(&g->served, published);
    }
    return EG_OK;
}

static eg_err recover(eg_audit *a, eg_problem *p) {
    eg_err e = read_integrated(a);
    if (e != EG_OK) {
        return eg_fail(p, e, "The state of the audit journal can't be read: %s.", eg_err_code(e));
    }
    EG_TRY(open_logs(a, p));
    EG_TRY(eg_journal_scan(a->dir_fd, recovered, a, p));
    e = eg_sequencer_drain(a);
    if (e != EG_OK) {
        return eg_fail(p, e, "The audit journal can't be put into the logs: %s.", eg_err_code(e));
    }
    EG_TRY(eg_recall(a, p));
    EG_TRY(eg_publish(a, p));
    a->next_seq = a->integrated_seq + 1;
    return eg_journal_create(a->dir_fd, a->journal_bytes, &a->journal, p);
}

static uint64_t server_log_size(eg_audit *a) {
    const eg_log *g = eg_logs_find(a->logs, EG_LIT("server"));
    return g ? atomic_load(&g->served) : 0;
}

static eg_err record_life(eg_audit *a, const char *event) {
    const eg_audit_extra extra = {.has_log_size = true, .log_size = server_log_size(a)};
    const eg_audit_record r = {.event = event, .outcome = "allowed", .resource = EG_LIT("/providers/Embergate/auditLogs/server")};
    return eg_intake_append_wait(a, &r, &extra);
}

static eg_err start(eg_audit *a, eg_problem *p) {
    a->last_failures_ns = eg_mono_ns(a->clock);
    a->journal_started = pthread_create(&a->journal_thread, NULL, eg_intake_run, a) == 0;
    a->sequencer_started = a->journal_started && pthread_create(&a->sequencer_thread, NULL, eg_sequencer_run, a) == 0;
    if (!a->sequencer_started) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "The audit log's threads can't be started.");
    }
    eg_err e = record_life(a, "audit.start");
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The start of the audit log can't be recorded: %s.", eg_err_code(e));
}

static void stop_threads(eg_audit *a) {
    pthread_mutex_lock(&a->intake_lock);
    a->intake_stopping = true;
    pthread_cond_broadcast(&a->intake_filled);
    pthread_mutex_unlock(&a->intake_lock);
    if (a->journal_started) {
        pthread_join(a->journal_thread, NULL);
    }
    pthread_mutex_lock(&a->ready_lock);
    a->sequencer_stopping = true;
    pthread_cond_broadcast(&a->ready_changed);
    pthread_mutex_unlock(&a->ready_lock);
    if (a->sequencer_started) {
        pthread_join(a->sequencer_thread, NULL);
    }
}

static void audit_free(eg_audit *a) {
    for (eg_intake_item *i = eg_item_list_pop(&a->ready); i; i = eg_item_list_pop(&a->ready)) {
        eg_item_free(i);
    }
    eg_journal_free(a->journal);
    eg_failure_count_free(a->failures);
    eg_access_sum_free(a->accesses);
    eg_logs_free(a->logs);
    if (a->dir_fd >= 0) {
        close(a->dir_fd);
    }
    pthread_mutex_destroy(&a->intake_lock);
    pthread_cond_destroy(&a->intake_filled);
    pthread_mutex_destroy(&a->ready_lock);
    pthread_cond_destroy(&a->ready_changed);
    free(a->origin);
    free(a);
}

static eg_err audit_new(const eg_audit_options *o, eg_audit **ret, eg_problem *p) {
    EG_TRY(eg_dir_make(o->dir, 0700, p));
    eg_audit *a = calloc(1, sizeof *a);
    if (!a) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the audit log.");
    }
    a->kv = o->kv;
    a->committer = o->committer;
    a->keys = o->keys;
    a->clock = o->clock;
    a->origin = strdup(o->origin);
    a->journal_bytes = o->journal_bytes ? o->journal_bytes : JOURNAL_BYTES;
    a->checkpoint_ms = o->checkpoint_ms ? o->checkpoint_ms : 1000;
    pthread_mutex_init(&a->intake_lock, NULL);
    pthread_cond_init(&a->intake_filled, NULL);
    pthread_mutex_init(&a->ready_lock, NULL);
    pthread_cond_init(&a->ready_changed, NULL);
    a->dir_fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    a->failures = eg_failure_count_new(a->clock, emit, a);
    a->accesses = eg_access_sum_new(a->clock, emit, a);
    if (!a->origin || a->dir_fd < 0 || !a->failures || !a->accesses) {
        audit_free(a);
        return eg_fail(p, EG_ERR_IO, "The audit folder \"%s\" can't be opened.", o->dir);
    }
    *ret = a;
    return EG_OK;
}

eg_err eg_audit_open(const eg_audit_options *o, eg_audit **ret, eg_problem *p) {
    eg_audit *a = NULL;
    EG_TRY(audit_new(o, &a, p));
    eg_err e = recover(a, p);
    if (e == EG_OK) {
        e = start(a, p);
    }
    if (e != EG_OK) {
        stop_threads(a);
        audit_free(a);
        return e;
    }
    *ret = a;
    return EG_OK;
}

void eg_audit_forget_tenant(eg_audit *a, eg_str tenant) { eg_logs_forget(a->logs, tenant); }

eg_err eg_audit_rewrap(void *audit, const eg_rewrap *what, uint64_t *ret_moved) {
    eg_audit *a = audit;
    return eg_logs_rewrap(a->logs, what, ret_moved);
}

void eg_audit_close(eg_audit *a) {
    if (!a) {
        return;
    }
    eg_access_sum_flush(a->accesses, 0, true);
    eg_failure_count_flush(a->failures);
    for (int i = 0; i < CLOSE_TRIES && record_life(a, "audit.stop") == EG_ERR_BUSY; i++) {
        usleep(100000);
    }
    stop_threads(a);
    audit_free(a);
}

eg_err eg_audit_append(eg_audit *a, const eg_audit_record *r, void (*done)(void *ctx, eg_err e), void *ctx) {
    return eg_intake_append(a, r, NULL, done, ctx);
}

eg_err eg_audit_append_wait(eg_audit *a, const eg_audit_record *r) {
    return eg_intake_append_wait(a, r, NULL);
}

/* The outbox. */

typedef struct op_state {
    eg_audit *a;
    eg_str envelope;
    eg_err err;
} op_state;

static eg_err op_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const op_state *s = ctx;
    if (s->err != EG_OK) {
        return eg_fail(p, s->err, "The change can't be recorded in the audit log, so it was not made.");
    }
    if (!eg_audit_healthy(s->a)) {
        return eg_fail(p, EG_ERR_AUDIT_UNAVAILABLE, "The audit log can't be written, so the change was not made.");
    }
    return eg_outbox_put(t, eg_str_bytes(s->envelope));
}

static eg_err no_memory_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)ctx;
    return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the change's audit record, so it was not made.");
}

static eg_err encode(eg_audit *a, eg_arena *arena, const eg_audit_record *r, eg_str *ret) {
    eg_audit_draft d;
    EG_TRY(eg_audit_draft_make(r, NULL, a->clock, &d));
    EG_CLEANUP(eg_buf_done) eg_buf envelope;
    eg_buf_init(&envelope, EG_ENVELOPE_MAX);
    eg_log *g = NULL;
    eg_err e = eg_logs_for_record(a->logs, eg_str_of(d.log), &g) == EG_OK ? EG_OK : EG_ERR_AUDIT_UNAVAILABLE;
    if (e == EG_OK) {
        memcpy(d.log, g->id, sizeof d.log);
        e = eg_audit_draft_finish(&d, eg_log_key(g), &envelope);
    }
    eg_audit_draft_done(&d);
    EG_TRY(e);
    eg_str copy = eg_arena_str(arena, eg_buf_str(&envelope));
    if (!copy.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = copy;
    return EG_OK;
}

eg_txn_op eg_audit_op(eg_audit *a, eg_arena *arena, const eg_audit_record *r) {
    op_state *s = eg_arena_alloc(arena, sizeof *s);
    if (!s) {
        return (eg_txn_op){no_memory_apply, NULL};
    }
    s->a = a;
    s->err = encode(a, arena, r, &s->envelope);
    return (eg_txn_op){op_apply, s};
}

bool eg_audit_op_at_once(eg_audit *a, eg_str tenant) { return eg_logs_find(a->logs, tenant.len > 0 ? tenant : EG_LIT("server")) != NULL; }

void eg_audit_poke(eg_audit *a) {
    pthread_mutex_lock(&a->ready_lock);
    if (!a->poked) {
        a->poked = true;
        pthread_cond_broadcast(&a->ready_changed);
    }
    pthread_mutex_unlock(&a->ready_lock);
}

/* Sums and health. */

void eg_audit_count_failure(eg_audit *a, eg_err e, eg_str source_address) {
    eg_failure_count_add(a->failures, e, source_address, (eg_str){"", 0});
}

void eg_audit_count_denial(eg_audit *a, eg_err e, eg_str source_address, eg_str rule) {
    eg_failure_count_add(a->failures, e, source_address, rule);
}

bool eg_audit_access(eg_audit *a, const eg_audit_record *r) {
    if (!eg_audit_healthy(a)) {
        return true; /* the caller's record is then refused, and so is the request */
    }
    return eg_access_sum_add(a->accesses, r);
}

void eg_audit_access_close(eg_audit *a, eg_str job) {
    eg_access_sum_close(a->accesses, job);
}

bool eg_audit_healthy(const eg_audit *a) {
    return !atomic_load(&a->journal_failed) && !atomic_load(&a->sequencer_failed) && !atomic_load(&a->unsigned_too_long);
}

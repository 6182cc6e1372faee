/* One batch into the logs: journal and outbox merged by time, tiles synced, then one transaction that says so. */
#include "engine.h"

#include <embergate/metrics.h>
#include <stdlib.h>

#include "index.h"
#include "outbox.h"

/* Exactly once: the transaction at the end moves the journal's number, deletes the outbox's rows and sets the logs' sizes together.
 * What a crash leaves in tile files beyond a committed size is removed when the log is opened again (tile_sweep.c). */

typedef struct entry {
    eg_envelope envelope;
    eg_log *log;
    uint64_t index;           /* in its log */
} entry;

typedef struct batch {
    eg_item_list journal;
    eg_item_list outbox;      /* copies */
    uint64_t journal_seq;     /* after this batch */
    uint64_t outbox_id;       /* last row; 0 = none */
    bool outbox_more;
    entry *entries;
    size_t count;
} batch;

static eg_err take_row(void *ctx, uint64_t id, eg_bytes envelope) {
    batch *b = ctx;
    if (b->outbox.count >= EG_BATCH_RECORDS_MAX || b->outbox.bytes >= EG_BATCH_BYTES_MAX) {
        b->outbox_more = true;
        return EG_ERR_LIMIT;
    }
    eg_intake_item *i = calloc(1, sizeof *i);
    if (!i) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf_init(&i->envelope, EG_ENVELOPE_MAX);
    i->bytes = sizeof *i + envelope.len;
    eg_err e = eg_buf_add(&i->envelope, envelope.ptr, envelope.len);
    if (e != EG_OK) {
        eg_item_free(i);
        return e;
    }
    eg_item_list_push(&b->outbox, i);
    b->outbox_id = id;
    return EG_OK;
}

static eg_err take_outbox(eg_audit *a, batch *b) {
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(a->kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    eg_bytes v;
    eg_err e = eg_kv_get(t, EG_DB_AUDIT_STATE, eg_str_bytes(EG_LIT("journal")), &v);
    if (e == EG_OK && v.len == 8) {
        b->journal_seq = eg_get_u64(v.ptr);
    } else if (e != EG_ERR_NOT_FOUND) {
        return e == EG_OK ? EG_ERR_CORRUPT : e;
    }
    return eg_outbox_each(t, take_row, b);
}

/* What a commit whose answer was lost had already put in is dropped by its number. */
static bool take_journal(eg_audit *a, batch *b) {
    pthread_mutex_lock(&a->ready_lock);
    while (a->ready.first && b->journal.count < EG_BATCH_RECORDS_MAX && b->journal.bytes < EG_BATCH_BYTES_MAX) {
        eg_intake_item *i = eg_item_list_pop(&a->ready);
        if (i->seq <= b->journal_seq) {
            eg_item_free(i);
        } else {
            eg_item_list_push(&b->journal, i);
        }
    }
    bool more = a->ready.first != NULL;
    pthread_mutex_unlock(&a->ready_lock);
    if (b->journal.last) {
        b->journal_seq = b->journal.last->seq;
    }
    return more;
}

static void free_list(eg_item_list *l) {
    for (eg_intake_item *i = eg_item_list_pop(l); i; i = eg_item_list_pop(l)) {
        eg_item_free(i);
    }
}

static void put_back(eg_audit *a, batch *b) {
    if (!b->journal.first) {
        return;
    }
    pthread_mutex_lock(&a->ready_lock);
    eg_item_list rest = a->ready;
    a->ready = b->journal;
    for (eg_intake_item *i = eg_item_list_pop(&rest); i; i = eg_item_list_pop(&rest)) {
        eg_item_list_push(&a->ready, i);
    }
    pthread_mutex_unlock(&a->ready_lock);
    b->journal = (eg_item_list){0};
}

/* Each source stays in its own order; between them the earlier time goes first. */
static eg_err merge(batch *b) {
    size_t n = b->journal.count + b->outbox.count;
    b->entries = calloc(n, sizeof *b->entries);
    if (!b->entries) {
        return EG_ERR_NO_MEMORY;
    }
    const eg_intake_item *j = b->journal.first;
    const eg_intake_item *o = b->outbox.first;
    eg_envelope from_journal = {0};
    eg_envelope from_outbox = {0};
    const eg_intake_item *read_j = NULL;
    const eg_intake_item *read_o = NULL;
    while (j || o) {
        if (j && read_j != j) {
            EG_TRY(eg_envelope_read(eg_buf_bytes(&j->envelope), &from_journal));
            read_j = j;
        }
        if (o && read_o != o) {
            EG_TRY(eg_envelope_read(eg_buf_bytes(&o->envelope), &from_outbox));
            read_o = o;
        }
        if (j && (!o || from_journal.time_ns <= from_outbox.time_ns)) {
            b->entries[b->count++].envelope = from_journal;
            j = j->next;
        } else {
            b->entries[b->count++].envelope = from_outbox;
            o = o->next;
        }
    }
    return EG_OK;
}

static eg_err need_tiles(eg_log *g) {
    if (g->tiles) {
        return EG_OK;
    }
    int fd = eg_log_dup_dir(g);
    return fd < 0 ? EG_ERR_IO : eg_tile_log_open(fd, g->size, g->root, eg_published_size(g), &g->tiles, NULL);
}

static eg_err write_tiles(eg_audit *a, batch *b) {
    for (size_t i = 0; i < b->count; i++) {
        entry *e = &b->entries[i];
        EG_TRY(eg_logs_get(a->logs, e->envelope.log, &e->log, NULL));
        EG_TRY(need_tiles(e->log));
        e->index = eg_tile_log_size(e->log->tiles);
        EG_TRY(eg_tile_log_append(e->log->tiles, e->envelope.line));
    }
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        if (g->tiles && eg_tile_log_size(g->tiles) != g->size) {
            EG_TRY(eg_tile_log_flush(g->tiles));
        }
    }
    return EG_OK;
}

typedef struct commit {
    eg_audit *a;
    const batch *b;
} commit;

static eg_err put_state(eg_kv_txn *t, const eg_log *g) {
    char key[EG_LOG_ID_MAX + 16];
    uint8_t row[EG_STATE_LOG_LEN];
    uint8_t root[EG_SHA256_LEN];
    eg_tile_log_root(g->tiles, root);
    eg_state_log_write(eg_tile_log_size(g->tiles), root, row);
    size_t n = eg_state_key(key, sizeof key, "log", eg_str_of(g->id));
    return eg_kv_put(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, n}, (eg_bytes){row, sizeof row});
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)p;
    const commit *c = ctx;
    uint8_t seq[8];
    eg_put_u64(seq, c->b->journal_seq);
    EG_TRY(eg_kv_put(t, EG_DB_AUDIT_STATE, eg_str_bytes(EG_LIT("journal")), (eg_bytes){seq, sizeof seq}));
    for (size_t i = 0; i < c->b->count; i++) {
        EG_TRY(eg_index_put(t, &c->b->entries[i].envelope, c->b->entries[i].index));
    }
    for (eg_log *g = eg_logs_next(c->a->logs, NULL); g; g = eg_logs_next(c->a->logs, g)) {
        if (g->tiles && eg_tile_log_size(g->tiles) != g->size) {
            EG_TRY(put_state(t, g));
        }
    }
    return c->b->outbox_id ? eg_outbox_delete_to(t, c->b->outbox_id) : EG_OK;
}

static void succeeded(eg_audit *a, const batch *b) {
    int64_t total = 0;
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        if (g->tiles) {
            g->size = eg_tile_log_size(g->tiles);
            eg_tile_log_root(g->tiles, g->root);
        }
        total += (int64_t)g->size;
    }
    eg_metric_set(EG_METRIC_AUDIT_SIZE, total);
    pthread_mutex_lock(&a->ready_lock);
    a->integrated_seq = b->journal_seq > a->integrated_seq ? b->journal_seq : a->integrated_seq;
    pthread_cond_broadcast(&a->ready_changed);
    pthread_mutex_unlock(&a->ready_lock);
}

/* The next attempt begins again from what was committed. */
static void failed(eg_audit *a, batch *b) {
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        eg_tile_log_free(g->tiles);
        g->tiles = NULL;
    }
    put_back(a, b);
}

/* A commit whose outcome is not known may be there: then the sizes in memory are behind. */
static eg_err reload_sizes(eg_audit *a) {
    eg_kv_txn *begun = NULL;
    EG_TRY(eg_kv_read_begin(a->kv, &begun));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = begun;
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        char key[EG_LOG_ID_MAX + 16];
        eg_bytes v;
        size_t n = eg_state_key(key, sizeof key, "log", eg_str_of(g->id));
        EG_TRY(eg_kv_get(t, EG_DB_AUDIT_STATE, (eg_bytes){(uint8_t *)key, n}, &v));
        if (v.len != EG_STATE_LOG_LEN) {
            return EG_ERR_CORRUPT;
        }
        g->size = eg_get_u64(v.ptr + 1);
        memcpy(g->root, v.ptr + 9, sizeof g->root);
    }
    return EG_OK;
}

static eg_err integrate(eg_audit *a, batch *b, bool *ret_more) {
    if (atomic_load(&a->sequencer_failed)) {
        EG_TRY(reload_sizes(a));
    }
    EG_TRY(take_outbox(a, b));
    bool more = take_journal(a, b);
    if (b->journal.count + b->outbox.count > 0) {
        EG_TRY(merge(b));
        EG_TRY(write_tiles(a, b));
        commit c = {a, b};
        EG_TRY(eg_commit(a->committer, &(eg_txn_op){apply, &c}, 1, NULL));
    }
    succeeded(a, b);
    *ret_more = more || b->outbox_more;
    return EG_OK;
}

eg_err eg_batch_integrate(eg_audit *a, bool *ret_more) {
    batch b = {0};
    eg_err e = integrate(a, &b, ret_more);
    if (e != EG_OK) {
        failed(a, &b);
    }
    atomic_store(&a->sequencer_failed, e != EG_OK);
    free_list(&b.journal);
    free_list(&b.outbox);
    free(b.entries);
    return e;
}

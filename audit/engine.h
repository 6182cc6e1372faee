/* What the files of the engine share: the object behind eg_audit, its two queues and its health. */
#ifndef EG_AUDIT_ENGINE_H
#define EG_AUDIT_ENGINE_H

#include <embergate/audit.h>
#include <pthread.h>
#include <stdatomic.h>

#include "access_sum.h"
#include "failure_count.h"
#include "journal_file.h"
#include "logs.h"
#include "record.h"

#define EG_INTAKE_RECORDS_MAX 16384u
#define EG_INTAKE_BYTES_MAX ((size_t)32 << 20)
#define EG_BATCH_RECORDS_MAX 8192u              /* of the journal, and as many of the outbox; see EG_TILES_BEYOND_MAX */
#define EG_BATCH_BYTES_MAX ((size_t)16 << 20)
#define EG_UNSIGNED_MAX_NS INT64_C(60000000000) /* a log that can't get its checkpoint signed for so long is unhealthy */

/* A record from its acceptance until it is in a log. */
typedef struct eg_intake_item {
    struct eg_intake_item *next;
    eg_audit_draft draft;       /* until it is finished */
    eg_buf envelope;             /* from then on */
    uint64_t seq;                /* number in the journal */
    size_t bytes;                /* what it counts for in the queue */
    void (*done)(void *ctx, eg_err e);
    void *ctx;
} eg_intake_item;

typedef struct eg_item_list {
    eg_intake_item *first;
    eg_intake_item *last;
    size_t count;
    size_t bytes;
} eg_item_list;

void eg_item_free(eg_intake_item *i);
void eg_item_list_push(eg_item_list *l, eg_intake_item *i);
eg_intake_item *eg_item_list_pop(eg_item_list *l);

struct eg_audit {
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const eg_clock *clock;
    char *origin;
    uint64_t journal_bytes;
    unsigned checkpoint_ms;
    int dir_fd;
    eg_logs *logs;
    eg_failure_count *failures;
    eg_access_sum *accesses;

    /* Into the journal. */
    pthread_mutex_t intake_lock;
    pthread_cond_t intake_filled;
    eg_item_list intake;
    bool intake_stopping;
    pthread_t journal_thread;
    bool journal_started;
    eg_journal_file *journal;    /* the journal thread's, NULL while it can't be made */
    uint64_t next_seq;           /* likewise */

    /* From the journal to the sequencer. */
    pthread_mutex_t ready_lock;
    pthread_cond_t ready_changed; /* both ways: records came, or were integrated */
    eg_item_list ready;
    uint64_t integrated_seq;
    bool urgent;                 /* the journal waits for room */
    bool poked;
    bool held;                   /* from outside: no batch begins */
    bool in_batch;
    bool sequencer_stopping;
    pthread_t sequencer_thread;
    bool sequencer_started;
    size_t forgotten;            /* logs of which the keeper had forgotten its last signature, at the start */

    int64_t last_failures_ns;    /* the sequencer's */
    int64_t unsigned_since_ns;   /* the sequencer's; 0 = every checkpoint is signed */

    atomic_bool journal_failed;
    atomic_bool sequencer_failed;
    atomic_bool unsigned_too_long;
};

/* intake.c */
eg_err eg_intake_append(eg_audit *a, const eg_audit_record *r, const eg_audit_extra *extra, void (*done)(void *ctx, eg_err e), void *ctx) EG_MUST_CHECK;
eg_err eg_intake_append_wait(eg_audit *a, const eg_audit_record *r, const eg_audit_extra *extra) EG_MUST_CHECK;
void *eg_intake_run(void *audit); /* the journal thread */

/* sequencer.c */
/* Puts everything that is ready, and the outbox, into the logs. */
eg_err eg_sequencer_drain(eg_audit *a) EG_MUST_CHECK;
void *eg_sequencer_run(void *audit); /* the sequencer thread */

/* batch.c: one step of that. *ret_more: something is left. */
eg_err eg_batch_integrate(eg_audit *a, bool *ret_more) EG_MUST_CHECK;

/* recall.c: at the start, before anything is signed. A keeper that has forgotten what it signed is recorded, then told; EG_ERR_CORRUPT when it has signed a fork. */
eg_err eg_recall(eg_audit *a, eg_problem *p) EG_MUST_CHECK;

/* publish.c: signs and writes the checkpoint of each log that has grown. */
eg_err eg_publish(eg_audit *a, eg_problem *p) EG_MUST_CHECK;
/* What a checkpoint file of the log says, whatever the log is: false when there is none, or none that the keeper signed for it. */
typedef struct eg_published {
    eg_buf note;
    eg_checkpoint checkpoint;  /* views into note */
    uint8_t signature[64];
} eg_published;
static inline void eg_published_init(eg_published *p) {
    *p = (eg_published){.signature = {0}};
    eg_buf_init(&p->note, EG_CHECKPOINT_MAX);
}
static inline void eg_published_done(eg_published *p) { eg_buf_done(&p->note); }
bool eg_published_read(const eg_log *g, const char *file, eg_published *ret);
/* Size of the published one; 0 also when the log has other entries than it says. */
uint64_t eg_published_size(const eg_log *g);

/* witness.c: the newest checkpoint that witnesses have cosigned, with all their cosignatures of it. EG_ERR_NOT_FOUND: none has. */
eg_err eg_witnessed_note(const eg_log *g, eg_buf *ret) EG_MUST_CHECK;

#endif

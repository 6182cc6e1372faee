/* What the files of the store share: LMDB's environment, and how its types and errors become ours. */
#ifndef EG_CORE_KV_ENV_H
#define EG_CORE_KV_ENV_H

#include "kv_digest.h"
#include "kv_log.h"
#include "kv_txn.h"

#include <lmdb.h>
#include <pthread.h>

#define EG_KV_SNAPSHOT_LOCK "embergate.snapshot" /* shared by who reads a snapshot, exclusive while a start recovers */
#define EG_KV_READERS_KEPT 64u
#define EG_KV_CHANGES_MAX ((size_t)8 << 20)    /* of one record */
#define EG_KV_UNDO_MAX ((size_t)64 << 20)      /* rows that one change of a group may overwrite or delete, as they were */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EG_KV_LENDS_COPIES
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define EG_KV_LENDS_COPIES
#endif

typedef struct eg_kv_checkpointer eg_kv_checkpointer;

struct eg_kv {
    MDB_env *env;
    MDB_dbi dbis[EG_DB_COUNT];
    int dir_fd;
    int lock_fd;
    pthread_mutex_t lock;
    MDB_txn *idle[EG_KV_READERS_KEPT]; /* reset read transactions, each holding a reader slot */
    unsigned idle_count;
    eg_kv_log *log;                    /* NULL: without (tests that don't sync), or not yet */
    eg_kv_checkpointer *checkpointer;
    eg_buf changes;                    /* of the open write transaction, as its record will have them */
    eg_buf undo;                       /* what the change that is being applied has overwritten */
    bool unlogged;                     /* they became too many for a record */
    eg_kv_digest *digest;              /* NULL: not kept, or not yet */
    bool has_digest;                   /* as the format says: then nothing that it covers is changed without it */
};

struct eg_kv_txn {
    eg_kv *kv;
    MDB_txn *txn;
    bool write;
    eg_kv_txn *parent;                 /* of one change in a group: the group's, whose LMDB transaction it shares */
    size_t mark;                       /* where its changes begin */
    eg_err err;
    struct eg_kv_lent *lent;           /* only under the address sanitizer */
    eg_kv_sums sums;                   /* of the digest where it began */
};

struct eg_kv_cursor {
    MDB_cursor *cursor;
    eg_kv_txn *txn;
    eg_kv_db db;
    bool placed;
    size_t from_len;
    uint8_t from[EG_KV_KEY_MAX];
};

/* kv_open.c */
extern const char *const eg_kv_db_names[EG_DB_COUNT];
eg_err eg_kv_of_lmdb(int rc);
/* In a transaction: the format from here on. */
eg_err eg_kv_say_digest(eg_kv_txn *t) EG_MUST_CHECK;
/* LMDB only reads what a put or get is given, but takes a pointer to non-const. */
static inline MDB_val eg_kv_val(eg_bytes b) {
    union {
        const uint8_t *in;
        void *out;
    } u = {.in = b.ptr};
    return (MDB_val){.mv_size = b.len, .mv_data = u.out};
}
static inline eg_bytes eg_kv_bytes(MDB_val v) { return (eg_bytes){v.mv_data, v.mv_size}; }

/* kv_changes.c: what a record holds. The buffer's bound is the record's: EG_ERR_LIMIT. */
eg_err eg_kv_changes_put(eg_buf *b, const char *db, eg_bytes key, eg_bytes value) EG_MUST_CHECK;
eg_err eg_kv_changes_del(eg_buf *b, const char *db, eg_bytes key) EG_MUST_CHECK;
eg_err eg_kv_changes_write(eg_buf *b, const char *path, uint64_t offset, eg_bytes bytes) EG_MUST_CHECK;
typedef struct eg_kv_change {
    bool put, del, write;  /* one of them */
    eg_str name;           /* of the database, or the path */
    eg_bytes key;
    uint64_t offset;
    eg_bytes value;
} eg_kv_change;
/* EG_ERR_CORRUPT when it is none. */
eg_err eg_kv_changes_each(eg_bytes changes, eg_err (*each)(void *ctx, const eg_kv_change *c), void *ctx) EG_MUST_CHECK;

/* kv_undo.c. before: NULL when there was no such row. EG_ERR_LIMIT. */
eg_err eg_kv_undo_note(eg_buf *b, eg_kv_db db, eg_bytes key, const eg_bytes *before) EG_MUST_CHECK;
/* Puts back what was noted behind `mark`. A failure leaves the transaction unusable. */
eg_err eg_kv_undo_back(eg_kv_txn *t, size_t mark) EG_MUST_CHECK;

/* kv_borrowed.c. What a get or a cursor gives; what a write to the database ends. */
eg_bytes eg_kv_lend(eg_kv_txn *t, eg_kv_db db, eg_bytes b);
void eg_kv_written(eg_kv_txn *t, eg_kv_db db);
void eg_kv_lent_done(eg_kv_txn *t);

/* kv_recover.c. Before the environment is opened: LMDB's file is set back to the base. ret_trusted: instead it is as the processes of this kernel left it, because one
 * of them reads it right now. */
eg_err eg_kv_set_back(int dir_fd, const eg_kv_base *base) EG_MUST_CHECK;
/* With the environment open and pinned: does again what the log has behind the base. rows: else only what was written beside the store. */
eg_err eg_kv_replay(eg_kv *kv, const eg_kv_base *base, bool rows, eg_problem *p) EG_MUST_CHECK;

/* kv_checkpoint.c. A checkpoint makes a state of LMDB's file durable and lets the records before it go. The pages of the last one are pinned by a read
 * transaction, so LMDB overwrites none of them: whatever the kernel wrote in which order since, setting back the meta pages leads there. */
eg_err eg_kv_checkpointer_new(eg_kv *kv, eg_kv_checkpointer **ret) EG_MUST_CHECK;
void eg_kv_checkpointer_free(eg_kv_checkpointer *c);
/* Nothing that is there now is overwritten from here on. */
eg_err eg_kv_checkpoint_pin(eg_kv *kv) EG_MUST_CHECK;
/* By who writes, between or in its transactions: what was committed last becomes the base. Waits for it. */
eg_err eg_kv_checkpoint_now(eg_kv *kv) EG_MUST_CHECK;
/* The same without waiting for the disk, but for one that runs: the records behind it go to the other file of the log. */
eg_err eg_kv_checkpoint_begin(eg_kv *kv) EG_MUST_CHECK;
/* Something went to LMDB that the log doesn't have and can't have: nothing more is promised until the next start. */
void eg_kv_checkpoint_fail(eg_kv *kv);
bool eg_kv_checkpoint_failed(eg_kv *kv);

#endif

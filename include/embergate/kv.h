/* The key-value store (LMDB): named databases, transactions with a sticky error, and the committer that groups writes. */
#ifndef EMBERGATE_KV_H
#define EMBERGATE_KV_H

#include <embergate/secret.h>

typedef struct eg_kv eg_kv;             /* one environment a process */
typedef struct eg_kv_txn eg_kv_txn;
typedef struct eg_kv_cursor eg_kv_cursor;
typedef struct eg_committer eg_committer;

/* Every database of every room, so that ids are fixed and none is forgotten by backup. X(identifier, name). */
#define EG_KV_DB_LIST(X)                                                        \
    X(META, "meta")                     /* format version, install id */        \
    X(FS_ACCOUNT, "fs.account")         /* storage/ */                          \
    X(FS_ENTRY, "fs.entry")             /* (container, parent, name) → child */ \
    X(FS_INODE, "fs.inode")             /* inode id → attributes, MAC */        \
    X(FS_EXTENT, "fs.extent")           /* (inode, offset) → segment range */   \
    X(FS_STAGED, "fs.staged")           /* (inode, offset) → not yet flushed */ \
    X(FS_SEGMENT, "fs.segment")         /* segment id → where it lies */        \
    X(FS_ORPHAN, "fs.orphan")           /* what the reclaimer deletes */        \
    X(FS_PLACE, "fs.place")             /* where sealed bytes lie, and how many name them */ \
    X(FS_BLOCK, "fs.block")             /* blocks that no list has committed */ \
    X(FS_BLOCK_LIST, "fs.block_list")   /* (inode, index) → block of a blob */  \
    X(FS_SNAPSHOT, "fs.snapshot")       /* (inode, time) → snapshot */            \
    X(FS_DELETED, "fs.deleted")         /* what was soft-deleted */             \
    X(FS_LEASE, "fs.lease")             /* (root, path) → there may be a lease */ \
    X(FS_SCOPE, "fs.scope")             /* encryption scopes of an account */   \
    X(BATCH, "compute.batch")           /* compute/ */                          \
    X(BATCH_NAME, "compute.batch_name")                                         \
    X(CLUSTER, "compute.cluster")                                               \
    X(IDEMPOTENCY, "compute.idempotency")                                       \
    X(CREDENTIAL, "compute.credential") /* sha256(credential) → job */          \
    X(USAGE, "compute.usage")                                                   \
    X(PRINCIPAL, "identity.principal")  /* gateway/identity: local principals */\
    X(REVOKED, "identity.revoked")                                              \
    X(OUTBOX, "audit.outbox")           /* audit/ */                            \
    X(AUDIT_INDEX, "audit.index")                                               \
    X(AUDIT_STATE, "audit.state")                                               \
    X(TEST, "test")                                                             \
    X(POLICY_DOCUMENT, "policy.document")   /* gateway/policy: folder and digest of id → document */ \
    X(POLICY_VERSION, "policy.version")     /* number → who, when, why */           \
    X(POLICY_CHANGE, "policy.change")       /* (version, index) → a document before and after */ \
    X(POLICY_PENDING, "policy.pending")     /* changes that wait for a second person */

typedef enum eg_kv_db {
#define X(id, name) EG_DB_##id,
    EG_KV_DB_LIST(X)
#undef X
    EG_DB_COUNT
} eg_kv_db;

#define EG_KV_KEY_MAX 511 /* LMDB's */

typedef struct eg_kv_options {
    const char *dir;        /* made if missing, 0700 */
    uint64_t map_size;      /* bytes, sparse; 0 = 1 TiB (16 GiB under sanitizers) */
    unsigned max_readers;   /* 0 = 512 */
    bool no_sync;           /* only for tests: nothing is durable, and there is no log */
} eg_kv_options;

/* Takes an exclusive lock on the directory: EG_ERR_LOCKED names the other process. */
eg_err eg_kv_open(const eg_kv_options *o, eg_kv **ret, eg_problem *p) EG_MUST_CHECK;
void eg_kv_close(eg_kv *kv);

/* The disk failed while what was answered was made safe: every further change is EG_ERR_IO. Opening the store anew does again all that was answered. */
bool eg_kv_failed(eg_kv *kv) EG_MUST_CHECK;

/* A read transaction never outlives a callback or request step. */
eg_err eg_kv_read_begin(eg_kv *kv, eg_kv_txn **ret) EG_MUST_CHECK;
void eg_kv_read_end(eg_kv_txn *t);
EG_DEFINE_CLEANUP(eg_kv_txn, eg_kv_read_end)

/* Borrowed until the transaction ends or the next write to that database in it. EG_ERR_NOT_FOUND. */
eg_err eg_kv_get(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes *ret) EG_MUST_CHECK;
/* Writes: the first failure sticks to the transaction, which then can't commit. EG_ERR_MAP_FULL, EG_ERR_DISK_FULL. */
eg_err eg_kv_put(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value);
eg_err eg_kv_put_new(eg_kv_txn *t, eg_kv_db db, eg_bytes key, eg_bytes value) EG_MUST_CHECK; /* EG_ERR_EXISTS, not sticky */
eg_err eg_kv_del(eg_kv_txn *t, eg_kv_db db, eg_bytes key);  /* deleting what isn't there is EG_OK */

/* Bytes at an offset of a file beside the store (`path` is relative to the directory that the store's own lies in), which the caller has written there already:
 * with the transaction they are durable, without a sync of that file. After a crash they are written again, if the file is still there; its name
 * must be durable. Only beneath a directory of which eg_kv_is_beside is true. */
eg_err eg_kv_write_beside(eg_kv_txn *t, const char *path, uint64_t offset, eg_bytes bytes) EG_MUST_CHECK;
/* Whether the directory dir_fd is the one that `path` names for write_beside; false without a log. */
bool eg_kv_is_beside(const eg_kv *kv, const char *path, int dir_fd);
/* hook: makes durable what write_beside was told of, before the log lets it go; in a thread of the store's own. NULL: a last time, and then no more. */
void eg_kv_on_checkpoint(eg_kv *kv, eg_err (*hook)(void *ctx), void *ctx);

/* Ordered iteration. Starts at the first key >= `from`; next() is EG_ERR_NOT_FOUND at the end. */
eg_err eg_kv_cursor_open(eg_kv_txn *t, eg_kv_db db, eg_bytes from, eg_kv_cursor **ret) EG_MUST_CHECK;
eg_err eg_kv_cursor_next(eg_kv_cursor *c, eg_bytes *ret_key, eg_bytes *ret_value) EG_MUST_CHECK;
/* The last key < `before` (or the last of all when before.ptr is NULL): for "newest first". */
eg_err eg_kv_cursor_prev_of(eg_kv_cursor *c, eg_bytes before, eg_bytes *ret_key, eg_bytes *ret_value) EG_MUST_CHECK;
eg_err eg_kv_cursor_del(eg_kv_cursor *c); /* what next() last gave; in a write transaction */
void eg_kv_cursor_close(eg_kv_cursor *c);
EG_DEFINE_CLEANUP(eg_kv_cursor, eg_kv_cursor_close)

/* The digest of the store: a sum over the rows of each database but the audit log's, under a key that isn't in the store, so that an older row, one that was taken away and
 * one of somebody else's are found. docs/STORE-DIGEST.md. */
/* Whether the store has one, as its format says. */
bool eg_kv_has_digest(const eg_kv *kv);
/* From here on it is kept, in each transaction; before anybody else commits. *ret_counted: there was none, or one of an earlier version that covers less, and what is there was taken as it is. A store that has one takes no change
 * of those rows before this was called (EG_ERR_INVALID). EG_ERR_CORRUPT: it doesn't open with this key, or is gone; *p says which. */
eg_err eg_kv_digest_start(eg_kv *kv, eg_committer *committer, const eg_secret *key, bool *ret_counted, eg_problem *p) EG_MUST_CHECK;
typedef struct eg_kv_digest_sink {
    void (*differs)(void *ctx, const char *database);
    bool (*go_on)(void *ctx);   /* asked now and then, and may rest; false: EG_ERR_CANCELLED. NULL: always */
    void *ctx;
} eg_kv_digest_sink;
/* Reads all rows, and tells each database whose rows aren't those that were written last. EG_ERR_INVALID: not started. EG_ERR_CORRUPT: the digest itself is damaged or gone. */
eg_err eg_kv_digest_check(eg_kv_txn *t, const eg_kv_digest_sink *sink) EG_MUST_CHECK;

/* The store of another process as it is at this moment, for a backup: a snapshot that writers don't wait for and whose pages aren't reused while it is open (so
 * close it soon). Needs the rights to the store's files, and no lock. Slots of readers that died are freed on the way. */
typedef struct eg_kv_snapshot eg_kv_snapshot;
eg_err eg_kv_snapshot_open(const char *dir, eg_kv_snapshot **ret, eg_problem *p) EG_MUST_CHECK;
/* A compact copy of all databases as a store of its own in to_dir (an empty directory), synced. */
eg_err eg_kv_snapshot_write(eg_kv_snapshot *s, const char *to_dir, eg_problem *p) EG_MUST_CHECK;
void eg_kv_snapshot_close(eg_kv_snapshot *s);
EG_DEFINE_CLEANUP(eg_kv_snapshot, eg_kv_snapshot_close)

/* One step of a durable change. Runs in the committer's thread inside the write transaction, so it must not block,
 * log or keep borrowed values. A failure undoes this commit's steps and no others'. */
typedef struct eg_txn_op {
    eg_err (*apply)(eg_kv_txn *t, void *ctx, eg_problem *p);
    void *ctx;
    bool grows; /* A client's wish to have more stored: refused with EG_ERR_MAP_FULL while an eighth of the store, or 64 MiB, is all that is
                 * left, so that deleting, records of what is done and the ends of batches still find room. */
    /* What has to be on disk before the change is, or NULL: runs in the committer's thread before the group's transaction begins, and may wait
     * for the disk, so that one sync serves all of a group. Its failure is this commit's. */
    eg_err (*before)(void *ctx);
} eg_txn_op;

#define EG_COMMIT_OPS_MAX 8

/* The one writer of the store. Groups what many threads queue into one fsynced transaction. */
eg_err eg_committer_start(eg_kv *kv, eg_committer **ret) EG_MUST_CHECK;
void eg_committer_stop(eg_committer *c); /* after what was queued is committed */
/* Blocks until all ops (at most EG_COMMIT_OPS_MAX, one atomic change) are durable, or until one refused: then nothing
 * of this call was written, and *p is what that op said. Call from pool threads, never from a worker. */
eg_err eg_commit(eg_committer *c, const eg_txn_op *ops, size_t n, eg_problem *p) EG_MUST_CHECK;
/* The same without waiting, from any thread: told(ctx, result, p) comes from the committer's thread, once, and must be short. ops and all that they
 * use must live until then. On failure told is never called. */
eg_err eg_commit_start(eg_committer *c, const eg_txn_op *ops, size_t n, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) EG_MUST_CHECK;

#endif

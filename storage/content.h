/* The content of files: staged appends, extents, and the segments that both name. */
#ifndef EG_STORAGE_CONTENT_H
#define EG_STORAGE_CONTENT_H

#include "path_change.h"
#include "segment.h"
#include "segment_store.h"

typedef struct eg_extent {
    uint64_t offset;           /* in the file */
    eg_id segment;
    uint64_t segment_offset;   /* plain bytes into the segment */
    uint64_t length;
} eg_extent;

/* Rows of one file that are ordered by position: fs.extent and fs.staged. */
#define EG_POSITION_KEY_LEN 24
void eg_content_key(const eg_id *inode, uint64_t position, uint8_t ret[EG_POSITION_KEY_LEN]);
/* The extent that holds `offset`. EG_ERR_CORRUPT when there is none: lengths are authenticated, so one was taken away. */
eg_err eg_content_extent_at(eg_kv_txn *t, const eg_account *a, const eg_id *inode, uint64_t offset, eg_extent *ret) EG_MUST_CHECK;
eg_err eg_content_extent_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_extent *ret) EG_MUST_CHECK;

typedef struct eg_staged {
    eg_id segment;
    uint64_t length;
    int64_t staged_ns;
    uint64_t boot;             /* of which boot of the machine: an append isn't synced, so it doesn't outlive one */
    eg_str account;            /* borrowed from the row */
} eg_staged;
/* The account's name before the row is verified, for those who come from the row to the account. */
eg_err eg_content_staged_account(eg_bytes value, eg_str *ret) EG_MUST_CHECK;
eg_err eg_content_staged_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_staged *ret) EG_MUST_CHECK;

/* fs.segment: owner ‖ segment → the segment's key, wrapped for that owner. fs.place: segment → where its sealed bytes lie, and
 * how many owners it has. So files share segments: a clone writes keys and counts, no data. An owner is a file's inode (or the
 * hidden one that holds a blob's uncommitted blocks, blocks.h); it counts once however many of its extents name the segment. */
#define EG_SEGMENT_KEY_LEN 32
void eg_content_segment_key(const eg_id *owner, const eg_id *segment, uint8_t ret[EG_SEGMENT_KEY_LEN]);
typedef struct eg_location {
    eg_id file;                /* the segment's own id: a file of its own; else a pack */
    uint64_t offset;
    uint64_t stored;           /* bytes */
    uint32_t owners;           /* 0: the reclaimer has it */
} eg_location;
/* Both rows. `ref` borrows from the transaction. EG_ERR_CORRUPT when one is missing. */
eg_err eg_content_segment_get(eg_kv_txn *t, const eg_account *a, const eg_id *owner, const eg_id *segment, eg_segment_ref *ret) EG_MUST_CHECK;
/* A new segment with its first owner, ref->inode. */
eg_err eg_content_segment_add(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) EG_MUST_CHECK;
/* One more owner, ref->inode; ref->wrapped is for it (eg_segment_rewrap). EG_OK when it is one already. */
eg_err eg_content_segment_share(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) EG_MUST_CHECK;
/* One owner less; the last one leaves the segment to the reclaimer. What isn't there is EG_OK. */
eg_err eg_content_segment_drop(eg_kv_txn *t, const eg_account *a, const eg_id *owner, const eg_id *segment) EG_MUST_CHECK;
/* The row of fs.segment alone: ref.file and ref.offset stay 0. */
eg_err eg_content_segment_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_segment_ref *ret) EG_MUST_CHECK;
eg_err eg_content_location_get(eg_kv_txn *t, const eg_account *a, const eg_id *segment, eg_location *ret) EG_MUST_CHECK;
eg_err eg_content_location_decode(const eg_account *a, eg_bytes key, eg_bytes value, eg_location *ret) EG_MUST_CHECK;
eg_err eg_content_location_put(eg_kv_txn *t, const eg_account *a, const eg_id *segment, const eg_location *l) EG_MUST_CHECK;

/* A file whose content is shared, and its data key. */
typedef struct eg_content_source {
    const eg_inode *inode;
    eg_bytes key;
} eg_content_source;
/* Makes the content of `from` that of `to`, a new inode that has none yet, within the caller's transaction: extents, shared
 * segments (their keys wrapped anew under to_key) and the list of committed blocks. No data is read or written. Sets to's
 * length, extents and digest; the caller puts the inode. `from` must be read in this transaction, and be one that a path or a
 * snapshot names: an orphan's rows may be half gone. */
eg_err eg_content_clone(eg_kv_txn *t, const eg_account *a, const eg_content_source *from, eg_inode *to, eg_bytes to_key) EG_MUST_CHECK;
/* The same for bytes [from, to) of it, added at to's end. Without the list of blocks. */
typedef struct eg_span {
    uint64_t from;
    uint64_t to;
} eg_span;
eg_err eg_content_share_range(eg_kv_txn *t, const eg_account *a, const eg_content_source *from, eg_span range, eg_inode *to,
    eg_bytes to_key) EG_MUST_CHECK;
/* One segment of `from` becomes one of `to` as well. */
typedef struct eg_content_move {
    const eg_id *from;
    eg_bytes from_key;
    const eg_id *to;
    eg_bytes to_key;
} eg_content_move;
eg_err eg_content_share_segment(eg_kv_txn *t, const eg_account *a, const eg_content_move *m, const eg_id *segment,
    eg_segment_size *ret) EG_MUST_CHECK;
/* Adds an extent at i's end: length, count and digest follow; the caller puts the inode. x->offset is ignored. */
eg_err eg_content_extent_add(eg_kv_txn *t, const eg_account *a, eg_inode *i, const eg_extent *x) EG_MUST_CHECK;

/* One append: the segment is published, the row says where it goes. A later append at the same position takes its place. */
typedef struct eg_content_stage {
    eg_change base;
    eg_id inode;               /* that the segment was sealed for; EG_ERR_PATH_NOT_FOUND when the path is another by now */
    uint64_t position;
    uint64_t max_file_bytes;
    uint64_t boot;
    eg_segment_ref segment;
} eg_content_stage;
eg_err eg_content_stage_apply(eg_kv_txn *t, void *stage, eg_problem *p);

/* Makes staged appends up to `position` part of the file. */
typedef struct eg_content_flush {
    eg_change base;
    uint64_t position;
    bool retain;               /* keep what is staged beyond `position` */
    bool repeated;             /* private: it was done before, and its answer was lost */
    bool set[EG_ATTR_COUNT];   /* attributes that come with the flush */
    eg_bytes attr[EG_ATTR_COUNT];
    uint64_t boot;
    eg_segment_at *plan;  /* private: segments that are synced before the commit, in order */
    size_t plan_count;
    bool logged;
    eg_segment_store *segments;
    eg_txn_op ops[2];     /* private */
} eg_content_flush;
/* Syncs the segments, then commits together with `record` (may be NULL). EG_ERR_FLUSH_POSITION when staged appends don't
 * reach from the file's length exactly to `position`; EG_ERR_BUSY when an append came in between. */
eg_err eg_content_flush_run(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) EG_MUST_CHECK;
/* The same without waiting, of packed segments alone, as eg_commit_start. EG_ERR_BUSY: nothing was done, and it wants the other way. When it was told,
 * eg_content_flush_done; after EG_ERR_NOT_FOUND (a pack went meanwhile) it may be started again. */
eg_err eg_content_flush_start(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) EG_MUST_CHECK;
void eg_content_flush_done(eg_content_flush *f);

/* An append and the flush of it in one commit: of a packed segment that begins where the file ends. Nothing of both when one is refused. */
eg_err eg_content_append_flushed(eg_storage *s, eg_content_stage *stage, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) EG_MUST_CHECK;

/* Which boot of the machine this is. */
uint64_t eg_content_boot(void);
/* Recomputes a file's digest from its extent rows and checks that they cover it without gap. EG_ERR_CORRUPT. */
eg_err eg_content_check(eg_kv_txn *t, const eg_account *a, const eg_inode *i) EG_MUST_CHECK;

/* Reads [from, to) of a file; the caller holds it in eg_readers. */
typedef struct eg_content_reader eg_content_reader;
eg_err eg_content_reader_new(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, eg_content_reader **ret) EG_MUST_CHECK;
/* The same without the keeper. EG_ERR_BUSY: the file's key isn't at hand. */
eg_err eg_content_reader_new_cached(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, eg_content_reader **ret) EG_MUST_CHECK;
eg_err eg_content_reader_read(eg_content_reader *r, uint8_t *buf, size_t cap, size_t *ret_n) EG_MUST_CHECK;
/* The same from what the kernel has in memory alone, possibly less. EG_ERR_BUSY: nothing was given, and the next bytes want the other way. */
eg_err eg_content_reader_try(eg_content_reader *r, uint8_t *buf, size_t cap, size_t *ret_n) EG_MUST_CHECK;
uint64_t eg_content_reader_given(const eg_content_reader *r);   /* bytes so far */
void eg_content_reader_free(eg_content_reader *r);
EG_DEFINE_CLEANUP(eg_content_reader, eg_content_reader_free)

#endif

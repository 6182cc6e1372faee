/* The content of files: staged appends, extents, and the segments that both name. */
#ifndef EG_STORAGE_CONTENT_H
#define EG_STORAGE_CONTENT_H

#include "path_change.h"
#include "segment.h"

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

/* fs.segment: where a segment lies and how it opens. `ref` borrows from the transaction. EG_ERR_CORRUPT when missing. */
eg_err eg_content_segment_get(eg_kv_txn *t, const eg_account *a, const eg_id *id, eg_segment_ref *ret, eg_id *ret_file) EG_MUST_CHECK;
eg_err eg_content_segment_put(eg_kv_txn *t, const eg_account *a, const eg_segment_ref *ref) EG_MUST_CHECK;

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
    bool set[EG_ATTR_COUNT];   /* attributes that come with the flush */
    eg_bytes attr[EG_ATTR_COUNT];
    uint64_t boot;
    eg_id *plan;               /* private: segments that were synced, in order */
    size_t plan_count;
} eg_content_flush;
/* Syncs the segments, then commits together with `record` (may be NULL). EG_ERR_FLUSH_POSITION when staged appends don't
 * reach from the file's length exactly to `position`; EG_ERR_BUSY when an append came in between. */
eg_err eg_content_flush_run(eg_storage *s, eg_content_flush *f, const eg_txn_op *record, eg_problem *p) EG_MUST_CHECK;

/* Which boot of the machine this is. */
uint64_t eg_content_boot(void);
/* Recomputes a file's digest from its extent rows and checks that they cover it without gap. EG_ERR_CORRUPT. */
eg_err eg_content_check(eg_kv_txn *t, const eg_account *a, const eg_inode *i) EG_MUST_CHECK;

/* Reads [from, to) of a file; the caller holds it in eg_readers. */
typedef struct eg_content_reader eg_content_reader;
typedef struct eg_span {
    uint64_t from;
    uint64_t to;
} eg_span;
eg_err eg_content_reader_new(eg_storage *s, const eg_account *a, const eg_inode *i, eg_span span, eg_content_reader **ret) EG_MUST_CHECK;
eg_err eg_content_reader_read(eg_content_reader *r, uint8_t *buf, size_t cap, size_t *ret_n) EG_MUST_CHECK;
uint64_t eg_content_reader_given(const eg_content_reader *r);   /* bytes so far */
void eg_content_reader_free(eg_content_reader *r);
EG_DEFINE_CLEANUP(eg_content_reader, eg_content_reader_free)

#endif

/* The files of segments: segments/tmp/<id> while written, segments/<last two hex digits>/<id> afterwards; small ones many to a
 * file in segments/packs/<id of the pack>. */
#ifndef EG_STORAGE_SEGMENT_STORE_H
#define EG_STORAGE_SEGMENT_STORE_H

#include "pack.h"

/* Makes what is missing beneath dir and unlinks temporary files that a dead process left. */
eg_err eg_segment_store_open(const char *dir, uint64_t min_free, const eg_clock *clock, eg_segment_store **ret, eg_problem *p) EG_MUST_CHECK;
/* The same without changing anything there. */
eg_err eg_segment_store_open_to_look(const char *dir, eg_segment_store **ret, eg_problem *p) EG_MUST_CHECK;
void eg_segment_store_close(eg_segment_store *s);
/* Whether the store's log can have what is written here: then it is told what a checkpoint of it has to make durable. */
void eg_segment_store_use_log(eg_segment_store *s, eg_kv *kv);

/* EG_ERR_DISK_FULL when less than the configured room is left. Asks the system at most once a second. */
eg_err eg_segment_store_room(eg_segment_store *s, eg_problem *p) EG_MUST_CHECK;

/* A new temporary file; its id is `pending` until eg_segment_store_settle. */
eg_err eg_segment_store_create(eg_segment_store *s, const eg_id *id, int *ret_fd) EG_MUST_CHECK;
/* Moves it to its place; not yet durable. */
eg_err eg_segment_store_publish(eg_segment_store *s, const eg_id *id) EG_MUST_CHECK;
/* The end of what create began. keep: a row of the metadata names it now; else the file is unlinked, wherever it is. */
void eg_segment_store_settle(eg_segment_store *s, const eg_id *id, bool keep);
/* True between create and settle: the sweep for files without a row leaves these alone. */
bool eg_segment_store_pending(eg_segment_store *s, const eg_id *id);

/* Where the bytes of one segment are: the file is the segment's own (the same id), or a pack. */
typedef struct eg_segment_at {
    eg_id segment;
    eg_id file;
    uint64_t end;              /* behind its last byte in the file; only a sync looks at it */
    uint64_t stored;           /* bytes; 0: not known, or not to be logged */
} eg_segment_at;
static inline bool eg_segment_packed(const eg_segment_at *at) { return !eg_id_eq(&at->segment, &at->file); }
static inline bool eg_segment_all_packed(const eg_segment_at *at, size_t n) {
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all = all && eg_segment_packed(&at[i]);
    }
    return all;
}
/* EG_ERR_NOT_FOUND: lost; or, of a pack, moved meanwhile: look where it lies again. */
eg_err eg_segment_store_open_read(eg_segment_store *s, const eg_segment_at *at, int *ret_fd) EG_MUST_CHECK;
/* The same without the disk, as eg_open_cached. */
eg_err eg_segment_store_open_cached(eg_segment_store *s, const eg_segment_at *at, int *ret_fd) EG_MUST_CHECK;
/* Of a segment with a file of its own. What isn't there is EG_OK. EG_ERR_BUSY while somebody holds the files. */
eg_err eg_segment_store_unlink(eg_segment_store *s, const eg_id *id) EG_MUST_CHECK;
/* A backup holds the files by a shared lock on EG_SEGMENT_HOLD_FILE: no file that a row names, or named when it began, goes meanwhile. */
bool eg_segment_store_held(eg_segment_store *s);
eg_packs *eg_segment_store_packs(eg_segment_store *s);   /* borrowed */
/* Removes a pack that nothing lives in. EG_ERR_BUSY while somebody holds the files. */
eg_err eg_segment_store_remove_pack(eg_segment_store *s, const eg_id *pack) EG_MUST_CHECK;
/* Small ones in packs need no sync: eg_segment_store_log, in the transaction that makes them part of a file, takes them into its record. */
#define EG_LOGGED_MAX ((uint64_t)64 << 10) /* stored bytes of one change */
bool eg_segment_store_can_log(eg_segment_store *s, const eg_segment_at *at, size_t n);
eg_err eg_segment_store_log(eg_segment_store *s, eg_kv_txn *t, const eg_segment_at *at, size_t n) EG_MUST_CHECK;
/* Makes published segments durable: each file, then each directory once. EG_ERR_NOT_FOUND: one is lost, or was
 * moved to another pack meanwhile. */
eg_err eg_segment_store_sync(eg_segment_store *s, const eg_segment_at *at, size_t n) EG_MUST_CHECK;

/* Calls fn for each published segment file of one of the 256 shards, until fn says false. */
eg_err eg_segment_store_each(eg_segment_store *s, unsigned shard, bool (*fn)(void *ctx, const eg_id *id), void *ctx) EG_MUST_CHECK;

#endif

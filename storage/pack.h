/* Packs: files that hold many small segments, so that a thousand small files are not a thousand files to sync.
 * docs/PACK-FORMAT.md has the layout and what a crash leaves. */
#ifndef EG_STORAGE_PACK_H
#define EG_STORAGE_PACK_H

#include "store.h"

#define EG_PACKS_BESIDE "segments/packs"          /* from the directory that the store lies in */
#define EG_PACK_HEADER_LEN 32
#define EG_PACK_FRAME_LEN 32
#define EG_PACK_SIZE ((uint64_t)64 << 20)       /* a pack that would grow beyond it is closed, and the next one begins */

typedef struct eg_packs eg_packs;

/* dir_fd: the directory of the packs; taken, also on failure. Packs that are there are never written to again. */
eg_err eg_packs_open(int dir_fd, eg_packs **ret) EG_MUST_CHECK;
void eg_packs_close(eg_packs *p);

/* Adds a sealed segment to the page cache; not durable yet. Counts it as living. EG_ERR_DISK_FULL, EG_ERR_IO. */
eg_err eg_packs_append(eg_packs *p, const eg_id *segment, eg_bytes sealed, eg_id *ret_pack, uint64_t *ret_offset) EG_MUST_CHECK;
/* What was appended with `stored` bytes before `end` goes into the transaction's record, frame and all, so that the pack needs no sync for it. Only of what
 * eg_packs_can_log said true to. What was synced meanwhile is left out. EG_ERR_NOT_FOUND: the pack is gone, as of eg_packs_sync. */
eg_err eg_packs_log(eg_packs *p, eg_kv_txn *t, const eg_id *pack, uint64_t end, uint64_t stored) EG_MUST_CHECK;
bool eg_packs_can_log(eg_packs *p, const eg_id *pack);
/* From now on: the packs lie where records of the store's log find them. */
void eg_packs_logged(eg_packs *p);
/* Everything that was appended before the call is durable after it. */
eg_err eg_packs_sync_all(eg_packs *p) EG_MUST_CHECK;
/* What the pack has before `end` is durable after it; with `end` 0 everything that was appended before the call. One fdatasync serves all who wait for one, and
 * what one of them had made durable already costs nothing.
 * EG_ERR_NOT_FOUND: the pack is gone, or ends before `end` (a power cut took what an earlier process had appended and nobody had
 * synced). Gone it also is when what lived in it was moved: look where that lies now. */
eg_err eg_packs_sync(eg_packs *p, const eg_id *pack, uint64_t end) EG_MUST_CHECK;
eg_err eg_packs_open_read(eg_packs *p, const eg_id *pack, int *ret_fd) EG_MUST_CHECK;   /* EG_ERR_NOT_FOUND */
eg_err eg_packs_open_cached(eg_packs *p, const eg_id *pack, int *ret_fd) EG_MUST_CHECK; /* as eg_open_cached */

/* Accounts, in memory alone: rows of fs.place are what counts, and the reclaimer adds them up at start. */
void eg_packs_living_row(eg_packs *p, const eg_id *pack, uint64_t stored); /* a row names so many bytes of an earlier process's pack */
void eg_packs_counted(eg_packs *p);                                      /* all rows were told: before it no pack is taken for dead */
bool eg_packs_known(eg_packs *p);                                        /* that has happened */
void eg_packs_dead(eg_packs *p, const eg_id *pack, uint64_t stored);     /* they are named no longer */
/* A closed pack of which at least half is dead, largest share first; false = none. */
bool eg_packs_mostly_dead(eg_packs *p, eg_id *ret_pack, uint64_t *ret_living);
/* Leaves the pack out of that from now on: something in it can't be moved. */
void eg_packs_leave(eg_packs *p, const eg_id *pack);
/* Removes a pack that nothing lives in. EG_ERR_BUSY when something does. */
eg_err eg_packs_remove(eg_packs *p, const eg_id *pack) EG_MUST_CHECK;
/* Makes closed packs durable and lets go of their descriptors. */
void eg_packs_tidy(eg_packs *p);

/* Calls fn for each pack that was there when the store was opened or came since, until fn says false. */
void eg_packs_each(eg_packs *p, bool (*fn)(void *ctx, const eg_id *pack), void *ctx);
/* The segments of a pack in order, as their frames say; nothing of it is authenticated. EG_ERR_CORRUPT where the frames end
 * before the file does. fn's error ends the walk and is returned. */
typedef struct eg_pack_entry {
    eg_id segment;
    uint64_t offset;       /* of the sealed bytes */
    uint64_t stored;
} eg_pack_entry;
eg_err eg_pack_walk(int fd, eg_err (*fn)(void *ctx, const eg_pack_entry *e), void *ctx) EG_MUST_CHECK;
/* One frame. EG_ERR_CORRUPT. */
eg_err eg_pack_frame_read(const uint8_t raw[EG_PACK_FRAME_LEN], eg_id *ret_segment, uint64_t *ret_stored) EG_MUST_CHECK;

#endif

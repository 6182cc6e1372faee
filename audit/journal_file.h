/* Two preallocated files that take turns: framed records, synced in groups, recycled once they are in the tiles. */
#ifndef EG_AUDIT_JOURNAL_FILE_H
#define EG_AUDIT_JOURNAL_FILE_H

#include <embergate/bytes.h>

#define EG_JOURNAL_FRAME_HEAD 20u /* u32 length, u64 sequence number, first 8 bytes of a SHA-256 */
#define EG_JOURNAL_FILE_HEAD 4096u

typedef struct eg_journal_file eg_journal_file;

/* Reads what an earlier process left in dir_fd's journal.0 and journal.1: each whole record in order, with its number (they rise by
 * one within a file). Stops at the first frame that doesn't check. Missing files hold nothing. */
eg_err eg_journal_scan(int dir_fd, eg_err (*each)(void *ctx, uint64_t seq, eg_bytes record), void *ctx, eg_problem *p) EG_MUST_CHECK;

/* Makes both files anew, empty, half of `bytes` each: whatever was in them must be in the tiles. dir_fd is borrowed. */
eg_err eg_journal_create(int dir_fd, uint64_t bytes, eg_journal_file **ret, eg_problem *p) EG_MUST_CHECK;
void eg_journal_free(eg_journal_file *j);

/* Adds a frame to the group that the next eg_journal_sync writes. Numbers must rise by one. */
eg_err eg_journal_add(eg_journal_file *j, uint64_t seq, eg_bytes record) EG_MUST_CHECK;
/* Writes the group and syncs it. EG_ERR_BUSY, with the group kept: the file is full, and the other one holds records past
 * `integrated`, so that the sequencer must get on first. Any other failure loses the group and the journal must be made anew. */
eg_err eg_journal_sync(eg_journal_file *j, uint64_t integrated) EG_MUST_CHECK;
/* Bytes that a group can have at most. */
size_t eg_journal_room(const eg_journal_file *j);
void eg_journal_drop_group(eg_journal_file *j);

#endif

/* Requests that come again because their answer was lost on the way: they are told what the first was told, and change nothing. */
#ifndef EG_STORAGE_REPEATED_H
#define EG_STORAGE_REPEATED_H

#include "conditions.h"

/* Whether the last create or rename of *i had this x-ms-client-transaction-id. An empty one is none. */
bool eg_repeated_transaction(const eg_inode *i, eg_bytes id);

#define EG_LAST_FLUSH_LEN 16
/* With a flush that lengthened the file from `from`, after its change counter moved: sets EG_ATTR_LAST_FLUSH, which borrows `row`. */
void eg_repeated_note_flush(eg_inode *i, uint64_t from, uint8_t row[EG_LAST_FLUSH_LEN]);
/* A flush to `position` whose If-Match names what the file was just before its last change, which was a flush to that position. */
bool eg_repeated_flush(const eg_inode *i, const eg_conditions *c, uint64_t position);
/* An append with flush of n bytes at `position`, after which nothing changed but by it: when the file ends with the same bytes. */
bool eg_repeated_append(const eg_inode *i, uint64_t position, uint64_t n);
/* Whether such an append would be all that the last flush brought: who may not read must not learn a part of it by guessing the end. */
bool eg_repeated_whole(const eg_inode *i, uint64_t position);

#endif

/* Files that are being read, so that the reclaimer leaves them until their last reader is done. */
#ifndef EG_STORAGE_READERS_H
#define EG_STORAGE_READERS_H

#include "store.h"

eg_err eg_readers_new(eg_readers **ret) EG_MUST_CHECK;
void eg_readers_free(eg_readers *r);
eg_err eg_readers_enter(eg_readers *r, const eg_id *inode) EG_MUST_CHECK;
void eg_readers_leave(eg_readers *r, const eg_id *inode);
bool eg_readers_has(eg_readers *r, const eg_id *inode);

#endif

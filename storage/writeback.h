/* Large segments on their way to the disk while they still come in, so that a flush has little left to wait for. */
#ifndef EG_STORAGE_WRITEBACK_H
#define EG_STORAGE_WRITEBACK_H

#include <embergate/bytes.h>

typedef struct eg_writeback eg_writeback;

eg_err eg_writeback_start(eg_writeback **ret) EG_MUST_CHECK;
void eg_writeback_stop(eg_writeback *w);
/* Has the kernel begin to write [from, to) of the file. Never waits and promises nothing: with too much to do it is left to the sync. */
void eg_writeback_begin(eg_writeback *w, int fd, uint64_t from, uint64_t to);

#endif

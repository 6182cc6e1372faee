/* The thread pool for whatever can block: commits, file reads, key unwrapping, DNS. */
#ifndef EMBERGATE_POOL_H
#define EMBERGATE_POOL_H

#include <embergate/err.h>
#include <stdbool.h>

typedef struct eg_pool eg_pool;

/* `queue_max` bounds what waits: eg_pool_submit then says EG_ERR_BUSY (503), never waits. */
eg_err eg_pool_start(unsigned threads, unsigned queue_max, eg_pool **ret) EG_MUST_CHECK;
void eg_pool_stop(eg_pool *p);   /* runs what is queued, joins */
eg_err eg_pool_submit(eg_pool *p, void (*fn)(void *), void *arg) EG_MUST_CHECK;
unsigned eg_pool_queued(const eg_pool *p);

#endif

/* The one thread that carries batches on: starts what waits, learns what ended, discards what was deleted. */
#ifndef EMBERGATE_COMPUTE_WATCHER_H
#define EMBERGATE_COMPUTE_WATCHER_H

#include "compute_object.h"

typedef struct eg_watcher eg_watcher;

/* Looks every 250 ms, and when it is poked. Runners go on when it stops. */
eg_err eg_watcher_start(eg_compute *c, eg_watcher **ret) EG_MUST_CHECK;
void eg_watcher_stop(eg_watcher *w);   /* joins; poking it is harmless until it is freed */
void eg_watcher_free(eg_watcher *w);   /* a stopped one; NULL is harmless */
/* Any thread; never blocks for long. NULL is harmless. */
void eg_watcher_poke(eg_watcher *w);

#endif

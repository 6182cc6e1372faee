/* Notices that the wall clock was set, by comparing it with the monotonic one. */
#ifndef GATEWAY_PROCESS_CLOCK_WATCH_H
#define GATEWAY_PROCESS_CLOCK_WATCH_H

#include <embergate/clock.h>

typedef struct eg_clock_watch {
    const eg_clock *clock;
    int64_t apart_ns; /* wall less monotonic, when last looked */
} eg_clock_watch;

void eg_clock_watch_init(eg_clock_watch *w, const eg_clock *clock);
/* To be called often: by how many seconds the wall clock was set since the last call; 0 below 2 s, as where it is only being disciplined. */
int64_t eg_clock_watch_jump(eg_clock_watch *w);

#endif

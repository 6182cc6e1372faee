/* Notices that the wall clock was set. */
#include "clock_watch.h"

#define JUMP_NS 2000000000LL

void eg_clock_watch_init(eg_clock_watch *w, const eg_clock *clock) {
    *w = (eg_clock_watch){clock, eg_wall_ns(clock) - eg_mono_ns(clock)};
}

int64_t eg_clock_watch_jump(eg_clock_watch *w) {
    int64_t apart = eg_wall_ns(w->clock) - eg_mono_ns(w->clock);
    int64_t jump = apart - w->apart_ns;
    w->apart_ns = apart;
    return jump >= JUMP_NS || jump <= -JUMP_NS ? jump / 1000000000 : 0;
}

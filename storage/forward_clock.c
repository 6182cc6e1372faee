/* A clock for what ends by itself: leases, expiry, retention. It follows the wall clock and never goes back with it. */
#include "store.h"

void eg_forward_clock_init(eg_forward_clock *c) {
    *c = (eg_forward_clock){0};
    pthread_mutex_init(&c->lock, NULL);
}

void eg_forward_clock_done(eg_forward_clock *c) { pthread_mutex_destroy(&c->lock); }

int64_t eg_storage_forward_ns(eg_storage *s) {
    eg_forward_clock *c = &s->forward;
    pthread_mutex_lock(&c->lock);
    const int64_t wall = eg_wall_ns(s->clock);
    const int64_t mono = eg_mono_ns(s->clock);
    /* After a step back it goes on at the pace of the monotonic clock, so that what was held still ends. */
    const int64_t counted = c->begun ? c->last_ns + (mono - c->last_mono_ns) : wall;
    c->last_ns = wall > counted ? wall : counted;
    c->last_mono_ns = mono;
    c->begun = true;
    const int64_t now = c->last_ns;
    pthread_mutex_unlock(&c->lock);
    return now;
}

/* A clock that tests move by hand, on a store whose reclaimer rests. */
#ifndef EG_TEST_MOVED_CLOCK_H
#define EG_TEST_MOVED_CLOCK_H

#include "storage_fixture.h"

#define MOVED_START ((int64_t)1700000000 * 1000000000)

static int64_t moved_wall_ns = MOVED_START;
static int64_t moved_mono_ns = 1;
static inline int64_t moved_wall(void *ctx) { return ctx ? 0 : moved_wall_ns; }
static inline int64_t moved_mono(void *ctx) { return ctx ? 0 : moved_mono_ns; }
static const eg_clock moved_clock = {moved_wall, moved_mono, NULL};

static inline void pass_time(int64_t seconds) {
    moved_wall_ns += seconds * 1000000000;
    moved_mono_ns += seconds * 1000000000;
}

static inline int open_clocked(void **state) {
    assert_int_equal(store_open(state), 0);
    store *s = *state;
    store_quiet(s);
    s->storage->clock = &moved_clock;
    s->storage->forward.begun = false; /* the reclaimer may have asked for the time before it rested */
    return 0;
}

#endif

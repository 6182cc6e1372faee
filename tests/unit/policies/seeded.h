/* Chance that can be repeated: EG_SEED=N gives the run that printed N. */
#ifndef EMBERGATE_TEST_SEEDED_H
#define EMBERGATE_TEST_SEEDED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t chance;

/* Another seed for each run, unless one is asked for. */
static inline void seeded(const char *what) {
    const char *given = getenv("EG_SEED");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    chance = given ? strtoull(given, NULL, 10) : (uint64_t)t.tv_sec * 1000003 + (uint64_t)t.tv_nsec;
    print_message("%s: EG_SEED=%llu\n", what, (unsigned long long)chance);
}

static inline unsigned pick(unsigned n) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((chance >> 33) % n);
}

#endif

/* Long work in short steps, with rests between them: for a thread that shares the processors with those whom clients wait for. */
#ifndef EMBERGATE_PACE_H
#define EMBERGATE_PACE_H

#include <embergate/clock.h>

/* Asked by a loop as often as it likes. NULL wherever a pace is taken: nobody else is waiting, the work is done in one go. */
typedef struct eg_pace {
    int64_t work_ns, rest_ns;
    int64_t rests_ns;                      /* all rests together are at most as long: the work has to end */
    int64_t (*mono_ns)(void *ctx);
    void (*rest)(void *ctx, int64_t ns);
    void *ctx;
    int64_t since_ns, rested_ns;           /* its own */
} eg_pace;

#define EG_PACE_WORK_NS 250000
#define EG_PACE_REST_NS 250000
#define EG_PACE_RESTS_NS 300000000
/* What is done beside busy workers, by these and the system's clock. The first step begins now. */
eg_pace eg_pace_beside(void);
/* Rests when a step's time is over. */
void eg_pace_step(eg_pace *p);

#endif

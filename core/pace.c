/* Work in steps: a look at the clock, and a rest when the step has lasted long enough. */
#include <embergate/pace.h>

#include <errno.h>
#include <time.h>

static int64_t system_mono(void *ctx) {
    (void)ctx;
    return eg_mono_ns(&eg_clock_system);
}

static void system_rest(void *ctx, int64_t ns) {
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    (void)ctx;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) {
    }
}

eg_pace eg_pace_beside(void) {
    return (eg_pace){.work_ns = EG_PACE_WORK_NS, .rest_ns = EG_PACE_REST_NS, .rests_ns = EG_PACE_RESTS_NS, .mono_ns = system_mono, .rest = system_rest, .since_ns = system_mono(NULL)};
}

/* What the thread waited for the processor counts as work: the others have had that time, and a rest more does no harm. */
void eg_pace_step(eg_pace *p) {
    if (!p || p->rested_ns >= p->rests_ns) {
        return;
    }
    const int64_t now = p->mono_ns(p->ctx);
    if (now - p->since_ns < p->work_ns) {
        return;
    }
    p->rest(p->ctx, p->rest_ns);
    p->since_ns = p->mono_ns(p->ctx);
    p->rested_ns += p->rest_ns;
}

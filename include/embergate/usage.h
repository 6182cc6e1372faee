/* Bytes that a job's requests moved: storage tells it, compute keeps it. A seam that the gateway joins. */
#ifndef EMBERGATE_USAGE_H
#define EMBERGATE_USAGE_H

#include <embergate/bytes.h>

typedef struct eg_usage_sink {
    void *ctx;
    /* job: "{cluster}/{batch id}", "" = no job. Any thread, never blocks. */
    void (*moved)(void *ctx, eg_str job, uint64_t read, uint64_t written);
} eg_usage_sink;

#endif

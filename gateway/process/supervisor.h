/* Starts the processes of embergate, each as its own user, and restarts what dies. */
#ifndef GATEWAY_PROCESS_SUPERVISOR_H
#define GATEWAY_PROCESS_SUPERVISOR_H

#include "unix_user.h"

#include <embergate/log.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct eg_process {
    const char *name;            /* also the process's name in ps: at most 15 bytes */
    eg_unix_user user;           /* become before run(), for good; keep_user instead for the launcher */
    bool keep_user;
    /* The process's body: runs until *stop is set by SIGTERM; gives the exit status. */
    int (*run)(void *ctx, const atomic_int *stop);
    void *ctx;
    eg_log_level log_level;
    unsigned stop_seconds;       /* how long it may take to stop before it is killed */
} eg_process;

#define EG_PROCESSES_MAX 4

/* Forks all in order, restarts what dies (at once, then with a growing pause of 0.1 to 10 s), until SIGTERM or SIGINT; then
 * stops them one by one in reverse order. Must be called before any thread or key exists. */
eg_err eg_supervise(const eg_process *processes, size_t n, eg_problem *p) EG_MUST_CHECK;

#endif

/* The launcher as its clients see it: the few things that need the cluster's user or the power to signal it.
 * Server side: eg_launcher_run in include/embergate/compute.h (launcher_server.c). */
#ifndef EG_COMPUTE_LAUNCHER_H
#define EG_COMPUTE_LAUNCHER_H

#include "runner.h"

#include <embergate/ipc.h>

/* What to start. All borrowed. The program, its user, its environment and its directories come from the launcher's own configuration;
 * a message only fills in what stands here. */
typedef struct eg_launch_spec {
    const char *cluster;
    eg_runner_kind kind;
    const char *id;
    eg_bytes log_key;               /* EG_RUNNER_LOG_KEY_LEN bytes; one key never serves two runners */
    eg_bytes properties;            /* Spark properties (java.util.Properties); secret: given to the program in memory, never on disk */
    uint16_t port;                  /* MASTER: where it listens; WORKER: where its master listens */
    uint16_t ui_port;               /* MASTER, WORKER: of the web UI, on loopback; 0 = any */
    /* BATCH only: */
    eg_bytes credential;            /* content of the `credential` file, no more than 4 KiB */
    eg_str main_class;              /* "" = none (Python) */
    eg_str file;                    /* abfss://… or an absolute path beneath one of the cluster's file_roots */
    const eg_str *args;
    size_t arg_count;               /* at most EG_LAUNCH_ARGS_MAX; seen by the cluster's own processes on the command line */
} eg_launch_spec;

#define EG_LAUNCH_ARGS_MAX 1000
#define EG_LAUNCH_CREDENTIAL_MAX 4096
#define EG_LAUNCH_ARGS_BYTES_MAX (96u << 10)

typedef enum eg_launch_stop {
    EG_LAUNCH_STOP_GRACEFUL = 1,    /* SIGTERM to the program; SIGKILL to all that is left after 10 s */
    EG_LAUNCH_STOP_NOW = 2,         /* SIGKILL to the whole tree */
} eg_launch_stop;

typedef struct eg_launcher_client eg_launcher_client;
eg_launcher_client *eg_launcher_client_new(const char *socket_path);   /* copies; NULL without memory */
void eg_launcher_client_free(eg_launcher_client *c);
/* Whether the runner that was started last lacks this: one of EG_RUNNER_PRIVATE_TMP… (runner_process.h). False while none was started. */
bool eg_launcher_client_lacks(const eg_launcher_client *c, unsigned isolation);

/* All block (pool or watcher threads), are thread-safe, and fail with EG_ERR_LAUNCHER when the launcher is away. */

/* Makes or mends the cluster's directories, its conf/, and trust.jks. EG_ERR_CLUSTER_NOT_FOUND. */
eg_err eg_launcher_ensure(eg_launcher_client *c, const char *cluster, eg_problem *p) EG_MUST_CHECK;
/* EG_OK: the runner lives and its program was executed. EG_ERR_EXISTS: this id was used before (then look at it, never start again).
 * EG_ERR_LAUNCHER may mean that it was started all the same: eg_runner_look tells. */
eg_err eg_launcher_start(eg_launcher_client *c, const eg_launch_spec *s, eg_problem *p) EG_MUST_CHECK;
/* Asks for the end and returns at once; one that ended already is EG_OK, an absent one EG_ERR_NOT_FOUND. */
eg_err eg_launcher_stop(eg_launcher_client *c, const char *cluster, eg_runner_kind kind, const char *id, eg_launch_stop how, eg_problem *p) EG_MUST_CHECK;
/* Removes the directory of a runner that doesn't live (log and all). EG_ERR_BUSY while it lives; absent is EG_OK. */
eg_err eg_launcher_discard(eg_launcher_client *c, const char *cluster, eg_runner_kind kind, const char *id, eg_problem *p) EG_MUST_CHECK;

#endif

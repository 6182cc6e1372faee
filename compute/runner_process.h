/* The body of a runner process: what it is given by the launcher, from which it was forked. */
#ifndef EG_COMPUTE_RUNNER_PROCESS_H
#define EG_COMPUTE_RUNNER_PROCESS_H

#include "runner_files.h"

#include <sys/types.h>

/* 0 = none. */
typedef struct eg_runner_bounds {
    unsigned processes;              /* of the cluster's user, threads counted too */
    unsigned memory_mb;              /* of the cluster's user; 0 = four fifths of the machine's */
    unsigned disk_mb;                /* of {scratch}/{kind}-{id}; passing it ends the program */
} eg_runner_bounds;

/* What the host allowed of the isolation that is always tried. */
enum {
    EG_RUNNER_PRIVATE_TMP = 1,       /* a tmp/ in memory */
    EG_RUNNER_CONFINED = 2,          /* nothing else to write but its own scratch directory; no shared memory with others; no link followed in file_roots */
    EG_RUNNER_GROUP = 4,             /* a control group */
    EG_RUNNER_FILTER = 8,            /* a filter of system calls */
};

/* Everything is opened by the launcher, with the launcher's rights; the runner then works with what it holds. */
typedef struct eg_runner_job {
    const char *name;                /* "{cluster}/{kind}-{id}" */
    int lock_fd, record_fd, log_fd, exit_fd;
    int credential_fd;               /* -1 = none; emptied at the end */
    int report_fd;                   /* one eg_runner_report is written here, then it is closed */
    bool drop;                       /* become uid and gid for good */
    uid_t uid;
    gid_t gid;
    const char *cwd;
    const char *private_tmp;         /* where the host allows, an in-memory file system of its own goes here */
    const char *scratch;             /* the cluster's scratch directory; {kind}-{id} in it is removed at the end */
    const char *const *file_roots;   /* where job files may come from, NULL-terminated: no link in them is followed; may be NULL */
    eg_runner_bounds bounds;
    eg_bytes log_key;
    eg_bytes properties;
    /* EG_RUNNER_PROPERTIES_PATH in argv is where the program finds the properties. */
    char *const *argv;
    char *const *envp;
} eg_runner_job;

#define EG_RUNNER_PROPERTIES_FD 3
#define EG_RUNNER_PROPERTIES_PATH "/proc/self/fd/3"

typedef struct eg_runner_report {
    eg_err err;
    unsigned isolation;              /* EG_RUNNER_PRIVATE_TMP… */
    char what[120];                  /* "" on success */
} eg_runner_report;

/* Never returns. Runs in a process forked for it; closes every descriptor that is not named in job. */
_Noreturn void eg_runner_process(const eg_runner_job *job);

#endif

/* The directory of one runner, on the launcher's side: made whole before it can be seen, used once, removed when its runner is gone. */
#ifndef EG_COMPUTE_RUNNER_DIR_H
#define EG_COMPUTE_RUNNER_DIR_H

#include "cluster_dirs.h"
#include "runner_process.h"

typedef struct eg_runner_dir {
    int lock_fd, record_fd, log_fd, exit_fd, credential_fd;  /* -1 = none */
} eg_runner_dir;

typedef struct eg_runner_dir_spec {
    const char *name;              /* "{kind}-{id}" */
    bool chown;                    /* we are root: give the files to their readers */
    gid_t gateway_gid;
    const eg_cluster_user *user;
    eg_bytes credential;           /* "" = none */
} eg_runner_dir_spec;

/* Makes {run_fd}/{name} with its empty files, the lock taken. Under its name it is never seen unlocked, so that whoever looks can't
 * take a runner that is about to start for a dead one. EG_ERR_EXISTS. The caller ends it with eg_runner_dir_done. */
eg_err eg_runner_dir_make(int run_fd, const eg_runner_dir_spec *s, eg_runner_dir *ret, eg_problem *p) EG_MUST_CHECK;
void eg_runner_dir_done(eg_runner_dir *d);
/* EG_ERR_NOT_FOUND, EG_ERR_BUSY while its runner lives. */
eg_err eg_runner_dir_remove(int run_fd, const char *name, eg_problem *p) EG_MUST_CHECK;
/* Tells the runner to end; EG_OK when it is gone already. */
eg_err eg_runner_dir_signal(int run_fd, const char *name, int signal, eg_problem *p) EG_MUST_CHECK;

#endif

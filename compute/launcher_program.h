/* Which program a runner starts, with which words and which environment: fixed by its kind and the launcher's configuration. */
#ifndef EG_COMPUTE_LAUNCHER_PROGRAM_H
#define EG_COMPUTE_LAUNCHER_PROGRAM_H

#include "launcher.h"

#include <embergate/arena.h>
#include <embergate/compute.h>

typedef struct eg_launcher_program {
    char *const *argv;   /* NULL-terminated, in the arena */
    char *const *envp;
} eg_launcher_program;

/* Checks all of the message's fields that reach the program. EG_ERR_FILE_REFUSED, EG_ERR_INVALID, EG_ERR_LIMIT. */
eg_err eg_launcher_program_for(const char *clusters_dir, const eg_cluster_config *c, const eg_launch_spec *s, eg_arena *a, eg_launcher_program *ret,
                           eg_problem *p) EG_MUST_CHECK;

#endif

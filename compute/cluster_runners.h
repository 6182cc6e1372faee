/* The masters and workers of one cluster, by their directories; batches are not looked at. */
#ifndef EG_COMPUTE_CLUSTER_RUNNERS_H
#define EG_COMPUTE_CLUSTER_RUNNERS_H

#include "launcher.h"

#define EG_CLUSTER_RUNNERS_MAX 256

typedef struct eg_cluster_runner {
    eg_runner_kind kind;
    char id[EG_RUNNER_ID_MAX + 1];
    uint64_t generation;           /* what the id begins with */
    uint64_t number;               /* of a worker: what follows the '-' */
    eg_runner_state state;
} eg_cluster_runner;

/* Which and where. Borrowed. */
typedef struct eg_cluster_site {
    const char *clusters_dir;
    const char *cluster;
    eg_launcher_client *launcher;
} eg_cluster_site;

/* At most cap; an absent directory holds none. */
eg_err eg_cluster_runners_list(const eg_cluster_site *s, eg_cluster_runner *ret, size_t cap, size_t *ret_n, eg_problem *p) EG_MUST_CHECK;
/* Asks all that live to end, removes what has ended. *ret_living = how many still live; call again until 0. */
eg_err eg_cluster_runners_end(const eg_cluster_site *s, eg_launch_stop how, size_t *ret_living, eg_problem *p) EG_MUST_CHECK;
/* The last words of a runner, for people: at most two lines of its log, "" when there are none. */
void eg_cluster_runners_last_words(const eg_runner_ref *ref, const uint8_t log_key[EG_RUNNER_LOG_KEY_LEN], char *ret, size_t cap);

#endif

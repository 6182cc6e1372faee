/* What the supervisor prepares before it forks: paths, listening sockets, clusters as compute/ wants them. */
#ifndef GATEWAY_PROCESS_SERVE_PLAN_H
#define GATEWAY_PROCESS_SERVE_PLAN_H

#include "../config/config.h"
#include "state_dir.h"
#include "unix_user.h"

#include <embergate/arena.h>
#include <embergate/compute.h>

#define EG_LISTENERS_MAX 16

typedef struct eg_serve_plan {
    const eg_config *config;
    eg_arena *arena;                       /* of what stands below */
    eg_unix_user user_gateway, user_keeper, user_us;
    int listener_fds[EG_LISTENERS_MAX];
    int keeper_fd, launcher_fd, admin_fd;
    char keeper_socket[EG_STATE_PATH_MAX], launcher_socket[EG_STATE_PATH_MAX], admin_socket[EG_STATE_PATH_MAX], erasures[EG_STATE_PATH_MAX];
    char db[EG_STATE_PATH_MAX], segments[EG_STATE_PATH_MAX], audit[EG_STATE_PATH_MAX], keeper[EG_STATE_PATH_MAX];
    char clusters_dir[EG_STATE_PATH_MAX], policies[EG_STATE_PATH_MAX];
    char tls_certificate[EG_STATE_PATH_MAX], tls_key[EG_STATE_PATH_MAX], tls_ca[EG_STATE_PATH_MAX];
    eg_cluster_config *clusters;
} eg_serve_plan;

/* Opens and checks everything that can be wrong before a process is started; each problem says what to do. */
eg_err eg_serve_plan_make(const eg_config *c, eg_serve_plan *ret, eg_problem *p) EG_MUST_CHECK;

/* The gateway process's body: wires the rooms together and runs until *stop. serve_gateway.c. */
int eg_serve_gateway(void *plan, const atomic_int *stop);

#endif

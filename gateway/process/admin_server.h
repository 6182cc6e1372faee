/* The serving side of run/admin.sock, a thread of the gateway process: keys, encryption scopes, erasure, the moment of a backup. */
#ifndef GATEWAY_PROCESS_ADMIN_SERVER_H
#define GATEWAY_PROCESS_ADMIN_SERVER_H

#include <embergate/audit.h>
#include <embergate/compute.h>
#include <embergate/policy_store.h>
#include <embergate/identity.h>
#include <embergate/storage.h>

#include "../pipeline/policy_watch.h"

typedef struct eg_admin eg_admin;

typedef struct eg_admin_options {
    int listen_fd;             /* borrowed */
    uid_t allowed_uid;
    eg_storage *storage;
    eg_audit *audit;
    eg_compute *compute;
    eg_identity *identity;
    eg_policy_store *policies;
    eg_policy_watch *watch;
    const eg_keys *keys;
    const char *origin;        /* of the server's own log, whose key signs */
    uint32_t backup_max_age_s; /* without a backup for so long it is said in the log and by a metric; 0 = never */
    const char *erasures_dir;  /* what is known of each erasure: made if missing */
} eg_admin_options;

eg_err eg_admin_start(const eg_admin_options *o, eg_admin **ret, eg_problem *p) EG_MUST_CHECK;
void eg_admin_stop(eg_admin *a);
/* To be called often: lets go of the log when a backup that held it has died. */
void eg_admin_tick(eg_admin *a);

#endif

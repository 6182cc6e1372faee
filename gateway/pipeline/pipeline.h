/* What the door calls for each request: route, check the network, authenticate, decide, act, record, respond. */
#ifndef EMBERGATE_PIPELINE_H
#define EMBERGATE_PIPELINE_H

#include "compliance_watch.h"
#include "policy_watch.h"
#include "quota.h"
#include "router.h"

#include <embergate/audit.h>
#include <embergate/identity.h>
#include <embergate/storage.h>

typedef struct eg_pipeline eg_pipeline;

/* Where a cluster sits: its jobs' requests count as coming from there. And how one may sign in at it without a token. */
typedef struct eg_pipeline_cluster {
    const char *tenant;
    const char *name;
    const char *subnet;       /* resource id; "" = none */
    bool http_basic;          /* local principals with a password may sign in by it */
    bool csrf;                /* a write that is not signed in by a bearer token then owes X-Requested-By */
} eg_pipeline_cluster;

/* All borrowed for the life of the pipeline. */
typedef struct eg_pipeline_options {
    const eg_router *router;
    eg_identity *identity;
    eg_policy_watch *policies;
    eg_audit *audit;
    eg_pool *pool;
    const eg_clock *clock;
    eg_storage_auth storage_auth; /* {0}: bearer tokens alone */
    const eg_pipeline_cluster *clusters; /* all */
    size_t cluster_count;
    eg_quotas *quotas;        /* NULL = none */
    /* Whether so many more bytes may be stored in the account; NULL = always. */
    bool (*has_room)(void *ctx, eg_str account, uint64_t bytes);
    void *room_ctx;
    eg_compliance_watch *compliance; /* NULL = nothing is disabled */
    const char *public_url;   /* "https://…": named in the challenge that tells storage clients where to sign in */
} eg_pipeline_options;

eg_err eg_pipeline_new(const eg_pipeline_options *o, eg_pipeline **ret) EG_MUST_CHECK;
/* After the door was stopped: no request may be left. */
void eg_pipeline_free(eg_pipeline *pl);
eg_door_app eg_pipeline_app(eg_pipeline *pl);
/* Whether something was revoked or the policy changed since this was last asked, or a second passed: then eg_door_sweep is due. One thread. */
bool eg_pipeline_sweep_due(eg_pipeline *pl);
/* eg_door_options.refused: what the door itself refused is counted in the audit log, not recorded one by one. */
void eg_pipeline_refused(void *app, const eg_peer *peer, eg_err why);

#endif

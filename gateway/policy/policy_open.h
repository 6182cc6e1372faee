/* The store of policies of a configuration: in the gateway, and by commands while nobody serves. */
#ifndef GATEWAY_POLICY_POLICY_OPEN_H
#define GATEWAY_POLICY_POLICY_OPEN_H

#include "../config/config.h"
#include "../process/offline_store.h"

#include <embergate/policy_store.h>

typedef struct eg_policy_open_options {
    const eg_config *config;
    eg_arena *arena;           /* lives as long as the store */
    eg_kv *kv;
    eg_committer *committer;
    eg_audit *audit;           /* NULL: no server */
} eg_policy_open_options;
eg_err eg_policy_open(const eg_policy_open_options *o, eg_policy_store **ret, eg_problem *p) EG_MUST_CHECK;

/* The store of a state directory that nobody serves, with what it needs. EG_ERR_LOCKED, EG_ERR_POLICY_FILES. */
typedef struct eg_policy_offline {
    eg_arena *arena;
    eg_offline_store under;
    eg_policy_store *store;
} eg_policy_offline;
eg_err eg_policy_offline_open(const eg_config *c, eg_policy_offline *ret, eg_problem *p) EG_MUST_CHECK;
void eg_policy_offline_done(eg_policy_offline *o);   /* {0} is harmless */

/* A role assignment as `embergate policy assign` makes it: the same role, principal and scope are one assignment. by: "init", "operator". */
eg_err eg_policy_store_grant(eg_policy_store *s, const eg_policy_grant *g, const char *by, eg_problem *p) EG_MUST_CHECK;

/* The policies' own API on the ARM surface. room = eg_policy_store*. */
const eg_route *eg_policy_routes(size_t *ret_n);

#endif

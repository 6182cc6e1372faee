/* One question or change of an administrator as JSON in and JSON out, whichever way it came. docs/POLICIES.md has the verbs. */
#ifndef GATEWAY_POLICY_POLICY_DESK_H
#define GATEWAY_POLICY_POLICY_DESK_H

#include <embergate/policy_store.h>

typedef struct eg_policy_asker {
    const eg_principal *who;            /* NULL: the operator of the machine, who may change and see everything */
    const eg_policy_recorder *recorder; /* of whatever changes; NULL = the store's own */
} eg_policy_asker;

/* EG_ERR_ROUTE_UNKNOWN for an unknown verb; EG_ERR_BODY_FIELD, and what eg_policy_store_… says. *ret is the caller's. */
eg_err eg_policy_desk(eg_policy_store *s, eg_str verb, const json_t *in, const eg_policy_asker *asker, json_t **ret, eg_problem *p) EG_MUST_CHECK;

#endif

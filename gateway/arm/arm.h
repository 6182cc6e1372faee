/* Azure Resource Manager's REST surface: what is beneath /subscriptions, /providers, /tenants and /metadata/endpoints, and of Graph what az asks. */
#ifndef EMBERGATE_ARM_H
#define EMBERGATE_ARM_H

#include "../config/config.h"
#include "../pipeline/compliance_watch.h"

#include <embergate/http.h>
#include <embergate/policy_store.h>

typedef struct eg_arm eg_arm;

/* All borrowed for the life of eg_arm. */
typedef struct eg_arm_options {
    const eg_config *config;      /* clusters, accounts, tenants: what is not in policies */
    eg_policy_store *policies;    /* documents; NULL in tests: there are none, and none can be written */
    eg_kv *kv;                    /* local principals, for their names; NULL = none */
    const eg_clock *clock;
    eg_compliance_watch *compliance; /* NULL in tests: nothing is known of compliance */
} eg_arm_options;

eg_err eg_arm_new(const eg_arm_options *o, eg_arm **ret) EG_MUST_CHECK;
void eg_arm_free(eg_arm *a);      /* NULL is harmless */
EG_DEFINE_CLEANUP(eg_arm, eg_arm_free)

/* Mounted after the storage accounts' own rows (listKeys and its kin); the last rows take whatever is left on the surface. room = eg_arm*. */
const eg_route *eg_arm_routes(size_t *ret_n);

#endif

/* What the files of gateway/arm share: the room, its answers, and the resources that the configuration makes. */
#ifndef EMBERGATE_ARM_STATE_H
#define EMBERGATE_ARM_STATE_H

#include "arm.h"

struct eg_arm {
    eg_arm_options o;
};

/* Where everything is, as far as Azure's clients ask: a region that Azure has not. */
#define EG_ARM_LOCATION "embergate"
#define EG_ARM_ID_MAX 1024
#define EG_ARM_PAGE 1000
#define EG_ARM_SUBSCRIPTIONS_MAX 16

/* api_version.c. begin() of every row: EG_ERR_API_VERSION_MISSING, EG_ERR_API_VERSION. */
eg_err eg_arm_begin(eg_request *rq);
/* A provider with its resource types as Azure describes them; NULL without memory. n counts from 0; NULL also behind the last. */
json_t *eg_arm_provider(size_t n, eg_str subscription);
/* end() of the last rows. EG_ERR_RESOURCE_NAMESPACE, _RESOURCE_TYPE, _METHOD, or EG_ERR_NOT_FOUND for what has no provider. */
eg_err eg_arm_unknown(eg_request *rq);

/* resource_list.c. {"value":[…]} of an array of resources with ids (taken), in the order of their ids, EG_ARM_PAGE at a time with nextLink. */
eg_err eg_arm_respond_list(eg_request *rq, json_t *taken);
/* Adds the request's own query without its $skipToken; "&" at its end unless it is empty. */
eg_err eg_arm_add_query(const eg_request *rq, eg_buf *to) EG_MUST_CHECK;
/* May the asker do this at an id of the request's own tenant? */
bool eg_arm_may(eg_request *rq, const char *action, const char *id);
/* Does the id lie at the scope or below it? */
bool eg_arm_within(eg_str scope, eg_str id);
/* The parameter of a path that ends a scope, such as "/subscriptions/{s}": its first n segments. */
eg_str eg_arm_first_segments(eg_str path, size_t n);
eg_str eg_arm_last_segment(eg_str path);
/* Subscriptions of the request's tenant, borrowed from the configuration. */
size_t eg_arm_subscriptions(const eg_arm *a, eg_str tenant, const char *ret[EG_ARM_SUBSCRIPTIONS_MAX]);
/* Is the scope in a subscription of the request's tenant? */
bool eg_arm_own_scope(const eg_request *rq, eg_str scope);

/* metadata.c */
eg_err eg_arm_metadata(eg_request *rq);
/* subscriptions.c */
eg_err eg_arm_subscription_list(eg_request *rq);
eg_err eg_arm_subscription_get(eg_request *rq);
eg_err eg_arm_location_list(eg_request *rq);
eg_err eg_arm_tenant_list(eg_request *rq);
eg_err eg_arm_provider_list(eg_request *rq);
eg_err eg_arm_provider_get(eg_request *rq);
/* resource_groups.c */
eg_err eg_arm_group_list(eg_request *rq);
eg_err eg_arm_group_get(eg_request *rq);
/* clusters.c, accounts.c: all of the tenant that the request's scope covers and the asker may read. */
eg_err eg_arm_cluster_list(eg_request *rq);
eg_err eg_arm_cluster_get(eg_request *rq);
eg_err eg_arm_account_list(eg_request *rq);
eg_err eg_arm_account_get(eg_request *rq);
eg_err eg_arm_account_patch(eg_request *rq);

#endif

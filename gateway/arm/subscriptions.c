/* Subscriptions, their tenant, where they are and which providers they have. */
#include "arm_state.h"

static const char *tenant_name(const eg_arm *a, const char *tenant) {
    const eg_config_tenant *t = eg_config_tenant_named(a->o.config, tenant);
    return t ? t->name : tenant;
}

static json_t *subscription(const eg_request *rq, const char *id) {
    const eg_arm *a = rq->room;
    char tenant[EG_UUID_LEN] = "";
    if (rq->tenant.len < sizeof tenant) {
        memcpy(tenant, rq->tenant.ptr, rq->tenant.len);
    }
    json_t *v = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:[]}", "subscriptionId", id, "tenantId", tenant, "homeTenantId", tenant, "displayName",
                          tenant_name(a, tenant), "state", "Enabled", "authorizationSource", "RoleBased", "managedByTenants");
    if (v) {
        (void)json_object_set_new(v, "id", json_sprintf("/subscriptions/%s", id));
    }
    return v;
}

/* Whoever is signed in may know the subscriptions of its own tenant: az can't sign in without one. */
eg_err eg_arm_subscription_list(eg_request *rq) {
    const char *own[EG_ARM_SUBSCRIPTIONS_MAX];
    size_t n = eg_arm_subscriptions(rq->room, rq->tenant, own);
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        (void)json_array_append_new(list, subscription(rq, own[i]));
    }
    return eg_arm_respond_list(rq, list);
}

eg_err eg_arm_subscription_get(eg_request *rq) {
    const char *own[EG_ARM_SUBSCRIPTIONS_MAX];
    size_t n = eg_arm_subscriptions(rq->room, rq->tenant, own);
    for (size_t i = 0; i < n; i++) {
        if (eg_str_ieq(eg_str_of(own[i]), rq->params[0])) {
            return eg_respond_json(rq, 200, subscription(rq, own[i]));
        }
    }
    return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The subscription could not be found.");
}

eg_err eg_arm_location_list(eg_request *rq) {
    json_t *one = json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:s}}", "name", EG_ARM_LOCATION, "displayName", "embergate", "regionalDisplayName", "embergate", "type", "Region",
                            "metadata", "regionType", "Physical", "regionCategory", "Recommended");
    if (one) {
        (void)json_object_set_new(one, "id", json_sprintf("/subscriptions/%.*s/locations/" EG_ARM_LOCATION, EG_FMT(rq->params[0])));
    }
    return eg_arm_respond_list(rq, one ? json_pack("[o]", one) : NULL);
}

eg_err eg_arm_tenant_list(eg_request *rq) {
    const eg_arm *a = rq->room;
    const char *tenant = rq->principal->tenant;
    json_t *one = json_pack("{s:s,s:s,s:s,s:s}", "tenantId", tenant, "displayName", tenant_name(a, tenant), "tenantCategory", "Home", "tenantType", "AAD");
    if (one) {
        (void)json_object_set_new(one, "id", json_sprintf("/tenants/%s", tenant));
    }
    return eg_arm_respond_list(rq, one ? json_pack("[o]", one) : NULL);
}

/* The list stands beneath a subscription or, the same for everybody, at the root. */
eg_err eg_arm_provider_list(eg_request *rq) {
    json_t *list = json_array(), *one;
    for (size_t i = 0; list && (one = eg_arm_provider(i, rq->params[0])); i++) {
        (void)json_array_append_new(list, one);
    }
    return eg_arm_respond_list(rq, list);
}

eg_err eg_arm_provider_get(eg_request *rq) {
    const bool root = !rq->params[1].ptr;
    const eg_str name = root ? rq->params[0] : rq->params[1];
    json_t *one;
    for (size_t i = 0; (one = eg_arm_provider(i, root ? (eg_str){NULL, 0} : rq->params[0])); i++) {
        if (eg_str_ieq(eg_json_str(one, "namespace"), name)) {
            return eg_respond_json(rq, 200, one);
        }
        json_decref(one);
    }
    return eg_fail(&rq->problem, EG_ERR_RESOURCE_NAMESPACE, "The resource namespace '%.*s' is invalid.", EG_FMT(name));
}

/* Virtual networks and their subnets: what a client sends of them, which security groups they may name, and which a listener sits in. */
#include "document.h"

#define TYPE "Microsoft.Network/virtualNetworks"
#define GROUP_TYPE "Microsoft.Network/networkSecurityGroups"

static const char *const subnet_read_only[] = {"etag", "type", NULL};
static const char *const subnet_read_only_properties[] = {"provisioningState", "ipConfigurations", "ipConfigurationProfiles", "privateEndpoints", "resourceNavigationLinks",
                                                          "serviceAssociationLinks", "purpose", NULL};

static json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

static const json_t *subnet_named(const json_t *network, eg_str name) {
    const json_t *subnets = json_object_get(properties_of(network), "subnets");
    for (size_t i = 0; i < json_array_size(subnets); i++) {
        if (eg_str_ieq(eg_json_str(json_array_get(subnets, i), "name"), name)) {
            return json_array_get(subnets, i);
        }
    }
    return NULL;
}

static eg_str group_of(const json_t *subnet) {
    return eg_json_str(json_object_get(properties_of(subnet), "networkSecurityGroup"), "id");
}

/* Another tenant's group must not be told from one that isn't there. Whoever binds a group must have the right to it, as in Azure. */
static eg_err check_group(eg_request *rq, json_t *subnet, const json_t *before) {
    const eg_str id = group_of(subnet);
    json_t *group = NULL;
    if (id.len == 0) {
        (void)json_object_del(properties_of(subnet), "networkSecurityGroup");
        return EG_OK;
    }
    const bool known = eg_arm_own_scope(rq, id) && eg_arm_doc_get(rq, eg_arm_type_named(GROUP_TYPE), id, &group) == EG_OK;
    json_decref(group);
    rq->problem = (eg_problem){0};
    if (!known) {
        return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The network security group '%.*s' was not found.", EG_FMT(id));
    }
    json_t *reference = json_pack("{s:s%}", "id", id.ptr, id.len);
    const char *text = json_string_value(json_object_get(reference, "id"));
    if (!eg_str_ieq(group_of(before), id) && (!text || !eg_arm_may(rq, GROUP_TYPE "/join/action", text))) {
        json_decref(reference);
        return eg_fail(&rq->problem, EG_ERR_DENIED_ROLE, "The client with object id '%s' does not have authorization to perform action '" GROUP_TYPE "/join/action' over scope '%.*s'.",
                       rq->principal->object_id, EG_FMT(id));
    }
    return json_object_set_new(properties_of(subnet), "networkSecurityGroup", reference) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err prepare_subnet(eg_request *rq, const json_t *network, json_t *subnet, const json_t *before) {
    const eg_str name = eg_json_str(subnet, "name"), id = eg_json_str(network, "id");
    if (!json_is_object(subnet) || name.len == 0 || memchr(name.ptr, '/', name.len)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.subnets: an object with a name is expected.");
    }
    eg_arm_drop(subnet, subnet_read_only);
    eg_arm_drop(properties_of(subnet), subnet_read_only_properties);
    if (json_object_set_new(subnet, "id", json_sprintf("%.*s/subnets/%.*s", EG_FMT(id), EG_FMT(name))) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    return check_group(rq, subnet, before);
}

/* A listener whose subnet is gone lets nobody in any more. */
static eg_err check_listeners(eg_request *rq, const json_t *network, const json_t *before) {
    const eg_arm *a = rq->room;
    const json_t *subnets = json_object_get(properties_of(before), "subnets");
    for (size_t i = 0; i < json_array_size(subnets); i++) {
        const json_t *subnet = json_array_get(subnets, i);
        for (size_t k = 0; k < a->o.config->listener_count; k++) {
            if (eg_str_ieq(eg_json_str(subnet, "id"), eg_str_of(a->o.config->listeners[k].subnet)) && !subnet_named(network, eg_json_str(subnet, "name"))) {
                return eg_fail(&rq->problem, EG_ERR_SUBNET_IN_USE, "The subnet %.*s is in use by the listener %s and cannot be deleted.", EG_FMT(eg_json_str(subnet, "name")),
                               a->o.config->listeners[k].name);
            }
        }
    }
    return EG_OK;
}

/* A body without subnets leaves those that are there, as Azure does since 2023; an empty list takes them away. */
eg_err eg_arm_vnet_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *properties = properties_of(doc), *subnets = json_object_get(properties, "subnets"), *kept = json_object_get(properties_of(before), "subnets");
    if (!subnets && kept && json_object_set_new(properties, "subnets", subnets = json_deep_copy(kept)) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < json_array_size(subnets); i++) {
        json_t *subnet = json_array_get(subnets, i);
        EG_TRY(prepare_subnet(rq, doc, subnet, subnet_named(before, eg_json_str(subnet, "name"))));
    }
    return check_listeners(rq, doc, before);
}

eg_err eg_arm_vnet_leave(eg_request *rq, const json_t *doc) {
    return check_listeners(rq, NULL, doc);
}

eg_err eg_arm_vnet_show(eg_request *rq, json_t *doc) {
    json_t *properties = properties_of(doc), *subnets = json_object_get(properties, "subnets");
    const char *id = json_string_value(json_object_get(doc, "id"));
    char uuid[EG_UUID_LEN];
    int failed = 0;
    (void)rq;
    eg_arm_derived_uuid(eg_str_of(id), uuid);
    if (!subnets) {
        failed |= json_object_set_new(properties, "subnets", json_array());
    }
    if (!json_object_get(doc, "location")) {
        failed |= json_object_set_new(doc, "location", json_string(EG_ARM_LOCATION));
    }
    failed |= json_object_set_new(properties, "provisioningState", json_string("Succeeded")) | json_object_set_new(properties, "resourceGuid", json_string(uuid)) |
              json_object_set_new(properties, "virtualNetworkPeerings", json_array());
    for (size_t i = 0; i < json_array_size(subnets); i++) {
        json_t *subnet = json_array_get(subnets, i);
        failed |= json_object_set_new(subnet, "type", json_string(TYPE "/subnets")) | json_object_set(subnet, "etag", json_object_get(doc, "etag"));
        failed |= json_object_set_new(properties_of(subnet), "provisioningState", json_string("Succeeded"));
    }
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

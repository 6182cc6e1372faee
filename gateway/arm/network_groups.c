/* Network security groups: what a client sends of them, and what Azure adds when it shows them. */
#include "document.h"

#include <stdio.h>

#define TYPE "Microsoft.Network/networkSecurityGroups"

static const char *const rule_read_only[] = {"id", "etag", "type", NULL};
static const char *const rule_read_only_properties[] = {"provisioningState", NULL};

static json_t *properties_of(const json_t *v) { return json_object_get(v, "properties"); }

/* PUT replaces all rules, as in Azure: a body without them empties the group. */
eg_err eg_arm_group_prepare(eg_request *rq, json_t *doc, const json_t *before) {
    json_t *rules = json_object_get(properties_of(doc), "securityRules");
    (void)before;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_t *rule = json_array_get(rules, i);
        if (!json_is_object(rule)) {
            return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "properties.securityRules[%zu] must be an object.", i);
        }
        eg_arm_drop(rule, rule_read_only);
        eg_arm_drop(properties_of(rule), rule_read_only_properties);
    }
    return EG_OK;
}

typedef struct default_rule {
    const char *name, *description, *direction, *access, *source, *destination;
    int priority;
} default_rule;

/* Azure's, which stand behind the rules of every group. */
static const default_rule defaults[] = {
    {"AllowVnetInBound", "Allow inbound traffic from all VMs in VNET", "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000},
    {"AllowAzureLoadBalancerInBound", "Allow inbound traffic from azure load balancer", "Inbound", "Allow", "AzureLoadBalancer", "*", 65001},
    {"DenyAllInBound", "Deny all inbound traffic", "Inbound", "Deny", "*", "*", 65500},
    {"AllowVnetOutBound", "Allow outbound traffic from all VMs to all VMs in VNET", "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000},
    {"AllowInternetOutBound", "Allow outbound traffic from all VMs to Internet", "Outbound", "Allow", "*", "Internet", 65001},
    {"DenyAllOutBound", "Deny all outbound traffic", "Outbound", "Deny", "*", "*", 65500},
};

json_t *eg_arm_default_rules(const char *group_id) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < sizeof defaults / sizeof defaults[0]; i++) {
        const default_rule *d = &defaults[i];
        json_t *rule = json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s}}", "name", d->name, "type", TYPE "/defaultSecurityRules", "properties", "description",
                                 d->description, "protocol", "*", "sourcePortRange", "*", "destinationPortRange", "*", "sourceAddressPrefix", d->source,
                                 "destinationAddressPrefix", d->destination, "access", d->access, "direction", d->direction, "priority", d->priority, "provisioningState",
                                 "Succeeded");
        if (rule) {
            (void)json_object_set_new(rule, "id", json_sprintf("%s/defaultSecurityRules/%s", group_id, d->name));
        }
        (void)json_array_append_new(list, rule);
    }
    return list;
}

/* Adds {"id"} of each subnet of the tenant that refers to the group. */
static eg_err add_subnets(eg_request *rq, eg_str group_id, json_t *to) {
    EG_JSON_AUTO networks = NULL;
    EG_TRY(eg_arm_doc_all(rq, EG_POLICY_VNETS, &networks));
    for (size_t i = 0; i < json_array_size(networks); i++) {
        const json_t *subnets = json_object_get(properties_of(json_array_get(networks, i)), "subnets");
        for (size_t k = 0; k < json_array_size(subnets); k++) {
            const json_t *subnet = json_array_get(subnets, k);
            const eg_str id = eg_json_str(subnet, "id");
            if (eg_str_ieq(eg_json_str(json_object_get(properties_of(subnet), "networkSecurityGroup"), "id"), group_id) &&
                json_array_append_new(to, json_pack("{s:s%}", "id", id.ptr, id.len)) != 0) {
                return EG_ERR_NO_MEMORY;
            }
        }
    }
    return EG_OK;
}

static eg_err show_rules(json_t *rules, const char *group_id, json_t *etag) {
    int failed = 0;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_t *rule = json_array_get(rules, i), *properties = properties_of(rule);
        failed |= json_object_set_new(rule, "id", json_sprintf("%s/securityRules/%s", group_id, json_string_value(json_object_get(rule, "name"))));
        failed |= json_object_set_new(rule, "type", json_string(TYPE "/securityRules")) | json_object_set(rule, "etag", etag);
        failed |= properties ? json_object_set_new(properties, "provisioningState", json_string("Succeeded")) : 0;
    }
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

eg_err eg_arm_group_show(eg_request *rq, json_t *doc) {
    json_t *properties = properties_of(doc), *subnets = json_array();
    const char *id = json_string_value(json_object_get(doc, "id"));
    char uuid[EG_UUID_LEN];
    eg_arm_derived_uuid(eg_str_of(id), uuid);
    if (!json_object_get(properties, "securityRules")) {
        (void)json_object_set_new(properties, "securityRules", json_array());
    }
    if (!json_object_get(doc, "location")) {
        (void)json_object_set_new(doc, "location", json_string(EG_ARM_LOCATION));
    }
    EG_TRY(show_rules(json_object_get(properties, "securityRules"), id, json_object_get(doc, "etag")));
    int failed = json_object_set_new(properties, "provisioningState", json_string("Succeeded")) | json_object_set_new(properties, "resourceGuid", json_string(uuid)) |
                 json_object_set_new(properties, "defaultSecurityRules", eg_arm_default_rules(id)) | json_object_set_new(properties, "subnets", subnets);
    return failed ? EG_ERR_NO_MEMORY : add_subnets(rq, eg_str_of(id), subnets);
}

eg_err eg_arm_group_leave(eg_request *rq, const json_t *doc) {
    EG_JSON_AUTO users = json_array();
    EG_TRY(add_subnets(rq, eg_json_str(doc, "id"), users));
    if (json_array_size(users) == 0) {
        return EG_OK;
    }
    const eg_str first = eg_json_str(json_array_get(users, 0), "id");
    return eg_fail(&rq->problem, EG_ERR_SECURITY_GROUP_IN_USE, "The network security group is in use by the subnet %.*s and cannot be deleted.", EG_FMT(first));
}

/* Virtual networks and their subnets from Azure's JSON shape. */
#include "policy_model.h"

#define PREFIXES_MAX 1000
#define SUBNETS_MAX 3000

static const eg_policy_field vnet_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED},
    {"location", EG_FIELD_TOLERATED}, {"extendedLocation", EG_FIELD_TOLERATED}, {"tags", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED},
    {"systemData", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field vnet_property_fields[] = {
    {"addressSpace", EG_FIELD_USED}, {"subnets", EG_FIELD_USED},
    {"virtualNetworkPeerings", EG_FIELD_EMPTY}, /* would widen the VirtualNetwork tag */
    {"dhcpOptions", EG_FIELD_TOLERATED}, {"resourceGuid", EG_FIELD_TOLERATED}, {"provisioningState", EG_FIELD_TOLERATED},
    {"enableDdosProtection", EG_FIELD_TOLERATED}, {"enableVmProtection", EG_FIELD_TOLERATED}, {"ddosProtectionPlan", EG_FIELD_TOLERATED},
    {"bgpCommunities", EG_FIELD_TOLERATED}, {"encryption", EG_FIELD_TOLERATED}, {"ipAllocations", EG_FIELD_TOLERATED},
    {"flowTimeoutInMinutes", EG_FIELD_TOLERATED}, {"flowLogs", EG_FIELD_TOLERATED}, {"privateEndpointVNetPolicies", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field space_fields[] = {{"addressPrefixes", EG_FIELD_USED}, {"ipamPoolPrefixAllocations", EG_FIELD_EMPTY}, {NULL, 0}};

static const eg_policy_field subnet_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field subnet_property_fields[] = {
    {"addressPrefix", EG_FIELD_USED}, {"addressPrefixes", EG_FIELD_USED}, {"networkSecurityGroup", EG_FIELD_USED},
    {"routeTable", EG_FIELD_TOLERATED}, {"natGateway", EG_FIELD_TOLERATED}, {"serviceEndpoints", EG_FIELD_TOLERATED},
    {"serviceEndpointPolicies", EG_FIELD_TOLERATED}, {"privateEndpoints", EG_FIELD_TOLERATED}, {"ipConfigurations", EG_FIELD_TOLERATED},
    {"ipConfigurationProfiles", EG_FIELD_TOLERATED}, {"ipAllocations", EG_FIELD_TOLERATED}, {"resourceNavigationLinks", EG_FIELD_TOLERATED},
    {"serviceAssociationLinks", EG_FIELD_TOLERATED}, {"delegations", EG_FIELD_TOLERATED}, {"purpose", EG_FIELD_TOLERATED},
    {"provisioningState", EG_FIELD_TOLERATED}, {"privateEndpointNetworkPolicies", EG_FIELD_TOLERATED},
    {"privateLinkServiceNetworkPolicies", EG_FIELD_TOLERATED}, {"applicationGatewayIPConfigurations", EG_FIELD_TOLERATED},
    {"sharingScope", EG_FIELD_TOLERATED}, {"defaultOutboundAccess", EG_FIELD_TOLERATED}, {NULL, 0},
};

/* A reference may be expanded to the whole resource; only its id is read. */
static const eg_policy_field reference_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_TOLERATED}, {"type", EG_FIELD_TOLERATED}, {"location", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED},
    {"tags", EG_FIELD_TOLERATED}, {"properties", EG_FIELD_TOLERATED}, {NULL, 0},
};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static eg_err read_prefixes(eg_arena *a, const eg_policy_at *at, const json_t *v, const char *one, eg_policy_cidrs *ret, eg_problem *p) {
    json_t *list;
    eg_str single = {NULL, 0};
    if (one) {
        EG_TRY(eg_policy_text(at, v, one, -128, &single, p));
    }
    EG_TRY(eg_policy_list(at, v, "addressPrefixes", PREFIXES_MAX, &list, p));
    eg_policy_at member = {.up = at, .name = single.ptr ? one : "addressPrefixes"};
    size_t n = json_array_size(list) + (single.ptr ? 1 : 0);
    if (n == 0) {
        return eg_policy_refuse(&member, p, "At least one address prefix is expected here.");
    }
    eg_policy_cidrs out = {eg_arena_alloc(a, n * sizeof *out.v), 0};
    if (!out.v) {
        return no_memory(p);
    }
    if (single.ptr && eg_policy_cidr_parse(single, &out.v[out.n++]) != EG_OK) {
        return eg_policy_refuse(&member, p, "An address prefix such as 10.0.0.0/24, without bits behind it, is expected here.");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at here = {.up = &member, .index = i};
        const json_t *s = json_array_get(list, i);
        if (!json_is_string(s) || eg_policy_cidr_parse((eg_str){json_string_value(s), json_string_length(s)}, &out.v[out.n++]) != EG_OK) {
            return eg_policy_refuse(&here, p, "An address prefix such as 10.0.0.0/24, without bits behind it, is expected here.");
        }
    }
    *ret = out;
    return EG_OK;
}

static eg_err read_id(const eg_policy_at *at, const json_t *v, eg_str *ret, eg_problem *p) {
    eg_str id;
    EG_TRY(eg_policy_text(at, v, "id", 512, &id, p));
    if (eg_policy_scope_parse(id, ret) != EG_OK) {
        eg_policy_at here = {.up = at, .name = "id"};
        return eg_policy_refuse(&here, p, "A resource id is expected here.");
    }
    return EG_OK;
}

static eg_err read_group(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_subnet *out, eg_problem *p) {
    const json_t *reference = json_object_get(v, "networkSecurityGroup");
    if (!reference || json_is_null(reference)) {
        return EG_OK;
    }
    eg_policy_at here = {.up = at, .name = "networkSecurityGroup"};
    eg_str id;
    EG_TRY(eg_policy_fields(&here, reference, reference_fields, p));
    EG_TRY(read_id(&here, reference, &id, p));
    const eg_policy_group *group = eg_policy_group_find(pol, id);
    if (!group) {
        eg_policy_at at_id = {.up = &here, .name = "id"};
        return eg_policy_refuse(&at_id, p, "No network security group has this id.");
    }
    out->has_group = true;
    out->group = (uint32_t)(group - pol->groups);
    return EG_OK;
}

static eg_err read_subnet(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_subnet *ret, eg_problem *p) {
    eg_policy_subnet out = *ret;
    eg_str id, name;
    EG_TRY(eg_policy_fields(at, v, subnet_fields, p));
    EG_TRY(read_id(at, v, &id, p));
    EG_TRY(eg_policy_text(at, v, "name", 80, &name, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, subnet_property_fields, p));
    EG_TRY(read_prefixes(pol->arena, &here, properties, "addressPrefix", &out.prefixes, p));
    EG_TRY(read_group(pol, &here, properties, &out, p));
    out.id = eg_arena_str(pol->arena, id);
    out.name = eg_arena_str(pol->arena, name);
    if (!out.id.ptr || !out.name.ptr) {
        return no_memory(p);
    }
    *ret = out;
    return EG_OK;
}

eg_err eg_policy_vnet_read(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_subnet_sink sink, eg_problem *p) {
    eg_policy_subnet common = {0};
    eg_str id, type;
    json_t *list;
    EG_TRY(eg_policy_fields(at, v, vnet_fields, p));
    EG_TRY(eg_policy_text(at, v, "type", -128, &type, p));
    if (type.ptr && !eg_str_ieq(type, EG_LIT("Microsoft.Network/virtualNetworks"))) {
        eg_policy_at here = {.up = at, .name = "type"};
        return eg_policy_refuse(&here, p, "\"Microsoft.Network/virtualNetworks\" is expected in this folder.");
    }
    EG_TRY(read_id(at, v, &id, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, vnet_property_fields, p));
    eg_policy_at at_space = {.up = &here, .name = "addressSpace"};
    const json_t *space = json_object_get(properties, "addressSpace");
    EG_TRY(eg_policy_fields(&at_space, space, space_fields, p));
    EG_TRY(read_prefixes(pol->arena, &at_space, space, NULL, &common.vnet, p));
    EG_TRY(eg_policy_list(&here, properties, "subnets", SUBNETS_MAX, &list, p));
    eg_policy_at member = {.up = &here, .name = "subnets"};
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at at_subnet = {.up = &member, .index = i};
        eg_policy_subnet subnet = common;
        EG_TRY(read_subnet(pol, &at_subnet, json_array_get(list, i), &subnet, p));
        EG_TRY(sink.add(sink.ctx, &at_subnet, &subnet, p));
    }
    return EG_OK;
}

/* The types of resources that are documents of the policy store: a new one is a row here, and its rows in routes.c. */
#include "document.h"

static const char *const role_read_only[] = {"createdOn", "updatedOn", "createdBy", "updatedBy", NULL};
static const char *const assignment_read_only[] = {"createdOn", "updatedOn", "createdBy", "updatedBy", NULL};
static const char *const rule_assignment_read_only[] = {"instanceId", "latestDefinitionVersion", "effectiveDefinitionVersion", NULL};
static const char *const network_read_only[] = {"provisioningState", "resourceGuid", "defaultSecurityRules", "networkInterfaces", "flowLogs", NULL};
/* "subnets" of a group are who uses it, of a network its own. */
static const char *const group_read_only[] = {"provisioningState", "resourceGuid", "defaultSecurityRules", "networkInterfaces", "flowLogs", "subnets", NULL};

static const eg_arm_type types[] = {
    {.kind = EG_POLICY_ROLES, .type = "Microsoft.Authorization/roleDefinitions", .not_found = EG_ERR_ROLE_DEFINITION_NOT_FOUND, .read_only = role_read_only,
     .prepare = eg_arm_role_prepare, .show = eg_arm_role_show, .leave = eg_arm_role_leave},
    {.kind = EG_POLICY_ASSIGNMENTS, .type = "Microsoft.Authorization/roleAssignments", .not_found = EG_ERR_ROLE_ASSIGNMENT_NOT_FOUND, .read_only = assignment_read_only,
     .prepare = eg_arm_assignment_prepare, .show = eg_arm_assignment_show, .listed = eg_arm_assignment_listed},
    {.kind = EG_POLICY_SCHEDULES, .type = "Microsoft.Authorization/roleAssignmentSchedules", .not_found = EG_ERR_NOT_FOUND, .show = eg_arm_assignment_show,
     .listed = eg_arm_assignment_listed},
    {.kind = EG_POLICY_ELIGIBLE, .type = "Microsoft.Authorization/roleEligibilitySchedules", .not_found = EG_ERR_NOT_FOUND, .show = eg_arm_assignment_show,
     .listed = eg_arm_assignment_listed},
    {.kind = EG_POLICY_DENIES, .type = "Microsoft.Authorization/denyAssignments", .not_found = EG_ERR_NOT_FOUND, .read_only = assignment_read_only,
     .prepare = eg_arm_deny_prepare, .leave = eg_arm_deny_leave, .listed = eg_arm_deny_listed},
    {.kind = EG_POLICY_RULES, .type = "Microsoft.Authorization/policyDefinitions", .not_found = EG_ERR_RULE_NOT_FOUND, .prepare = eg_arm_rule_prepare, .show = eg_arm_rule_show,
     .leave = eg_arm_rule_leave},
    {.kind = EG_POLICY_INITIATIVES, .type = "Microsoft.Authorization/policySetDefinitions", .not_found = EG_ERR_INITIATIVE_NOT_FOUND, .prepare = eg_arm_rule_prepare,
     .show = eg_arm_rule_show, .leave = eg_arm_rule_leave},
    {.kind = EG_POLICY_RULE_ASSIGNMENTS, .type = "Microsoft.Authorization/policyAssignments", .not_found = EG_ERR_RULE_ASSIGNMENT_NOT_FOUND,
     .read_only = rule_assignment_read_only, .prepare = eg_arm_rule_assignment_prepare, .show = eg_arm_rule_assignment_show, .listed = eg_arm_rule_assignment_listed},
    {.kind = EG_POLICY_GROUPS, .type = "Microsoft.Network/networkSecurityGroups", .not_found = EG_ERR_NOT_FOUND, .read_only = group_read_only, .etags = true,
     .prepare = eg_arm_group_prepare, .show = eg_arm_group_show, .leave = eg_arm_group_leave},
    {.kind = EG_POLICY_VNETS, .type = "Microsoft.Network/virtualNetworks", .not_found = EG_ERR_NOT_FOUND, .read_only = network_read_only, .etags = true,
     .prepare = eg_arm_vnet_prepare, .show = eg_arm_vnet_show, .leave = eg_arm_vnet_leave},
    /* accounts.c: the rest of an account is the configuration's. */
    {.kind = EG_POLICY_ACCOUNTS, .type = "Microsoft.Storage/storageAccounts", .not_found = EG_ERR_NOT_FOUND},
};

const eg_arm_type *eg_arm_type_named(const char *type) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].type, type) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

/* The type stands in the route's pattern behind "/providers/", and what may follow is a name. */
const eg_arm_type *eg_arm_type_of(const eg_request *rq) {
    static const char marker[] = "/providers/";
    const char *at = strstr(rq->route->pattern, marker);
    const eg_str tail = eg_str_of(at ? at + sizeof marker - 1 : "");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t n = strlen(types[i].type);
        if (eg_str_starts(tail, types[i].type) && (tail.len == n || tail.ptr[n] == '/')) {
            return &types[i];
        }
    }
    return NULL;
}

/* The rows of Azure Resource Manager's surface. */
#include "policy_states.h"

#include <embergate/actions.h>

#define SUB "/subscriptions/{subscription}"
#define GROUP SUB "/resourceGroups/{group}"
#define SCOPE "/{*scope}"
#define AUTHORIZATION "/providers/Microsoft.Authorization/"
#define READ EG_ROUTE_BLOCKING
#define WRITE EG_ROUTE_BLOCKING
/* Whoever is of the tenant may ask: the handler shows what the asker may see. */
#define ANY (EG_ROUTE_BLOCKING | EG_ROUTE_ANY_PRINCIPAL)
/* The same above all subscriptions, where the tenant is the asker's own. */
#define ROOT (ANY | EG_ROUTE_OWN_TENANT)

/* What stands at a scope is decided at that scope: the path's head. */
static eg_err head_scope(eg_request *rq, eg_str *ret) {
    *ret = rq->params[0];
    return EG_OK;
}

/* What stands at a subscription alone. */
static eg_err subscription_scope(eg_request *rq, eg_str *ret) {
    *ret = eg_arena_printf(rq->arena, "/subscriptions/%.*s", EG_FMT(rq->params[0]));
    return ret->ptr ? EG_OK : EG_ERR_LIMIT;
}

/* The subscription of the asker's tenant: who may see assignments there may see the names of those who have them. */
static eg_err home_scope(eg_request *rq, eg_str *ret) {
    const char *own[EG_ARM_SUBSCRIPTIONS_MAX];
    if (eg_arm_subscriptions(rq->room, rq->tenant, own) == 0) {
        return eg_fail(&rq->problem, EG_ERR_SUBSCRIPTION_NOT_FOUND, "The tenant has no subscription.");
    }
    *ret = eg_arena_printf(rq->arena, "/subscriptions/%s", own[0]);
    return ret->ptr ? EG_OK : EG_ERR_LIMIT;
}

#define ROW(method, pattern, action, scope, mode, flags, body, handler, event) \
    {EG_SURFACE_ARM, method, pattern, NULL, action, scope, mode, flags, body, eg_arm_begin, NULL, handler, event}
/* A list that shows what the asker may read. */
#define OPEN(pattern, flags, handler, event) ROW("GET", pattern, NULL, NULL, EG_RECORD_FIRST, flags, 0, handler, event)

/* A document at any scope: beneath it "/providers/Microsoft.Authorization/{type}/{name}". */
#define SCOPED_READ(type, event)                                                                                                                                                  \
    ROW("GET", SCOPE AUTHORIZATION type, "Microsoft.Authorization/" type "/read", head_scope, EG_RECORD_FIRST, READ, 0, eg_arm_doc_list_end, event ".list"),                       \
        ROW("GET", SCOPE AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/read", head_scope, EG_RECORD_FIRST, READ, 0, eg_arm_doc_get_end, event ".read")
#define SCOPED_WRITE(type, event)                                                                                                                                                 \
    ROW("PUT", SCOPE AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/write", head_scope, EG_RECORD_EACH, WRITE, EG_ARM_BODY_MAX, eg_arm_doc_put_end, event ".write"), \
        ROW("DELETE", SCOPE AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/delete", head_scope, EG_RECORD_EACH, WRITE, 0, eg_arm_doc_delete_end, event ".delete")

/* A document at a subscription, some of which are built in and stand above all of them. */
#define DEFINED(type, event)                                                                                                                                                      \
    ROW("GET", SUB AUTHORIZATION type, "Microsoft.Authorization/" type "/read", subscription_scope, EG_RECORD_FIRST, READ, 0, eg_arm_rule_list_end, event ".list"),                \
        ROW("GET", SUB AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/read", subscription_scope, EG_RECORD_FIRST, READ, 0, eg_arm_rule_get_end, event ".read"),   \
        ROW("PUT", SUB AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/write", subscription_scope, EG_RECORD_EACH, WRITE, EG_ARM_BODY_MAX, eg_arm_doc_put_end,     \
            event ".write"),                                                                                                                                                      \
        ROW("DELETE", SUB AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/delete", subscription_scope, EG_RECORD_EACH, WRITE, 0, eg_arm_doc_delete_end,            \
            event ".delete"),                                                                                                                                                     \
        ROW("GET", AUTHORIZATION type, "Microsoft.Authorization/" type "/read", home_scope, EG_RECORD_FIRST, READ | EG_ROUTE_OWN_TENANT, 0, eg_arm_rule_list_end, event ".list"),  \
        ROW("GET", AUTHORIZATION type "/{name}", "Microsoft.Authorization/" type "/read", home_scope, EG_RECORD_FIRST, READ | EG_ROUTE_OWN_TENANT, 0, eg_arm_rule_get_end,         \
            event ".read")

/* A document in a resource group, with ETags. */
#define GROUPED(provider, type, event)                                                                                                                                            \
    OPEN(SUB "/providers/" provider "/" type, ANY, eg_arm_doc_list_end, event ".list"),                                                                                            \
        OPEN(GROUP "/providers/" provider "/" type, ANY, eg_arm_doc_list_end, event ".list"),                                                                                      \
        ROW("GET", GROUP "/providers/" provider "/" type "/{name}", provider "/" type "/read", NULL, EG_RECORD_FIRST, READ, 0, eg_arm_doc_get_end, event ".read"),                 \
        ROW("PUT", GROUP "/providers/" provider "/" type "/{name}", provider "/" type "/write", NULL, EG_RECORD_EACH, WRITE, EG_ARM_BODY_MAX, eg_arm_doc_put_end, event ".write"),  \
        ROW("DELETE", GROUP "/providers/" provider "/" type "/{name}", provider "/" type "/delete", NULL, EG_RECORD_EACH, WRITE, 0, eg_arm_doc_delete_end, event ".delete")

/* What is part of such a document and has an address of its own. */
#define CHILD_READ(provider, type, child, event)                                                                                                                                  \
    ROW("GET", GROUP "/providers/" provider "/" type "/{parent}/" child, provider "/" type "/" child "/read", NULL, EG_RECORD_FIRST, READ, 0, eg_arm_child_list_end, event ".list"), \
        ROW("GET", GROUP "/providers/" provider "/" type "/{parent}/" child "/{name}", provider "/" type "/" child "/read", NULL, EG_RECORD_FIRST, READ, 0, eg_arm_child_get_end,   \
            event ".read")
#define CHILD_WRITE(provider, type, child, event)                                                                                                                                 \
    ROW("PUT", GROUP "/providers/" provider "/" type "/{parent}/" child "/{name}", provider "/" type "/" child "/write", NULL, EG_RECORD_EACH, WRITE, EG_ARM_BODY_MAX,             \
        eg_arm_child_put_end, event ".write"),                                                                                                                                    \
        ROW("DELETE", GROUP "/providers/" provider "/" type "/{parent}/" child "/{name}", provider "/" type "/" child "/delete", NULL, EG_RECORD_EACH, WRITE, 0,                   \
            eg_arm_child_delete_end, event ".delete")

/* What the configuration makes: read, never written here. */
#define CONFIGURED(provider, type, list, get, event)                                                                       \
    OPEN(SUB "/providers/" provider "/" type, ANY, list, event ".list"), OPEN(GROUP "/providers/" provider "/" type, ANY, list, event ".list"), \
        ROW("GET", GROUP "/providers/" provider "/" type "/{name}", provider "/" type "/read", NULL, EG_RECORD_FIRST, READ, 0, get, event ".read")

/* At a scope, or at what of Azure Policy lies at it. The body is empty. */
#define STATES(verb, handler, event)                                                                                                                                  \
    ROW("POST", SCOPE "/providers/Microsoft.PolicyInsights/policyStates/{which}/" verb, "Microsoft.PolicyInsights/policyStates/" verb "/action", eg_states_scope, EG_RECORD_EACH, READ, \
        4096, handler, event)

/* Graph has no api-version. */
#define GRAPH(method, pattern, body, handler, event) \
    {EG_SURFACE_ARM, method, pattern, NULL, "Microsoft.Authorization/roleAssignments/read", home_scope, EG_RECORD_FIRST, EG_ROUTE_BLOCKING | EG_ROUTE_OWN_TENANT, body, NULL, NULL, handler, event}

/* Behind all others: what is not there, told in Azure's codes. */
#define UNKNOWN(method, body)                                                                                                                                       \
    {EG_SURFACE_ARM, method, SUB "/{rest*}", NULL, NULL, NULL, EG_RECORD_EACH, EG_ROUTE_ANY_PRINCIPAL, body, NULL, NULL, eg_arm_unknown, "arm.unknown"},               \
        {EG_SURFACE_ARM, method, SUB, NULL, NULL, NULL, EG_RECORD_EACH, EG_ROUTE_ANY_PRINCIPAL, body, NULL, NULL, eg_arm_unknown, "arm.unknown"},                      \
        {EG_SURFACE_ARM, method, "/providers/{rest*}", NULL, NULL, NULL, EG_RECORD_EACH, EG_ROUTE_ANY_PRINCIPAL | EG_ROUTE_OWN_TENANT, body, NULL, NULL, eg_arm_unknown, "arm.unknown"}

static const eg_route routes[] = {
    {EG_SURFACE_ARM, "GET", "/metadata/endpoints", NULL, NULL, NULL, EG_RECORD_NONE, EG_ROUTE_PUBLIC, 0, eg_arm_begin, NULL, eg_arm_metadata, "arm.metadata"},

    OPEN("/tenants", ROOT, eg_arm_tenant_list, "arm.tenant.list"),
    OPEN("/providers", ROOT, eg_arm_provider_list, "arm.provider.list"),
    OPEN("/providers/{provider}", ROOT, eg_arm_provider_get, "arm.provider.read"),
    OPEN("/subscriptions", ROOT, eg_arm_subscription_list, "arm.subscription.list"),
    OPEN(SUB, ANY, eg_arm_subscription_get, "arm.subscription.read"),
    OPEN(SUB "/locations", ANY, eg_arm_location_list, "arm.location.list"),
    OPEN(SUB "/providers", ANY, eg_arm_provider_list, "arm.provider.list"),
    OPEN(SUB "/providers/{provider}", ANY, eg_arm_provider_get, "arm.provider.read"),
    OPEN(SUB "/resourceGroups", ANY, eg_arm_group_list, "arm.resource_group.list"),
    ROW("GET", GROUP, "Microsoft.Resources/subscriptions/resourceGroups/read", NULL, EG_RECORD_FIRST, READ, 0, eg_arm_group_get, "arm.resource_group.read"),

    CONFIGURED("Microsoft.HDInsight", "clusters", eg_arm_cluster_list, eg_arm_cluster_get, "arm.cluster"),
    CONFIGURED("Microsoft.Storage", "storageAccounts", eg_arm_account_list, eg_arm_account_get, "arm.account"),
    ROW("PATCH", GROUP "/providers/Microsoft.Storage/storageAccounts/{name}", "Microsoft.Storage/storageAccounts/write", NULL, EG_RECORD_EACH, WRITE, EG_ARM_BODY_MAX,
        eg_arm_account_patch, "arm.account.write"),

    GROUPED("Microsoft.Network", "networkSecurityGroups", "arm.security_group"),
    CHILD_READ("Microsoft.Network", "networkSecurityGroups", "securityRules", "arm.security_rule"),
    CHILD_WRITE("Microsoft.Network", "networkSecurityGroups", "securityRules", "arm.security_rule"),
    CHILD_READ("Microsoft.Network", "networkSecurityGroups", "defaultSecurityRules", "arm.security_rule"),
    GROUPED("Microsoft.Network", "virtualNetworks", "arm.virtual_network"),
    CHILD_READ("Microsoft.Network", "virtualNetworks", "subnets", "arm.subnet"),
    CHILD_WRITE("Microsoft.Network", "virtualNetworks", "subnets", "arm.subnet"),

    ROW("GET", SCOPE AUTHORIZATION "roleDefinitions", "Microsoft.Authorization/roleDefinitions/read", head_scope, EG_RECORD_FIRST, READ, 0, eg_arm_role_list_end,
        "arm.role_definition.list"),
    ROW("GET", SCOPE AUTHORIZATION "roleDefinitions/{name}", "Microsoft.Authorization/roleDefinitions/read", head_scope, EG_RECORD_FIRST, READ, 0, eg_arm_role_get_end,
        "arm.role_definition.read"),
    SCOPED_WRITE("roleDefinitions", "arm.role_definition"),
    /* Above all subscriptions: the built-in roles, and of the others those of the asker's tenant. */
    ROW("GET", AUTHORIZATION "roleDefinitions", "Microsoft.Authorization/roleDefinitions/read", home_scope, EG_RECORD_FIRST, READ | EG_ROUTE_OWN_TENANT, 0, eg_arm_role_list_end,
        "arm.role_definition.list"),
    ROW("GET", AUTHORIZATION "roleDefinitions/{name}", "Microsoft.Authorization/roleDefinitions/read", home_scope, EG_RECORD_FIRST, READ | EG_ROUTE_OWN_TENANT, 0,
        eg_arm_role_get_end, "arm.role_definition.read"),

    SCOPED_READ("roleAssignments", "arm.role_assignment"),
    SCOPED_WRITE("roleAssignments", "arm.role_assignment"),
    SCOPED_READ("denyAssignments", "arm.deny_assignment"),
    SCOPED_WRITE("denyAssignments", "arm.deny_assignment"),
    SCOPED_READ("roleAssignmentSchedules", "arm.role_assignment_schedule"),
    /* What one may activate oneself, whoever one is: with $filter=asTarget(). */
    OPEN(SCOPE AUTHORIZATION "roleEligibilitySchedules", ANY, eg_arm_eligible_list_end, "arm.role_eligibility.list"),
    ROW("GET", SCOPE AUTHORIZATION "roleEligibilitySchedules/{name}", "Microsoft.Authorization/roleEligibilitySchedules/read", head_scope, EG_RECORD_FIRST, READ, 0,
        eg_arm_doc_get_end, "arm.role_eligibility.read"),
    ROW("PUT", SCOPE AUTHORIZATION "roleAssignmentScheduleRequests/{name}", NULL, NULL, EG_RECORD_EACH, ANY, EG_ARM_BODY_MAX, eg_arm_activate, "arm.role.activate"),
    OPEN(SCOPE AUTHORIZATION "permissions", ANY, eg_arm_permissions, "arm.permission.list"),

    DEFINED("policyDefinitions", "arm.policy_definition"),
    DEFINED("policySetDefinitions", "arm.policy_set"),
    SCOPED_READ("policyAssignments", "arm.policy_assignment"),
    SCOPED_WRITE("policyAssignments", "arm.policy_assignment"),

    STATES("queryResults", eg_states_query, "policy.states.query"),
    STATES("summarize", eg_states_summarize, "policy.states.summarize"),

    GRAPH("POST", "/v1.0/directoryObjects/getByIds", 1 << 17, eg_arm_directory_by_ids, "arm.directory.read"),
    GRAPH("GET", "/v1.0/servicePrincipals", 0, eg_arm_directory_service_principals, "arm.directory.read"),
    GRAPH("GET", "/v1.0/users", 0, eg_arm_directory_users, "arm.directory.read"),

    UNKNOWN("GET", 0),
    UNKNOWN("PUT", EG_ARM_BODY_MAX),
    UNKNOWN("POST", EG_ARM_BODY_MAX),
    UNKNOWN("PATCH", EG_ARM_BODY_MAX),
    UNKNOWN("DELETE", EG_ARM_BODY_MAX),
};

const eg_route *eg_arm_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

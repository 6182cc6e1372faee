/* Which resource types there are, and which versions of their API: Azure's own dates, whose shapes differ in nothing that is kept here. */
#include "arm_state.h"

#include <stdio.h>

typedef const char *const *versions;

/* Newest first, as refusals name them. */
static const char *const resources[] = {"2025-04-01", "2025-03-01", "2024-11-01", "2024-07-01", "2024-03-01", "2023-07-01", "2022-12-01", "2022-09-01", "2022-01-01", "2021-04-01",
                                        "2021-01-01", "2020-10-01", "2020-06-01", "2020-01-01", "2019-11-01", "2019-10-01", "2019-06-01", "2019-05-01", "2018-05-01", "2016-06-01",
                                        "2015-11-01", "2015-01-01", NULL};
static const char *const metadata[] = {"2023-12-01", "2022-09-01", "2020-06-01", "2019-05-01", NULL};
static const char *const authorization[] = {"2025-12-01-preview", "2024-07-01-preview", "2022-08-01-preview", "2022-05-01-preview", "2022-04-01", "2021-12-01-preview",
                                            "2021-04-01-preview", "2020-10-01-preview", "2020-10-01", "2020-08-01-preview", "2020-04-01-preview", "2020-03-01-preview",
                                            "2018-09-01-preview", "2018-07-01-preview", "2018-07-01", "2018-01-01-preview", "2017-10-01-preview", "2015-07-01", NULL};
static const char *const schedules[] = {"2024-09-01-preview", "2022-04-01-preview", "2020-10-01", "2020-10-01-preview", NULL};
static const char *const policy[] = {"2026-06-01", "2025-12-01-preview", "2025-11-01", "2025-03-01", "2025-01-01", "2024-05-01", "2024-04-01", "2023-04-01", "2022-06-01", "2021-06-01",
                                     "2020-09-01", "2020-08-01", "2020-03-01", "2019-09-01", "2019-06-01", "2019-01-01", "2018-05-01", "2018-03-01", "2017-06-01-preview",
                                     "2016-12-01", "2016-04-01", NULL};
static const char *const insights[] = {"2024-10-01", "2019-10-01", "2018-07-01-preview", "2018-04-04", NULL};
static const char *const network[] = {
    "2026-03-01", "2026-01-01", "2025-09-01", "2025-07-01", "2025-05-01", "2025-03-01", "2025-01-01", "2024-10-01", "2024-07-01", "2024-05-01", "2024-03-01", "2024-01-01", "2023-11-01", "2023-09-01", "2023-06-01",
    "2023-05-01", "2023-04-01", "2023-02-01", "2022-11-01", "2022-09-01", "2022-07-01", "2022-05-01", "2022-01-01", "2021-12-01", "2021-08-01", "2021-05-01", "2021-03-01", "2021-02-01",
    "2020-11-01", "2020-08-01", "2020-07-01", "2020-06-01", "2020-05-01", "2020-04-01", "2020-03-01", "2019-12-01", "2019-11-01", "2019-09-01", "2019-08-01", "2019-07-01", "2019-06-01",
    "2019-04-01", "2019-02-01", "2018-12-01", "2018-11-01", "2018-10-01", "2018-08-01", "2018-07-01", "2018-06-01", "2018-04-01", "2018-02-01", "2018-01-01", NULL};
static const char *const hdinsight[] = {"2025-01-15-preview", "2024-08-01-preview", "2024-05-01-preview", "2023-08-15-preview", "2023-04-15-preview", "2021-06-01", "2018-06-01-preview",
                                        "2015-03-01-preview", NULL};
static const char *const storage[] = {"2025-08-01", "2025-06-01", "2025-01-01", "2024-01-01", "2023-05-01", "2023-04-01", "2023-01-01", "2022-09-01", "2022-05-01", "2021-09-01",
                                      "2021-08-01", "2021-06-01", "2021-04-01", "2021-02-01", "2021-01-01", "2019-06-01", "2019-04-01", "2018-11-01", "2018-07-01", NULL};

/* Types of one provider stand together. */
static const struct {
    const char *provider;
    const char *type;
    versions versions;
} types[] = {
    {"Microsoft.Authorization", "roleDefinitions", authorization},
    {"Microsoft.Authorization", "roleAssignments", authorization},
    {"Microsoft.Authorization", "denyAssignments", authorization},
    {"Microsoft.Authorization", "permissions", authorization},
    {"Microsoft.Authorization", "providerOperations", authorization},
    {"Microsoft.Authorization", "roleAssignmentSchedules", schedules},
    {"Microsoft.Authorization", "roleAssignmentScheduleInstances", schedules},
    {"Microsoft.Authorization", "roleAssignmentScheduleRequests", schedules},
    {"Microsoft.Authorization", "roleEligibilitySchedules", schedules},
    {"Microsoft.Authorization", "roleEligibilityScheduleInstances", schedules},
    {"Microsoft.Authorization", "policyDefinitions", policy},
    {"Microsoft.Authorization", "policySetDefinitions", policy},
    {"Microsoft.Authorization", "policyAssignments", policy},
    {"Microsoft.HDInsight", "clusters", hdinsight},
    {"Microsoft.Network", "networkSecurityGroups", network},
    {"Microsoft.Network", "networkSecurityGroups/securityRules", network},
    {"Microsoft.Network", "networkSecurityGroups/defaultSecurityRules", network},
    {"Microsoft.Network", "virtualNetworks", network},
    {"Microsoft.Network", "virtualNetworks/subnets", network},
    {"Microsoft.PolicyInsights", "policyStates", insights},
    {"Microsoft.Resources", "subscriptions", resources},
    {"Microsoft.Resources", "resourceGroups", resources},
    {"Microsoft.Resources", "tenants", resources},
    {"Microsoft.Resources", "providers", resources},
    {"Microsoft.Storage", "storageAccounts", storage},
};
#define TYPES (sizeof types / sizeof types[0])

static json_t *names(versions v) {
    json_t *list = json_array();
    for (; list && *v; v++) {
        (void)json_array_append_new(list, json_string(*v));
    }
    return list;
}

/* The row at which the n-th provider begins; TYPES = there is none. */
static size_t provider_row(size_t n) {
    for (size_t i = 0; i < TYPES; i++) {
        if (i == 0 || strcmp(types[i].provider, types[i - 1].provider) != 0) {
            if (n-- == 0) {
                return i;
            }
        }
    }
    return TYPES;
}

json_t *eg_arm_provider(size_t n, eg_str subscription) {
    size_t first = provider_row(n);
    if (first == TYPES) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = first; list && i < TYPES && strcmp(types[i].provider, types[first].provider) == 0; i++) {
        (void)json_array_append_new(list, json_pack("{s:s,s:[s],s:o,s:s}", "resourceType", types[i].type, "locations", EG_ARM_LOCATION, "apiVersions", names(types[i].versions),
                                                    "capabilities", "None"));
    }
    json_t *v = json_pack("{s:s,s:s,s:s,s:o}", "namespace", types[first].provider, "registrationState", "Registered", "registrationPolicy", "RegistrationFree", "resourceTypes", list);
    if (v) {
        (void)json_object_set_new(v, "id", subscription.len ? json_sprintf("/subscriptions/%.*s/providers/%s", EG_FMT(subscription), types[first].provider)
                                                            : json_sprintf("/providers/%s", types[first].provider));
    }
    return v;
}

/* Provider and type that a path or pattern ends with: "Microsoft.Network", "virtualNetworks/subnets" of ".../virtualNetworks/x/subnets[/y]". EG_ERR_NOT_FOUND: it has none. */
static eg_err type_of(eg_str path, eg_str *ret_provider, char *ret_type, size_t cap) {
    static const char marker[] = "/providers/";
    const size_t len = sizeof marker - 1;
    size_t at = SIZE_MAX, used = 0;
    for (size_t i = 0; i + len < path.len; i++) {
        if (eg_str_ieq((eg_str){path.ptr + i, len}, EG_LIT(marker))) {
            at = i + len;
        }
    }
    if (at == SIZE_MAX) {
        return EG_ERR_NOT_FOUND;
    }
    eg_str rest = {path.ptr + at, path.len - at};
    *ret_provider = eg_str_cut(&rest, '/');
    ret_type[0] = '\0';
    for (size_t i = 0; rest.ptr; i++) {
        eg_str segment = eg_str_cut(&rest, '/');
        if (i % 2 == 0) {
            int n = snprintf(ret_type + used, cap - used, "%s%.*s", used ? "/" : "", EG_FMT(segment));
            used += n > 0 && (size_t)n < cap - used ? (size_t)n : 0;
        }
    }
    return EG_OK;
}

static versions versions_of(const eg_route *route) {
    eg_str provider;
    char type[160];
    if (type_of(eg_str_of(route->pattern), &provider, type, sizeof type) != EG_OK) {
        return strcmp(route->pattern, "/metadata/endpoints") == 0 ? metadata : resources;
    }
    for (size_t i = 0; i < TYPES; i++) {
        if (eg_str_is(provider, types[i].provider) && strcmp(type, types[i].type) == 0) {
            return types[i].versions;
        }
    }
    return resources; /* "/providers/{provider}" itself */
}

/* Azure's sentence; of a long list the newest. */
static eg_err refuse(eg_request *rq, eg_str asked, versions v) {
    char list[256];
    size_t n = 0;
    list[0] = '\0';
    for (; *v; v++) {
        int more = snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *v);
        if (more < 0 || (size_t)more >= sizeof list - n) {
            list[n] = '\0';
            break;
        }
        n += (size_t)more;
    }
    return eg_fail(&rq->problem, EG_ERR_API_VERSION, "The api-version '%.*s' is invalid. The supported versions are '%s'%s.", asked.len > 40 ? 40 : (int)asked.len, asked.ptr, list,
                   *v ? " and older ones" : "");
}

eg_err eg_arm_begin(eg_request *rq) {
    eg_str asked;
    eg_err e = eg_request_query(rq, "api-version", &asked);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && asked.len == 0)) {
        return eg_fail(&rq->problem, EG_ERR_API_VERSION_MISSING, "The api-version query parameter (?api-version=) is required for all requests.");
    }
    EG_TRY(e);
    versions v = versions_of(rq->route);
    for (size_t i = 0; v[i]; i++) {
        if (eg_str_is(asked, v[i])) {
            return EG_OK;
        }
    }
    return refuse(rq, asked, v);
}

eg_err eg_arm_unknown(eg_request *rq) {
    eg_str provider;
    char type[256];
    bool known = false;
    if (type_of(rq->path, &provider, type, sizeof type) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "There is no such resource, or it does not support %.*s.", EG_FMT(rq->method));
    }
    for (size_t i = 0; i < TYPES; i++) {
        known = known || eg_str_ieq(provider, eg_str_of(types[i].provider));
        if (eg_str_ieq(provider, eg_str_of(types[i].provider)) && eg_str_ieq(eg_str_of(type), eg_str_of(types[i].type))) {
            return eg_fail(&rq->problem, EG_ERR_METHOD, "The resource type '%s/%s' does not support %.*s here.", types[i].provider, types[i].type, EG_FMT(rq->method));
        }
    }
    return known ? eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE, "The resource type '%s' could not be found in the namespace '%.*s'.", type, EG_FMT(provider))
                 : eg_fail(&rq->problem, EG_ERR_RESOURCE_NAMESPACE, "The resource namespace '%.*s' is invalid.", EG_FMT(provider));
}

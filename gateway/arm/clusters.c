/* Clusters of the configuration as resources of Microsoft.HDInsight. */
#include "arm_state.h"

#include <embergate/actions.h>

#include <stdio.h>

static void cluster_id(const eg_config_cluster *c, char ret[EG_ARM_ID_MAX]) {
    snprintf(ret, EG_ARM_ID_MAX, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.HDInsight/clusters/%s", c->subscription, c->resource_group, c->name);
}

static json_t *node(const char *name, unsigned count, unsigned cores, unsigned memory_mb) {
    char size[48];
    snprintf(size, sizeof size, "%u cores, %u MiB", cores, memory_mb);
    return json_pack("{s:s,s:i,s:i,s:{s:s}}", "name", name, "targetInstanceCount", (int)count, "minInstanceCount", 0, "hardwareProfile", "vmSize", size);
}

static json_t *cluster(const eg_arm *a, const eg_config_cluster *c, const char *id) {
    const bool newest = strcmp(a->o.config->tls_minimum_version, "1.3") == 0;
    json_t *roles = json_pack("[o,o]", node("headnode", 1, 1, 1024), node("workernode", c->workers, c->worker_cores, c->worker_memory_mb));
    json_t *endpoint = json_pack("{s:s,s:s,s:o,s:i}", "name", "HTTPS", "protocol", "TCP", "location",
                                 a->o.config->domain[0] ? json_sprintf("%s.%s", c->name, a->o.config->domain) : json_string(a->o.config->public_url), "port", 443);
    json_t *properties = json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:{s:s}},s:{s:o},s:[o],s:{s:i},s:{s:b},s:s}", "clusterVersion", "5.1", "osType", "Linux", "tier", "Standard",
                                   "provisioningState", "Succeeded", "clusterDefinition", "kind", "Spark", "componentVersion", "Spark", "4", "computeProfile", "roles", roles,
                                   "connectivityEndpoints", endpoint, "quotaInfo", "coresUsed", (int)(c->workers * c->worker_cores), "encryptionInTransitProperties",
                                   "isEncryptionInTransitEnabled", 1, "minSupportedTlsVersion", newest ? "1.3" : "1.2");
    if (properties) {
        (void)json_object_set_new(properties, "clusterState", json_string("Running"));
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:{},s:o}", "id", id, "name", c->name, "type", "Microsoft.HDInsight/clusters", "location", EG_ARM_LOCATION, "tags", "properties",
                     properties);
}

/* Beneath a subscription or a resource group: rq->path is the list's own, four segments longer than a subscription's. */
eg_err eg_arm_cluster_list(eg_request *rq) {
    const eg_arm *a = rq->room;
    const eg_str scope = eg_arm_first_segments(rq->path, rq->params[1].ptr ? 4 : 2);
    json_t *list = json_array();
    for (size_t i = 0; list && i < a->o.config->cluster_count; i++) {
        const eg_config_cluster *c = &a->o.config->clusters[i];
        char id[EG_ARM_ID_MAX];
        cluster_id(c, id);
        if (eg_str_ieq(eg_str_of(c->tenant), rq->tenant) && eg_arm_within(scope, eg_str_of(id)) && eg_arm_may(rq, EG_ACTION_CLUSTER_READ, id)) {
            (void)json_array_append_new(list, cluster(a, c, id));
        }
    }
    return eg_arm_respond_list(rq, list);
}

eg_err eg_arm_cluster_get(eg_request *rq) {
    const eg_arm *a = rq->room;
    for (size_t i = 0; i < a->o.config->cluster_count; i++) {
        const eg_config_cluster *c = &a->o.config->clusters[i];
        char id[EG_ARM_ID_MAX];
        cluster_id(c, id);
        if (eg_str_ieq(eg_str_of(c->tenant), rq->tenant) && eg_str_ieq(eg_str_of(id), rq->path)) {
            return eg_respond_json(rq, 200, cluster(a, c, id));
        }
    }
    return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The resource 'Microsoft.HDInsight/clusters/%.*s' was not found.", EG_FMT(rq->params[2]));
}

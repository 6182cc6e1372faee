/* Questions that several processes ask of a configuration. */
#include "config.h"

const eg_config_tenant *eg_config_tenant_named(const eg_config *c, const char *name_or_id) {
    for (size_t i = 0; i < c->tenant_count; i++) {
        if (!name_or_id || strcmp(c->tenants[i].name, name_or_id) == 0 || strcmp(c->tenants[i].id, name_or_id) == 0) {
            return &c->tenants[i];
        }
    }
    return NULL;
}

const char *eg_config_subscription(const eg_config *c, const char *tenant) {
    for (size_t i = 0; i < c->cluster_count; i++) {
        if (strcmp(c->clusters[i].tenant, tenant) == 0) {
            return c->clusters[i].subscription;
        }
    }
    for (size_t i = 0; i < c->account_count; i++) {
        if (strcmp(c->accounts[i].tenant, tenant) == 0) {
            return c->accounts[i].subscription;
        }
    }
    return tenant;
}

/* What the configuration says of quotas, balancers and properties that policies look at, in the shapes of the rooms that use it. */
#include "serve_policy.h"

#include <embergate/json.h>
#include <stdio.h>

static eg_err no_memory(eg_problem *p) { return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory"); }

static eg_quota_per per_of(const char *text) {
    return strcmp(text, "tenant") == 0 ? EG_QUOTA_PER_TENANT : strcmp(text, "cluster") == 0 ? EG_QUOTA_PER_CLUSTER : EG_QUOTA_PER_PRINCIPAL;
}

eg_err eg_serve_job_quotas(const eg_config *c, eg_arena *arena, const eg_job_quota **ret, eg_problem *p) {
    eg_job_quota *all = eg_arena_alloc(arena, (c->quota_count + 1) * sizeof *all);
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->quota_count; i++) {
        const eg_config_quota *q = &c->quotas[i];
        all[i] = (eg_job_quota){.name = q->name, .per = per_of(q->per), .only = q->only, .jobs = q->jobs, .cores = q->cores, .memory_mb = q->memory_mb};
    }
    *ret = all;
    return EG_OK;
}

/* The narrowest that concerns it; 0 = none does. */
static uint64_t narrowest(const eg_config *c, const char *per, const char *name) {
    uint64_t most = 0;
    for (size_t i = 0; i < c->quota_count; i++) {
        const eg_config_quota *q = &c->quotas[i];
        const uint64_t bytes = (uint64_t)q->stored_mib << 20;
        if (bytes > 0 && strcmp(q->per, per) == 0 && (!q->only[0] || eg_str_ieq(eg_str_of(q->only), eg_str_of(name))) && (most == 0 || bytes < most)) {
            most = bytes;
        }
    }
    return most;
}

eg_err eg_serve_stored_quotas(const eg_config *c, eg_arena *arena, const eg_stored_quota **ret, eg_problem *p) {
    eg_stored_quota *all = eg_arena_alloc(arena, (c->account_count + 1) * sizeof *all);
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->account_count; i++) {
        all[i] = (eg_stored_quota){c->accounts[i].name, narrowest(c, "account", c->accounts[i].name), narrowest(c, "tenant", c->accounts[i].tenant)};
    }
    *ret = all;
    return EG_OK;
}

eg_err eg_serve_quotas(const eg_config *c, eg_arena *arena, eg_quotas **ret, eg_problem *p) {
    eg_quota *all = eg_arena_alloc(arena, (c->quota_count + 1) * sizeof *all);
    size_t n = 0;
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->quota_count; i++) {
        const eg_config_quota *q = &c->quotas[i];
        if (q->requests_per_second || q->kib_in_per_second || q->kib_out_per_second) {
            all[n++] = (eg_quota){.name = q->name, .per = per_of(q->per), .only = q->only, .requests = q->requests_per_second, .bytes_in = (uint64_t)q->kib_in_per_second << 10,
                                  .bytes_out = (uint64_t)q->kib_out_per_second << 10, .burst_s = q->burst_seconds};
        }
    }
    *ret = n ? eg_quotas_new(all, n, &eg_clock_system) : NULL;
    return n == 0 || *ret ? EG_OK : no_memory(p);
}

/* "https://host", and the port behind it. */
static eg_str split_port(const char *url, uint64_t *ret_port) {
    eg_str host = eg_str_of(url);
    const char *colon = strrchr(url, ':');
    *ret_port = 443;
    if (colon && colon[1] != '/' && eg_str_u64(eg_str_of(colon + 1), 65535, ret_port) == EG_OK) {
        host.len = (size_t)(colon - url);
    }
    return host;
}

eg_err eg_serve_certificate_url(const eg_config *c, eg_arena *arena, const char **ret, eg_problem *p) {
    uint64_t port = 0;
    const eg_str host = split_port(c->public_url, &port);
    unsigned other = 0;
    for (size_t i = 0; i < c->listener_count; i++) {
        if (strcmp(c->listeners[i].client_certificates, "off") == 0) {
            continue;
        }
        if (c->listeners[i].port == port) {
            *ret = c->public_url;
            return EG_OK;
        }
        other = other ? other : c->listeners[i].port;
    }
    if (other) {
        *ret = eg_arena_printf(arena, "%.*s:%u", EG_FMT(host), other).ptr;
        return *ret ? EG_OK : no_memory(p);
    }
    *ret = NULL;
    return EG_OK;
}

eg_err eg_serve_proxies(const eg_config_listener *l, eg_arena *arena, eg_door_listener *ret, eg_problem *p) {
    size_t n = 0;
    while (l->proxies && l->proxies[n]) {
        n++;
    }
    eg_proxy_prefix *all = eg_arena_alloc(arena, (n + 1) * sizeof *all);
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < n; i++) {
        EG_TRY(eg_proxy_prefix_parse(eg_str_of(l->proxies[i]), &all[i]));
    }
    ret->proxies = all;
    ret->proxy_count = n;
    return EG_OK;
}

/* Of the account as a whole: its first scope, which has no name. */
static const char *key_source(void *ctx, eg_str account) {
    eg_problem unused = {0};
    eg_buf text;
    const char *found = NULL;
    eg_buf_init(&text, (size_t)1 << 20);
    if (eg_storage_scope_list(ctx, account, &text, &unused) == EG_OK) {
        EG_JSON_AUTO v = NULL;
        (void)!eg_json_parse(eg_buf_str(&text), (size_t)1 << 20, &v, &unused);
        const json_t *scopes = json_object_get(v, "scopes");
        for (size_t i = 0; i < json_array_size(scopes); i++) {
            const json_t *scope = json_array_get(scopes, i);
            if (eg_json_str(scope, "name").len == 0) {
                found = eg_str_is(eg_json_str(scope, "keySource"), "Microsoft.Keyvault") ? "Microsoft.Keyvault" : "Microsoft.Storage";
            }
        }
    }
    eg_buf_done(&text);
    return found;
}

static void scopes(void *ctx, eg_str account, void (*each)(void *each_ctx, const eg_resource *r), void *each_ctx) {
    (void)!eg_storage_scope_resources(ctx, account, each, each_ctx); /* of an account whose keys were destroyed there is nothing to tell */
}

eg_err eg_serve_judge(void *ctx, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p) {
    eg_compliance_watch *w = atomic_load((eg_compliance_slot *)ctx);
    return w ? eg_compliance_watch_judge(w, r, ret_found, p) : eg_fail(p, EG_ERR_UNAVAILABLE, "The policies are not known yet.");
}

bool eg_serve_judges(void *ctx) {
    eg_compliance_watch *w = atomic_load((eg_compliance_slot *)ctx);
    return !w || eg_compliance_watch_judges(w);
}

static void add(eg_watched_resource *m, const char *alias, const char *text) { m->properties[m->property_count++] = (eg_property){alias, eg_str_of(text)}; }
static const char *word(bool truth) { return truth ? "true" : "false"; }

static void fill_account(const eg_config_account *a, eg_watched_resource *m) {
    m->account = true;
    add(m, "Microsoft.Storage/storageAccounts/minimumTlsVersion", a->minimum_tls);
    add(m, "Microsoft.Storage/storageAccounts/allowSharedKeyAccess", word(a->allow_shared_key));
    add(m, "Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", word(a->https_only));
    add(m, "Microsoft.Storage/storageAccounts/allowBlobPublicAccess", word(false)); /* nothing is served to nobody */
    add(m, "Microsoft.Storage/storageAccounts/isHnsEnabled", word(true));
    add(m, "Microsoft.Storage/storageAccounts/encryption.services.blob.enabled", word(true));
}

/* What compute/spark_conf.c fixes: connections within a cluster are encrypted. Disks of the machine are not looked at, so that they count as not encrypted. */
static void fill_cluster(const eg_config *c, eg_watched_resource *m) {
    add(m, "Microsoft.HDInsight/clusters/encryptionInTransitProperties.isEncryptionInTransitEnabled", word(true));
    add(m, "Microsoft.HDInsight/clusters/diskEncryptionProperties.encryptionAtHost", word(false));
    add(m, "Microsoft.HDInsight/clusters/minSupportedTlsVersion", c->tls_minimum_version);
}

eg_err eg_serve_compliance(const eg_serve_plan *plan, eg_policy_watch *policies, eg_storage *storage, eg_arena *arena, eg_compliance_watch **ret, eg_problem *p) {
    const eg_config *c = plan->config;
    eg_watched_resource *all = eg_arena_alloc(arena, (c->account_count + c->cluster_count + 1) * sizeof *all);
    size_t n = 0;
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->account_count; i++) {
        const eg_config_account *a = &c->accounts[i];
        const eg_str id = eg_arena_printf(arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s", a->subscription, a->resource_group, a->name);
        all[n] = (eg_watched_resource){.resource = {.id = id, .type = EG_LIT("Microsoft.Storage/storageAccounts"), .name = eg_str_of(a->name), .location = EG_LIT("embergate")}};
        fill_account(a, &all[n++]);
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        all[n] = (eg_watched_resource){.resource = {.id = eg_str_of(plan->clusters[i].resource_id), .type = EG_LIT("Microsoft.HDInsight/clusters"),
                                                    .name = eg_str_of(c->clusters[i].name), .location = EG_LIT("embergate")}};
        fill_cluster(c, &all[n++]);
    }
    const eg_compliance_watch_options o = {.policies = policies, .clock = &eg_clock_system, .resources = all, .count = n, .key_source = key_source, .scopes = scopes, .ctx = storage};
    return eg_compliance_watch_new(&o, ret) == EG_OK ? EG_OK : no_memory(p);
}

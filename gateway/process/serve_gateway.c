/* The gateway process: opens the rooms in order, joins them, opens the door, and closes all in reverse. */
#include "serve_plan.h"

#include "../api/ops.h"
#include "../api/whoami.h"
#include "../arm/arm.h"
#include "../door/door.h"
#include "../pipeline/pipeline.h"
#include "../pipeline/policy_watch.h"
#include "../policy/policy_open.h"
#include "../pipeline/router.h"
#include "admin_server.h"
#include "certificate_watch.h"
#include "clock_watch.h"
#include "seccomp_filter.h"
#include "self_report.h"
#include "serve_policy.h"
#include "store_digest.h"
#include "witness_watch.h"

#include <embergate/audit.h>
#include <embergate/identity.h>
#include <embergate/log.h>
#include <embergate/metrics.h>
#include <embergate/storage.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define POOL_THREADS 32
#define POOL_QUEUE 4096

/* Whose supervisor was killed is in the way of the next one, and its keeper is gone too: requests get this long to finish. */
#define ORPHAN_STOP_SECONDS 2
#define MANY_CONNECTIONS 128
#define ARENA_TOP_BYTES (2 << 20)
#define KEEPER_START_S 60 /* the supervisor starts it first */

typedef struct gateway {
    const eg_serve_plan *plan;
    pid_t supervisor;
    eg_arena *arena;
    eg_pool *pool;
    eg_kv *kv;
    bool digest_counted;
    eg_store_digest_watch *digest_watch;
    eg_witness_watch *witnesses;
    eg_committer *committer;
    eg_keys *keys;
    eg_audit *audit;
    eg_compute *compute;
    eg_storage *storage;
    eg_identity *identity;
    eg_policy_store *policies;
    eg_policy_watch *watch;
    eg_compliance_slot compliance;
    eg_quotas *quotas;
    eg_ops *ops;
    eg_arm *arm;
    eg_admin *admin;
    eg_router *router;
    eg_pipeline *pipeline;
    eg_door *door;
    eg_door_certificate certificate;
    eg_certificate_watch *certificates;
    eg_router_tenant *router_tenants;
    eg_router_resource *router_clusters, *router_accounts;
    eg_pipeline_cluster *pipeline_clusters;
} gateway;

static eg_err no_memory(eg_problem *p) { return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory"); }

/* When the supervisor was killed nobody starts a keeper any more, and who waits for one is in the way of the next server. */
static bool has_supervisor(void *ctx) { return getppid() == ((const gateway *)ctx)->supervisor; }

static eg_err open_core(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    eg_kv_options ko = {.dir = g->plan->db, .map_size = (uint64_t)c->limits.store_mib << 20};
    g->arena = eg_arena_new(4u << 20);
    if (!g->arena) {
        return no_memory(p);
    }
    EG_TRY(eg_pool_start(c->pool_threads ? c->pool_threads : POOL_THREADS, POOL_QUEUE, &g->pool));
    EG_TRY(eg_kv_open(&ko, &g->kv, p));
    EG_TRY(eg_committer_start(g->kv, &g->committer));
    EG_TRY(eg_keeper_client_new(g->plan->keeper_socket, &g->keys));
    return eg_store_digest_start(g->kv, g->committer, g->keys, &(eg_keeper_wait){KEEPER_START_S, has_supervisor, g}, &g->digest_counted, p);
}

static eg_err open_audit(gateway *g, eg_problem *p) {
    /* In every signed checkpoint: the first tenant's id, made by init, tells this installation's logs from all others'. */
    eg_str origin = eg_arena_printf(g->arena, "embergate/%s", g->plan->config->tenants[0].id);
    if (!origin.ptr) {
        return no_memory(p);
    }
    eg_audit_options o = {.dir = g->plan->audit, .kv = g->kv, .committer = g->committer, .keys = g->keys, .clock = &eg_clock_system, .origin = origin.ptr};
    EG_TRY(eg_audit_open(&o, &g->audit, p));
    eg_self_report_forgotten(g->audit);
    return eg_store_digest_watch_start(g->kv, g->audit, g->digest_counted, &g->digest_watch, p);
}

/* A batch that is due before policies are known waits for them. */
static eg_err may_start(void *ctx, const char *cluster, eg_problem *p) {
    gateway *g = ctx;
    eg_compliance_watch *w = atomic_load(&g->compliance);
    return w ? eg_compliance_watch_check(w, eg_str_of(cluster), NULL, p) : eg_fail(p, EG_ERR_UNAVAILABLE, "the policies are not known yet");
}

static eg_err open_compute(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    const eg_job_quota *quotas = NULL;
    EG_TRY(eg_serve_job_quotas(c, g->arena, &quotas, p));
    eg_compute_options o = {.clusters_dir = g->plan->clusters_dir, .launcher_socket = g->plan->launcher_socket, .public_url = c->public_url,
                            .trust_store = g->plan->tls_ca, .clusters = g->plan->clusters, .cluster_count = c->cluster_count, .kv = g->kv,
                            .committer = g->committer, .keys = g->keys, .audit = g->audit, .pool = g->pool, .clock = &eg_clock_system,
                            .quotas = quotas, .quota_count = c->quota_count, .gate = {may_start, g}};
    return eg_compute_open(&o, &g->compute, p);
}

static bool has_room(void *ctx, eg_str account, uint64_t bytes) { return eg_storage_has_room(ctx, account, bytes); }
static json_t *stored_report(void *ctx) { return eg_storage_stored_report(ctx); }
static json_t *witness_report(void *ctx) { return eg_witness_watch_report(ctx); }

static eg_err open_storage(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    eg_account_rules *rules = eg_arena_alloc(g->arena, (c->account_count + 1) * sizeof *rules);
    if (!rules) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->account_count; i++) {
        const bool newest = strcmp(c->accounts[i].minimum_tls, "TLS1_3") == 0;
        const eg_config_account *a = &c->accounts[i];
        eg_str id = eg_arena_printf(g->arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s", a->subscription, a->resource_group,
                                    a->name);
        rules[i] = (eg_account_rules){.account = a->name, .resource_id = id.ptr, .allow_shared_key = c->accounts[i].allow_shared_key, .minimum_tls = newest ? "TLSv1.3" : "TLSv1.2"};
    }
    eg_storage_options o = {.dir = g->plan->segments, .rules = rules, .rule_count = c->account_count, .kv = g->kv, .committer = g->committer, .keys = g->keys, .clock = &eg_clock_system,
                            .usage = eg_compute_usage_sink(g->compute), .comply = {eg_serve_judge, eg_serve_judges, &g->compliance}};
    EG_TRY(eg_storage_open(&o, &g->storage, p));
    for (size_t i = 0; i < c->account_count; i++) {
        const eg_err e = eg_storage_ensure_account(g->storage, eg_str_of(c->accounts[i].name), eg_str_of(c->accounts[i].tenant), p);
        if (e == EG_ERR_KEY_DESTROYED) {
            eg_log(EG_LOG_WARN, "storage.account_destroyed", "account", c->accounts[i].name, NULL); /* the others are served */
            *p = (eg_problem){0};
            continue;
        }
        EG_TRY(e);
        EG_TRY(eg_storage_set_retention(g->storage, eg_str_of(c->accounts[i].name), c->accounts[i].delete_retention_days));
    }
    const eg_stored_quota *stored = NULL;
    EG_TRY(eg_serve_stored_quotas(c, g->arena, &stored, p));
    EG_TRY(eg_storage_set_stored_quotas(g->storage, stored, c->account_count, p));
    const eg_rewrapper others[] = {{"audit", eg_audit_rewrap, g->audit}, {"compute", eg_compute_rewrap, g->compute}};
    return eg_storage_rotation_start(g->storage, others, sizeof others / sizeof others[0]);
}

static eg_err open_admin(gateway *g, eg_problem *p) {
    const eg_str origin = eg_arena_printf(g->arena, "embergate/%s/server", g->plan->config->tenants[0].id);
    if (!origin.ptr) {
        return no_memory(p);
    }
    const eg_admin_options o = {.listen_fd = g->plan->admin_fd, .allowed_uid = g->plan->user_us.uid, .storage = g->storage, .audit = g->audit, .compute = g->compute,
                                .identity = g->identity, .policies = g->policies, .watch = g->watch, .keys = g->keys, .origin = origin.ptr, .backup_max_age_s = g->plan->config->backup_max_age_s,
                                .erasures_dir = g->plan->erasures};
    return eg_admin_start(&o, &g->admin, p);
}

/* After identity, which sets up the client that fetches. */
static eg_err open_witnesses(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    eg_witness *all = eg_arena_alloc(g->arena, (c->witness_count + 1) * sizeof *all);
    if (!all) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->witness_count; i++) {
        all[i] = (eg_witness){.key = c->witnesses[i].key, .url = c->witnesses[i].url, .ca_file = c->witnesses[i].ca_file};
    }
    const eg_witness_options o = {.audit = g->audit, .clock = &eg_clock_system, .witnesses = all, .count = c->witness_count, .period_s = c->witness_s};
    return eg_witness_watch_start(&o, &g->witnesses, p);
}

static eg_err open_identity(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    const char **tenants = eg_arena_alloc(g->arena, (c->tenant_count + 1) * sizeof *tenants);
    eg_outside_issuer *issuers = eg_arena_alloc(g->arena, (c->issuer_count + 1) * sizeof *issuers);
    if (!tenants || !issuers) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->tenant_count; i++) {
        tenants[i] = c->tenants[i].id;
    }
    for (size_t i = 0; i < c->issuer_count; i++) {
        const eg_config_issuer *from = &c->issuers[i];
        issuers[i] = (eg_outside_issuer){.issuer = from->issuer, .tenant = from->tenant, .discovery_url = from->discovery_url, .ca_file = from->ca_file,
                                         .audiences = from->audiences, .client_audiences = from->client_audiences, .required = from->required_claims, .scopes = from->scopes,
                                         .app_roles = from->app_roles, .claim_object_id = from->claim_object_id, .claim_name = from->claim_name,
                                         .claim_groups = from->claim_groups, .claim_roles = from->claim_roles, .skew_s = from->skew_seconds,
                                         .graph_url = from->graph_url, .graph_token_url = from->graph_token_url, .graph_client_id = from->graph_client_id,
                                         .graph_secret_file = from->graph_secret_file, .graph_scope = from->graph_scope, .graph_fresh_s = from->graph_fresh_seconds,
                                         .graph_grace_s = from->graph_grace_seconds, .graph_groups_max = from->graph_groups_max,
                                         .key_grace_s = from->key_grace_seconds};
    }
    eg_identity_options o = {.public_url = c->public_url, .tenants = tenants, .issuers = issuers, .issuer_count = c->issuer_count, .kv = g->kv,
                             .committer = g->committer, .keys = g->keys, .pool = g->pool, .clock = &eg_clock_system, .compute = g->compute,
                             .audit = g->audit, .bind_tokens = c->tls_bind_tokens};
    EG_TRY(eg_serve_certificate_url(c, g->arena, &o.certificate_url, p));
    return eg_identity_open(&o, &g->identity, p);
}

static eg_err fill_places(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    g->router_tenants = eg_arena_alloc(g->arena, (c->tenant_count + 1) * sizeof *g->router_tenants);
    g->router_clusters = eg_arena_alloc(g->arena, (c->cluster_count + 1) * sizeof *g->router_clusters);
    g->router_accounts = eg_arena_alloc(g->arena, (c->account_count + 1) * sizeof *g->router_accounts);
    if (!g->router_tenants || !g->router_clusters || !g->router_accounts) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->tenant_count; i++) {
        eg_str scope = eg_arena_printf(g->arena, "/subscriptions/%s", eg_config_subscription(c, c->tenants[i].id));
        g->router_tenants[i] = (eg_router_tenant){.id = eg_str_of(c->tenants[i].id), .scope = scope};
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        g->router_clusters[i] = (eg_router_resource){.name = eg_str_of(c->clusters[i].name), .tenant = eg_str_of(c->clusters[i].tenant),
                                                     .scope = eg_str_of(g->plan->clusters[i].resource_id)};
    }
    for (size_t i = 0; i < c->account_count; i++) {
        const eg_config_account *a = &c->accounts[i];
        eg_str scope = eg_arena_printf(g->arena, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s", a->subscription,
                                       a->resource_group, a->name);
        g->router_accounts[i] = (eg_router_resource){.name = eg_str_of(a->name), .tenant = eg_str_of(a->tenant), .scope = scope};
    }
    return EG_OK;
}

static eg_str default_account(const eg_config *c) {
    for (size_t i = 0; i < c->account_count; i++) {
        if (c->accounts[i].is_default) {
            return eg_str_of(c->accounts[i].name);
        }
    }
    return (eg_str){NULL, 0};
}

/* The host of public_url, which need not be beneath the domain. */
static const char *public_name(gateway *g) {
    eg_str rest = eg_str_of(g->plan->config->public_url);
    rest = eg_str_starts(rest, "https://") ? (eg_str){rest.ptr + 8, rest.len - 8} : rest;
    eg_str host = eg_str_cut(&rest, rest.len > 0 && rest.ptr[0] == '[' ? ']' : ':');
    eg_str copy = eg_arena_str(g->arena, eg_str_cut(&host, '/'));
    return copy.ptr ? copy.ptr : "";
}

static eg_err mount_all(gateway *g, eg_problem *p) {
    const struct {
        const eg_route *(*routes)(size_t *ret_n);
        void *room;
        eg_surface surfaces[3];
        size_t surface_count;
    } rows[] = {
        {g->plan->config->loopback_details ? eg_ops_routes_loopback : eg_ops_routes, g->ops, {EG_SURFACE_OPS}, 1},
        {eg_identity_routes, g->identity, {EG_SURFACE_OAUTH}, 1},
        {eg_whoami_routes, g->watch, {EG_SURFACE_OAUTH}, 1},
        {eg_identity_admin_routes, g->identity, {EG_SURFACE_ARM}, 1},
        {eg_compute_routes, g->compute, {EG_SURFACE_LIVY}, 1},
        {eg_storage_key_routes, g->storage, {EG_SURFACE_ARM, EG_SURFACE_DFS, EG_SURFACE_BLOB}, 3},
        {eg_storage_blob_routes, g->storage, {EG_SURFACE_BLOB}, 1},
        {eg_storage_routes, g->storage, {EG_SURFACE_DFS}, 1},
        {eg_audit_routes, g->audit, {EG_SURFACE_AUDIT}, 1},
        {eg_policy_routes, g->policies, {EG_SURFACE_ARM}, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = 0;
        const eg_route *routes = rows[i].routes(&n);
        for (size_t s = 0; s < rows[i].surface_count; s++) {
            EG_TRY(eg_router_mount(g->router, rows[i].surfaces[s], routes, n, rows[i].room, p));
        }
    }
    /* The last: it takes whatever is left on its surface. */
    size_t n = 0;
    const eg_route *arm = eg_arm_routes(&n);
    return eg_router_mount(g->router, EG_SURFACE_ARM, arm, n, g->arm, p);
}

static eg_err open_router(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    const char **names = eg_arena_alloc(g->arena, 2 * sizeof *names);
    EG_TRY(fill_places(g, p));
    if (!names) {
        return no_memory(p);
    }
    names[0] = public_name(g);
    eg_router_options o = {.domain = eg_str_of(c->domain), .storage_domains = c->storage_domains, .names = names, .tenants = g->router_tenants, .tenant_count = c->tenant_count,
                           .clusters = g->router_clusters, .cluster_count = c->cluster_count, .accounts = g->router_accounts,
                           .account_count = c->account_count, .default_account = default_account(c)};
    g->router = eg_router_new(&o);
    return g->router ? mount_all(g, p) : no_memory(p);
}

static eg_err fill_clusters(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    g->pipeline_clusters = eg_arena_alloc(g->arena, (c->cluster_count + 1) * sizeof *g->pipeline_clusters);
    if (!g->pipeline_clusters) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->cluster_count; i++) {
        const eg_config_cluster *k = &c->clusters[i];
        g->pipeline_clusters[i] = (eg_pipeline_cluster){.tenant = k->tenant, .name = k->name, .subnet = k->subnet, .http_basic = k->http_basic, .csrf = k->csrf};
    }
    return EG_OK;
}

static eg_err open_pipeline(gateway *g, eg_problem *p) {
    const eg_policy_open_options so = {.config = g->plan->config, .arena = g->arena, .kv = g->kv, .committer = g->committer, .audit = g->audit};
    EG_TRY(eg_policy_open(&so, &g->policies, p));
    const bool files = strcmp(g->plan->config->policies_source, "files") == 0;
    eg_policy_watch_options wo = {.dir = files ? g->plan->policies : NULL, .store = g->policies, .clock = &eg_clock_system,
                                 .separate_duties = g->plan->config->policies_separation_of_duties};
    EG_TRY(eg_policy_watch_start(&wo, &g->watch, p));
    eg_compliance_watch *compliance = NULL;
    EG_TRY(eg_serve_compliance(g->plan, g->watch, g->storage, g->arena, &compliance, p));
    atomic_store(&g->compliance, compliance);
    EG_TRY(eg_serve_quotas(g->plan->config, g->arena, &g->quotas, p));
    eg_ops_options oo = {.audit = g->audit, .compute = g->compute, .watch = g->watch, .compliance = compliance, .stored = stored_report, .stored_ctx = g->storage, .witnesses = witness_report, .witnesses_ctx = g->witnesses, .pool = g->pool, .loopback = g->plan->config->loopback_details};
    EG_TRY(eg_ops_new(&oo, &g->ops));
    eg_arm_options ao = {.config = g->plan->config, .policies = g->policies, .kv = g->kv, .clock = &eg_clock_system, .compliance = compliance};
    EG_TRY(eg_arm_new(&ao, &g->arm));
    EG_TRY(open_router(g, p));
    EG_TRY(fill_clusters(g, p));
    eg_pipeline_options po = {.router = g->router, .identity = g->identity, .policies = g->watch, .audit = g->audit, .pool = g->pool,
                              .clock = &eg_clock_system, .public_url = g->plan->config->public_url,
                              .clusters = g->pipeline_clusters, .cluster_count = g->plan->config->cluster_count, .quotas = g->quotas, .has_room = has_room, .room_ctx = g->storage, .compliance = compliance,
                              .storage_auth = eg_storage_auth_of(g->storage, g->pool)};
    return eg_pipeline_new(&po, &g->pipeline);
}

static eg_err open_door(gateway *g, eg_problem *p) {
    const eg_config *c = g->plan->config;
    eg_door_listener *listeners = eg_arena_alloc(g->arena, c->listener_count * sizeof *listeners);
    if (!listeners) {
        return no_memory(p);
    }
    for (size_t i = 0; i < c->listener_count; i++) {
        listeners[i] = (eg_door_listener){.fd = g->plan->listener_fds[i], .peer = {.local_port = c->listeners[i].port}};
        (void)snprintf(listeners[i].peer.listener, sizeof listeners[i].peer.listener, "%s", c->listeners[i].name);
        EG_TRY(eg_serve_proxies(&c->listeners[i], g->arena, &listeners[i], p));
        listeners[i].peer.certificate.signs_in = strcmp(c->listeners[i].client_certificates, "sign_in") == 0;
        listeners[i].peer.certificate.asked = strcmp(c->listeners[i].client_certificates, "off") != 0;
        (void)snprintf(listeners[i].peer.subnet, sizeof listeners[i].peer.subnet, "%s", c->listeners[i].subnet);
    }
    g->certificate = (eg_door_certificate){.chain_file = g->plan->tls_certificate, .key_file = g->plan->tls_key};
    eg_door_limits limits = EG_DOOR_LIMITS_DEFAULT;
    limits.connections = c->limits.connections;
    limits.connections_per_address = c->limits.connections_per_address;
    limits.handshake_ms = c->limits.handshake_seconds * 1000;
    limits.head_ms = c->limits.head_seconds * 1000;
    limits.body_ms = c->limits.body_seconds * 1000;
    limits.idle_ms = c->limits.idle_seconds * 1000;
    limits.write_ms = c->limits.write_seconds * 1000;
    eg_door_options o = {.listeners = listeners, .listener_count = c->listener_count, .certificates = &g->certificate, .certificate_count = 1,
                         .min_tls = c->tls_minimum_version, .workers = c->workers, .limits = limits, .pool = g->pool,
                         .app = eg_pipeline_app(g->pipeline), .refused = eg_pipeline_refused};
    EG_TRY(eg_door_start(&o, &g->door, p));
    return eg_certificate_watch_new(g->door, &g->certificate, &eg_clock_system, &g->certificates);
}

static const struct {
    const char *name;
    eg_err (*open)(gateway *g, eg_problem *p);
} gateway_steps[] = {
    {"core", open_core},         {"audit", open_audit},       {"compute", open_compute}, {"storage", open_storage},
    {"identity", open_identity}, {"witnesses", open_witnesses}, {"pipeline", open_pipeline}, {"door", open_door},
    {"admin", open_admin},
};

static void close_all(gateway *g) {
    eg_certificate_watch_free(g->certificates);
    eg_admin_stop(g->admin);
    if (g->storage) {
        eg_storage_rotation_stop(g->storage);
    }
    unsigned seconds = g->plan->config->limits.stop_seconds;
    if (getppid() != g->supervisor && seconds > ORPHAN_STOP_SECONDS) {
        seconds = ORPHAN_STOP_SECONDS;
    }
    if (g->door && eg_door_stop(g->door, seconds) != EG_OK) {
        /* An answer is still owed by a thread that would then touch what is freed below. All that was acknowledged is durable. */
        eg_log(EG_LOG_WARN, "gateway.stop_abrupt", NULL);
        return;
    }
    eg_store_digest_watch_stop(g->digest_watch);
    eg_witness_watch_stop(g->witnesses);
    eg_pipeline_free(g->pipeline);
    eg_router_free(g->router);
    eg_arm_free(g->arm);
    eg_ops_free(g->ops);
    if (g->identity) {
        eg_identity_close(g->identity);
    }
    if (g->storage) {
        eg_storage_close(g->storage);
    }
    if (g->compute) {
        eg_compute_close(g->compute);
    }
    eg_compliance_watch_free(atomic_load(&g->compliance));
    eg_quotas_free(g->quotas);
    eg_policy_watch_stop(g->watch);
    eg_policy_store_close(g->policies);
    if (g->audit) {
        eg_audit_close(g->audit);
    }
    if (g->pool) {
        eg_pool_stop(g->pool);
    }
    if (g->keys) {
        eg_keeper_client_free(g->keys);
    }
    if (g->committer) {
        eg_committer_stop(g->committer);
    }
    if (g->kv) {
        eg_kv_close(g->kv);
    }
    eg_arena_free(g->arena);
}

/* What many connections took, glibc keeps in its arenas when they have left: given back when more than half of the most there were are gone. */
static void give_back_memory(int64_t *most) {
    int64_t open = eg_metric_get(EG_METRIC_CONNECTIONS_OPEN);
    if (open > *most) {
        *most = open;
    } else if (*most - open >= MANY_CONNECTIONS && open < *most / 2) {
        (void)malloc_trim(0);
        *most = open;
    }
}

/* A chunk's buffers come and go with each read: glibc would give the top of an arena back to the kernel each time, and take page faults for it at the next. */
static void keep_some_memory(void) {
    (void)mallopt(M_TRIM_THRESHOLD, ARENA_TOP_BYTES);
}

int eg_serve_gateway(void *plan, const atomic_int *stop) {
    keep_some_memory();
    gateway g = {.plan = plan, .supervisor = getppid()};
    eg_problem p = {0};
    close(g.plan->keeper_fd);
    close(g.plan->launcher_fd);
    bool filtered = false;
    if (eg_seccomp_gateway(&filtered, &p) != EG_OK) {
        eg_log_problem(EG_LOG_ERROR, "gateway.seccomp_failed", &p);
        return 1;
    }
    eg_log(EG_LOG_INFO, "gateway.seccomp", "filter", filtered ? "on" : "off (sanitizer build)", NULL);
    for (size_t i = 0; i < sizeof gateway_steps / sizeof gateway_steps[0]; i++) {
        eg_err e = gateway_steps[i].open(&g, &p);
        if (e != EG_OK) {
            p.code = e;
            eg_log(EG_LOG_ERROR, "gateway.open_failed", "step", gateway_steps[i].name, NULL);
            eg_log_problem(EG_LOG_ERROR, "gateway.open_failed", &p);
            close_all(&g);
            return 1;
        }
    }
    eg_log(EG_LOG_INFO, "gateway.ready", "endpoint", g.plan->config->public_url, NULL);
    eg_clock_watch clock;
    eg_self_report report = {0};
    int64_t most_connections = 0;
    eg_clock_watch_init(&clock, &eg_clock_system);
    while (!atomic_load(stop)) {
        if (eg_kv_failed(g.kv)) {
            /* A start does again what was answered. Nothing is closed on the way out: that would want to commit. */
            eg_log(EG_LOG_ERROR, "store.failed", NULL);
            _exit(1);
        }
        struct timespec t = {0, 100000000};
        nanosleep(&t, NULL);
        eg_certificate_watch_tick(g.certificates);
        eg_compliance_watch_tick(atomic_load(&g.compliance));
        eg_policy_store_sweep(g.policies);
        give_back_memory(&most_connections);
        eg_admin_tick(g.admin);
        if (eg_pipeline_sweep_due(g.pipeline)) {
            eg_door_sweep(g.door); /* streams of whom lost what they were let in by end here */
        }
        eg_identity_tell_metrics(g.identity);
        int64_t jumped = eg_clock_watch_jump(&clock);
        if (jumped != 0) {
            eg_self_report_clock(g.audit, jumped);
        }
        eg_self_report_tick(&report, g.audit, eg_mono_ns(&eg_clock_system));
    }
    eg_log(EG_LOG_INFO, "gateway.stopping", NULL);
    close_all(&g);
    return 0;
}

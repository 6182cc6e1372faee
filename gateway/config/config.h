/* The configuration: one YAML file, every key checked against the schema in config_schema.c. */
#ifndef GATEWAY_CONFIG_CONFIG_H
#define GATEWAY_CONFIG_CONFIG_H

#include <embergate/bytes.h>

/* All text is NUL-terminated, owned by the configuration and never NULL ("" = not given); lists end with NULL. */
typedef struct eg_config_listener {
    const char *name;
    const char *address;
    uint16_t port;
    const char *subnet;            /* resource id of the subnet that it sits in; "" = none */
    const char *const *proxies;    /* addresses and prefixes of balancers that speak PROXY v2 */
    const char *client_certificates; /* "off", "request", "sign_in" */
} eg_config_listener;

typedef struct eg_config_tenant {
    const char *id;                /* GUID */
    const char *name;
} eg_config_tenant;

typedef struct eg_config_issuer {
    const char *issuer;
    const char *tenant;            /* GUID */
    const char *discovery_url;
    const char *ca_file;
    const char *const *audiences;
    const char *const *client_audiences; /* "audience=client id" */
    const char *const *required_claims; /* "claim=value" */
    const char *const *scopes;
    const char *const *app_roles;
    const char *claim_object_id;
    const char *claim_name;
    const char *claim_groups;
    const char *claim_roles;
    const char *graph_url;
    const char *graph_token_url;
    const char *graph_client_id;
    const char *graph_secret_file;
    const char *graph_scope;
    unsigned graph_fresh_seconds;
    unsigned graph_grace_seconds;
    unsigned graph_groups_max;
    unsigned skew_seconds;
    unsigned key_grace_seconds;
} eg_config_issuer;

typedef struct eg_config_cluster {
    const char *name;
    const char *tenant;
    const char *subscription;
    const char *resource_group;
    const char *user;
    const char *subnet;            /* resource id; "" = none */
    unsigned workers;
    unsigned worker_cores;
    unsigned worker_memory_mb;
    unsigned idle_stop_seconds;
    unsigned batch_retention_days;
    unsigned max_processes;
    unsigned max_memory_mb;
    unsigned max_disk_mb;
    const char *isolation;         /* "cluster" is what is built; others are refused with that said */
    bool http_basic;
    bool csrf;
    const char *const *file_roots;
    const char *spark_home;
    const char *python;
    const char *java_home;
    const char *const *jars;
} eg_config_cluster;

typedef struct eg_config_account {
    const char *name;
    const char *tenant;
    const char *subscription;
    const char *resource_group;
    const char *minimum_tls;    /* "TLS1_2", "TLS1_3" */
    bool allow_shared_key;
    bool https_only;
    bool is_default;
    unsigned delete_retention_days;
} eg_config_account;

typedef struct eg_config_quota {
    const char *name;
    const char *per;            /* "tenant", "principal", "cluster", "account" */
    const char *only;           /* "" = each has its own */
    unsigned requests_per_second;
    unsigned kib_in_per_second;
    unsigned kib_out_per_second;
    unsigned burst_seconds;
    unsigned jobs;
    unsigned cores;
    unsigned memory_mb;
    unsigned stored_mib;
} eg_config_quota;

/* Who cosigns the audit logs' checkpoints. */
typedef struct eg_config_witness {
    const char *key;            /* "name+hash+base64" */
    const char *url;            /* what "/add-checkpoint" is put behind */
    const char *ca_file;        /* "" = the system's */
} eg_config_witness;

/* The bounds of the door that a configuration may change (door_limits.h has them all). */
typedef struct eg_config_limits {
    unsigned connections;
    unsigned connections_per_address;
    unsigned handshake_seconds;
    unsigned head_seconds;
    unsigned body_seconds;
    unsigned idle_seconds;
    unsigned write_seconds;
    unsigned stop_seconds;         /* how long requests may finish when the server stops */
    unsigned store_mib;            /* 0 = the store's own default */
} eg_config_limits;
#define EG_CONFIG_LIMITS_DEFAULT ((eg_config_limits){.connections = 4096, .connections_per_address = 512, .handshake_seconds = 10, \
    .head_seconds = 15, .body_seconds = 60, .idle_seconds = 75, .write_seconds = 60, .stop_seconds = 15})

#define EG_CONFIG_WITNESS_SECONDS_DEFAULT 60u

typedef struct eg_config {
    const char *state_dir;         /* as given; relative to the configuration file's folder when not absolute: made absolute */
    const char *public_url;
    const char *domain;
    const char *const *storage_domains; /* NULL-terminated */
    const char *policies_dir;      /* "" = {state_dir}/policies */
    const char *policies_source;   /* "store" or "files" */
    bool policies_require_ticket;
    bool policies_two_person;
    bool policies_separation_of_duties;
    const char *log_level;         /* debug, info, warn, error */
    const char *user_gateway;      /* UNIX users; "" = whoever starts it */
    const char *user_keeper;
    const char *tls_certificate;   /* "" = {state_dir}/tls/server.pem */
    const char *tls_key;
    const char *tls_ca;            /* what jobs must trust; "" = {state_dir}/tls/ca.pem */
    const char *tls_minimum_version;
    bool tls_bind_tokens;          /* what a client got by its certificate is good only with it */
    unsigned workers;              /* 0 = one a core */
    unsigned pool_threads;         /* 0 = 32 */
    eg_config_listener *listeners;
    size_t listener_count;
    eg_config_tenant *tenants;
    size_t tenant_count;
    eg_config_issuer *issuers;
    size_t issuer_count;
    eg_config_cluster *clusters;
    size_t cluster_count;
    eg_config_account *accounts;
    size_t account_count;
    eg_config_quota *quotas;
    size_t quota_count;
    eg_config_witness *witnesses;
    size_t witness_count;
    uint32_t witness_s;
    eg_config_limits limits;
    uint32_t backup_max_age_s;
    bool loopback_details;         /* loopback peers see the details of /healthz, and /metrics, without a token */
    void *memory;                  /* private: an arena */
} eg_config;

/* EG_ERR_CONFIG with "file:line" in p->where, the key and what was expected in the message. *ret is owned by the caller. */
eg_err eg_config_load(const char *path, eg_config **ret, eg_problem *p) EG_MUST_CHECK;
void eg_config_free(eg_config *c);
/* The same from text, with the name that problems show. */
eg_err eg_config_parse(eg_str yaml, const char *name, eg_config **ret, eg_problem *p) EG_MUST_CHECK;
/* YAML of c with the schema's descriptions as comments: what init writes. Parsing it gives c again. */
eg_err eg_config_render(const eg_config *c, eg_buf *ret);
/* docs/CONFIGURATION.md, from the schema. */
eg_err eg_config_reference(eg_buf *ret);
/* The tenant of that name or id; NULL asks for the first. NULL when there is none. Borrowed. */
const eg_config_tenant *eg_config_tenant_named(const eg_config *c, const char *name_or_id);
/* The subscription of a tenant's clusters and accounts. A tenant without resources has none yet: its id stands for it. */
const char *eg_config_subscription(const eg_config *c, const char *tenant);
EG_DEFINE_CLEANUP(eg_config, eg_config_free)

#endif

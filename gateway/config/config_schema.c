/* The rows of the schema. To add a key: one row here, one field in config.h, one test; then write docs/CONFIGURATION.md anew. */
#include "config_schema.h"

#include "config_check.h"

#include <embergate/audit.h>

/* Columns: key, type, field; then what differs from "no default, no range". */
#define ROW(owner, name, kind, field, ...) {.key = name, .type = EG_CONFIG_##kind, .offset = offsetof(owner, field), __VA_ARGS__}
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const eg_config_row top_rows[] = {
    ROW(eg_config, "state_dir", PATH, state_dir, .check = &eg_config_check_nonempty,
        .description = "Directory of all that the gateway keeps: keys, metadata, segments, audit log, clusters."),
    ROW(eg_config, "public_url", TEXT, public_url, .check = &eg_config_check_origin_url,
        .description = "Address of the gateway as clients and jobs see it; also the name of its own token issuer."),
    ROW(eg_config, "domain", TEXT, domain, .dflt = "embergate.internal", .check = &eg_config_check_domain,
        .description = "Storage accounts are served as ACCOUNT.dfs.DOMAIN and ACCOUNT.blob.DOMAIN."),
    ROW(eg_config, "storage_domains", TEXT_LIST, storage_domains, .dflt = "", .check = &eg_config_check_domain,
        .description = "More names of that form, such as core.windows.net for addresses that stay as they were in Azure."),
    ROW(eg_config, "policies_dir", PATH, policies_dir, .dflt = "",
        .description = "Directory of role definitions, role assignments and network security groups; \"\" = policies in state_dir."),
    ROW(eg_config, "log_level", TEXT, log_level, .dflt = "info", .check = &eg_config_check_log_level,
        .description = "Least level of what the operator's log shows: debug, info, warn or error."),
    ROW(eg_config, "workers", UINT, workers, .dflt = "0", .max = 256, .unit = "threads",
        .description = "Threads that serve connections; 0 = one for each core."),
    ROW(eg_config, "pool_threads", UINT, pool_threads, .dflt = "0", .max = 256, .unit = "threads",
        .description = "Threads for what can block: commits, file reads, keys; 0 = 32."),
};

static const eg_config_row policies_rows[] = {
    ROW(eg_config, "source", TEXT, policies_source, .dflt = "files", .check = &eg_config_check_policies_source,
        .description = "Where policies are changed: store = by `embergate policy` and the API, each change a version with its audit record; files = in policies_dir, which is watched."),
    ROW(eg_config, "require_ticket", BOOL, policies_require_ticket, .dflt = "false",
        .description = "A change owes a ticket and a justification. Of the store alone."),
    ROW(eg_config, "two_person", BOOL, policies_two_person, .dflt = "false",
        .description = "A change waits until a second person approves it who may make it too. Of the store alone."),
    ROW(eg_config, "separation_of_duties", BOOL, policies_separation_of_duties, .dflt = "false",
        .description = "Who could write policies at a scope uses no data there; and no change of the store gives both to one principal or group."),
};

static const eg_config_row operations_rows[] = {
    ROW(eg_config, "loopback", BOOL, loopback_details, .dflt = "false",
        .description = "Whoever is on this machine, jobs too, sees /metrics and the details of /healthz without a token."),
    ROW(eg_config, "backup_max_age_seconds", UINT, backup_max_age_s, .dflt = "0", .max = 31536000, .unit = "seconds",
        .description = "Without a backup for so long, backup.overdue is logged and embergate_backup_overdue is 1; 0 = nobody minds."),
    ROW(eg_config, "witness_seconds", UINT, witness_s, .dflt = "60", .min = 1, .max = 86400, .unit = "s",
        .description = "How often audit logs that have grown are shown to the witnesses."),
};

static const eg_config_row witness_rows[] = {
    ROW(eg_config_witness, "key", TEXT, key, .check = &eg_config_check_witness_key, .unique = true,
        .description = "Verifier key of the witness, as NAME+HASH+KEY: its cosignatures are those of this key."),
    ROW(eg_config_witness, "url", TEXT, url, .check = &eg_config_check_https_url,
        .description = "Where it takes checkpoints: /add-checkpoint is put behind this."),
    ROW(eg_config_witness, "ca_file", PATH, ca_file, .dflt = "", .description = "PEM file of the CA of that URL; \"\" = the system's."),
};

static const eg_config_row user_rows[] = {
    ROW(eg_config, "gateway", TEXT, user_gateway, .dflt = "", .check = &eg_config_check_unix_user,
        .description = "UNIX user of the gateway process; \"\" = the user who starts it."),
    ROW(eg_config, "keeper", TEXT, user_keeper, .dflt = "", .check = &eg_config_check_unix_user,
        .description = "UNIX user of the keeper process, which holds the keys; \"\" = the user who starts it."),
};

static const eg_config_row tls_rows[] = {
    ROW(eg_config, "certificate", PATH, tls_certificate, .dflt = "",
        .description = "PEM file of the certificate chain, leaf first; \"\" = tls/server.pem in state_dir."),
    ROW(eg_config, "key", PATH, tls_key, .dflt = "",
        .description = "PEM file of the certificate's private key; \"\" = tls/server.key in state_dir."),
    ROW(eg_config, "ca", PATH, tls_ca, .dflt = "",
        .description = "PEM file of the CA that jobs trust; \"\" = tls/ca.pem in state_dir."),
    ROW(eg_config, "minimum_version", TEXT, tls_minimum_version, .dflt = "1.2", .check = &eg_config_check_tls_version,
        .description = "Oldest TLS version that is accepted: 1.2 or 1.3."),
    ROW(eg_config, "bind_tokens", BOOL, tls_bind_tokens, .dflt = "true",
        .description = "Tokens that a client gets by its certificate are good only on connections with that certificate (RFC 8705)."),
};

static const eg_config_row listener_rows[] = {
    ROW(eg_config_listener, "name", TEXT, name, .check = &eg_config_check_label, .unique = true,
        .description = "Name of the listener in logs and audit records."),
    ROW(eg_config_listener, "address", TEXT, address, .dflt = "127.0.0.1", .check = &eg_config_check_address,
        .description = "IPv4 or IPv6 address to listen on."),
    ROW(eg_config_listener, "port", PORT, port, .min = 1, .max = 65535, .description = "TCP port to listen on."),
    ROW(eg_config_listener, "subnet", TEXT, subnet, .dflt = "", .check = &eg_config_check_subnet,
        .description = "Resource id of the subnet that the listener sits in: its network security group decides who may connect. \"\" = none."),
    ROW(eg_config_listener, "proxies", TEXT_LIST, proxies, .dflt = "", .check = &eg_config_check_prefix,
        .description = "Addresses or prefixes of balancers in front of this listener: their connections must begin with a PROXY protocol header, version 2, whose source counts."),
    ROW(eg_config_listener, "client_certificates", TEXT, client_certificates, .dflt = "off", .check = &eg_config_check_client_certificates,
        .description = "off = clients are not asked for a certificate; request = they may show one, which proves a client at the token endpoint and makes tokens that are bound to it good; sign_in = it also stands in place of a token."),
};

static const eg_config_row tenant_rows[] = {
    ROW(eg_config_tenant, "id", TEXT, id, .check = &eg_config_check_guid, .unique = true,
        .description = "Id of the tenant, as in the tid claim of its tokens."),
    ROW(eg_config_tenant, "name", TEXT, name, .check = &eg_config_check_tenant_name, .unique = true,
        .description = "Name of the tenant, for people."),
};

static const eg_config_row issuer_rows[] = {
    ROW(eg_config_issuer, "issuer", TEXT, issuer, .check = &eg_config_check_https_url, .unique = true,
        .description = "The iss claim of its tokens, to the letter; {tenantid} in it stands for the tid claim."),
    ROW(eg_config_issuer, "tenant", TEXT, tenant, .check = &eg_config_check_guid, .is_tenant = true,
        .description = "Tenant that its tokens belong to: an id of tenants."),
    ROW(eg_config_issuer, "discovery_url", TEXT, discovery_url, .check = &eg_config_check_https_url,
        .description = "URL of its OpenID configuration document, from which its keys are found."),
    ROW(eg_config_issuer, "ca_file", PATH, ca_file, .dflt = "",
        .description = "PEM file of the CA of that URL; \"\" = the system's."),
    ROW(eg_config_issuer, "audiences", TEXT_LIST, audiences, .check = &eg_config_check_nonempty,
        .description = "Values of the aud claim that are accepted; at least one."),
    ROW(eg_config_issuer, "client_audiences", TEXT_LIST, client_audiences, .dflt = "", .check = &eg_config_check_client_audience,
        .description = "Audiences of clients that act for others, as AUDIENCE=CLIENT_ID: such a token opens nothing here, and that local client may exchange it."),
    ROW(eg_config_issuer, "required_claims", TEXT_LIST, required_claims, .dflt = "", .check = &eg_config_check_claim_value,
        .description = "What each of its tokens must have, as CLAIM=VALUE; a claim within others by its path: realm_access.roles."),
    ROW(eg_config_issuer, "scopes", TEXT_LIST, scopes, .dflt = "", .check = &eg_config_check_nonempty,
        .description = "A user's token must have one of these in scp or scope; none = any does."),
    ROW(eg_config_issuer, "app_roles", TEXT_LIST, app_roles, .dflt = "", .check = &eg_config_check_nonempty,
        .description = "An application's token must have one of these in roles; none = any does."),
    ROW(eg_config_issuer, "claim_object_id", TEXT, claim_object_id, .dflt = "",
        .description = "Claim that makes the principal's id, in place of oid and sub. Only one that the issuer alone decides, and never gives to another person."),
    ROW(eg_config_issuer, "claim_name", TEXT, claim_name, .dflt = "", .description = "Claim with the name for people; \"\" = the first of name, preferred_username, …"),
    ROW(eg_config_issuer, "claim_groups", TEXT, claim_groups, .dflt = "", .description = "Claim with the list of groups; \"\" = groups."),
    ROW(eg_config_issuer, "claim_roles", TEXT, claim_roles, .dflt = "",
        .description = "Claim with a list of roles that count as groups too, each with an id of its own; \"\" = they don't."),
    ROW(eg_config_issuer, "graph_url", TEXT, graph_url, .dflt = "", .check = &eg_config_check_https_url_or_none,
        .description = "Endpoint in the shape of Microsoft Graph that is asked for groups which a token leaves out, as https://graph.microsoft.com/v1.0; \"\" = they stay unknown. The CA is ca_file's."),
    ROW(eg_config_issuer, "graph_token_url", TEXT, graph_token_url, .dflt = "", .check = &eg_config_check_https_url_or_none,
        .description = "Token endpoint where the gateway gets its own token for graph_url, by client credentials."),
    ROW(eg_config_issuer, "graph_client_id", TEXT, graph_client_id, .dflt = "", .description = "Client id of the gateway there."),
    ROW(eg_config_issuer, "graph_secret_file", PATH, graph_secret_file, .dflt = "",
        .description = "File with the client's secret, mode 0600, readable for the user of the gateway process. Read anew for each token."),
    ROW(eg_config_issuer, "graph_scope", TEXT, graph_scope, .dflt = "https://graph.microsoft.com/.default", .description = "Scope that is asked for there."),
    ROW(eg_config_issuer, "graph_fresh_seconds", UINT, graph_fresh_seconds, .dflt = "300", .min = 10, .max = 3600, .unit = "s",
        .description = "Groups that were looked up are asked for anew when they are so old."),
    ROW(eg_config_issuer, "graph_grace_seconds", UINT, graph_grace_seconds, .dflt = "3600", .max = 86400, .unit = "s",
        .description = "How long they serve on when the endpoint is away."),
    ROW(eg_config_issuer, "graph_groups_max", UINT, graph_groups_max, .dflt = "2000", .min = 1, .max = 10000, .description = "More groups of a principal stay unknown."),
    ROW(eg_config_issuer, "skew_seconds", UINT, skew_seconds, .dflt = "300", .min = 1, .max = 300, .unit = "s",
        .description = "How far its clock may be from this one."),
    ROW(eg_config_issuer, "key_grace_seconds", UINT, key_grace_seconds, .dflt = "300", .max = 86400, .unit = "s",
        .description = "How long a key that it has withdrawn verifies on; 0 = not at all. A key that was stolen is believed for so long too."),
};

static const eg_config_row cluster_rows[] = {
    ROW(eg_config_cluster, "name", TEXT, name, .check = &eg_config_check_cluster_name, .unique = true,
        .description = "Name of the cluster, as in /clusters/NAME/livy."),
    ROW(eg_config_cluster, "tenant", TEXT, tenant, .check = &eg_config_check_guid, .is_tenant = true,
        .description = "Tenant that owns the cluster: an id of tenants."),
    ROW(eg_config_cluster, "subscription", TEXT, subscription, .check = &eg_config_check_guid,
        .description = "Subscription in the cluster's resource id."),
    ROW(eg_config_cluster, "resource_group", TEXT, resource_group, .check = &eg_config_check_resource_group,
        .description = "Resource group in the cluster's resource id."),
    ROW(eg_config_cluster, "user", TEXT, user, .dflt = "", .check = &eg_config_check_unix_user,
        .description = "UNIX user of the cluster's processes; \"\" = the gateway's own, and the isolation that is then missing is reported."),
    ROW(eg_config_cluster, "subnet", TEXT, subnet, .dflt = "", .check = &eg_config_check_subnet,
        .description = "Resource id of the subnet that the cluster sits in: its jobs come to storage accounts as from there. \"\" = none."),
    ROW(eg_config_cluster, "workers", UINT, workers, .dflt = "1", .min = 1, .max = 64, .unit = "processes",
        .description = "Spark workers of the cluster."),
    ROW(eg_config_cluster, "worker_cores", UINT, worker_cores, .dflt = "1", .min = 1, .max = 512, .unit = "cores",
        .description = "Cores that each worker offers."),
    ROW(eg_config_cluster, "worker_memory_mb", UINT, worker_memory_mb, .dflt = "1024", .min = 256, .max = 4194304, .unit = "MiB",
        .description = "Memory that each worker offers."),
    ROW(eg_config_cluster, "idle_stop_seconds", UINT, idle_stop_seconds, .dflt = "900", .max = 604800, .unit = "s",
        .description = "The cluster stops after this long without a job; 0 = never."),
    ROW(eg_config_cluster, "batch_retention_days", UINT, batch_retention_days, .dflt = "0", .max = 3650, .unit = "days",
        .description = "How long batches that ended, and their logs, are kept; 0 = until somebody deletes them. Their sums and audit records stay."),
    ROW(eg_config_cluster, "max_processes", UINT, max_processes, .dflt = "8192", .max = 4194304, .unit = "processes",
        .description = "Processes and threads of the cluster's user, all its jobs together; 0 = no bound. Needs a user of its own."),
    ROW(eg_config_cluster, "max_memory_mb", UINT, max_memory_mb, .dflt = "0", .max = 4194304, .unit = "MiB",
        .description = "Memory of the cluster's user, all its jobs together; 0 = four fifths of the machine's. Needs a control group."),
    ROW(eg_config_cluster, "max_disk_mb", UINT, max_disk_mb, .dflt = "32768", .max = 1073741824, .unit = "MiB",
        .description = "Disk that one job, or one worker with its executors, may use for its scratch files; 0 = no bound. Passing it ends the job."),
    ROW(eg_config_cluster, "isolation", TEXT, isolation, .dflt = "cluster", .check = &eg_config_check_isolation,
        .description = "What has a cluster of its own. Only cluster is built: jobs of one cluster are not isolated from each other."),
    ROW(eg_config_cluster, "http_basic", BOOL, http_basic, .dflt = "false",
        .description = "Local principals who were given a password (`embergate principal password`) may sign in at this cluster's Livy API by HTTP Basic, as old HDInsight clients do."),
    ROW(eg_config_cluster, "csrf", BOOL, csrf, .dflt = "true",
        .description = "Writes to the Livy API that are not signed in by a bearer token owe an X-Requested-By header, of any value."),
    ROW(eg_config_cluster, "file_roots", PATH_LIST, file_roots, .dflt = "", .check = &eg_config_check_nonempty,
        .description = "Directories of this machine that job files may come from."),
    ROW(eg_config_cluster, "spark_home", PATH, spark_home, .check = &eg_config_check_nonempty,
        .description = "Directory of the Spark distribution."),
    ROW(eg_config_cluster, "python", PATH, python, .dflt = "/usr/bin/python3",
        .description = "Python interpreter of drivers and executors."),
    ROW(eg_config_cluster, "java_home", PATH, java_home, .dflt = "", .description = "Directory of the JDK; \"\" = the system's."),
    ROW(eg_config_cluster, "jars", PATH_LIST, jars, .dflt = "", .check = &eg_config_check_nonempty,
        .description = "Jars that every job gets, such as hadoop-azure."),
};

static const eg_config_row account_rows[] = {
    ROW(eg_config_account, "name", TEXT, name, .check = &eg_config_check_account_name, .unique = true,
        .description = "Name of the storage account."),
    ROW(eg_config_account, "tenant", TEXT, tenant, .check = &eg_config_check_guid, .is_tenant = true,
        .description = "Tenant that owns the account: an id of tenants."),
    ROW(eg_config_account, "subscription", TEXT, subscription, .check = &eg_config_check_guid,
        .description = "Subscription in the account's resource id."),
    ROW(eg_config_account, "resource_group", TEXT, resource_group, .check = &eg_config_check_resource_group,
        .description = "Resource group in the account's resource id."),
    ROW(eg_config_account, "allowSharedKeyAccess", BOOL, allow_shared_key, .dflt = "false",
        .description = "Whether the account's keys, and account and service SAS that are signed with them, let anybody in. Off is safer: tokens name who they are."),
    ROW(eg_config_account, "minimumTlsVersion", TEXT, minimum_tls, .dflt = "TLS1_2", .check = &eg_config_check_account_tls,
        .description = "Requests to the account over an older version are refused: TLS1_2 or TLS1_3."),
    ROW(eg_config_account, "supportsHttpsTrafficOnly", BOOL, https_only, .dflt = "true",
        .description = "Always true: nothing is served without TLS. There so that Azure's name for it can stand here."),
    ROW(eg_config_account, "default", BOOL, is_default, .dflt = "false",
        .description = "Serves requests whose address names no account, as abfss://container@127.0.0.1:8443/; at most one."),
    ROW(eg_config_account, "delete_retention_days", UINT, delete_retention_days, .dflt = "0", .max = 365, .unit = "days",
        .description = "How long deleted files, directories and filesystems are kept for undelete; 0 = their space comes back at once."),
};

static const eg_config_row quota_rows[] = {
    ROW(eg_config_quota, "name", TEXT, name, .check = &eg_config_check_label, .unique = true, .description = "Name of the quota, told to whoever reaches it."),
    ROW(eg_config_quota, "per", TEXT, per, .dflt = "principal", .check = &eg_config_check_quota_per,
        .description = "Whose use is bounded: that of each tenant, principal or cluster; of each storage account for stored_mib alone."),
    ROW(eg_config_quota, "only", TEXT, only, .dflt = "", .check = &eg_config_check_quota_only,
        .description = "Id of the one tenant or principal, or name of the one cluster or storage account, that it is for; \"\" = each."),
    ROW(eg_config_quota, "requests_per_second", UINT, requests_per_second, .dflt = "0", .max = 1000000, .unit = "requests/s",
        .description = "Requests that are signed in; 0 = no bound. As of the next five: reached means refused, with a Retry-After."),
    ROW(eg_config_quota, "kib_in_per_second", UINT, kib_in_per_second, .dflt = "0", .max = 4194304, .unit = "KiB/s",
        .description = "Bytes of requests' bodies; what a request brought is paid for by the ones after it."),
    ROW(eg_config_quota, "kib_out_per_second", UINT, kib_out_per_second, .dflt = "0", .max = 4194304, .unit = "KiB/s",
        .description = "Bytes of answers of known length, the same way."),
    ROW(eg_config_quota, "burst_seconds", UINT, burst_seconds, .dflt = "2", .min = 1, .max = 3600, .unit = "s",
        .description = "How many seconds' worth of the three above may be used at once after a pause."),
    ROW(eg_config_quota, "jobs", UINT, jobs, .dflt = "0", .max = 2048, .unit = "batches", .description = "Batches that have not ended."),
    ROW(eg_config_quota, "cores", UINT, cores, .dflt = "0", .max = 1000000, .unit = "cores", .description = "Cores of their executors, and one for each driver."),
    ROW(eg_config_quota, "memory_mb", UINT, memory_mb, .dflt = "0", .max = 1073741824, .unit = "MiB", .description = "Memory of their executors and drivers."),
    ROW(eg_config_quota, "stored_mib", UINT, stored_mib, .dflt = "0", .max = 4294967295, .unit = "MiB",
        .description = "Sealed bytes in storage, of a tenant or an account; what is shared by copies and snapshots counts once."),
};

static const eg_config_row limit_rows[] = {
    ROW(eg_config, "connections", UINT, limits.connections, .dflt = "4096", .min = 1, .max = 100000, .unit = "connections",
        .description = "Open connections, all workers together."),
    ROW(eg_config, "connections_per_address", UINT, limits.connections_per_address, .dflt = "512", .min = 1, .max = 100000, .unit = "connections",
        .description = "Open connections of one IPv4 address or IPv6 /64."),
    ROW(eg_config, "handshake_seconds", UINT, limits.handshake_seconds, .dflt = "10", .min = 1, .max = 300, .unit = "s",
        .description = "From accept to the end of the TLS handshake."),
    ROW(eg_config, "head_seconds", UINT, limits.head_seconds, .dflt = "15", .min = 1, .max = 300, .unit = "s",
        .description = "From the first byte of a request's head to its last."),
    ROW(eg_config, "body_seconds", UINT, limits.body_seconds, .dflt = "60", .min = 1, .max = 3600, .unit = "s",
        .description = "For every 16 KiB of a request's body."),
    ROW(eg_config, "idle_seconds", UINT, limits.idle_seconds, .dflt = "75", .min = 1, .max = 3600, .unit = "s",
        .description = "Between two requests of a connection, or before the first."),
    ROW(eg_config, "write_seconds", UINT, limits.write_seconds, .dflt = "60", .min = 1, .max = 3600, .unit = "s",
        .description = "For every 16 KiB of an answer that the peer does not take."),
    ROW(eg_config, "stop_seconds", UINT, limits.stop_seconds, .dflt = "15", .max = 600, .unit = "s",
        .description = "For requests to finish when the gateway stops."),
    ROW(eg_config, "store_mib", UINT, limits.store_mib, .dflt = "0", .max = 67108864, .unit = "MiB",
        .description = "What the metadata store may grow to; 0 = 1 TiB. Less than it has already is ignored."),
};

#define MAP(title, table, text) {.name = title, .rows = table, .row_count = COUNT(table), .description = text}
#define LIST(title, table, entry, field, counter, least, most, text)                                                        \
    {.name = title, .list = true, .list_offset = offsetof(eg_config, field), .count_offset = offsetof(eg_config, counter),  \
     .size = sizeof(entry), .min = least, .max = most, .rows = table, .row_count = COUNT(table), .description = text}

const eg_config_section eg_config_sections[EG_CONFIG_SECTIONS] = {
    MAP("", top_rows, "The gateway as a whole."),
    MAP("users", user_rows, "UNIX users of the processes; needs root at start."),
    MAP("tls", tls_rows, "The gateway's certificate."),
    LIST("listeners", listener_rows, eg_config_listener, listeners, listener_count, 1, 16, "Where the gateway listens."),
    LIST("tenants", tenant_rows, eg_config_tenant, tenants, tenant_count, 1, 1000, "Who owns clusters and accounts, each with keys and an audit log of its own."),
    LIST("issuers", issuer_rows, eg_config_issuer, issuers, issuer_count, 0, 64, "Outside token issuers, such as Entra ID."),
    LIST("clusters", cluster_rows, eg_config_cluster, clusters, cluster_count, 0, 256, "Spark clusters; they start on demand."),
    LIST("accounts", account_rows, eg_config_account, accounts, account_count, 0, 256, "Storage accounts."),
    LIST("quotas", quota_rows, eg_config_quota, quotas, quota_count, 0, 64, "How much tenants, principals, clusters and storage accounts may use."),
    LIST("witnesses", witness_rows, eg_config_witness, witnesses, witness_count, 0, EG_WITNESSES_MAX, "Who cosigns the audit logs, outside of this machine (C2SP tlog-witness)."),
    MAP("policies", policies_rows, "How policies are kept and changed."),
    MAP("operations", operations_rows, "How the gateway shows itself to operators."),
    MAP("limits", limit_rows, "Bounds on what a peer can make the gateway hold or wait for."),
};

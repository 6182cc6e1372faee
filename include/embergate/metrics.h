/* Every metric in one list; counters are relaxed atomics that any thread may add to. */
#ifndef EMBERGATE_METRICS_H
#define EMBERGATE_METRICS_H

#include <embergate/bytes.h>

/* X(identifier, prometheus name, type, help) */
#define EG_METRIC_LIST(X)                                                                                       \
    X(CONNECTIONS_ACCEPTED, "embergate_connections_accepted_total", "counter", "Connections accepted before any rule")      \
    X(CONNECTIONS_DENIED, "embergate_connections_denied_total", "counter", "Connections closed by a network rule before the handshake") \
    X(DESCRIPTORS_SHORT, "embergate_descriptors_short_total", "counter", "Times that a worker could accept nobody for want of a descriptor") \
    X(CONNECTIONS_OPEN, "embergate_connections_open", "gauge", "Connections open now")                          \
    X(TLS_HANDSHAKES, "embergate_tls_handshakes_total", "counter", "TLS handshakes completed")                  \
    X(TLS_FAILED, "embergate_tls_failed_total", "counter", "TLS handshakes that failed")                        \
    X(TLS_RELOADS, "embergate_tls_certificate_reloads_total", "counter", "Changed certificate files put in force")  \
    X(TLS_RELOAD_FAILED, "embergate_tls_certificate_reload_failed_total", "counter", "Changed certificate files refused")  \
    X(TLS_EXPIRES, "embergate_tls_certificate_expires_seconds", "gauge", "When the certificate in force expires, since 1970")  \
    X(REQUESTS, "embergate_requests_total", "counter", "Requests answered")                                     \
    X(REQUESTS_REFUSED, "embergate_requests_refused_total", "counter", "Requests refused by framing")           \
    X(REQUESTS_DENIED, "embergate_requests_denied_total", "counter", "Requests answered 401 or 403")            \
    X(REQUESTS_FAILED, "embergate_requests_failed_total", "counter", "Requests answered 5xx")                   \
    X(TOKEN_CACHE_HITS, "embergate_token_cache_hits_total", "counter", "Tokens found verified in the cache")    \
    X(TOKEN_CACHE_MISSES, "embergate_token_cache_misses_total", "counter", "Tokens that had to be verified")    \
    X(BREAKGLASS_USED, "embergate_breakglass_used_total", "counter", "Sign-ins and requests of break-glass administrators: an alarm") \
    X(REVOCATIONS, "embergate_revocations_total", "counter", "Principals, tokens and jobs revoked")            \
    X(STREAMS_CUT, "embergate_streams_cut_total", "counter", "Requests in flight that were cut off by a revocation or a changed policy") \
    X(TOKENS_ISSUED, "embergate_tokens_issued_total", "counter", "Tokens issued by the gateway's own issuer")   \
    X(JWKS_FETCHES, "embergate_jwks_fetches_total", "counter", "Fetches of an outside issuer's keys")           \
    X(JWKS_FETCH_FAILED, "embergate_jwks_fetch_failed_total", "counter", "Fetches of keys that failed")         \
    X(TOKENS_EXCHANGED, "embergate_tokens_exchanged_total", "counter", "Access tokens issued on behalf of somebody, of embergate_tokens_issued_total") \
    X(GROUP_LOOKUPS, "embergate_group_lookups_total", "counter", "Look-ups of groups that a token leaves out") \
    X(GROUP_LOOKUP_FAILED, "embergate_group_lookup_failed_total", "counter", "Look-ups of groups that failed") \
    X(JWKS_AGE, "embergate_jwks_age_seconds", "gauge", "Seconds since the keys of an outside issuer were fetched; of the issuer whose are oldest") \
    X(JWKS_MISSING, "embergate_jwks_missing", "gauge", "Outside issuers whose keys were asked for and could never be fetched") \
    X(AUDIT_RECORDS, "embergate_audit_records_total", "counter", "Audit records made durable")                  \
    X(AUDIT_SIZE, "embergate_audit_log_size", "gauge", "Entries in the logs' newest checkpoints, added up")     \
    X(WITNESS_FAILED, "embergate_witness_failed_total", "counter", "Times that a witness did not cosign an audit log's checkpoint, whatever the reason") \
    X(WITNESS_CONFLICTS, "embergate_witness_conflicts", "gauge", "Audit logs of which a witness was shown more, or other, entries than are here: an alarm") \
    X(WITNESS_WAITING, "embergate_witness_waiting_seconds", "gauge", "For how long the audit log that waits longest for a cosignature of what it has has waited") \
    X(AUDIT_FAILED, "embergate_audit_failed_total", "counter", "Records that could not be made durable")        \
    X(POLICY_VERSION, "embergate_policy_version", "gauge", "Version of the policy in force")                    \
    X(RESOURCES_DISABLED, "embergate_resources_disabled", "gauge", "Clusters and storage accounts that a policy assignment denies")  \
    X(QUOTA_REQUESTS, "embergate_quota_requests_refused_total", "counter", "Requests refused by a quota of requests") \
    X(QUOTA_BYTES, "embergate_quota_bytes_refused_total", "counter", "Requests refused by a quota of bytes")     \
    X(QUOTA_JOBS, "embergate_quota_jobs_refused_total", "counter", "Batches refused by a quota of jobs, cores or memory") \
    X(QUOTA_STORED, "embergate_quota_stored_refused_total", "counter", "Writes refused by a quota of stored bytes") \
    X(QUOTA_SHARED, "embergate_quota_shared_total", "counter", "Requests counted together with others for want of a row of their own") \
    X(PROXY_REFUSED, "embergate_proxy_refused_total", "counter", "Connections of balancers without a valid PROXY header") \
    X(POLICY_RELOAD_FAILED, "embergate_policy_reload_failed_total", "counter", "Policy directories refused")    \
    X(COMMITS, "embergate_commits_total", "counter", "Durable transactions")                                    \
    X(COMMIT_OPS, "embergate_commit_ops_total", "counter", "Changes grouped into them")                         \
    X(STORAGE_READ_BYTES, "embergate_storage_read_bytes_total", "counter", "Plain bytes read from storage")     \
    X(STORAGE_WRITTEN_BYTES, "embergate_storage_written_bytes_total", "counter", "Plain bytes written to storage") \
    X(STORAGE_STORED_BYTES, "embergate_storage_stored_bytes", "gauge", "Sealed bytes that files, snapshots and uncommitted blocks own")  \
    X(STORAGE_CORRUPT, "embergate_storage_corrupt_total", "counter", "Chunks or records that failed verification") \
    X(BATCHES_SUBMITTED, "embergate_batches_submitted_total", "counter", "Batches accepted")                    \
    X(BATCHES_RUNNING, "embergate_batches_running", "gauge", "Batches with a live driver")                      \
    X(BATCHES_EXPIRED, "embergate_batches_expired_total", "counter", "Batches deleted because they ended longer ago than their cluster keeps them") \
    X(BATCH_EXPIRY_FAILED, "embergate_batch_expiry_failed_total", "counter", "Times that batches of a cluster were to be deleted and could not be") \
    X(RUNNERS_STARTED, "embergate_runners_started_total", "counter", "Runners started")                         \
    X(KEEPER_CALLS, "embergate_keeper_calls_total", "counter", "Calls to the keeper")                           \
    X(BACKUP_LAST, "embergate_backup_last_success_seconds", "gauge", "When the last backup ended, since 1970; 0 = none since the server started") \
    X(BACKUP_OVERDUE, "embergate_backup_overdue", "gauge", "1 = there was no backup for longer than operations.backup_max_age_seconds") \
    X(POOL_QUEUED, "embergate_pool_queued", "gauge", "Tasks that wait for a pool thread")

typedef enum eg_metric {
#define X(id, name, type, help) EG_METRIC_##id,
    EG_METRIC_LIST(X)
#undef X
    EG_METRIC_COUNT
} eg_metric;

void eg_metric_add(eg_metric m, int64_t n);
void eg_metric_set(eg_metric m, int64_t v);
int64_t eg_metric_get(eg_metric m);
eg_err eg_metrics_render(eg_buf *ret); /* Prometheus text format 0.0.4 */

#endif

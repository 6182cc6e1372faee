/* What the texts of the configuration may look like. */
#ifndef GATEWAY_CONFIG_CONFIG_CHECK_H
#define GATEWAY_CONFIG_CONFIG_CHECK_H

#include "config_schema.h"

extern const eg_config_check eg_config_check_guid;
extern const eg_config_check eg_config_check_label;          /* short names of ours */
extern const eg_config_check eg_config_check_cluster_name;
extern const eg_config_check eg_config_check_account_name;
extern const eg_config_check eg_config_check_account_tls;
extern const eg_config_check eg_config_check_tenant_name;
extern const eg_config_check eg_config_check_address;
extern const eg_config_check eg_config_check_subnet;
extern const eg_config_check eg_config_check_domain;
extern const eg_config_check eg_config_check_origin_url;     /* https, without a path */
extern const eg_config_check eg_config_check_https_url;
extern const eg_config_check eg_config_check_unix_user;
extern const eg_config_check eg_config_check_resource_group;
extern const eg_config_check eg_config_check_tls_version;
extern const eg_config_check eg_config_check_log_level;
extern const eg_config_check eg_config_check_isolation;
extern const eg_config_check eg_config_check_prefix;         /* an address, or a prefix without bits behind it */
extern const eg_config_check eg_config_check_quota_per;
extern const eg_config_check eg_config_check_quota_only;     /* a GUID, or a cluster's name */
extern const eg_config_check eg_config_check_policies_source;
extern const eg_config_check eg_config_check_client_certificates;
extern const eg_config_check eg_config_check_nonempty;
extern const eg_config_check eg_config_check_https_url_or_none;
extern const eg_config_check eg_config_check_witness_key;
extern const eg_config_check eg_config_check_client_audience; /* AUDIENCE=CLIENT_ID */
extern const eg_config_check eg_config_check_claim_value;    /* CLAIM=VALUE */

#endif

/* The actions and data actions that routes ask for: Azure's own names where Azure has them, else names under the same provider. */
#ifndef EMBERGATE_ACTIONS_H
#define EMBERGATE_ACTIONS_H

/* docs/POLICIES.md lists these for people; tests/unit/policies/test_decide.c checks that each is granted by some built-in role. */

/* Clusters. Control actions, Azure's. */
#define EG_ACTION_CLUSTER_READ "Microsoft.HDInsight/clusters/read"
#define EG_ACTION_CLUSTER_WRITE "Microsoft.HDInsight/clusters/write"
#define EG_ACTION_CLUSTER_DELETE "Microsoft.HDInsight/clusters/delete"

/* Jobs (Livy batches and sessions). Data actions of ours: route rows carry EG_ROUTE_DATA_ACTION. */
#define EG_ACTION_JOB_SUBMIT "Microsoft.HDInsight/clusters/jobs/submit/action"
#define EG_ACTION_JOB_READ "Microsoft.HDInsight/clusters/jobs/read"
#define EG_ACTION_JOB_LOG_READ "Microsoft.HDInsight/clusters/jobs/log/read"
#define EG_ACTION_JOB_DELETE "Microsoft.HDInsight/clusters/jobs/delete"
/* Log, arguments and deletion of a job that somebody else submitted; asked besides the three above. */
#define EG_ACTION_JOB_MANAGE "Microsoft.HDInsight/clusters/jobs/manage/action"

/* Containers (filesystems of the Data Lake API). Control actions, Azure's. */
#define EG_ACTION_CONTAINER_READ "Microsoft.Storage/storageAccounts/blobServices/containers/read"
#define EG_ACTION_CONTAINER_WRITE "Microsoft.Storage/storageAccounts/blobServices/containers/write"
#define EG_ACTION_CONTAINER_DELETE "Microsoft.Storage/storageAccounts/blobServices/containers/delete"

/* Keys of a storage account. Control actions, Azure's. */
#define EG_ACTION_ACCOUNT_LIST_KEYS "Microsoft.Storage/storageAccounts/listkeys/action"
#define EG_ACTION_ACCOUNT_RENEW_KEY "Microsoft.Storage/storageAccounts/regeneratekey/action"
#define EG_ACTION_ACCOUNT_REVOKE_DELEGATIONS "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action"
#define EG_ACTION_DELEGATION_KEY "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"

/* Blobs, files and directories. Data actions, Azure's: route rows carry EG_ROUTE_DATA_ACTION. */
#define EG_ACTION_BLOB_READ "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
#define EG_ACTION_BLOB_WRITE "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
#define EG_ACTION_BLOB_DELETE "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"
#define EG_ACTION_BLOB_ADD "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"
#define EG_ACTION_BLOB_MOVE "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action"
#define EG_ACTION_BLOB_OWN "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/manageOwnership/action"
#define EG_ACTION_BLOB_PERMISSIONS "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/modifyPermissions/action"

/* The audit log. Data action of ours: route rows carry EG_ROUTE_DATA_ACTION. Its scope is the subscription. */
#define EG_ACTION_AUDIT_READ "Microsoft.Insights/auditRecords/read"

/* Counters of the running gateway. Control action, Azure's. */
#define EG_ACTION_POLICY_STATES "Microsoft.PolicyInsights/policyStates/queryResults/action"
#define EG_ACTION_METRICS_READ "Microsoft.Insights/metrics/read"

/* Taking access back at once. Control actions of ours; the scope is the subscription. */
#define EG_ACTION_REVOKE "Microsoft.Authorization/revocations/write"
#define EG_ACTION_REVOCATION_READ "Microsoft.Authorization/revocations/read"

/* Acting for others: exchanging their tokens for one's own, and for tokens that were exchanged before. Data actions of ours, so that no Owner has them
 * unasked; the scope is the subscription. */
#define EG_ACTION_ACT_FOR "Microsoft.Authorization/onBehalfOf/exchange/action"
#define EG_ACTION_ACT_CHAINED "Microsoft.Authorization/onBehalfOf/chain/action"

/* Keys. Control actions, Azure's names. */
#define EG_ACTION_KEY_READ "Microsoft.KeyVault/vaults/keys/read"
#define EG_ACTION_KEY_WRITE "Microsoft.KeyVault/vaults/keys/write"

#endif

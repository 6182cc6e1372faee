/* The one list of errors: category, wire code, and what a person needs to mend them. */
#ifndef EMBERGATE_ERR_H
#define EMBERGATE_ERR_H

#include <stddef.h>

/* A category fixes the HTTP status and the audit outcome of its errors (core/err.c has both tables).
 * 0 is not a success by accident: only EG_OK is in EG_CAT_OK. */
typedef enum eg_category {
    EG_CAT_INTERNAL = 0,     /* 500  failed  */
    EG_CAT_OK,               /* 200  allowed */
    EG_CAT_NOT_MODIFIED,     /* 304  allowed: a read whose asker has it already */
    EG_CAT_INVALID,          /* 400  failed  */
    EG_CAT_GRANT,            /* 400  denied: what RFC 6749 section 5.2 refuses with 400 */
    EG_CAT_UNAUTHENTICATED,  /* 401  denied  */
    EG_CAT_DENIED,           /* 403  denied  */
    EG_CAT_NOT_FOUND,        /* 404  failed  */
    EG_CAT_METHOD,           /* 405  failed  */
    EG_CAT_TIMEOUT,          /* 408  failed  */
    EG_CAT_CONFLICT,         /* 409  failed  */
    EG_CAT_LENGTH_REQUIRED,  /* 411  failed  */
    EG_CAT_PRECONDITION,     /* 412  failed  */
    EG_CAT_TOO_LARGE,        /* 413  failed  */
    EG_CAT_URI_TOO_LONG,     /* 414  failed  */
    EG_CAT_RANGE,            /* 416  failed  */
    EG_CAT_UNPROCESSABLE,    /* 422  failed  */
    EG_CAT_THROTTLED,        /* 429  denied  */
    EG_CAT_HEAD_TOO_LARGE,   /* 431  failed  */
    EG_CAT_NOT_BUILT,        /* 501  failed  */
    EG_CAT_UNAVAILABLE,      /* 503  failed  */
    EG_CAT_STORAGE_FULL,     /* 507  failed  */
    EG_CAT_COUNT
} eg_category;

/* X(identifier, category, wire code). The wire code is stable: clients match on it. Codes that Azure
 * has are spelled as Azure spells them. Add a row beside its kin; nothing else needs to change. */
#define EG_ERR_LIST(X)                                                                  \
    X(OK, OK, "OK")                                                                     \
    /* anyone's */                                                                      \
    X(INTERNAL, INTERNAL, "InternalError")                                              \
    X(NO_MEMORY, UNAVAILABLE, "OutOfMemory")                                            \
    X(IO, INTERNAL, "InputOutputError")                                                 \
    X(CORRUPT, INTERNAL, "DataCorrupted")                                               \
    X(CRYPTO, INTERNAL, "CryptographyFailed")                                           \
    X(INVALID, INVALID, "InvalidInput")                                                 \
    X(NOT_FOUND, NOT_FOUND, "ResourceNotFound")                                         \
    X(EXISTS, CONFLICT, "ResourceAlreadyExists")                                        \
    X(LIMIT, TOO_LARGE, "LimitExceeded")                                                \
    X(TIMEOUT, TIMEOUT, "OperationTimedOut")                                            \
    X(BUSY, UNAVAILABLE, "ServerBusy")                                                  \
    X(UNAVAILABLE, UNAVAILABLE, "ServiceUnavailable")                                   \
    X(NOT_BUILT, NOT_BUILT, "NotImplemented")                                           \
    X(DISK_FULL, STORAGE_FULL, "InsufficientStorage")                                   \
    X(MAP_FULL, STORAGE_FULL, "MetadataStoreFull")                                      \
    X(FORMAT_VERSION, INTERNAL, "UnknownFormatVersion")                                 \
    X(LOCKED, CONFLICT, "LockedByAnotherProcess")                                       \
    X(CONFIG, INVALID, "InvalidConfiguration")                                          \
    X(CANCELLED, UNAVAILABLE, "Cancelled")                                              \
    /* the door */                                                                      \
    X(HTTP_FRAMING, INVALID, "AmbiguousRequest")                                        \
    X(HTTP_TARGET, INVALID, "InvalidUri")                                               \
    X(HTTP_HEADER, INVALID, "InvalidHeaderValue")                                       \
    X(HTTP_HEADER_MISSING, INVALID, "MissingRequiredHeader")                            \
    X(HTTP_HEAD_TOO_LARGE, HEAD_TOO_LARGE, "RequestHeaderFieldsTooLarge")               \
    X(HTTP_URI_TOO_LONG, URI_TOO_LONG, "UriTooLong")                                    \
    X(HTTP_BODY_TOO_LARGE, TOO_LARGE, "RequestBodyTooLarge")                            \
    X(HTTP_LENGTH_REQUIRED, LENGTH_REQUIRED, "MissingContentLengthHeader")              \
    X(HTTP_TIMEOUT, TIMEOUT, "RequestTimeout")                                          \
    X(ROUTE_UNKNOWN, NOT_FOUND, "RouteNotFound")                                        \
    X(METHOD, METHOD, "UnsupportedHttpVerb")                                            \
    X(HOST_UNKNOWN, NOT_FOUND, "UnknownHost")                                           \
    X(QUERY, INVALID, "InvalidQueryParameterValue")                                     \
    X(QUERY_RANGE, INVALID, "OutOfRangeQueryParameterValue")                            \
    X(QUERY_MISSING, INVALID, "MissingRequiredQueryParameter")                          \
    X(CSRF, INVALID, "MissingRequestedBy")                                              \
    X(BODY_JSON, INVALID, "InvalidJson")                                                \
    X(BODY_XML, INVALID, "InvalidXmlDocument")                                          \
    X(BODY_FIELD, INVALID, "InvalidField")                                              \
    X(TOO_MANY_REQUESTS, THROTTLED, "TooManyRequests")                                  \
    /* identity */                                                                      \
    X(TOKEN_MISSING, UNAUTHENTICATED, "NoAuthenticationInformation")                    \
    X(TOKEN_MALFORMED, UNAUTHENTICATED, "TokenMalformed")                               \
    X(TOKEN_SIGNATURE, UNAUTHENTICATED, "TokenSignatureInvalid")                        \
    X(TOKEN_ALGORITHM, UNAUTHENTICATED, "TokenAlgorithmRefused")                        \
    X(TOKEN_KEY_UNKNOWN, UNAUTHENTICATED, "TokenKeyUnknown")                            \
    X(TOKEN_ISSUER, UNAUTHENTICATED, "TokenIssuerUnknown")                              \
    X(TOKEN_AUDIENCE, UNAUTHENTICATED, "TokenAudienceInvalid")                          \
    X(TOKEN_EXPIRED, UNAUTHENTICATED, "TokenExpired")                                   \
    X(TOKEN_NOT_YET, UNAUTHENTICATED, "TokenNotYetValid")                               \
    X(TOKEN_CLAIM, UNAUTHENTICATED, "TokenClaimInvalid")                                \
    X(TOKEN_REVOKED, UNAUTHENTICATED, "TokenRevoked")                                   \
    X(TOKEN_TYPE, UNAUTHENTICATED, "TokenTypeRefused")                                  \
    X(JOB_ENDED, UNAUTHENTICATED, "JobEnded")                                           \
    X(PASSWORD, UNAUTHENTICATED, "PasswordRefused")                                     \
    X(CERTIFICATE, UNAUTHENTICATED, "ClientCertificateRefused")                         \
    X(TOKEN_CERTIFICATE, UNAUTHENTICATED, "TokenCertificateMismatch")                   \
    X(OAUTH_CLIENT, UNAUTHENTICATED, "invalid_client")                                  \
    X(OAUTH_REQUEST, INVALID, "invalid_request")                                        \
    X(OAUTH_GRANT, INVALID, "unsupported_grant_type")                                   \
    X(OAUTH_SCOPE, INVALID, "invalid_scope")                                            \
    X(OAUTH_TARGET, INVALID, "invalid_target")                                          \
    X(OAUTH_INVALID_GRANT, GRANT, "invalid_grant")                                      \
    X(OAUTH_SUBJECT, GRANT, "SubjectTokenRefused")                                      \
    X(OAUTH_UNAUTHORIZED, GRANT, "unauthorized_client")                                 \
    /* policies */                                                                      \
    X(DENIED_ROLE, DENIED, "AuthorizationFailed")                                       \
    X(DENIED_DATA, DENIED, "AuthorizationPermissionMismatch")                           \
    X(DENIED_ACTOR, DENIED, "ActingForOthersNotPermitted")                              \
    X(AUTH_FAILED, DENIED, "AuthenticationFailed")                                      \
    X(KEY_AUTH_OFF, DENIED, "KeyBasedAuthenticationNotPermitted")                       \
    X(SAS_SOURCE_IP, DENIED, "AuthorizationSourceIPMismatch")                           \
    X(SAS_PROTOCOL, DENIED, "AuthorizationProtocolMismatch")                            \
    X(SAS_RESOURCE_TYPE, DENIED, "AuthorizationResourceTypeMismatch")                   \
    X(SAS_SERVICE, DENIED, "AuthorizationServiceMismatch")                              \
    X(PUBLIC_ACCESS, CONFLICT, "PublicAccessNotPermitted")                              \
    X(TLS_VERSION, INVALID, "TlsVersionNotPermitted")                                   \
    X(DENIED_NETWORK, DENIED, "AuthorizationSourceAddressMismatch")                     \
    X(DENIED_ACCOUNT_NETWORK, DENIED, "AuthorizationFailure")                           \
    X(DISALLOWED_POLICY, DENIED, "RequestDisallowedByPolicy")                           \
    X(DENIED_TENANT, DENIED, "TenantMismatch")                                          \
    X(DENIED_DUTIES, DENIED, "AuthorizationSeparationOfDuties")                         \
    X(DENIED_JOB_TOKEN, DENIED, "JobTokenNotAccepted")                                  \
    X(DENIED_PROXY_USER, DENIED, "ProxyUserRefused")                                    \
    X(POLICY_INVALID, INVALID, "InvalidPolicy")                                         \
    X(POLICY_VERSION, CONFLICT, "PolicyVersionConflict")                                \
    X(POLICY_FILES, CONFLICT, "PoliciesAreFiles")                                       \
    X(POLICY_TICKET, INVALID, "TicketRequired")                                         \
    X(POLICY_DUTIES, CONFLICT, "SeparationOfDuties")                                    \
    X(POLICY_SECOND_PERSON, DENIED, "SecondPersonRequired")                             \
    X(POLICY_NOT_ELIGIBLE, DENIED, "RoleAssignmentNotEligible")                         \
    /* Azure Resource Manager */                                                        \
    X(API_VERSION_MISSING, INVALID, "MissingApiVersionParameter")                       \
    X(API_VERSION, INVALID, "InvalidApiVersionParameter")                               \
    X(RESOURCE_NAMESPACE, NOT_FOUND, "InvalidResourceNamespace")                        \
    X(RESOURCE_TYPE, NOT_FOUND, "InvalidResourceType")                                  \
    X(SUBSCRIPTION_NOT_FOUND, NOT_FOUND, "SubscriptionNotFound")                        \
    X(RESOURCE_GROUP_NOT_FOUND, NOT_FOUND, "ResourceGroupNotFound")                     \
    X(RESOURCE_BODY, INVALID, "InvalidRequestContent")                                  \
    X(RESOURCE_FILTER, INVALID, "InvalidFilter")                                        \
    X(RESOURCE_ETAG, PRECONDITION, "PreconditionFailed")                                \
    X(ROLE_ASSIGNMENT_NOT_FOUND, NOT_FOUND, "RoleAssignmentNotFound")                   \
    X(ROLE_ASSIGNMENT_EXISTS, CONFLICT, "RoleAssignmentExists")                         \
    X(ROLE_ASSIGNMENT_UPDATE, INVALID, "RoleAssignmentUpdateNotPermitted")              \
    X(ROLE_DEFINITION_NOT_FOUND, NOT_FOUND, "RoleDefinitionDoesNotExist")               \
    X(ROLE_DEFINITION_NAME, CONFLICT, "RoleDefinitionWithSameNameExists")               \
    X(ROLE_DEFINITION_IN_USE, INVALID, "RoleDefinitionHasAssignments")                  \
    X(ROLE_DEFINITION_BUILT_IN, INVALID, "RoleDefinitionIsBuiltIn")                     \
    X(RULE_NOT_FOUND, NOT_FOUND, "PolicyDefinitionNotFound")                            \
    X(RULE_IN_USE, INVALID, "InvalidDeletePolicyDefinitionRequest")                     \
    X(INITIATIVE_NOT_FOUND, NOT_FOUND, "PolicySetDefinitionNotFound")                   \
    X(INITIATIVE_IN_USE, INVALID, "InvalidDeletePolicySetDefinitionRequest")            \
    X(RULE_ASSIGNMENT_NOT_FOUND, NOT_FOUND, "PolicyAssignmentNotFound")                 \
    X(RULE_ASSIGNMENT_INVALID, INVALID, "InvalidCreatePolicyAssignmentRequest")         \
    X(SECURITY_GROUP_IN_USE, INVALID, "InUseNetworkSecurityGroupCannotBeDeleted")       \
    X(SUBNET_IN_USE, INVALID, "InUseSubnetCannotBeDeleted")                             \
    /* audit */                                                                         \
    X(AUDIT_UNAVAILABLE, UNAVAILABLE, "AuditLogUnavailable")                            \
    /* storage; names as ADLS Gen2 has them */                                          \
    X(FILESYSTEM_EXISTS, CONFLICT, "FilesystemAlreadyExists")                           \
    X(FILESYSTEM_NOT_FOUND, NOT_FOUND, "FilesystemNotFound")                            \
    X(ACCOUNT_NOT_FOUND, NOT_FOUND, "AccountNotFound")                                  \
    X(PATH_EXISTS, CONFLICT, "PathAlreadyExists")                                       \
    X(PATH_NOT_FOUND, NOT_FOUND, "PathNotFound")                                        \
    X(PATH_CONFLICT, CONFLICT, "PathConflict")                                          \
    X(PATH_INVALID, INVALID, "InvalidResourceName")                                     \
    X(STORED_QUOTA, CONFLICT, "StorageQuotaExceeded")                                   \
    X(RESOURCE_TYPE_MISMATCH, CONFLICT, "ResourceTypeMismatch")                         \
    X(SOURCE_PATH_NOT_FOUND, NOT_FOUND, "SourcePathNotFound")                           \
    X(RENAME_PARENT_NOT_FOUND, NOT_FOUND, "RenameDestinationParentPathNotFound")        \
    X(RENAME_SOURCE_INVALID, CONFLICT, "InvalidRenameSourcePath")                       \
    X(RENAME_INTO_SELF, CONFLICT, "InvalidDestinationPath")                             \
    X(RENAME_TYPE, CONFLICT, "InvalidSourceOrDestinationResourceType")                  \
    X(RENAME_SOURCE_URI, INVALID, "InvalidSourceUri")                                   \
    X(SOURCE_CONDITION_NOT_MET, PRECONDITION, "SourceConditionNotMet")                  \
    X(DIRECTORY_NOT_EMPTY, CONFLICT, "DirectoryNotEmpty")                               \
    X(FLUSH_POSITION, INVALID, "InvalidFlushPosition")                                  \
    X(APPEND_POSITION, INVALID, "InvalidAppendPosition")                                \
    X(BLOCK_LIST, INVALID, "InvalidBlockList")                                          \
    X(BLOCK_ID, INVALID, "InvalidBlobOrBlock")                                          \
    X(BLOCK_COUNT, CONFLICT, "BlockCountExceedsLimit")                                  \
    X(CONDITION_NOT_MET, PRECONDITION, "ConditionNotMet")                               \
    X(RANGE, RANGE, "InvalidRange")                                                     \
    X(MD5_MISMATCH, INVALID, "Md5Mismatch")                                             \
    X(NOT_MODIFIED, NOT_MODIFIED, "ConditionNotMet")                                    \
    X(CONDITION_UNSATISFIABLE, INVALID, "UnsatisfiableCondition")                       \
    X(CONDITIONS_TOO_MANY, INVALID, "MultipleConditionHeadersNotSupported")             \
    X(SNAPSHOT_COUNT, CONFLICT, "SnapshotCountExceeded")                                \
    X(SNAPSHOTS_PRESENT, CONFLICT, "SnapshotsPresent")                                  \
    X(HNS_FEATURE, CONFLICT, "FeatureNotYetSupportedForHierarchicalNamespaceAccounts")  \
    X(NO_PENDING_COPY, CONFLICT, "NoPendingCopyOperation")                              \
    X(LEASE_ID_MISSING, PRECONDITION, "LeaseIdMissing")                                 \
    X(LEASE_ID_MISMATCH, PRECONDITION, "LeaseIdMismatchWithBlobOperation")              \
    X(LEASE_ID_MISMATCH_CONTAINER, PRECONDITION, "LeaseIdMismatchWithContainerOperation")\
    X(LEASE_NOT_PRESENT, PRECONDITION, "LeaseNotPresentWithBlobOperation")              \
    X(LEASE_NOT_PRESENT_CONTAINER, PRECONDITION, "LeaseNotPresentWithContainerOperation")\
    X(LEASE_LOST, PRECONDITION, "LeaseLost")                                            \
    X(LEASE_PRESENT, CONFLICT, "LeaseAlreadyPresent")                                   \
    X(LEASE_OTHER, CONFLICT, "LeaseIdMismatchWithLeaseOperation")                       \
    X(LEASE_NONE, CONFLICT, "LeaseNotPresentWithLeaseOperation")                        \
    X(LEASE_BREAKING_ACQUIRE, CONFLICT, "LeaseIsBreakingAndCannotBeAcquired")           \
    X(LEASE_BREAKING_CHANGE, CONFLICT, "LeaseIsBreakingAndCannotBeChanged")             \
    X(LEASE_BROKEN_RENEW, CONFLICT, "LeaseIsBrokenAndCannotBeRenewed")                  \
    X(MD5_INVALID, INVALID, "InvalidMd5")                                               \
    X(BLOB_SEALED, CONFLICT, "BlobIsSealed")                                            \
    X(BLOB_APPEND_POSITION, PRECONDITION, "AppendPositionConditionNotMet")              \
    X(BLOB_MAX_SIZE, PRECONDITION, "MaxBlobSizeConditionNotMet")                        \
    X(BLOB_TYPE, CONFLICT, "InvalidBlobType")                                           \
    X(CRC64_MISMATCH, INVALID, "Crc64Mismatch")                                         \
    X(METADATA, INVALID, "InvalidMetadata")                                             \
    X(METADATA_TOO_LARGE, INVALID, "MetadataTooLarge")                                  \
    X(KEY_DESTROYED, DENIED, "KeyDestroyed")                                            \
    X(CUSTOMER_KEY_MISSING, CONFLICT, "BlobUsesCustomerSpecifiedEncryption")            \
    X(CUSTOMER_KEY_MISMATCH, CONFLICT, "BlobCustomerSpecifiedEncryptionMismatch")       \
    X(CUSTOMER_KEY_UNUSED, CONFLICT, "BlobDoesNotUseCustomerSpecifiedEncryption")       \
    X(SCOPE_NOT_FOUND, NOT_FOUND, "EncryptionScopeNotFound")                            \
    X(SCOPE_DISABLED, DENIED, "EncryptionScopeDisabled")                                \
    X(SCOPE_OVERRIDE, DENIED, "RequestForbiddenByContainerEncryptionPolicy")            \
    X(STORAGE_NOT_BUILT, NOT_BUILT, "UnsupportedOperation")                             \
    /* compute */                                                                       \
    X(CLUSTER_NOT_FOUND, NOT_FOUND, "ClusterNotFound")                                  \
    X(CLUSTER_DOWN, UNAVAILABLE, "ClusterNotRunning")                                   \
    X(BATCH_NOT_FOUND, NOT_FOUND, "BatchNotFound")                                      \
    X(NAME_TAKEN, INVALID, "DuplicateName")                                             \
    X(CONF_REFUSED, INVALID, "SparkPropertyRefused")                                    \
    X(FILE_REFUSED, INVALID, "FileNotAllowed")                                          \
    X(IDEMPOTENCY_MISMATCH, UNPROCESSABLE, "IdempotencyKeyReused")                      \
    X(IDEMPOTENCY_BUSY, CONFLICT, "IdempotencyKeyInProgress")                           \
    X(QUOTA, THROTTLED, "QuotaExceeded")                                                \
    X(LAUNCHER, UNAVAILABLE, "LauncherUnavailable")                                     \
    X(KEEPER, UNAVAILABLE, "KeeperUnavailable")

typedef enum eg_err {
#define X(id, cat, code) EG_ERR_##id,
    EG_ERR_LIST(X)
#undef X
    EG_ERR_COUNT
} eg_err;

#define EG_OK EG_ERR_OK
#define EG_MUST_CHECK __attribute__((warn_unused_result))
#define EG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What a person needs to mend an error. A plain value: initialise with {0}; never holds a secret.
 * Text that came from outside is cut and has its control characters replaced when it is set. */
typedef struct eg_problem {
    eg_err code;
    char message[384];  /* one sentence: what is wrong */
    char where[160];    /* the field, key, path or file:line; "" when it has none */
    char hint[192];     /* what to do next; "" when there is nothing to say */
} eg_problem;

eg_category eg_err_category(eg_err e);
int eg_err_http_status(eg_err e);
const char *eg_err_code(eg_err e);      /* wire code, static */
const char *eg_err_outcome(eg_err e);   /* "allowed", "denied" or "failed", static */

/* Fills *p (may be NULL) and returns code, so that a check reads `return eg_fail(p, EG_ERR_X, …)`. */
eg_err eg_fail(eg_problem *p, eg_err code, const char *fmt, ...) EG_PRINTF(3, 4);
/* Adds where/hint to a problem that was just set; returns p->code. p must not be NULL. */
eg_err eg_fail_at(eg_problem *p, const char *fmt, ...) EG_PRINTF(2, 3);
eg_err eg_fail_hint(eg_problem *p, const char *fmt, ...) EG_PRINTF(2, 3);
/* The error that errno stands for (ENOSPC and EDQUOT → DISK_FULL, ENOENT → NOT_FOUND, ENOMEM → NO_MEMORY, else IO). */
eg_err eg_err_from_errno(int saved_errno);

#define EG_TRY(expr)                        \
    do {                                    \
        eg_err eg_try_err_ = (expr);        \
        if (eg_try_err_ != EG_OK) {         \
            return eg_try_err_;             \
        }                                   \
    } while (0)

/* EG_CLEANUP(fn) on a variable calls fn(&variable) when it leaves scope; fn must accept a NULL object. */
#define EG_CLEANUP(fn) __attribute__((cleanup(fn)))
/* Defines the cleanup adapter `fn##_p` for a free function of a pointer type. */
#define EG_DEFINE_CLEANUP(type, fn)                                              \
    static inline __attribute__((unused)) void fn##_p(type **p) { if (*p) { fn(*p); *p = NULL; } }

#endif

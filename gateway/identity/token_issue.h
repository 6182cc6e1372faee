/* Tokens of the gateway's own issuer: whom for, what for, signed by the keeper. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_ISSUE_H
#define EG_GATEWAY_IDENTITY_TOKEN_ISSUE_H

#include "identity_state.h"

#include <embergate/compute.h>

/* Whom a token is for: a client, or a job, or a principal for whom the client acts. */
typedef struct eg_token_subject {
    const eg_local_principal *client;
    const eg_job_identity *job;
    const eg_principal *on_behalf_of;
    const eg_acting *acting;          /* with on_behalf_of: who acts, the client first */
    const uint8_t *thumbprint;        /* of the certificate that the client's token is bound to (RFC 8705 section 3); NULL = to none */
} eg_token_subject;

/* What a token is asked for: "{resource}/.default", a resource, or RFC 8693's audience. */
typedef struct eg_token_target {
    const char *tenant;
    eg_str scope, resource, audience;
    bool job;                         /* it may ask for storage alone */
    bool delegated;                   /* an exchange: "/user_impersonation" is a scope too, and resource and audience may stand beside it */
} eg_token_target;
/* The audience as it is written into the token: storage's, the gateway's, or "api://{client id}" of a client of the tenant, which opens nothing here.
 * EG_ERR_OAUTH_SCOPE, EG_ERR_OAUTH_TARGET. */
eg_err eg_token_audience(const eg_identity *i, const eg_token_target *t, eg_str *ret_aud, eg_problem *p) EG_MUST_CHECK;

typedef struct eg_issued_token {
    char id[EG_UUID_LEN];             /* its jti */
    int64_t life_s;
} eg_issued_token;
/* Signs a token of EG_TOKEN_LIFE_S; one on behalf of somebody lives no longer than theirs. Blocks on the keeper. */
eg_err eg_token_issue(eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, eg_issued_token *ret_issued, eg_buf *ret) EG_MUST_CHECK;

#endif

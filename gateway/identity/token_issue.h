/* Tokens of the gateway's own issuer: whom for, what for, signed by the keeper. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_ISSUE_H
#define EG_GATEWAY_IDENTITY_TOKEN_ISSUE_H

#include "identity_state.h"

#include <embergate/compute.h>

/* Exactly one of the two is set. */
typedef struct eg_token_subject {
    const eg_local_principal *client;
    const eg_job_identity *job;
} eg_token_subject;

/* The audience that a scope ("{resource}/.default") or a resource asks for, as it is written into the token; a job may ask for storage alone.
 * EG_ERR_OAUTH_SCOPE. */
eg_err eg_token_audience(const eg_identity *i, eg_str scope, eg_str resource, bool job, eg_str *ret_aud, eg_problem *p) EG_MUST_CHECK;

/* Signs a token of EG_TOKEN_LIFE_S. Blocks on the keeper. ret_id is its jti. */
eg_err eg_token_issue(eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, char ret_id[EG_UUID_LEN], eg_buf *ret) EG_MUST_CHECK;

#endif

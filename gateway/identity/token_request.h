/* A request to the token endpoint, read from its form and its Basic credentials. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_REQUEST_H
#define EG_GATEWAY_IDENTITY_TOKEN_REQUEST_H

#include <embergate/http.h>

/* Views into the request's arena; {NULL,0} when absent. */
typedef struct eg_token_request {
    eg_str grant_type;
    eg_str client_id;             /* lower case */
    eg_str client_secret;
    eg_str client_assertion;
    eg_str client_assertion_type;
    eg_str scope;
    eg_str resource;              /* as version 1 of the endpoint has it, and RFC 8693 */
    eg_str audience;              /* RFC 8693 section 2.1, to the end */
    eg_str subject_token;
    eg_str subject_token_type;
    eg_str actor_token;
    eg_str actor_token_type;
    eg_str requested_token_type;
    eg_str assertion;             /* RFC 7523 section 2.1, as Entra ID's on-behalf-of has it */
    eg_str requested_token_use;
} eg_token_request;

/* EG_ERR_OAUTH_REQUEST for a form that is malformed, has a field twice, or proves the client in two ways (RFC 6749 section 2.3). */
eg_err eg_token_request_read(eg_request *rq, eg_token_request *ret) EG_MUST_CHECK;

#endif

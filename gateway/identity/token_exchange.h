/* The on-behalf-of exchange: who may act for whom, by which token. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_EXCHANGE_H
#define EG_GATEWAY_IDENTITY_TOKEN_EXCHANGE_H

#include "identity_state.h"
#include "token_request.h"

#define EG_GRANT_EXCHANGE "urn:ietf:params:oauth:grant-type:token-exchange"
#define EG_GRANT_ON_BEHALF "urn:ietf:params:oauth:grant-type:jwt-bearer"

/* What an exchange makes a token of. */
typedef struct eg_exchange {
    eg_principal *subject;   /* a reference of the request's arena */
    eg_acting acting;
    const char *type;        /* issued_token_type of RFC 8693 section 2.2.1; NULL in Entra ID's dialect */
} eg_exchange;

/* May `client`, whose proof was begun to be checked at began_s, act for whom the request's subject token is of? rq->principal is the client. Waits for an issuer's keys:
 * pool threads only. EG_ERR_OAUTH_REQUEST; EG_ERR_OAUTH_UNAUTHORIZED: the client may act for nobody; EG_ERR_OAUTH_SUBJECT, in Entra ID's dialect
 * EG_ERR_OAUTH_INVALID_GRANT: not by this token. Fills rq->record_on_behalf_of as soon as it is known. */
eg_err eg_token_exchange_check(eg_request *rq, const eg_token_request *t, const eg_local_principal *client, int64_t began_s, eg_exchange *ret) EG_MUST_CHECK;

#endif

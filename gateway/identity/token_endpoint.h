/* The handlers of the gateway's own issuer. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_ENDPOINT_H
#define EG_GATEWAY_IDENTITY_TOKEN_ENDPOINT_H

#include <embergate/http.h>

#define EG_TOKEN_BODY_MAX ((size_t)32768)

/* POST /{tenant}/oauth2[/v2.0]/token. Blocks on scrypt and the keeper. */
eg_err eg_token_endpoint_post(eg_request *rq);

#endif

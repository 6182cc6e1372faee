/* Clients that prove themselves by a TLS client certificate: the key in it is registered for them (RFC 8705 section 2.2). */
#ifndef EG_GATEWAY_IDENTITY_CERTIFICATE_AUTH_H
#define EG_GATEWAY_IDENTITY_CERTIFICATE_AUTH_H

#include "local_principal.h"

/* At the token endpoint: the client that the request names, by the certificate of its connection. EG_ERR_OAUTH_CLIENT, the same for a client that nobody knows,
 * one that is disabled or of another tenant, and a certificate that is another's or not valid now; EG_ERR_TOO_MANY_REQUESTS. */
eg_err eg_certificate_client(eg_identity *i, eg_str tenant, eg_str client_id, const eg_peer *peer, eg_local_principal *ret, eg_problem *p) EG_MUST_CHECK;
/* Whether a certificate is there, and valid at this time. */
bool eg_certificate_good(const eg_peer_certificate *c, int64_t now_s);

#endif

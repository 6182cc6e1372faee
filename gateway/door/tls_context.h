/* The TLS profile of the door: which versions, suites, groups, certificates and tickets are used. */
#ifndef EMBERGATE_DOOR_TLS_CONTEXT_H
#define EMBERGATE_DOOR_TLS_CONTEXT_H

#include "door.h"

typedef struct eg_tls_context eg_tls_context;

/* EG_ERR_CONFIG with the file or value in the problem. Shared by all workers. */
eg_err eg_tls_context_new(const eg_door_options *o, eg_tls_context **ret, eg_problem *p) EG_MUST_CHECK;
void eg_tls_context_free(eg_tls_context *t);

/* These three from one thread at a time, while workers make sessions. Connections that are there keep what they began with. */

/* Reads the files again and serves new connections from them, with new ticket keys. On an error nothing changes. */
eg_err eg_tls_context_reload(eg_tls_context *t, eg_problem *p) EG_MUST_CHECK;
/* New ticket keys for the certificates in force. */
eg_err eg_tls_context_renew_tickets(eg_tls_context *t, eg_problem *p) EG_MUST_CHECK;
/* When the first of the certificates in force expires, in seconds since 1970. */
int64_t eg_tls_context_expires_s(const eg_tls_context *t);

#endif

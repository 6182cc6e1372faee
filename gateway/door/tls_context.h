/* The TLS profile of the door: which versions, suites, groups, certificates and tickets are used. */
#ifndef EMBERGATE_DOOR_TLS_CONTEXT_H
#define EMBERGATE_DOOR_TLS_CONTEXT_H

#include "door.h"

typedef struct eg_tls_context eg_tls_context;

/* EG_ERR_CONFIG with the file or value in the problem. Shared by all workers. */
eg_err eg_tls_context_new(const eg_door_options *o, eg_tls_context **ret, eg_problem *p) EG_MUST_CHECK;
void eg_tls_context_free(eg_tls_context *t);

#endif

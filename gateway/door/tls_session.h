/* What tls_context.c gives to tls_conn.c alone: the only place where OpenSSL's type crosses files. */
#ifndef EMBERGATE_DOOR_TLS_SESSION_H
#define EMBERGATE_DOOR_TLS_SESSION_H

#include "tls_context.h"

#include <openssl/ssl.h>

SSL *eg_tls_context_session(eg_tls_context *t); /* NULL without memory; the caller frees it */

#endif

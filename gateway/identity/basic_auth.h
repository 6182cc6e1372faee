/* Sign-ins by name and password, as HTTP Basic sends them with each request: verified once, then remembered. */
#ifndef EG_GATEWAY_IDENTITY_BASIC_AUTH_H
#define EG_GATEWAY_IDENTITY_BASIC_AUTH_H

#include "token_cache.h"

#include <embergate/identity.h>

typedef struct eg_basic_auth eg_basic_auth;

/* NULL without memory. */
eg_basic_auth *eg_basic_auth_new(void);
void eg_basic_auth_free(eg_basic_auth *b);

#endif

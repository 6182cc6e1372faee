/* Tells whoever asks whom the gateway takes them for. */
#ifndef EMBERGATE_WHOAMI_H
#define EMBERGATE_WHOAMI_H

#include "../pipeline/policy_watch.h"

#include <embergate/http.h>

/* GET /{tenant}/oauth2/v2.0/whoami, for every principal of that tenant: what its token says, and its roles. room = eg_policy_watch*. */
const eg_route *eg_whoami_routes(size_t *ret_n);

#endif

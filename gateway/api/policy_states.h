/* Microsoft.PolicyInsights: which resources comply with which policies. */
#ifndef EMBERGATE_POLICY_STATES_H
#define EMBERGATE_POLICY_STATES_H

#include "../pipeline/compliance_watch.h"

#include <embergate/http.h>

/* room = eg_compliance_watch*. */
const eg_route *eg_policy_states_routes(size_t *ret_n);

#endif

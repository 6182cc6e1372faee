/* POST …/policyStates/latest/queryResults, as `az policy state list` asks for it. */
#include "policy_states.h"

#include <embergate/actions.h>

static eg_err scope_of(eg_request *rq, eg_str *ret) {
    *ret = eg_arena_printf(rq->arena, "/subscriptions/%.*s", EG_FMT(rq->params[0]));
    return ret->ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err query(eg_request *rq) {
    eg_str scope;
    EG_TRY(scope_of(rq, &scope));
    json_t *list = eg_compliance_watch_report(rq->room, scope, false);
    json_t *v = list ? json_pack("{s:I, s:o}", "@odata.count", (json_int_t)json_array_size(list), "value", list) : NULL;
    return v ? eg_respond_json(rq, 200, v) : EG_ERR_NO_MEMORY;
}

static const eg_route routes[] = {
    {.surface = EG_SURFACE_ARM, .method = "POST", .pattern = "/subscriptions/{subscription}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults",
     .action = EG_ACTION_POLICY_STATES, .scope = scope_of, .record = EG_RECORD_EACH, .flags = EG_ROUTE_BLOCKING, .max_body = 4096, .end = query, .event = "policy.states.query"},
};

const eg_route *eg_policy_states_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

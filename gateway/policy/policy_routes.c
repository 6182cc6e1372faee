/* The policies' own API on the ARM surface: the verbs of the desk, each POST with a JSON object. */
#include "policy_desk.h"
#include "policy_open.h"

#define BODY_MAX (32u << 20)
#define ASK_MAX 65536
#define BASE "/subscriptions/{subscription}/providers/Embergate.Policies/"

/* The subscription, whose tenant the asker must be of. */
static eg_err subscription_scope(eg_request *rq, eg_str *ret) {
    *ret = eg_arena_printf(rq->arena, "/subscriptions/%.*s", EG_FMT(rq->params[0]));
    return ret->ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_str verb_of(const eg_request *rq) {
    eg_str verb = rq->path;
    for (size_t i = verb.len; i > 0; i--) {
        if (verb.ptr[i - 1] == '/') {
            return (eg_str){verb.ptr + i, verb.len - i};
        }
    }
    return verb;
}

/* Which document and key it is about, into the sentence: an answer has no other place for it. */
static eg_err told(eg_request *rq, eg_err e) {
    if (e == EG_OK) {
        return e; /* it is answered, and may be gone */
    }
    const eg_problem p = rq->problem;
    return p.code != e || !p.where[0] ? e : eg_fail(&rq->problem, e, "%s (%s)", p.message, p.where);
}

static eg_err answer(eg_request *rq) {
    EG_JSON_AUTO in = NULL;
    json_t *out = NULL;
    EG_TRY(eg_json_parse(eg_bytes_str(rq->body), rq->route->max_body, &in, &rq->problem));
    if (!json_is_object(in)) {
        return eg_fail(&rq->problem, EG_ERR_BODY_FIELD, "The body is a JSON object.");
    }
    eg_policy_request_record record = {rq, 200};
    const eg_policy_recorder recorder = eg_policy_request_recorder(&record);
    const eg_policy_asker asker = {rq->principal, &recorder};
    EG_TRY(eg_policy_desk(rq->room, verb_of(rq), in, &asker, &out, &rq->problem));
    return eg_respond_json(rq, 200, out);
}

static eg_err end(eg_request *rq) { return told(rq, answer(rq)); }

#define READ "Microsoft.Authorization/roleAssignments/read"
#define ROUTE(verb, asked, more, most, name) \
    {.surface = EG_SURFACE_ARM, .method = "POST", .pattern = BASE verb, .action = asked, .scope = subscription_scope, .flags = EG_ROUTE_BLOCKING | (more), .max_body = most, .end = end, .event = name}

/* Whatever changes something asks for the right to each document that it touches: signed in is enough to ask. */
static const eg_route routes[] = {
    ROUTE("documents", READ, 0, ASK_MAX, "policy.read"),
    ROUTE("history", READ, 0, ASK_MAX, "policy.read"),
    ROUTE("version", READ, 0, ASK_MAX, "policy.read"),
    ROUTE("pending", READ, 0, ASK_MAX, "policy.read"),
    ROUTE("change", NULL, EG_ROUTE_ANY_PRINCIPAL, BODY_MAX, "policy.change"),
    ROUTE("rollback", NULL, EG_ROUTE_ANY_PRINCIPAL, ASK_MAX, "policy.rollback"),
    ROUTE("approve", NULL, EG_ROUTE_ANY_PRINCIPAL, ASK_MAX, "policy.approve"),
    ROUTE("reject", NULL, EG_ROUTE_ANY_PRINCIPAL, ASK_MAX, "policy.reject"),
};

const eg_route *eg_policy_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

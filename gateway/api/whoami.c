/* What the gateway knows of whoever asks: principal, groups, and by which assignments they have which roles. */
#include "whoami.h"

#include <embergate/clock.h>

#define ROLES_MAX 1000

static eg_err add_role(void *ctx, const eg_policy_held *held) {
    json_t *list = ctx;
    if (json_array_size(list) == ROLES_MAX) {
        return EG_OK;
    }
    char until[EG_RFC3339_LEN] = "";
    if (held->ends_ns != 0) {
        eg_time_rfc3339(held->ends_ns, until);
    }
    json_t *one = json_pack("{s:s%,s:s%,s:s%}", "role", held->role.ptr, held->role.len, "scope", held->scope.ptr, held->scope.len, "assignment",
                            held->assignment.ptr, held->assignment.len);
    int failed = !one;
    failed |= one && held->group[0] && json_object_set_new(one, "group", json_string(held->group)) != 0;
    failed |= one && until[0] && json_object_set_new(one, "until", json_string(until)) != 0;
    failed |= one && held->conditional && json_object_set_new(one, "conditional", json_true()) != 0;
    failed |= one && held->eligible && json_object_set_new(one, "eligible", json_true()) != 0;
    if (failed || json_array_append_new(list, one) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    return EG_OK;
}

static json_t *describe(const eg_principal *who) {
    char expires[EG_RFC3339_LEN];
    eg_time_rfc3339(who->expires_s * 1000000000, expires);
    json_t *v = json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:[],s:[]}", "tenant", who->tenant, "object_id", who->object_id, "kind", eg_principal_kind_name(who->kind),
                          "name", who->name, "expires", expires, "groups_unknown", (int)who->groups_unknown, "groups", "roles");
    int failed = !v || (who->app_id[0] && json_object_set_new(v, "client_id", json_string(who->app_id)) != 0);
    failed |= v && json_object_set_new(v, "group_count", json_integer((json_int_t)who->group_count)) != 0;
    if (v && who->acting) { /* object ids, the first acts now */
        failed |= json_object_set_new(v, "acted_by", json_string(who->acting->text)) != 0;
    }
    for (size_t i = 0; v && i < who->group_count && i < EG_PRINCIPAL_GROUPS_MAX; i++) {
        failed |= json_array_append_new(json_object_get(v, "groups"), json_string(who->groups[i])) != 0;
    }
    if (failed) {
        json_decref(v);
        return NULL;
    }
    return v;
}

static eg_err get_whoami(eg_request *rq) {
    json_t *v = describe(rq->principal);
    if (!v) {
        return EG_ERR_NO_MEMORY;
    }
    eg_policy *pol = eg_policy_watch_get(rq->room);
    const eg_policy_held_question q = {.who = rq->principal, .within = rq->scope, .now_ns = rq->received_ns, .fn = add_role,
                                       .ctx = json_object_get(v, "roles")};
    eg_err e = eg_policy_roles_of(pol, &q);
    eg_policy_unref(pol);
    if (e == EG_OK) {
        e = eg_response_header(rq, "Cache-Control", "no-store");
    }
    if (e != EG_OK) {
        json_decref(v);
        return e;
    }
    return eg_respond_json(rq, 200, v);
}

static const eg_route routes[] = {
    {.surface = EG_SURFACE_OAUTH,
     .method = "GET",
     .pattern = "/{tenant}/oauth2/v2.0/whoami",
     .record = EG_RECORD_NONE,
     .flags = EG_ROUTE_ANY_PRINCIPAL | EG_ROUTE_BLOCKING,
     .end = get_whoami,
     .event = "identity.whoami.read"},
};

const eg_route *eg_whoami_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

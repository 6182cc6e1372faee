/* Builds grants from requests: who asks, by which way, and what the route needs. */
#include "grant_request.h"

#include <embergate/actions.h>

/* Events whose need doesn't follow from the action that roles are asked for. */
static const struct {
    const char *event;
    eg_need need;
} by_event[] = {
    {"storage.path.status", EG_NEED_STATUS},
    {"storage.path.get_access", EG_NEED_READ_ACL},
    {"storage.path.check_access", EG_NEED_CHECK},
    {"storage.path.set_access", EG_NEED_PERMISSIONS},
    {"storage.directory.list", EG_NEED_LIST},
    {"storage.blob.list", EG_NEED_LIST},
    {"storage.file.append", EG_NEED_APPEND},
    {"storage.blob.append", EG_NEED_APPEND},
};

static const struct {
    const char *action;
    eg_need need;
} by_action[] = {
    {EG_ACTION_BLOB_READ, EG_NEED_READ},     {EG_ACTION_BLOB_WRITE, EG_NEED_WRITE}, {EG_ACTION_BLOB_ADD, EG_NEED_APPEND},
    {EG_ACTION_BLOB_DELETE, EG_NEED_DELETE}, {EG_ACTION_BLOB_MOVE, EG_NEED_MOVE_TO},
    /* Of a container itself: no list is asked for these, but an account SAS has letters for them. */
    {EG_ACTION_CONTAINER_READ, EG_NEED_STATUS}, {EG_ACTION_CONTAINER_WRITE, EG_NEED_WRITE},
};

eg_need eg_need_of(const eg_route *row) {
    for (size_t i = 0; row && row->event && i < sizeof by_event / sizeof by_event[0]; i++) {
        if (strcmp(row->event, by_event[i].event) == 0) {
            return by_event[i].need;
        }
    }
    for (size_t i = 0; row && row->action && i < sizeof by_action / sizeof by_action[0]; i++) {
        if (strcmp(row->action, by_action[i].action) == 0) {
            return by_action[i].need;
        }
    }
    return EG_NEED_NONE;
}

static bool decide_at(eg_request *rq, const char *action, eg_str scope) {
    return rq->ops->decide_at && rq->ops->decide_at(rq, action, true, scope, EG_LIT("")) == EG_OK;
}

eg_str eg_grant_scope(eg_request *rq, eg_str container) {
    return eg_arena_printf(rq->arena, "%.*s/blobServices/default/containers/%.*s", EG_FMT(rq->scope), EG_FMT(container));
}

eg_grant eg_grant_begin(eg_request *rq, eg_way way, const eg_principal *who, const eg_sas_bounds *bounds) {
    eg_grant g = {.way = way, .bounds = bounds, .rule = rq->decided_by, .rule_size = sizeof rq->decided_by, .asked = &rq->access_asked};
    g.superuser = way == EG_WAY_KEY || way == EG_WAY_SAS;
    if (who && (way == EG_WAY_ROLE || way == EG_WAY_ACL)) {
        g.who = (eg_acl_who){eg_str_of(who->object_id), who, who->groups_unknown};
    }
    if (bounds && bounds->checked.len > 0) {
        /* The delegator's role lets it in, and then the lists must let this one in; one that lists alone let in vouches for nobody. */
        g.way = way == EG_WAY_ROLE ? EG_WAY_ACL : EG_WAY_NONE;
        g.who = (eg_acl_who){.id = bounds->checked, .groups_unknown = true};
    }
    return g;
}

static eg_grant start(eg_request *rq) { return eg_grant_begin(rq, rq->way, rq->principal, rq->bounds); }

/* Owners' things: Azure's Storage Blob Data Owner has both actions. */
static void ask_owners(eg_request *rq, eg_grant *g) {
    eg_str rest = rq->path;
    if (rest.len > 0 && rest.ptr[0] == '/') {
        rest = (eg_str){rest.ptr + 1, rest.len - 1};
    }
    const eg_str scope = eg_grant_scope(rq, eg_str_cut(&rest, '/'));
    if (scope.ptr) {
        g->superuser = decide_at(rq, EG_ACTION_BLOB_OWN, scope);
        g->permits = g->superuser || decide_at(rq, EG_ACTION_BLOB_PERMISSIONS, scope);
    }
}

eg_grant eg_grant_of(eg_request *rq) {
    eg_grant g = start(rq);
    g.need = eg_need_of(rq->route);
    const bool gives = eg_request_header(rq, "x-ms-owner").len > 0 || eg_request_header(rq, "x-ms-group").len > 0;
    const bool vouched = g.bounds && g.bounds->checked.len > 0;
    if (!g.superuser && !vouched && g.way != EG_WAY_NONE && (g.need == EG_NEED_PERMISSIONS || gives)) {
        ask_owners(rq, &g);
    }
    return g;
}

eg_grant eg_grant_at(eg_request *rq, eg_str container, eg_str path, const char *const *actions) {
    eg_grant g = start(rq);
    if ((g.way != EG_WAY_ROLE && g.way != EG_WAY_ACL) || (g.bounds && g.bounds->checked.len > 0)) {
        return g;
    }
    const eg_str scope = eg_grant_scope(rq, container);
    g.way = scope.ptr ? EG_WAY_ROLE : EG_WAY_NONE;
    for (size_t i = 0; g.way == EG_WAY_ROLE && actions[i]; i++) {
        const eg_err e = rq->ops->decide_at ? rq->ops->decide_at(rq, actions[i], true, scope, path) : EG_ERR_DENIED_TENANT;
        g.way = e == EG_OK ? EG_WAY_ROLE : e == EG_ERR_DENIED_TENANT ? EG_WAY_NONE : EG_WAY_ACL;
    }
    return g;
}

/* What may be done at the source of a rename or a copy, when its address is signed. */
#include "grant_request.h"
#include "sas_verify.h"

static eg_err refuse_sas(eg_request *rq, eg_err e, const char *what) {
    return eg_fail(&rq->problem, e, "This request is not authorized to perform this operation using this %s.", what);
}

static bool has(eg_str set, char c) { return set.len > 0 && memchr(set.ptr, c, set.len); }

/* A rename moves all that lies beneath: what a condition says of the path itself says nothing of that. */
static eg_str path_of(const eg_source *src) { return src->need == EG_NEED_MOVE_FROM ? EG_LIT("") : src->path; }

/* By roles the delegator must be let do every action; what they leave open is asked of the lists. */
static eg_way way_of(eg_request *rq, const eg_source *src, eg_principal *who) {
    const eg_str scope = eg_grant_scope(rq, src->container);
    eg_way way = scope.ptr && rq->ops->decide_for ? EG_WAY_ROLE : EG_WAY_NONE;
    for (size_t i = 0; way == EG_WAY_ROLE && src->actions[i]; i++) {
        const eg_err e = rq->ops->decide_for(rq, who, src->actions[i], scope, path_of(src));
        way = e == EG_OK ? EG_WAY_ROLE : e == EG_ERR_DENIED_DATA || e == EG_ERR_DENIED_ROLE ? EG_WAY_ACL : EG_WAY_NONE;
    }
    return way;
}

static eg_err free_principal(eg_principal *who, eg_err e) {
    eg_principal_unref(who);
    return e;
}

eg_err eg_source_grant(eg_request *rq, const eg_source *src, eg_grant *ret) {
    eg_grant g;
    if (!eg_sas_present(src->query)) {
        *ret = eg_grant_at(rq, src->container, path_of(src), src->actions);
        ret->need = src->need;
        return EG_OK;
    }
    eg_storage *s = rq->room;
    eg_sas_use u = {.store = s, .account = src->account, .rq = rq, .query = src->query, .of_source = true};
    eg_principal *who = NULL;
    u.at = (eg_sas_request){.account = rq->account, .container = src->container, .path = src->path, .address = rq->peer.address, .now_ns = eg_wall_ns(s->clock)};
    const eg_err e = eg_sas_verify(&u);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. The account has no keys.");
    }
    EG_TRY(e);
    if (u.sas->kind == EG_SAS_ACCOUNT && !has(u.sas->f[EG_SAS_SS], 'b')) {
        return refuse_sas(rq, EG_ERR_SAS_SERVICE, "service");
    }
    if (u.sas->kind == EG_SAS_ACCOUNT && !has(u.sas->f[EG_SAS_SRT], 'o')) {
        return refuse_sas(rq, EG_ERR_SAS_RESOURCE_TYPE, "resource type");
    }
    if (u.sas->kind != EG_SAS_DELEGATION) {
        g = eg_grant_begin(rq, EG_WAY_SAS, NULL, u.bounds);
    } else {
        EG_TRY(eg_sas_principal(&u, &who));
        /* The pipeline keeps it as long as the request is there, for what the grant borrows. */
        const eg_way way = way_of(rq, src, who);
        g = eg_grant_begin(rq, way, who, u.bounds);
        EG_TRY(free_principal(who, way == EG_WAY_NONE ? refuse_sas(rq, EG_ERR_DENIED_DATA, "permission") : EG_OK));
    }
    g.need = src->need;
    *ret = g;
    return EG_OK;
}

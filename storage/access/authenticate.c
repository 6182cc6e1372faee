/* Who a storage request is from when it brings no bearer token: Shared Key, and shared access signatures of all three kinds. */
#include "sas_verify.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <embergate/pool.h>

#include <stdio.h>
#include <stdlib.h>

static eg_err connection(void *ctx, eg_request *rq) {
    const eg_account_rules *r = eg_account_keys_rules(ctx, rq->account);
    if (r && r->minimum_tls && strcmp(r->minimum_tls, "TLSv1.3") == 0 && strcmp(rq->peer.tls_version, "TLSv1.3") != 0) {
        return eg_fail(&rq->problem, EG_ERR_TLS_VERSION, "The TLS version of the connection is not permitted on this storage account.");
    }
    return EG_OK;
}

static eg_err refuse(eg_request *rq, const char *why) {
    return eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. %s", why);
}

/* The account's own key is with the keeper at first: somebody else fetches it. */
typedef struct wait {
    eg_storage *store;
    char account[EG_ACCOUNT_NAME_MAX + 1];
    void (*later)(void *);
    void *later_ctx;
} wait;

static void fetch(void *arg) {
    wait *w = arg;
    const eg_account *a;
    const eg_err e = eg_storage_account(w->store, eg_str_of(w->account), &a);
    (void)e; /* whoever asks again finds out */
    w->later(w->later_ctx);
    free(w);
}

static eg_err find_account(eg_storage *s, eg_request *rq, void (*later)(void *), void *later_ctx, const eg_account **ret) {
    const eg_account *a = rq->tenant.len > 0 ? eg_storage_account_loaded(s, rq->account) : NULL;
    if (a && !atomic_load(&a->destroyed)) {
        *ret = a;
        return EG_OK;
    }
    if (rq->tenant.len == 0 || rq->account.len > EG_ACCOUNT_NAME_MAX || !later || a) {
        return refuse(rq, "There is no such account, or it can't be opened.");
    }
    wait *w = calloc(1, sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    *w = (wait){.store = s, .later = later, .later_ctx = later_ctx};
    memcpy(w->account, rq->account.ptr, rq->account.len);
    if (eg_pool_submit(s->pool, fetch, w) != EG_OK) {
        free(w);
        return EG_ERR_UNAVAILABLE;
    }
    return EG_ERR_BUSY;
}

static eg_err verify_key(eg_storage *s, eg_request *rq, const eg_account *a, const eg_shared_key *k, eg_principal **ret) {
    int which = 0;
    eg_buf text;
    EG_TRY(eg_account_keys_allowed(s, rq->account, &rq->problem));
    if (!eg_str_ieq(k->account, rq->account)) {
        return refuse(rq, "The Authorization header names another account.");
    }
    EG_TRY(eg_shared_key_date(rq, eg_wall_ns(s->clock), &rq->problem));
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    eg_err e = eg_shared_key_string(rq, k, &text);
    if (e == EG_OK) {
        e = eg_account_keys_signed(s, a, eg_buf_str(&text), k->signature, &which);
    }
    eg_buf_done(&text);
    if (e == EG_ERR_AUTH_FAILED || e == EG_ERR_LIMIT || (e == EG_OK && which == 0)) {
        return refuse(rq, "The MAC signature found in the HTTP request is not the same as any computed signature.");
    }
    EG_TRY(e);
    EG_TRY(eg_sas_principal_new(rq, EG_PRINCIPAL_KEY, k->signature, ret));
    snprintf((*ret)->name, sizeof (*ret)->name, "account key %d of %s", which, a->name);
    return EG_OK;
}

/* What is asked for: the container, and the path or the directory that is listed. */
static eg_err read_request(eg_storage *s, eg_request *rq, eg_sas_request *ret) {
    eg_sas_request r = {.account = rq->account, .address = rq->peer.address, .now_ns = eg_wall_ns(s->clock)};
    eg_str rest = rq->path;
    rest = rest.len > 0 && rest.ptr[0] == '/' ? (eg_str){rest.ptr + 1, rest.len - 1} : rest;
    r.container = eg_str_cut(&rest, '/');
    r.path = rest.ptr ? rest : EG_LIT("");
    if (r.path.len == 0 && r.container.len > 0) {
        eg_str v;
        eg_err e = eg_request_query(rq, "directory", &v);
        e = e == EG_ERR_NOT_FOUND ? eg_request_query(rq, "prefix", &v) : e;
        r.path = e == EG_OK ? v : EG_LIT("");
    }
    while (r.path.len > 0 && r.path.ptr[0] == '/') {
        r.path = (eg_str){r.path.ptr + 1, r.path.len - 1};
    }
    while (r.path.len > 0 && r.path.ptr[r.path.len - 1] == '/') {
        r.path.len--;
    }
    *ret = r;
    return EG_OK;
}

static bool has(eg_str set, char c) { return set.len > 0 && memchr(set.ptr, c, set.len); }

/* What an account SAS says of services and types of resource, and, where no path is looked at, of permissions. */
static eg_err check_account_sas(eg_request *rq, const eg_sas *sas, const eg_sas_request *r, const eg_sas_bounds *b) {
    static const struct {
        const char *action;
        const char *letters;
    } controls[] = {{EG_ACTION_CONTAINER_READ, "rl"}, {EG_ACTION_CONTAINER_WRITE, "cw"}, {EG_ACTION_CONTAINER_DELETE, "d"}};
    const bool data = rq->route->flags & EG_ROUTE_DATA_ACTION;
    const bool listing = data && r->container.len > 0 && strcmp(rq->route->event, "storage.directory.list") == 0;
    const bool object = data && !listing && strchr(rq->path.ptr + 1, '/') != NULL;
    const char *srt = r->container.len == 0 ? "s" : object ? "o" : data && !listing ? "oc" : "c";
    if (!has(sas->f[EG_SAS_SS], 'b')) {
        return eg_fail(&rq->problem, EG_ERR_SAS_SERVICE, "This request is not authorized to perform this operation using this service.");
    }
    if (!has(sas->f[EG_SAS_SRT], srt[0]) && !(srt[1] && has(sas->f[EG_SAS_SRT], srt[1]))) {
        return eg_fail(&rq->problem, EG_ERR_SAS_RESOURCE_TYPE, "This request is not authorized to perform this operation using this resource type.");
    }
    for (size_t i = 0; !data && i < sizeof controls / sizeof controls[0]; i++) {
        if (rq->route->action && strcmp(rq->route->action, controls[i].action) == 0 && eg_sas_letters_any(b->letters, controls[i].letters)) {
            rq->access_asked = true;
            return EG_OK;
        }
    }
    return data ? EG_OK : eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "This request is not authorized to perform this operation using this permission.");
}

/* Closed to signatures: what no grant is asked for. */
static eg_err check_route(eg_request *rq, const eg_sas *sas) {
    const unsigned flags = rq->route->flags;
    const bool asks = (flags & EG_ROUTE_DATA_ACTION) && (flags & EG_ROUTE_ACL);
    if (asks || (sas->kind == EG_SAS_ACCOUNT && !(flags & EG_ROUTE_DATA_ACTION))) {
        return EG_OK;
    }
    return eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "This request is not authorized to perform this operation using this permission.");
}

static eg_err verify_sas(eg_storage *s, eg_request *rq, const eg_account *a, eg_principal **ret) {
    eg_sas_use u = {.store = s, .account = a, .rq = rq, .query = rq->query};
    EG_TRY(read_request(s, rq, &u.at));
    EG_TRY(eg_sas_verify(&u));
    EG_TRY(check_route(rq, u.sas));
    if (u.sas->kind == EG_SAS_ACCOUNT) {
        EG_TRY(check_account_sas(rq, u.sas, &u.at, u.bounds));
    }
    EG_TRY(eg_sas_principal(&u, ret));
    rq->bounds = u.bounds;
    return EG_OK;
}

static eg_err verify(void *ctx, eg_request *rq, void (*later)(void *), void *later_ctx, eg_principal **ret) {
    eg_storage *s = ctx;
    eg_shared_key k;
    const eg_account *a = NULL;
    eg_err key = eg_shared_key_parse(rq->authorization, &k);
    const bool sas = key == EG_ERR_NOT_FOUND && eg_sas_present(rq->query) && (rq->authorization.len == 0 || eg_sas_names_user(rq->query));
    if (key == EG_ERR_NOT_FOUND && !sas) {
        return EG_ERR_NOT_FOUND;
    }
    if (key == EG_ERR_AUTH_FAILED) {
        return refuse(rq, "The Authorization header is not well formed.");
    }
    EG_TRY(find_account(s, rq, later, later_ctx, &a));
    const eg_err e = sas ? verify_sas(s, rq, a, ret) : verify_key(s, rq, a, &k, ret);
    return e == EG_ERR_NOT_FOUND || e == EG_ERR_BUSY ? refuse(rq, "The account has no keys.") : e;
}

/* A signature that names who may use it is worth nothing in other hands: that one's own token is owed beside it. */
static eg_err bound(void *ctx, eg_request *rq, const eg_principal *user) {
    (void)ctx;
    const eg_sas_bounds *b = rq->bounds;
    const eg_sas *sas = b ? b->sas : NULL;
    if (!sas || (sas->f[EG_SAS_SDUOID].len == 0 && sas->f[EG_SAS_SKDUTID].len == 0)) {
        return EG_OK;
    }
    if (!user) {
        return EG_ERR_TOKEN_MISSING;
    }
    const eg_str oid = sas->f[EG_SAS_SDUOID];
    const bool person = (user->kind == EG_PRINCIPAL_USER || user->kind == EG_PRINCIPAL_SERVICE) && !user->acting; /* itself, and nobody that acts for it */
    /* Of which tenant they must be was checked with the signature: this one. */
    if (!person || !eg_str_ieq(rq->tenant, eg_str_of(user->tenant)) || (oid.len > 0 && !eg_str_ieq(oid, eg_str_of(user->object_id)))) {
        return refuse(rq, "The signature is bound to somebody else.");
    }
    return EG_OK;
}

/* rscc and its kin replace what the answer would have said. */
static void finish(void *ctx, eg_request *rq) {
    static const struct {
        eg_sas_field field;
        const char *header;
    } overrides[] = {{EG_SAS_RSCC, "Cache-Control"}, {EG_SAS_RSCD, "Content-Disposition"}, {EG_SAS_RSCE, "Content-Encoding"},
        {EG_SAS_RSCL, "Content-Language"}, {EG_SAS_RSCT, "Content-Type"}};
    (void)ctx;
    const eg_sas_bounds *b = rq->bounds;
    const eg_sas *sas = b ? b->sas : NULL;
    if (!sas || !(eg_str_is(rq->method, "GET") || eg_str_is(rq->method, "HEAD"))) {
        return;
    }
    for (size_t i = 0; i < sizeof overrides / sizeof overrides[0]; i++) {
        const eg_str v = sas->f[overrides[i].field];
        bool set = v.len == 0;
        for (size_t h = 0; !set && h < rq->response.header_count; h++) {
            if (eg_str_ieq(eg_str_of(rq->response.headers[h].name), eg_str_of(overrides[i].header))) {
                rq->response.headers[h].value = v;
                set = true;
            }
        }
        if (!set) {
            (void)eg_response_header(rq, overrides[i].header, "%.*s", EG_FMT(v));
        }
    }
}

eg_storage_auth eg_storage_auth_of(eg_storage *s, struct eg_pool *pool) {
    s->pool = pool;
    return (eg_storage_auth){.ctx = s, .connection = connection, .verify = verify, .bound = bound, .finish = finish};
}

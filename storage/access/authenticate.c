/* Who a storage request is from when it brings no bearer token: Shared Key, and shared access signatures of all three kinds. */
#include "access_policy.h"
#include "delegation_key.h"
#include "sas.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <embergate/pool.h>

#include <stdio.h>
#include <stdlib.h>

static const eg_account_rules *rules_of(const eg_storage *s, eg_str account) {
    for (size_t i = 0; i < s->rule_count; i++) {
        if (eg_str_is(account, s->rules[i].account)) {
            return &s->rules[i];
        }
    }
    return NULL;
}

static eg_err connection(void *ctx, eg_request *rq) {
    const eg_account_rules *r = rules_of(ctx, rq->account);
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

static eg_err new_principal(eg_request *rq, eg_principal_kind kind, const uint8_t signature[EG_SIGNATURE_LEN], eg_principal **ret) {
    eg_principal *p = eg_principal_new();
    if (!p) {
        return EG_ERR_NO_MEMORY;
    }
    uint8_t digest[EG_SHA256_LEN];
    p->kind = kind;
    snprintf(p->tenant, sizeof p->tenant, "%.*s", EG_FMT(rq->tenant));
    /* Names the signature without telling it. */
    eg_sha256((eg_bytes){signature, EG_SIGNATURE_LEN}, digest);
    eg_hex((eg_bytes){digest, 16}, p->token_id);
    *ret = p;
    return EG_OK;
}

static bool signed_with(const eg_secret *key, size_t key_len, eg_str text, const uint8_t signature[EG_SIGNATURE_LEN]) {
    uint8_t mine[EG_SHA256_LEN];
    eg_hmac_sha256((eg_bytes){eg_secret_bytes(key).ptr, key_len}, eg_str_bytes(text), mine);
    const bool fits = eg_ct_eq(mine, signature, sizeof mine);
    eg_cleanse(mine, sizeof mine);
    return fits;
}

/* Which of the two keys signed the text: 1 or 2; 0 = none. Both are tried always. */
static eg_err which_key(eg_storage *s, const eg_account *a, eg_str text, const uint8_t signature[EG_SIGNATURE_LEN], int *ret) {
    int found = 0;
    for (int i = 0; i < 2; i++) {
        EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
        int64_t created;
        EG_TRY(eg_account_keys_get(s, a, (eg_account_secret)(EG_ACCOUNT_KEY_1 + i), &key, &created));
        found = signed_with(key, EG_ACCOUNT_KEY_LEN, text, signature) ? i + 1 : found;
    }
    *ret = found;
    return EG_OK;
}

static eg_err check_allowed(eg_storage *s, eg_request *rq) {
    const eg_account_rules *r = rules_of(s, rq->account);
    return r && r->allow_shared_key ? EG_OK : eg_fail(&rq->problem, EG_ERR_KEY_AUTH_OFF, "Key based authentication is not permitted on this storage account.");
}

static eg_err verify_key(eg_storage *s, eg_request *rq, const eg_account *a, const eg_shared_key *k, eg_principal **ret) {
    int which = 0;
    eg_buf text;
    EG_TRY(check_allowed(s, rq));
    if (!eg_str_ieq(k->account, rq->account)) {
        return refuse(rq, "The Authorization header names another account.");
    }
    EG_TRY(eg_shared_key_date(rq, eg_wall_ns(s->clock), &rq->problem));
    eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
    eg_err e = eg_shared_key_string(rq, k, &text);
    if (e == EG_OK) {
        e = which_key(s, a, eg_buf_str(&text), k->signature, &which);
    }
    eg_buf_done(&text);
    if (e == EG_ERR_AUTH_FAILED || e == EG_ERR_LIMIT || (e == EG_OK && which == 0)) {
        return refuse(rq, "The MAC signature found in the HTTP request is not the same as any computed signature.");
    }
    EG_TRY(e);
    EG_TRY(new_principal(rq, EG_PRINCIPAL_KEY, k->signature, ret));
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

/* The key that must have signed it. For a delegation: within its own times, and of this tenant. */
static eg_err check_delegation(eg_request *rq, const eg_sas *sas, int64_t now_ns) {
    int64_t from = 0;
    int64_t until = 0;
    if (!eg_str_ieq(sas->f[EG_SAS_SKTID], rq->tenant) || !eg_uuid_valid(sas->f[EG_SAS_SKOID])) {
        return refuse(rq, "The user delegation key is of another tenant.");
    }
    if (eg_sas_time(sas->f[EG_SAS_SKT], &from) != EG_OK || eg_sas_time(sas->f[EG_SAS_SKE], &until) != EG_OK || until - from > EG_DELEGATION_NS_MAX ||
        now_ns < from || now_ns >= until) {
        return refuse(rq, "Signature not valid in the specified key time frame.");
    }
    return eg_str_is(sas->f[EG_SAS_SKS], "b") ? EG_OK : refuse(rq, "The user delegation key is for another service.");
}

static eg_err delegation_signed(eg_storage *s, const eg_account *a, const eg_sas *sas, eg_str text, bool *ret) {
    const eg_delegation d = {sas->f[EG_SAS_SKOID], sas->f[EG_SAS_SKTID], sas->f[EG_SAS_SKT], sas->f[EG_SAS_SKE], sas->f[EG_SAS_SKS], sas->f[EG_SAS_SKV]};
    uint8_t key[EG_SHA256_LEN];
    uint8_t mine[EG_SHA256_LEN];
    EG_TRY(eg_delegation_key(s, a, &d, key));
    eg_hmac_sha256((eg_bytes){key, sizeof key}, eg_str_bytes(text), mine);
    *ret = eg_ct_eq(mine, sas->signature, sizeof mine);
    eg_cleanse(key, sizeof key);
    eg_cleanse(mine, sizeof mine);
    return EG_OK;
}

static eg_err check_signature(eg_storage *s, eg_request *rq, const eg_account *a, const eg_sas *sas, const eg_sas_request *r) {
    bool fits = false;
    for (unsigned form = 0; form < EG_SAS_FORMS && !fits; form++) {
        int which = 0;
        eg_buf text;
        eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
        eg_err e = eg_sas_string(sas, r, form, &text);
        if (e == EG_OK && sas->kind == EG_SAS_DELEGATION) {
            e = delegation_signed(s, a, sas, eg_buf_str(&text), &fits);
        } else if (e == EG_OK) {
            e = which_key(s, a, eg_buf_str(&text), sas->signature, &which);
            fits = e == EG_OK && which > 0;
        }
        eg_buf_done(&text);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND && e != EG_ERR_AUTH_FAILED && e != EG_ERR_LIMIT) {
            return e;
        }
    }
    return fits ? EG_OK : refuse(rq, "Signature did not match.");
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

static eg_err make_sas_principal(eg_request *rq, const eg_sas *sas, eg_principal **ret) {
    static const char *const kinds[] = {
        [EG_SAS_NONE] = "?", [EG_SAS_ACCOUNT] = "account SAS", [EG_SAS_SERVICE] = "service SAS", [EG_SAS_DELEGATION] = "user delegation SAS"};
    EG_TRY(new_principal(rq, sas->kind == EG_SAS_DELEGATION ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SAS, sas->signature, ret));
    snprintf((*ret)->name, sizeof (*ret)->name, "%s", kinds[sas->kind]);
    if (sas->kind == EG_SAS_DELEGATION) {
        /* Who delegates may do no more than now. What groups it is in isn't known without its token. */
        snprintf((*ret)->object_id, sizeof (*ret)->object_id, "%.*s", EG_FMT(sas->f[EG_SAS_SKOID]));
        (*ret)->groups_unknown = true;
        int64_t from = 0;
        if (eg_sas_time(sas->f[EG_SAS_SKT], &from) == EG_OK) {
            (*ret)->issued_s = from / 1000000000;
        }
    }
    return EG_OK;
}

static eg_err verify_sas(eg_storage *s, eg_request *rq, const eg_account *a, eg_principal **ret) {
    eg_sas *sas = eg_arena_alloc(rq->arena, sizeof *sas);
    eg_sas_bounds *b = eg_arena_alloc(rq->arena, sizeof *b);
    eg_sas_request r;
    if (!sas || !b) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_sas_parse(rq->arena, rq->query, sas, &rq->problem));
    EG_TRY(read_request(s, rq, &r));
    if (sas->kind != EG_SAS_DELEGATION) {
        EG_TRY(check_allowed(s, rq));
    } else {
        EG_TRY(check_delegation(rq, sas, r.now_ns));
    }
    EG_TRY(check_signature(s, rq, a, sas, &r));
    /* Only now: whoever can't sign learns nothing of policies. */
    EG_TRY(eg_access_policy_use(s, a, r.container, rq->arena, sas, &rq->problem));
    EG_TRY(eg_sas_check(sas, &r, &rq->problem));
    if (eg_sas_bounds_of(sas, &r, b) != EG_OK) {
        return refuse(rq, "The signed resource is not the one that is asked for.");
    }
    EG_TRY(check_route(rq, sas));
    if (sas->kind == EG_SAS_ACCOUNT) {
        EG_TRY(check_account_sas(rq, sas, &r, b));
    }
    b->checked = sas->f[EG_SAS_SUOID];
    b->sas = sas;
    EG_TRY(make_sas_principal(rq, sas, ret));
    rq->bounds = b;
    return EG_OK;
}

static eg_err verify(void *ctx, eg_request *rq, void (*later)(void *), void *later_ctx, eg_principal **ret) {
    eg_storage *s = ctx;
    eg_shared_key k;
    const eg_account *a = NULL;
    eg_err key = eg_shared_key_parse(rq->authorization, &k);
    const bool sas = key == EG_ERR_NOT_FOUND && rq->authorization.len == 0 && eg_sas_present(rq->query);
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
    return (eg_storage_auth){.ctx = s, .connection = connection, .verify = verify, .finish = finish};
}

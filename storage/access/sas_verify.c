/* Verification of shared access signatures of all three kinds, and whom they speak for. */
#include "sas_verify.h"

#include "access_policy.h"
#include "delegation_key.h"
#include "delegator.h"
#include "signed_headers.h"

#include <embergate/encoding.h>

#include <stdio.h>

static eg_err refuse(eg_request *rq, const char *why) {
    return eg_fail(&rq->problem, EG_ERR_AUTH_FAILED, "Server failed to authenticate the request. %s", why);
}

/* The key that must have signed it: within its own times, and of this tenant. */
static eg_err check_delegation(const eg_sas_use *u) {
    eg_request *rq = u->rq;
    const eg_str *f = u->sas->f;
    int64_t from = 0;
    int64_t until = 0;
    if (!eg_str_ieq(f[EG_SAS_SKTID], rq->tenant) || !eg_uuid_valid(f[EG_SAS_SKOID])) {
        return refuse(rq, "The user delegation key is of another tenant.");
    }
    if (eg_sas_time(f[EG_SAS_SKT], &from) != EG_OK || eg_sas_time(f[EG_SAS_SKE], &until) != EG_OK || u->at.now_ns < from ||
        u->at.now_ns >= until || from < until - EG_DELEGATION_NS_MAX) { /* in this order nothing overflows */
        return refuse(rq, "Signature not valid in the specified key time frame.");
    }
    if (f[EG_SAS_SKDUTID].len > 0 && !eg_str_ieq(f[EG_SAS_SKDUTID], rq->tenant)) {
        return refuse(rq, "Delegation to users of another tenant is not permitted on this storage account.");
    }
    return eg_str_is(f[EG_SAS_SKS], "b") ? EG_OK : refuse(rq, "The user delegation key is for another service.");
}

static eg_err delegation_signed(const eg_sas_use *u, eg_str text, bool *ret) {
    const eg_str *f = u->sas->f;
    const eg_delegation d = {f[EG_SAS_SKOID], f[EG_SAS_SKTID], f[EG_SAS_SKT], f[EG_SAS_SKE], f[EG_SAS_SKS], f[EG_SAS_SKV], f[EG_SAS_SKDUTID]};
    uint8_t key[EG_SHA256_LEN];
    uint8_t mine[EG_SHA256_LEN];
    EG_TRY(eg_delegation_key(u->store, u->account, &d, key));
    eg_hmac_sha256((eg_bytes){key, sizeof key}, eg_str_bytes(text), mine);
    *ret = eg_ct_eq(mine, u->sas->signature, sizeof mine);
    eg_cleanse(key, sizeof key);
    eg_cleanse(mine, sizeof mine);
    return EG_OK;
}

static eg_err check_signature(const eg_sas_use *u) {
    bool fits = false;
    for (unsigned form = 0; form < EG_SAS_FORMS && !fits; form++) {
        int which = 0;
        eg_buf text;
        eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
        eg_err e = eg_sas_string(u->sas, &u->at, form, &text);
        if (e == EG_OK && u->sas->kind == EG_SAS_DELEGATION) {
            e = delegation_signed(u, eg_buf_str(&text), &fits);
        } else if (e == EG_OK) {
            e = eg_account_keys_signed(u->store, u->account, eg_buf_str(&text), u->sas->signature, &which);
            fits = e == EG_OK && which > 0;
        }
        eg_buf_done(&text);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND && e != EG_ERR_AUTH_FAILED && e != EG_ERR_LIMIT) {
            return e;
        }
    }
    return fits ? EG_OK : refuse(u->rq, "Signature did not match.");
}

/* What is signed of the request beside its address. The source of another request has neither headers nor a person of its own. */
static eg_err read_signed(eg_sas_use *u) {
    const eg_str *f = u->sas->f;
    if (!u->of_source) {
        return eg_signed_headers_read(u->rq, u->sas, &u->at);
    }
    if (f[EG_SAS_SRH].len > 0 || f[EG_SAS_SRQ].len > 0 || f[EG_SAS_SDUOID].len > 0 || f[EG_SAS_SKDUTID].len > 0) {
        return refuse(u->rq, "A signature that is bound to a user, headers or parameters is not accepted for a source.");
    }
    return EG_OK;
}

eg_err eg_sas_verify(eg_sas_use *u) {
    eg_request *rq = u->rq;
    u->sas = eg_arena_alloc(rq->arena, sizeof *u->sas);
    u->bounds = eg_arena_alloc(rq->arena, sizeof *u->bounds);
    if (!u->sas || !u->bounds) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_sas_parse(rq->arena, u->query, u->sas, &rq->problem));
    EG_TRY(u->sas->kind != EG_SAS_DELEGATION ? eg_account_keys_allowed(u->store, rq->account, &rq->problem) : check_delegation(u));
    EG_TRY(read_signed(u));
    EG_TRY(check_signature(u));
    /* Only now: whoever can't sign learns nothing of policies. */
    EG_TRY(eg_access_policy_use(u->store, u->account, u->at.container, rq->arena, u->sas, &rq->problem));
    EG_TRY(eg_sas_check(u->sas, &u->at, &rq->problem));
    if (eg_sas_bounds_of(u->sas, &u->at, u->bounds) != EG_OK) {
        return refuse(rq, "The signed resource is not the one that is asked for.");
    }
    u->bounds->checked = u->sas->f[EG_SAS_SUOID];
    u->bounds->sas = u->sas;
    return EG_OK;
}

eg_err eg_sas_principal_new(eg_request *rq, eg_principal_kind kind, const uint8_t signature[EG_SIGNATURE_LEN], eg_principal **ret) {
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

/* Who delegates may do no more than now, by the groups that it had when it asked for its newest key. */
static eg_err fill_delegator(const eg_sas_use *u, eg_principal *who) {
    const eg_str *f = u->sas->f;
    int64_t from = 0;
    snprintf(who->object_id, sizeof who->object_id, "%.*s", EG_FMT(f[EG_SAS_SKOID]));
    if (f[EG_SAS_SDUOID].len > 0) {
        snprintf(who->name, sizeof who->name, "user delegation SAS for %.*s", EG_FMT(f[EG_SAS_SDUOID]));
    }
    if (eg_sas_time(f[EG_SAS_SKT], &from) == EG_OK) {
        who->issued_s = from / 1000000000;
    }
    return eg_delegator_groups(u->store, u->account, who);
}

eg_err eg_sas_principal(const eg_sas_use *u, eg_principal **ret) {
    static const char *const kinds[] = {
        [EG_SAS_NONE] = "?", [EG_SAS_ACCOUNT] = "account SAS", [EG_SAS_SERVICE] = "service SAS", [EG_SAS_DELEGATION] = "user delegation SAS"};
    const bool delegation = u->sas->kind == EG_SAS_DELEGATION;
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = NULL;
    EG_TRY(eg_sas_principal_new(u->rq, delegation ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SAS, u->sas->signature, &who));
    snprintf(who->name, sizeof who->name, "%s", kinds[u->sas->kind]);
    EG_TRY(delegation ? fill_delegator(u, who) : EG_OK);
    *ret = eg_principal_ref(who);
    return EG_OK;
}

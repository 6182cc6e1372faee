/* Keys of accounts for administrators (Azure Resource Manager's names), user delegation keys, and stored access policies. */
#include "access_policy.h"
#include "account_admin.h"
#include "delegation_key.h"
#include "delegator.h"
#include "target.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <stdio.h>

#define ACTION_GET_ACL "Microsoft.Storage/storageAccounts/blobServices/containers/getAcl/action"
#define ACTION_SET_ACL "Microsoft.Storage/storageAccounts/blobServices/containers/setAcl/action"
#define ARM "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/"
#define BODY_MAX 65536

/* The account's resource id: what stands before the operation. */
static eg_err account_scope(eg_request *rq, eg_str *ret) {
    eg_str v = rq->path;
    while (v.len > 0 && v.ptr[v.len - 1] != '/') {
        v.len--;
    }
    *ret = (eg_str){v.ptr, v.len > 0 ? v.len - 1 : 0};
    return EG_OK;
}

/* The scope that was decided upon must be this account's own id, and not another that ends in its name. */
static eg_err open_account(eg_request *rq, const eg_account **ret) {
    eg_storage *s = rq->room;
    eg_str scope;
    EG_TRY(account_scope(rq, &scope));
    for (size_t i = 0; i < s->rule_count; i++) {
        if (eg_str_ieq(scope, eg_str_of(s->rules[i].resource_id ? s->rules[i].resource_id : ""))) {
            const eg_account *a;
            EG_TRY(eg_storage_account(s, eg_str_of(s->rules[i].account), &a));
            if (eg_str_ieq(rq->tenant, eg_str_of(a->tenant))) {
                *ret = a;
                return EG_OK;
            }
        }
    }
    return eg_fail(&rq->problem, EG_ERR_ACCOUNT_NOT_FOUND, "The specified account does not exist.");
}

static eg_err respond_keys(eg_request *rq, const eg_account *a) {
    json_t *all = NULL;
    EG_TRY(eg_account_keys_json(rq->room, a, &all));
    return eg_respond_json(rq, 200, all);
}

static eg_err list_keys(eg_request *rq) {
    const eg_account *a;
    EG_TRY(open_account(rq, &a));
    return respond_keys(rq, a);
}

static eg_err renew(eg_request *rq, const eg_account *a, eg_account_secret which) {
    eg_storage *s = rq->room;
    eg_account_renewal r = {.account = a, .which = which, .now_ns = eg_wall_ns(s->clock)};
    eg_txn_op ops[2] = {{eg_account_keys_renew_apply, &r}};
    const size_t n = eg_target_record(rq, 200, &ops[1]) ? 2 : 1;
    return eg_commit(s->committer, ops, n, &rq->problem);
}

static eg_err renew_key(eg_request *rq) {
    const eg_account *a;
    json_error_t unused;
    json_t *body = json_loadb((const char *)rq->body.ptr, rq->body.len, JSON_REJECT_DUPLICATES, &unused);
    eg_account_secret which = EG_ACCOUNT_KEY_1;
    const eg_err named = eg_account_key_named(eg_json_str(body, "keyName"), &which);
    json_decref(body);
    if (named != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_BODY_FIELD, "The body must be {\"keyName\":\"key1\"} or {\"keyName\":\"key2\"}.");
    }
    EG_TRY(open_account(rq, &a));
    EG_TRY(renew(rq, a, which));
    return respond_keys(rq, a);
}

static eg_err revoke_delegations(eg_request *rq) {
    const eg_account *a;
    EG_TRY(open_account(rq, &a));
    EG_TRY(renew(rq, a, EG_ACCOUNT_DELEGATION));
    return eg_respond_empty(rq, 200);
}

static eg_str element(eg_str body, const char *open, const char *close) {
    const char *from = body.len ? memmem(body.ptr, body.len, open, strlen(open)) : NULL;
    if (!from) {
        return EG_LIT("");
    }
    from += strlen(open);
    const char *to = memmem(from, (size_t)(body.ptr + body.len - from), close, strlen(close));
    return to ? (eg_str){from, (size_t)(to - from)} : EG_LIT("");
}

/* Whole seconds, as the SDKs put it into signatures. */
static eg_str short_time(int64_t ns, char buf[EG_RFC3339_LEN]) {
    eg_time_rfc3339(ns, buf);
    buf[19] = 'Z';
    return (eg_str){buf, 20};
}

static eg_err read_times(eg_request *rq, int64_t now, int64_t *ret_start, int64_t *ret_expiry) {
    const eg_str body = eg_bytes_str(rq->body);
    const eg_str start = element(body, "<Start>", "</Start>");
    *ret_start = now;
    if ((start.len > 0 && eg_sas_time(start, ret_start) != EG_OK) || eg_sas_time(element(body, "<Expiry>", "</Expiry>"), ret_expiry) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_INVALID, "The body must be KeyInfo with the times Start and Expiry.");
    }
    if (*ret_expiry <= now || *ret_expiry <= *ret_start || *ret_expiry - now > EG_DELEGATION_NS_MAX || *ret_start < *ret_expiry - EG_DELEGATION_NS_MAX) {
        return eg_fail(&rq->problem, EG_ERR_INVALID, "The expiry time must lie behind the start time and within 7 days.");
    }
    return EG_OK;
}

/* A key is good from no later than now, and from after the last revocation of whom it is given to: so whoever is revoked loses all that they were given. */
static int64_t key_start(const eg_request *rq, int64_t asked, int64_t now) {
    const int64_t revoked = rq->principal ? rq->principal->revoked_until_s : 0;
    const int64_t from = asked > now ? now : asked;
    return from / 1000000000 <= revoked ? (revoked + 1) * 1000000000 : from;
}

/* DelegatedUserTid: of which tenant those are that signatures may be bound to. */
static eg_err read_user_tenant(eg_request *rq, eg_str *ret) {
    const eg_str v = element(eg_bytes_str(rq->body), "<DelegatedUserTid>", "</DelegatedUserTid>");
    if (v.len > 0 && !eg_str_ieq(v, rq->tenant)) {
        return eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "Delegation to users of another tenant is not permitted on this storage account.");
    }
    *ret = v;
    return EG_OK;
}

/* Its groups are known from its token alone: what it signs counts those that it has now. */
static eg_err note_delegator(eg_request *rq, const eg_target *d) {
    eg_delegator_note note = {d->account, rq->principal, eg_wall_ns(d->store->clock)};
    if (eg_delegator_noted(d->store, &note)) {
        return EG_OK;
    }
    eg_txn_op ops[2] = {{eg_delegator_note_apply, &note}};
    ops[0].grows = true;
    const size_t n = eg_target_record(rq, 200, &ops[1]) ? 2 : 1;
    return eg_commit(d->store->committer, ops, n, &rq->problem);
}

static eg_err delegation_key(eg_request *rq) {
    eg_target d;
    char start[EG_RFC3339_LEN];
    char expiry[EG_RFC3339_LEN];
    int64_t from;
    int64_t until;
    uint8_t key[EG_SHA256_LEN];
    eg_buf value;
    eg_str user_tenant = {NULL, 0};
    EG_TRY(eg_target_open_account(rq, &d));
    EG_TRY(read_times(rq, eg_wall_ns(d.store->clock), &from, &until));
    from = key_start(rq, from, eg_wall_ns(d.store->clock));
    const eg_str asked = eg_request_header(rq, "x-ms-version");
    if (!rq->principal || !rq->principal->object_id[0]) {
        return eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "A user delegation key is given to whom a token names.");
    }
    EG_TRY(read_user_tenant(rq, &user_tenant));
    const eg_str shown = user_tenant.len == 0 ? EG_LIT("") : eg_arena_printf(rq->arena, "<SignedDelegatedUserTid>%.*s</SignedDelegatedUserTid>", EG_FMT(user_tenant));
    const eg_delegation k = {eg_str_of(rq->principal->object_id), eg_str_of(rq->principal->tenant), short_time(from, start), short_time(until, expiry), EG_LIT("b"),
        asked.len == 10 ? asked : EG_LIT("2021-12-02"), user_tenant};
    EG_TRY(note_delegator(rq, &d));
    EG_TRY(eg_delegation_key(d.store, d.account, &k, key));
    eg_buf_init(&value, 128);
    eg_err e = eg_base64((eg_bytes){key, sizeof key}, &value);
    const eg_str xml = e != EG_OK ? (eg_str){NULL, 0} : eg_arena_printf(rq->arena,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>%.*s</SignedOid><SignedTid>%.*s</SignedTid><SignedStart>%.*s</SignedStart>"
        "<SignedExpiry>%.*s</SignedExpiry><SignedService>b</SignedService><SignedVersion>%.*s</SignedVersion>%.*s<Value>%.*s</Value></UserDelegationKey>",
        EG_FMT(k.oid), EG_FMT(k.tid), EG_FMT(k.start), EG_FMT(k.expiry), EG_FMT(k.version), EG_FMT(shown), EG_FMT(eg_buf_str(&value)));
    eg_cleanse(key, sizeof key);
    eg_cleanse(value.ptr, value.len);
    eg_buf_done(&value);
    return xml.ptr ? eg_respond_bytes(rq, 200, "application/xml", eg_str_bytes(xml)) : EG_ERR_NO_MEMORY;
}

static eg_err get_policies(eg_request *rq) {
    eg_target d;
    eg_inode root;
    eg_access_policies all;
    eg_buf xml;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_find(rq, &d, &root));
    EG_TRY(eg_access_policies_parse(eg_bytes_str(root.attr[EG_ATTR_ACCESS_POLICIES]), &all));
    EG_TRY(eg_target_etag(rq, &root));
    eg_buf_init(&xml, BODY_MAX);
    const eg_err e = eg_access_policies_xml(&all, &xml);
    if (e != EG_OK) {
        eg_buf_done(&xml);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/xml", &xml);
}

static eg_err set_policies(eg_request *rq) {
    eg_target d;
    eg_access_policies all;
    eg_buf text;
    eg_path_update u = {.touch = true};
    EG_TRY(eg_target_refuse_public(rq));
    EG_TRY(eg_access_policies_parse_xml(eg_bytes_str(rq->body), &all, &rq->problem));
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &u.base));
    eg_buf_init(&text, EG_ATTR_MAX);
    eg_err e = eg_access_policies_text(&all, &text);
    u.set[EG_ATTR_ACCESS_POLICIES] = true;
    u.attr[EG_ATTR_ACCESS_POLICIES] = eg_buf_bytes(&text);
    if (e == EG_OK) {
        e = eg_target_commit(rq, &d, (eg_txn_op){eg_path_update_apply, &u}, 200);
    }
    eg_buf_done(&text);
    EG_TRY(e);
    EG_TRY(eg_target_etag(rq, &u.base.after));
    return eg_respond_empty(rq, 200);
}

#define ARM_ROW(operation, action, handler, event) \
    {EG_SURFACE_ARM, "POST", ARM operation, NULL, action, account_scope, EG_RECORD_EACH, EG_ROUTE_BLOCKING, BODY_MAX, NULL, NULL, handler, event}
#define BOTH(...) {EG_SURFACE_DFS, __VA_ARGS__}, {EG_SURFACE_BLOB, __VA_ARGS__}
#define ACL_ROW(method, action, mode, handler, event) \
    BOTH(method, "/{filesystem}", "comp=acl", action, eg_target_container_scope, mode, EG_ROUTE_BLOCKING, BODY_MAX, NULL, NULL, handler, event)

static const eg_route routes[] = {
    ARM_ROW("listKeys", EG_ACTION_ACCOUNT_LIST_KEYS, list_keys, "storage.account.list_keys"),
    ARM_ROW("regenerateKey", EG_ACTION_ACCOUNT_RENEW_KEY, renew_key, "storage.account.renew_key"),
    ARM_ROW("revokeUserDelegationKeys", EG_ACTION_ACCOUNT_REVOKE_DELEGATIONS, revoke_delegations, "storage.account.revoke_delegations"),
    BOTH("POST", "/", "comp=userdelegationkey", EG_ACTION_DELEGATION_KEY, NULL, EG_RECORD_EACH, EG_ROUTE_BLOCKING, BODY_MAX, NULL, NULL, delegation_key,
        "storage.account.delegation_key"),
    ACL_ROW("PUT", ACTION_SET_ACL, EG_RECORD_EACH, set_policies, "storage.filesystem.set_policies"),
    ACL_ROW("GET", ACTION_GET_ACL, EG_RECORD_FIRST, get_policies, "storage.filesystem.get_policies"),
};

const eg_route *eg_storage_key_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

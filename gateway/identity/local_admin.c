/* Local principals of a running server: added, disabled, enabled, given a new secret or password, armed, removed; in force when the call returns. */
#include "local_admin.h"

#include "client_key.h"
#include "identity_state.h"
#include "revocation.h"

#include <embergate/compute.h>
#include <embergate/encoding.h>

#include <stdio.h>

typedef struct change {
    eg_local_principal *r;
    eg_client_key key;   /* of KEY_ADD and KEY_REMOVE */
    eg_local_act act;
    int64_t now_s;
} change;

static eg_err patch(eg_local_principal *r, eg_local_act act, eg_problem *p) {
    switch (act) {
    case EG_LOCAL_DISABLE:
        r->disabled = true;
        return EG_OK;
    case EG_LOCAL_ENABLE:
        if (r->emergency) {
            return eg_fail(p, EG_ERR_INVALID, "A break-glass administrator is armed with a new secret instead.");
        }
        r->disabled = false;
        return EG_OK;
    case EG_LOCAL_ROTATE:
        return r->emergency ? eg_fail(p, EG_ERR_INVALID, "A break-glass administrator is armed with a new secret instead.") : EG_OK;
    case EG_LOCAL_ARM:
        r->emergency = true;
        r->disabled = false;
        r->used_s = 0;
        return EG_OK;
    default:
        return EG_OK;
    }
}

/* Changes are made one at a time (run/admin.sock holds a lock), but a revocation takes a password meanwhile: it must not come back with what was read before. */
static eg_err keep_password(eg_kv_txn *t, const change *c) {
    eg_local_principal now;
    if (c->act == EG_LOCAL_PASSWORD || c->act == EG_LOCAL_PASSWORD_DROP) {
        return EG_OK;
    }
    EG_TRY(eg_local_principal_find_in(t, eg_str_of(c->r->client_id), &now));
    c->r->has_password = now.has_password;
    memcpy(c->r->password_salt, now.password_salt, sizeof now.password_salt);
    memcpy(c->r->password_hash, now.password_hash, sizeof now.password_hash);
    return EG_OK;
}

static eg_err apply_key(eg_kv_txn *t, const change *c, eg_problem *p) {
    const eg_str client = eg_str_of(c->r->client_id);
    if (c->act == EG_LOCAL_KEY_ADD) {
        return eg_client_key_put(t, client, &c->key, p);
    }
    const eg_err e = eg_client_key_delete(t, client, c->key.digest);
    return e == EG_ERR_NOT_FOUND ? eg_fail(p, e, "The principal has no such key.") : e;
}

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const change *c = ctx;
    if (c->act == EG_LOCAL_KEY_ADD || c->act == EG_LOCAL_KEY_REMOVE) {
        return apply_key(t, c, p);
    }
    if (c->act == EG_LOCAL_ADD) {
        return eg_local_principal_insert(t, c->r);
    }
    EG_TRY(keep_password(t, c));
    EG_TRY(c->act == EG_LOCAL_REMOVE ? eg_local_principal_delete(t, c->r) : eg_local_principal_replace(t, c->r));
    EG_TRY(c->act == EG_LOCAL_REMOVE ? eg_client_key_delete_all(t, eg_str_of(c->r->client_id)) : EG_OK);
    if (c->act != EG_LOCAL_DISABLE && c->act != EG_LOCAL_REMOVE && c->act != EG_LOCAL_ARM) {
        return EG_OK;
    }
    /* Disabled, armed anew or gone: nothing that was issued to it is good any more. */
    eg_revocation gone = {.kind = EG_REVOKE_PRINCIPAL, .before_s = c->now_s, .made_s = c->now_s};
    snprintf(gone.tenant, sizeof gone.tenant, "%s", c->r->tenant);
    snprintf(gone.id, sizeof gone.id, "%s", c->r->object_id);
    snprintf(gone.reason, sizeof gone.reason, "%s", c->act == EG_LOCAL_REMOVE ? "removed" : c->act == EG_LOCAL_ARM ? "armed" : "disabled");
    const eg_txn_op op = eg_revocation_put(&gone);
    return op.apply(t, op.ctx, p);
}

static eg_err find(eg_identity *i, const eg_local_ask *a, eg_local_principal *ret, eg_problem *p) {
    const bool by_id = eg_uuid_valid(a->name);
    eg_err e = by_id ? eg_local_principal_find(i->kv, a->name, ret) : eg_local_principal_named(i->kv, a->tenant, a->name, ret);
    if (e == EG_OK && !eg_str_eq(a->tenant, eg_str_of(ret->tenant))) {
        e = EG_ERR_NOT_FOUND;
    }
    if (e == EG_ERR_NOT_FOUND) {
        return eg_fail(p, e, "There is no local principal \"%.*s\".", EG_FMT(a->name));
    }
    return e == EG_ERR_EXISTS ? eg_fail(p, EG_ERR_INVALID, "Several local principals are called \"%.*s\"; name one by its client id.", EG_FMT(a->name)) : e;
}

static eg_err begin(eg_identity *i, const eg_local_ask *a, eg_local_principal *r, eg_local_act *act, eg_problem *p) {
    const eg_err e = find(i, a, r, p);
    if (e != EG_OK && (e != EG_ERR_NOT_FOUND || (*act != EG_LOCAL_ADD && *act != EG_LOCAL_ARM))) {
        return e;
    }
    if (*act == EG_LOCAL_ADD && e == EG_OK) {
        return eg_fail(p, EG_ERR_EXISTS, "There is a local principal of this name already.");
    }
    if (*act == EG_LOCAL_ARM && e == EG_OK && !r->emergency) {
        return eg_fail(p, EG_ERR_EXISTS, "This name belongs to an ordinary principal.");
    }
    if (e == EG_ERR_NOT_FOUND) {
        EG_TRY(eg_local_principal_init(r, a->tenant, a->name, a->kind, p));
        r->emergency = *act == EG_LOCAL_ARM;
        *act = EG_LOCAL_ADD;
    }
    return patch(r, *act, p);
}

static eg_err take_proof(change *c, eg_bytes proof, eg_problem *p) {
    size_t n = 0;
    switch (c->act) {
    case EG_LOCAL_PASSWORD:
        return eg_local_principal_set_password(c->r, proof, p);
    case EG_LOCAL_PASSWORD_DROP:
        eg_local_principal_drop_password(c->r);
        return EG_OK;
    case EG_LOCAL_KEY_ADD:
        return c->r->emergency ? eg_fail(p, EG_ERR_INVALID, "A break-glass administrator has no key: what is behind glass is its secret.")
                               : eg_client_key_read(eg_bytes_str(proof), &c->key, p);
    case EG_LOCAL_KEY_REMOVE:
        return eg_unhex(eg_bytes_str(proof), c->key.digest, sizeof c->key.digest, &n) == EG_OK && n == sizeof c->key.digest
                   ? EG_OK
                   : eg_fail(p, EG_ERR_INVALID, "A key is named by its SHA-256, 64 hex digits, as `list` shows it.");
    default:
        return EG_OK;
    }
}

eg_err eg_local_admin_change(eg_identity *i, const eg_local_ask *a, eg_local_principal *ret, eg_buf *ret_secret, eg_problem *p) {
    eg_local_principal r = {0};
    eg_local_act act = a->act;
    if (!eg_identity_tenant(i, a->tenant)) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "The tenant is not served here.");
    }
    EG_TRY(begin(i, a, &r, &act, p));
    if (a->act == EG_LOCAL_ADD || a->act == EG_LOCAL_ROTATE || a->act == EG_LOCAL_ARM) {
        EG_TRY(eg_local_principal_new_secret(&r, ret_secret));
    }
    change c = {.r = &r, .act = act, .now_s = eg_wall_s(i->clock)};
    EG_TRY(take_proof(&c, a->proof, p));
    const eg_txn_op ops[] = {{.apply = apply, .ctx = &c}, a->record(a->record_ctx, &r)};
    EG_TRY(eg_commit(i->committer, ops, 2, p));
    atomic_fetch_add_explicit(&i->mark, 1, memory_order_acq_rel);
    if (i->compute && (act == EG_LOCAL_DISABLE || act == EG_LOCAL_REMOVE)) {
        eg_compute_revoke_owner(i->compute, eg_str_of(r.tenant), eg_str_of(r.object_id), c.now_s);
    }
    *ret = r;
    return EG_OK;
}

typedef struct listing {
    eg_kv *kv;
    eg_str tenant;
    json_t *list;
} listing;

/* A read within the reading of all: LMDB's readers don't wait for each other. */
static void add_keys(const listing *l, const eg_local_principal *r, json_t *v) {
    json_t *keys = json_array();
    if (keys && eg_client_key_list(l->kv, eg_str_of(r->client_id), keys) == EG_OK && json_array_size(keys) > 0) {
        (void)json_object_set(v, "keys", keys);
    }
    json_decref(keys);
}

static eg_err list_one(void *ctx, const eg_local_principal *r) {
    listing *l = ctx;
    if (!eg_str_eq(l->tenant, eg_str_of(r->tenant))) {
        return EG_OK;
    }
    json_t *v = json_pack("{s:s,s:s,s:s,s:s,s:b}", "name", r->name, "clientId", r->client_id, "objectId", r->object_id, "kind", eg_principal_kind_name(r->kind), "enabled",
                          (int)!r->disabled);
    if (v) {
        add_keys(l, r, v);
    }
    if (v && r->has_password) {
        (void)json_object_set_new(v, "password", json_true());
    }
    if (v && r->emergency) {
        (void)json_object_set_new(v, "breakGlass", json_string(r->disabled ? "disarmed" : r->used_s ? "used" : "armed"));
    }
    return json_array_append_new(l->list, v) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_local_admin_list(eg_identity *i, eg_str tenant, json_t **ret) {
    EG_JSON_AUTO list = json_array();
    listing l = {i->kv, tenant, list};
    EG_TRY(list ? eg_local_principal_each(i->kv, list_one, &l) : EG_ERR_NO_MEMORY);
    *ret = list;
    list = NULL;
    return EG_OK;
}

static eg_err mark_used(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const eg_local_principal *r = ctx;
    (void)p;
    return eg_local_principal_replace(t, r);
}

eg_err eg_local_admin_use(eg_identity *i, eg_local_principal *r, eg_problem *p) {
    const int64_t now = eg_wall_s(i->clock);
    if (!r->emergency) {
        return EG_OK;
    }
    if (r->used_s != 0 && (now < r->used_s || now - r->used_s >= EG_BREAKGLASS_S)) {
        return eg_fail(p, EG_ERR_OAUTH_CLIENT, "The client is unknown in this tenant, or its secret is wrong."); /* used up: armed anew, or nothing */
    }
    if (r->used_s == 0) {
        r->used_s = now;
        const eg_txn_op op = {.apply = mark_used, .ctx = r};
        EG_TRY(eg_commit(i->committer, &op, 1, p));
    }
    return EG_OK;
}

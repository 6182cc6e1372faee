/* What an administrator does with encryption scopes and the keys of accounts. */
#include "reclaim.h"
#include "scope_policy.h"

#include <stdio.h>

typedef struct change {
    eg_storage *store;
    const eg_account *account;
    eg_scope scope;
    bool make;       /* must not be there yet; else must be */
    bool set_state;  /* scope.state is what is wanted; else scope.key and customer_managed */
    int64_t now_ns;
} change;

static eg_err apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    const change *c = ctx;
    eg_scope x;
    const eg_err e = eg_scope_get(t, c->account, eg_str_of(c->scope.name), &x);
    if (c->make && e == EG_OK) {
        return eg_fail(p, EG_ERR_EXISTS, "The account has an encryption scope \"%s\" already.", c->scope.name);
    }
    if (c->make && e == EG_ERR_SCOPE_NOT_FOUND) {
        x = c->scope;
        x.state = EG_SCOPE_ENABLED;
        x.created_ns = c->now_ns;
    } else if (e == EG_ERR_SCOPE_NOT_FOUND) {
        return eg_fail(p, e, "The account has no encryption scope \"%s\".", c->scope.name);
    } else {
        EG_TRY(e);
    }
    if (!c->make && c->set_state) {
        x.state = c->scope.state;
    } else if (!c->make) {
        memcpy(x.key, c->scope.key, sizeof x.key);
        x.customer_managed = c->scope.customer_managed;
        x.created_ns = x.created_ns ? x.created_ns : c->now_ns;
    }
    x.modified_ns = c->now_ns;
    if (x.name[0] && x.state == EG_SCOPE_ENABLED) { /* to disable one takes away alone */
        eg_compliance_found unused;
        EG_TRY(eg_scope_comply(c->store, c->account, &x, &unused, p));
    }
    return eg_scope_put(t, c->account, &x);
}

static eg_err open_account(eg_storage *s, eg_str name, change *c, eg_problem *p) {
    const eg_err e = eg_storage_account(s, name, &c->account);
    c->store = s;
    c->now_ns = eg_wall_ns(s->clock);
    return e == EG_OK ? e : eg_fail(p, e, "The storage account \"%.*s\" can't be opened: %s.", EG_FMT(name), eg_err_code(e));
}

/* A key that somebody named must be there: making one under a mistyped name would look like success. */
static eg_err find_key(eg_storage *s, const change *c, eg_str key, eg_problem *p) {
    eg_secret *probe = NULL;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    const eg_key_use use = {eg_str_of(c->account->tenant), key, EG_LIT("probe")};
    const eg_err e = s->keys->new_data_key_under(s->keys->ctx, &use, &probe, wrapped, &n);
    eg_secret_free(probe);
    return e == EG_OK ? e : eg_fail(p, e, "The tenant's key \"%.*s\" can't be used: %s.", EG_FMT(key), eg_err_code(e));
}

static eg_err commit(eg_storage *s, change *c, eg_problem *p) {
    const eg_txn_op op = {apply, c};
    return eg_commit(s->committer, &op, 1, p);
}

/* The key is made first: one that no scope names is harmless, and is there when the same is asked again. */
eg_err eg_storage_scope_add(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) {
    change c = {.make = true};
    if (!eg_scope_name_ok(scope)) {
        return eg_fail(p, EG_ERR_INVALID, "An encryption scope's name has 3 to 63 lower-case letters, digits and hyphens.");
    }
    if (key.len > EG_KEY_NAME_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "The key's name is too long.");
    }
    EG_TRY(open_account(s, account, &c, p));
    memcpy(c.scope.name, scope.ptr, scope.len);
    c.scope.customer_managed = key.len > 0;
    if (key.len > 0) {
        memcpy(c.scope.key, key.ptr, key.len);
        EG_TRY(find_key(s, &c, key, p));
        return commit(s, &c, p);
    }
    snprintf(c.scope.key, sizeof c.scope.key, "%.*s.%.*s", EG_FMT(account), EG_FMT(scope));
    const eg_err e = s->keys->make_key(s->keys->ctx, eg_str_of(c.account->tenant), eg_str_of(c.scope.key));
    if (e != EG_OK && e != EG_ERR_EXISTS) {
        return eg_fail(p, e, "The keeper made no key for the encryption scope: %s.", eg_err_code(e));
    }
    return commit(s, &c, p);
}

eg_err eg_storage_scope_enable(eg_storage *s, eg_str account, eg_str scope, bool enabled, eg_problem *p) {
    change c = {.set_state = true};
    if (!eg_scope_name_ok(scope)) {
        return eg_fail(p, EG_ERR_SCOPE_NOT_FOUND, "The account has no such encryption scope.");
    }
    EG_TRY(open_account(s, account, &c, p));
    memcpy(c.scope.name, scope.ptr, scope.len);
    c.scope.state = enabled ? EG_SCOPE_ENABLED : EG_SCOPE_DISABLED;
    return commit(s, &c, p);
}

eg_err eg_storage_scope_key(eg_storage *s, eg_str account, eg_str scope, eg_str key, eg_problem *p) {
    change c = {0};
    if ((scope.len > 0 && !eg_scope_name_ok(scope)) || key.len > EG_KEY_NAME_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "The name of the encryption scope or of the key is none.");
    }
    EG_TRY(open_account(s, account, &c, p));
    if (scope.len > 0) {
        memcpy(c.scope.name, scope.ptr, scope.len);
    }
    if (key.len > 0) {
        memcpy(c.scope.key, key.ptr, key.len);
        c.scope.customer_managed = true;
        EG_TRY(find_key(s, &c, key, p));
    } else if (scope.len > 0) {
        snprintf(c.scope.key, sizeof c.scope.key, "%.*s.%.*s", EG_FMT(account), EG_FMT(scope));
        const eg_err e = s->keys->make_key(s->keys->ctx, eg_str_of(c.account->tenant), eg_str_of(c.scope.key));
        EG_TRY(e == EG_ERR_EXISTS ? EG_OK : e);
    }
    return commit(s, &c, p);
}

typedef struct listing {
    eg_buf *out;
    size_t count;
} listing;

/* Azure's names: keySource is Microsoft.Storage or Microsoft.Keyvault. Nothing in it needs escaping. */
static eg_err add(void *ctx, const eg_scope *x) {
    listing *l = ctx;
    char created[EG_RFC3339_LEN] = "";
    if (x->created_ns) {
        eg_time_rfc3339(x->created_ns, created);
    }
    return eg_buf_addf(l->out, "%s{\"name\":\"%s\",\"state\":\"%s\",\"keySource\":\"%s\",\"key\":\"%s\",\"created\":\"%s\"}", l->count++ ? "," : "", x->name,
                       x->state == EG_SCOPE_ENABLED ? "Enabled" : "Disabled", x->customer_managed ? "Microsoft.Keyvault" : "Microsoft.Storage", x->key, created);
}

eg_err eg_storage_scope_list(eg_storage *s, eg_str account, eg_buf *ret_json, eg_problem *p) {
    change c = {0};
    listing l = {ret_json, 0};
    EG_TRY(open_account(s, account, &c, p));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    (void)eg_buf_addf(ret_json, "{\"account\":\"%s\",\"scopes\":[", c.account->name);
    EG_TRY(eg_scope_each(t, c.account, add, &l));
    return eg_buf_adds(ret_json, "]}");
}

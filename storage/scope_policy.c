/* Makes resources of encryption scopes and containers, and asks whether policies allow them. */
#include "scope_policy.h"

#include <stdio.h>

#define STORAGE "Microsoft.Storage/storageAccounts"
#define ID_MAX 1280

/* Texts of a resource that is made for one look. */
typedef struct made {
    eg_resource resource;
    eg_property properties[2];
    char id[ID_MAX];
    char full_name[EG_ACCOUNT_NAME_MAX + 80];
} made;

/* NULL: the configuration doesn't name the account, so that it lies in no subscription and no assignment covers it. */
static const char *id_of(const eg_storage *s, const eg_account *a) {
    for (size_t i = 0; i < s->rule_count; i++) {
        if (strcmp(s->rules[i].account, a->name) == 0) {
            return s->rules[i].resource_id;
        }
    }
    return NULL;
}

static void make(made *m, const char *type, eg_str name) {
    m->resource = (eg_resource){.id = eg_str_of(m->id), .type = eg_str_of(type), .name = name, .full_name = eg_str_of(m->full_name), .location = EG_LIT("embergate"),
                                .properties = m->properties, .property_count = 2};
}

static eg_err make_scope(const char *account_id, const eg_account *a, const eg_scope *x, made *ret) {
    const int n = snprintf(ret->id, sizeof ret->id, "%s/encryptionScopes/%s", account_id, x->name);
    (void)snprintf(ret->full_name, sizeof ret->full_name, "%s/%s", a->name, x->name);
    ret->properties[0] = (eg_property){STORAGE "/encryptionScopes/source", x->customer_managed ? EG_LIT("Microsoft.KeyVault") : EG_LIT("Microsoft.Storage")};
    ret->properties[1] = (eg_property){STORAGE "/encryptionScopes/state", x->state == EG_SCOPE_ENABLED ? EG_LIT("Enabled") : EG_LIT("Disabled")};
    make(ret, STORAGE "/encryptionScopes", eg_str_of(x->name));
    return n > 0 && (size_t)n < sizeof ret->id ? EG_OK : EG_ERR_INVALID;
}

static eg_err make_container(const char *account_id, const eg_account *a, const eg_container_asked *c, made *ret) {
    const int n = snprintf(ret->id, sizeof ret->id, "%s/blobServices/default/containers/%.*s", account_id, EG_FMT(c->name));
    (void)snprintf(ret->full_name, sizeof ret->full_name, "%s/default/%.*s", a->name, EG_FMT(c->name));
    ret->properties[0] = (eg_property){STORAGE "/blobServices/containers/defaultEncryptionScope", c->scope};
    ret->properties[1] = (eg_property){STORAGE "/blobServices/containers/denyEncryptionScopeOverride", c->deny ? EG_LIT("true") : EG_LIT("false")};
    make(ret, STORAGE "/blobServices/containers", c->name);
    return n > 0 && (size_t)n < sizeof ret->id ? EG_OK : EG_ERR_INVALID;
}

/* As id_of; NULL also where nothing can be found: no definition is assigned, or nobody judges. Nothing is found so far. */
static const char *judged_id(const eg_storage *s, const eg_account *a, eg_compliance_found *ret_found) {
    const eg_compliance_gate *g = &s->comply;
    *ret_found = (eg_compliance_found){""};
    return g->check && (!g->judges || g->judges(g->ctx)) ? id_of(s, a) : NULL;
}

static eg_err ask(const eg_storage *s, const made *m, eg_compliance_found *ret_found, eg_problem *p) {
    return s->comply.check(s->comply.ctx, &m->resource, ret_found, p);
}

eg_err eg_scope_comply(eg_storage *s, const eg_account *a, const eg_scope *x, eg_compliance_found *ret_found, eg_problem *p) {
    const char *id = judged_id(s, a, ret_found);
    made m;
    if (!id) {
        return EG_OK;
    }
    EG_TRY(make_scope(id, a, x, &m));
    return ask(s, &m, ret_found, p);
}

eg_err eg_scope_comply_container(eg_storage *s, const eg_account *a, const eg_container_asked *c, eg_compliance_found *ret_found, eg_problem *p) {
    const char *id = judged_id(s, a, ret_found);
    made m;
    if (!id) {
        return EG_OK;
    }
    EG_TRY(make_container(id, a, c, &m));
    if (c->scope.len == 0) {
        m.properties[0].text = (eg_str){NULL, 0};
        EG_TRY(ask(s, &m, ret_found, p));
        m.properties[0].text = EG_LIT("$account-encryption-key");
    }
    eg_compliance_found second = {""};
    const eg_err e = ask(s, &m, &second, p);
    if (e != EG_OK || !ret_found->audited_by[0]) {
        *ret_found = second;
    }
    return e;
}

typedef struct telling {
    const eg_account *account;
    const char *account_id;
    void (*each)(void *ctx, const eg_resource *r);
    void *ctx;
} telling;

static eg_err tell(void *ctx, const eg_scope *x) {
    const telling *t = ctx;
    made m;
    if (x->name[0]) {
        EG_TRY(make_scope(t->account_id, t->account, x, &m));
        t->each(t->ctx, &m.resource);
    }
    return EG_OK;
}

eg_err eg_storage_scope_resources(eg_storage *s, eg_str account, void (*each)(void *ctx, const eg_resource *r), void *ctx) {
    telling t = {.each = each, .ctx = ctx};
    EG_TRY(eg_storage_account(s, account, &t.account));
    t.account_id = id_of(s, t.account);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *txn = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &txn));
    return t.account_id ? eg_scope_each(txn, t.account, tell, &t) : EG_OK;
}

/* Local principals through run/admin.sock: each change with its record in the tenant's log, in force when it is answered. */
#include "admin_identity.h"

#include "../identity/local_admin.h"
#include "admin_protocol.h"

#include <embergate/json.h>
#include <embergate/log.h>
#include <stdio.h>

#define ARENA_MAX ((size_t)65536)

static const struct {
    const char *name;
    eg_local_act act;
    const char *event;
    bool proof;            /* of the message about passwords and keys */
} acts[] = {
    {"add", EG_LOCAL_ADD, "identity.principal.add", false},
    {"disable", EG_LOCAL_DISABLE, "identity.principal.disable", false},
    {"enable", EG_LOCAL_ENABLE, "identity.principal.enable", false},
    {"rotate", EG_LOCAL_ROTATE, "identity.principal.rotate", false},
    {"remove", EG_LOCAL_REMOVE, "identity.principal.remove", false},
    {"arm", EG_LOCAL_ARM, "identity.breakglass.arm", false},
    {"password", EG_LOCAL_PASSWORD, "identity.principal.password", true},
    {"password-drop", EG_LOCAL_PASSWORD_DROP, "identity.principal.password.drop", true},
    {"add-key", EG_LOCAL_KEY_ADD, "identity.principal.key.add", true},
    {"remove-key", EG_LOCAL_KEY_REMOVE, "identity.principal.key.remove", true},
};

typedef struct recorder {
    const eg_admin_options *o;
    eg_arena *arena;
    const char *event;
    json_t *details;
} recorder;

static eg_txn_op record(void *ctx, const eg_local_principal *who) {
    recorder *r = ctx;
    char resource[256];
    (void)snprintf(resource, sizeof resource, "/identity/%s/principals/%s", who->tenant, who->object_id);
    r->details = json_pack("{s:s,s:s,s:s,s:s}", "name", who->name, "client_id", who->client_id, "kind", eg_principal_kind_name(who->kind), "by", "whoever runs the server");
    const eg_audit_record a = {.tenant = eg_str_of(who->tenant), .event = r->event, .outcome = "allowed", .resource = eg_str_of(resource), .rule = EG_LIT("run/admin.sock"),
                               .details = r->details};
    return eg_audit_op(r->o->audit, r->arena, &a);
}

static eg_err put_text(eg_ipc_msg *reply, const char *text) { return eg_ipc_put(reply, eg_str_bytes(eg_str_of(text))); }

static eg_err take(eg_ipc_reader *in, eg_str *ret, size_t n) {
    for (size_t i = 0; i < n; i++) {
        eg_bytes b;
        EG_TRY(eg_ipc_take(in, &b));
        ret[i] = eg_bytes_str(b);
    }
    return in->rest.len == 0 ? EG_OK : EG_ERR_INVALID;
}

/* Whom a change has made or met, and the secret that it gave. */
typedef struct changed {
    eg_local_principal who;
    eg_buf secret;
} changed;

static void changed_done(changed *c) {
    eg_cleanse(c->secret.ptr, c->secret.len);
    eg_buf_done(&c->secret);
}

static eg_err change(const eg_admin_options *o, eg_ipc_reader *in, bool proof, changed *ret, eg_problem *p) {
    eg_str f[4]; /* tenant, what to do, name, kind or proof */
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(ARENA_MAX);
    eg_buf_init(&ret->secret, 256);
    EG_TRY(take(in, f, 4));
    recorder r = {.o = o, .arena = arena};
    eg_local_ask a = {.tenant = f[0], .name = f[2], .kind = !proof && eg_str_is(f[3], "user") ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SERVICE,
                      .proof = proof ? eg_str_bytes(f[3]) : (eg_bytes){NULL, 0}, .record = record, .record_ctx = &r};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (acts[i].proof == proof && eg_str_is(f[1], acts[i].name)) {
            a.act = acts[i].act;
            r.event = acts[i].event;
        }
    }
    if (a.act == EG_LOCAL_NONE || !arena) {
        return eg_fail(p, EG_ERR_INVALID, "that can't be done to a principal");
    }
    const eg_err e = eg_local_admin_change(o->identity, &a, &ret->who, &ret->secret, p);
    json_decref(r.details);
    EG_TRY(e);
    eg_audit_poke(o->audit);
    eg_log(EG_LOG_WARN, r.event, "tenant", ret->who.tenant, "name", ret->who.name, "client_id", ret->who.client_id, NULL);
    return EG_OK;
}

eg_err eg_admin_principal(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    EG_CLEANUP(changed_done) changed c = {.secret = {0}};
    EG_TRY(change(o, in, false, &c, p));
    EG_TRY(put_text(reply, c.who.client_id));
    EG_TRY(put_text(reply, c.who.object_id));
    EG_TRY(put_text(reply, c.who.name));
    return eg_ipc_put(reply, eg_buf_bytes(&c.secret));
}

eg_err eg_admin_principal_proof(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    EG_CLEANUP(changed_done) changed c = {.secret = {0}};
    EG_TRY(change(o, in, true, &c, p));
    return put_text(reply, c.who.client_id);
}

eg_err eg_admin_principal_list(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_str tenant;
    json_t *list = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take(in, &tenant, 1));
    EG_TRY(eg_local_admin_list(o->identity, tenant, &list));
    eg_err e = eg_json_write(list, &text);
    json_decref(list);
    return e == EG_OK ? eg_ipc_put(reply, eg_buf_bytes(&text)) : e;
}

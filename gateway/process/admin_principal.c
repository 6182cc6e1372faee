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
} acts[] = {
    {"add", EG_LOCAL_ADD, "identity.principal.add"},          {"disable", EG_LOCAL_DISABLE, "identity.principal.disable"},
    {"enable", EG_LOCAL_ENABLE, "identity.principal.enable"}, {"rotate", EG_LOCAL_ROTATE, "identity.principal.rotate"},
    {"remove", EG_LOCAL_REMOVE, "identity.principal.remove"}, {"arm", EG_LOCAL_ARM, "identity.breakglass.arm"},
};

typedef struct recorder {
    const eg_admin_options *o;
    eg_arena *arena;
    const char *event;
    json_t *details;
} recorder;

static eg_txn_op record(void *ctx, const eg_local_principal *who)
{
    recorder *r = ctx;
    char resource[256];
    (void)snprintf(resource, sizeof resource, "/identity/%s/principals/%s", who->tenant, who->object_id);
    r->details = json_pack("{s:s,s:s,s:s,s:s}", "name", who->name, "client_id", who->client_id, "kind", eg_principal_kind_name(who->kind), "by", "whoever runs the server");
    const eg_audit_record a = {.tenant = eg_str_of(who->tenant), .event = r->event, .outcome = "allowed", .resource = eg_str_of(resource), .rule = EG_LIT("run/admin.sock"),
                               .details = r->details};
    return eg_audit_op(r->o->audit, r->arena, &a);
}

static eg_err put_text(eg_ipc_msg *reply, const char *text) { return eg_ipc_put(reply, eg_str_bytes(eg_str_of(text))); }

static eg_err take(eg_ipc_reader *in, eg_str *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        eg_bytes b;
        EG_TRY(eg_ipc_take(in, &b));
        ret[i] = eg_bytes_str(b);
    }
    return in->rest.len == 0 ? EG_OK : EG_ERR_INVALID;
}

eg_err eg_admin_principal(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p)
{
    eg_str f[4]; /* tenant, what to do, name, kind */
    eg_local_principal done;
    EG_CLEANUP(eg_buf_done) eg_buf secret;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(ARENA_MAX);
    eg_buf_init(&secret, 256);
    EG_TRY(take(in, f, 4));
    recorder r = {.o = o, .arena = arena};
    eg_local_ask a = {.tenant = f[0], .name = f[2], .kind = eg_str_is(f[3], "user") ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SERVICE, .record = record, .record_ctx = &r};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (eg_str_is(f[1], acts[i].name)) {
            a.act = acts[i].act;
            r.event = acts[i].event;
        }
    }
    if (a.act == EG_LOCAL_NONE || !arena) {
        return eg_fail(p, EG_ERR_INVALID, "that can't be done to a principal");
    }
    eg_err e = eg_local_admin_change(o->identity, &a, &done, &secret, p);
    json_decref(r.details);
    if (e == EG_OK) {
        eg_audit_poke(o->audit);
        eg_log(EG_LOG_WARN, r.event, "tenant", done.tenant, "name", done.name, "client_id", done.client_id, NULL);
        e = put_text(reply, done.client_id);
        e = e == EG_OK ? put_text(reply, done.object_id) : e;
        e = e == EG_OK ? put_text(reply, done.name) : e;
        e = e == EG_OK ? eg_ipc_put(reply, eg_buf_bytes(&secret)) : e;
    }
    eg_cleanse(secret.ptr, secret.len);
    return e;
}

static const struct {
    const char *name;
    eg_local_act act;
    const char *event;
} proofs[] = {
    {"password", EG_LOCAL_PASSWORD, "identity.principal.password"},
    {"password-drop", EG_LOCAL_PASSWORD_DROP, "identity.principal.password.drop"},
    {"add-key", EG_LOCAL_KEY_ADD, "identity.principal.key.add"},
    {"remove-key", EG_LOCAL_KEY_REMOVE, "identity.principal.key.remove"},
};

eg_err eg_admin_principal_proof(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p)
{
    eg_str f[4]; /* tenant, what to do, name, proof */
    eg_local_principal done;
    EG_CLEANUP(eg_buf_done) eg_buf unused;
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(ARENA_MAX);
    eg_buf_init(&unused, 256);
    EG_TRY(take(in, f, 4));
    recorder r = {.o = o, .arena = arena};
    eg_local_ask a = {.tenant = f[0], .name = f[2], .proof = eg_str_bytes(f[3]), .record = record, .record_ctx = &r};
    for (size_t i = 0; i < sizeof proofs / sizeof proofs[0]; i++) {
        if (eg_str_is(f[1], proofs[i].name)) {
            a.act = proofs[i].act;
            r.event = proofs[i].event;
        }
    }
    if (a.act == EG_LOCAL_NONE || !arena) {
        return eg_fail(p, EG_ERR_INVALID, "that can't be done to a principal");
    }
    eg_err e = eg_local_admin_change(o->identity, &a, &done, &unused, p);
    json_decref(r.details);
    EG_TRY(e);
    eg_audit_poke(o->audit);
    eg_log(EG_LOG_WARN, r.event, "tenant", done.tenant, "name", done.name, "client_id", done.client_id, NULL);
    return put_text(reply, done.client_id);
}

eg_err eg_admin_principal_list(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p)
{
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

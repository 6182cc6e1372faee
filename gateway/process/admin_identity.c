/* Revocations through run/admin.sock: whoever runs the server may do them when nobody can sign in any more. */
#include "admin_identity.h"

#include "admin_protocol.h"

#include <embergate/json.h>
#include <embergate/log.h>
#include <stdio.h>

#define ARENA_MAX ((size_t)65536)

static eg_err take(eg_ipc_reader *in, eg_str *ret, size_t n) {
    for (size_t i = 0; i < n; i++) {
        eg_bytes b;
        EG_TRY(eg_ipc_take(in, &b));
        ret[i] = eg_bytes_str(b);
    }
    return in->rest.len == 0 ? EG_OK : EG_ERR_INVALID;
}

static eg_err reply_json(eg_ipc_msg *reply, const json_t *v) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(v ? eg_json_write(v, &text) : EG_ERR_NO_MEMORY);
    return eg_ipc_put(reply, eg_buf_bytes(&text));
}

/* The change and its record in the tenant's log are one commit. */
static eg_err change(const eg_admin_options *o, const char *event, eg_revocation *r, eg_problem *p) {
    char resource[256];
    EG_CLEANUP(eg_arena_free_p) eg_arena *arena = eg_arena_new(ARENA_MAX);
    EG_JSON_AUTO details = json_pack("{s:s,s:s,s:s,s:s}", "kind", eg_revocation_kind_name(r->kind), "id", r->id, "reason", r->reason, "by", "whoever runs the server");
    if (!arena || !details) {
        return EG_ERR_NO_MEMORY;
    }
    (void)snprintf(resource, sizeof resource, "/identity/%s/revocations/%s/%s", r->tenant, eg_revocation_kind_name(r->kind), r->id);
    const eg_audit_record record = {.tenant = eg_str_of(r->tenant), .event = event, .outcome = "allowed", .resource = eg_str_of(resource),
                                    .job = eg_str_of(r->kind == EG_REVOKE_JOB ? r->id : ""), .rule = EG_LIT("run/admin.sock"), .details = details};
    const eg_txn_op op = eg_audit_op(o->audit, arena, &record);
    const bool undo = strcmp(event, "identity.revoke.undo") == 0;
    EG_TRY(undo ? eg_identity_revoke_undo(o->identity, r, op, p) : eg_identity_revoke(o->identity, r, op, p));
    eg_audit_poke(o->audit);
    eg_log(EG_LOG_WARN, event, "tenant", r->tenant, "kind", eg_revocation_kind_name(r->kind), "id", r->id, NULL);
    return EG_OK;
}

static eg_err revoke(const eg_admin_options *o, const char *event, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_str f[2]; /* tenant, what */
    EG_JSON_AUTO asked = NULL;
    eg_revocation r = {0};
    EG_TRY(take(in, f, 2));
    EG_TRY(eg_json_parse(f[1], f[1].len, &asked, p));
    EG_TRY(eg_identity_revocation_read(o->identity, f[0], asked, &r, p));
    EG_TRY(change(o, event, &r, p));
    EG_JSON_AUTO said = json_pack("{s:s,s:s,s:s}", "kind", eg_revocation_kind_name(r.kind), "id", r.id, "tenant", r.tenant);
    return reply_json(reply, said);
}

eg_err eg_admin_revoke(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) { return revoke(o, "identity.revoke", in, reply, p); }

eg_err eg_admin_revoke_undo(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_str f[2]; /* tenant, what */
    EG_JSON_AUTO asked = NULL;
    eg_revocation r = {0};
    EG_TRY(take(in, f, 2));
    EG_TRY(eg_json_parse(f[1], f[1].len, &asked, p));
    r.kind = eg_revocation_kind_named(eg_json_str(asked, "kind"));
    if (r.kind == EG_REVOKE_JOB || r.kind == EG_REVOKE_TOKEN) {
        (void)snprintf(r.tenant, sizeof r.tenant, "%.*s", EG_FMT(f[0])); /* it may be over by now: its row is named as it stands */
        (void)snprintf(r.id, sizeof r.id, "%s", json_string_value(json_object_get(asked, "id")) ? json_string_value(json_object_get(asked, "id")) : "");
    } else {
        EG_TRY(eg_identity_revocation_read(o->identity, f[0], asked, &r, p));
    }
    EG_TRY(change(o, "identity.revoke.undo", &r, p));
    EG_JSON_AUTO said = json_pack("{s:s,s:s,s:s}", "kind", eg_revocation_kind_name(r.kind), "id", r.id, "tenant", r.tenant);
    return reply_json(reply, said);
}

eg_err eg_admin_revoke_list(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_str tenant;
    EG_JSON_AUTO list = NULL;
    EG_TRY(take(in, &tenant, 1));
    EG_TRY(eg_identity_revocations(o->identity, tenant, &list));
    return reply_json(reply, list);
}

/* Takes back what was issued: to a principal until now or until a moment to come, one token, one job. */
#include "client_key.h"
#include "identity_state.h"
#include "local_principal.h"
#include "revocation.h"

#include <embergate/compute.h>
#include <embergate/log.h>
#include <embergate/metrics.h>

#include <stdio.h>

uint64_t eg_identity_revocation_mark(const eg_identity *i) {
    return atomic_load_explicit(&i->mark, memory_order_acquire);
}

eg_err eg_identity_check_job(const eg_identity *i, const eg_principal *who, eg_problem *p) {
    if (who->kind == EG_PRINCIPAL_JOB && (!i->compute || !eg_compute_job_running(i->compute, eg_str_of(who->job)))) {
        return eg_fail(p, EG_ERR_JOB_ENDED, "The job that this token was issued to does not run any more.");
    }
    return EG_OK;
}

/* An account's key stands for nobody who could be revoked: it is renewed instead. */
static bool is_nobody(const eg_principal *who) {
    return who->object_id[0] == '\0';
}

/* Whoever proved itself by a key of its own is let in for as long as that key is registered. */
static eg_err check_key(eg_kv_txn *t, const eg_principal *who) {
    const eg_err e = who->by_key ? eg_client_key_there(t, eg_str_of(who->app_id), who->key) : EG_OK;
    return e == EG_ERR_NOT_FOUND ? EG_ERR_TOKEN_REVOKED : e;
}

eg_err eg_identity_check_in(eg_kv_txn *t, const eg_principal *who, eg_problem *p) {
    eg_err e = is_nobody(who) ? EG_OK : eg_revocation_check(t, who, NULL);
    e = e == EG_OK ? check_key(t, who) : e;
    return e == EG_ERR_TOKEN_REVOKED ? eg_fail(p, e, "The token was revoked.") : e;
}

eg_err eg_identity_check(eg_identity *i, const eg_principal *who, eg_problem *p) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    if (is_nobody(who)) {
        return EG_OK;
    }
    EG_TRY(eg_kv_read_begin(i->kv, &t));
    EG_TRY(eg_identity_check_in(t, who, p));
    return eg_identity_check_job(i, who, p);
}

/* ---- what is asked for ---- */

static eg_err set_id(eg_revocation *r, eg_str id, eg_problem *p) {
    if (id.len == 0 || id.len >= sizeof r->id || !eg_utf8_valid(id)) {
        return eg_fail(p, EG_ERR_INVALID, "An id of 1 to %zu bytes is owed.", sizeof r->id - 1);
    }
    memcpy(r->id, id.ptr, id.len);
    r->id[id.len] = '\0';
    return EG_OK;
}

static eg_err read_principal(eg_identity *i, const json_t *asked, eg_revocation *r, eg_problem *p) {
    eg_local_principal local;
    const eg_str id = eg_json_str(asked, "id");
    if (!eg_uuid_valid(id)) {
        return eg_fail(p, EG_ERR_INVALID, "A principal is named by its object id, a GUID; a local one also by its name.");
    }
    EG_TRY(set_id(r, id, p));
    for (char *at = r->id; *at; at++) {
        *at = *at >= 'A' && *at <= 'F' ? (char)(*at - 'A' + 'a') : *at;
    }
    /* A client id is what people have at hand. */
    if (eg_local_principal_find(i->kv, eg_str_of(r->id), &local) == EG_OK && strcmp(local.tenant, r->tenant) == 0) {
        snprintf(r->id, sizeof r->id, "%s", local.object_id);
    }
    return EG_OK;
}

static eg_err read_user(eg_identity *i, const json_t *asked, eg_revocation *r, eg_problem *p) {
    eg_local_principal local;
    const eg_str name = eg_json_str(asked, "name");
    const eg_err e = eg_local_principal_named(i->kv, eg_str_of(r->tenant), name, &local);
    if (e == EG_ERR_NOT_FOUND || e == EG_ERR_EXISTS) {
        return eg_fail(p, e == EG_ERR_EXISTS ? EG_ERR_INVALID : e, "%s local principal has the name \"%.*s\"; name it by its object id.",
                       e == EG_ERR_EXISTS ? "More than one" : "No", EG_FMT(name));
    }
    EG_TRY(e);
    snprintf(r->id, sizeof r->id, "%s", local.object_id);
    return EG_OK;
}

static eg_err read_token(eg_identity *i, const json_t *asked, eg_revocation *r, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = NULL;
    const eg_str token = eg_json_str(asked, "token");
    if (token.len == 0) {
        return set_id(r, eg_json_str(asked, "id"), p);
    }
    EG_TRY(eg_identity_read_token(i, token, &who, p));
    if (strcmp(who->tenant, r->tenant) != 0) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "The token is not of this tenant.");
    }
    return set_id(r, eg_str_of(who->token_id), p);
}

static eg_err read_job(eg_identity *i, const json_t *asked, eg_revocation *r, eg_problem *p) {
    EG_TRY(set_id(r, eg_json_str(asked, "id"), p));
    if (!i->compute || !eg_compute_job_of(i->compute, eg_str_of(r->tenant), eg_str_of(r->id))) {
        return eg_fail(p, EG_ERR_BATCH_NOT_FOUND, "There is no such job that has not ended; it is named {cluster}/{number}.");
    }
    return EG_OK;
}

static const struct {
    const char *name;
    eg_revocation_kind kind;
    eg_err (*read)(eg_identity *i, const json_t *asked, eg_revocation *r, eg_problem *p);
} readers[] = {
    {"principal", EG_REVOKE_PRINCIPAL, read_principal},
    {"user", EG_REVOKE_PRINCIPAL, read_user},
    {"token", EG_REVOKE_TOKEN, read_token},
    {"job", EG_REVOKE_JOB, read_job},
};

#define AHEAD_MAX_S ((int64_t)366 * 24 * 3600)

static eg_err read_until(const json_t *asked, eg_revocation *r, eg_problem *p) {
    const eg_str until = eg_json_str(asked, "until");
    int64_t ns = 0;
    if (until.len == 0) {
        return EG_OK;
    }
    if (eg_time_parse_rfc3339(until, &ns) != EG_OK || ns / 1000000000 < r->made_s || ns / 1000000000 - r->made_s > AHEAD_MAX_S ||
        r->kind != EG_REVOKE_PRINCIPAL) {
        return eg_fail(p, EG_ERR_INVALID, "\"until\" is a time like 2027-01-31T12:00:00Z within the next year, and belongs to a principal.");
    }
    r->before_s = ns / 1000000000;
    return EG_OK;
}

eg_err eg_identity_revocation_read(eg_identity *i, eg_str tenant, const json_t *asked, eg_revocation *ret, eg_problem *p) {
    const eg_str kind = eg_json_str(asked, "kind");
    const eg_str reason = eg_json_str(asked, "reason");
    const char *ours = eg_identity_tenant(i, tenant);
    eg_revocation r = {.made_s = eg_wall_s(i->clock)};
    r.before_s = r.made_s;
    if (!ours) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "The tenant is not served here.");
    }
    snprintf(r.tenant, sizeof r.tenant, "%s", ours);
    if (reason.len >= sizeof r.reason) {
        return eg_fail(p, EG_ERR_INVALID, "A reason has at most %zu bytes.", sizeof r.reason - 1);
    }
    snprintf(r.reason, sizeof r.reason, "%.*s", EG_FMT(reason));
    for (size_t n = 0; n < sizeof readers / sizeof readers[0]; n++) {
        if (eg_str_is(kind, readers[n].name)) {
            r.kind = readers[n].kind;
            EG_TRY(readers[n].read(i, asked, &r, p));
            EG_TRY(read_until(asked, &r, p));
            *ret = r;
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_INVALID, "What can be revoked is a principal, a user, a token or a job.");
}

/* ---- in force ---- */

static void end_jobs(eg_identity *i, const eg_revocation *r) {
    if (i->compute && r->kind == EG_REVOKE_PRINCIPAL) {
        eg_compute_revoke_owner(i->compute, eg_str_of(r->tenant), eg_str_of(r->id), r->made_s);
    } else if (i->compute && r->kind == EG_REVOKE_JOB) {
        eg_compute_revoke_job(i->compute, eg_str_of(r->id));
    }
}

static eg_err commit(eg_identity *i, eg_txn_op change, eg_txn_op record, eg_problem *p) {
    const eg_txn_op ops[] = {change, record};
    EG_TRY(eg_commit(i->committer, ops, record.apply ? 2 : 1, p));
    atomic_fetch_add_explicit(&i->mark, 1, memory_order_acq_rel);
    return EG_OK;
}

/* A principal's password is sent with each request: what it was given until now ends only if the password does. */
static eg_err put_revocation(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_revocation *r = ctx;
    const eg_txn_op op = eg_revocation_put(r);
    EG_TRY(op.apply(t, op.ctx, p));
    return r->kind == EG_REVOKE_PRINCIPAL ? eg_local_principal_forget_password(t, r->tenant, r->id) : EG_OK;
}

eg_err eg_identity_revoke(eg_identity *i, eg_revocation *r, eg_txn_op record, eg_problem *p) {
    EG_TRY(commit(i, (eg_txn_op){.apply = put_revocation, .ctx = r}, record, p));
    end_jobs(i, r);
    eg_metric_add(EG_METRIC_REVOCATIONS, 1);
    return EG_OK;
}

eg_err eg_identity_revoke_undo(eg_identity *i, eg_revocation *r, eg_txn_op record, eg_problem *p) {
    return commit(i, eg_revocation_remove(r), record, p);
}

static eg_err again(void *ctx, const eg_revocation *r) {
    end_jobs(ctx, r);
    return EG_OK;
}

eg_err eg_identity_revoke_again(eg_identity *i) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(i->kv, &t));
    return i->compute ? eg_revocation_each(t, again, i) : EG_OK;
}

typedef struct listing {
    eg_str tenant;
    json_t *list;
} listing;

static json_t *time_text(int64_t s) {
    char text[EG_RFC3339_LEN];
    if (s <= 0 || s > INT64_MAX / 1000000000) {
        return json_null();
    }
    eg_time_rfc3339(s * 1000000000, text);
    return json_string(text);
}

static eg_err list_one(void *ctx, const eg_revocation *r) {
    listing *l = ctx;
    if (!eg_str_eq(l->tenant, eg_str_of(r->tenant))) {
        return EG_OK;
    }
    json_t *v = json_pack("{s:s,s:s,s:o,s:o,s:o,s:s,s:s}", "kind", eg_revocation_kind_name(r->kind), "id", r->id, "issuedUntil", time_text(r->before_s), "made",
                          time_text(r->made_s), "expires", time_text(r->expires_s), "by", r->by, "reason", r->reason);
    return json_array_append_new(l->list, v) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_identity_revocations(eg_identity *i, eg_str tenant, json_t **ret) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_JSON_AUTO list = json_array();
    listing l = {tenant, list};
    EG_TRY(list ? eg_kv_read_begin(i->kv, &t) : EG_ERR_NO_MEMORY);
    EG_TRY(eg_revocation_each(t, list_one, &l));
    *ret = list;
    list = NULL;
    return EG_OK;
}

/* The permission table of run/admin.sock. Whatever changes something is an audit record of the server's log. */
#include "admin_server.h"

#include "../policy/policy_open.h"
#include "admin_identity.h"
#include "admin_protocol.h"
#include "erasure.h"

#include <embergate/log.h>
#include <embergate/metrics.h>
#include <embergate/secret.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLD_NS ((int64_t)20 * 1000000000)
#define POLICY_LOOK_MS 20000 /* below what the command waits for an answer */

struct eg_admin {
    eg_admin_options o;
    pthread_t thread;
    atomic_int stop;
    pthread_mutex_t lock;      /* one change at a time, and the two below */
    bool held;                 /* a backup holds the audit log */
    int64_t held_until_ns;
    _Atomic int64_t backup_ns; /* when the last backup ended, by the clock that never jumps; before the first: when the server started */
    bool overdue;              /* it was said that none came; the ticking thread's own */
};

static eg_err take(eg_ipc_reader *in, eg_str *ret) {
    eg_bytes b;
    EG_TRY(eg_ipc_take(in, &b));
    *ret = eg_bytes_str(b);
    return EG_OK;
}

static eg_err take_all(eg_ipc_reader *in, eg_str *ret, size_t n) {
    for (size_t i = 0; i < n; i++) {
        EG_TRY(take(in, &ret[i]));
    }
    return in->rest.len == 0 ? EG_OK : EG_ERR_INVALID;
}

static eg_err answer(eg_ipc_msg *reply, eg_buf *text) { return text->err != EG_OK ? text->err : eg_ipc_put(reply, eg_buf_bytes(text)); }

/* The record of a change that was made, or of one that failed. */
static eg_err record(const eg_admin *a, const char *event, eg_str resource, eg_err outcome) {
    const eg_audit_record r = {.event = event, .outcome = eg_err_outcome(outcome), .resource = resource, .error = outcome};
    const eg_err e = eg_audit_append_wait(a->o.audit, &r);
    return outcome != EG_OK ? outcome : e;
}

static eg_err on_KEY_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_admin *a = ctx;
    eg_str tenant;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, &tenant, 1));
    EG_TRY(a->o.keys->list_keys(a->o.keys->ctx, tenant, &text));
    return answer(reply, &text);
}

static eg_err on_KEY_MAKE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[2]; /* tenant, key */
    EG_TRY(take_all(in, f, 2));
    if (memchr(f[1].ptr, '.', f[1].len)) {
        return eg_fail(p, EG_ERR_INVALID, "a key's name has letters, digits and hyphens; those with a dot are of encryption scopes");
    }
    const eg_err e = record(a, "key.make", f[0], a->o.keys->make_key(a->o.keys->ctx, f[0], f[1]));
    return e != EG_OK ? eg_fail(p, e, "the key could not be made: %s", eg_err_code(e)) : eg_ipc_put(reply, eg_str_bytes(f[1]));
}

static eg_err on_KEY_ROTATE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[2]; /* tenant, key */
    uint32_t version = 0;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 32);
    EG_TRY(take_all(in, f, 2));
    pthread_mutex_lock(&a->lock);
    const eg_err e = eg_storage_rotate(a->o.storage, f[0], f[1], &version, p);
    pthread_mutex_unlock(&a->lock);
    EG_TRY(record(a, "key.rotate", f[0], e));
    (void)eg_buf_addf(&text, "%u", (unsigned)version);
    return answer(reply, &text);
}

/* In how many seconds the new key signs; or "end", and nothing that was signed before is good any more. */
static eg_err on_SIGNING_ROTATE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str when;
    uint64_t delay_s = 0;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, &when, 1));
    const bool end_old = eg_str_is(when, "end");
    if (!end_old && eg_str_u64(when, 7 * 24 * 3600, &delay_s) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "the new key signs in 0 to 604800 seconds");
    }
    EG_TRY(record(a, end_old ? "key.signing.end" : "key.signing.rotate", EG_LIT("token-signing"), eg_identity_rotate_key(a->o.identity, (uint32_t)delay_s, end_old, &text, p)));
    return answer(reply, &text);
}

static eg_err on_SIGNING_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, NULL, 0));
    EG_TRY(eg_identity_token_keys(a->o.identity, &text, p));
    return answer(reply, &text);
}

static eg_err on_KEY_STATUS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_admin *a = ctx;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, NULL, 0));
    EG_TRY(eg_storage_rotation_status(a->o.storage, &text));
    return answer(reply, &text);
}

static eg_err on_KEY_ERASE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[3]; /* tenant, reason, escrows */
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, f, 3));
    if (f[1].len == 0) {
        return eg_fail(p, EG_ERR_INVALID, "a reason is owed: it stands in the certificate and in the log");
    }
    const eg_erasure e = {f[0], f[1], f[2]};
    pthread_mutex_lock(&a->lock);
    const eg_err done = eg_erasure_run(&a->o, &e, &text, p);
    pthread_mutex_unlock(&a->lock);
    EG_TRY(done);
    return answer(reply, &text);
}

static eg_err on_SCOPE_ADD(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[3]; /* account, scope, key */
    EG_TRY(take_all(in, f, 3));
    EG_TRY(record(a, "storage.scope.add", f[0], eg_storage_scope_add(a->o.storage, f[0], f[1], f[2], p)));
    return eg_ipc_put(reply, eg_str_bytes(f[1]));
}

static eg_err on_SCOPE_ENABLE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[3]; /* account, scope, "true" or "false" */
    EG_TRY(take_all(in, f, 3));
    const bool on = eg_str_is(f[2], "true");
    EG_TRY(record(a, on ? "storage.scope.enable" : "storage.scope.disable", f[0], eg_storage_scope_enable(a->o.storage, f[0], f[1], on, p)));
    return eg_ipc_put(reply, eg_str_bytes(f[1]));
}

static eg_err on_SCOPE_KEY(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[3]; /* account, scope, key */
    EG_TRY(take_all(in, f, 3));
    EG_TRY(record(a, "storage.scope.key", f[0], eg_storage_scope_key(a->o.storage, f[0], f[1], f[2], p)));
    return eg_ipc_put(reply, eg_str_bytes(f[1]));
}

static eg_err on_SCOPE_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str account;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, &account, 1));
    EG_TRY(eg_storage_scope_list(a->o.storage, account, &text, p));
    return answer(reply, &text);
}

static eg_err on_ACCOUNT_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str account;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, &account, 1));
    EG_TRY(eg_storage_account_list(a->o.storage, account, &text, p));
    return answer(reply, &text);
}

/* Recorded before anybody sees them. */
static eg_err on_ACCOUNT_KEYS(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str account;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(take_all(in, &account, 1));
    eg_err e = eg_storage_account_keys(a->o.storage, account, &text, p);
    e = record(a, "storage.account.list_keys", account, e);
    e = e == EG_OK ? answer(reply, &text) : e;
    eg_cleanse(text.ptr, text.len);
    return e;
}

static eg_err on_ACCOUNT_RENEW(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[2]; /* account, "key1", "key2" or "delegations" */
    EG_TRY(take_all(in, f, 2));
    const char *event = eg_str_is(f[1], "delegations") ? "storage.account.revoke_delegations" : "storage.account.renew_key";
    EG_TRY(record(a, event, f[0], eg_storage_account_key_renew(a->o.storage, f[0], f[1], p)));
    return eg_ipc_put(reply, eg_str_bytes(f[1]));
}

static void let_go(eg_admin *a) {
    pthread_mutex_lock(&a->lock);
    if (a->held) {
        eg_audit_release(a->o.audit);
        a->held = false;
    }
    pthread_mutex_unlock(&a->lock);
}

/* Replies with a data key for the secrets in the backup, and the same wrapped under the server's own key, whose copy is in the escrow. The log is held from here on. */
static eg_err on_BACKUP_BEGIN(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str purpose;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    size_t n = 0;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(take_all(in, &purpose, 1));
    if (!eg_str_starts(purpose, "backup:")) {
        return eg_fail(p, EG_ERR_INVALID, "that is no purpose of a backup");
    }
    const eg_err made = a->o.keys->new_data_key(a->o.keys->ctx, EG_LIT(EG_AUDIT_SERVER_TENANT), purpose, &key, wrapped, &n);
    if (made != EG_OK) {
        return eg_fail(p, made, "the keeper made no key for the backup: %s", eg_err_code(made));
    }
    EG_TRY(eg_ipc_put(reply, eg_secret_bytes(key)));
    EG_TRY(eg_ipc_put(reply, (eg_bytes){wrapped, n}));
    pthread_mutex_lock(&a->lock);
    const eg_err e = a->held ? EG_ERR_BUSY : eg_audit_hold(a->o.audit);
    if (e == EG_OK) {
        a->held = true;
        a->held_until_ns = eg_mono_ns(&eg_clock_system) + HOLD_NS;
    }
    pthread_mutex_unlock(&a->lock);
    return e == EG_OK ? e : eg_fail(p, e, "another backup is taking its snapshot");
}

static eg_err on_BACKUP_RESUME(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    EG_TRY(take_all(in, NULL, 0));
    pthread_mutex_lock(&a->lock);
    const bool was = a->held;
    pthread_mutex_unlock(&a->lock);
    let_go(a);
    return was ? eg_ipc_put(reply, eg_str_bytes(EG_LIT("resumed"))) : eg_fail(p, EG_ERR_TIMEOUT, "the snapshot took longer than the log may be held");
}

static eg_err on_BACKUP_SIGN(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str body;
    uint8_t sig[64], pub[32];
    EG_TRY(take_all(in, &body, 1));
    if (!eg_str_starts(body, EG_STATEMENT_BACKUP "\n")) {
        return eg_fail(p, EG_ERR_INVALID, "that is no manifest of a backup");
    }
    EG_TRY(a->o.keys->sign_statement(a->o.keys->ctx, eg_str_of(a->o.origin), body, sig));
    EG_TRY(a->o.keys->log_public_key(a->o.keys->ctx, eg_str_of(a->o.origin), pub));
    EG_TRY(eg_ipc_put(reply, (eg_bytes){sig, sizeof sig}));
    EG_TRY(eg_ipc_put(reply, (eg_bytes){pub, sizeof pub}));
    return eg_ipc_put(reply, eg_str_bytes(eg_str_of(a->o.origin)));
}

static eg_err on_BACKUP_END(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    (void)p;
    eg_admin *a = ctx;
    eg_str point;
    EG_TRY(take_all(in, &point, 1));
    EG_TRY(record(a, "backup", point, EG_OK));
    eg_metric_set(EG_METRIC_BACKUP_LAST, eg_wall_ns(&eg_clock_system) / 1000000000);
    atomic_store(&a->backup_ns, eg_mono_ns(&eg_clock_system));
    return eg_ipc_put(reply, eg_str_bytes(point));
}

static eg_err on_REVOKE(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) { return eg_admin_revoke(&((eg_admin *)ctx)->o, in, reply, p); }
static eg_err on_REVOKE_UNDO(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) { return eg_admin_revoke_undo(&((eg_admin *)ctx)->o, in, reply, p); }
static eg_err on_REVOKE_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) { return eg_admin_revoke_list(&((eg_admin *)ctx)->o, in, reply, p); }

static eg_err on_PRINCIPAL(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    pthread_mutex_lock(&a->lock);
    const eg_err e = eg_admin_principal(&a->o, in, reply, p);
    pthread_mutex_unlock(&a->lock);
    return e;
}

static eg_err on_PRINCIPAL_PROOF(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    pthread_mutex_lock(&a->lock);
    const eg_err e = eg_admin_principal_proof(&a->o, in, reply, p);
    pthread_mutex_unlock(&a->lock);
    return e;
}

/* A role of a principal that the operator adds: its record is the version's. */
static eg_err on_POLICY_GRANT(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    eg_admin *a = ctx;
    eg_str f[4]; /* role, principal, its type, scope */
    char texts[4][1100];
    EG_TRY(take_all(in, f, 4));
    for (size_t i = 0; i < 4; i++) {
        if (snprintf(texts[i], sizeof texts[i], "%.*s", EG_FMT(f[i])) >= (int)sizeof texts[i]) {
            return eg_fail(p, EG_ERR_INVALID, "a role, a principal or a scope is too long");
        }
    }
    const eg_policy_grant g = {.role = texts[0], .principal = texts[1], .principal_type = texts[2], .scope = texts[3]};
    EG_TRY(eg_policy_store_grant(a->o.policies, &g, "operator", p));
    return eg_ipc_put(reply, eg_str_bytes(f[1]));
}

/* What a command wrote into the policy directory is in force when it is answered. */
static eg_err on_POLICY_LOOK(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) {
    EG_TRY(take_all(in, NULL, 0));
    EG_TRY(eg_policy_watch_look(((eg_admin *)ctx)->o.watch, POLICY_LOOK_MS, p));
    return eg_ipc_put(reply, eg_str_bytes(EG_LIT("")));
}

static eg_err on_PRINCIPAL_LIST(void *ctx, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) { return eg_admin_principal_list(&((eg_admin *)ctx)->o, in, reply, p); }

/* Whatever is not a row here is refused by eg_ipc_serve. */
static const eg_ipc_handler handlers[] = {
#define X(id, number, name, max) {number, name, max, on_##id},
    EG_ADMIN_MSG_LIST(X)
#undef X
};

static void *run(void *arg) {
    eg_admin *a = arg;
    const eg_ipc_server_options server = {.listen_fd = a->o.listen_fd, .allowed_uid = a->o.allowed_uid, .handlers = handlers,
                                          .handler_count = sizeof handlers / sizeof handlers[0], .ctx = a, .max_connections = 8};
    const eg_err e = eg_ipc_serve(&server, &a->stop);
    if (e != EG_OK) {
        eg_log(EG_LOG_ERROR, "admin.failed", "error", eg_err_code(e), NULL);
    }
    return NULL;
}

eg_err eg_admin_start(const eg_admin_options *o, eg_admin **ret, eg_problem *p) {
    eg_admin *a = calloc(1, sizeof *a);
    if (!a) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    a->o = *o;
    atomic_init(&a->backup_ns, eg_mono_ns(&eg_clock_system));
    pthread_mutex_init(&a->lock, NULL);
    if (pthread_create(&a->thread, NULL, run, a) != 0) {
        pthread_mutex_destroy(&a->lock);
        free(a);
        return eg_fail(p, EG_ERR_NO_MEMORY, "the thread for administrators can't be started");
    }
    *ret = a;
    return EG_OK;
}

void eg_admin_stop(eg_admin *a) {
    if (!a) {
        return;
    }
    a->stop = 1;
    pthread_join(a->thread, NULL);
    let_go(a);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* Said once each time that none came in time. */
static void watch_backups(eg_admin *a) {
    const int64_t age = eg_mono_ns(&eg_clock_system) - atomic_load(&a->backup_ns);
    const bool late = a->o.backup_max_age_s > 0 && age > (int64_t)a->o.backup_max_age_s * 1000000000;
    if (late != a->overdue) {
        char seconds[24];
        (void)snprintf(seconds, sizeof seconds, "%lld", (long long)(age / 1000000000));
        eg_log(late ? EG_LOG_ERROR : EG_LOG_INFO, late ? "backup.overdue" : "backup.in_time", "seconds", seconds, NULL);
        eg_metric_set(EG_METRIC_BACKUP_OVERDUE, late);
        a->overdue = late;
    }
}

void eg_admin_tick(eg_admin *a) {
    watch_backups(a);
    pthread_mutex_lock(&a->lock);
    const bool late = a->held && eg_mono_ns(&eg_clock_system) >= a->held_until_ns;
    pthread_mutex_unlock(&a->lock);
    if (late) {
        eg_log(EG_LOG_WARN, "backup.hold_ended", NULL);
        let_go(a);
    }
}

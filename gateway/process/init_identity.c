/* Makes a local principal with its profile file and its role assignments: in the store of a stopped server, or through a running one. */
#include "init.h"

#include "../policy/policy_open.h"
#include "admin_protocol.h"
#include "offline_store.h"
#include "state_dir.h"

#include <embergate/durable_file.h>
#include <embergate/identity.h>
#include <embergate/json.h>
#include <embergate/policy.h>
#include <embergate/secret.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const eg_config_account *account_of(const eg_config *c, const char *tenant) {
    for (size_t i = 0; i < c->account_count; i++) {
        if (strcmp(c->accounts[i].tenant, tenant) == 0) {
            return &c->accounts[i];
        }
    }
    return c->account_count > 0 ? &c->accounts[0] : NULL; /* the profile of a stranger still names what it could ask for */
}

static eg_err write_profile(const eg_config *c, const eg_new_principal *n, const char *client_id, const char *object_id, const eg_buf *secret,
                            eg_problem *p) {
    char path[EG_STATE_PATH_MAX], ca[EG_STATE_PATH_MAX], rest[160];
    (void)snprintf(rest, sizeof rest, "profiles/%s.json", n->name);
    EG_TRY(eg_state_path(n->state_dir, rest, path, p));
    EG_TRY(eg_state_path(n->state_dir, "tls/ca.pem", ca, p));
    const eg_config_account *account = account_of(c, n->tenant);
    EG_JSON_AUTO v = json_pack("{s:s, s:s, s:s, s:s, s:s%, s:s, s:s, s:s, s:s, s:s, s:s}", "endpoint", c->public_url, "tenant", n->tenant, "client_id",
                               client_id, "object_id", object_id, "client_secret", secret->ptr, secret->len, "ca", ca, "cluster",
                               c->cluster_count > 0 ? c->clusters[0].name : "", "account", account ? account->name : "", "container", "data",
                               "subscription", n->subscription, "state_dir", n->state_dir);
    if (v && n->public_key && json_object_del(v, "client_secret") != 0) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    char *text = v ? json_dumps(v, JSON_INDENT(2)) : NULL;
    if (!text) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    eg_err e = eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), p);
    eg_cleanse(text, strlen(text));
    free(text);
    return e;
}

static eg_err grant_in_server(const char *state_dir, const eg_policy_grant *g, eg_problem *p) {
    const eg_admin_call call = {state_dir, EG_ADMIN_MSG_POLICY_GRANT, {eg_str_of(g->role), eg_str_of(g->principal), eg_str_of(g->principal_type), eg_str_of(g->scope)}, 4, 0};
    return eg_admin_ask(&call, NULL, p);
}

/* A running server reads the directory five times a second: waits until it has read what was written. */
static eg_err look_in_server(const char *state_dir, eg_problem *p) {
    const eg_admin_call call = {.state_dir = state_dir, .type = EG_ADMIN_MSG_POLICY_LOOK};
    const eg_err e = eg_admin_ask(&call, NULL, p);
    return e == EG_OK ? e : eg_fail_hint(p, "the role assignments are written, and in force as soon as the server takes the directory: embergate policy check");
}

eg_err eg_init_grant(const eg_config *c, const eg_new_principal *n, const char *object_id, eg_problem *p) {
    char scope[128], policies[EG_STATE_PATH_MAX];
    (void)snprintf(scope, sizeof scope, "/subscriptions/%s", n->subscription);
    EG_TRY(eg_state_path(n->state_dir, "policies", policies, p));
    const bool files = strcmp(c->policies_source, "files") == 0;
    EG_CLEANUP(eg_policy_offline_done) eg_policy_offline store = {0};
    const eg_err opened = files || !n->roles[0] ? EG_OK : eg_policy_offline_open(c, &store, p);
    EG_TRY(opened == EG_ERR_LOCKED ? EG_OK : opened);
    for (size_t i = 0; i < EG_INIT_LIST_MAX && n->roles[i]; i++) {
        eg_policy_grant g = {.role = n->roles[i], .principal = object_id, .principal_type = n->kind && strcmp(n->kind, "user") == 0 ? "User" : "ServicePrincipal", .scope = n->scope ? n->scope : scope};
        EG_TRY(files                       ? eg_policy_grant_write(*c->policies_dir ? c->policies_dir : policies, &g, p)
               : opened == EG_ERR_LOCKED ? grant_in_server(n->state_dir, &g, p)
                                           : eg_policy_store_grant(store.store, &g, "operator", p));
    }
    return files && n->roles[0] && eg_state_holder(n->state_dir) > 0 ? look_in_server(n->state_dir, p) : EG_OK;
}

#define PUBLIC_KEY_MAX 65536

static eg_err add_key(eg_committer *c, const char *file, const char *client_id, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf pem;
    eg_buf_init(&pem, PUBLIC_KEY_MAX);
    EG_TRY(eg_file_read(AT_FDCWD, file, PUBLIC_KEY_MAX, &pem, p));
    return eg_identity_add_key(c, eg_str_of(client_id), eg_buf_str(&pem), p);
}

/* The same in a running server: its reply is client id, object id, name, secret. */
eg_err eg_principal_ask(const char *state_dir, const char *tenant, const eg_principal_call *ask, eg_principal_reply *ret, eg_problem *p) {
    eg_ipc_msg m;
    eg_bytes f[4];
    const eg_admin_call call = {state_dir, EG_ADMIN_MSG_PRINCIPAL, {eg_str_of(tenant), eg_str_of(ask->act), eg_str_of(ask->name), eg_str_of(ask->kind ? ask->kind : "service")}, 4, 0};
    EG_TRY(eg_admin_ask_message(&call, &m, p));
    eg_ipc_reader in = eg_ipc_read(&m);
    eg_err e = EG_OK;
    for (size_t i = 0; i < 4 && e == EG_OK; i++) {
        e = eg_ipc_take(&in, &f[i]);
    }
    if (e == EG_OK && f[0].len < sizeof ret->client_id && f[1].len < sizeof ret->object_id && f[2].len < sizeof ret->name) {
        (void)snprintf(ret->client_id, sizeof ret->client_id, "%.*s", (int)f[0].len, (const char *)f[0].ptr);
        (void)snprintf(ret->object_id, sizeof ret->object_id, "%.*s", (int)f[1].len, (const char *)f[1].ptr);
        (void)snprintf(ret->name, sizeof ret->name, "%.*s", (int)f[2].len, (const char *)f[2].ptr);
        e = eg_buf_add(&ret->secret, f[3].ptr, f[3].len);
    }
    eg_ipc_msg_done(&m);
    return e == EG_OK ? e : eg_fail(p, e, "the server's answer can't be read");
}

eg_err eg_init_rewrite_profile(const eg_config *c, const eg_new_principal *n, const eg_principal_reply *r, eg_problem *p) {
    return write_profile(c, n, r->client_id, r->object_id, &r->secret, p);
}

static eg_err add_running(const eg_config *c, const eg_new_principal *n, eg_problem *p) {
    eg_principal_reply r = {0};
    eg_buf_init(&r.secret, 256);
    eg_err e = eg_principal_ask(n->state_dir, n->tenant, &(eg_principal_call){"add", n->name, n->kind}, &r, p);
    e = e == EG_OK ? write_profile(c, n, r.client_id, r.object_id, &r.secret, p) : e;
    e = e == EG_OK ? eg_init_grant(c, n, r.object_id, p) : e;
    eg_cleanse(r.secret.ptr, r.secret.len);
    eg_buf_done(&r.secret);
    return e;
}

eg_err eg_init_principal(const eg_config *c, const eg_new_principal *n, eg_problem *p) {
    if (!*n->name || strspn(n->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(n->name) || strlen(n->name) > 64) {
        return eg_fail(p, EG_ERR_INVALID, "a principal's name has 1 to 64 letters, digits, '-' and '_'");
    }
    if (eg_state_holder(n->state_dir) > 0 && n->public_key) {
        (void)eg_fail(p, EG_ERR_INVALID, "a principal with a public key is added while the server is stopped");
        return eg_fail_hint(p, "embergate stop --keep-jobs --state %s", n->state_dir);
    }
    if (eg_state_holder(n->state_dir) > 0) {
        return add_running(c, n, p);
    }
    char client_id[EG_UUID_LEN], object_id[EG_UUID_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf secret;
    eg_buf_init(&secret, 256);
    {
        EG_CLEANUP(eg_offline_store_done) eg_offline_store s = {0};
        EG_TRY(eg_offline_store_open(n->state_dir, 0, &s, p));
        EG_TRY(eg_identity_add_local(s.kv, s.committer, eg_str_of(n->tenant), eg_str_of(n->name), n->kind && strcmp(n->kind, "user") == 0 ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SERVICE, client_id, object_id, &secret, p));
        EG_TRY(n->public_key ? add_key(s.committer, n->public_key, client_id, p) : EG_OK);
    }
    eg_err e = write_profile(c, n, client_id, object_id, &secret, p);
    eg_cleanse(secret.ptr, secret.len);
    EG_TRY(e);
    return eg_init_grant(c, n, object_id, p);
}

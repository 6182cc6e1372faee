/* Makes a local principal with its profile file and its role assignments, while no gateway serves the state directory. */
#include "init.h"

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

typedef struct open_store {
    eg_kv *kv;
    eg_committer *committer;
} open_store;

static void open_store_done(open_store *s)
{
    if (s->committer) {
        eg_committer_stop(s->committer);
    }
    if (s->kv) {
        eg_kv_close(s->kv);
    }
}

static const eg_config_account *account_of(const eg_config *c, const char *tenant)
{
    for (size_t i = 0; i < c->account_count; i++) {
        if (strcmp(c->accounts[i].tenant, tenant) == 0) {
            return &c->accounts[i];
        }
    }
    return c->account_count > 0 ? &c->accounts[0] : NULL; /* the profile of a stranger still names what it could ask for */
}

static eg_err write_profile(const eg_config *c, const eg_new_principal *n, const char *client_id, const char *object_id, const eg_buf *secret,
                            eg_problem *p)
{
    char path[EG_STATE_PATH_MAX], ca[EG_STATE_PATH_MAX], rest[160];
    (void)snprintf(rest, sizeof rest, "profiles/%s.json", n->name);
    EG_TRY(eg_state_path(n->state_dir, rest, path, p));
    EG_TRY(eg_state_path(n->state_dir, "tls/ca.pem", ca, p));
    const eg_config_account *account = account_of(c, n->tenant);
    EG_JSON_AUTO v = json_pack("{s:s, s:s, s:s, s:s, s:s%, s:s, s:s, s:s, s:s, s:s, s:s}", "endpoint", c->public_url, "tenant", n->tenant, "client_id",
                               client_id, "object_id", object_id, "client_secret", secret->ptr, secret->len, "ca", ca, "cluster",
                               c->cluster_count > 0 ? c->clusters[0].name : "", "account", account ? account->name : "", "container", "data",
                               "subscription", n->subscription, "state_dir", n->state_dir);
    char *text = v ? json_dumps(v, JSON_INDENT(2)) : NULL;
    if (!text) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    eg_err e = eg_file_replace(AT_FDCWD, path, 0600, eg_str_bytes(eg_str_of(text)), p);
    eg_cleanse(text, strlen(text));
    free(text);
    return e;
}

static eg_err grant_roles(const eg_config *c, const eg_new_principal *n, const char *object_id, eg_problem *p)
{
    char scope[128], policies[EG_STATE_PATH_MAX];
    (void)snprintf(scope, sizeof scope, "/subscriptions/%s", n->subscription);
    EG_TRY(eg_state_path(n->state_dir, "policies", policies, p));
    for (size_t i = 0; i < EG_INIT_LIST_MAX && n->roles[i]; i++) {
        eg_policy_grant g = {.role = n->roles[i], .principal = object_id, .principal_type = "ServicePrincipal", .scope = n->scope ? n->scope : scope};
        EG_TRY(eg_policy_grant_write(*c->policies_dir ? c->policies_dir : policies, &g, p));
    }
    return EG_OK;
}

eg_err eg_init_principal(const eg_config *c, const eg_new_principal *n, eg_problem *p)
{
    if (!*n->name || strspn(n->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(n->name) || strlen(n->name) > 64) {
        return eg_fail(p, EG_ERR_INVALID, "a principal's name has 1 to 64 letters, digits, '-' and '_'");
    }
    char db[EG_STATE_PATH_MAX], client_id[EG_UUID_LEN], object_id[EG_UUID_LEN];
    EG_TRY(eg_state_path(n->state_dir, "gateway/db", db, p));
    EG_CLEANUP(eg_buf_done) eg_buf secret;
    eg_buf_init(&secret, 256);
    {
        EG_CLEANUP(open_store_done) open_store s = {0};
        eg_kv_options ko = {.dir = db};
        eg_err e = eg_kv_open(&ko, &s.kv, p);
        if (e == EG_ERR_LOCKED && p) {
            return eg_fail_hint(p, "principals are added while the server is stopped: embergate stop --keep-jobs --state %s", n->state_dir);
        }
        EG_TRY(e);
        EG_TRY(eg_committer_start(s.kv, &s.committer));
        EG_TRY(eg_identity_add_local(s.kv, s.committer, eg_str_of(n->tenant), eg_str_of(n->name), EG_PRINCIPAL_SERVICE, client_id, object_id, &secret, p));
    }
    eg_err e = write_profile(c, n, client_id, object_id, &secret, p);
    eg_cleanse(secret.ptr, secret.len);
    EG_TRY(e);
    return grant_roles(c, n, object_id, p);
}

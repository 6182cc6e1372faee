/* Writes the claims of the gateway's own tokens and has the keeper sign them. */
#include "token_issue.h"

#include "revocation.h"

#include <embergate/metrics.h>

#include <stdio.h>

#define DEFAULT_SCOPE "/.default"
#define CLAIMS_MAX ((size_t)12288)

/* Which name an audience has in a token; where several names mean the gateway, the one that was asked for stays. */
static eg_str canonical(const eg_identity *i, eg_str resource, eg_audience *ret) {
    if (eg_str_ieq(resource, EG_LIT("https://embergate")) || eg_str_ieq(resource, EG_LIT("https://embergate/"))) {
        *ret = EG_AUDIENCE_GATEWAY;
        return eg_str_of(i->public_url);
    }
    *ret = eg_claims_audience(resource, i->public_url);
    return resource;
}

/* The scope without the words of OpenID that MSAL adds to it (RFC 6749 section 3.3: one space between words); empty when more than one is left. */
static eg_str one_scope(eg_str scope) {
    static const char *const openid[] = {"openid", "offline_access", "profile"};
    eg_str found = {NULL, 0};
    while (scope.ptr) {
        const eg_str word = eg_str_cut(&scope, ' ');
        bool extra = false;
        for (size_t i = 0; i < sizeof openid / sizeof openid[0]; i++) {
            extra = extra || eg_str_is(word, openid[i]);
        }
        if (!extra && found.ptr) {
            return EG_LIT("");
        }
        found = extra ? found : word;
    }
    return found;
}

eg_err eg_token_audience(const eg_identity *i, eg_str scope, eg_str resource, bool job, eg_str *ret_aud, eg_problem *p) {
    if (scope.len > 0) {
        scope = one_scope(scope);
        if (!eg_str_ends(scope, DEFAULT_SCOPE)) {
            return eg_fail(p, EG_ERR_OAUTH_SCOPE, "The scope must be one resource followed by /.default.");
        }
        resource = (eg_str){scope.ptr, scope.len - (sizeof DEFAULT_SCOPE - 1)};
    }
    eg_audience kind = EG_AUDIENCE_NONE;
    eg_str aud = canonical(i, resource, &kind);
    if (kind == EG_AUDIENCE_NONE) {
        return eg_fail(p, EG_ERR_OAUTH_SCOPE, "The resource asked for is not served here: it is https://storage.azure.com, https://management.azure.com or %s.",
                       i->public_url);
    }
    if (job && kind != EG_AUDIENCE_STORAGE) {
        return eg_fail(p, EG_ERR_OAUTH_SCOPE, "A job gets tokens for storage alone.");
    }
    *ret_aud = aud;
    return EG_OK;
}

static json_t *group_list(const eg_job_identity *job) {
    json_t *list = json_array();
    for (size_t n = 0; list && n < job->group_count && n < EG_PRINCIPAL_GROUPS_MAX; n++) {
        if (json_array_append_new(list, json_string(job->groups[n])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int set_text(json_t *claims, const char *name, const char *value) {
    return json_object_set_new(claims, name, json_string(value));
}

/* In the shape of Entra's version 2.0. */
static json_t *make_claims(const eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, const char *id, int64_t issued_s) {
    char issuer[EG_PUBLIC_URL_MAX + 64];
    int64_t now = eg_wall_s(i->clock);
    const char *object = who->job ? who->job->object_id : who->client->object_id;
    const char *name = who->job ? who->job->name : who->client->name;
    eg_principal_kind kind = who->job ? who->job->submitter_kind : who->client->kind;
    snprintf(issuer, sizeof issuer, "%s/%s/v2.0", i->public_url, tenant);
    json_t *c = json_pack("{s:s,s:s%,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "iss", issuer, "aud", aud.ptr, aud.len, "iat", (json_int_t)issued_s, "nbf",
                          (json_int_t)now, "exp", (json_int_t)(now + EG_TOKEN_LIFE_S), "tid", tenant, "oid", object, "sub", object, "idtyp",
                          kind == EG_PRINCIPAL_USER ? "user" : "app", "jti", id, "uti", id, "ver", "2.0");
    int failed = !c;
    if (c && name[0] != '\0') {
        failed |= set_text(c, "name", name);
    }
    if (c && who->client) {
        failed |= set_text(c, "azp", who->client->client_id) | set_text(c, "appid", who->client->client_id);
    }
    if (c && who->client && who->client->emergency) {
        failed |= json_object_set_new(c, "eg_breakglass", json_true());
    }
    if (c && who->job) {
        failed |= set_text(c, "eg_job", who->job->job) | set_text(c, "eg_cluster", who->job->cluster);
        failed |= json_object_set_new(c, "groups", group_list(who->job));
    }
    if (failed) {
        json_decref(c);
        return NULL;
    }
    return c;
}

/* Revocations know seconds: who signs in again within the same one gets a token of the next. Who is revoked until a time to come gets none. */
static eg_err time_of_issue(const eg_identity *i, const char *tenant, const char *object_id, int64_t *ret) {
    const int64_t now = eg_wall_s(i->clock);
    int64_t floor = 0;
    EG_TRY(eg_revocation_floor(i->kv, tenant, object_id, &floor));
    if (floor > now + 1) {
        return EG_ERR_OAUTH_CLIENT;
    }
    *ret = floor >= now ? floor + 1 : now;
    return EG_OK;
}

eg_err eg_token_issue(eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, char ret_id[EG_UUID_LEN], eg_buf *ret) {
    char id[EG_UUID_LEN];
    int64_t issued_s = 0;
    eg_uuid_new(id);
    EG_TRY(time_of_issue(i, tenant, who->job ? who->job->object_id : who->client->object_id, &issued_s));
    EG_JSON_AUTO claims = make_claims(i, tenant, who, aud, id, issued_s);
    if (!claims) {
        return EG_ERR_NO_MEMORY;
    }
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, CLAIMS_MAX);
    EG_TRY(eg_json_write(claims, &text));
    EG_TRY(i->keys->sign_token(i->keys->ctx, eg_buf_str(&text), ret));
    eg_metric_add(EG_METRIC_TOKENS_ISSUED, 1);
    memcpy(ret_id, id, sizeof id);
    return EG_OK;
}

/* Writes the claims of the gateway's own tokens and has the keeper sign them. */
#include "token_issue.h"

#include "act_claim.h"
#include "revocation.h"

#include <embergate/encoding.h>
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

/* "api://{client id}": a client of the tenant that others' tokens are for, so that it can exchange them. */
static bool is_client(const eg_identity *i, const char *tenant, eg_str resource) {
    const eg_str scheme = EG_LIT("api://");
    eg_local_principal client;
    return eg_str_starts(resource, "api://") &&
           eg_local_principal_find(i->kv, (eg_str){resource.ptr + scheme.len, resource.len - scheme.len}, &client) == EG_OK && !client.disabled && !client.emergency &&
           strcmp(client.tenant, tenant) == 0;
}

static eg_err read_scope(const eg_token_target *t, eg_str *ret, eg_problem *p) {
    static const char *const ends[] = {DEFAULT_SCOPE, "/user_impersonation"};
    const eg_str scope = one_scope(t->scope);
    if (t->delegated && !scope.ptr) {
        return EG_OK; /* OpenID's words alone: resource or audience say the rest */
    }
    for (size_t n = 0; n < (t->delegated ? 2u : 1u); n++) {
        if (eg_str_ends(scope, ends[n])) {
            *ret = (eg_str){scope.ptr, scope.len - strlen(ends[n])};
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_OAUTH_SCOPE, "The scope must be one resource followed by /.default.");
}

/* RFC 8693 section 2.1: audience, resource and scope may all stand there; then they must mean the same. */
static eg_err read_target(const eg_identity *i, const eg_token_target *t, eg_str *ret, eg_problem *p) {
    const eg_str named[] = {t->resource, t->audience};
    eg_audience unused;
    eg_str resource = {NULL, 0};
    if (t->scope.len > 0) {
        EG_TRY(read_scope(t, &resource, p));
    }
    for (size_t n = 0; n < 2; n++) {
        if (named[n].len > 0 && resource.ptr && t->delegated && !eg_str_eq(canonical(i, resource, &unused), canonical(i, named[n], &unused))) {
            return eg_fail(p, EG_ERR_OAUTH_TARGET, "Audience, resource and scope name different targets.");
        }
        resource = resource.ptr || named[n].len == 0 ? resource : named[n];
    }
    *ret = resource;
    return EG_OK;
}

eg_err eg_token_audience(const eg_identity *i, const eg_token_target *t, eg_str *ret_aud, eg_problem *p) {
    eg_audience kind = EG_AUDIENCE_NONE;
    eg_str resource = {NULL, 0};
    EG_TRY(read_target(i, t, &resource, p));
    eg_str aud = canonical(i, resource, &kind);
    if (kind == EG_AUDIENCE_NONE && !t->job && is_client(i, t->tenant, resource)) {
        kind = EG_AUDIENCE_CLIENT;
    }
    if (kind == EG_AUDIENCE_NONE) {
        return eg_fail(p, t->delegated && t->scope.len == 0 ? EG_ERR_OAUTH_TARGET : EG_ERR_OAUTH_SCOPE,
                       "The resource asked for is not served here: it is https://storage.azure.com, https://management.azure.com or %s.", i->public_url);
    }
    if (t->job && kind != EG_AUDIENCE_STORAGE) {
        return eg_fail(p, EG_ERR_OAUTH_SCOPE, "A job gets tokens for storage alone.");
    }
    *ret_aud = aud;
    return EG_OK;
}

static json_t *group_list(const char (*groups)[EG_UUID_LEN], size_t count) {
    json_t *list = json_array();
    for (size_t n = 0; list && n < count && n < EG_PRINCIPAL_GROUPS_MAX; n++) {
        if (json_array_append_new(list, json_string(groups[n])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int set_text(json_t *claims, const char *name, const char *value) {
    return json_object_set_new(claims, name, json_string(value));
}

/* Whom the token is about, whoever it is. */
typedef struct about {
    const char *object_id, *name;
    eg_principal_kind kind;
    int64_t issued_s, expires_s;
} about;

static about who_it_is(const eg_token_subject *who, int64_t issued_s, int64_t now_s) {
    const int64_t until = now_s + EG_TOKEN_LIFE_S;
    if (who->on_behalf_of) {
        const eg_principal *s = who->on_behalf_of;
        return (about){s->object_id, s->name, s->kind, issued_s, s->expires_s < until ? s->expires_s : until};
    }
    return who->job ? (about){who->job->object_id, who->job->name, who->job->submitter_kind, issued_s, until}
                    : (about){who->client->object_id, who->client->name, who->client->kind, issued_s, until};
}

/* Somebody's groups as their own token had them: those that are not known, or more than a token carries, stay unknown, which is never "none". */
static int add_groups(json_t *c, bool unknown, const char (*groups)[EG_UUID_LEN], size_t count) {
    return unknown || count > EG_PRINCIPAL_GROUPS_MAX ? json_object_set_new(c, "hasgroups", json_true()) : json_object_set_new(c, "groups", group_list(groups, count));
}

static int add_job(json_t *c, const eg_job_identity *job) {
    return set_text(c, "eg_job", job->job) | set_text(c, "eg_cluster", job->cluster) | add_groups(c, job->groups_unknown, (const char (*)[EG_UUID_LEN])job->groups, job->group_count);
}

static int add_on_behalf(json_t *c, const eg_token_subject *who) {
    const eg_principal *s = who->on_behalf_of;
    int failed = add_groups(c, s->groups_unknown, (const char (*)[EG_UUID_LEN])s->groups, s->group_count);
    failed |= json_object_set_new(c, "act", eg_act_claim_make(who->acting)) | set_text(c, "scp", "user_impersonation");
    return failed | json_object_set_new(c, EG_ACT_SUBJECT_IAT, json_integer(s->issued_s));
}

static int set_digest(json_t *claims, const char *name, const uint8_t digest[EG_SHA256_LEN]) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 64);
    return eg_base64url((eg_bytes){digest, EG_SHA256_LEN}, &text) == EG_OK ? set_text(claims, name, text.ptr) : -1;
}

/* By what the client proved itself, and what its token is bound to. */
static int set_proof(json_t *claims, const eg_token_subject *who) {
    int failed = who->client->by_key ? set_digest(claims, "eg_key", who->client->key) : 0;
    if (who->thumbprint) {
        json_t *cnf = json_object();
        failed |= cnf ? set_digest(cnf, "x5t#S256", who->thumbprint) : -1;
        failed |= json_object_set_new(claims, "cnf", cnf);
    }
    return failed;
}

/* In the shape of Entra's version 2.0. */
static json_t *make_claims(const eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, const about *a, const char *id) {
    char issuer[EG_PUBLIC_URL_MAX + 64];
    snprintf(issuer, sizeof issuer, "%s/%s/v2.0", i->public_url, tenant);
    json_t *c = json_pack("{s:s,s:s%,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "iss", issuer, "aud", aud.ptr, aud.len, "iat", (json_int_t)a->issued_s, "nbf",
                          (json_int_t)eg_wall_s(i->clock), "exp", (json_int_t)a->expires_s, "tid", tenant, "oid", a->object_id, "sub", a->object_id, "idtyp",
                          a->kind == EG_PRINCIPAL_USER ? "user" : "app", "jti", id, "uti", id, "ver", "2.0");
    int failed = !c;
    if (c && a->name[0] != '\0') {
        failed |= set_text(c, "name", a->name);
    }
    if (c && who->client) {
        failed |= set_text(c, "azp", who->client->client_id) | set_text(c, "appid", who->client->client_id);
    }
    if (c && who->client) {
        failed |= set_proof(c, who);
    }
    if (c && who->client && who->client->emergency) {
        failed |= json_object_set_new(c, "eg_breakglass", json_true());
    }
    failed |= c && who->job ? add_job(c, who->job) : 0;
    failed |= c && who->on_behalf_of ? add_on_behalf(c, who) : 0;
    if (failed) {
        json_decref(c);
        return NULL;
    }
    return c;
}

/* Revocations know seconds: who signs in again within the same one gets a token of the next. Who is revoked until a time to come gets none. */
static eg_err time_of_issue(const eg_identity *i, const char *tenant, const eg_token_subject *who, int64_t now, int64_t *ret) {
    int64_t floor = 0;
    if (who->on_behalf_of) {
        *ret = now; /* what counts is when the subject's own token was issued (claims.c) */
        return EG_OK;
    }
    EG_TRY(eg_revocation_floor(i->kv, tenant, who->job ? who->job->object_id : who->client->object_id, &floor));
    if (floor > now + 1) {
        return EG_ERR_OAUTH_CLIENT;
    }
    *ret = floor >= now ? floor + 1 : now;
    return EG_OK;
}

eg_err eg_token_issue(eg_identity *i, const char *tenant, const eg_token_subject *who, eg_str aud, eg_issued_token *ret_issued, eg_buf *ret) {
    eg_issued_token t;
    const int64_t now = eg_wall_s(i->clock);
    int64_t issued_s = 0;
    eg_uuid_new(t.id);
    EG_TRY(time_of_issue(i, tenant, who, now, &issued_s));
    const about a = who_it_is(who, issued_s, now);
    EG_JSON_AUTO claims = make_claims(i, tenant, who, aud, &a, t.id);
    if (!claims) {
        return EG_ERR_NO_MEMORY;
    }
    t.life_s = a.expires_s - now;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, CLAIMS_MAX);
    EG_TRY(eg_json_write(claims, &text));
    EG_TRY(i->keys->sign_token(i->keys->ctx, eg_buf_str(&text), ret));
    eg_metric_add(EG_METRIC_TOKENS_ISSUED, 1);
    eg_metric_add(EG_METRIC_TOKENS_EXCHANGED, who->on_behalf_of ? 1 : 0);
    *ret_issued = t;
    return EG_OK;
}

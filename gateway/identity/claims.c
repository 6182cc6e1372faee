/* The table of claim checks: each row reads one claim, refuses it or adds to the principal. */
#include "act_claim.h"
#include "claim_check.h"

#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

#define TEMPLATE "{tenantid}"

bool eg_claims_issuer_fits(const char *issuer, eg_str iss) {
    const char *hole = strstr(issuer, TEMPLATE);
    if (!hole) {
        return eg_str_is(iss, issuer);
    }
    size_t before = (size_t)(hole - issuer);
    const char *after = hole + sizeof TEMPLATE - 1;
    size_t fixed = before + strlen(after);
    if (iss.len != fixed + EG_UUID_LEN - 1 || memcmp(iss.ptr, issuer, before) != 0 || !eg_str_ends(iss, after)) {
        return false;
    }
    return eg_uuid_valid((eg_str){iss.ptr + before, EG_UUID_LEN - 1});
}

static eg_err check_iss(eg_claim_check *c, eg_problem *p) {
    if (!eg_claims_issuer_fits(c->rules->issuer, eg_claim(c, "iss"))) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's issuer is not one of this gateway's.");
    }
    return EG_OK;
}

/* An access token, and one that its bearer may use: ID tokens have the hashes of OpenID Connect Core section 3.1.3.6 or Keycloak's `typ`. */
static eg_err check_type(eg_claim_check *c, eg_problem *p) {
    static const char *const refused[] = {"at_hash", "c_hash"};
    static const char *const types[] = {"Bearer", "JWT", "at+jwt"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (json_object_get(c->claims, refused[i])) {
            return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not a bearer's access token: it has the claim \"%s\".", refused[i]);
        }
    }
    bool known = json_object_get(c->claims, "typ") == NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        known |= eg_str_ieq(eg_claim(c, "typ"), eg_str_of(types[i]));
    }
    return known ? EG_OK : eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token.");
}

static bool read_digest(eg_str s, uint8_t ret[EG_SHA256_LEN]) {
    size_t n = 0;
    return eg_unbase64url(s, ret, EG_SHA256_LEN, &n) == EG_OK && n == EG_SHA256_LEN;
}

/* RFC 7800: a token that is bound to a key. By a certificate's thumbprint (RFC 8705 section 3.1) the connection can be asked; of any other key, and of two at
 * once, nobody would check the possession here. */
static eg_err check_bound(eg_claim_check *c, eg_problem *p) {
    const json_t *cnf = json_object_get(c->claims, "cnf");
    if (!cnf) {
        return EG_OK;
    }
    if (json_object_size(cnf) != 1 || !read_digest(eg_json_str(cnf, "x5t#S256"), c->who->thumbprint)) {
        return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not a bearer's access token: its claim \"cnf\" binds it to something else than a client certificate.");
    }
    c->who->bound = true;
    return EG_OK;
}

/* Only the gateway's own issuer says by which key a client had proven itself. */
static eg_err check_key(eg_claim_check *c, eg_problem *p) {
    if (!c->rules->own || !json_object_get(c->claims, "eg_key")) {
        return EG_OK;
    }
    if (!read_digest(eg_claim(c, "eg_key"), c->who->key)) {
        return eg_claim_refuse(p, "eg_key", "is not a digest");
    }
    c->who->by_key = true;
    return EG_OK;
}

/* A principal is (tenant, object id). Which tenant of ours an outside issuer's tokens belong to, the configuration says; behind a
 * template stands every tenant of that provider, so there the token's own must be it. */
static eg_err check_tenant(eg_claim_check *c, eg_problem *p) {
    char tid[EG_UUID_LEN] = "";
    bool there = json_object_get(c->claims, "tid") != NULL;
    if (there && !eg_claim_guid(eg_claim(c, "tid"), tid)) {
        return eg_claim_refuse(p, "tid", "is not a GUID");
    }
    bool bound = c->rules->own || strstr(c->rules->issuer, TEMPLATE) != NULL;
    if (bound && !there) {
        return eg_claim_refuse(p, "tid", "is missing");
    }
    if (bound && strcmp(tid, c->rules->tenant) != 0) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token belongs to a tenant that this gateway does not serve.");
    }
    c->entra = there;
    snprintf(c->who->tenant, sizeof c->who->tenant, "%s", c->rules->tenant);
    return EG_OK;
}

/* The template's GUID is the token's own tenant, so that no tenant's key signs for another. */
static eg_err check_template(eg_claim_check *c, eg_problem *p) {
    const char *hole = strstr(c->rules->issuer, TEMPLATE);
    if (!hole) {
        return EG_OK;
    }
    eg_str iss = eg_claim(c, "iss");
    eg_str tid = eg_claim(c, "tid");
    eg_str in_iss = {iss.ptr + (hole - c->rules->issuer), EG_UUID_LEN - 1};
    return eg_str_ieq(in_iss, tid) ? EG_OK : eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's issuer and its tenant differ.");
}

static eg_err check_required(eg_claim_check *c, eg_problem *p) {
    const char *const *rows = c->rules->outside ? c->rules->outside->required : NULL;
    for (; rows && *rows; rows++) {
        eg_str value = eg_str_of(*rows);
        const eg_str path = eg_str_cut(&value, '=');
        char name[EG_CLAIM_TEXT_MAX];
        snprintf(name, sizeof name, "%.*s", EG_FMT(path));
        if (!value.ptr || !eg_claim_holds(eg_claim_at(c->claims, name), value)) {
            return eg_claim_refuse(p, name, "does not have the value that this issuer's tokens must have here");
        }
    }
    return EG_OK;
}

/* What the configuration names in place of oid and sub. Its value never is an id itself, whatever it looks like: an issuer that may say what it likes there
 * would else speak for another issuer's people. */
static eg_err mapped_object(eg_claim_check *c, const char *name, eg_problem *p) {
    const json_t *v = eg_claim_at(c->claims, name);
    const eg_str text = {json_string_value(v), json_string_length(v)};
    if (!json_is_string(v) || text.len == 0 || text.len > EG_CLAIM_TEXT_MAX) {
        return eg_claim_refuse(p, name, "is missing or too long");
    }
    eg_claims_derived_id(eg_claim(c, "iss"), "subject", text, c->who->object_id);
    return EG_OK;
}

/* `oid` is believed only in Entra's shape; elsewhere it may be whatever a user typed into a profile. */
static eg_err check_object(eg_claim_check *c, eg_problem *p) {
    eg_str sub = eg_claim(c, "sub");
    if (c->entra && !c->rules->own && !json_object_get(c->claims, "azp") && !json_object_get(c->claims, "appid")) {
        return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token: it names no client."); /* Entra's ID tokens */
    }
    if (c->rules->outside && eg_claim_mapped(c->rules->outside->claim_object_id)) {
        return mapped_object(c, c->rules->outside->claim_object_id, p);
    }
    if (c->entra && json_object_get(c->claims, "oid")) {
        return eg_claim_guid(eg_claim(c, "oid"), c->who->object_id) ? EG_OK : eg_claim_refuse(p, "oid", "is not a GUID");
    }
    if (c->rules->own) {
        return eg_claim_refuse(p, "oid", "is missing");
    }
    if (sub.len == 0 || sub.len > EG_CLAIM_TEXT_MAX) {
        return eg_claim_refuse(p, "sub", "is missing or too long");
    }
    eg_claims_derived_id(eg_claim(c, "iss"), "subject", sub, c->who->object_id);
    return EG_OK;
}

static eg_err check_app(eg_claim_check *c, eg_problem *p) {
    static const char *const names[] = {"azp", "appid", "client_id"};
    (void)p;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (eg_claim_guid(eg_claim(c, names[i]), c->who->app_id)) {
            break;
        }
    }
    return EG_OK;
}

/* Keycloak's clients have a user of their own as subject; `client_id` stands in their tokens alone, beside that user's name. */
static bool is_service_account(const eg_claim_check *c, eg_str client) {
    static const char prefix[] = "service-account-";
    const eg_str name = eg_claim(c, "preferred_username");
    return eg_str_eq(eg_claim(c, "client_id"), client) && eg_str_starts(name, prefix) && name.len > sizeof prefix - 1 &&
           eg_str_ieq((eg_str){name.ptr + sizeof prefix - 1, name.len - (sizeof prefix - 1)}, client);
}

/* An application's own token is not a user's: Entra says it by idtyp, or by having no scp. Elsewhere a client's subject is itself. */
static eg_err check_kind(eg_claim_check *c, eg_problem *p) {
    eg_str idtyp = eg_claim(c, "idtyp");
    eg_str scp = eg_claim(c, "scp");
    if (json_object_get(c->claims, "idtyp") && !eg_str_is(idtyp, "app") && !eg_str_is(idtyp, "user")) {
        return eg_claim_refuse(p, "idtyp", "is neither app nor user");
    }
    bool app = false;
    if (idtyp.len > 0) {
        app = eg_str_is(idtyp, "app");
        if (app && scp.len > 0) {
            return eg_claim_refuse(p, "scp", "stands in an application's token");
        }
    } else if (c->rules->own) {
        return eg_claim_refuse(p, "idtyp", "is missing");
    } else if (c->entra) {
        app = scp.len == 0;
    } else {
        eg_str azp = eg_claim(c, "azp");
        eg_str client = azp.len > 0 ? azp : eg_claim(c, "client_id");
        app = client.len > 0 && (eg_str_eq(client, eg_claim(c, "sub")) || is_service_account(c, client));
    }
    c->who->kind = app ? EG_PRINCIPAL_SERVICE : EG_PRINCIPAL_USER;
    return EG_OK;
}

/* RFC 8693 section 4.2: words with one blank between; some issuers give a list. */
static bool has_word(const json_t *v, const char *wanted) {
    eg_str rest = {json_string_value(v), json_string_length(v)};
    while (rest.ptr) {
        if (eg_str_is(eg_str_cut(&rest, ' '), wanted)) {
            return true;
        }
    }
    return json_is_array(v) && eg_claim_holds(v, eg_str_of(wanted));
}

static bool has_one_of(const json_t *v, const char *const *wanted) {
    for (; *wanted; wanted++) {
        if (has_word(v, *wanted)) {
            return true;
        }
    }
    return false;
}

/* What a user has delegated stands in scp, what an application was given in roles: neither is taken for the other. */
static eg_err check_permission(eg_claim_check *c, eg_problem *p) {
    const eg_outside_issuer *o = c->rules->outside;
    const bool app = c->who->kind == EG_PRINCIPAL_SERVICE;
    const char *const *wanted = o ? (app ? o->app_roles : o->scopes) : NULL;
    if (!wanted || !*wanted) {
        return EG_OK;
    }
    const char *name = app ? "roles" : json_object_get(c->claims, "scp") ? "scp" : "scope";
    return has_one_of(json_object_get(c->claims, name), wanted) ? EG_OK : eg_claim_refuse(p, name, "has none of the permissions that this issuer's tokens must have here");
}

/* Cut to fit, without control characters and without half a character at the end. */
static void copy_for_people(eg_str s, char *to, size_t size) {
    size_t n = s.len < size - 1 ? s.len : size - 1;
    while (n > 0 && n < s.len && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        to[i] = ch < 0x20 || ch == 0x7f ? '?' : s.ptr[i];
    }
    to[n] = '\0';
}

static eg_err check_name(eg_claim_check *c, eg_problem *p) {
    static const char *const names[] = {"name", "preferred_username", "unique_name", "upn", "app_displayname", "sub"};
    (void)p;
    if (c->rules->outside && eg_claim_mapped(c->rules->outside->claim_name)) {
        const json_t *v = eg_claim_at(c->claims, c->rules->outside->claim_name);
        copy_for_people((eg_str){json_string_value(v), json_string_length(v)}, c->who->name, sizeof c->who->name);
    }
    for (size_t i = 0; c->who->name[0] == '\0' && i < sizeof names / sizeof names[0]; i++) {
        if (eg_claim(c, names[i]).len > 0) {
            copy_for_people(eg_claim(c, names[i]), c->who->name, sizeof c->who->name);
            break;
        }
    }
    return EG_OK;
}

static eg_err check_token_id(eg_claim_check *c, eg_problem *p) {
    (void)p;
    eg_str id = eg_claim(c, "jti");
    if (id.len == 0) {
        id = eg_claim(c, "uti");
    }
    if (id.len > 0 && id.len < sizeof c->who->token_id) {
        copy_for_people(id, c->who->token_id, sizeof c->who->token_id);
    } else {
        eg_hex((eg_bytes){c->digest, 16}, c->who->token_id);
    }
    return EG_OK;
}

/* "{cluster}/{batch id}"; only the gateway's own issuer makes jobs. */
static eg_err check_job(eg_claim_check *c, eg_problem *p) {
    const json_t *job = json_object_get(c->claims, "eg_job");
    if (!job || !c->rules->own) {
        return EG_OK;
    }
    eg_str name = eg_claim(c, "eg_job");
    eg_str cluster = eg_claim(c, "eg_cluster");
    if (name.len == 0 || name.len >= sizeof c->who->job || cluster.len == 0 || cluster.len >= sizeof c->who->cluster) {
        return eg_claim_refuse(p, "eg_job", "or \"eg_cluster\" is not a short name");
    }
    if (c->out->audiences != EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE)) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "A job's token is for storage alone.");
    }
    copy_for_people(name, c->who->job, sizeof c->who->job);
    copy_for_people(cluster, c->who->cluster, sizeof c->who->cluster);
    c->who->kind = EG_PRINCIPAL_JOB;
    return EG_OK;
}

/* RFC 8693 section 4.1. Who acts stands in tokens of our own; what an outside issuer says there counts for nothing but that such a token is not exchanged again.
 * Revocations of
 * the principal concern it from when the token that was exchanged for it was issued. */
static eg_err check_act(eg_claim_check *c, eg_problem *p) {
    const json_t *act = json_object_get(c->claims, "act");
    int64_t since = 0;
    if (!act || !c->rules->own) {
        c->who->acted_elsewhere = act != NULL;
        return EG_OK;
    }
    c->who->acting = calloc(1, sizeof *c->who->acting);
    if (!c->who->acting) {
        return EG_ERR_NO_MEMORY;
    }
    if (c->who->kind != EG_PRINCIPAL_USER || eg_act_claim_read(act, c->who->acting) != EG_OK ||
        !eg_claim_date(json_object_get(c->claims, EG_ACT_SUBJECT_IAT), &since)) {
        return eg_claim_refuse(p, "act", "is none that this gateway writes");
    }
    if (since < c->who->issued_s) {
        c->out->issued_s = c->who->issued_s = since;
    }
    return EG_OK;
}

/* Each use of a break-glass administrator's token raises the alarm. */
static eg_err check_emergency(eg_claim_check *c, eg_problem *p) {
    (void)p;
    c->who->emergency = c->rules->own && json_object_get(c->claims, "eg_breakglass") != NULL;
    return EG_OK;
}

/* In this order: later rows use what earlier ones found. */
static eg_err (*const checks[])(eg_claim_check *c, eg_problem *p) = {
    check_iss,    check_type, check_bound, check_key, eg_claim_check_aud,  eg_claim_check_exp,    eg_claim_check_nbf,  eg_claim_check_iat,      check_tenant, check_template,
    check_required, check_object, check_app, check_kind, check_permission, eg_claim_check_groups, check_name, check_token_id, check_job,
    check_emergency, check_act,
};

eg_err eg_claims_check(const json_t *claims, const eg_issuer_rules *rules, int64_t now_s, const uint8_t digest[EG_SHA256_LEN],
                       eg_checked_claims *ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    if (!who) {
        return EG_ERR_NO_MEMORY;
    }
    eg_checked_claims out = {0};
    eg_claim_check c = {.claims = claims, .rules = rules, .digest = digest, .now_s = now_s, .who = who, .out = &out};
    c.skew_s = rules->own ? EG_OWN_SKEW_S : rules->outside && rules->outside->skew_s ? rules->outside->skew_s : EG_OUTSIDE_SKEW_S;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        EG_TRY(checks[i](&c, p));
    }
    out.principal = who;
    who = NULL;
    *ret = out;
    return EG_OK;
}

/* The table of claim checks: each row reads one claim, refuses it or adds to the principal. */
#include "claims.h"

#include <embergate/encoding.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TEMPLATE "{tenantid}"
#define AUDIENCES_MAX 16
#define TEXT_MAX 512
#define TIME_MAX ((int64_t)1 << 40)

typedef struct check {
    const json_t *claims;
    const eg_issuer_rules *rules;
    const uint8_t *digest;
    int64_t now_s;
    int64_t skew_s;
    bool entra;            /* tid and oid are there: ids are Entra's */
    eg_principal *who;
    eg_checked_claims *out;
} check;

static eg_str claim(const check *c, const char *name) {
    return eg_json_str(c->claims, name);
}

static eg_err refuse(eg_problem *p, const char *name, const char *why) {
    return eg_fail(p, EG_ERR_TOKEN_CLAIM, "The token's claim \"%s\" %s.", name, why);
}

/* A GUID in lower case. */
static bool copy_guid(eg_str s, char ret[EG_UUID_LEN]) {
    if (!eg_uuid_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        ret[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'F' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    }
    ret[s.len] = '\0';
    return true;
}

void eg_claims_derived_id(eg_str issuer, const char *what, eg_str name, char ret[EG_UUID_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    uint8_t n[8];
    eg_put_u32(n, (uint32_t)issuer.len);
    eg_put_u32(n + 4, (uint32_t)name.len);
    eg_bytes parts[] = {eg_str_bytes(EG_LIT("embergate derived id v1 ")), eg_str_bytes(eg_str_of(what)), {n, sizeof n}, eg_str_bytes(issuer), eg_str_bytes(name)};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80); /* RFC 9562 section 5.8: version 8, made by the vendor's own rule */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    char hex[33];
    eg_hex((eg_bytes){digest, 16}, hex);
    snprintf(ret, EG_UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

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

static bool same_url(eg_str a, const char *url) {
    eg_str b = eg_str_of(url);
    if (a.len > 0 && a.ptr[a.len - 1] == '/') {
        a.len--;
    }
    if (b.len > 0 && b.ptr[b.len - 1] == '/') {
        b.len--;
    }
    return b.len > 0 && eg_str_eq(a, b);
}

eg_audience eg_claims_audience(eg_str aud, const char *public_url) {
    static const struct {
        const char *url;
        eg_audience audience;
    } known[] = {
        {"https://storage.azure.com", EG_AUDIENCE_STORAGE},
        {"https://management.azure.com", EG_AUDIENCE_GATEWAY},
        {"https://management.core.windows.net", EG_AUDIENCE_GATEWAY},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (same_url(aud, known[i].url)) {
            return known[i].audience;
        }
    }
    return public_url && same_url(aud, public_url) ? EG_AUDIENCE_GATEWAY : EG_AUDIENCE_NONE;
}

static eg_err check_iss(check *c, eg_problem *p) {
    if (!eg_claims_issuer_fits(c->rules->issuer, claim(c, "iss"))) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's issuer is not one of this gateway's.");
    }
    return EG_OK;
}

/* What an outside issuer's audience opens: one of Azure's own names opens what it names, a name of the gateway's application both. */
static unsigned outside_audience(const check *c, eg_str aud) {
    for (const char *const *a = c->rules->audiences; a && *a; a++) {
        if (eg_str_is(aud, *a)) {
            eg_audience known = eg_claims_audience(aud, NULL);
            return known != EG_AUDIENCE_NONE ? EG_AUDIENCE_BIT(known) : EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE);
        }
    }
    return 0;
}

/* An access token, and one that its bearer may use: ID tokens have the hashes of OpenID Connect Core section 3.1.3.6 or Keycloak's `typ`, and a
 * token with `cnf` (RFC 7800) is bound to a key whose possession nobody would check here. */
static eg_err check_type(check *c, eg_problem *p) {
    static const char *const refused[] = {"at_hash", "c_hash", "cnf"};
    static const char *const types[] = {"Bearer", "JWT", "at+jwt"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (json_object_get(c->claims, refused[i])) {
            return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not a bearer's access token: it has the claim \"%s\".", refused[i]);
        }
    }
    bool known = json_object_get(c->claims, "typ") == NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        known |= eg_str_ieq(claim(c, "typ"), eg_str_of(types[i]));
    }
    return known ? EG_OK : eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token.");
}

/* RFC 7519 section 4.1.3: one string or several; a token of our own has one. */
static eg_err check_aud(check *c, eg_problem *p) {
    const json_t *aud = json_object_get(c->claims, "aud");
    unsigned found = 0;
    if (c->rules->own) {
        eg_audience a = eg_claims_audience(claim(c, "aud"), c->rules->public_url);
        found = a == EG_AUDIENCE_NONE ? 0 : EG_AUDIENCE_BIT(a);
    } else if (json_is_string(aud)) {
        found = outside_audience(c, claim(c, "aud"));
    } else if (json_array_size(aud) <= AUDIENCES_MAX) {
        size_t i;
        const json_t *one;
        json_array_foreach(aud, i, one) {
            if (json_is_string(one)) {
                found |= outside_audience(c, (eg_str){json_string_value(one), json_string_length(one)});
            }
        }
    }
    if (found == 0) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "The token was issued for another audience.");
    }
    c->out->audiences = found;
    return EG_OK;
}

/* RFC 7519 section 2: a NumericDate may have a fraction. False when it is there and is none. */
static bool numeric_date(const json_t *v, int64_t *ret) {
    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
    } else if (json_is_real(v) && isfinite(json_real_value(v)) && fabs(json_real_value(v)) < (double)TIME_MAX) {
        *ret = (int64_t)json_real_value(v);
    } else {
        return false;
    }
    return *ret >= 0 && *ret < TIME_MAX;
}

static eg_err check_exp(check *c, eg_problem *p) {
    int64_t exp = 0;
    if (!numeric_date(json_object_get(c->claims, "exp"), &exp)) {
        return refuse(p, "exp", "is missing or no time");
    }
    if (c->now_s >= exp + c->skew_s) {
        return eg_fail(p, EG_ERR_TOKEN_EXPIRED, "The token has expired.");
    }
    c->who->expires_s = exp;
    c->out->good_until_s = exp + c->skew_s;
    return EG_OK;
}

static eg_err check_nbf(check *c, eg_problem *p) {
    const json_t *v = json_object_get(c->claims, "nbf");
    int64_t nbf = 0;
    if (v && !numeric_date(v, &nbf)) {
        return refuse(p, "nbf", "is no time");
    }
    c->out->good_from_s = v ? nbf - c->skew_s : INT64_MIN;
    return nbf <= c->now_s + c->skew_s ? EG_OK : eg_fail(p, EG_ERR_TOKEN_NOT_YET, "The token is not valid yet.");
}

/* Without a time of issue nobody could say "all that was issued until now", and what lived longer than a revocation is kept would rise again. */
static eg_err check_iat(check *c, eg_problem *p) {
    int64_t iat = 0;
    if (!numeric_date(json_object_get(c->claims, "iat"), &iat)) {
        return refuse(p, "iat", "is missing or no time");
    }
    if (c->who->expires_s - iat > EG_TOKEN_LIFE_MAX_S) {
        return refuse(p, "exp", "gives it a longer life than the 7 days that are accepted");
    }
    c->out->issued_s = iat;
    c->who->issued_s = iat;
    if (iat - c->skew_s > c->out->good_from_s) {
        c->out->good_from_s = iat - c->skew_s;
    }
    return iat <= c->now_s + c->skew_s ? EG_OK : eg_fail(p, EG_ERR_TOKEN_NOT_YET, "The token was issued in the future.");
}

/* A principal is (tenant, object id). Which tenant of ours an outside issuer's tokens belong to, the configuration says; behind a
 * template stands every tenant of that provider, so there the token's own must be it. */
static eg_err check_tenant(check *c, eg_problem *p) {
    char tid[EG_UUID_LEN] = "";
    bool there = json_object_get(c->claims, "tid") != NULL;
    if (there && !copy_guid(claim(c, "tid"), tid)) {
        return refuse(p, "tid", "is not a GUID");
    }
    bool bound = c->rules->own || strstr(c->rules->issuer, TEMPLATE) != NULL;
    if (bound && !there) {
        return refuse(p, "tid", "is missing");
    }
    if (bound && strcmp(tid, c->rules->tenant) != 0) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token belongs to a tenant that this gateway does not serve.");
    }
    c->entra = there;
    snprintf(c->who->tenant, sizeof c->who->tenant, "%s", c->rules->tenant);
    return EG_OK;
}

/* The template's GUID is the token's own tenant, so that no tenant's key signs for another. */
static eg_err check_template(check *c, eg_problem *p) {
    const char *hole = strstr(c->rules->issuer, TEMPLATE);
    if (!hole) {
        return EG_OK;
    }
    eg_str iss = claim(c, "iss");
    eg_str tid = claim(c, "tid");
    eg_str in_iss = {iss.ptr + (hole - c->rules->issuer), EG_UUID_LEN - 1};
    return eg_str_ieq(in_iss, tid) ? EG_OK : eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's issuer and its tenant differ.");
}

/* `oid` is believed only in Entra's shape; elsewhere it may be whatever a user typed into a profile. */
static eg_err check_object(check *c, eg_problem *p) {
    eg_str sub = claim(c, "sub");
    if (c->entra && !c->rules->own && !json_object_get(c->claims, "azp") && !json_object_get(c->claims, "appid")) {
        return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token: it names no client."); /* Entra's ID tokens */
    }
    if (c->entra && json_object_get(c->claims, "oid")) {
        return copy_guid(claim(c, "oid"), c->who->object_id) ? EG_OK : refuse(p, "oid", "is not a GUID");
    }
    if (c->rules->own) {
        return refuse(p, "oid", "is missing");
    }
    if (sub.len == 0 || sub.len > TEXT_MAX) {
        return refuse(p, "sub", "is missing or too long");
    }
    eg_claims_derived_id(claim(c, "iss"), "subject", sub, c->who->object_id);
    return EG_OK;
}

static eg_err check_app(check *c, eg_problem *p) {
    static const char *const names[] = {"azp", "appid", "client_id"};
    (void)p;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (copy_guid(claim(c, names[i]), c->who->app_id)) {
            break;
        }
    }
    return EG_OK;
}

/* An application's own token is not a user's: Entra says it by idtyp, or by having no scp. Elsewhere a client's subject is itself. */
static eg_err check_kind(check *c, eg_problem *p) {
    eg_str idtyp = claim(c, "idtyp");
    eg_str scp = claim(c, "scp");
    if (json_object_get(c->claims, "idtyp") && !eg_str_is(idtyp, "app") && !eg_str_is(idtyp, "user")) {
        return refuse(p, "idtyp", "is neither app nor user");
    }
    bool app = false;
    if (idtyp.len > 0) {
        app = eg_str_is(idtyp, "app");
        if (app && scp.len > 0) {
            return refuse(p, "scp", "stands in an application's token");
        }
    } else if (c->rules->own) {
        return refuse(p, "idtyp", "is missing");
    } else if (c->entra) {
        app = scp.len == 0;
    } else {
        eg_str azp = claim(c, "azp");
        eg_str client = azp.len > 0 ? azp : claim(c, "client_id");
        app = client.len > 0 && eg_str_eq(client, claim(c, "sub"));
    }
    c->who->kind = app ? EG_PRINCIPAL_SERVICE : EG_PRINCIPAL_USER;
    return EG_OK;
}

static eg_err add_groups(check *c, const json_t *groups, eg_problem *p) {
    size_t n = json_array_size(groups);
    c->who->groups = n > 0 ? calloc(n, sizeof c->who->groups[0]) : NULL;
    if (n > 0 && !c->who->groups) {
        return EG_ERR_NO_MEMORY;
    }
    size_t i;
    const json_t *g;
    json_array_foreach(groups, i, g) {
        eg_str name = {json_string_value(g), json_string_length(g)};
        if (!json_is_string(g) || name.len == 0 || name.len > TEXT_MAX) {
            return refuse(p, "groups", "holds something that is not a name");
        }
        char *to = c->who->groups[c->who->group_count++];
        if (copy_guid(name, to)) {
            continue;
        }
        if (c->entra) {
            return refuse(p, "groups", "holds something that is not a GUID");
        }
        eg_claims_derived_id(claim(c, "iss"), "group", name, to);
    }
    eg_principal_index_groups(c->who);
    return EG_OK;
}

/* Entra leaves groups out when there are too many (_claim_names, hasgroups): that is "unknown", never "none". */
static eg_err check_groups(check *c, eg_problem *p) {
    const json_t *groups = json_object_get(c->claims, "groups");
    if (groups && !json_is_array(groups)) {
        return refuse(p, "groups", "is not a list");
    }
    const json_t *elsewhere = json_object_get(c->claims, "_claim_names");
    bool overage = json_object_get(elsewhere, "groups") || (elsewhere && !json_is_object(elsewhere)) || json_object_get(c->claims, "hasgroups");
    if (overage || json_array_size(groups) > EG_PRINCIPAL_GROUPS_MAX) {
        c->who->groups_unknown = true;
        return EG_OK;
    }
    return groups ? add_groups(c, groups, p) : EG_OK;
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

static eg_err check_name(check *c, eg_problem *p) {
    static const char *const names[] = {"name", "preferred_username", "unique_name", "upn", "app_displayname", "sub"};
    (void)p;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (claim(c, names[i]).len > 0) {
            copy_for_people(claim(c, names[i]), c->who->name, sizeof c->who->name);
            break;
        }
    }
    return EG_OK;
}

static eg_err check_token_id(check *c, eg_problem *p) {
    (void)p;
    eg_str id = claim(c, "jti");
    if (id.len == 0) {
        id = claim(c, "uti");
    }
    if (id.len > 0 && id.len < sizeof c->who->token_id) {
        copy_for_people(id, c->who->token_id, sizeof c->who->token_id);
    } else {
        eg_hex((eg_bytes){c->digest, 16}, c->who->token_id);
    }
    return EG_OK;
}

/* "{cluster}/{batch id}"; only the gateway's own issuer makes jobs. */
static eg_err check_job(check *c, eg_problem *p) {
    const json_t *job = json_object_get(c->claims, "eg_job");
    if (!job || !c->rules->own) {
        return EG_OK;
    }
    eg_str name = claim(c, "eg_job");
    eg_str cluster = claim(c, "eg_cluster");
    if (name.len == 0 || name.len >= sizeof c->who->job || cluster.len == 0 || cluster.len >= sizeof c->who->cluster) {
        return refuse(p, "eg_job", "or \"eg_cluster\" is not a short name");
    }
    if (c->out->audiences != EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE)) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "A job's token is for storage alone.");
    }
    copy_for_people(name, c->who->job, sizeof c->who->job);
    copy_for_people(cluster, c->who->cluster, sizeof c->who->cluster);
    c->who->kind = EG_PRINCIPAL_JOB;
    return EG_OK;
}

/* Each use of a break-glass administrator's token raises the alarm. */
static eg_err check_emergency(check *c, eg_problem *p) {
    (void)p;
    c->who->emergency = c->rules->own && json_object_get(c->claims, "eg_breakglass") != NULL;
    return EG_OK;
}

/* In this order: later rows use what earlier ones found. */
static eg_err (*const checks[])(check *c, eg_problem *p) = {
    check_iss,    check_type, check_aud,  check_exp,    check_nbf,  check_iat,      check_tenant, check_template,
    check_object, check_app,  check_kind, check_groups, check_name, check_token_id, check_job, check_emergency,
};

eg_err eg_claims_check(const json_t *claims, const eg_issuer_rules *rules, int64_t now_s, const uint8_t digest[EG_SHA256_LEN],
                       eg_checked_claims *ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    if (!who) {
        return EG_ERR_NO_MEMORY;
    }
    eg_checked_claims out = {0};
    check c = {.claims = claims, .rules = rules, .digest = digest, .now_s = now_s, .who = who, .out = &out};
    c.skew_s = rules->own ? EG_OWN_SKEW_S : EG_OUTSIDE_SKEW_S;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        EG_TRY(checks[i](&c, p));
    }
    out.principal = who;
    who = NULL;
    *ret = out;
    return EG_OK;
}

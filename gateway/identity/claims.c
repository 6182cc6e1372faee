/* The table of claim checks: each row reads one claim, refuses it or adds to the principal. */
#include "claims.h"

#include "act_claim.h"

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

static const char *mapped(const char *name) {
    return name && name[0] != '\0' ? name : NULL;
}

/* The claim of that name, else what the path leads to through objects: "realm_access.roles", as Keycloak nests them. */
static const json_t *claim_at(const json_t *claims, const char *path) {
    const json_t *whole = json_object_get(claims, path);
    eg_str rest = eg_str_of(path);
    for (const json_t *at = claims; !whole;) {
        const eg_str part = eg_str_cut(&rest, '.');
        char name[TEXT_MAX];
        if (part.len == 0 || part.len >= sizeof name) {
            return NULL;
        }
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        at = json_object_get(at, name);
        if (!at || !rest.ptr) {
            return at;
        }
    }
    return whole;
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

/* "api://{client id}" of our own issuer, as Entra has it for an application without another address. */
static bool own_client(check *c, eg_str aud) {
    const eg_str scheme = EG_LIT("api://");
    return eg_str_starts(aud, "api://") && copy_guid((eg_str){aud.ptr + scheme.len, aud.len - scheme.len}, c->who->for_client);
}

/* An audience that the configuration gives to one of our clients: the first that fits. */
static bool mapped_client(check *c, eg_str aud) {
    const char *const *rows = c->rules->outside ? c->rules->outside->client_audiences : NULL;
    for (; rows && *rows && c->who->for_client[0] == '\0'; rows++) {
        const char *cut = strrchr(*rows, '=');
        if (cut && eg_str_eq(aud, (eg_str){*rows, (size_t)(cut - *rows)}) && copy_guid(eg_str_of(cut + 1), c->who->for_client)) {
            return true;
        }
    }
    return false;
}

/* What an outside issuer's audience opens: one of Azure's own names opens what it names, a name of the gateway's application both. */
static unsigned outside_audience(check *c, eg_str aud) {
    if (mapped_client(c, aud)) {
        return EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT);
    }
    for (const char *const *a = c->rules->audiences; a && *a; a++) {
        if (eg_str_is(aud, *a)) {
            eg_audience known = eg_claims_audience(aud, NULL);
            return known != EG_AUDIENCE_NONE ? EG_AUDIENCE_BIT(known) : EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE);
        }
    }
    return 0;
}

/* An access token, and one that its bearer may use: ID tokens have the hashes of OpenID Connect Core section 3.1.3.6 or Keycloak's `typ`. */
static eg_err check_type(check *c, eg_problem *p) {
    static const char *const refused[] = {"at_hash", "c_hash"};
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

static bool read_digest(eg_str s, uint8_t ret[EG_SHA256_LEN]) {
    size_t n = 0;
    return eg_unbase64url(s, ret, EG_SHA256_LEN, &n) == EG_OK && n == EG_SHA256_LEN;
}

/* RFC 7800: a token that is bound to a key. By a certificate's thumbprint (RFC 8705 section 3.1) the connection can be asked; of any other key, and of two at
 * once, nobody would check the possession here. */
static eg_err check_bound(check *c, eg_problem *p) {
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
static eg_err check_key(check *c, eg_problem *p) {
    if (!c->rules->own || !json_object_get(c->claims, "eg_key")) {
        return EG_OK;
    }
    if (!read_digest(claim(c, "eg_key"), c->who->key)) {
        return refuse(p, "eg_key", "is not a digest");
    }
    c->who->by_key = true;
    return EG_OK;
}

/* RFC 7519 section 4.1.3: one string or several; a token of our own has one. */
static eg_err check_aud(check *c, eg_problem *p) {
    const json_t *aud = json_object_get(c->claims, "aud");
    unsigned found = 0;
    if (c->rules->own) {
        eg_audience a = eg_claims_audience(claim(c, "aud"), c->rules->public_url);
        a = a == EG_AUDIENCE_NONE && own_client(c, claim(c, "aud")) ? EG_AUDIENCE_CLIENT : a;
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

static bool text_is(const json_t *v, eg_str wanted) {
    char number[32];
    if (json_is_string(v)) {
        return eg_str_eq((eg_str){json_string_value(v), json_string_length(v)}, wanted);
    }
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return eg_str_is(wanted, number);
    }
    return json_is_boolean(v) && eg_str_is(wanted, json_is_true(v) ? "true" : "false");
}

/* A text, number or truth, or a list that holds it. */
static bool holds(const json_t *v, eg_str wanted) {
    size_t i;
    const json_t *one;
    json_array_foreach(v, i, one) {
        if (text_is(one, wanted)) {
            return true;
        }
    }
    return text_is(v, wanted);
}

static eg_err check_required(check *c, eg_problem *p) {
    const char *const *rows = c->rules->outside ? c->rules->outside->required : NULL;
    for (; rows && *rows; rows++) {
        eg_str value = eg_str_of(*rows);
        const eg_str path = eg_str_cut(&value, '=');
        char name[TEXT_MAX];
        snprintf(name, sizeof name, "%.*s", EG_FMT(path));
        if (!value.ptr || !holds(claim_at(c->claims, name), value)) {
            return refuse(p, name, "does not have the value that this issuer's tokens must have here");
        }
    }
    return EG_OK;
}

/* What the configuration names in place of oid and sub. Its value never is an id itself, whatever it looks like: an issuer that may say what it likes there
 * would else speak for another issuer's people. */
static eg_err mapped_object(check *c, const char *name, eg_problem *p) {
    const json_t *v = claim_at(c->claims, name);
    const eg_str text = {json_string_value(v), json_string_length(v)};
    if (!json_is_string(v) || text.len == 0 || text.len > TEXT_MAX) {
        return refuse(p, name, "is missing or too long");
    }
    eg_claims_derived_id(claim(c, "iss"), "subject", text, c->who->object_id);
    return EG_OK;
}

/* `oid` is believed only in Entra's shape; elsewhere it may be whatever a user typed into a profile. */
static eg_err check_object(check *c, eg_problem *p) {
    eg_str sub = claim(c, "sub");
    if (c->entra && !c->rules->own && !json_object_get(c->claims, "azp") && !json_object_get(c->claims, "appid")) {
        return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token: it names no client."); /* Entra's ID tokens */
    }
    if (c->rules->outside && mapped(c->rules->outside->claim_object_id)) {
        return mapped_object(c, c->rules->outside->claim_object_id, p);
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

/* Keycloak's clients have a user of their own as subject; `client_id` stands in their tokens alone, beside that user's name. */
static bool is_service_account(const check *c, eg_str client) {
    static const char prefix[] = "service-account-";
    const eg_str name = claim(c, "preferred_username");
    return eg_str_eq(claim(c, "client_id"), client) && eg_str_starts(name, prefix) && name.len > sizeof prefix - 1 &&
           eg_str_ieq((eg_str){name.ptr + sizeof prefix - 1, name.len - (sizeof prefix - 1)}, client);
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
        app = client.len > 0 && (eg_str_eq(client, claim(c, "sub")) || is_service_account(c, client));
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
    return json_is_array(v) && holds(v, eg_str_of(wanted));
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
static eg_err check_permission(check *c, eg_problem *p) {
    const eg_outside_issuer *o = c->rules->outside;
    const bool app = c->who->kind == EG_PRINCIPAL_SERVICE;
    const char *const *wanted = o ? (app ? o->app_roles : o->scopes) : NULL;
    if (!wanted || !*wanted) {
        return EG_OK;
    }
    const char *name = app ? "roles" : json_object_get(c->claims, "scp") ? "scp" : "scope";
    return has_one_of(json_object_get(c->claims, name), wanted) ? EG_OK : refuse(p, name, "has none of the permissions that this issuer's tokens must have here");
}

/* kind "group": a GUID stays itself; "role": an id of its own, so that a role is no group of the same name. */
static eg_err add_names(check *c, const json_t *names, const char *claimed, const char *kind, eg_problem *p) {
    const bool group = strcmp(kind, "group") == 0;
    size_t i;
    const json_t *g;
    json_array_foreach(names, i, g) {
        eg_str name = {json_string_value(g), json_string_length(g)};
        if (!json_is_string(g) || name.len == 0 || name.len > TEXT_MAX) {
            return refuse(p, claimed, "holds something that is not a name");
        }
        char *to = c->who->groups[c->who->group_count++];
        if (group && copy_guid(name, to)) {
            continue;
        }
        if (group && c->entra) {
            return refuse(p, claimed, "holds something that is not a GUID");
        }
        eg_claims_derived_id(claim(c, "iss"), kind, name, to);
    }
    return EG_OK;
}

static eg_err add_groups(check *c, const json_t *groups, const json_t *roles, eg_problem *p) {
    const size_t n = json_array_size(groups) + json_array_size(roles);
    c->who->groups = n > 0 ? calloc(n, sizeof c->who->groups[0]) : NULL;
    if (n > 0 && !c->who->groups) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(add_names(c, groups, "groups", "group", p));
    EG_TRY(add_names(c, roles, "roles", "role", p));
    eg_principal_index_groups(c->who);
    return EG_OK;
}

/* Entra leaves groups out when there are too many (_claim_names, hasgroups): that is "unknown", never "none". */
static eg_err check_groups(check *c, eg_problem *p) {
    const eg_outside_issuer *o = c->rules->outside;
    const json_t *groups = claim_at(c->claims, o && mapped(o->claim_groups) ? o->claim_groups : "groups");
    const json_t *roles = o && mapped(o->claim_roles) ? claim_at(c->claims, o->claim_roles) : NULL;
    if ((groups && !json_is_array(groups)) || (roles && !json_is_array(roles))) {
        return refuse(p, groups && !json_is_array(groups) ? "groups" : "roles", "is not a list");
    }
    const json_t *elsewhere = json_object_get(c->claims, "_claim_names");
    bool overage = json_object_get(elsewhere, "groups") || (elsewhere && !json_is_object(elsewhere)) || json_object_get(c->claims, "hasgroups");
    if (overage || json_array_size(groups) + json_array_size(roles) > EG_PRINCIPAL_GROUPS_MAX) {
        c->who->groups_unknown = true;
        /* Only for Entra's ids; and only where groups are all that there is: without a role that counts as one, the list would be a part. */
        c->out->ask_groups = c->rules->own || (c->entra && o && json_object_get(c->claims, "oid") && !mapped(o->claim_object_id) && !mapped(o->claim_groups) && !mapped(o->claim_roles));
        return EG_OK;
    }
    return groups || roles ? add_groups(c, groups, roles, p) : EG_OK;
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
    if (c->rules->outside && mapped(c->rules->outside->claim_name)) {
        const json_t *v = claim_at(c->claims, c->rules->outside->claim_name);
        copy_for_people((eg_str){json_string_value(v), json_string_length(v)}, c->who->name, sizeof c->who->name);
    }
    for (size_t i = 0; c->who->name[0] == '\0' && i < sizeof names / sizeof names[0]; i++) {
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

/* RFC 8693 section 4.1. Who acts stands in tokens of our own; what an outside issuer says there counts for nothing but that such a token is not exchanged again.
 * Revocations of
 * the principal concern it from when the token that was exchanged for it was issued. */
static eg_err check_act(check *c, eg_problem *p) {
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
        !numeric_date(json_object_get(c->claims, EG_ACT_SUBJECT_IAT), &since)) {
        return refuse(p, "act", "is none that this gateway writes");
    }
    if (since < c->who->issued_s) {
        c->out->issued_s = c->who->issued_s = since;
    }
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
    check_iss,    check_type, check_bound, check_key, check_aud,  check_exp,    check_nbf,  check_iat,      check_tenant, check_template,
    check_required, check_object, check_app, check_kind, check_permission, check_groups, check_name, check_token_id, check_job,
    check_emergency, check_act,
};

eg_err eg_claims_check(const json_t *claims, const eg_issuer_rules *rules, int64_t now_s, const uint8_t digest[EG_SHA256_LEN],
                       eg_checked_claims *ret, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    if (!who) {
        return EG_ERR_NO_MEMORY;
    }
    eg_checked_claims out = {0};
    check c = {.claims = claims, .rules = rules, .digest = digest, .now_s = now_s, .who = who, .out = &out};
    c.skew_s = rules->own ? EG_OWN_SKEW_S : rules->outside && rules->outside->skew_s ? rules->outside->skew_s : EG_OUTSIDE_SKEW_S;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        EG_TRY(checks[i](&c, p));
    }
    out.principal = who;
    who = NULL;
    *ret = out;
    return EG_OK;
}

/* Opens identity, and turns bearer tokens into principals: cache, parse, key, signature, claims, revocation. */
#include "identity_state.h"

#include "https_fetch.h"
#include "revocation.h"

#include <embergate/compute.h>
#include <embergate/metrics.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_ENTRIES 65536
#define KEYS_LOOKS 120 /* a fetch of an issuer's keys takes 5 s at most */
#define KEYS_LOOK_NS 50000000

const char *eg_identity_tenant(const eg_identity *i, eg_str tenant) {
    for (const char *const *t = i->tenants; t && *t; t++) {
        if (eg_str_ieq(tenant, eg_str_of(*t))) {
            return *t;
        }
    }
    return NULL;
}

static eg_err copy_public_url(eg_identity *i, const char *url, eg_problem *p) {
    size_t n = url ? strlen(url) : 0;
    while (n > 0 && url[n - 1] == '/') {
        n--;
    }
    if (n >= sizeof i->public_url || !eg_str_starts((eg_str){url, n}, "https://")) {
        return eg_fail(p, EG_ERR_CONFIG, "The public URL must begin with https:// and have less than %d bytes.", EG_PUBLIC_URL_MAX);
    }
    memcpy(i->public_url, url, n);
    return EG_OK;
}

static eg_err check_outside(const eg_identity *i, const eg_outside_issuer *o, eg_problem *p) {
    if (!o->issuer || o->issuer[0] == '\0') {
        return eg_fail(p, EG_ERR_CONFIG, "An outside issuer has no name.");
    }
    if (!o->tenant || !eg_identity_tenant(i, eg_str_of(o->tenant))) {
        return eg_fail(p, EG_ERR_CONFIG, "The outside issuer %s belongs to a tenant that is not configured.", o->issuer);
    }
    if (!o->discovery_url || !eg_https_same_host(o->discovery_url, o->discovery_url)) {
        return eg_fail(p, EG_ERR_CONFIG, "The discovery URL of the outside issuer %s is not an https URL.", o->issuer);
    }
    if (!o->audiences || !o->audiences[0]) {
        return eg_fail(p, EG_ERR_CONFIG, "The outside issuer %s has no audience: its tokens for others would be accepted.", o->issuer);
    }
    for (size_t own = 0; own < i->own_count; own++) {
        if (eg_claims_issuer_fits(o->issuer, eg_str_of(i->own_issuers[own]))) {
            return eg_fail(p, EG_ERR_CONFIG, "The outside issuer %s is the gateway's own.", o->issuer);
        }
    }
    return EG_OK;
}

static eg_err open_lookup(eg_identity *i, const eg_identity_options *o, size_t n, eg_problem *p) {
    const eg_outside_issuer *out = &o->issuers[n];
    if (!out->graph_url || out->graph_url[0] == '\0') {
        return EG_OK;
    }
    if (!eg_https_same_host(out->graph_url, out->graph_url) || !eg_https_same_host(out->graph_token_url, out->graph_token_url)) {
        return eg_fail(p, EG_ERR_CONFIG, "The groups' endpoint of the outside issuer %s, or the one of its tokens, is not an https URL.", out->issuer);
    }
    i->lookups[n] = eg_group_lookup_new(out, o->pool, o->clock, o->audit);
    return i->lookups[n] ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err make_rules(eg_identity *i, const eg_identity_options *o, eg_problem *p) {
    while (o->tenants && o->tenants[i->own_count]) {
        i->own_count++;
    }
    i->rule_count = i->own_count + o->issuer_count;
    i->rules = calloc(i->rule_count + 1, sizeof *i->rules);
    i->own_issuers = calloc(i->own_count + 1, sizeof *i->own_issuers);
    i->outside = calloc(o->issuer_count + 1, sizeof *i->outside);
    i->lookups = calloc(o->issuer_count + 1, sizeof *i->lookups);
    if (!i->rules || !i->own_issuers || !i->outside || !i->lookups) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t n = 0; n < i->own_count; n++) {
        if (!eg_uuid_valid(eg_str_of(o->tenants[n])) || strpbrk(o->tenants[n], "ABCDEF")) {
            return eg_fail(p, EG_ERR_CONFIG, "The tenant \"%s\" is not a GUID in lower case.", o->tenants[n]);
        }
        snprintf(i->own_issuers[n], sizeof i->own_issuers[n], "%s/%s/v2.0", i->public_url, o->tenants[n]);
        i->rules[n] = (eg_issuer_rules){.issuer = i->own_issuers[n], .tenant = o->tenants[n], .own = true, .public_url = i->public_url};
    }
    for (size_t n = 0; n < o->issuer_count; n++) {
        const eg_outside_issuer *out = &o->issuers[n];
        EG_TRY(check_outside(i, out, p));
        i->rules[i->own_count + n] = (eg_issuer_rules){.issuer = out->issuer, .tenant = out->tenant, .audiences = out->audiences, .outside = out};
        EG_TRY(eg_jwks_cache_new(out, o->pool, o->clock, o->audit, &i->outside[n]));
        EG_TRY(open_lookup(i, o, n, p));
    }
    return EG_OK;
}

EG_DEFINE_CLEANUP(eg_identity, eg_identity_close)

eg_err eg_identity_open(const eg_identity_options *o, eg_identity **ret, eg_problem *p) {
    EG_CLEANUP(eg_identity_close_p) eg_identity *i = calloc(1, sizeof *i);
    if (!i) {
        return EG_ERR_NO_MEMORY;
    }
    i->tenants = o->tenants;
    i->kv = o->kv;
    i->keys = o->keys;
    i->clock = o->clock;
    i->compute = o->compute;
    i->committer = o->committer;
    i->pool = o->pool;
    i->bind_tokens = o->bind_tokens;
    size_t url = o->certificate_url ? strlen(o->certificate_url) : 0;
    while (url > 0 && o->certificate_url[url - 1] == '/') {
        url--;
    }
    snprintf(i->certificate_url, sizeof i->certificate_url, "%.*s", (int)url, url ? o->certificate_url : "");
    atomic_init(&i->mark, 1);
    EG_TRY(eg_https_fetch_init());
    EG_TRY(copy_public_url(i, o->public_url, p));
    EG_TRY(make_rules(i, o, p));
    i->key_mark = (eg_key_mark){o->kv, o->committer, o->keys, o->audit};
    const eg_own_keys_options own = {o->keys, o->pool, o->clock, o->committer ? &i->key_mark : NULL};
    EG_TRY(eg_own_keys_open(&own, &i->own_keys, p));
    i->cache = eg_token_cache_new(o->cache_entries ? o->cache_entries : CACHE_ENTRIES);
    i->clients = eg_client_auth_new(o->kv, o->clock);
    i->basic = eg_proof_memory_new();
    i->certificates = eg_proof_memory_new();
    if (!i->cache || !i->clients || !i->basic || !i->certificates) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_identity_revoke_again(i));
    *ret = i;
    i = NULL;
    return EG_OK;
}

void eg_identity_close(eg_identity *i) {
    if (!i) {
        return;
    }
    for (size_t n = i->own_count; i->outside && n < i->rule_count; n++) {
        eg_jwks_cache_free(i->outside[n - i->own_count]);
    }
    for (size_t n = i->own_count; i->lookups && n < i->rule_count; n++) {
        eg_group_lookup_free(i->lookups[n - i->own_count]);
    }
    free(i->outside);
    free(i->lookups);
    free(i->rules);
    free(i->own_issuers);
    eg_own_keys_free(i->own_keys);
    eg_token_cache_free(i->cache);
    eg_client_auth_free(i->clients);
    eg_proof_memory_free(i->basic);
    eg_proof_memory_free(i->certificates);
    free(i);
}

void eg_identity_tell_metrics(const eg_identity *i) {
    int64_t oldest = 0, missing = 0;
    for (size_t n = i->own_count; n < i->rule_count; n++) {
        const int64_t age = eg_jwks_cache_age_s(i->outside[n - i->own_count]);
        oldest = age > oldest ? age : oldest;
        missing += age == -1;
    }
    eg_metric_set(EG_METRIC_JWKS_AGE, oldest);
    eg_metric_set(EG_METRIC_JWKS_MISSING, missing);
    eg_own_keys_tick(i->own_keys);
}

eg_err eg_identity_rotate_key(eg_identity *i, uint32_t delay_s, bool end_old, eg_buf *ret_json, eg_problem *p) {
    const eg_err e = i->keys->rotate_token_key(i->keys->ctx, delay_s, end_old, ret_json);
    if (e != EG_OK) {
        return eg_fail(p, e, e == EG_ERR_EXISTS  ? "A new token-signing key is published already, and waits for its moment."
                             : e == EG_ERR_LIMIT ? "As many token-signing keys as there may be can still have good tokens; wait for the oldest to be over."
                                                 : "The keeper did not make a token-signing key.");
    }
    eg_problem unheard = {0};
    (void)!eg_key_mark_put(&i->key_mark, eg_buf_str(ret_json), &unheard); /* the next start sees a later key */
    return eg_own_keys_reload(i->own_keys, p); /* published here before it signs */
}

eg_err eg_identity_token_keys(eg_identity *i, eg_buf *ret_json, eg_problem *p) {
    const eg_err e = i->keys->list_token_keys(i->keys->ctx, ret_json);
    return e == EG_OK ? EG_OK : eg_fail(p, e, "The keeper did not list the token-signing keys.");
}

static uint32_t generation_of(const eg_identity *i, uint32_t row) {
    return row < i->own_count ? eg_own_keys_generation(i->own_keys) : eg_jwks_cache_generation(i->outside[row - i->own_count]);
}

static eg_err find_issuer(const eg_identity *i, eg_str iss, uint32_t *ret_row, eg_problem *p) {
    for (size_t n = 0; iss.len > 0 && n < i->rule_count; n++) {
        if (eg_claims_issuer_fits(i->rules[n].issuer, iss)) {
            *ret_row = (uint32_t)n;
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's issuer is not one of this gateway's.");
}

typedef struct waiting {
    void (*later)(void *);
    void *ctx;
} waiting;

static eg_err find_keys(eg_identity *i, const eg_jws *j, waiting w, eg_verified *v, eg_jwk_set **ret, eg_problem *p) {
    if (v->issuer >= i->own_count) {
        return eg_jwks_cache_find(i->outside[v->issuer - i->own_count], j->kid, w.later, w.ctx, ret, &v->generation, p);
    }
    v->generation = eg_own_keys_generation(i->own_keys); /* before the keys, so that none is taken for newer than it is */
    EG_CLEANUP(eg_jwk_set_unref_p) eg_jwk_set *set = eg_own_keys_set(i->own_keys);
    if (!eg_jwk_set_find(set, j->kid)) {
        return eg_fail(p, EG_ERR_TOKEN_KEY_UNKNOWN, "The gateway has no key with the id that the token names.");
    }
    *ret = set;
    set = NULL;
    return EG_OK;
}

/* Signature before claims: nothing that is said about a token's content says more than that it was signed. */
static eg_err verify_parsed(eg_identity *i, const eg_jws *j, const uint8_t digest[EG_SHA256_LEN], waiting w, eg_verified *ret, eg_problem *p) {
    EG_CLEANUP(eg_jwk_set_unref_p) eg_jwk_set *set = NULL;
    eg_verified v = {0};
    eg_checked_claims found = {0};
    eg_str iss = eg_json_str(j->claims, "iss");
    EG_TRY(find_issuer(i, iss, &v.issuer, p));
    if (j->kid.len == 0) {
        return eg_fail(p, EG_ERR_TOKEN_KEY_UNKNOWN, "The token does not name its key.");
    }
    EG_TRY(find_keys(i, j, w, &v, &set, p));
    const eg_jwk *key = eg_jwk_set_find(set, j->kid);
    if (key->issuer[0] != '\0' && !eg_claims_issuer_fits(key->issuer, iss)) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "The token's key belongs to another issuer.");
    }
    EG_TRY(eg_jws_verify(j, key, p));
    EG_TRY(eg_claims_check(j->claims, &i->rules[v.issuer], eg_wall_s(i->clock), digest, &found, p));
    v.principal = found.principal;
    v.audiences = found.audiences;
    v.good_from_s = found.good_from_s;
    v.good_until_s = found.good_until_s;
    v.issued_s = found.issued_s;
    v.ask_groups = found.ask_groups;
    *ret = v;
    return EG_OK;
}

/* RFC 8705 section 3: proof of possession was the handshake's. The certificate's own times are asked too, as section 6.3 leaves to us. */
static eg_err check_bound(const eg_identity *i, const eg_principal *who, const eg_peer_certificate *c, eg_problem *p) {
    if (!who->bound || (c && eg_certificate_good(c, eg_wall_s(i->clock)) && eg_ct_eq(who->thumbprint, c->thumbprint, sizeof who->thumbprint))) {
        return EG_OK;
    }
    return eg_fail(p, EG_ERR_TOKEN_CERTIFICATE, "The token is good only on a connection with the client certificate that it is bound to.");
}

/* What can change after a token was verified; asked each time. Revocations only when there was one since: `epoch` is from before anything was read. */
static eg_err check_still_good(eg_identity *i, const eg_verified *v, uint64_t epoch, const eg_token_use *use, eg_problem *p) {
    int64_t now_s = eg_wall_s(i->clock);
    if (now_s >= v->good_until_s) {
        return eg_fail(p, EG_ERR_TOKEN_EXPIRED, "The token has expired.");
    }
    if (now_s < v->good_from_s) {
        return eg_fail(p, EG_ERR_TOKEN_NOT_YET, "The token is not valid yet.");
    }
    if (use->audience == EG_AUDIENCE_NONE || (v->audiences & EG_AUDIENCE_BIT(use->audience)) == 0) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "The token was issued for another audience.");
    }
    EG_TRY(check_bound(i, v->principal, use->certificate, p));
    return v->checked == epoch ? eg_identity_check_job(i, v->principal, p) : eg_identity_check(i, v->principal, p);
}

static eg_err verify_new(eg_identity *i, eg_str token, const uint8_t mark[EG_KEYED_HASH_LEN], waiting w, eg_verified *ret, eg_problem *p) {
    uint8_t digest[EG_SHA256_LEN];
    EG_CLEANUP(eg_jws_done) eg_jws j = {0};
    EG_TRY(eg_jws_parse(token, &j, p));
    eg_sha256(eg_str_bytes(token), digest);
    EG_TRY(verify_parsed(i, &j, digest, w, ret, p));
    const eg_err e = eg_revocation_floor(i->kv, ret->principal->tenant, ret->principal->object_id, &ret->principal->revoked_until_s);
    if (e != EG_OK) {
        eg_principal_unref(ret->principal);
        ret->principal = NULL;
        return e;
    }
    eg_token_cache_put(i->cache, mark, ret, eg_wall_s(i->clock));
    return EG_OK;
}

/* Who can be asked for the groups of that row's tokens. A token of our own, for a job or whoever is acted for, holds the id of the one issuer of its tenant that has an endpoint:
 * whom it doesn't know, its groups stay unknown. */
static eg_group_lookup *lookup_of(const eg_identity *i, uint32_t row) {
    eg_group_lookup *only = NULL;
    if (row >= i->own_count) {
        return i->lookups[row - i->own_count];
    }
    for (size_t n = i->own_count; n < i->rule_count; n++) {
        eg_group_lookup *l = i->lookups[n - i->own_count];
        if (l && strcmp(i->rules[n].tenant, i->rules[row].tenant) == 0) {
            if (only) {
                return NULL;
            }
            only = l;
        }
    }
    return only;
}

/* The principal gets the groups that its token leaves out, or goes on with unknown ones. What is remembered of the token has them from then on. */
static eg_err add_groups(eg_identity *i, const uint8_t mark[EG_KEYED_HASH_LEN], waiting w, eg_verified *v, eg_problem *p) {
    EG_CLEANUP(eg_principal_unref_p) eg_principal *groups = NULL;
    eg_group_lookup *l = v->ask_groups ? lookup_of(i, v->issuer) : NULL;
    if (!l) {
        return EG_OK;
    }
    const eg_err e = eg_group_lookup_find(l, v->principal->object_id, v->principal->kind, w.later, w.ctx, &groups);
    if (e == EG_ERR_BUSY) {
        return eg_fail(p, e, "The groups of the principal are being asked for; try again in a moment.");
    }
    if (groups == v->principal->groups_of) {
        return EG_OK;
    }
    eg_principal *with = eg_principal_with_groups(v->principal, groups);
    if (!with) {
        return EG_ERR_NO_MEMORY;
    }
    eg_principal_unref(v->principal);
    v->principal = with;
    eg_token_cache_put(i->cache, mark, v, eg_wall_s(i->clock));
    return EG_OK;
}

eg_err eg_identity_verify(eg_identity *i, eg_str token, const eg_token_use *use, eg_principal **ret, eg_problem *p) {
    uint8_t mark[EG_KEYED_HASH_LEN];
    eg_verified v = {0};
    if (token.len == 0) {
        return eg_fail(p, EG_ERR_TOKEN_MISSING, "The request has no bearer token.");
    }
    if (token.len > EG_JWS_MAX) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token is longer than %zu bytes.", EG_JWS_MAX);
    }
    const uint64_t epoch = eg_identity_revocation_mark(i);
    eg_token_cache_mark(i->cache, token, mark);
    bool hit = eg_token_cache_get(i->cache, mark, &v);
    if (hit && v.generation != generation_of(i, v.issuer)) {
        eg_principal_unref(v.principal);
        v.principal = NULL;
        eg_token_cache_drop(i->cache, mark);
        hit = false;
    }
    eg_metric_add(hit ? EG_METRIC_TOKEN_CACHE_HITS : EG_METRIC_TOKEN_CACHE_MISSES, 1);
    if (!hit) {
        EG_TRY(verify_new(i, token, mark, (waiting){use->later, use->later_ctx}, &v, p));
    }
    eg_err e = check_still_good(i, &v, epoch, use, p);
    if (e == EG_OK) {
        e = add_groups(i, mark, (waiting){use->later, use->later_ctx}, &v, p);
    }
    if (e != EG_OK) {
        eg_principal_unref(v.principal);
        return e;
    }
    if (v.checked != epoch) {
        eg_token_cache_checked(i->cache, mark, epoch);
    }
    *ret = v.principal;
    return EG_OK;
}

eg_err eg_identity_read_token(eg_identity *i, eg_str token, eg_principal **ret, eg_problem *p) {
    uint8_t digest[EG_SHA256_LEN];
    EG_CLEANUP(eg_jws_done) eg_jws j = {0};
    eg_verified v = {0};
    eg_err e = EG_ERR_BUSY;
    EG_TRY(eg_jws_parse(token, &j, p));
    eg_sha256(eg_str_bytes(token), digest);
    for (int n = 0; e == EG_ERR_BUSY && n < KEYS_LOOKS; n++) {
        if (n > 0) {
            (void)nanosleep(&(struct timespec){.tv_nsec = KEYS_LOOK_NS}, NULL);
        }
        e = verify_parsed(i, &j, digest, (waiting){NULL, NULL}, &v, p);
    }
    EG_TRY(e);
    *ret = v.principal;
    return EG_OK;
}

/* Fuzzes eg_jws_parse, eg_jws_verify, eg_jwk_set_parse and eg_claims_check: what identity reads before it believes anybody. The first
 * byte says which: 't' a token (against a fixed key that signed none of them), 'k' a key set, 'c' claims (as if their signature were good).
 *
 *   ./dev fuzz jws */
#include "identity/claims.h"
#include "identity/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TENANT "11111111-1111-4111-8111-111111111111"

/* RFC 7517 appendix A.1's P-256 key and RFC 8037 appendix A.2's: nobody here can sign with them. */
static const char key_set[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void read_token(eg_str text) {
    eg_jws j = {0};
    eg_problem p = {0};
    eg_jwk_set *set = NULL;
    if (eg_jws_parse(text, &j, &p) != EG_OK) {
        require(j.header == NULL && j.claims == NULL);
        return;
    }
    require(text.len <= EG_JWS_MAX && j.alg != EG_JWS_ALG_NONE && j.signature_len > 0 && j.signature_len <= EG_JWS_SIGNATURE_MAX);
    require(j.signed_part.ptr == text.ptr && j.signed_part.len < text.len && j.kid.len < EG_JWK_KID_MAX);
    require(eg_jwk_set_parse(eg_str_of(key_set), &set, &p) == EG_OK && set->count == 2);
    for (size_t i = 0; i < set->count; i++) {
        require(eg_jws_verify(&j, &set->keys[i], &p) != EG_OK);
    }
    eg_jwk_set_unref(set);
    eg_jws_done(&j);
}

static void read_keys(eg_str text) {
    eg_jwk_set *set = NULL;
    eg_problem p = {0};
    if (eg_jwk_set_parse(text, &set, &p) == EG_OK) {
        require(set->count > 0 && set->count <= EG_JWK_SET_KEYS_MAX);
        for (size_t i = 0; i < set->count; i++) {
            require(set->keys[i].key != NULL && set->keys[i].alg != EG_JWS_ALG_NONE && set->keys[i].kid[0] != '\0');
        }
    }
    eg_jwk_set_unref(set);
}

static void read_claims(eg_str text) {
    static const char *const audiences[] = {"api://embergate", "https://storage.azure.com", NULL};
    static const uint8_t digest[EG_SHA256_LEN];
    static const eg_issuer_rules rules[] = {
        {.issuer = "https://gw.example/" TENANT "/v2.0", .tenant = TENANT, .own = true, .public_url = "https://gw.example"},
        {.issuer = "https://login.microsoftonline.com/{tenantid}/v2.0", .tenant = TENANT, .audiences = audiences},
        {.issuer = "https://idp.example/a", .tenant = TENANT, .audiences = audiences},
    };
    json_t *v = NULL;
    if (eg_json_parse(text, EG_JWS_MAX, &v, NULL) != EG_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        eg_checked_claims c = {0};
        if (eg_claims_check(v, &rules[i], 1800000000, digest, &c, NULL) == EG_OK) {
            const eg_principal *who = c.principal;
            require(eg_uuid_valid(eg_str_of(who->tenant)) && eg_uuid_valid(eg_str_of(who->object_id)) && who->kind != EG_PRINCIPAL_NONE);
            require((who->kind == EG_PRINCIPAL_JOB) == (who->job[0] != '\0') && who->group_count <= EG_PRINCIPAL_GROUPS_MAX);
            require(c.audiences != 0 && c.good_until_s > 1800000000 && who->token_id[0] != '\0');
            require(who->kind != EG_PRINCIPAL_JOB || (rules[i].own && c.audiences == EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE)));
            require(!who->acting || (rules[i].own && who->kind == EG_PRINCIPAL_USER && who->acting->count > 0 && who->acting->count <= EG_PRINCIPAL_ACTORS_MAX && who->acting->text[0] != '\0'));
            require(!who->acting || who->issued_s <= 1800000000 + EG_OWN_SKEW_S);
            eg_principal_unref(c.principal);
        }
    }
    json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    eg_str text = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 't':
        read_token(text);
        break;
    case 'k':
        read_keys(text);
        break;
    default:
        read_claims(text);
        break;
    }
    return 0;
}

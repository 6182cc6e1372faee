/* Takes a compact JWS apart (RFC 7515), refusing whatever could be read in two ways. */
#include "jws.h"

#include <embergate/encoding.h>

#include <stdlib.h>

static const struct {
    eg_jws_alg alg;
    const char *name;
} algorithms[] = {
#define X(id, name, digest, type, half) {EG_JWS_##id, name},
    EG_JWS_ALG_LIST(X)
#undef X
    {EG_JWS_EDDSA, "Ed25519"},
};

eg_jws_alg eg_jws_alg_named(eg_str name) {
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (eg_str_is(name, algorithms[i].name)) {
            return algorithms[i].alg;
        }
    }
    return EG_JWS_ALG_NONE;
}

/* Members that bring a key or its address along, or that ask for an extension: a token never chooses its own key. */
static const char *const refused_members[] = {"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"};

static void free_text(char **p) {
    free(*p);
}

static eg_err decode_object(eg_str part, const char *what, json_t **ret, eg_problem *p) {
    EG_CLEANUP(free_text) char *text = malloc(part.len + 1);
    size_t n = 0;
    if (!text) {
        return EG_ERR_NO_MEMORY;
    }
    if (eg_unbase64url(part, (uint8_t *)text, part.len, &n) != EG_OK) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token's %s is not base64url.", what);
    }
    json_t *v = NULL;
    if (eg_json_parse((eg_str){text, n}, EG_JWS_MAX, &v, NULL) != EG_OK || !json_is_object(v)) {
        json_decref(v);
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token's %s is not a JSON object with every name once.", what);
    }
    *ret = v;
    return EG_OK;
}

static eg_err check_header(eg_jws *j, const char *ignored, eg_problem *p) {
    for (size_t i = 0; i < sizeof refused_members / sizeof refused_members[0]; i++) {
        if (json_object_get(j->header, refused_members[i]) && !(ignored && strcmp(refused_members[i], ignored) == 0)) {
            return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token's header has the member \"%s\", which is not accepted.", refused_members[i]);
        }
    }
    j->alg = eg_jws_alg_named(eg_json_str(j->header, "alg"));
    if (j->alg == EG_JWS_ALG_NONE) {
        return eg_fail(p, EG_ERR_TOKEN_ALGORITHM, "The token's algorithm is not accepted.");
    }
    /* RFC 8725 section 3.11, RFC 9068 section 2.1. */
    const json_t *typ = json_object_get(j->header, "typ");
    eg_str type = eg_json_str(j->header, "typ");
    if (typ && !eg_str_ieq(type, EG_LIT("JWT")) && !eg_str_ieq(type, EG_LIT("at+jwt"))) {
        return eg_fail(p, EG_ERR_TOKEN_TYPE, "The token is not an access token: its type is neither JWT nor at+jwt.");
    }
    const json_t *kid = json_object_get(j->header, "kid");
    j->kid = eg_json_str(j->header, "kid");
    if ((kid && !json_is_string(kid)) || j->kid.len >= EG_JWK_KID_MAX) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token's key id is not a short string.");
    }
    return EG_OK;
}

static eg_err parse(eg_str token, const char *ignored, eg_jws *j, eg_problem *p) {
    if (token.len == 0 || token.len > EG_JWS_MAX) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token is empty or longer than %zu bytes.", EG_JWS_MAX);
    }
    eg_str rest = token;
    eg_str header = eg_str_cut(&rest, '.');
    eg_str claims = rest.ptr ? eg_str_cut(&rest, '.') : (eg_str){NULL, 0};
    eg_str signature = rest;
    if (!signature.ptr || memchr(signature.ptr, '.', signature.len)) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token does not have exactly three parts.");
    }
    EG_TRY(decode_object(header, "header", &j->header, p));
    EG_TRY(check_header(j, ignored, p));
    EG_TRY(decode_object(claims, "body", &j->claims, p));
    if (eg_unbase64url(signature, j->signature, sizeof j->signature, &j->signature_len) != EG_OK || j->signature_len == 0) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "The token's signature is missing, too long or not base64url.");
    }
    j->signed_part = (eg_str){token.ptr, (size_t)(signature.ptr - token.ptr) - 1};
    return EG_OK;
}

static eg_err parse_whole(eg_str token, const char *ignored, eg_jws *ret, eg_problem *p) {
    eg_jws j = {0};
    eg_err e = parse(token, ignored, &j, p);
    if (e != EG_OK) {
        eg_jws_done(&j);
        return e;
    }
    *ret = j;
    return EG_OK;
}

eg_err eg_jws_parse(eg_str token, eg_jws *ret, eg_problem *p) {
    return parse_whole(token, NULL, ret, p);
}

eg_err eg_jws_parse_assertion(eg_str token, eg_jws *ret, eg_problem *p) {
    return parse_whole(token, "x5c", ret, p);
}

void eg_jws_done(eg_jws *j) {
    json_decref(j->header);
    json_decref(j->claims);
    j->header = NULL;
    j->claims = NULL;
}

/* Reads the ID token of a sign-in: is it about this client and this sign-in, and what is the person's name. */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/encoding.h>

#define SKEW_S 300

static eg_err decode_claims(eg_str token, json_t **ret, eg_problem *p) {
    eg_str rest = token;
    (void)eg_str_cut(&rest, '.');
    eg_str body = rest.ptr ? eg_str_cut(&rest, '.') : (eg_str){NULL, 0};
    char text[EG_TOKEN_BYTES_MAX];
    size_t n = 0;
    if (!rest.ptr || memchr(rest.ptr, '.', rest.len) || eg_unbase64url(body, (uint8_t *)text, sizeof text, &n) != EG_OK ||
        eg_json_parse((eg_str){text, n}, sizeof text, ret, NULL) != EG_OK) {
        return eg_fail(p, EG_ERR_TOKEN_MALFORMED, "the provider's ID token is malformed");
    }
    return EG_OK;
}

/* One audience or several; with several, `azp` says for whom (OpenID Connect Core 1.0 section 3.1.3.7, items 3 to 5). */
static bool for_client(const json_t *claims, const char *client_id) {
    const json_t *aud = json_object_get(claims, "aud");
    size_t i;
    const json_t *one;
    if (json_object_get(claims, "azp") && !eg_str_is(eg_json_str(claims, "azp"), client_id)) {
        return false;
    }
    json_array_foreach(aud, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), client_id) == 0) {
            return true;
        }
    }
    return eg_str_is(eg_json_str(claims, "aud"), client_id);
}

static void copy_name(const json_t *claims, char ret[128]) {
    static const char *const names[] = {"preferred_username", "email", "name", "sub"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        eg_str s = eg_json_str(claims, names[i]);
        if (s.len > 0 && s.len < 128) {
            (void)snprintf(ret, 128, "%.*s", EG_FMT(s));
            return;
        }
    }
}

eg_err eg_id_token_check(eg_str token, const eg_id_token_expected *expected, char ret_name[128], eg_problem *p) {
    EG_JSON_AUTO claims = NULL;
    EG_TRY(decode_claims(token, &claims, p));
    if (!eg_str_is(eg_json_str(claims, "iss"), expected->issuer)) {
        return eg_fail(p, EG_ERR_TOKEN_ISSUER, "the ID token is another issuer's");
    }
    if (!for_client(claims, expected->client_id)) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "the ID token is for another client");
    }
    const json_t *exp = json_object_get(claims, "exp");
    if (!json_is_number(exp) || json_number_value(exp) + SKEW_S <= (double)expected->now_s) {
        return eg_fail(p, EG_ERR_TOKEN_EXPIRED, "the ID token has expired");
    }
    eg_str nonce = eg_json_str(claims, "nonce");
    if (expected->nonce && (nonce.len != strlen(expected->nonce) || !eg_ct_eq(nonce.ptr, expected->nonce, nonce.len))) {
        return eg_fail(p, EG_ERR_TOKEN_CLAIM, "the ID token belongs to another sign-in: its nonce is not the one that was sent");
    }
    copy_name(claims, ret_name);
    return EG_OK;
}

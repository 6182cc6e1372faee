/* Asks a token endpoint, and reads what it says (RFC 6749 sections 5.1 and 5.2). */
#include "sign_in.h"

#include <embergate/encoding.h>
#include <embergate/secret.h>

#define LIFE_UNTOLD_SECONDS 300     /* expires_in is only recommended */
#define LIFE_SECONDS_MAX (30 * 86400)

static void wipe(eg_buf *b) {
    if (b->ptr) {
        eg_cleanse(b->ptr, b->cap);
    }
    eg_buf_done(b);
}

void eg_token_answer_done(eg_token_answer *a) {
    wipe(&a->access);
    wipe(&a->refresh);
    wipe(&a->id);
}

eg_err eg_form_add(eg_buf *form, const char *name, const char *value) {
    if (value[0] == '\0') {
        return EG_OK;
    }
    EG_TRY(eg_buf_addf(form, "%s%s=", form->len > 0 ? "&" : "", name));
    return eg_percent_encode(eg_str_of(value), false, form);
}

static eg_err take_text(const json_t *v, const char *name, eg_buf *ret, eg_problem *p) {
    eg_str s = eg_json_str(v, name);
    eg_buf_init(ret, EG_TOKEN_BYTES_MAX - 1);
    if (s.len > 0 && eg_buf_add(ret, s.ptr, s.len) != EG_OK) {
        return eg_fail(p, EG_ERR_LIMIT, "the provider's %s is too long", name);
    }
    return EG_OK;
}

static eg_err read_refusal(long status, const json_t *v, eg_token_answer *ret, eg_problem *p) {
    eg_str error = eg_json_str(v, "error"), said = eg_json_str(v, "error_description");
    if (error.len == 0 || error.len >= sizeof ret->error || status < 400 || status >= 500) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the token endpoint answered %ld without tokens", status);
    }
    (void)snprintf(ret->error, sizeof ret->error, "%.*s", EG_FMT(error));
    (void)snprintf(ret->description, sizeof ret->description, "%.*s", EG_FMT(said));
    return EG_OK;
}

static eg_err read_tokens(const json_t *v, eg_token_answer *ret, eg_problem *p) {
    if (!eg_str_ieq(eg_json_str(v, "token_type"), EG_LIT("Bearer")) || eg_json_str(v, "access_token").len == 0) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the token endpoint gave no access token that its bearer may use");
    }
    const json_t *life = json_object_get(v, "expires_in");
    uint64_t seconds = LIFE_UNTOLD_SECONDS;
    if (json_is_integer(life) && json_integer_value(life) >= 0) {
        seconds = (uint64_t)json_integer_value(life);
    } else if (json_is_string(life) && eg_str_u64(eg_json_str(v, "expires_in"), UINT64_MAX, &seconds) != EG_OK) { /* as Entra's version 1 has it */
        seconds = LIFE_UNTOLD_SECONDS;
    }
    ret->expires_in_s = seconds < LIFE_SECONDS_MAX ? (int64_t)seconds : LIFE_SECONDS_MAX;
    EG_TRY(take_text(v, "access_token", &ret->access, p));
    EG_TRY(take_text(v, "refresh_token", &ret->refresh, p));
    return take_text(v, "id_token", &ret->id, p);
}

eg_err eg_token_answer_read(long status, eg_str body, eg_token_answer *ret, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
    if (eg_json_parse(body, EG_PROVIDER_ANSWER_MAX, &v, NULL) != EG_OK || !json_is_object(v)) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the token endpoint answered %ld, and not in JSON", status);
    }
    EG_TRY(status == 200 ? read_tokens(v, &a, p) : read_refusal(status, v, &a, p));
    *ret = a;
    a = (eg_token_answer){.expires_in_s = 0};
    return EG_OK;
}

eg_err eg_token_ask(const eg_profile *profile, const eg_provider *provider, const char *url, eg_buf *form, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf authorization = {0}, body = {0};
    long status = 0;
    eg_err e = eg_client_proof_add(profile, provider, form, &authorization, p);
    if (e == EG_OK && form->err != EG_OK) {
        e = eg_fail(p, EG_ERR_LIMIT, "what is to be asked is too long");
    }
    if (e == EG_OK) {
        const char *const headers[] = {"Accept: application/json", authorization.ptr, NULL};
        eg_cli_call call = {.method = "POST", .url = url, .ca = provider->ca, .content_type = "application/x-www-form-urlencoded",
                            .body = eg_buf_bytes(form), .headers = headers, .provider = !provider->own, .client = profile};
        e = eg_cli_exchange(&call, &status, &body, p);
    }
    if (form->ptr) {
        eg_cleanse(form->ptr, form->cap);
    }
    if (authorization.ptr) {
        eg_cleanse(authorization.ptr, authorization.cap);
    }
    EG_TRY(e);
    e = eg_token_answer_read(status, eg_buf_str(&body), ret, p);
    eg_cleanse(body.ptr, body.cap);
    return e;
}

eg_err eg_token_refused(const eg_token_answer *a, const char *what, eg_problem *p) {
    static const struct {
        const char *error, *hint;
    } hints[] = {
        {"invalid_grant", "sign in again: embergate login"},
        {"expired_token", "the code was not entered in time: embergate login gives another one"},
        {"access_denied", "the sign-in was refused, by you or by the provider"},
        {"invalid_client", "is client_id right, and what proves it?"},
        {"unauthorized_client", "the provider doesn't allow this client to sign in in this way"},
        {"invalid_scope", "the provider doesn't know the scope: see scope in the profile"},
    };
    (void)eg_fail(p, EG_ERR_TOKEN_CLAIM, "%s was refused: %s%s%s", what, a->error, a->description[0] ? ": " : "", a->description);
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (strcmp(a->error, hints[i].error) == 0) {
            return eg_fail_hint(p, "%s", hints[i].hint);
        }
    }
    return EG_ERR_TOKEN_CLAIM;
}

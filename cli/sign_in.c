/* Gives commands their access token, from the session or by client credentials, and asks the gateway with it. */
#include "sign_in.h"

#include <embergate/crypto.h>
#include <embergate/secret.h>
#include <time.h>

#define NEARLY_OVER_SECONDS 60

static const char *profile_path; /* set once by the command that runs */

void eg_cli_use_profile(const char *path) {
    profile_path = path;
}

const char *eg_cli_profile_path(void) {
    return profile_path;
}

static eg_err copy_token(const eg_buf *from, eg_buf *ret, eg_problem *p) {
    eg_buf_init(ret, EG_TOKEN_BYTES_MAX - 1);
    return eg_buf_add(ret, from->ptr, from->len) == EG_OK ? EG_OK : eg_fail(p, EG_ERR_LIMIT, "the access token is too long");
}

eg_err eg_sign_in_way_of(const eg_profile *profile, eg_sign_in_way *ret, eg_problem *p) {
    static const struct {
        const char *name;
        eg_sign_in_way way;
    } ways[] = {{"client", EG_SIGN_IN_CLIENT}, {"device", EG_SIGN_IN_DEVICE}, {"browser", EG_SIGN_IN_BROWSER}};
    if (profile->login[0] == '\0') {
        *ret = profile->authority[0] == '\0' || eg_client_proof_there(profile) ? EG_SIGN_IN_CLIENT : EG_SIGN_IN_DEVICE;
        return EG_OK;
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(profile->login, ways[i].name) == 0) {
            *ret = ways[i].way;
            return EG_OK;
        }
    }
    return eg_fail(p, EG_ERR_INVALID, "the profile's login is none of client, device and browser");
}

/* RFC 6749 section 4.4. */
eg_err eg_sign_in_client(const eg_profile *profile, const eg_provider *provider, eg_cli_audience audience, eg_token_answer *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf form;
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    EG_TRY(eg_form_add(&form, "grant_type", "client_credentials"));
    EG_TRY(eg_form_add(&form, "scope", eg_provider_scope(profile, audience)));
    EG_TRY(eg_form_add(&form, "resource", profile->resource));
    EG_TRY(eg_token_ask(profile, provider, provider->token, &form, &a, p));
    if (a.error[0] != '\0') {
        return eg_token_refused(&a, "the sign-in by client credentials", p);
    }
    *ret = a;
    a = (eg_token_answer){.expires_in_s = 0};
    return EG_OK;
}

/* RFC 6749 section 6. EG_OK with ret->error for a refusal: the session is then over. */
eg_err eg_sign_in_refresh(const eg_profile *profile, const eg_provider *provider, eg_cli_audience audience, const eg_session *s, eg_token_answer *ret,
                          eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf form;
    eg_buf_init(&form, EG_FORM_BYTES_MAX);
    EG_TRY(eg_form_add(&form, "grant_type", "refresh_token"));
    EG_TRY(eg_form_add(&form, "refresh_token", s->refresh.ptr));
    /* Without a scope it is what was granted: naming one that wasn't, such as offline_access, is refused. */
    if (audience == EG_CLI_STORAGE && !eg_provider_one_token(profile)) {
        EG_TRY(eg_form_add(&form, "scope", eg_provider_scope(profile, audience)));
    }
    EG_TRY(eg_form_add(&form, "resource", profile->resource));
    return eg_token_ask(profile, provider, provider->token, &form, ret, p);
}

static eg_err sign_in_again(eg_problem *p, const char *why) {
    (void)eg_fail(p, EG_ERR_TOKEN_EXPIRED, "%s", why);
    return eg_fail_hint(p, "sign in: embergate login");
}

/* A new access token for the session, kept in it. The session's lock is held: a refresh token that is used twice ends the session at many providers. */
static eg_err renew(const eg_profile *profile, const eg_session_place *at, eg_session *s, eg_cli_audience audience, eg_problem *p) {
    eg_provider provider;
    eg_sign_in_way way = EG_SIGN_IN_NONE;
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
    EG_TRY(eg_sign_in_way_of(profile, &way, p));
    const bool by_client = s->refresh.len == 0 && way == EG_SIGN_IN_CLIENT && eg_client_proof_there(profile);
    if (s->refresh.len == 0 && !by_client) {
        return sign_in_again(p, "the session is over");
    }
    EG_TRY(eg_provider_discover(profile, &provider, p));
    EG_TRY(by_client ? eg_sign_in_client(profile, &provider, audience, &a, p) : eg_sign_in_refresh(profile, &provider, audience, s, &a, p));
    if (a.error[0] != '\0') {
        eg_problem unused = {0};
        if (strcmp(a.error, "invalid_grant") == 0) {
            (void)!eg_session_remove(at, &unused);
        }
        return eg_token_refused(&a, "the session's renewal", p);
    }
    EG_TRY(eg_session_take(s, profile, audience, &a, p));
    return eg_session_save(at, s, p);
}

/* EG_ERR_NOT_FOUND: there is no session. */
static eg_err session_token(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret, int64_t *ret_expires_s, eg_problem *p) {
    EG_CLEANUP(eg_session_leave) eg_session_place at = {.dir = -1, .lock = -1};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = ""};
    EG_TRY(eg_session_enter(profile, false, &at, p));
    EG_TRY(eg_session_load(&at, &s, p));
    if (s.access[audience].token.len == 0 || s.access[audience].expires_s <= (int64_t)time(NULL) + NEARLY_OVER_SECONDS) {
        EG_TRY(renew(profile, &at, &s, audience, p));
    }
    *ret_expires_s = s.access[audience].expires_s;
    return copy_token(&s.access[audience].token, ret, p);
}

static eg_err any_token(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret, int64_t *ret_expires_s, eg_problem *p) {
    eg_sign_in_way way = EG_SIGN_IN_NONE;
    eg_provider provider;
    EG_CLEANUP(eg_token_answer_done) eg_token_answer a = {.expires_in_s = 0};
    eg_err e = session_token(profile, audience, ret, ret_expires_s, p);
    if (e != EG_ERR_NOT_FOUND) {
        return e;
    }
    EG_TRY(eg_sign_in_way_of(profile, &way, p));
    if (way != EG_SIGN_IN_CLIENT) {
        return sign_in_again(p, "nobody is signed in");
    }
    EG_TRY(eg_provider_discover(profile, &provider, p));
    EG_TRY(eg_sign_in_client(profile, &provider, audience, &a, p));
    *ret_expires_s = (int64_t)time(NULL) + a.expires_in_s;
    return copy_token(&a.access, ret, p);
}

eg_err eg_cli_token(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret, eg_problem *p) {
    int64_t unused = 0;
    return any_token(profile, audience, ret, &unused, p);
}

/* Commands that follow a job ask twice a second: one token serves them all until it is nearly over. */
static eg_secret *kept_token;
static int64_t kept_until_s;

static eg_err gateway_token(const eg_profile *profile, char ret[EG_TOKEN_BYTES_MAX], eg_problem *p) {
    if (!kept_token || (int64_t)time(NULL) >= kept_until_s) {
        EG_CLEANUP(eg_buf_done) eg_buf token = {0};
        EG_TRY(any_token(profile, EG_CLI_GATEWAY, &token, &kept_until_s, p));
        kept_until_s -= NEARLY_OVER_SECONDS;
        eg_secret_free(kept_token);
        kept_token = eg_secret_new(token.ptr, token.len);
        eg_cleanse(token.ptr, token.len);
    }
    eg_bytes b = kept_token ? eg_secret_bytes(kept_token) : (eg_bytes){NULL, 0};
    if (b.len == 0 || b.len >= EG_TOKEN_BYTES_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "the access token is too long");
    }
    memcpy(ret, b.ptr, b.len);
    ret[b.len] = '\0';
    return EG_OK;
}

/* The gateway refuses it before its time: it was revoked, or the gateway's keys are new. True when there is a session that can give another. */
static bool forget_token(const eg_profile *profile) {
    eg_problem unused = {0};
    EG_CLEANUP(eg_session_leave) eg_session_place at = {.dir = -1, .lock = -1};
    EG_CLEANUP(eg_session_done) eg_session s = {.name = ""};
    if (eg_session_enter(profile, false, &at, &unused) != EG_OK || eg_session_load(&at, &s, &unused) != EG_OK) {
        return false;
    }
    eg_secret_free(kept_token);
    kept_token = NULL;
    for (size_t i = 0; i < EG_AUDIENCES; i++) {
        s.access[i].expires_s = 0;
    }
    return eg_session_save(&at, &s, &unused) == EG_OK && (s.refresh.len > 0 || eg_client_proof_there(profile));
}

/* What the gateway said, from any surface's shape: {"msg"}, {"error":{"message"}}, {"error_description"}. */
static eg_err quote_refusal(long status, const eg_buf *body, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    eg_str said = {NULL, 0}, code = {NULL, 0};
    if (eg_json_parse(eg_buf_str(body), 1u << 20, &v, NULL) == EG_OK) {
        const json_t *error = json_object_get(v, "error");
        said = eg_json_str(v, "msg");
        said = said.ptr ? said : eg_json_str(error, "message");
        said = said.ptr ? said : eg_json_str(v, "error_description");
        code = eg_json_str(error, "code");
    }
    eg_err e = status == 401   ? EG_ERR_TOKEN_CLAIM
               : status == 403 ? EG_ERR_DENIED_ROLE
               : status == 404 ? EG_ERR_NOT_FOUND
               : status >= 500 ? EG_ERR_UNAVAILABLE
                               : EG_ERR_LIMIT;
    return eg_fail(p, e, "the gateway answered %ld%s%.*s: %.*s", status, code.ptr ? " " : "", EG_FMT(code),
                   EG_FMT(said.ptr ? said : EG_LIT("(no explanation)")));
}

/* One exchange, and another one when a session's token is refused. */
static eg_err exchange_signed_in(const eg_profile *profile, eg_cli_call *call, long *ret_status, eg_buf *ret_body, eg_problem *p) {
    char token[EG_TOKEN_BYTES_MAX];
    call->token = token;
    for (unsigned tries = 0;; tries++) {
        EG_TRY(gateway_token(profile, token, p));
        eg_err e = eg_cli_exchange(call, ret_status, ret_body, p);
        eg_cleanse(token, sizeof token);
        EG_TRY(e);
        if (*ret_status != 401 || tries > 0 || !forget_token(profile)) {
            return EG_OK;
        }
        eg_buf_done(ret_body);
    }
}

eg_err eg_cli_get_bytes(const eg_profile *profile, const char *path, eg_buf *ret, eg_problem *p) {
    char url[512];
    if (snprintf(url, sizeof url, "%s%s", profile->endpoint, path) >= (int)sizeof url) {
        return eg_fail(p, EG_ERR_LIMIT, "the request's address is too long");
    }
    eg_cli_call call = {.method = "GET", .url = url, .ca = profile->ca, .client = profile};
    long status = 0;
    EG_TRY(exchange_signed_in(profile, &call, &status, ret, p));
    return status == 200 ? EG_OK : quote_refusal(status, ret, p);
}

static eg_err send_json(const char *method, const char *path_and_query, const json_t *sent, const char *const *headers,
                        json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile;
    EG_TRY(eg_profile_load(profile_path, &profile, p));
    EG_CLEANUP(eg_buf_done) eg_buf out = {0}, body = {0};
    eg_buf_init(&out, 32u << 20); /* a change of policies may be as large */
    if (sent) {
        EG_TRY(eg_json_write(sent, &out));
    }
    char url[4096];
    if (snprintf(url, sizeof url, "%s%s", profile.endpoint, path_and_query) >= (int)sizeof url) {
        return eg_fail(p, EG_ERR_LIMIT, "the request's address is too long");
    }
    eg_cli_call call = {.method = method, .url = url, .ca = profile.ca, .client = &profile, .headers = headers,
                        .content_type = sent ? "application/json" : NULL, .body = sent ? eg_buf_bytes(&out) : (eg_bytes){NULL, 0}};
    long status = 0;
    EG_TRY(exchange_signed_in(&profile, &call, &status, &body, p));
    if (status >= 400) {
        return quote_refusal(status, &body, p);
    }
    json_t *v = NULL;
    if (body.len > 0) {
        EG_TRY(eg_json_parse(eg_buf_str(&body), 64u << 20, &v, p));
    }
    *ret = v;
    return EG_OK;
}

eg_err eg_cli_send_json(const char *method, const char *path_and_query, const json_t *sent, json_t **ret, eg_problem *p) {
    return send_json(method, path_and_query, sent, NULL, ret, p);
}

eg_err eg_cli_send_json_once(const char *method, const char *path_and_query, const json_t *sent, const char *idempotency_key,
                             json_t **ret, eg_problem *p) {
    char key[EG_UUID_LEN], header[256];
    eg_uuid_new(key);
    (void)snprintf(header, sizeof header, "Idempotency-Key: %s", idempotency_key ? idempotency_key : key);
    const char *const headers[] = {header, NULL};
    return send_json(method, path_and_query, sent, headers, ret, p);
}

eg_err eg_cli_get_json(const char *path_and_query, json_t **ret, eg_problem *p) {
    return eg_cli_send_json("GET", path_and_query, NULL, ret, p);
}

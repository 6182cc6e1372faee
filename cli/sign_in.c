/* Signs in by client credentials and asks the gateway with the token: what most commands do. */
#include "cli.h"

#include <embergate/encoding.h>
#include <embergate/crypto.h>
#include <embergate/secret.h>
#include <time.h>

#define TOKEN_BYTES_MAX 16384
#define FORM_BYTES_MAX 4096

static const char *profile_path; /* set once by the command that runs */

void eg_cli_use_profile(const char *path)
{
    profile_path = path;
}

const char *eg_cli_profile_path(void)
{
    return profile_path;
}

/* Commands that follow a job ask twice a second: one token serves them all until it is nearly over. */
#define TOKEN_KEPT_SECONDS 1800
static eg_secret *kept_token;
static time_t kept_until;

static eg_err gateway_token(const eg_profile *profile, char ret[TOKEN_BYTES_MAX], eg_problem *p)
{
    if (!kept_token || time(NULL) >= kept_until) {
        EG_CLEANUP(eg_buf_done) eg_buf token = {0};
        EG_TRY(eg_cli_token(profile, EG_CLI_GATEWAY, &token, p));
        eg_secret_free(kept_token);
        kept_token = eg_secret_new(token.ptr, token.len);
        kept_until = time(NULL) + TOKEN_KEPT_SECONDS;
        eg_cleanse(token.ptr, token.len);
    }
    eg_bytes b = kept_token ? eg_secret_bytes(kept_token) : (eg_bytes){NULL, 0};
    if (b.len == 0 || b.len >= TOKEN_BYTES_MAX) {
        return eg_fail(p, EG_ERR_LIMIT, "the access token is too long");
    }
    memcpy(ret, b.ptr, b.len);
    ret[b.len] = '\0';
    return EG_OK;
}

static const char *const audience_scope[] = {
    [EG_CLI_GATEWAY] = "https://management.azure.com/.default",
    [EG_CLI_STORAGE] = "https://storage.azure.com/.default",
};

/* What the gateway said, from any surface's shape: {"msg"}, {"error":{"message"}}, {"error_description"}. */
static eg_err quote_refusal(long status, const eg_buf *body, eg_problem *p)
{
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

static eg_err token_form(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret)
{
    EG_TRY(eg_buf_adds(ret, "grant_type=client_credentials&client_id="));
    EG_TRY(eg_percent_encode(eg_str_of(profile->client_id), false, ret));
    EG_TRY(eg_buf_adds(ret, "&client_secret="));
    EG_TRY(eg_percent_encode(eg_str_of(profile->client_secret), false, ret));
    EG_TRY(eg_buf_adds(ret, "&scope="));
    return eg_percent_encode(eg_str_of(audience_scope[audience]), false, ret);
}

eg_err eg_cli_token(const eg_profile *profile, eg_cli_audience audience, eg_buf *ret, eg_problem *p)
{
    char url[512];
    (void)snprintf(url, sizeof url, "%s/%s/oauth2/v2.0/token", profile->endpoint, profile->tenant);
    EG_CLEANUP(eg_buf_done) eg_buf form;
    EG_CLEANUP(eg_buf_done) eg_buf body = {0};
    eg_buf_init(&form, FORM_BYTES_MAX);
    EG_TRY(token_form(profile, audience, &form));
    eg_cli_call call = {.method = "POST", .url = url, .ca = profile->ca,
                        .content_type = "application/x-www-form-urlencoded", .body = eg_buf_bytes(&form)};
    long status = 0;
    eg_err e = eg_cli_exchange(&call, &status, &body, p);
    eg_cleanse(form.ptr, form.len);
    EG_TRY(e);
    if (status != 200) {
        return quote_refusal(status, &body, p);
    }
    EG_JSON_AUTO v = NULL;
    EG_TRY(eg_json_parse(eg_buf_str(&body), 65536, &v, p));
    eg_str token = eg_json_str(v, "access_token");
    if (!token.ptr) {
        return eg_fail(p, EG_ERR_UNAVAILABLE, "the token endpoint gave no access token");
    }
    eg_buf_init(ret, TOKEN_BYTES_MAX);
    e = eg_buf_add(ret, token.ptr, token.len);
    eg_cleanse(body.ptr, body.len);
    return e;
}

static eg_err send_json(const char *method, const char *path_and_query, const json_t *sent, const char *const *headers,
                        json_t **ret, eg_problem *p)
{
    EG_CLEANUP(eg_profile_done) eg_profile profile;
    EG_TRY(eg_profile_load(profile_path, &profile, p));
    EG_CLEANUP(eg_buf_done) eg_buf out = {0}, body = {0};
    char token[TOKEN_BYTES_MAX];
    EG_TRY(gateway_token(&profile, token, p));
    eg_buf_init(&out, 4u << 20);
    if (sent) {
        EG_TRY(eg_json_write(sent, &out));
    }
    char url[4096];
    if (snprintf(url, sizeof url, "%s%s", profile.endpoint, path_and_query) >= (int)sizeof url) {
        return eg_fail(p, EG_ERR_LIMIT, "the request's address is too long");
    }
    eg_cli_call call = {.method = method, .url = url, .ca = profile.ca, .token = token, .headers = headers,
                        .content_type = sent ? "application/json" : NULL, .body = sent ? eg_buf_bytes(&out) : (eg_bytes){NULL, 0}};
    long status = 0;
    eg_err e = eg_cli_exchange(&call, &status, &body, p);
    eg_cleanse(token, sizeof token);
    EG_TRY(e);
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

eg_err eg_cli_send_json(const char *method, const char *path_and_query, const json_t *sent, json_t **ret, eg_problem *p)
{
    return send_json(method, path_and_query, sent, NULL, ret, p);
}

eg_err eg_cli_send_json_once(const char *method, const char *path_and_query, const json_t *sent, const char *idempotency_key,
                             json_t **ret, eg_problem *p)
{
    char key[EG_UUID_LEN], header[256];
    eg_uuid_new(key);
    (void)snprintf(header, sizeof header, "Idempotency-Key: %s", idempotency_key ? idempotency_key : key);
    const char *const headers[] = {header, NULL};
    return send_json(method, path_and_query, sent, headers, ret, p);
}

eg_err eg_cli_get_json(const char *path_and_query, json_t **ret, eg_problem *p)
{
    return eg_cli_send_json("GET", path_and_query, NULL, ret, p);
}

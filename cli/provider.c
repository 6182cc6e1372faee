/* Finds the endpoints of whoever issues the tokens: by OpenID discovery, or the gateway's own. */
#include "sign_in.h"

#define GATEWAY_SCOPE "https://management.azure.com/.default"
#define STORAGE_SCOPE "https://storage.azure.com/.default"

static const struct {
    const char *name;
    size_t at;
    const char *own;      /* path at the gateway's own issuer; NULL = it has none */
} endpoints[] = {
    {"token_endpoint", offsetof(eg_provider, token), "/oauth2/v2.0/token"},
    {"authorization_endpoint", offsetof(eg_provider, authorization), NULL},
    {"device_authorization_endpoint", offsetof(eg_provider, device), NULL},
    {"revocation_endpoint", offsetof(eg_provider, revocation), NULL},
};
#define ENDPOINT_MAX sizeof(((eg_provider *)NULL)->token)

static eg_err copy_endpoint(const json_t *doc, size_t i, eg_provider *to, eg_problem *p) {
    eg_str url = eg_json_str(doc, endpoints[i].name);
    if (url.len == 0) {
        return EG_OK;
    }
    if (!eg_str_starts(url, "https://") || url.len >= ENDPOINT_MAX || memchr(url.ptr, '#', url.len)) {
        return eg_fail(p, EG_ERR_INVALID, "the provider's %s is not an https address", endpoints[i].name);
    }
    memcpy((char *)to + endpoints[i].at, url.ptr, url.len + 1);
    return EG_OK;
}

/* RFC 8705 section 5: where to come with a certificate. */
static void take_alias(const json_t *doc, eg_provider *to) {
    const eg_str url = eg_json_str(json_object_get(doc, "mtls_endpoint_aliases"), "token_endpoint");
    if (eg_str_starts(url, "https://") && url.len < sizeof to->token_by_certificate && !memchr(url.ptr, '#', url.len)) {
        memcpy(to->token_by_certificate, url.ptr, url.len + 1);
    }
}

/* RFC 8414 section 2: without a list, Basic is what a client may rely on; but every provider that leaves it out takes the form too. */
static bool wants_basic(const json_t *doc) {
    const json_t *methods = json_object_get(doc, "token_endpoint_auth_methods_supported");
    bool basic = false;
    size_t i;
    const json_t *m;
    json_array_foreach(methods, i, m)
    {
        if (json_is_string(m) && strcmp(json_string_value(m), "client_secret_post") == 0) {
            return false;
        }
        basic = basic || (json_is_string(m) && strcmp(json_string_value(m), "client_secret_basic") == 0);
    }
    return basic;
}

eg_err eg_provider_read(eg_str document, const char *issuer, eg_provider *ret, eg_problem *p) {
    EG_JSON_AUTO doc = NULL;
    eg_provider found = {.own = false};
    EG_TRY(eg_json_parse(document, EG_PROVIDER_ANSWER_MAX, &doc, p));
    eg_str says = eg_json_str(doc, "issuer");
    if (!eg_str_is(says, issuer) || says.len >= sizeof found.issuer) {
        (void)eg_fail(p, EG_ERR_INVALID, "the discovery document is another issuer's: %.*s", EG_FMT(says));
        return eg_fail_hint(p, "the authority must be written exactly as the provider writes its issuer: %s is not", issuer);
    }
    memcpy(found.issuer, says.ptr, says.len + 1);
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        EG_TRY(copy_endpoint(doc, i, &found, p));
    }
    if (found.token[0] == '\0') {
        return eg_fail(p, EG_ERR_INVALID, "the provider has no token endpoint");
    }
    take_alias(doc, &found);
    found.basic = wants_basic(doc);
    found.says_issuer = json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported"));
    *ret = found;
    return EG_OK;
}

static eg_err own_endpoints(const eg_profile *profile, eg_provider *ret, eg_problem *p) {
    eg_provider own = {.own = true, .ca = profile->ca};
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        char *to = (char *)&own + endpoints[i].at;
        int n = endpoints[i].own ? snprintf(to, ENDPOINT_MAX, "%s/%s%s", profile->endpoint, profile->tenant, endpoints[i].own) : 0;
        if (n < 0 || (size_t)n >= ENDPOINT_MAX) {
            return eg_fail(p, EG_ERR_LIMIT, "the endpoint is too long");
        }
    }
    *ret = own;
    return EG_OK;
}

eg_err eg_provider_discover(const eg_profile *profile, eg_provider *ret, eg_problem *p) {
    if (profile->authority[0] == '\0') {
        return own_endpoints(profile, ret, p);
    }
    if (!eg_str_starts(eg_str_of(profile->authority), "https://")) {
        return eg_fail(p, EG_ERR_INVALID, "the authority must begin with https://");
    }
    char url[640];
    size_t n = strlen(profile->authority);
    n -= profile->authority[n - 1] == '/';
    (void)snprintf(url, sizeof url, "%.*s/.well-known/openid-configuration", (int)n, profile->authority);
    eg_cli_call call = {.method = "GET", .url = url, .ca = profile->authority_ca, .provider = true};
    EG_CLEANUP(eg_buf_done) eg_buf body = {0};
    long status = 0;
    EG_TRY(eg_cli_exchange(&call, &status, &body, p));
    if (status != 200) {
        (void)eg_fail(p, EG_ERR_UNAVAILABLE, "the provider's discovery document was answered %ld", status);
        return eg_fail_at(p, "%s", url);
    }
    eg_err e = eg_provider_read(eg_buf_str(&body), profile->authority, ret, p);
    if (e != EG_OK) {
        return eg_fail_at(p, "%s", url);
    }
    ret->ca = profile->authority_ca;
    if (eg_profile_shows_certificate(profile) && ret->token_by_certificate[0]) {
        memcpy(ret->token, ret->token_by_certificate, sizeof ret->token);
    }
    return EG_OK;
}

bool eg_provider_one_token(const eg_profile *profile) {
    return profile->authority[0] != '\0' && profile->storage_scope[0] == '\0';
}

const char *eg_provider_scope(const eg_profile *profile, eg_cli_audience audience) {
    if (profile->authority[0] == '\0') {
        return audience == EG_CLI_STORAGE ? STORAGE_SCOPE : GATEWAY_SCOPE;
    }
    return audience == EG_CLI_STORAGE && !eg_provider_one_token(profile) ? profile->storage_scope : profile->scope;
}

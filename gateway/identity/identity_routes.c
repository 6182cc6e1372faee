/* The routes of the gateway's own issuer: tokens, discovery, keys. */
#include "identity_state.h"
#include "token_endpoint.h"
#include "token_exchange.h"

/* RFC 8705 sections 3.3 and 5. Where the public address itself doesn't ask for certificates, the alias says where to come with one. */
static int add_certificates(json_t *doc, const eg_identity *i, const char *tenant) {
    json_t *methods = json_object_get(doc, "token_endpoint_auth_methods_supported");
    int failed = json_array_append_new(methods, json_string("self_signed_tls_client_auth"));
    failed |= json_object_set_new(doc, "tls_client_certificate_bound_access_tokens", json_boolean(i->bind_tokens));
    if (strcmp(i->certificate_url, i->public_url) != 0) {
        json_t *token = json_sprintf("%s/%s/oauth2/v2.0/token", i->certificate_url, tenant);
        failed |= json_object_set_new(doc, "mtls_endpoint_aliases", json_pack("{s:o}", "token_endpoint", token));
    }
    return failed;
}

/* OpenID Connect Discovery 1.0 section 3, with what MSAL insists on. There is no authorization endpoint: nobody signs in by browser here, and
 * its address answers 404. */
static json_t *discovery_document(const eg_identity *i, const char *tenant) {
    json_t *doc = json_object();
    static const struct {
        const char *name;
        const char *path;
    } urls[] = {
        {"issuer", "/v2.0"},
        {"authorization_endpoint", "/oauth2/v2.0/authorize"},
        {"token_endpoint", "/oauth2/v2.0/token"},
        {"jwks_uri", "/discovery/v2.0/keys"},
        {"device_authorization_endpoint", "/oauth2/v2.0/devicecode"},
    };
    int failed = !doc;
    for (size_t n = 0; n < sizeof urls / sizeof urls[0]; n++) {
        failed |= doc && json_object_set_new(doc, urls[n].name, json_sprintf("%s/%s%s", i->public_url, tenant, urls[n].path)) != 0;
    }
    json_t *rest = json_pack("{s:[sss],s:[sssss],s:[sss],s:[s],s:[s],s:[s],s:[s]}", "token_endpoint_auth_methods_supported", "client_secret_post",
                             "client_secret_basic", "private_key_jwt", "token_endpoint_auth_signing_alg_values_supported", "RS256", "PS256", "ES256", "ES384", "EdDSA",
                             "grant_types_supported", "client_credentials", EG_GRANT_EXCHANGE, EG_GRANT_ON_BEHALF, "response_types_supported", "token",
                             "subject_types_supported", "public", "id_token_signing_alg_values_supported", "ES256", "scopes_supported",
                             "https://storage.azure.com/.default");
    failed |= !rest || (doc && json_object_update(doc, rest) != 0);
    json_decref(rest);
    if (!failed && i->certificate_url[0] != '\0') {
        failed = add_certificates(doc, i, tenant) != 0;
    }
    if (failed) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

static eg_err tenant_of(eg_request *rq, const char **ret) {
    const char *tenant = eg_identity_tenant(rq->room, rq->params[0]);
    if (!tenant) {
        return eg_fail(&rq->problem, EG_ERR_OAUTH_REQUEST, "The tenant is not served here.");
    }
    *ret = tenant;
    return EG_OK;
}

static eg_err get_discovery(eg_request *rq) {
    const char *tenant = NULL;
    EG_TRY(tenant_of(rq, &tenant));
    return eg_respond_json(rq, 200, discovery_document(rq->room, tenant));
}

static eg_err get_keys(eg_request *rq) {
    const eg_identity *i = rq->room;
    const char *tenant = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    EG_TRY(tenant_of(rq, &tenant));
    EG_TRY(eg_own_keys_text(i->own_keys, &text));
    EG_TRY(eg_response_header(rq, "Cache-Control", "public, max-age=3600"));
    return eg_respond_owned(rq, 200, "application/json", &text);
}

static const eg_route routes[] = {
    {.surface = EG_SURFACE_OAUTH,
     .method = "POST",
     .pattern = "/{tenant}/oauth2/v2.0/token",
     .record = EG_RECORD_EACH,
     .flags = EG_ROUTE_PUBLIC | EG_ROUTE_BLOCKING,
     .max_body = EG_TOKEN_BODY_MAX,
     .end = eg_token_endpoint_post,
     .event = "identity.token.issue"},
    {.surface = EG_SURFACE_OAUTH,
     .method = "POST",
     .pattern = "/{tenant}/oauth2/token",
     .record = EG_RECORD_EACH,
     .flags = EG_ROUTE_PUBLIC | EG_ROUTE_BLOCKING,
     .max_body = EG_TOKEN_BODY_MAX,
     .end = eg_token_endpoint_post,
     .event = "identity.token.issue"},
    {.surface = EG_SURFACE_OAUTH,
     .method = "GET",
     .pattern = "/{tenant}/v2.0/.well-known/openid-configuration",
     .record = EG_RECORD_NONE,
     .flags = EG_ROUTE_PUBLIC,
     .end = get_discovery,
     .event = "identity.discovery.read"},
    {.surface = EG_SURFACE_OAUTH,
     .method = "GET",
     .pattern = "/{tenant}/discovery/v2.0/keys",
     .record = EG_RECORD_NONE,
     .flags = EG_ROUTE_PUBLIC,
     .end = get_keys,
     .event = "identity.keys.read"},
};

const eg_route *eg_identity_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}

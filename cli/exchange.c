/* One HTTPS exchange with the gateway or with a provider of tokens, by libcurl. */
#include "cli.h"

#include <curl/curl.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define CONNECT_SECONDS 10L
#define EXCHANGE_SECONDS 300L
#define PROVIDER_ANSWER_BYTES_MAX (1u << 20)
#define PROVIDER_SECONDS 30L

typedef struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
} exchange;

static void exchange_done(exchange *x) {
    curl_easy_cleanup(x->curl);
    curl_slist_free_all(x->headers);
}

static size_t collect(char *data, size_t size, size_t n, void *to) {
    return eg_buf_add(to, data, size * n) == EG_OK ? size * n : 0;
}

static bool add_header(exchange *x, const char *line) {
    struct curl_slist *longer = curl_slist_append(x->headers, line);
    if (longer) {
        x->headers = longer;
    }
    return longer != NULL;
}

static bool set_headers(exchange *x, const eg_cli_call *call) {
    char line[256];
    bool ok = add_header(x, "Expect:");
    (void)snprintf(line, sizeof line, call->content_type ? "Content-Type: %s" : "Content-Type:", call->content_type);
    ok = ok && add_header(x, line);
    for (size_t i = 0; call->headers && call->headers[i]; i++) {
        ok = ok && add_header(x, call->headers[i]);
    }
    return ok;
}

/* libcurl asks for no passphrase: a key that has one is refused. */
static bool set_certificate(CURL *c, const eg_profile *client) {
    if (!client || !eg_profile_shows_certificate(client)) {
        return true;
    }
    return !curl_easy_setopt(c, CURLOPT_SSLCERT, client->client_certificate) && !curl_easy_setopt(c, CURLOPT_SSLKEY, client->client_key) &&
           !curl_easy_setopt(c, CURLOPT_KEYPASSWD, "");
}

static bool set_options(exchange *x, const eg_cli_call *call, eg_buf *body) {
    CURL *c = x->curl;
    bool has_body = call->body.ptr != NULL;
    bool ok = !curl_easy_setopt(c, CURLOPT_URL, call->url) && !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") &&
              !curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method) && !curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) &&
              !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect) && !curl_easy_setopt(c, CURLOPT_WRITEDATA, body) &&
              !curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->error) && !curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) &&
              !curl_easy_setopt(c, CURLOPT_TIMEOUT, call->provider ? PROVIDER_SECONDS : EXCHANGE_SECONDS) && !curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
              !curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!call->provider) {
        /* The endpoint is often an address of this machine, which a proxy of the environment can't reach. */
        ok = ok && !curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    }
    if (call->ca && *call->ca) {
        ok = ok && !curl_easy_setopt(c, CURLOPT_CAINFO, call->ca);
    }
    ok = ok && set_certificate(c, call->client);
    if (call->token) {
        ok = ok && !curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) &&
             !curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, call->token);
    }
    if (has_body) {
        ok = ok && !curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len) &&
             !curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body.ptr);
    }
    return ok;
}

eg_err eg_cli_exchange(const eg_cli_call *call, long *ret_status, eg_buf *ret_body, eg_problem *p) {
    EG_CLEANUP(exchange_done) exchange x = {.curl = curl_easy_init()};
    eg_buf body;
    eg_buf_init(&body, call->provider ? PROVIDER_ANSWER_BYTES_MAX : ANSWER_BYTES_MAX);
    if (!x.curl || !set_headers(&x, call) || !set_options(&x, call, &body)) {
        eg_buf_done(&body);
        return eg_fail(p, EG_ERR_NO_MEMORY, "the request could not be prepared");
    }
    CURLcode rc = curl_easy_perform(x.curl);
    if (rc != CURLE_OK) {
        eg_buf_done(&body);
        (void)eg_fail(p, EG_ERR_UNAVAILABLE, "%s can't be reached: %s", call->provider ? "the provider of tokens" : "the gateway",
                      x.error[0] ? x.error : curl_easy_strerror(rc));
        (void)eg_fail_at(p, "%s", call->url);
        if (call->provider) {
            return rc == CURLE_PEER_FAILED_VERIFICATION ? eg_fail_hint(p, "give its CA as authority_ca in the profile, or with EMBERGATE_AUTHORITY_CA")
                                                        : EG_ERR_UNAVAILABLE;
        }
        return eg_fail_hint(p, rc == CURLE_PEER_FAILED_VERIFICATION ? "give its CA in the profile, or with EMBERGATE_CA"
                                                                    : "is it running? `embergate status` and `embergate serve`");
    }
    (void)curl_easy_getinfo(x.curl, CURLINFO_RESPONSE_CODE, ret_status);
    *ret_body = body;
    return EG_OK;
}

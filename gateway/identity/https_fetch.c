/* Fetches small documents over https with libcurl, within bounds of size and time. */
#include "https_fetch.h"

#include <embergate/crypto.h>

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

eg_err eg_https_fetch_init(void) {
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? EG_OK : EG_ERR_INTERNAL;
}

static size_t receive(char *data, size_t size, size_t n, void *ctx) {
    return eg_buf_add(ctx, data, size * n) == EG_OK ? size * n : 0;
}

static bool v4_is_a_hosts(const uint8_t a[4]) {
    return a[0] != 0 && !(a[0] == 169 && a[1] == 254) && a[0] < 224;
}

bool eg_https_address_allowed(const struct sockaddr *to, size_t len) {
    if (to->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, to, sizeof v4);
        uint8_t a[4];
        memcpy(a, &v4.sin_addr, sizeof a);
        return v4_is_a_hosts(a);
    }
    if (to->sa_family != AF_INET6 || len < sizeof(struct sockaddr_in6)) {
        return false;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, to, sizeof v6);
    const struct in6_addr *a = &v6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a) || (IN6_IS_ADDR_V4COMPAT(a) && !IN6_IS_ADDR_LOOPBACK(a))) {
        return v4_is_a_hosts(a->s6_addr + 12);
    }
    return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_MULTICAST(a);
}

/* Asked for each connection, with what the name has resolved to this time. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to) {
    (void)ctx;
    (void)purpose;
    return eg_https_address_allowed(&to->addr, to->addrlen) ? socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol) : CURL_SOCKET_BAD;
}

static bool set_options(CURL *c, const char *url, const char *ca_file, eg_buf *ret) {
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, EG_FETCH_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, EG_FETCH_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "embergate/" EG_VERSION) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEDATA, ret) == CURLE_OK &&
           (ca_file[0] == '\0' || curl_easy_setopt(c, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}

static bool add_header(struct curl_slist **to, const char *name, const char *value) {
    char line[EG_HTTPS_BEARER_MAX + 64];
    const int n = snprintf(line, sizeof line, "%s%s", name, value);
    struct curl_slist *longer = n > 0 && (size_t)n < sizeof line ? curl_slist_append(*to, line) : NULL;
    eg_cleanse(line, sizeof line);
    *to = longer ? longer : *to;
    return longer != NULL;
}

/* Lists are freed by curl; the token in one is wiped before. */
static void free_headers(struct curl_slist *all) {
    for (struct curl_slist *at = all; at; at = at->next) {
        eg_cleanse(at->data, strlen(at->data));
    }
    curl_slist_free_all(all);
}

static bool set_question(CURL *c, const eg_https_question *q, struct curl_slist **headers) {
    if (q->bearer && !add_header(headers, "Authorization: Bearer ", q->bearer)) {
        return false;
    }
    if (q->body.ptr && (!add_header(headers, "Content-Type: ", q->content_type) || curl_easy_setopt(c, CURLOPT_POST, 1L) != CURLE_OK ||
                        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)q->body.len) != CURLE_OK || curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body.ptr) != CURLE_OK)) {
        return false;
    }
    return !*headers || curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers) == CURLE_OK;
}

eg_err eg_https_ask(const eg_https_question *q, eg_buf *ret, long *ret_status, eg_problem *p) {
    CURL *c = curl_easy_init();
    struct curl_slist *headers = NULL;
    if (!c || !set_options(c, q->url, q->ca_file ? q->ca_file : "", ret) || !set_question(c, q, &headers)) {
        curl_easy_cleanup(c);
        free_headers(headers);
        return eg_fail(p, EG_ERR_INTERNAL, "The HTTPS client could not be set up.");
    }
    CURLcode done = curl_easy_perform(c);
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(c);
    free_headers(headers);
    if (ret->err == EG_ERR_LIMIT) {
        return eg_fail(p, EG_ERR_LIMIT, "The document at %s is larger than %zu bytes.", q->url, ret->max);
    }
    if (done != CURLE_OK) {
        return eg_fail(p, done == CURLE_OPERATION_TIMEDOUT ? EG_ERR_TIMEOUT : EG_ERR_UNAVAILABLE, "The document at %s could not be fetched: %s.", q->url,
                       curl_easy_strerror(done));
    }
    *ret_status = status;
    return EG_OK;
}

eg_err eg_https_fetch(const char *url, const char *ca_file, eg_buf *ret, eg_problem *p) {
    const eg_https_question q = {.url = url, .ca_file = ca_file};
    long status = 0;
    EG_TRY(eg_https_ask(&q, ret, &status, p));
    return status == 200 ? EG_OK : eg_fail(p, EG_ERR_UNAVAILABLE, "The document at %s could not be fetched: status %ld.", url, status);
}

/* Host and port in *ret (for curl_free); only https counts. */
static bool host_of(const char *url, char **ret_host, char **ret_port) {
    CURLU *u = curl_url();
    char *scheme = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              strcmp(scheme, "https") == 0 && curl_url_get(u, CURLUPART_HOST, ret_host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, ret_port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_free(scheme);
    curl_url_cleanup(u);
    return ok;
}

bool eg_https_same_host(const char *a, const char *b) {
    char *host[2] = {NULL, NULL};
    char *port[2] = {NULL, NULL};
    bool same = host_of(a, &host[0], &port[0]) && host_of(b, &host[1], &port[1]) && eg_str_ieq(eg_str_of(host[0]), eg_str_of(host[1])) &&
                strcmp(port[0], port[1]) == 0;
    for (size_t i = 0; i < 2; i++) {
        curl_free(host[i]);
        curl_free(port[i]);
    }
    return same;
}

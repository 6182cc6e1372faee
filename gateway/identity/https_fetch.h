/* Fetches a small document from a configured host; the only user of libcurl here. */
#ifndef EG_GATEWAY_IDENTITY_HTTPS_FETCH_H
#define EG_GATEWAY_IDENTITY_HTTPS_FETCH_H

#include <embergate/bytes.h>
#include <sys/socket.h>

#define EG_FETCH_TIMEOUT_MS 5000L
#define EG_HTTPS_BEARER_MAX ((size_t)16384)

/* Once, before any other call and before threads. */
eg_err eg_https_fetch_init(void) EG_MUST_CHECK;
/* GET, https alone, no redirects, allowed addresses, 5 s, at most ret->max bytes, status 200. ca_file "" = the system's. Blocks: pool threads only. */
eg_err eg_https_fetch(const char *url, const char *ca_file, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* A question that isn't just for a public document. */
typedef struct eg_https_question {
    const char *url;
    const char *ca_file;      /* "" = the system's */
    const char *bearer;       /* secret; NULL = no Authorization */
    const char *content_type; /* of body */
    eg_str body;              /* ptr NULL = GET, else POST */
} eg_https_question;
/* Asked within the same bounds. EG_OK for any status, which is in *ret_status. */
eg_err eg_https_ask(const eg_https_question *q, eg_buf *ret, long *ret_status, eg_problem *p) EG_MUST_CHECK;
/* Whether a configured name may lead there: not to link-local addresses (clouds serve their machines' secrets on them), multicast, reserved or
 * unspecified ones, in IPv4 or within IPv6. Loopback and private networks are where providers of one's own are. */
bool eg_https_address_allowed(const struct sockaddr *to, size_t len);
/* True when both are https and name the same host and port. */
bool eg_https_same_host(const char *a, const char *b);

#endif

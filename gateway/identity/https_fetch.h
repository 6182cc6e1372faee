/* Fetches a small document from a configured host; the only user of libcurl here. */
#ifndef EG_GATEWAY_IDENTITY_HTTPS_FETCH_H
#define EG_GATEWAY_IDENTITY_HTTPS_FETCH_H

#include <embergate/bytes.h>
#include <sys/socket.h>

#define EG_FETCH_TIMEOUT_MS 5000L

/* Once, before any other call and before threads. */
eg_err eg_https_fetch_init(void) EG_MUST_CHECK;
/* GET, https alone, no redirects, allowed addresses, 5 s, at most ret->max bytes, status 200. ca_file "" = the system's. Blocks: pool threads only. */
eg_err eg_https_fetch(const char *url, const char *ca_file, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* Whether a configured name may lead there: not to link-local addresses (clouds serve their machines' secrets on them), multicast, reserved or
 * unspecified ones, in IPv4 or within IPv6. Loopback and private networks are where providers of one's own are. */
bool eg_https_address_allowed(const struct sockaddr *to, size_t len);
/* True when both are https and name the same host and port. */
bool eg_https_same_host(const char *a, const char *b);

#endif

/* The header that a balancer puts before a connection: PROXY protocol, version 2 (haproxy.org, doc/proxy-protocol.txt, section 2.2). */
#ifndef EMBERGATE_DOOR_PROXY_HEADER_H
#define EMBERGATE_DOOR_PROXY_HEADER_H

#include <embergate/bytes.h>

#include <sys/socket.h>

enum {
    EG_PROXY_FIXED = 16,        /* signature, version and command, family, length */
    EG_PROXY_HEADER_MAX = 1024, /* with addresses and all that a balancer adds */
};

/* How long the whole header is, once EG_PROXY_FIXED bytes of it are here. EG_ERR_INVALID: no version 2 (also not 1), or longer than EG_PROXY_HEADER_MAX. */
eg_err eg_proxy_header_length(const uint8_t head[EG_PROXY_FIXED], size_t *ret) EG_MUST_CHECK;
/* The source of a whole header, with its port. *ret_local: the balancer speaks for itself (LOCAL), and *ret is untouched. EG_ERR_INVALID. */
eg_err eg_proxy_header_read(eg_bytes header, struct sockaddr_storage *ret, bool *ret_local) EG_MUST_CHECK;

/* A balancer's address or prefix: IPv4 as ::ffff:a.b.c.d. */
typedef struct eg_proxy_prefix {
    uint8_t address[16];
    unsigned bits;              /* of 128 */
} eg_proxy_prefix;
/* "192.0.2.7", "2001:db8::/32"; bits behind the prefix are EG_ERR_INVALID. */
eg_err eg_proxy_prefix_parse(eg_str text, eg_proxy_prefix *ret) EG_MUST_CHECK;
bool eg_proxy_prefix_holds(const eg_proxy_prefix *p, const struct sockaddr_storage *address);

#endif

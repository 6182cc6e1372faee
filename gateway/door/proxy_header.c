/* Parses PROXY protocol headers, version 2, and the list of who may send them. */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum { VERSION_2 = 0x20, LOCAL = 0, PROXY = 1, TCP4 = 0x11, TCP6 = 0x21, TCP4_BYTES = 12, TCP6_BYTES = 36 };

eg_err eg_proxy_header_length(const uint8_t head[EG_PROXY_FIXED], size_t *ret) {
    const size_t n = EG_PROXY_FIXED + ((size_t)head[14] << 8 | head[15]);
    if (memcmp(head, signature, sizeof signature) != 0 || (head[12] & 0xf0) != VERSION_2 || n > EG_PROXY_HEADER_MAX) {
        return EG_ERR_INVALID;
    }
    *ret = n;
    return EG_OK;
}

/* What a balancer adds (type, two bytes of length, value): none of it is used, but it must add up. */
static bool is_list(const uint8_t *p, size_t n) {
    while (n > 0) {
        if (n < 3) {
            return false;
        }
        const size_t len = 3 + ((size_t)p[1] << 8 | p[2]);
        if (len > n) {
            return false;
        }
        p += len;
        n -= len;
    }
    return true;
}

static bool any_set(const uint8_t *p, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all |= p[i];
    }
    return all != 0;
}

/* A source of no host would be a hole in whatever rule names addresses. */
static eg_err read_v4(const uint8_t *p, struct sockaddr_storage *ret) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    memcpy(&a.sin_addr, p, 4);
    memcpy(&a.sin_port, p + 8, 2);
    if (!any_set(p, 4) || a.sin_port == 0) {
        return EG_ERR_INVALID;
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret, &a, sizeof a);
    return EG_OK;
}

static eg_err read_v6(const uint8_t *p, struct sockaddr_storage *ret) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    memcpy(&a.sin6_addr, p, 16);
    memcpy(&a.sin6_port, p + 32, 2);
    if (!any_set(p, 16) || a.sin6_port == 0) {
        return EG_ERR_INVALID;
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret, &a, sizeof a);
    return EG_OK;
}

eg_err eg_proxy_header_read(eg_bytes header, struct sockaddr_storage *ret, bool *ret_local) {
    size_t n = 0;
    if (header.len < EG_PROXY_FIXED || eg_proxy_header_length(header.ptr, &n) != EG_OK || n != header.len) {
        return EG_ERR_INVALID;
    }
    const unsigned command = header.ptr[12] & 0x0f, family = header.ptr[13];
    const uint8_t *rest = header.ptr + EG_PROXY_FIXED;
    n -= EG_PROXY_FIXED;
    if (command == LOCAL) { /* section 2.2: whatever family it names, its addresses are skipped */
        *ret_local = true;
        return EG_OK;
    }
    const size_t addresses = family == TCP4 ? TCP4_BYTES : TCP6_BYTES;
    if (command != PROXY || (family != TCP4 && family != TCP6) || n < addresses || !is_list(rest + addresses, n - addresses)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(family == TCP4 ? read_v4(rest, ret) : read_v6(rest, ret));
    *ret_local = false;
    return EG_OK;
}

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool bit(const uint8_t *address, unsigned i) { return (address[i / 8] >> (7 - i % 8)) & 1; }

eg_err eg_proxy_prefix_parse(eg_str text, eg_proxy_prefix *ret) {
    char z[INET6_ADDRSTRLEN];
    eg_str rest = text;
    const eg_str address = eg_str_cut(&rest, '/');
    eg_proxy_prefix out = {.bits = 128};
    uint64_t bits = 0;
    if (address.len == 0 || address.len >= sizeof z) {
        return EG_ERR_INVALID;
    }
    memcpy(z, address.ptr, address.len);
    z[address.len] = '\0';
    const bool v4 = inet_pton(AF_INET, z, out.address + 12) == 1;
    if (v4) {
        memcpy(out.address, v4_prefix, sizeof v4_prefix);
    } else if (inet_pton(AF_INET6, z, out.address) != 1) {
        return EG_ERR_INVALID;
    }
    if (rest.ptr) {
        EG_TRY(eg_str_u64(rest, v4 ? 32 : 128, &bits));
        out.bits = (unsigned)bits + (v4 ? 96 : 0);
    }
    for (unsigned i = out.bits; i < 128; i++) {
        if (bit(out.address, i)) {
            return EG_ERR_INVALID;
        }
    }
    *ret = out;
    return EG_OK;
}

bool eg_proxy_prefix_holds(const eg_proxy_prefix *p, const struct sockaddr_storage *address) {
    uint8_t a[16];
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(a, v4_prefix, sizeof v4_prefix);
        memcpy(a + 12, &v4.sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(a, &v6.sin6_addr, 16);
    } else {
        return false;
    }
    for (unsigned i = 0; i < p->bits; i++) {
        if (bit(a, i) != bit(p->address, i)) {
            return false;
        }
    }
    /* ::/0 is all of IPv6, not of IPv4. */
    return p->bits >= 96 || memcmp(a, v4_prefix, sizeof v4_prefix) != 0;
}

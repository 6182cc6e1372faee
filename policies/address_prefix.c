/* IPv4 and IPv6 addresses and prefixes on one scale of 128 bits. */
#include "policy_model.h"

#include <arpa/inet.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

eg_err eg_policy_address_parse(eg_str text, eg_policy_cidr *ret) {
    char z[INET6_ADDRSTRLEN + 1];
    eg_str rest = text;
    eg_str address = eg_str_cut(&rest, '%'); /* a link-local address may name its interface (RFC 4007 section 11) */
    if (address.len == 0 || address.len >= sizeof z || memchr(address.ptr, '\0', address.len)) {
        return EG_ERR_INVALID;
    }
    memcpy(z, address.ptr, address.len);
    z[address.len] = '\0';
    eg_policy_cidr out = {.bits = 128};
    if (inet_pton(AF_INET, z, out.address + 12) == 1) {
        memcpy(out.address, v4_prefix, sizeof v4_prefix);
    } else if (inet_pton(AF_INET6, z, out.address) != 1) {
        return EG_ERR_INVALID;
    }
    *ret = out;
    return EG_OK;
}

static bool is_v4(const eg_policy_cidr *c) {
    return memcmp(c->address, v4_prefix, sizeof v4_prefix) == 0;
}

static bool bit(const uint8_t *address, unsigned i) {
    return (address[i / 8] >> (7 - i % 8)) & 1;
}

eg_err eg_policy_cidr_parse(eg_str text, eg_policy_cidr *ret) {
    eg_str rest = text;
    eg_str address = eg_str_cut(&rest, '/');
    eg_policy_cidr out;
    if (address.len > 0 && memchr(address.ptr, '%', address.len)) {
        return EG_ERR_INVALID;
    }
    EG_TRY(eg_policy_address_parse(address, &out));
    if (rest.ptr) {
        uint64_t bits = 0;
        bool v4 = memchr(address.ptr, ':', address.len) == NULL;
        EG_TRY(eg_str_u64(rest, v4 ? 32 : 128, &bits));
        out.bits = (unsigned)bits + (v4 ? 96 : 0);
    }
    for (unsigned i = out.bits; i < 128; i++) {
        if (bit(out.address, i)) {
            return EG_ERR_INVALID; /* bits behind the prefix: which of the two was meant? */
        }
    }
    *ret = out;
    return EG_OK;
}

bool eg_policy_cidr_contains(const eg_policy_cidr *outer, const eg_policy_cidr *inner) {
    /* ::/0 is all of IPv6, not of IPv4. */
    if (inner->bits < outer->bits || (is_v4(inner) && inner->bits >= 96) != (is_v4(outer) && outer->bits >= 96)) {
        return false;
    }
    unsigned whole = outer->bits / 8, left = outer->bits % 8;
    if (memcmp(outer->address, inner->address, whole) != 0) {
        return false;
    }
    return left == 0 || ((outer->address[whole] ^ inner->address[whole]) >> (8 - left)) == 0;
}

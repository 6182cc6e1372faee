/* SipHash-2-4 with 128 bits (Aumasson, Bernstein: SipHash, a fast short-input PRF), for tables that are looked up by what a peer chose. */
#include <embergate/crypto.h>

#include <endian.h>

typedef struct state {
    uint64_t v[4];
    uint64_t word;    /* the bytes that make no whole word yet, the first one lowest */
    unsigned held;    /* bits in it */
    uint8_t length;   /* modulo 256 */
} state;

static uint64_t load(const uint8_t *p) {
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return le64toh(w);
}

static uint64_t rotated(uint64_t x, unsigned by) {
    return (x << by) | (x >> (64 - by));
}

static void rounds(uint64_t v[4], unsigned n) {
    uint64_t a = v[0], b = v[1], c = v[2], d = v[3];
    while (n-- > 0) {
        a += b;
        c += d;
        b = rotated(b, 13) ^ a;
        d = rotated(d, 16) ^ c;
        a = rotated(a, 32) + d;
        c += b;
        d = rotated(d, 21) ^ a;
        b = rotated(b, 17) ^ c;
        c = rotated(c, 32);
    }
    v[0] = a;
    v[1] = b;
    v[2] = c;
    v[3] = d;
}

static void take_word(state *s, uint64_t w) {
    s->v[3] ^= w;
    rounds(s->v, 2);
    s->v[0] ^= w;
}

static void take_byte(state *s, uint8_t b) {
    s->word |= (uint64_t)b << s->held;
    s->held += 8;
    if (s->held == 64) {
        take_word(s, s->word);
        s->word = 0;
        s->held = 0;
    }
}

static void take(state *s, eg_bytes in) {
    size_t i = 0;
    s->length = (uint8_t)(s->length + in.len);
    while (i < in.len && s->held > 0) {
        take_byte(s, in.ptr[i++]);
    }
    for (; in.len - i >= 8; i += 8) {
        take_word(s, load(in.ptr + i));
    }
    while (i < in.len) {
        take_byte(s, in.ptr[i++]);
    }
}

void eg_keyed_hash(const uint8_t key[EG_KEYED_HASH_LEN], const eg_bytes *in, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]) {
    const uint64_t k0 = load(key), k1 = load(key + 8);
    state s = {.v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u}};
    for (size_t i = 0; i < n; i++) {
        take(&s, in[i]);
    }
    take_word(&s, s.word | (uint64_t)s.length << 56);
    s.v[2] ^= 0xee;
    rounds(s.v, 4);
    const uint64_t low = htole64(s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3]);
    s.v[1] ^= 0xdd;
    rounds(s.v, 4);
    const uint64_t high = htole64(s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3]);
    memcpy(ret, &low, sizeof low);
    memcpy(ret + 8, &high, sizeof high);
}

/* A large security group made quick to ask: which rules fit a source address, a source port and a destination port, as sets of bits over the
 * intervals in which the answer can't change; the first bit that all three have is the rule that decides. */
#include "policy_model.h"

#include <stdlib.h>

#define SMALL_GROUP 32                    /* rules that are quicker tried one after the other */
#define BYTES_MAX ((size_t)64 << 20)      /* of all indexes of a policy; groups beyond it are tried rule by rule */

typedef struct intervals {
    uint8_t (*starts)[16];   /* sorted; an interval ends before the next */
    uint64_t *fits;          /* words for each interval */
    size_t n;
} intervals;

struct eg_policy_rule_index {
    int refs;                /* atomic */
    size_t words;            /* of a set: one bit a rule */
    intervals sources, source_ports, destination_ports;
};

static int start_order(const void *a, const void *b) { return memcmp(a, b, 16); }

/* The address after the last of the prefix; false at the end of all addresses. */
static bool after(const eg_policy_cidr *c, uint8_t ret[16]) {
    memcpy(ret, c->address, 16);
    for (unsigned i = c->bits; i < 128; i++) {
        ret[i / 8] |= (uint8_t)(0x80 >> (i % 8));
    }
    for (int i = 15; i >= 0; i--) {
        if (++ret[i] != 0) {
            return true;
        }
    }
    return false;
}

static void add_prefix(intervals *l, const eg_policy_cidr *c) {
    memcpy(l->starts[l->n++], c->address, 16);
    l->n += after(c, l->starts[l->n]);
}

static void port_start(uint32_t port, uint8_t ret[16]) {
    memset(ret, 0, 16);
    eg_put_u32(ret + 12, port);
}

static void sort_unique(intervals *l) {
    size_t kept = 0;
    qsort(l->starts, l->n, sizeof l->starts[0], start_order);
    for (size_t i = 0; i < l->n; i++) {
        if (kept == 0 || memcmp(l->starts[kept - 1], l->starts[i], 16) != 0) {
            memmove(l->starts[kept++], l->starts[i], 16);
        }
    }
    l->n = kept;
}

static bool make_room(intervals *l, size_t starts) {
    l->starts = calloc(starts, sizeof l->starts[0]);
    return l->starts != NULL;
}

static bool source_starts(intervals *l, const eg_policy_group *g, const eg_policy_subnet *subnet) {
    static const eg_policy_cidr v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, all = {{0}, 0};
    size_t n = 2 + subnet->vnet.n;
    for (size_t i = 0; i < g->rule_count; i++) {
        n += g->rules[i].sources.n;
    }
    if (!make_room(l, 2 * n)) {
        return false;
    }
    add_prefix(l, &all);
    add_prefix(l, &v4); /* ::/0 is not of IPv4: its answer changes there */
    for (size_t i = 0; i < subnet->vnet.n; i++) {
        add_prefix(l, &subnet->vnet.v[i]);
    }
    for (size_t i = 0; i < g->rule_count; i++) {
        const eg_policy_prefixes *s = &g->rules[i].sources;
        for (size_t k = 0; k < s->n; k++) {
            if (s->v[k].kind == EG_SOURCE_CIDR) {
                add_prefix(l, &s->v[k].cidr);
            }
        }
    }
    sort_unique(l);
    return true;
}

static const eg_policy_ports *ports_of(const eg_policy_rule *r, bool source) { return source ? &r->source_ports : &r->destination_ports; }

static bool port_starts(intervals *l, const eg_policy_group *g, bool source) {
    size_t n = 1;
    for (size_t i = 0; i < g->rule_count; i++) {
        n += 2 * ports_of(&g->rules[i], source)->n;
    }
    if (!make_room(l, n)) {
        return false;
    }
    port_start(0, l->starts[l->n++]);
    for (size_t i = 0; i < g->rule_count; i++) {
        const eg_policy_ports *ports = ports_of(&g->rules[i], source);
        for (size_t k = 0; k < ports->n; k++) {
            port_start(ports->v[k].low, l->starts[l->n++]);
            port_start((uint32_t)ports->v[k].high + 1, l->starts[l->n++]);
        }
    }
    sort_unique(l);
    return true;
}

static void set_bit(intervals *l, size_t interval, size_t words, size_t rule) {
    l->fits[interval * words + rule / 64] |= (uint64_t)1 << (rule % 64);
}

static bool fill_sources(eg_policy_rule_index *x, const eg_policy_group *g, const eg_policy_subnet *subnet) {
    intervals *l = &x->sources;
    l->fits = calloc(l->n * x->words, sizeof *l->fits);
    for (size_t r = 0; l->fits && r < g->rule_count; r++) {
        if (!eg_policy_rule_reaches(&g->rules[r], subnet)) {
            continue;
        }
        for (size_t i = 0; i < l->n; i++) {
            eg_policy_cidr first = {.bits = 128};
            memcpy(first.address, l->starts[i], 16);
            if (eg_policy_rule_from(&g->rules[r], subnet, &first)) {
                set_bit(l, i, x->words, r);
            }
        }
    }
    return l->fits != NULL;
}

static bool fill_ports(eg_policy_rule_index *x, intervals *l, const eg_policy_group *g, bool source) {
    l->fits = calloc(l->n * x->words, sizeof *l->fits);
    for (size_t r = 0; l->fits && r < g->rule_count; r++) {
        const eg_policy_ports *ports = ports_of(&g->rules[r], source);
        for (size_t i = 0; i < l->n; i++) {
            const uint32_t port = eg_get_u32(l->starts[i] + 12);
            for (size_t k = 0; k < ports->n; k++) {
                if (port >= ports->v[k].low && port <= ports->v[k].high) {
                    set_bit(l, i, x->words, r);
                }
            }
        }
    }
    return l->fits != NULL;
}

static size_t bytes_of(const eg_policy_rule_index *x) {
    return (x->sources.n + x->source_ports.n + x->destination_ports.n) * (16 + x->words * sizeof(uint64_t));
}

eg_err eg_policy_rule_index_new(const eg_policy_group *g, const eg_policy_subnet *subnet, size_t *budget, eg_policy_rule_index **ret) {
    if (g->rule_count <= SMALL_GROUP) {
        *ret = NULL;
        return EG_OK;
    }
    eg_policy_rule_index *x = calloc(1, sizeof *x);
    if (!x) {
        return EG_ERR_NO_MEMORY;
    }
    x->refs = 1;
    x->words = (g->rule_count + 63) / 64;
    if (!source_starts(&x->sources, g, subnet) || !port_starts(&x->source_ports, g, true) || !port_starts(&x->destination_ports, g, false)) {
        eg_policy_rule_index_free(x);
        return EG_ERR_NO_MEMORY;
    }
    if (bytes_of(x) > BYTES_MAX - *budget) {
        eg_policy_rule_index_free(x);
        *ret = NULL;
        return EG_OK;
    }
    *budget += bytes_of(x);
    if (!fill_sources(x, g, subnet) || !fill_ports(x, &x->source_ports, g, true) || !fill_ports(x, &x->destination_ports, g, false)) {
        eg_policy_rule_index_free(x);
        return EG_ERR_NO_MEMORY;
    }
    *ret = x;
    return EG_OK;
}

eg_policy_rule_index *eg_policy_rule_index_ref(eg_policy_rule_index *x) {
    if (x) {
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
    }
    return x;
}

void eg_policy_rule_index_free(eg_policy_rule_index *x) {
    if (!x || __atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    intervals *const all[] = {&x->sources, &x->source_ports, &x->destination_ports};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]->starts);
        free(all[i]->fits);
    }
    free(x);
}

/* The set of the interval that the key lies in; the first interval begins at the least key. */
static const uint64_t *fitting(const intervals *l, size_t words, const uint8_t key[16]) {
    size_t low = 0, high = l->n;
    while (high - low > 1) {
        const size_t mid = low + (high - low) / 2;
        if (memcmp(l->starts[mid], key, 16) <= 0) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return l->fits + low * words;
}

size_t eg_policy_rule_index_first(const eg_policy_rule_index *x, const eg_policy_cidr *source, uint16_t source_port, uint16_t destination_port) {
    uint8_t key[16];
    const uint64_t *a = fitting(&x->sources, x->words, source->address);
    port_start(source_port, key);
    const uint64_t *b = fitting(&x->source_ports, x->words, key);
    port_start(destination_port, key);
    const uint64_t *c = fitting(&x->destination_ports, x->words, key);
    for (size_t i = 0; i < x->words; i++) {
        const uint64_t all = a[i] & b[i] & c[i];
        if (all) {
            return i * 64 + (size_t)__builtin_ctzll(all);
        }
    }
    return SIZE_MAX;
}

/* Do new network rules let in a connection, or new rules of a storage account a request, that the old ones keep out? One of each class is asked of both. */
#include "prove.h"
#include "rule.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct edges {
    uint8_t (*v)[16];        /* where the answer may change */
    size_t n, cap;
} edges;

static int edge_order(const void *a, const void *b) { return memcmp(a, b, 16); }

static bool add_edge(edges *l, const uint8_t at[16]) {
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 256;
        void *more = realloc(l->v, cap * sizeof *l->v);
        if (!more) {
            return false;
        }
        l->v = more;
        l->cap = cap;
    }
    memcpy(l->v[l->n++], at, 16);
    return true;
}

/* The first address of the prefix, and the first after it. */
static bool add_prefix(edges *l, const eg_policy_cidr *c) {
    uint8_t after[16];
    memcpy(after, c->address, sizeof after);
    for (unsigned i = c->bits; i < 128; i++) {
        after[i / 8] |= (uint8_t)(0x80 >> (i % 8));
    }
    bool carry = true;
    for (int i = 15; i >= 0 && carry; i--) {
        carry = ++after[i] == 0;
    }
    return add_edge(l, c->address) && (carry || add_edge(l, after));
}

static bool add_port(edges *l, uint32_t port) {
    uint8_t key[16] = {0};
    eg_put_u32(key + 12, port);
    return port > 65535 || add_edge(l, key);
}

static void sort_unique(edges *l) {
    size_t kept = 0;
    qsort(l->v, l->n, sizeof *l->v, edge_order);
    for (size_t i = 0; i < l->n; i++) {
        if (kept == 0 || memcmp(l->v[kept - 1], l->v[i], 16) != 0) {
            memmove(l->v[kept++], l->v[i], 16);
        }
    }
    l->n = kept;
}

typedef struct grid {
    edges addresses, source_ports, destination_ports;
} grid;

static bool add_ports(edges *l, const eg_policy_ports *ports) {
    bool ok = true;
    for (size_t i = 0; ok && i < ports->n; i++) {
        ok = add_port(l, ports->v[i].low) && add_port(l, (uint32_t)ports->v[i].high + 1);
    }
    return ok;
}

static bool add_subnet(grid *g, const eg_policy *pol, const eg_policy_subnet *subnet) {
    bool ok = true;
    for (size_t i = 0; ok && i < subnet->vnet.n; i++) {
        ok = add_prefix(&g->addresses, &subnet->vnet.v[i]);
    }
    if (!subnet->has_group) {
        return ok;
    }
    const eg_policy_group *group = &pol->groups[subnet->group];
    for (size_t i = 0; ok && i < group->rule_count; i++) {
        const eg_policy_rule *r = &group->rules[i];
        ok = add_ports(&g->source_ports, &r->source_ports) && add_ports(&g->destination_ports, &r->destination_ports);
        for (size_t k = 0; ok && k < r->sources.n; k++) {
            ok = r->sources.v[k].kind != EG_SOURCE_CIDR || add_prefix(&g->addresses, &r->sources.v[k].cidr);
        }
    }
    return ok;
}

static const eg_policy_subnet *subnet_of(const eg_policy *pol, eg_str id) {
    for (size_t i = 0; i < pol->subnet_count; i++) {
        if (eg_str_ieq(pol->subnets[i].id, id)) {
            return &pol->subnets[i];
        }
    }
    return NULL;
}

static void address_text(const uint8_t address[16], char ret[INET6_ADDRSTRLEN]) {
    static const uint8_t v4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const bool is_v4 = memcmp(address, v4, sizeof v4) == 0;
    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + 12 : address, ret, INET6_ADDRSTRLEN);
}

static eg_err ask(const eg_policy *const policies[2], const eg_flow *f, eg_policy_proof *ret) {
    eg_decision older, newer;
    ret->decisions++;
    eg_policy_network(policies[1], f, &newer);
    if (!newer.allowed) {
        return EG_OK;
    }
    eg_policy_network(policies[0], f, &older);
    if (older.allowed) {
        return EG_OK;
    }
    ret->verdict = EG_PROOF_FAILS;
    snprintf(ret->text, sizeof ret->text, "A connection from %.*s, port %u, may come in at port %u of a listener in %.*s. New: %s. Old: %s.", EG_FMT(f->source_address),
             f->source_port, f->destination_port, EG_FMT(f->subnet), newer.rule, older.rule);
    return EG_ERR_EXISTS;
}

static eg_err over_grid(const eg_policy *const policies[2], const grid *g, eg_str subnet, eg_policy_proof *ret) {
    if ((uint64_t)g->addresses.n * g->source_ports.n * g->destination_ports.n + ret->decisions > EG_PROVE_DECISIONS_MAX) {
        ret->verdict = EG_PROOF_UNDECIDED;
        snprintf(ret->text, sizeof ret->text, "Not decided: the rules of %.*s divide connections into too many classes.", EG_FMT(subnet));
        return EG_ERR_EXISTS;
    }
    for (size_t i = 0; i < g->addresses.n; i++) {
        char address[INET6_ADDRSTRLEN];
        address_text(g->addresses.v[i], address);
        for (size_t s = 0; s < g->source_ports.n; s++) {
            for (size_t d = 0; d < g->destination_ports.n; d++) {
                const eg_flow f = {.source_address = eg_str_of(address), .source_port = (uint16_t)eg_get_u32(g->source_ports.v[s] + 12),
                                   .destination_port = (uint16_t)eg_get_u32(g->destination_ports.v[d] + 12), .subnet = subnet};
                EG_TRY(ask(policies, &f, ret));
            }
        }
    }
    return EG_OK;
}

static bool fill(grid *g, const eg_policy *const policies[2], eg_str id) {
    static const eg_policy_cidr v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, all = {{0}, 0};
    bool ok = add_prefix(&g->addresses, &all) && add_prefix(&g->addresses, &v4) && add_port(&g->source_ports, 0) && add_port(&g->destination_ports, 0);
    for (int i = 0; ok && i < 2; i++) {
        const eg_policy_subnet *subnet = subnet_of(policies[i], id);
        ok = !subnet || add_subnet(g, policies[i], subnet);
    }
    if (ok) {
        sort_unique(&g->addresses);
        sort_unique(&g->source_ports);
        sort_unique(&g->destination_ports);
    }
    return ok;
}

static eg_err over_subnet(const eg_policy *const policies[2], eg_str id, eg_policy_proof *ret) {
    grid g = {.addresses = {0}};
    const eg_err e = fill(&g, policies, id) ? over_grid(policies, &g, id, ret) : EG_ERR_NO_MEMORY;
    free(g.addresses.v);
    free(g.source_ports.v);
    free(g.destination_ports.v);
    return e;
}

/* The subnets that either policy's rules of an account name: whose job may ask. */
typedef struct subnets {
    eg_str *v;
    size_t n;
} subnets;

static bool add_account(grid *g, subnets *l, const eg_policy *pol, const eg_policy_account *m) {
    bool ok = true;
    for (size_t i = 0; ok && i < m->addresses.n; i++) {
        ok = add_prefix(&g->addresses, &m->addresses.v[i]);
    }
    for (size_t i = 0; ok && i < m->subnet_count; i++) {
        const eg_policy_subnet *s = &pol->subnets[m->subnets[i]];
        l->v[l->n++] = s->id;
        for (size_t k = 0; ok && k < s->prefixes.n; k++) {
            ok = add_prefix(&g->addresses, &s->prefixes.v[k]);
        }
    }
    return ok;
}

static eg_err ask_account(const eg_policy *const policies[2], const eg_account_flow *f, eg_policy_proof *ret) {
    eg_decision older, newer;
    ret->decisions++;
    eg_policy_account_network(policies[1], f, &newer);
    if (!newer.allowed) {
        return EG_OK;
    }
    eg_policy_account_network(policies[0], f, &older);
    if (older.allowed) {
        return EG_OK;
    }
    ret->verdict = EG_PROOF_FAILS;
    snprintf(ret->text, sizeof ret->text, "A request from %.*s%s%.*s may come to the storage account %.*s. New: %s. Old: %s.", EG_FMT(f->source_address),
             f->cluster_subnet.len ? ", of a job of a cluster in " : "", EG_FMT(f->cluster_subnet), EG_FMT(f->account_id), newer.rule, older.rule);
    return EG_ERR_EXISTS;
}

static eg_err over_sources(const eg_policy *const policies[2], const grid *g, const subnets *l, eg_str account, eg_policy_proof *ret) {
    if ((uint64_t)g->addresses.n * (l->n + 1) + ret->decisions > EG_PROVE_DECISIONS_MAX) {
        ret->verdict = EG_PROOF_UNDECIDED;
        snprintf(ret->text, sizeof ret->text, "Not decided: the network rules of %.*s divide requests into too many classes.", EG_FMT(account));
        return EG_ERR_EXISTS;
    }
    for (size_t i = 0; i < g->addresses.n; i++) {
        char address[INET6_ADDRSTRLEN];
        address_text(g->addresses.v[i], address);
        for (size_t k = 0; k <= l->n; k++) {
            const eg_account_flow f = {.account_id = account, .source_address = eg_str_of(address), .cluster_subnet = k < l->n ? l->v[k] : EG_LIT("")};
            EG_TRY(ask_account(policies, &f, ret));
        }
    }
    return EG_OK;
}

static eg_err over_account(const eg_policy *const policies[2], eg_str id, eg_policy_proof *ret) {
    static const eg_policy_cidr v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, all = {{0}, 0};
    const eg_policy_account *of[2] = {eg_policy_account_find(policies[0], id), eg_policy_account_find(policies[1], id)};
    grid g = {.addresses = {0}};
    subnets l = {.v = calloc((of[0] ? of[0]->subnet_count : 0) + (of[1] ? of[1]->subnet_count : 0) + 1, sizeof *l.v)};
    bool ok = l.v && add_prefix(&g.addresses, &all) && add_prefix(&g.addresses, &v4);
    for (int i = 0; ok && i < 2; i++) {
        ok = !of[i] || add_account(&g, &l, policies[i], of[i]);
    }
    if (ok) {
        sort_unique(&g.addresses);
    }
    const eg_err e = ok ? over_sources(policies, &g, &l, id, ret) : EG_ERR_NO_MEMORY;
    free(g.addresses.v);
    free(l.v);
    return e;
}

/* An account that the older policy doesn't name was open; one that the newer doesn't name is open from then on. */
eg_err eg_prove_accounts(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret) {
    const eg_policy *const policies[2] = {older, newer};
    for (size_t i = 0; i < older->account_count; i++) {
        const eg_err e = over_account(policies, older->accounts[i].id, ret);
        if (e == EG_ERR_EXISTS) {
            return EG_OK;
        }
        EG_TRY(e);
    }
    return EG_OK;
}

/* What a resource is like isn't known here: a Deny that goes may let one be used that could not. */
void eg_prove_rules(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret) {
    for (size_t i = 0; i < older->assigned_count; i++) {
        const eg_policy_assigned *a = &older->assigned[i];
        if (a->effect == EG_EFFECT_DENY && a->enforced && !eg_policy_has_assigned(newer, a)) {
            ret->verdict = EG_PROOF_UNDECIDED;
            snprintf(ret->text, sizeof ret->text, "Not decided: the policy assignment %.*s no longer denies what does not comply with \"%.*s\" at %.*s.", EG_FMT(a->name),
                     EG_FMT(a->definition_name), EG_FMT(a->scope));
            return;
        }
    }
}

/* A subnet that the newer policy doesn't have lets nobody in. */
eg_err eg_prove_flows(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret) {
    const eg_policy *const policies[2] = {older, newer};
    for (size_t i = 0; i < newer->subnet_count; i++) {
        const eg_err e = over_subnet(policies, newer->subnets[i].id, ret);
        if (e == EG_ERR_EXISTS) {
            return EG_OK;
        }
        EG_TRY(e);
    }
    return EG_OK;
}

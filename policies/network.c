/* Network security groups: whether a TCP connection may come in, by priority, then by Azure's default rules. */
#include "policy_model.h"

#include <stdio.h>

const eg_policy_group *eg_policy_group_find(const eg_policy *pol, eg_str id) {
    size_t low = 0, high = pol->group_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = eg_policy_id_order(pol->groups[mid].id, id);
        if (order == 0) {
            return &pol->groups[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

const eg_policy_subnet *eg_policy_subnet_find(const eg_policy *pol, eg_str id) {
    size_t low = 0, high = pol->subnet_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = eg_policy_id_order(pol->subnets[mid].id, id);
        if (order == 0) {
            return &pol->subnets[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

bool eg_policy_cidrs_contain(const eg_policy_cidrs *space, const eg_policy_cidr *address) {
    for (size_t i = 0; i < space->n; i++) {
        if (eg_policy_cidr_contains(&space->v[i], address)) {
            return true;
        }
    }
    return false;
}

static bool matches_address(const eg_policy_prefixes *l, const eg_policy_subnet *subnet, const eg_policy_cidr *address) {
    for (size_t i = 0; i < l->n; i++) {
        bool hit = false;
        switch (l->v[i].kind) {
        case EG_SOURCE_NONE: break;
        case EG_SOURCE_ANY: hit = true; break;
        case EG_SOURCE_CIDR: hit = eg_policy_cidr_contains(&l->v[i].cidr, address); break;
        case EG_SOURCE_VNET: hit = eg_policy_cidrs_contain(&subnet->vnet, address); break;
        case EG_SOURCE_INTERNET: hit = !eg_policy_cidrs_contain(&subnet->vnet, address); break;
        }
        if (hit) {
            return true;
        }
    }
    return false;
}

/* The destination is not known, only that it lies in the subnet: a rule that allows must hold for all of it, one that denies
 * holds if it may. */
static bool matches_subnet(const eg_policy_prefixes *l, const eg_policy_subnet *subnet, bool all) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].kind == EG_SOURCE_ANY || l->v[i].kind == EG_SOURCE_VNET) {
            return true;
        }
        if (l->v[i].kind != EG_SOURCE_CIDR) {
            continue;
        }
        size_t inside = 0, touched = 0;
        for (size_t k = 0; k < subnet->prefixes.n; k++) {
            bool covers = eg_policy_cidr_contains(&l->v[i].cidr, &subnet->prefixes.v[k]);
            inside += covers;
            touched += covers || eg_policy_cidr_contains(&subnet->prefixes.v[k], &l->v[i].cidr);
        }
        if (all ? inside == subnet->prefixes.n : touched > 0) {
            return true;
        }
    }
    return false;
}

static bool matches_port(const eg_policy_ports *l, uint16_t port) {
    for (size_t i = 0; i < l->n; i++) {
        if (port >= l->v[i].low && port <= l->v[i].high) {
            return true;
        }
    }
    return false;
}

typedef struct flow {
    const eg_flow *given;
    const eg_policy_subnet *subnet;
    eg_policy_cidr source, destination;
    bool destination_known;
} flow;

bool eg_policy_rule_reaches(const eg_policy_rule *r, const eg_policy_subnet *subnet) { return matches_subnet(&r->destinations, subnet, r->allow); }

bool eg_policy_rule_from(const eg_policy_rule *r, const eg_policy_subnet *subnet, const eg_policy_cidr *source) { return matches_address(&r->sources, subnet, source); }

static bool matches(const eg_policy_rule *r, const flow *f) {
    return matches_port(&r->destination_ports, f->given->destination_port) && matches_port(&r->source_ports, f->given->source_port) &&
           matches_address(&r->sources, f->subnet, &f->source) &&
           (f->destination_known ? matches_address(&r->destinations, f->subnet, &f->destination) : matches_subnet(&r->destinations, f->subnet, r->allow));
}

static void verdict(eg_decision *d, bool allowed, const char *reason) {
    d->allowed = allowed;
    d->error = allowed ? EG_OK : EG_ERR_DENIED_NETWORK;
    const eg_str text = eg_str_of(reason);
    eg_str_join(d->reason, sizeof d->reason, &text, 1);
}

static const eg_policy_rule *first_match(const eg_policy_group *g, const flow *f) {
    if (f->subnet->index && !f->destination_known) {
        const size_t i = eg_policy_rule_index_first(f->subnet->index, &f->source, f->given->source_port, f->given->destination_port);
        return i == SIZE_MAX ? NULL : &g->rules[i];
    }
    for (size_t i = 0; i < g->rule_count; i++) {
        if (matches(&g->rules[i], f)) {
            return &g->rules[i];
        }
    }
    return NULL;
}

static void name_rule(eg_decision *d, eg_str group, eg_str rule) {
    const eg_str parts[] = {EG_LIT("securityRule "), group, EG_LIT("/"), rule};
    eg_str_join(d->rule, sizeof d->rule, parts, 4);
}

static void by_group(const eg_policy_group *g, const flow *f, eg_decision *d) {
    const eg_policy_rule *r = first_match(g, f);
    if (r) {
        name_rule(d, g->name, r->name);
        verdict(d, r->allow, r->allow ? "A security rule allows the source address." : "A security rule denies the source address.");
        return;
    }
    /* AllowVnetInBound, 65000. AllowAzureLoadBalancerInBound, 65001, has no source here. DenyAllInBound, 65500. */
    bool vnet = eg_policy_cidrs_contain(&f->subnet->vnet, &f->source) && (!f->destination_known || eg_policy_cidrs_contain(&f->subnet->vnet, &f->destination));
    name_rule(d, g->name, vnet ? EG_LIT("AllowVnetInBound") : EG_LIT("DenyAllInBound"));
    verdict(d, vnet, vnet ? "The source address lies in the virtual network." : "No security rule allows the source address.");
}

void eg_policy_network(const eg_policy *pol, const eg_flow *given, eg_decision *ret) {
    eg_decision d = {.policy_version = pol->version};
    flow f = {.given = given, .destination_known = given->destination_address.len > 0};
    if (given->subnet.len == 0) {
        snprintf(d.rule, sizeof d.rule, "no network security group");
        verdict(&d, true, "The listener belongs to no subnet.");
    } else if (!(f.subnet = eg_policy_subnet_find(pol, given->subnet))) {
        snprintf(d.rule, sizeof d.rule, "unknown subnet");
        verdict(&d, false, "The listener's subnet is in no virtual network of the policy directory.");
    } else if (!f.subnet->has_group) {
        snprintf(d.rule, sizeof d.rule, "no network security group");
        verdict(&d, true, "The listener's subnet has no network security group.");
    } else if (eg_policy_address_parse(given->source_address, &f.source) != EG_OK ||
               (f.destination_known && eg_policy_address_parse(given->destination_address, &f.destination) != EG_OK)) {
        snprintf(d.rule, sizeof d.rule, "default deny");
        verdict(&d, false, "An address of the connection is not known.");
    } else {
        by_group(&pol->groups[f.subnet->group], &f, &d);
    }
    *ret = d;
}

/* Network rules of storage accounts: whether a request may come to the account from where it comes. */
#include "policy_model.h"

#include <stdio.h>

const eg_policy_account *eg_policy_account_find(const eg_policy *pol, eg_str id) {
    size_t low = 0, high = pol->account_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int order = eg_policy_id_order(pol->accounts[mid].id, id);
        if (order == 0) {
            return &pol->accounts[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static void verdict(eg_decision *d, bool allowed, const char *reason) {
    d->allowed = allowed;
    d->error = allowed ? EG_OK : EG_ERR_DENIED_ACCOUNT_NETWORK;
    snprintf(d->reason, sizeof d->reason, "%s", reason);
}

static const eg_policy_subnet *subnet_of(const eg_policy *pol, const eg_policy_account *m, const eg_account_flow *f, const eg_policy_cidr *source) {
    for (size_t i = 0; i < m->subnet_count; i++) {
        const eg_policy_subnet *s = &pol->subnets[m->subnets[i]];
        if ((source && eg_policy_cidrs_contain(&s->prefixes, source)) || (f->cluster_subnet.len > 0 && eg_policy_id_order(s->id, f->cluster_subnet) == 0)) {
            return s;
        }
    }
    return NULL;
}

static void by_rules(const eg_policy *pol, const eg_policy_account *m, const eg_account_flow *f, eg_decision *d) {
    eg_policy_cidr source;
    const bool known = eg_policy_address_parse(f->source_address, &source) == EG_OK;
    const eg_policy_subnet *subnet = subnet_of(pol, m, f, known ? &source : NULL);
    if (known && eg_policy_cidrs_contain(&m->addresses, &source)) {
        snprintf(d->rule, sizeof d->rule, "networkAcls %.*s/ipRules", EG_FMT(m->name));
        verdict(d, true, "A rule of the storage account allows the source address.");
    } else if (subnet) {
        snprintf(d->rule, sizeof d->rule, "networkAcls %.*s/virtualNetworkRules/%.*s", EG_FMT(m->name), EG_FMT(subnet->name));
        verdict(d, true, "A rule of the storage account allows the subnet.");
    } else {
        snprintf(d->rule, sizeof d->rule, "networkAcls %.*s/defaultAction", EG_FMT(m->name));
        verdict(d, false, "No network rule of the storage account allows the source.");
    }
}

void eg_policy_account_network(const eg_policy *pol, const eg_account_flow *f, eg_decision *ret) {
    eg_decision d = {.policy_version = pol->version};
    const eg_policy_account *m = eg_policy_account_find(pol, f->account_id);
    if (!m) {
        snprintf(d.rule, sizeof d.rule, "no networkAcls");
        verdict(&d, true, "The storage account has no network rules.");
    } else if (m->closed) {
        snprintf(d.rule, sizeof d.rule, "publicNetworkAccess %.*s", EG_FMT(m->name));
        verdict(&d, false, "The storage account's public network access is disabled.");
    } else if (!m->deny) {
        snprintf(d.rule, sizeof d.rule, "networkAcls %.*s/defaultAction", EG_FMT(m->name));
        verdict(&d, true, "The storage account is open to all networks.");
    } else {
        by_rules(pol, m, f, &d);
    }
    *ret = d;
}

bool eg_policy_account_asks_subnet(const eg_policy *pol, eg_str account_id) {
    const eg_policy_account *m = eg_policy_account_find(pol, account_id);
    return m && !m->closed && m->deny && m->subnet_count > 0;
}

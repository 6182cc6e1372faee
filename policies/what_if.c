/* What a new policy changes, in words: who gains and loses which role where, what is denied from then on, which network rules differ. */
#include "prove.h"
#include "rule.h"

#include <arpa/inet.h>
#include <embergate/clock.h>
#include <stdio.h>

static void id_text(const eg_policy_guid *id, char ret[EG_UUID_LEN]) {
    const uint8_t *b = id->b;
    snprintf(ret, EG_UUID_LEN, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
             b[10], b[11], b[12], b[13], b[14], b[15]);
}

static const char *kind_text(eg_policy_assignee kind) {
    static const char *const names[] = {"nobody", "the principal", "the members of group", "the principal or members of group"};
    return names[kind & 3];
}

static eg_err tell_grant(const eg_policy *pol, const eg_policy_assignment *m, const char *verb, eg_buf *ret) {
    char id[EG_UUID_LEN], time[EG_RFC3339_LEN];
    id_text(&m->principal, id);
    EG_TRY(eg_buf_addf(ret, "%s %s %s the role %.*s at %.*s", kind_text(m->kind), id, verb, EG_FMT(pol->roles[m->role].name), EG_FMT(m->scope)));
    if (m->starts_ns) {
        eg_time_rfc3339(m->starts_ns, time);
        EG_TRY(eg_buf_addf(ret, ", from %s", time));
    }
    if (m->ends_ns) {
        eg_time_rfc3339(m->ends_ns, time);
        EG_TRY(eg_buf_addf(ret, ", until %s", time));
    }
    if (m->condition) {
        EG_TRY(eg_buf_addf(ret, ", where %.*s", EG_FMT(eg_policy_condition_text(m->condition))));
    }
    return eg_buf_addf(ret, " (%s)\n", m->file);
}

typedef struct telling {
    const eg_policy *pol;
    const char *verb;
    eg_buf *ret;
} telling;

static eg_err tell_missing(void *ctx, const eg_policy_assignment *m) {
    const telling *t = ctx;
    return tell_grant(t->pol, m, t->verb, t->ret);
}

/* What `a` has and `b` has not. */
static eg_err tell_grants(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    telling t = {a, verb, ret};
    return eg_policy_grants_missing(b, a, tell_missing, &t);
}

/* What somebody of `a` may activate and of `b` may not. */
static eg_err tell_eligible(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->eligible_count; i++) {
        const eg_policy_assignment *m = &a->eligible[i];
        char id[EG_UUID_LEN];
        if (!eg_policy_may_activate(b, a, m)) {
            id_text(&m->principal, id);
            EG_TRY(eg_buf_addf(ret, "%s %s %s the role %.*s at %.*s (%s)\n", kind_text(m->kind), id, verb, EG_FMT(a->roles[m->role].name), EG_FMT(m->scope), m->file));
        }
    }
    return EG_OK;
}

static eg_err tell_denies(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->deny_count; i++) {
        const eg_policy_deny *d = &a->denies[i];
        if (!eg_policy_has_deny(b, d)) {
            EG_TRY(eg_buf_addf(ret, "the deny assignment \"%.*s\" at %.*s %s (%s)\n", EG_FMT(d->title), EG_FMT(d->scope), verb, d->file));
        }
    }
    return EG_OK;
}

static eg_err tell_rules(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->group_count; i++) {
        const eg_policy_group *g = &a->groups[i], *other = eg_policy_group_find(b, g->id);
        for (size_t k = 0; k < g->rule_count && !(other && other->rules == g->rules); k++) {
            const eg_policy_rule *r = &g->rules[k];
            if (!other || !eg_policy_has_rule(other, r)) {
                EG_TRY(eg_buf_addf(ret, "the rule %.*s/%.*s, priority %u, which %s, %s (%s)\n", EG_FMT(g->name), EG_FMT(r->name), r->priority, r->allow ? "allows" : "denies", verb,
                                   g->file));
            }
        }
    }
    return EG_OK;
}

static const char *access_text(const eg_policy_account *m) {
    return !m || (!m->closed && !m->deny) ? "open to all networks" : m->closed ? "closed to all networks" : "open only to what its network rules name";
}

static eg_err tell_access(const eg_policy *older, const eg_policy *newer, eg_str id, eg_buf *ret) {
    const char *was = access_text(eg_policy_account_find(older, id)), *is = access_text(eg_policy_account_find(newer, id));
    return strcmp(was, is) == 0 ? EG_OK : eg_buf_addf(ret, "the storage account %.*s, which was %s, is %s\n", EG_FMT(id), was, is);
}

static eg_err tell_address(const eg_policy_account *m, const eg_policy_cidr *c, const char *verb, eg_buf *ret) {
    char text[INET6_ADDRSTRLEN];
    const bool v4 = c->bits >= 96 && eg_policy_cidr_contains(&(eg_policy_cidr){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, c);
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? c->address + 12 : c->address, text, sizeof text);
    return eg_buf_addf(ret, "the rule of the storage account %.*s that allows %s/%u %s (%s)\n", EG_FMT(m->id), text, c->bits - (v4 ? 96 : 0), verb, m->file);
}

/* What the rules of a's accounts allow and those of b don't. */
static eg_err tell_sources(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->account_count; i++) {
        const eg_policy_account *m = &a->accounts[i], *other = eg_policy_account_find(b, m->id);
        for (size_t k = 0; k < m->addresses.n; k++) {
            if (!other || !eg_policy_cidrs_have(&other->addresses, &m->addresses.v[k])) {
                EG_TRY(tell_address(m, &m->addresses.v[k], verb, ret));
            }
        }
        for (size_t k = 0; k < m->subnet_count; k++) {
            const eg_str subnet = a->subnets[m->subnets[k]].id;
            if (!other || !eg_policy_account_has_subnet(b, other, subnet)) {
                EG_TRY(eg_buf_addf(ret, "the rule of the storage account %.*s that allows the subnet %.*s %s (%s)\n", EG_FMT(m->id), EG_FMT(subnet), verb, m->file));
            }
        }
    }
    return EG_OK;
}

static eg_err tell_accounts(const eg_policy *older, const eg_policy *newer, eg_buf *ret) {
    for (size_t i = 0; i < newer->account_count; i++) {
        EG_TRY(tell_access(older, newer, newer->accounts[i].id, ret));
    }
    for (size_t i = 0; i < older->account_count; i++) {
        if (!eg_policy_account_find(newer, older->accounts[i].id)) {
            EG_TRY(tell_access(older, newer, older->accounts[i].id, ret));
        }
    }
    EG_TRY(tell_sources(newer, older, "is new", ret));
    return tell_sources(older, newer, "goes", ret);
}

static eg_err tell_assigned(const eg_policy *a, const eg_policy *b, const char *verb, eg_buf *ret) {
    for (size_t i = 0; i < a->assigned_count; i++) {
        const eg_policy_assigned *m = &a->assigned[i];
        if (m->effect != EG_EFFECT_DISABLED && !eg_policy_has_assigned(b, m)) {
            EG_TRY(eg_buf_addf(ret, "the policy assignment %.*s, which %s what does not comply with \"%.*s\" at %.*s, %s (%s)\n", EG_FMT(m->name),
                               m->effect != EG_EFFECT_DENY ? "audits" : m->enforced ? "denies" : "would deny", EG_FMT(m->definition_name), EG_FMT(m->scope), verb, m->file));
        }
    }
    return EG_OK;
}

/* The rights to write policies that `a` has and `b` has not, for what they mean to data. */
static eg_err tell_duties(const eg_policy *a, const eg_policy *b, const char *words, eg_buf *ret) {
    for (size_t i = 0; a->separate_duties && i < a->writer_count; i++) {
        const eg_policy_assignment *m = &a->assignments[a->writers[i].assignment];
        char id[EG_UUID_LEN];
        if (b->separate_duties && eg_policy_has_grant(b, a, m)) {
            continue;
        }
        id_text(&m->principal, id);
        EG_TRY(eg_buf_addf(ret, "%s %s %s at %.*s: the role %.*s writes policies (%s)\n", kind_text(m->kind), id, words, EG_FMT(m->scope), EG_FMT(a->roles[m->role].name), m->file));
    }
    return EG_OK;
}

eg_err eg_policy_what_if(const eg_policy *older, const eg_policy *newer, eg_buf *ret) {
    EG_TRY(tell_grants(newer, older, "gains", ret));
    EG_TRY(tell_grants(older, newer, "loses", ret));
    EG_TRY(tell_duties(newer, older, "may use no data", ret));
    EG_TRY(tell_duties(older, newer, "may use data again where a role grants it", ret));
    EG_TRY(tell_eligible(newer, older, "may newly activate", ret));
    EG_TRY(tell_eligible(older, newer, "may no longer activate", ret));
    EG_TRY(tell_denies(newer, older, "is new", ret));
    EG_TRY(tell_denies(older, newer, "goes", ret));
    EG_TRY(tell_rules(newer, older, "is new", ret));
    EG_TRY(tell_rules(older, newer, "goes", ret));
    EG_TRY(tell_accounts(older, newer, ret));
    EG_TRY(tell_assigned(newer, older, "is new", ret));
    return tell_assigned(older, newer, "goes", ret);
}

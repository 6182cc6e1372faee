/* A tenant's share of the room that policies may have: what one tenant writes leaves room for the others. */
#include "policy_store_state.h"

#include <stdio.h>

static const struct {
    const char *what;
    size_t offset;
} bounds[] = {
    {"rows of policies", offsetof(eg_policy_room, rows)},
    {"role definitions", offsetof(eg_policy_room, roles)},
    {"policy definitions and initiatives", offsetof(eg_policy_room, defined)},
    {"policy definitions in force", offsetof(eg_policy_room, in_force)},
    {"comparisons by policy definitions in force", offsetof(eg_policy_room, weight)},
};

static size_t field(const eg_policy_room *r, size_t i) {
    size_t n;
    memcpy(&n, (const char *)r + bounds[i].offset, sizeof n);
    return n;
}

/* Tenants with several subscriptions count once. */
static size_t tenants_of(const eg_policy_store *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->o.subscription_count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++) {
            seen = eg_str_ieq(s->o.subscriptions[i].tenant, s->o.subscriptions[k].tenant);
        }
        n += !seen;
    }
    return n > 0 ? n : 1;
}

static eg_policy_room room_of(const eg_policy_store *s, const eg_policy *pol, eg_str tenant) {
    eg_policy_room r = {0};
    for (size_t i = 0; pol && i < s->o.subscription_count; i++) {
        char scope[128];
        if (eg_str_ieq(s->o.subscriptions[i].tenant, tenant) &&
            snprintf(scope, sizeof scope, "/subscriptions/%.*s", EG_FMT(s->o.subscriptions[i].subscription)) < (int)sizeof scope) {
            eg_policy_room_within(pol, eg_str_of(scope), &r);
        }
    }
    return r;
}

static size_t share_of(const eg_policy_store *s, size_t i) {
    const size_t given = field(&s->o.tenant_room, i);
    return given ? given : field(&eg_policy_room_max, i) / tenants_of(s);
}

/* Mostly nobody has to count whose it is. */
static bool may_be_beyond(const eg_policy_store *s, const eg_policy *next) {
    const eg_policy_room all = eg_policy_room_of(next);
    bool beyond = false;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        beyond = beyond || field(&all, i) > share_of(s, i);
    }
    return beyond;
}

/* Whoever has no token is the operator, and may give one tenant more. What is beyond its share may still become less. */
eg_err eg_policy_store_share(const eg_policy_store *s, const eg_policy *next, const eg_principal *author, eg_problem *p) {
    if (!author || !may_be_beyond(s, next)) {
        return EG_OK;
    }
    const eg_policy_room now = room_of(s, s->policy, eg_str_of(author->tenant)), then = room_of(s, next, eg_str_of(author->tenant));
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const size_t n = field(&then, i), share = share_of(s, i);
        if (n > share && n > field(&now, i)) {
            return eg_fail(p, EG_ERR_LIMIT, "A tenant of this gateway has room for %zu %s; this would be %zu.", share, bounds[i].what, n);
        }
    }
    return EG_OK;
}

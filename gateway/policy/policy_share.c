/* A tenant's share of the rows that policies may have: what one tenant writes leaves room for the others. */
#include "policy_store_state.h"

#include <stdio.h>

#define ROWS_MAX 100000 /* of all tenants; policies/policy_model.h */

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
    return n;
}

static size_t rows_of(const eg_policy_store *s, const eg_policy *pol, eg_str tenant) {
    size_t n = 0;
    for (size_t i = 0; pol && i < s->o.subscription_count; i++) {
        char scope[128];
        if (eg_str_ieq(s->o.subscriptions[i].tenant, tenant) &&
            snprintf(scope, sizeof scope, "/subscriptions/%.*s", EG_FMT(s->o.subscriptions[i].subscription)) < (int)sizeof scope) {
            n += eg_policy_rows_within(pol, eg_str_of(scope));
        }
    }
    return n;
}

/* Whoever has no token is the operator, and may give one tenant more. What is beyond its share may still become less. */
eg_err eg_policy_store_share(const eg_policy_store *s, const eg_policy *next, const eg_principal *author, eg_problem *p) {
    const size_t tenants = tenants_of(s), share = s->o.tenant_rows ? s->o.tenant_rows : tenants ? ROWS_MAX / tenants : ROWS_MAX;
    if (!author) {
        return EG_OK;
    }
    const eg_str tenant = eg_str_of(author->tenant);
    const size_t rows = eg_policy_rows(next) <= share ? 0 : rows_of(s, next, tenant); /* mostly nobody has to count whose they are */
    if (rows <= share || rows <= rows_of(s, s->policy, tenant)) {
        return EG_OK;
    }
    return eg_fail(p, EG_ERR_LIMIT, "A tenant of this gateway has room for %zu rows of policies; this would be %zu.", share, rows);
}

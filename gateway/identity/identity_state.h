/* The parts of eg_identity, shared by the files of this room. */
#ifndef EG_GATEWAY_IDENTITY_STATE_H
#define EG_GATEWAY_IDENTITY_STATE_H

#include "claims.h"
#include "client_auth.h"
#include "jwks_cache.h"
#include "token_cache.h"

#define EG_TOKEN_LIFE_S 3600
#define EG_PUBLIC_URL_MAX 384

struct eg_identity {
    char public_url[EG_PUBLIC_URL_MAX]; /* without a slash at the end */
    const char *const *tenants;         /* borrowed */
    eg_kv *kv;
    const eg_keys *keys;
    const eg_clock *clock;
    struct eg_compute *compute;
    eg_token_cache *cache;
    eg_client_auth *clients;
    eg_jwk_set *own_keys;
    eg_buf own_jwks;                    /* as served */
    /* One row for each tenant (own tokens), then one for each outside issuer, whose keys are outside[row - own_count]. */
    eg_issuer_rules *rules;
    size_t rule_count;
    size_t own_count;
    char (*own_issuers)[EG_PUBLIC_URL_MAX + 64];
    eg_jwks_cache **outside;
};

/* The id as configured when it is one of our tenants (any case), else NULL. */
const char *eg_identity_tenant(const eg_identity *i, eg_str tenant);

#endif

/* The keys of one outside issuer: fetched by discovery when they are needed, kept when the provider is away. */
#ifndef EG_GATEWAY_IDENTITY_JWKS_CACHE_H
#define EG_GATEWAY_IDENTITY_JWKS_CACHE_H

#include "jws.h"

#include <embergate/identity.h>

typedef struct eg_jwks_cache eg_jwks_cache;

/* Options are borrowed for its life; audit may be NULL. */
eg_err eg_jwks_cache_new(const eg_outside_issuer *issuer, eg_pool *pool, const eg_clock *clock, struct eg_audit *audit, eg_jwks_cache **ret) EG_MUST_CHECK;
/* Waits for a fetch that is under way. */
void eg_jwks_cache_free(eg_jwks_cache *c);

/* The set that has `kid` (a reference for the caller), and its generation. Never blocks: EG_ERR_BUSY means that a fetch was begun, and
 * later(ctx), if given, is called once from a pool thread when it is over. EG_ERR_TOKEN_KEY_UNKNOWN when the issuer has no such
 * key and was asked within the last minute; EG_ERR_UNAVAILABLE when its keys could never be fetched. */
eg_err eg_jwks_cache_find(eg_jwks_cache *c, eg_str kid, void (*later)(void *), void *later_ctx, eg_jwk_set **ret_set, uint32_t *ret_generation,
                          eg_problem *p) EG_MUST_CHECK;
/* Seconds since the keys were fetched; -1: they could not be until now; -2: nobody has needed them. Any thread. */
int64_t eg_jwks_cache_age_s(eg_jwks_cache *c);
/* Changes when the issuer's keys do, also when the grace of a withdrawn one is over: what an older generation verified is to be verified again. */
uint32_t eg_jwks_cache_generation(eg_jwks_cache *c);

#endif

/* Tokens that were verified, by a keyed hash of the whole token. */
#ifndef EG_GATEWAY_IDENTITY_TOKEN_CACHE_H
#define EG_GATEWAY_IDENTITY_TOKEN_CACHE_H

#include <embergate/principal.h>

typedef struct eg_token_cache eg_token_cache;

/* What verification found; a copy goes in and out. */
typedef struct eg_verified {
    eg_principal *principal;
    unsigned audiences;      /* bit 1 << eg_audience */
    uint32_t issuer;         /* which row of the issuers */
    uint32_t generation;     /* of that issuer's keys when it was verified */
    int64_t good_from_s;     /* nbf or iat, less the skew allowed: the clock may have been set back since */
    int64_t good_until_s;    /* exp and the skew allowed */
    int64_t issued_s;        /* iat */
    bool ask_groups;         /* eg_checked_claims */
    uint64_t checked;        /* how much had been revoked when it was last found good */
} eg_verified;

/* `entries` bounds it; NULL without memory. */
eg_token_cache *eg_token_cache_new(size_t entries);
void eg_token_cache_free(eg_token_cache *c);
/* By which this cache knows a token: under a random key of its own, so that nobody can make two that have the same. */
void eg_token_cache_mark(const eg_token_cache *c, eg_str token, uint8_t ret[EG_KEYED_HASH_LEN]);
/* The same of another proof, in parts whose bounds their text fixes. */
void eg_token_cache_mark_parts(const eg_token_cache *c, const eg_bytes *parts, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]);
/* On true, ret->principal holds a reference for the caller. */
bool eg_token_cache_get(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], eg_verified *ret);
/* Only for verified tokens, so that a flood of others evicts nothing. Takes a reference of its own. In a full set the
 * one that has expired, else the one least recently used, makes room. */
void eg_token_cache_put(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_verified *v, int64_t now_s);
/* It was found good when so much had been revoked. */
void eg_token_cache_checked(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch);
void eg_token_cache_drop(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN]);

#endif

/* The parts of eg_identity, shared by the files of this room. */
#ifndef EG_GATEWAY_IDENTITY_STATE_H
#define EG_GATEWAY_IDENTITY_STATE_H

#include "certificate_auth.h"
#include "claims.h"
#include "client_auth.h"
#include "group_lookup.h"
#include "jwks_cache.h"
#include "key_mark.h"
#include "own_keys.h"
#include "proof_memory.h"
#include "token_cache.h"

#include <stdatomic.h>

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
    eg_proof_memory *basic;
    eg_proof_memory *certificates;
    char certificate_url[EG_PUBLIC_URL_MAX]; /* "" = client certificates are asked for nowhere */
    bool bind_tokens;
    eg_pool *pool;
    eg_committer *committer;
    _Atomic uint64_t mark;              /* of revocations; begins at 1, so that a zeroed entry was never checked */
    _Atomic unsigned waiting_exchanges; /* for an issuer's keys */
    eg_own_keys *own_keys;
    eg_key_mark key_mark;
    /* One row for each tenant (own tokens), then one for each outside issuer, whose keys are outside[row - own_count]. */
    eg_issuer_rules *rules;
    size_t rule_count;
    size_t own_count;
    char (*own_issuers)[EG_PUBLIC_URL_MAX + 64];
    eg_jwks_cache **outside;
    eg_group_lookup **lookups;          /* of the outside issuers that name a groups' endpoint; others NULL */
};

/* Whose token it is, whatever its audience, and revoked or not: for those who take it back. Waits for an issuer's keys. */
eg_err eg_identity_read_token(eg_identity *i, eg_str token, eg_principal **ret, eg_problem *p) EG_MUST_CHECK;
/* EG_ERR_JOB_ENDED for a job that doesn't run. */
eg_err eg_identity_check_job(const eg_identity *i, const eg_principal *who, eg_problem *p) EG_MUST_CHECK;
/* Jobs of what is revoked already: once, when identity opens. */
eg_err eg_identity_revoke_again(eg_identity *i) EG_MUST_CHECK;

/* The id as configured when it is one of our tenants (any case), else NULL. */
const char *eg_identity_tenant(const eg_identity *i, eg_str tenant);

#endif

/* What was proven without a token, and by whom: principals that are still good, and notes on what is behind a proof. For basic_auth.c and certificate_auth.c. */
#ifndef EG_GATEWAY_IDENTITY_PROOF_MEMORY_H
#define EG_GATEWAY_IDENTITY_PROOF_MEMORY_H

#include "local_principal.h"
#include "token_cache.h"

#define EG_PROOF_GOOD_S 300 /* then the store is asked again */

typedef struct eg_proof_memory eg_proof_memory;

/* What is kept of a proof beside its principal; the newest of those that share a place. */
typedef struct eg_proof_note {
    char client_id[EG_UUID_LEN];      /* of a password that was right: whose */
    uint8_t hash[EG_LOCAL_HASH_LEN];  /* and of which record: another hash there, and it is forgotten */
    uint64_t epoch;                   /* of a key that nobody had: when so much had been changed */
} eg_proof_note;

/* NULL without memory. */
eg_proof_memory *eg_proof_memory_new(void);
void eg_proof_memory_free(eg_proof_memory *m);
/* What a proof goes by: a keyed hash of its parts, so that the memory holds no secret. */
void eg_proof_memory_mark(eg_proof_memory *m, const eg_bytes *parts, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]);
/* Who had this proof, as long as that is good and nothing was revoked or changed since (epoch: eg_identity_revocation_mark). A reference in *ret. */
bool eg_proof_memory_find(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], int64_t now_s, uint64_t epoch, eg_principal **ret);
bool eg_proof_memory_recall(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], eg_proof_note *ret);
void eg_proof_memory_note(eg_proof_memory *m, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_proof_note *note);

/* A local principal who has just proven themselves. */
typedef struct eg_proof {
    const uint8_t *mark;
    uint64_t epoch;                   /* from before anything was read */
    const eg_local_principal *who;
    unsigned audiences;               /* EG_AUDIENCE_BIT of each */
    const char *id;                   /* in place of a token's, for records */
    const uint8_t *key;               /* EG_SHA256_LEN bytes: what was proven is possession of it; NULL = something else was */
} eg_proof;
/* The principal, issued now, so that a revocation ends what it is in the middle of; remembered. A revocation until a time to come keeps it out: EG_ERR_TOKEN_REVOKED. */
eg_err eg_proof_accept(eg_identity *i, eg_proof_memory *m, const eg_proof *proof, eg_principal **ret, eg_problem *p) EG_MUST_CHECK;

#endif

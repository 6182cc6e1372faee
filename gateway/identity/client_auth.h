/* Proves that a client knows its secret, at a bounded cost to us. */
#ifndef EG_GATEWAY_IDENTITY_CLIENT_AUTH_H
#define EG_GATEWAY_IDENTITY_CLIENT_AUTH_H

#include "local_principal.h"

typedef struct eg_client_auth eg_client_auth;

eg_client_auth *eg_client_auth_new(eg_kv *kv, const eg_clock *clock);
void eg_client_auth_free(eg_client_auth *a);

/* Blocks for about 80 ms the first time (scrypt): pool threads only. EG_ERR_OAUTH_CLIENT, the same in text and time for an unknown client,
 * a wrong secret, a disabled client and one of another tenant. EG_ERR_TOO_MANY_REQUESTS after too many failures of this client
 * from this address, or of this address, within a minute, and while as many checks run as may. */
eg_err eg_client_auth_check(eg_client_auth *a, eg_str tenant, eg_str client_id, eg_bytes secret, const char *address, eg_local_principal *ret,
                            eg_problem *p) EG_MUST_CHECK;

/* The same by an assertion that the client's key has signed. `purpose` is what it is used for: a second time for the same is refused. */
typedef struct eg_client_proof {
    eg_str client_id;
    eg_str assertion;
    eg_str purpose;
    const char *const *audiences;  /* names of the token endpoint; NULL-terminated */
    const char *address;
} eg_client_proof;
eg_err eg_client_auth_check_key(eg_client_auth *a, eg_str tenant, const eg_client_proof *proof, eg_local_principal *ret, eg_problem *p) EG_MUST_CHECK;

/* Of proofs that can't be guessed, such as a signature, failures count for their address alone: a bound of a client's own could only lock the client out.
 * EG_ERR_TOO_MANY_REQUESTS. */
eg_err eg_client_auth_open_address(eg_client_auth *a, const char *address, eg_problem *p) EG_MUST_CHECK;
void eg_client_auth_failed_address(eg_client_auth *a, const char *address);

/* The bounds above for another proof of the kind, a step at a time: begin, compare, end. */
typedef struct eg_proof_try {
    uint8_t pair[EG_SHA256_LEN];  /* who, from where */
    uint8_t prefix[16];
    eg_bytes address;             /* into prefix, or the caller's */
    bool known;                   /* who has signed in from there before: others' failures from there don't count against it */
} eg_proof_try;
/* `who` is anything that names it, such as a tenant and a name; `address` outlives the try. EG_ERR_TOO_MANY_REQUESTS. */
eg_err eg_client_auth_begin(eg_client_auth *a, eg_str who, const char *address, eg_proof_try *ret, eg_problem *p) EG_MUST_CHECK;
/* scrypt with the salt against the hash. EG_ERR_TOO_MANY_REQUESTS while as many run as may: nothing is counted then. */
eg_err eg_client_auth_compare(eg_client_auth *a, const eg_proof_try *t, const uint8_t salt[EG_LOCAL_SALT_LEN], const uint8_t hash[EG_LOCAL_HASH_LEN],
                              eg_bytes secret, bool *ret_same) EG_MUST_CHECK;
void eg_client_auth_end(eg_client_auth *a, const eg_proof_try *t, bool right);

#endif

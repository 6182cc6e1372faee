/* What the files that check a token's claims share: the token being read, and how a claim of it is found and refused. For claims.c and claim_*.c alone. */
#ifndef EG_GATEWAY_IDENTITY_CLAIM_CHECK_H
#define EG_GATEWAY_IDENTITY_CLAIM_CHECK_H

#include "claims.h"

#define EG_CLAIM_TEXT_MAX 512

typedef struct eg_claim_check {
    const json_t *claims;
    const eg_issuer_rules *rules;
    const uint8_t *digest;
    int64_t now_s;
    int64_t skew_s;
    bool entra;            /* tid and oid are there: ids are Entra's */
    eg_principal *who;
    eg_checked_claims *out;
} eg_claim_check;

/* claim_read.c */
eg_str eg_claim(const eg_claim_check *c, const char *name);
/* The claim of that name, else what the path leads to through objects: "realm_access.roles", as Keycloak nests them. NULL = there is none. */
const json_t *eg_claim_at(const json_t *claims, const char *path);
/* A name that the configuration maps; NULL = it doesn't. */
const char *eg_claim_mapped(const char *name);
/* A text, number or truth, or a list that holds it. */
bool eg_claim_holds(const json_t *v, eg_str wanted);
/* A GUID, in lower case. */
bool eg_claim_guid(eg_str s, char ret[EG_UUID_LEN]);
/* RFC 7519 section 2: a NumericDate may have a fraction. False when it is there and is none. */
bool eg_claim_date(const json_t *v, int64_t *ret);
/* EG_ERR_TOKEN_CLAIM */
eg_err eg_claim_refuse(eg_problem *p, const char *name, const char *why);

/* claim_audience.c, claim_times.c, claim_groups.c: rows of the table in claims.c. */
eg_err eg_claim_check_aud(eg_claim_check *c, eg_problem *p) EG_MUST_CHECK;
eg_err eg_claim_check_exp(eg_claim_check *c, eg_problem *p) EG_MUST_CHECK;
eg_err eg_claim_check_nbf(eg_claim_check *c, eg_problem *p) EG_MUST_CHECK;
eg_err eg_claim_check_iat(eg_claim_check *c, eg_problem *p) EG_MUST_CHECK;
eg_err eg_claim_check_groups(eg_claim_check *c, eg_problem *p) EG_MUST_CHECK;

#endif

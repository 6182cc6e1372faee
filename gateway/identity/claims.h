/* What a verified token claims, checked claim by claim, and the principal that comes of it. */
#ifndef EG_GATEWAY_IDENTITY_CLAIMS_H
#define EG_GATEWAY_IDENTITY_CLAIMS_H

#include <embergate/identity.h>

#define EG_OWN_SKEW_S 5
#define EG_OUTSIDE_SKEW_S 300
#define EG_TOKEN_LIFE_MAX_S ((int64_t)7 * 24 * 3600)
#define EG_AUDIENCE_BIT(a) (1u << (a))

/* An issuer as tokens are checked against it. All text is borrowed. */
typedef struct eg_issuer_rules {
    const char *issuer;            /* exact, or with "{tenantid}" */
    const char *tenant;            /* ours */
    bool own;                      /* the gateway's own issuer: only such a token can be a job's */
    const char *const *audiences;  /* of an outside issuer, NULL-terminated */
    const char *public_url;        /* an audience of own tokens */
    const eg_outside_issuer *outside; /* what the configuration wants of its tokens; NULL = nothing more */
} eg_issuer_rules;

/* True when `iss` is this issuer's. A template fits only with a GUID in its place. */
bool eg_claims_issuer_fits(const char *issuer, eg_str iss);

/* Which surfaces an audience opens for tokens of our own: storage's or the gateway's. EG_AUDIENCE_NONE when unknown. */
eg_audience eg_claims_audience(eg_str aud, const char *public_url);

typedef struct eg_checked_claims {
    eg_principal *principal;       /* a reference for the caller */
    unsigned audiences;            /* EG_AUDIENCE_BIT of each */
    int64_t good_from_s;  /* the later of nbf and iat, less the skew allowed */
    int64_t good_until_s;
    int64_t issued_s;
    bool ask_groups;               /* the token leaves its groups out, and who gave its object id can be asked for all of them */
} eg_checked_claims;

/* digest: of the whole token, for tokens without an id. The errors are the TOKEN_* ones. */
eg_err eg_claims_check(const json_t *claims, const eg_issuer_rules *rules, int64_t now_s, const uint8_t digest[EG_SHA256_LEN],
                       eg_checked_claims *ret, eg_problem *p) EG_MUST_CHECK;

/* The GUID that stands for a name which an issuer gives (a subject, a group) and which is none. Stable; docs/IDENTITY.md. */
void eg_claims_derived_id(eg_str issuer, const char *what, eg_str name, char ret[EG_UUID_LEN]);

#endif

/* Who is asking: what a verified token, or the lack of one, says about the sender of a request. */
#ifndef EMBERGATE_PRINCIPAL_H
#define EMBERGATE_PRINCIPAL_H

#include <embergate/crypto.h>

typedef enum eg_principal_kind {
    EG_PRINCIPAL_NONE = 0,       /* not authenticated */
    EG_PRINCIPAL_USER,
    EG_PRINCIPAL_SERVICE,        /* service principal */
    EG_PRINCIPAL_JOB,            /* a running job, for the person who submitted it */
    EG_PRINCIPAL_KEY,            /* nobody: whoever has a storage account's key */
    EG_PRINCIPAL_SAS,            /* nobody: whoever has what was signed with that key */
} eg_principal_kind;

#define EG_PRINCIPAL_GROUPS_MAX 200
#define EG_PRINCIPAL_ACTORS_MAX 3

/* Who acts for a principal (RFC 8693's actor): a middle tier that exchanged a token for its own. */
typedef struct eg_actor {
    char object_id[EG_UUID_LEN];
    char app_id[EG_UUID_LEN];                /* its client id */
    char exchanged[64];                      /* id of the token that it gave for this one: revoked with it */
    int64_t since_s;                         /* when it did; a revocation of the actor from then on concerns this token */
} eg_actor;

typedef struct eg_acting {
    size_t count;                            /* at least one */
    eg_actor actors[EG_PRINCIPAL_ACTORS_MAX]; /* the first acts now; it was given its subject token by the next */
    char text[EG_PRINCIPAL_ACTORS_MAX * EG_UUID_LEN]; /* their object ids with blanks between, for records */
} eg_acting;

/* Immutable once made; shared by reference between the token cache and the requests that use it. All text NUL-terminated. */
typedef struct eg_principal {
    int refs;                                /* atomic; through eg_principal_ref/unref only */
    eg_principal_kind kind;
    char tenant[EG_UUID_LEN];                /* a principal is (tenant, object id) */
    char object_id[EG_UUID_LEN];             /* of a job: its submitter's */
    char app_id[EG_UUID_LEN];                /* client id; "" when the token names none */
    char name[128];                          /* for people, never for decisions */
    char job[64];                            /* of EG_PRINCIPAL_JOB: "{cluster}/{batch id}" */
    char cluster[64];                        /* of EG_PRINCIPAL_JOB */
    char token_id[64];                       /* jti or uti, else the first 16 bytes of the token's digest in hex */
    int64_t expires_s;                       /* seconds since 1970 */
    int64_t issued_s;                        /* its token, or the key that it signed with; 0 = not known, so that any revocation concerns it */
    int64_t revoked_until_s;                 /* what was issued to it until then was revoked; this was issued later. 0 = nothing was */
    eg_acting *acting;                       /* who acts for it; NULL = it asks itself. Owned. The rights are the principal's own in either case */
    char for_client[EG_UUID_LEN];            /* the client whose audience the token has; "" = none */
    bool acted_elsewhere;                    /* an outside issuer says that somebody acts for them */
    bool by_key;                             /* it proved itself by `key`, which must still be registered for app_id */
    bool bound;                              /* its token is good only on a connection with the certificate `thumbprint` (RFC 8705 section 3) */
    uint8_t key[EG_SHA256_LEN];              /* SHA-256 of a SubjectPublicKeyInfo */
    uint8_t thumbprint[EG_SHA256_LEN];       /* SHA-256 of a certificate */
    bool emergency;                          /* a break-glass administrator: each request is an alarm */
    bool groups_unknown;                     /* overage: never "no groups" */
    size_t group_count;
    char (*groups)[EG_UUID_LEN];             /* owned */
    uint8_t (*group_ids)[16];                /* the same as bytes in order, for decisions; owned; NULL = not made */
    const uint64_t *group_filter;            /* bits of their marks, behind them in the same memory: most questions end at it */
    unsigned group_filter_log;               /* of how many bits, to the base of two */
    struct eg_principal *groups_of;          /* whose groups and group_ids these are, a reference; NULL = its own */
} eg_principal;

/* A GUID as 32 bits; those that say its version are not among them. */
static inline uint32_t eg_principal_mark(const uint8_t id[16]) {
    uint64_t one, two;
    memcpy(&one, id, sizeof one);
    memcpy(&two, id + 8, sizeof two);
    return (uint32_t)(((one ^ two) * 0x9e3779b97f4a7c15u) >> 32);
}

/* false: no group of p has this mark. */
static inline bool eg_principal_may_be_in(const eg_principal *p, uint32_t mark) {
    const uint32_t bit = p->group_filter ? mark >> (32 - p->group_filter_log) : 0;
    return p->group_filter && (p->group_filter[bit / 64] >> (bit % 64) & 1);
}

eg_principal *eg_principal_new(void);        /* zeroed, one reference; NULL without memory. core/principal.c */
eg_principal *eg_principal_ref(eg_principal *p);
void eg_principal_unref(eg_principal *p);    /* NULL is harmless */
/* Fills group_ids when groups are complete. A group that is no GUID, or no memory: stays NULL, and decisions read the texts. */
void eg_principal_index_groups(eg_principal *p);
/* A copy of `p` with the groups of `holder`, of which it keeps a reference; NULL: the groups are unknown. NULL without memory. */
eg_principal *eg_principal_with_groups(const eg_principal *p, eg_principal *holder);
/* By group_ids, which must have been made. */
bool eg_principal_in_group(const eg_principal *p, const uint8_t id[16]);
/* By group_ids where they were made, else by the texts, without regard to case. */
bool eg_principal_in_group_named(const eg_principal *p, eg_str id);
const char *eg_principal_kind_name(eg_principal_kind k); /* "none", "user", "service", "job" */
EG_DEFINE_CLEANUP(eg_principal, eg_principal_unref)

#endif

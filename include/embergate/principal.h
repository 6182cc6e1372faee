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
    bool emergency;                          /* a break-glass administrator: each request is an alarm */
    bool groups_unknown;                     /* overage: never "no groups" */
    size_t group_count;
    char (*groups)[EG_UUID_LEN];             /* owned */
    uint8_t (*group_ids)[16];                /* the same as bytes, for decisions; owned; NULL = not made */
    uint64_t group_filter[16];               /* a bit for each of group_ids: most questions end at it */
} eg_principal;

eg_principal *eg_principal_new(void);        /* zeroed, one reference; NULL without memory. core/principal.c */
eg_principal *eg_principal_ref(eg_principal *p);
void eg_principal_unref(eg_principal *p);    /* NULL is harmless */
/* Fills group_ids when groups are complete. A group that is no GUID, or no memory: stays NULL, and decisions read the texts. */
void eg_principal_index_groups(eg_principal *p);
/* By group_ids, which must have been made. */
bool eg_principal_in_group(const eg_principal *p, const uint8_t id[16]);
const char *eg_principal_kind_name(eg_principal_kind k); /* "none", "user", "service", "job" */
EG_DEFINE_CLEANUP(eg_principal, eg_principal_unref)

#endif

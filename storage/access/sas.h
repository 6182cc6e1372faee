/* Shared access signatures: the query parameters, the string that was signed, and what needs no key to be checked. Pure functions. */
#ifndef EG_STORAGE_SAS_H
#define EG_STORAGE_SAS_H

#include "grant.h"
#include "shared_key.h"

/* The parameters. X(identifier, name in the query) */
#define EG_SAS_FIELDS(X)                                                                                                                          \
    X(SIG, "sig") X(SV, "sv") X(SP, "sp") X(ST, "st") X(SE, "se") X(SR, "sr") X(SI, "si") X(SIP, "sip") X(SPR, "spr") X(SDD, "sdd") X(SS, "ss")    \
    X(SRT, "srt") X(SES, "ses") X(SKOID, "skoid") X(SKTID, "sktid") X(SKT, "skt") X(SKE, "ske") X(SKS, "sks") X(SKV, "skv") X(SAOID, "saoid")     \
    X(SUOID, "suoid") X(SCID, "scid") X(SKDUTID, "skdutid") X(SDUOID, "sduoid") X(SRH, "srh") X(SRQ, "srq") X(RSCC, "rscc") X(RSCD, "rscd")        \
    X(RSCE, "rsce") X(RSCL, "rscl") X(RSCT, "rsct") X(SNAPSHOT, "snapshot") X(VERSIONID, "versionid")

typedef enum eg_sas_field {
#define X(id, name) EG_SAS_##id,
    EG_SAS_FIELDS(X)
#undef X
    EG_SAS_FIELD_COUNT
} eg_sas_field;

typedef enum eg_sas_kind { EG_SAS_NONE = 0, EG_SAS_ACCOUNT, EG_SAS_SERVICE, EG_SAS_DELEGATION } eg_sas_kind;

typedef struct eg_sas {
    eg_sas_kind kind;
    eg_str f[EG_SAS_FIELD_COUNT];   /* decoded; len 0 = absent */
    uint8_t signature[EG_SIGNATURE_LEN];
} eg_sas;

/* Whether a query holds a signature at all. */
bool eg_sas_present(eg_str query);
/* Whether it says who alone may use it (sduoid, skdutid). */
bool eg_sas_names_user(eg_str query);
/* EG_ERR_AUTH_FAILED, with the reason: malformed, twice the same, of a version or kind that isn't served. */
eg_err eg_sas_parse(eg_arena *arena, eg_str query, eg_sas *ret, eg_problem *p) EG_MUST_CHECK;

/* What the request asks for, in the words of signatures. */
typedef struct eg_sas_request {
    eg_str account;
    eg_str container;       /* len 0 = the account itself */
    eg_str path;            /* of what is asked for; of a listing: its directory */
    const char *address;    /* of the peer */
    int64_t now_ns;
    eg_str headers;         /* what srh and srq name, as it is signed (signed_headers.c) */
    eg_str parameters;
} eg_sas_request;

/* A version of the form that was signed: signers of one version differ in what they leave out. */
#define EG_SAS_FORMS 2
/* EG_ERR_NOT_FOUND when the kind and version have no such form. */
eg_err eg_sas_string(const eg_sas *s, const eg_sas_request *r, unsigned form, eg_buf *ret) EG_MUST_CHECK;
/* Times, address, protocol; `policy` was put into *s before. EG_ERR_AUTH_FAILED, EG_ERR_SAS_SOURCE_IP, EG_ERR_SAS_PROTOCOL. */
eg_err eg_sas_check(const eg_sas *s, const eg_sas_request *r, eg_problem *p) EG_MUST_CHECK;
/* "2026-01-02", "2026-01-02T03:04Z", "2026-01-02T03:04:05[.1234567]Z"; far ones as eg_time_parse_rfc3339_far. EG_ERR_INVALID. */
eg_err eg_sas_time(eg_str s, int64_t *ret_ns) EG_MUST_CHECK;
/* What it is narrowed to. EG_ERR_AUTH_FAILED when sr and sdd don't fit the request. */
eg_err eg_sas_bounds_of(const eg_sas *s, const eg_sas_request *r, eg_sas_bounds *ret) EG_MUST_CHECK;

#endif

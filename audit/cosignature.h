/* Cosignatures (C2SP tlog-cosignature, cosignature/v1): what a witness says of a checkpoint, and when it said so. */
#ifndef EG_AUDIT_COSIGNATURE_H
#define EG_AUDIT_COSIGNATURE_H

#include "checkpoint.h"

typedef struct eg_cosignature {
    int64_t time_s;   /* by the witness's clock, since 1970 */
    eg_str line;      /* view, without its newline */
} eg_cosignature;

/* The newest right one of the key (eg_cosigner_key_parse) among the signature lines, of a checkpoint's body. EG_ERR_CORRUPT: none is there. */
eg_err eg_cosignature_find(eg_str body, eg_str lines, const eg_verifier_key *k, eg_cosignature *ret) EG_MUST_CHECK;

#endif

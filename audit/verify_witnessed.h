/* Proves that a log grew out of what witnesses have cosigned: each one's checkpoint is met on the walk through the entries. */
#ifndef EG_AUDIT_VERIFY_WITNESSED_H
#define EG_AUDIT_VERIFY_WITNESSED_H

#include <embergate/audit.h>

#include "checkpoint.h"
#include "tree_hash.h"

typedef struct eg_witnessed {
    char name[EG_ORIGIN_MAX];
    char file[32];
    eg_witness_seen seen;
    uint8_t root[EG_SHA256_LEN];
    bool met;                    /* the log had this root when it had that size */
} eg_witnessed;

/* What the log's folder keeps of a witness, whose key it is asked by: signed by the log's own key, cosigned by the witness. */
eg_err eg_witnessed_read(int dir_fd, const eg_verifier_key *log_key, const char *witness, eg_witnessed *ret, eg_problem *p) EG_MUST_CHECK;
/* To be called after each entry. */
void eg_witnessed_meet(eg_witnessed *w, size_t n, const eg_audit_tree *t);
/* At the end, of `size` entries: EG_ERR_CORRUPT unless all were met. */
eg_err eg_witnessed_end(const eg_witnessed *w, size_t n, uint64_t size, eg_problem *p) EG_MUST_CHECK;

#endif

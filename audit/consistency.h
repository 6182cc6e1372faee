/* Proofs that a log only grew: RFC 6962 section 2.1.2. */
#ifndef EG_AUDIT_CONSISTENCY_H
#define EG_AUDIT_CONSISTENCY_H

#include "tree_hash.h"

#define EG_CONSISTENCY_MAX 63u /* hashes; C2SP tlog-witness takes no more */

typedef struct eg_consistency {
    size_t count;
    uint8_t hashes[EG_CONSISTENCY_MAX][EG_SHA256_LEN];
} eg_consistency;

/* That the log of `size` entries begins with its first `old` (0 < old <= size), out of the tiles of a log that has at least as many, `there`, by now. EG_ERR_NOT_FOUND: a tile
 * that was there was outgrown meanwhile, and the log is larger than `there`. */
eg_err eg_consistency_prove(int dir_fd, uint64_t there, uint64_t old, uint64_t size, eg_consistency *ret) EG_MUST_CHECK;

#endif

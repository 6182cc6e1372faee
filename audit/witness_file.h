/* Where a log keeps what a witness cosigned last: the checkpoint with its cosignature, beneath the log's folder. */
#ifndef EG_AUDIT_WITNESS_FILE_H
#define EG_AUDIT_WITNESS_FILE_H

#include "checkpoint.h"

#define EG_WITNESS_DIR "witness"
#define EG_WITNESS_FILE_LEN (sizeof EG_WITNESS_DIR + 9) /* "witness/", the key's id in hex, NUL */

void eg_witness_file(const eg_verifier_key *k, char ret[EG_WITNESS_FILE_LEN]);

#endif

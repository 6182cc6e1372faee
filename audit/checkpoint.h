/* Checkpoints (C2SP tlog-checkpoint in a signed note) and verifier keys. */
#ifndef EG_AUDIT_CHECKPOINT_H
#define EG_AUDIT_CHECKPOINT_H

#include <embergate/crypto.h>

#define EG_ORIGIN_MAX 256u
#define EG_CHECKPOINT_FILE "checkpoint"
#define EG_CHECKPOINT_MAX 8192u /* bytes, with cosignatures of witnesses */

typedef struct eg_checkpoint {
    char origin[EG_ORIGIN_MAX];
    uint64_t size;
    uint8_t root[EG_SHA256_LEN];
    eg_str body;               /* what is signed, with its last newline; view into the parsed text */
    eg_str signatures;         /* the lines after the empty one */
} eg_checkpoint;

typedef struct eg_verifier_key {
    char name[EG_ORIGIN_MAX];
    uint8_t id[4];
    uint8_t public_key[32];
} eg_verifier_key;

eg_err eg_checkpoint_body(eg_str origin, uint64_t size, const uint8_t root[EG_SHA256_LEN], eg_buf *ret);
/* The note: body, an empty line, one signature line. */
eg_err eg_checkpoint_note(eg_str body, eg_str origin, const uint8_t public_key[32], const uint8_t sig[64], eg_buf *ret);
/* EG_ERR_CORRUPT for anything that is not exactly a checkpoint. */
eg_err eg_checkpoint_parse(eg_str note, eg_checkpoint *ret) EG_MUST_CHECK;
/* EG_ERR_CORRUPT unless the origin is the key's name and a signature of the key is there and right. */
eg_err eg_checkpoint_verify(const eg_checkpoint *c, const eg_verifier_key *k) EG_MUST_CHECK;
/* The same, and that signature. */
eg_err eg_checkpoint_signature(const eg_checkpoint *c, const eg_verifier_key *k, uint8_t ret[64]) EG_MUST_CHECK;

/* A signature line "— name base64" taken apart; false for anything else. */
bool eg_note_line(eg_str line, eg_str *ret_name, eg_str *ret_base64);

eg_err eg_verifier_key_write(eg_str origin, const uint8_t public_key[32], eg_buf *ret); /* without newline */
eg_err eg_verifier_key_parse(eg_str text, eg_verifier_key *ret) EG_MUST_CHECK;          /* EG_ERR_INVALID */
/* The same of a witness, whose key makes cosignatures (cosignature.h) and nothing else. */
eg_err eg_cosigner_key_parse(eg_str text, eg_verifier_key *ret) EG_MUST_CHECK;

#endif

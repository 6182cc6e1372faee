/* Signs checkpoints of the audit logs; remembers what was signed, so that no log ever shrinks or forks. */
#ifndef EG_STORAGE_KEYS_CHECKPOINT_SIGNER_H
#define EG_STORAGE_KEYS_CHECKPOINT_SIGNER_H

#include <embergate/keys.h>

#define EG_CHECKPOINT_ORIGIN_MAX ((size_t)256)
#define EG_CHECKPOINT_BODY_MAX ((size_t)2048)

typedef struct eg_checkpoint_signer {
    int dir_fd;              /* the keeper directory; borrowed */
    const eg_secret *master; /* authenticates the remembered sizes; borrowed */
    const eg_secret *seed;   /* one for all logs; each origin's is derived from it; borrowed */
} eg_checkpoint_signer;

/* The caller serialises calls. EG_ERR_INVALID for a body that is no checkpoint of this origin, EG_ERR_CORRUPT when it is
 * smaller than one that was signed, or as large with another root. The new size is durable before the signature exists. */
eg_err eg_checkpoint_sign(const eg_checkpoint_signer *s, eg_str origin, eg_str body, uint8_t ret_sig[64]) EG_MUST_CHECK;
/* Whether less than `c`, which this signer signed, is remembered; with `remember` that ends, durably. Serialised and with errors as above; EG_ERR_INVALID when it signed no such. */
eg_err eg_checkpoint_recall(const eg_checkpoint_signer *s, const eg_signed_checkpoint *c, bool remember, bool *ret_forgotten) EG_MUST_CHECK;
/* A statement of one of the kinds in keys.h, with the log's key. EG_ERR_INVALID for anything else, so that no checkpoint is ever signed this way. */
eg_err eg_statement_sign(const eg_checkpoint_signer *s, eg_str origin, eg_str body, uint8_t ret_sig[64]) EG_MUST_CHECK;
eg_err eg_checkpoint_public_key(const eg_checkpoint_signer *s, eg_str origin, uint8_t ret_pub[32]) EG_MUST_CHECK;

#endif

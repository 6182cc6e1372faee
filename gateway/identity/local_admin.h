/* Administration of local principals while the server runs. */
#ifndef EG_GATEWAY_IDENTITY_LOCAL_ADMIN_H
#define EG_GATEWAY_IDENTITY_LOCAL_ADMIN_H

#include "local_principal.h"

#define EG_BREAKGLASS_S 3600 /* a break-glass administrator may sign in so long after its first use; then it is locked until it is armed again */

typedef enum eg_local_act { EG_LOCAL_NONE = 0, EG_LOCAL_ADD, EG_LOCAL_DISABLE, EG_LOCAL_ENABLE, EG_LOCAL_ROTATE, EG_LOCAL_REMOVE, EG_LOCAL_ARM, EG_LOCAL_PASSWORD,
    EG_LOCAL_PASSWORD_DROP,
    EG_LOCAL_KEY_ADD, EG_LOCAL_KEY_REMOVE } eg_local_act;

typedef struct eg_local_ask {
    eg_local_act act;
    eg_str tenant;
    eg_str name;               /* or client id */
    eg_bytes proof;            /* of PASSWORD: secret, the caller's; of KEY_ADD: PEM of a public key or certificate; of KEY_REMOVE: a key's digest in hex */
    eg_principal_kind kind;    /* of one that is made */
    eg_txn_op (*record)(void *ctx, const eg_local_principal *who); /* the record of it, for the same transaction */
    void *record_ctx;
} eg_local_ask;

/* Blocks on scrypt and the commit. *ret_secret gets the new secret of ADD, ROTATE and ARM; the caller cleanses it. What was issued to one that is disabled, armed
 * anew or removed is revoked; another password, or none, ends the old one and nothing else; a key that is removed ends what it was proof for. One call at a time. EG_ERR_NOT_FOUND, EG_ERR_EXISTS, EG_ERR_INVALID. */
eg_err eg_local_admin_change(eg_identity *i, const eg_local_ask *a, eg_local_principal *ret, eg_buf *ret_secret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_local_admin_list(eg_identity *i, eg_str tenant, json_t **ret) EG_MUST_CHECK;
/* Its secret was right: a break-glass administrator's use is written down, and refused once its hour is over. Others: EG_OK. */
eg_err eg_local_admin_use(eg_identity *i, eg_local_principal *r, eg_problem *p) EG_MUST_CHECK;

#endif

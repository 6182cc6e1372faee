/* The rows that say what was revoked: written in one transaction with their record, asked for at each request that a change could concern. */
#ifndef EG_GATEWAY_IDENTITY_REVOCATION_H
#define EG_GATEWAY_IDENTITY_REVOCATION_H

#include <embergate/identity.h>

/* Nothing that is good here lives longer: tokens (claims.c), user delegation keys, and a day for clocks. */
#define EG_REVOCATION_KEEP_S ((int64_t)8 * 24 * 3600)
#define EG_REVOCATIONS_MAX 65536u

/* EG_ERR_TOKEN_REVOKED when what `who` was signed in with was issued until the moment that its principal's revocation names, or is itself revoked; also
 * when its actor was, or the token that was exchanged for it; also when a row can't be read. *ret_floor_s (may be NULL) is that moment, 0 without one. */
eg_err eg_revocation_check(eg_kv_txn *t, const eg_principal *who, int64_t *ret_floor_s) EG_MUST_CHECK;
/* Until when everything that was issued to a principal is refused; 0 = nothing is. A row that can't be read is for ever. */
eg_err eg_revocation_floor(eg_kv *kv, const char *tenant, const char *object_id, int64_t *ret_s) EG_MUST_CHECK;

/* Steps of a transaction. r is borrowed until it is committed. Put drops rows that have expired; EG_ERR_LIMIT when there are too many others. */
eg_txn_op eg_revocation_put(eg_revocation *r);
eg_txn_op eg_revocation_remove(eg_revocation *r); /* EG_ERR_NOT_FOUND */

/* Every row; an unreadable one has kind EG_REVOKE_NONE. fn's error ends it. */
eg_err eg_revocation_each(eg_kv_txn *t, eg_err (*fn)(void *ctx, const eg_revocation *r), void *ctx) EG_MUST_CHECK;

#endif

/* Records that were committed together with what they are about, until the sequencer has them in a log. */
#ifndef EG_AUDIT_OUTBOX_H
#define EG_AUDIT_OUTBOX_H

#include <embergate/kv.h>

/* In a write transaction: the envelope under the next number. */
eg_err eg_outbox_put(eg_kv_txn *t, eg_bytes envelope);
/* Calls each row in order until each() says EG_ERR_LIMIT; that row is left. */
eg_err eg_outbox_each(eg_kv_txn *t, eg_err (*each)(void *ctx, uint64_t id, eg_bytes envelope), void *ctx) EG_MUST_CHECK;
eg_err eg_outbox_delete_to(eg_kv_txn *t, uint64_t last_id);

#endif

/* Idempotency-Key: a submission that is sent again answers what the first one answered, and nothing runs twice. */
#ifndef EMBERGATE_COMPUTE_IDEMPOTENCY_H
#define EMBERGATE_COMPUTE_IDEMPOTENCY_H

#include <embergate/crypto.h>
#include <embergate/kv.h>
#include <embergate/principal.h>

#define EG_IDEMPOTENCY_KEY_MAX 255          /* printable ASCII */
#define EG_IDEMPOTENCY_KEPT_S (7 * 86400)

/* What a key is bound to: only the digest is stored. */
typedef struct eg_idempotency {
    uint8_t slot[EG_SHA256_LEN];            /* of principal, cluster, route and key */
    uint8_t body[EG_SHA256_LEN];            /* of what was asked */
    uint32_t id;                            /* the batch it made */
    int64_t time_s;
} eg_idempotency;

/* EG_ERR_HTTP_HEADER for a key that is empty, too long or not printable ASCII. */
typedef struct eg_idempotency_ask {
    const eg_principal *who;
    eg_str cluster;
    const char *route;
    eg_str key;
    eg_bytes body;
} eg_idempotency_ask;
eg_err eg_idempotency_of(const eg_idempotency_ask *ask, eg_idempotency *ret, eg_problem *p) EG_MUST_CHECK;
/* EG_OK: done before, i->id is its batch. EG_ERR_NOT_FOUND: new, or older than EG_IDEMPOTENCY_KEPT_S. EG_ERR_IDEMPOTENCY_MISMATCH: the key stood with another body. */
eg_err eg_idempotency_find(eg_kv_txn *t, eg_idempotency *i, int64_t now_s, eg_problem *p) EG_MUST_CHECK;
/* The step that keeps it, with i->id and i->time_s set; EG_ERR_IDEMPOTENCY_BUSY when another request took the slot meanwhile. */
eg_txn_op eg_idempotency_keep(eg_idempotency *i);
/* A step that looks at 4,096 rows at most, from `start` on, and drops those that are too old: short, whatever the table's size. Called every minute with
 * a random start, it comes by everywhere. */
typedef struct eg_idempotency_sweep {
    uint8_t start[EG_SHA256_LEN];
    int64_t now_s;
} eg_idempotency_sweep;
eg_txn_op eg_idempotency_expire(eg_idempotency_sweep *s);

/* Slots of requests that are being worked on, in this process. Thread-safe. */
typedef struct eg_idempotency_busy eg_idempotency_busy;
eg_idempotency_busy *eg_idempotency_busy_new(void);
void eg_idempotency_busy_free(eg_idempotency_busy *b);
/* EG_ERR_IDEMPOTENCY_BUSY when it is being worked on; EG_ERR_BUSY when the table is full. */
eg_err eg_idempotency_enter(eg_idempotency_busy *b, const eg_idempotency *i, eg_problem *p) EG_MUST_CHECK;
void eg_idempotency_leave(eg_idempotency_busy *b, const eg_idempotency *i);

#endif

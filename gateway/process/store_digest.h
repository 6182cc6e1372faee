/* Has the store keep its digest, under a key that only the keeper can give. */
#ifndef EG_GATEWAY_PROCESS_STORE_DIGEST_H
#define EG_GATEWAY_PROCESS_STORE_DIGEST_H

#include <embergate/audit.h>
#include <embergate/keys.h>
#include <embergate/kv.h>

/* How long to wait for a keeper that may be just starting. */
typedef struct eg_keeper_wait {
    unsigned seconds;
    bool (*go_on)(void *ctx); /* asked ten times a second; NULL = always */
    void *ctx;
} eg_keeper_wait;

/* Before anything else is committed. Asks the keeper, with `wait` until it answers (NULL: once). EG_ERR_KEEPER, EG_ERR_CORRUPT; what is wrong is in *p. *ret_counted: the store had none, as one of an earlier version has none, and what was there was taken as it was. */
eg_err eg_store_digest_start(eg_kv *kv, eg_committer *committer, const eg_keys *keys, const eg_keeper_wait *wait, bool *ret_counted, eg_problem *p) EG_MUST_CHECK;

/* Reads the store once, in a thread of its own that rests more than it works, and says what isn't as it was written last: in the log, in metrics and in the audit log. With
 * `counted`, that there was no digest until now. */
typedef struct eg_store_digest_watch eg_store_digest_watch;
eg_err eg_store_digest_watch_start(eg_kv *kv, eg_audit *audit, bool counted, eg_store_digest_watch **ret, eg_problem *p) EG_MUST_CHECK;
void eg_store_digest_watch_stop(eg_store_digest_watch *w); /* NULL is fine */

#endif

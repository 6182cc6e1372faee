/* The store of policies from inside; for the files of gateway/policy alone. */
#ifndef GATEWAY_POLICY_POLICY_STORE_STATE_H
#define GATEWAY_POLICY_POLICY_STORE_STATE_H

#include "policy_set.h"

#include <pthread.h>

#define EG_POLICY_REPLACED_MAX 8

struct eg_policy_store {
    eg_policy_store_options o;
    pthread_mutex_t changing;    /* one change at a time, from reading what is in force to swapping it */
    pthread_mutex_t lock;        /* guards what follows; held for a reference count */
    eg_policy *policy;
    uint64_t version;            /* of the newest row; written by who holds `changing` */
    eg_policy *replaced[EG_POLICY_REPLACED_MAX]; /* until nobody asks them any more, so that no request has to free one */
};

/* eg_pace_beside where clients are served meanwhile; {0}, which never rests, where not. */
eg_pace eg_policy_store_pace(const eg_policy_store *s);
/* In place of what was in force, which is let go of when nobody asks it any more. */
void eg_policy_store_replace(eg_policy_store *s, eg_policy *next);

/* What a version's row says beside its number. */
typedef struct eg_policy_reason {
    const eg_principal *author;  /* NULL: `by` */
    const char *by;
    const eg_principal *approver;
    const char *event;
    eg_str ticket, justification;
} eg_policy_reason;

/* One version as a transaction; `extra` is another step of it (apply NULL = none). The snapshot's reference is taken on EG_OK. For who holds `changing`. */
typedef struct eg_policy_commit {
    const eg_policy_set *set;
    const eg_policy_reason *why;
    eg_policy *next;
    const eg_policy_recorder *recorder;
    eg_txn_op extra;
} eg_policy_commit;
eg_err eg_policy_store_commit(eg_policy_store *s, const eg_policy_commit *c, eg_problem *p) EG_MUST_CHECK;

/* From what is asked to what would change; the set is sorted, compared with the store, and loadable (*ret_next; NULL when nothing changes). */
eg_err eg_policy_store_prepare(eg_policy_store *s, const eg_policy_change *c, eg_policy_set *set, eg_policy **ret_next, eg_problem *p) EG_MUST_CHECK;
/* Writes a change down for a second person. policy_pending.c */
eg_err eg_policy_store_propose(eg_policy_store *s, const eg_policy_set *set, const eg_policy_change *c, const eg_policy_recorder *r, char ret_id[EG_UUID_LEN], eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_store_may_set(eg_policy_store *s, const eg_principal *who, const eg_policy_set *set, eg_problem *p) EG_MUST_CHECK;
/* EG_ERR_LIMIT when the author's tenant would have more rows than its share. policy_share.c; for who holds `changing` */
eg_err eg_policy_store_share(const eg_policy_store *s, const eg_policy *next, const eg_principal *author, eg_problem *p) EG_MUST_CHECK;
/* {"oid","tenant","kind"} of a principal, or {"by"}. New reference. */
json_t *eg_policy_author_json(const eg_principal *who, const char *by);
/* The record of the store's own making; the op lives as long as the arena. */
eg_txn_op eg_policy_store_record(eg_policy_store *s, eg_arena *a, const eg_policy_reason *why, uint64_t version, const json_t *details);
const char *eg_policy_event(const char *event);

#endif

/* An answer that is made when the committer tells: the worker that took a small change in hands it on itself, since two threads that wake each
 * other for it would cost more than the change. */
#ifndef EG_STORAGE_LATER_H
#define EG_STORAGE_LATER_H

#include "target.h"

typedef struct eg_later {
    eg_request *rq;
    eg_err (*answer)(void *ctx, eg_err e);   /* answers, or returns why not; e: what became of the commit */
    void *ctx;
    eg_err result;                           /* private */
    eg_txn_op ops[2];                        /* private */
} eg_later;

/* `later`, in the request's arena, is the ctx of an eg_commit_start: in the committer's thread; answer runs on the request's worker. */
void eg_later_told(void *later, eg_err e, const eg_problem *p);

/* One transaction, the change and the request's audit record (as eg_target_commit), then `answer` with what became of it. While rq->must_not_wait it is
 * called later, so that `op` and `ctx` point into the request's arena; EG_ERR_BUSY: it isn't called, and nothing was done. Else it is called here. */
eg_err eg_target_commit_then(eg_request *rq, const eg_target *d, eg_txn_op op, int status, eg_err (*answer)(void *ctx, eg_err e), void *ctx) EG_MUST_CHECK;

#endif

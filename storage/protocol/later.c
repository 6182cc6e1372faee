/* Hands small changes to the committer without waiting for it. */
#include "later.h"

static void on_worker(void *arg) {
    eg_later *l = arg;
    const eg_err e = l->answer(l->ctx, l->result);
    if (e != EG_OK) {
        eg_respond_problem(l->rq, e, l->rq->problem.code == e ? &l->rq->problem : NULL);
    }
}

void eg_later_told(void *later, eg_err e, const eg_problem *p) {
    eg_later *l = later;
    l->result = e;
    l->rq->problem = *p;
    l->rq->ops->on_worker(l->rq, on_worker, l);
}

eg_err eg_target_commit_then(eg_request *rq, const eg_target *d, eg_txn_op op, int status, eg_err (*answer)(void *ctx, eg_err e), void *ctx) {
    if (!rq->must_not_wait) {
        return answer(ctx, eg_target_commit(rq, d, op, status));
    }
    eg_later *l = rq->ops->on_worker ? eg_arena_alloc(rq->arena, sizeof *l) : NULL;
    if (!l) {
        return EG_ERR_BUSY;
    }
    *l = (eg_later){.rq = rq, .answer = answer, .ctx = ctx, .ops = {op}};
    l->ops[0].grows = !eg_str_is(rq->method, "DELETE");
    if (!eg_target_record(rq, status, &l->ops[1])) {
        return EG_ERR_BUSY;
    }
    return eg_commit_start(d->store->committer, l->ops, 2, eg_later_told, l);
}

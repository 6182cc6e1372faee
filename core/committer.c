/* The one writer: groups what threads queue into one durable transaction, in which each change can fail alone. */
#include <embergate/kv.h>
#include <embergate/metrics.h>

#include "kv_txn.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define GROUP_MAX 256

/* Lives on the stack of the thread that waits for it; with `told`, on the heap. */
typedef struct request {
    struct request *next;
    const eg_txn_op *ops;
    size_t count;
    eg_problem problem;
    eg_err result;
    sem_t done;          /* a semaphore, so that the woken don't queue for the committer's lock */
    void (*told)(void *ctx, eg_err e, const eg_problem *p);
    void *ctx;
} request;

struct eg_committer {
    eg_kv *kv;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    request *first;
    request **last;
    bool stopping;
    uint64_t ahead;      /* eg_kv_ahead's */
    pthread_t thread;
};

static eg_err check_room(eg_kv *kv, request *r) {
    bool grows = false, room = true;
    for (size_t i = 0; i < r->count; i++) {
        grows = grows || r->ops[i].grows;
    }
    if (grows) {
        EG_TRY(eg_kv_has_room(kv, &room));
    }
    return room ? EG_OK
                : eg_fail(&r->problem, EG_ERR_MAP_FULL, "The gateway's metadata store is full but for a reserve; delete something, or have limits.store_mib raised.");
}

static eg_err apply_ops(eg_kv *kv, eg_kv_txn *t, request *r) {
    EG_TRY(check_room(kv, r));
    for (size_t i = 0; i < r->count; i++) {
        EG_TRY(r->ops[i].apply(t, r->ops[i].ctx, &r->problem));
    }
    return EG_OK;
}

/* A refusal undoes this request and no other. */
static void apply_one(eg_kv *kv, eg_kv_txn *group, request *r) {
    eg_kv_txn *t = NULL;
    r->result = eg_kv_change_begin(group, &t);
    if (r->result == EG_OK) {
        r->result = eg_kv_change_end(t, apply_ops(kv, t, r));
    }
}

/* One sync mostly serves the whole group: who comes after it finds its bytes durable. */
static void run_before(request *group) {
    for (request *r = group; r; r = r->next) {
        for (size_t i = 0; i < r->count && r->result == EG_OK; i++) {
            r->result = r->ops[i].before ? r->ops[i].before(r->ops[i].ctx) : EG_OK;
        }
    }
}

/* The refusal of a single request undoes the whole transaction, which is its own. */
static eg_err apply_group(eg_kv *kv, request *group, size_t *ret_ops) {
    eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_write_begin(kv, &t));
    bool any = false;
    *ret_ops = 0;
    for (request *r = group; r; r = r->next) {
        if (r->result != EG_OK) {
            continue;
        }
        if (group->next) {
            apply_one(kv, t, r);
        } else {
            r->result = apply_ops(kv, t, r);
        }
        any = any || r->result == EG_OK;
        *ret_ops += r->result == EG_OK ? r->count : 0;
    }
    if (!any) {
        eg_kv_write_abort(t);
        return EG_OK;
    }
    EG_TRY(eg_kv_write_commit(t));
    eg_metric_add(EG_METRIC_COMMITS, 1);
    return EG_OK;
}

/* A refusal says why. */
static void finish_problem(request *r) {
    if (r->result != EG_OK && (r->problem.code != r->result || r->problem.message[0] == '\0')) {
        eg_fail(&r->problem, r->result, "The change was refused: %s.", eg_err_code(r->result));
    }
}

static void tell(request *r) {
    if (!r->told) {
        sem_post(&r->done);
        return;
    }
    finish_problem(r);
    r->told(r->ctx, r->result, &r->problem);
    free(r);
}

static void run_group(eg_committer *c, request *group) {
    size_t ops = 0;
    const bool ahead = eg_kv_ahead(c->kv, &c->ahead);
    run_before(group);
    eg_err e = eg_kv_checkpoint_tick(c->kv, ahead);
    e = e == EG_OK ? apply_group(c->kv, group, &ops) : e;
    if (e == EG_OK) {
        eg_metric_add(EG_METRIC_COMMIT_OPS, (int64_t)ops);
    }
    for (request *r = group; r;) {
        request *next = r->next; /* r is gone once it is woken */
        if (e != EG_OK && r->result == EG_OK) {
            /* What was not made durable must not look as if it was. */
            r->result = eg_fail(&r->problem, e, "The change could not be made durable: %s.", eg_err_code(e));
        }
        tell(r);
        r = next;
    }
}

/* Cuts at most GROUP_MAX requests off the queue. */
static request *take_group(eg_committer *c) {
    request *group = c->first;
    request *end = group;
    for (int i = 1; i < GROUP_MAX && end->next; i++) {
        end = end->next;
    }
    c->first = end->next;
    if (!c->first) {
        c->last = &c->first;
    }
    end->next = NULL;
    return group;
}

static void *run(void *arg) {
    eg_committer *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->first && !c->stopping) {
            pthread_cond_wait(&c->filled, &c->lock);
        }
        if (!c->first) {
            break;
        }
        request *group = take_group(c);
        pthread_mutex_unlock(&c->lock);
        run_group(c, group);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

eg_err eg_committer_start(eg_kv *kv, eg_committer **ret) {
    eg_committer *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->kv = kv;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->filled, NULL);
    const eg_err e = eg_kv_checkpoints_start(kv);
    if (e != EG_OK || pthread_create(&c->thread, NULL, run, c) != 0) {
        eg_kv_checkpoints_stop(kv);
        pthread_cond_destroy(&c->filled);
        pthread_mutex_destroy(&c->lock);
        free(c);
        return EG_ERR_NO_MEMORY;
    }
    *ret = c;
    return EG_OK;
}

void eg_committer_stop(eg_committer *c) {
    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->filled);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    eg_kv_checkpoints_stop(c->kv);
    pthread_cond_destroy(&c->filled);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static bool queue(eg_committer *c, request *r) {
    pthread_mutex_lock(&c->lock);
    const bool queued = !c->stopping;
    const bool first = !c->first;
    if (queued) {
        *c->last = r;
        c->last = &r->next;
    }
    pthread_mutex_unlock(&c->lock);
    if (queued && first) {
        pthread_cond_signal(&c->filled); /* else the committer is awake, or was woken for who came first */
    }
    return queued;
}

static eg_err check_count(size_t n, eg_problem *p) {
    return n == 0 || n > EG_COMMIT_OPS_MAX ? eg_fail(p, EG_ERR_LIMIT, "A change has from 1 to %d steps, not %zu.", EG_COMMIT_OPS_MAX, n) : EG_OK;
}

eg_err eg_commit_start(eg_committer *c, const eg_txn_op *ops, size_t n, void (*told)(void *ctx, eg_err e, const eg_problem *p), void *ctx) {
    EG_TRY(check_count(n, NULL));
    request *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    *r = (request){.ops = ops, .count = n, .told = told, .ctx = ctx};
    if (!queue(c, r)) {
        free(r);
        return EG_ERR_CANCELLED;
    }
    return EG_OK;
}

eg_err eg_commit(eg_committer *c, const eg_txn_op *ops, size_t n, eg_problem *p) {
    EG_TRY(check_count(n, p));
    request r = {.ops = ops, .count = n};
    sem_init(&r.done, 0, 0);
    const bool queued = queue(c, &r);
    if (!queued) {
        r.result = eg_fail(&r.problem, EG_ERR_CANCELLED, "The store is being closed.");
    }
    while (queued && sem_wait(&r.done) != 0 && errno == EINTR) {
    }
    sem_destroy(&r.done);
    finish_problem(&r);
    if (r.result != EG_OK && p) {
        *p = r.problem;
    }
    return r.result;
}

/* Checkpoints of the store: a state of LMDB's file made durable beside the commits, so that the log before it can go. */
#include "kv_env.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define GROWN_PAGES_MAX 8192u     /* that the file grows by before one begins: what is pinned can't be used again until it is over */
#define RESERVE_PAGES_MAX 16384u

typedef enum state { FAILED = 0, IDLE, RUNNING } state;

struct eg_kv_checkpointer {
    eg_kv *kv;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    state state;
    bool stop;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t hooking;
    eg_err (*hook)(void *ctx); /* what else has to be on the disk */
    void *hook_ctx;
    MDB_txn *pin;              /* of the base */
    uint64_t pages;            /* of the file at that time */
    MDB_txn *next_pin;
    eg_kv_base next;
};

eg_err eg_kv_checkpointer_new(eg_kv *kv, eg_kv_checkpointer **ret) {
    eg_kv_checkpointer *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->kv = kv;
    c->state = IDLE;
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->hooking, NULL);
    pthread_cond_init(&c->changed, NULL);
    *ret = c;
    return EG_OK;
}

void eg_kv_checkpointer_free(eg_kv_checkpointer *c) {
    if (!c) {
        return;
    }
    if (c->pin) {
        mdb_txn_abort(c->pin);
    }
    if (c->next_pin) {
        mdb_txn_abort(c->next_pin);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->hooking);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

eg_err eg_kv_checkpoint_pin(eg_kv *kv) {
    eg_kv_checkpointer *c = kv->checkpointer;
    return c->pin ? EG_OK : eg_kv_of_lmdb(mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &c->pin));
}

static eg_err run_hook(eg_kv_checkpointer *c) {
    pthread_mutex_lock(&c->hooking);
    const eg_err e = c->hook ? c->hook(c->hook_ctx) : EG_OK;
    pthread_mutex_unlock(&c->hooking);
    return e;
}

/* Nothing is written while this runs, or only pages that no commit has: the meta pages are those of the last commit and the one before. */
static eg_err capture(eg_kv_checkpointer *c) {
    eg_kv_extent x;
    MDB_stat st;
    MDB_txn *pin = NULL;
    eg_kv_base next = {0};
    EG_TRY(eg_kv_extent_get(c->kv, &x));
    EG_TRY(eg_kv_of_lmdb(mdb_env_stat(c->kv->env, &st)));
    EG_TRY(eg_kv_of_lmdb(mdb_txn_begin(c->kv->env, NULL, MDB_RDONLY, &pin)));
    next.txnid = mdb_txn_id(pin);
    next.page_size = st.ms_psize;
    for (int i = 0; i < 2; i++) {
        const eg_err e = eg_pread_all(x.fd, next.metas[i], EG_KV_META_KEPT, (int64_t)i * st.ms_psize);
        if (e != EG_OK) {
            mdb_txn_abort(pin);
            return e;
        }
    }
    next.generation = eg_kv_log_turn(c->kv->log);
    c->next = next;
    c->next_pin = pin;
    c->pages = x.used / st.ms_psize;
    return EG_OK;
}

static eg_err make_durable(eg_kv_checkpointer *c) {
    eg_kv_extent x;
    EG_TRY(run_hook(c));
    EG_TRY(eg_kv_extent_get(c->kv, &x));
    if (fdatasync(x.fd) < 0) {
        return eg_err_from_errno(errno);
    }
    return eg_kv_log_put_base(c->kv->log, &c->next);
}

/* After a failed sync the kernel may have dropped what it could not write: the base before stays, with all records behind it, and nothing more is promised. */
static void finish(eg_kv_checkpointer *c) {
    const eg_err e = make_durable(c);
    pthread_mutex_lock(&c->lock);
    if (e == EG_OK && c->state == RUNNING) {
        if (c->pin) {
            mdb_txn_abort(c->pin);
        }
        c->pin = c->next_pin;
        c->next_pin = NULL;
        c->state = IDLE;
    } else {
        c->state = FAILED;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg) {
    eg_kv_checkpointer *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->stop && c->state != RUNNING) {
            pthread_cond_wait(&c->changed, &c->lock);
        }
        if (c->state != RUNNING) {
            break;
        }
        pthread_mutex_unlock(&c->lock);
        finish(c);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Called and returns with the lock held. */
static eg_err wait_idle(eg_kv_checkpointer *c) {
    while (c->state == RUNNING) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    return c->state == IDLE ? EG_OK : EG_ERR_IO;
}

eg_err eg_kv_checkpoint_begin(eg_kv *kv) {
    eg_kv_checkpointer *c = kv->checkpointer;
    pthread_mutex_lock(&c->lock);
    eg_err e = wait_idle(c);
    if (e == EG_OK) {
        e = capture(c);
        c->state = e == EG_OK ? RUNNING : c->state; /* else nothing was begun */
        pthread_cond_broadcast(&c->changed);
    }
    const bool alone = e == EG_OK && !c->threaded;
    pthread_mutex_unlock(&c->lock);
    if (alone) {
        finish(c);
    }
    return e;
}

eg_err eg_kv_checkpoint_now(eg_kv *kv) {
    EG_TRY(eg_kv_checkpoint_begin(kv));
    pthread_mutex_lock(&kv->checkpointer->lock);
    const eg_err e = wait_idle(kv->checkpointer);
    pthread_mutex_unlock(&kv->checkpointer->lock);
    return e;
}

void eg_kv_checkpoint_fail(eg_kv *kv) {
    pthread_mutex_lock(&kv->checkpointer->lock);
    kv->checkpointer->state = FAILED;
    pthread_cond_broadcast(&kv->checkpointer->changed);
    pthread_mutex_unlock(&kv->checkpointer->lock);
}

bool eg_kv_checkpoint_failed(eg_kv *kv) {
    pthread_mutex_lock(&kv->checkpointer->lock);
    const bool failed = kv->checkpointer->state == FAILED;
    pthread_mutex_unlock(&kv->checkpointer->lock);
    return failed;
}

bool eg_kv_failed(eg_kv *kv) {
    return kv->checkpointer && eg_kv_checkpoint_failed(kv);
}

/* Whether one should begin, and whether it has to be over before anything else is committed: when no page is left but those that it would free. */
static eg_err look(eg_kv *kv, bool ahead, bool *ret_due, bool *ret_wait) {
    const eg_kv_checkpointer *c = kv->checkpointer;
    eg_kv_extent x;
    MDB_stat st;
    EG_TRY(eg_kv_extent_get(kv, &x));
    EG_TRY(eg_kv_of_lmdb(mdb_env_stat(kv->env, &st)));
    const uint64_t used = x.used / st.ms_psize, all = x.most / st.ms_psize;
    const uint64_t share = all / 16 < GROWN_PAGES_MAX ? all / 16 : GROWN_PAGES_MAX;
    const uint64_t reserve = all / 8 < RESERVE_PAGES_MAX ? all / 8 : RESERVE_PAGES_MAX;
    const bool some = eg_kv_log_used(kv->log) > 0;
    *ret_due = eg_kv_log_used(kv->log) > EG_KV_LOG_FILE_MAX / 2 || (some && used > c->pages + share);
    *ret_wait = some && (!ahead || all - used < 2 * share + reserve);
    return EG_OK;
}

eg_err eg_kv_checkpoint_tick(eg_kv *kv, bool ahead) {
    eg_kv_checkpointer *c = kv->checkpointer;
    bool due = false, wait = false;
    if (!c) {
        return EG_OK;
    }
    EG_TRY(look(kv, ahead, &due, &wait));
    pthread_mutex_lock(&c->lock);
    const state now = c->state;
    pthread_mutex_unlock(&c->lock);
    if (now == FAILED) {
        return EG_ERR_IO;
    }
    if (wait) {
        return eg_kv_checkpoint_now(kv);
    }
    if (due && now == IDLE) {
        (void)!eg_kv_checkpoint_begin(kv); /* else the next time: the log has room yet */
    }
    return EG_OK;
}

eg_err eg_kv_checkpoints_start(eg_kv *kv) {
    eg_kv_checkpointer *c = kv->checkpointer;
    if (!c) {
        return EG_OK;
    }
    c->stop = false;
    c->threaded = pthread_create(&c->thread, NULL, run, c) == 0;
    return c->threaded ? EG_OK : EG_ERR_NO_MEMORY;
}

void eg_kv_checkpoints_stop(eg_kv *kv) {
    eg_kv_checkpointer *c = kv->checkpointer;
    if (!c || !c->threaded) {
        return;
    }
    if (eg_kv_log_used(kv->log) > 0 && !eg_kv_checkpoint_failed(kv)) {
        (void)!eg_kv_checkpoint_now(kv); /* else the next start does what the log has */
    }
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->threaded = false;
}

void eg_kv_on_checkpoint(eg_kv *kv, eg_err (*hook)(void *ctx), void *ctx) {
    eg_kv_checkpointer *c = kv->checkpointer;
    if (!c) {
        return;
    }
    if (!hook && run_hook(c) != EG_OK) {
        eg_kv_checkpoint_fail(kv);
    }
    pthread_mutex_lock(&c->hooking);
    c->hook = hook;
    c->hook_ctx = ctx;
    pthread_mutex_unlock(&c->hooking);
}

/* Has the store keep its digest, under a key that only the keeper can give. */
#include "store_digest.h"

#include "self_report.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define RETRY_MS 100
#define REST_NS 1000000 /* behind about 0.3 ms of work */

static eg_err ask(const eg_keys *keys, const eg_keeper_wait *wait, eg_secret **ret) {
    const struct timespec pause = {0, RETRY_MS * 1000000};
    eg_err e = keys->installation_key(keys->ctx, EG_LIT("store digest"), ret);
    for (unsigned left = wait ? wait->seconds * 1000 / RETRY_MS : 0; e == EG_ERR_KEEPER && left > 0 && (!wait->go_on || wait->go_on(wait->ctx)); left--) {
        (void)nanosleep(&pause, NULL);
        e = keys->installation_key(keys->ctx, EG_LIT("store digest"), ret);
    }
    return e;
}

eg_err eg_store_digest_start(eg_kv *kv, eg_committer *committer, const eg_keys *keys, const eg_keeper_wait *wait, bool *ret_counted, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    const eg_err e = ask(keys, wait, &key);
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper doesn't give the key of the store's digest: %s.", eg_err_code(e));
    }
    return eg_kv_digest_start(kv, committer, key, ret_counted, p);
}

struct eg_store_digest_watch {
    eg_kv *kv;
    eg_audit *audit;
    bool counted;
    atomic_bool stop;
    pthread_t thread;
};

static bool go_on(void *ctx) {
    eg_store_digest_watch *w = ctx;
    const struct timespec rest = {0, REST_NS};
    (void)nanosleep(&rest, NULL);
    return !atomic_load(&w->stop);
}

static void differs(void *ctx, const char *database) {
    eg_store_digest_watch *w = ctx;
    eg_metric_add(EG_METRIC_STORAGE_CORRUPT, 1);
    eg_self_report_older(w->audit, database);
}

static void *look(void *ctx) {
    eg_store_digest_watch *w = ctx;
    eg_kv_txn *t = NULL;
    if (w->counted) {
        eg_self_report_digest_begun(w->audit);
    }
    eg_err e = eg_kv_read_begin(w->kv, &t);
    if (e == EG_OK) {
        e = eg_kv_digest_check(t, &(eg_kv_digest_sink){differs, go_on, w});
        eg_kv_read_end(t);
    }
    if (e == EG_ERR_CORRUPT || e == EG_ERR_FORMAT_VERSION) {
        differs(w, "meta");
    } else if (e != EG_OK && e != EG_ERR_CANCELLED) {
        eg_log(EG_LOG_WARN, "store.not_looked_at", "error", eg_err_code(e), NULL);
    }
    return NULL;
}

eg_err eg_store_digest_watch_start(eg_kv *kv, eg_audit *audit, bool counted, eg_store_digest_watch **ret, eg_problem *p) {
    eg_store_digest_watch *w = calloc(1, sizeof *w);
    if (!w) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
    }
    w->kv = kv;
    w->audit = audit;
    w->counted = counted;
    if (pthread_create(&w->thread, NULL, look, w) != 0) {
        free(w);
        return eg_fail(p, EG_ERR_NO_MEMORY, "no thread for looking at the store");
    }
    *ret = w;
    return EG_OK;
}

void eg_store_digest_watch_stop(eg_store_digest_watch *w) {
    if (w) {
        atomic_store(&w->stop, true);
        pthread_join(w->thread, NULL);
        free(w);
    }
}

/* The thread pool: a bounded ring of tasks and the threads that run them. */
#include <embergate/metrics.h>
#include <embergate/pool.h>

#include <pthread.h>
#include <stdlib.h>

#define THREADS_MAX 256u
#define QUEUE_MAX 1000000u

typedef struct task {
    void (*fn)(void *);
    void *arg;
} task;

struct eg_pool {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    task *ring;
    unsigned ring_size;
    unsigned head;
    _Atomic unsigned queued; /* changed under the lock */
    unsigned threads;
    bool stopping;
    pthread_t ids[];
};

static void *work(void *arg) {
    eg_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->queued == 0 && !p->stopping) {
            pthread_cond_wait(&p->filled, &p->lock);
        }
        if (p->queued == 0) {
            break;
        }
        task t = p->ring[p->head];
        p->head = (p->head + 1) % p->ring_size;
        p->queued--;
        pthread_mutex_unlock(&p->lock);
        eg_metric_add(EG_METRIC_POOL_QUEUED, -1);
        t.fn(t.arg);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

eg_err eg_pool_start(unsigned threads, unsigned queue_max, eg_pool **ret) {
    if (threads == 0 || threads > THREADS_MAX || queue_max == 0 || queue_max > QUEUE_MAX) {
        return EG_ERR_INVALID;
    }
    eg_pool *p = calloc(1, sizeof *p + threads * sizeof p->ids[0]);
    if (!p) {
        return EG_ERR_NO_MEMORY;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->filled, NULL);
    p->ring_size = queue_max;
    p->ring = calloc(queue_max, sizeof *p->ring);
    while (p->ring && p->threads < threads && pthread_create(&p->ids[p->threads], NULL, work, p) == 0) {
        p->threads++;
    }
    if (p->threads < threads) {
        eg_pool_stop(p);
        return EG_ERR_NO_MEMORY;
    }
    *ret = p;
    return EG_OK;
}

void eg_pool_stop(eg_pool *p) {
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++) {
        pthread_join(p->ids[i], NULL);
    }
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->lock);
    free(p->ring);
    free(p);
}

static __attribute__((noinline)) eg_err push(eg_pool *p, task t) {
    if (p->stopping || p->queued == p->ring_size) {
        return p->stopping ? EG_ERR_CANCELLED : EG_ERR_BUSY;
    }
    p->ring[(p->head + p->queued) % p->ring_size] = t;
    p->queued++;
    eg_metric_add(EG_METRIC_POOL_QUEUED, 1);
    return EG_OK;
}

eg_err eg_pool_submit(eg_pool *p, void (*fn)(void *), void *arg) {
    pthread_mutex_lock(&p->lock);
    eg_err e = push(p, (task){fn, arg});
    pthread_mutex_unlock(&p->lock);
    if (e == EG_OK) {
        pthread_cond_signal(&p->filled); /* after the unlock: whoever wakes needs the lock */
    }
    return e;
}

/* A momentary value, for metrics: read without the lock. */
unsigned eg_pool_queued(const eg_pool *p) {
    return p->queued;
}

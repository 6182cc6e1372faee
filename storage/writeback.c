/* The thread that has the kernel begin to write what uploads have put into the page cache: beginning may wait for the disk's queue, which a worker must not. */
#include "writeback.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define RANGES 64

typedef struct range {
    int fd;                    /* of our own: the upload may be over before its turn comes */
    uint64_t from;
    uint64_t to;
} range;

struct eg_writeback {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    range ring[RANGES];
    size_t first;
    size_t count;
    bool stopping;
    pthread_t thread;
};

static void *run(void *arg) {
    eg_writeback *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->count == 0 && !w->stopping) {
            pthread_cond_wait(&w->filled, &w->lock);
        }
        if (w->count == 0) {
            break;
        }
        const range r = w->ring[w->first];
        w->first = (w->first + 1) % RANGES;
        w->count--;
        pthread_mutex_unlock(&w->lock);
        (void)sync_file_range(r.fd, (off_t)r.from, (off_t)(r.to - r.from), SYNC_FILE_RANGE_WRITE);
        close(r.fd);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

eg_err eg_writeback_start(eg_writeback **ret) {
    eg_writeback *w = calloc(1, sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->filled, NULL);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        pthread_cond_destroy(&w->filled);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return EG_ERR_NO_MEMORY;
    }
    *ret = w;
    return EG_OK;
}

void eg_writeback_stop(eg_writeback *w) {
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->filled);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->filled);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void eg_writeback_begin(eg_writeback *w, int fd, uint64_t from, uint64_t to) {
    const int own = to > from ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (own < 0) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    const bool room = w->count < RANGES;
    if (room) {
        w->ring[(w->first + w->count) % RANGES] = (range){own, from, to};
        w->count++;
    }
    pthread_mutex_unlock(&w->lock);
    if (room) {
        pthread_cond_signal(&w->filled);
    } else {
        close(own);
    }
}

/* Counts the readers of each file. As many entries as there are answers under way. */
#include "readers.h"

#include <stdlib.h>

#define BUCKETS 256

typedef struct reading {
    eg_id inode;
    size_t count;
    struct reading *next;
} reading;

struct eg_readers {
    pthread_mutex_t lock;
    reading *buckets[BUCKETS];
};

eg_err eg_readers_new(eg_readers **ret) {
    eg_readers *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    return EG_OK;
}

void eg_readers_free(eg_readers *r) {
    if (!r) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (r->buckets[i]) {
            reading *next = r->buckets[i]->next;
            free(r->buckets[i]);
            r->buckets[i] = next;
        }
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* The link that points at the entry, or at the NULL after the last. */
static reading **place(eg_readers *r, const eg_id *inode) {
    reading **at = &r->buckets[inode->b[15]];
    while (*at && !eg_id_eq(&(*at)->inode, inode)) {
        at = &(*at)->next;
    }
    return at;
}

eg_err eg_readers_enter(eg_readers *r, const eg_id *inode) {
    eg_err e = EG_OK;
    pthread_mutex_lock(&r->lock);
    reading **at = place(r, inode);
    if (!*at) {
        *at = calloc(1, sizeof **at);
    }
    if (*at) {
        (*at)->inode = *inode;
        (*at)->count++;
    } else {
        e = EG_ERR_NO_MEMORY;
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

void eg_readers_leave(eg_readers *r, const eg_id *inode) {
    pthread_mutex_lock(&r->lock);
    reading **at = place(r, inode);
    if (*at && --(*at)->count == 0) {
        reading *gone = *at;
        *at = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&r->lock);
}

bool eg_readers_has(eg_readers *r, const eg_id *inode) {
    pthread_mutex_lock(&r->lock);
    const bool has = *place(r, inode) != NULL;
    pthread_mutex_unlock(&r->lock);
    return has;
}

/* Counts failures by key: a table of fixed size, indexed by a keyed digest so that nobody can aim at a slot. */
#include "failure_table.h"

#include <pthread.h>
#include <stdlib.h>

#define WAYS 4u

typedef struct slot {
    uint8_t tag[16];
    int64_t since_s;
    unsigned failures; /* 0 = free */
} slot;

struct eg_failure_table {
    pthread_mutex_t lock;
    uint8_t key[32];
    int64_t window_s;
    size_t sets;
    slot slots[];
};

eg_failure_table *eg_failure_table_new(size_t slots, int64_t window_s) {
    size_t sets = slots / WAYS ? slots / WAYS : 1;
    eg_failure_table *t = calloc(1, sizeof *t + sets * WAYS * sizeof t->slots[0]);
    if (t) {
        pthread_mutex_init(&t->lock, NULL);
        eg_random(t->key, sizeof t->key);
        t->window_s = window_s;
        t->sets = sets;
    }
    return t;
}

void eg_failure_table_free(eg_failure_table *t) {
    if (t) {
        pthread_mutex_destroy(&t->lock);
        free(t);
    }
}

static slot *set_of(eg_failure_table *t, eg_bytes key, uint8_t ret_tag[16]) {
    uint8_t digest[EG_SHA256_LEN];
    eg_hmac_sha256((eg_bytes){t->key, sizeof t->key}, key, digest);
    memcpy(ret_tag, digest, 16);
    return &t->slots[eg_get_u64(digest + 16) % t->sets * WAYS];
}

static bool live(const eg_failure_table *t, const slot *s, int64_t now_s) {
    return s->failures > 0 && now_s - s->since_s < t->window_s;
}

static slot *find(eg_failure_table *t, slot *set, const uint8_t tag[16], int64_t now_s) {
    for (size_t i = 0; i < WAYS; i++) {
        if (live(t, &set[i], now_s) && memcmp(set[i].tag, tag, 16) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

unsigned eg_failure_table_count(eg_failure_table *t, eg_bytes key, int64_t now_s) {
    uint8_t tag[16];
    slot *set = set_of(t, key, tag);
    pthread_mutex_lock(&t->lock);
    const slot *s = find(t, set, tag, now_s);
    unsigned n = s ? s->failures : 0;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void eg_failure_table_add(eg_failure_table *t, eg_bytes key, int64_t now_s) {
    uint8_t tag[16];
    slot *set = set_of(t, key, tag);
    pthread_mutex_lock(&t->lock);
    slot *s = find(t, set, tag, now_s);
    if (!s) {
        s = &set[0];
        for (size_t i = 0; i < WAYS; i++) {
            if (!live(t, &set[i], now_s)) {
                s = &set[i];
                break;
            }
            if (set[i].failures < s->failures) {
                s = &set[i];
            }
        }
        memcpy(s->tag, tag, sizeof s->tag);
        s->since_s = now_s;
        s->failures = 0;
    }
    if (s->failures < 1000000) {
        s->failures++;
    }
    pthread_mutex_unlock(&t->lock);
}

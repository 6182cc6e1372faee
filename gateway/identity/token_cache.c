/* The cache of verified tokens: sets of a few entries, a lock for each group of sets. */
#include "token_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define WAYS 8u
#define LOCKS 64u /* a power of two */

typedef struct entry {
    uint8_t mark[EG_KEYED_HASH_LEN];
    eg_verified v; /* principal NULL = free */
    uint64_t used;
} entry;

struct eg_token_cache {
    pthread_mutex_t locks[LOCKS];
    uint64_t tick;   /* atomic */
    size_t set_mask;
    uint8_t key[EG_KEYED_HASH_LEN];
    entry entries[]; /* WAYS of each set, one after the other */
};

eg_token_cache *eg_token_cache_new(size_t entries) {
    size_t sets = 1;
    while (sets * WAYS < entries && sets < (size_t)1 << 20) {
        sets *= 2;
    }
    if (sets > 1 && sets * WAYS > entries) {
        sets /= 2;
    }
    eg_token_cache *c = calloc(1, sizeof *c + sets * WAYS * sizeof c->entries[0]);
    if (!c) {
        return NULL;
    }
    c->set_mask = sets - 1;
    eg_random(c->key, sizeof c->key);
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&c->locks[i], NULL);
    }
    return c;
}

void eg_token_cache_free(eg_token_cache *c) {
    if (!c) {
        return;
    }
    for (size_t i = 0; i < (c->set_mask + 1) * WAYS; i++) {
        eg_principal_unref(c->entries[i].v.principal);
    }
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_destroy(&c->locks[i]);
    }
    free(c);
}

void eg_token_cache_mark(const eg_token_cache *c, eg_str token, uint8_t ret[EG_KEYED_HASH_LEN]) {
    const eg_bytes in = eg_str_bytes(token);
    eg_keyed_hash(c->key, &in, 1, ret);
}

void eg_token_cache_mark_parts(const eg_token_cache *c, const eg_bytes *parts, size_t n, uint8_t ret[EG_KEYED_HASH_LEN]) {
    eg_keyed_hash(c->key, parts, n, ret);
}

/* The mark is not the sender's to choose, so its bytes spread well enough. Locks the set. */
static entry *lock_set(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], pthread_mutex_t **ret_lock) {
    size_t set = eg_get_u32(mark) & c->set_mask;
    *ret_lock = &c->locks[set % LOCKS];
    pthread_mutex_lock(*ret_lock);
    return &c->entries[set * WAYS];
}

static entry *find(entry *set, const uint8_t mark[EG_KEYED_HASH_LEN]) {
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].v.principal && memcmp(set[i].mark, mark, EG_KEYED_HASH_LEN) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

static uint64_t next_tick(eg_token_cache *c) {
    return __atomic_add_fetch(&c->tick, 1, __ATOMIC_RELAXED);
}

bool eg_token_cache_get(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], eg_verified *ret) {
    pthread_mutex_t *lock;
    entry *e = find(lock_set(c, mark, &lock), mark);
    if (e) {
        e->used = next_tick(c);
        *ret = e->v;
        eg_principal_ref(ret->principal);
    }
    pthread_mutex_unlock(lock);
    return e != NULL;
}

static entry *victim(entry *set, int64_t now_s) {
    entry *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].v.principal || set[i].v.good_until_s <= now_s) {
            return &set[i];
        }
        if (set[i].used < oldest->used) {
            oldest = &set[i];
        }
    }
    return oldest;
}

void eg_token_cache_put(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], const eg_verified *v, int64_t now_s) {
    pthread_mutex_t *lock;
    entry *set = lock_set(c, mark, &lock);
    entry *e = find(set, mark);
    if (!e) {
        e = victim(set, now_s);
    }
    eg_principal *old = e->v.principal;
    e->v = *v;
    eg_principal_ref(e->v.principal);
    e->used = next_tick(c);
    memcpy(e->mark, mark, EG_KEYED_HASH_LEN);
    pthread_mutex_unlock(lock);
    eg_principal_unref(old);
}

void eg_token_cache_checked(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN], uint64_t epoch) {
    pthread_mutex_t *lock;
    entry *e = find(lock_set(c, mark, &lock), mark);
    if (e) {
        e->v.checked = epoch;
    }
    pthread_mutex_unlock(lock);
}

void eg_token_cache_drop(eg_token_cache *c, const uint8_t mark[EG_KEYED_HASH_LEN]) {
    pthread_mutex_t *lock;
    entry *e = find(lock_set(c, mark, &lock), mark);
    eg_principal *old = NULL;
    if (e) {
        old = e->v.principal;
        *e = (entry){0};
    }
    pthread_mutex_unlock(lock);
    eg_principal_unref(old);
}

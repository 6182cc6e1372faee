/* How many connections are open in all and from each address. */
#include "address_count.h"

#include <embergate/crypto.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    eg_address_key key;
    uint32_t count; /* 0 = free */
} slot;

/* Open addressing over at least twice as many slots as connections may be open, so a free slot always exists. */
struct eg_address_count {
    pthread_mutex_t lock;
    uint64_t seed; /* so that a peer can't choose addresses that collide */
    uint32_t total, total_max, each_max;
    size_t mask;
    slot slots[];
};

eg_address_count *eg_address_count_new(uint32_t total_max, uint32_t each_max) {
    size_t n = 64;
    while (n < (size_t)total_max * 2) {
        n *= 2;
    }
    eg_address_count *a = calloc(1, sizeof *a + n * sizeof(slot));
    if (a != NULL) {
        (void)pthread_mutex_init(&a->lock, NULL);
        eg_random(&a->seed, sizeof a->seed);
        a->total_max = total_max;
        a->each_max = each_max;
        a->mask = n - 1;
    }
    return a;
}

void eg_address_count_free(eg_address_count *a) {
    if (a != NULL) {
        (void)pthread_mutex_destroy(&a->lock);
        free(a);
    }
}

eg_address_key eg_address_key_of(const struct sockaddr_storage *s) {
    eg_address_key k = {{0}};
    if (s->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, s, sizeof v4);
        k.bytes[10] = k.bytes[11] = 0xff;
        memcpy(k.bytes + 12, &v4.sin_addr, 4);
    } else if (s->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, s, sizeof v6);
        memcpy(k.bytes, &v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 16 : 8);
    }
    return k;
}

static size_t home_of(const eg_address_count *a, eg_address_key key) {
    uint64_t halves[2];
    memcpy(halves, key.bytes, sizeof halves);
    uint64_t h = a->seed;
    for (int i = 0; i < 2; i++) {
        h = (h ^ halves[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (size_t)h & a->mask;
}

/* The key's slot, or the free one where it belongs. */
static size_t find(const eg_address_count *a, eg_address_key key) {
    size_t i = home_of(a, key);
    while (a->slots[i].count != 0 && memcmp(&a->slots[i].key, &key, sizeof key) != 0) {
        i = (i + 1) & a->mask;
    }
    return i;
}

bool eg_address_count_enter(eg_address_count *a, eg_address_key key) {
    (void)pthread_mutex_lock(&a->lock);
    slot *s = &a->slots[find(a, key)];
    bool ok = a->total < a->total_max && s->count < a->each_max;
    if (ok) {
        s->key = key;
        s->count++;
        a->total++;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return ok;
}

/* Closes the gap at i, so that no search ends before its key. */
static void close_gap(eg_address_count *a, size_t i) {
    for (size_t j = (i + 1) & a->mask; a->slots[j].count != 0; j = (j + 1) & a->mask) {
        size_t home = home_of(a, a->slots[j].key);
        if (((j - home) & a->mask) >= ((j - i) & a->mask)) {
            a->slots[i] = a->slots[j];
            a->slots[j].count = 0;
            i = j;
        }
    }
}

void eg_address_count_leave(eg_address_count *a, eg_address_key key) {
    (void)pthread_mutex_lock(&a->lock);
    size_t i = find(a, key);
    if (a->slots[i].count > 0) {
        a->total--;
        if (--a->slots[i].count == 0) {
            close_gap(a, i);
        }
    }
    (void)pthread_mutex_unlock(&a->lock);
}

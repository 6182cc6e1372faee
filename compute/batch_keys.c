/* A small cache of unwrapped data keys, by their wrapped form. */
#include "batch_keys.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 64

typedef struct slot {
    uint8_t digest[EG_SHA256_LEN];  /* of the wrapped key and its purpose */
    eg_secret *key;
    int64_t until_ns;
} slot;

struct eg_batch_keys {
    const eg_keys *keys;
    const eg_clock *clock;
    pthread_mutex_t lock;
    slot slots[SLOTS];
};

eg_batch_keys *eg_batch_keys_new(const eg_keys *keys, const eg_clock *clock) {
    eg_batch_keys *k = calloc(1, sizeof *k);
    if (k) {
        k->keys = keys;
        k->clock = clock;
        pthread_mutex_init(&k->lock, NULL);
    }
    return k;
}

void eg_batch_keys_clear(eg_batch_keys *k) {
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        eg_secret_free(k->slots[i].key);
        k->slots[i].key = NULL;
    }
    pthread_mutex_unlock(&k->lock);
}

void eg_batch_keys_free(eg_batch_keys *k) {
    for (size_t i = 0; k && i < SLOTS; i++) {
        eg_secret_free(k->slots[i].key);
    }
    if (k) {
        pthread_mutex_destroy(&k->lock);
    }
    free(k);
}

static eg_secret *copy_of(const eg_secret *s) {
    eg_bytes b = eg_secret_bytes(s);
    return eg_secret_new(b.ptr, b.len);
}

static slot *slot_of(eg_batch_keys *k, const eg_batch *b, const char *purpose, uint8_t digest[EG_SHA256_LEN]) {
    const eg_bytes parts[2] = {eg_str_bytes(eg_str_of(purpose)), {b->wrapped, b->wrapped_len}};
    eg_sha256_v(parts, 2, digest);
    return &k->slots[digest[0] % SLOTS];
}

static eg_secret *at_hand(eg_batch_keys *k, const slot *s, const uint8_t digest[EG_SHA256_LEN]) {
    int64_t now = eg_mono_ns(k->clock);
    pthread_mutex_lock(&k->lock);
    eg_secret *found = s->key && s->until_ns > now && memcmp(s->digest, digest, EG_SHA256_LEN) == 0 ? copy_of(s->key) : NULL;
    pthread_mutex_unlock(&k->lock);
    return found;
}

eg_err eg_batch_keys_peek(eg_batch_keys *k, const eg_batch *b, eg_secret **ret) {
    char purpose[128];
    uint8_t digest[EG_SHA256_LEN];
    eg_batch_purpose(b, purpose);
    eg_secret *found = at_hand(k, slot_of(k, b, purpose, digest), digest);
    if (!found) {
        return EG_ERR_BUSY;
    }
    *ret = found;
    return EG_OK;
}

eg_err eg_batch_keys_get(eg_batch_keys *k, const eg_batch *b, eg_secret **ret) {
    char purpose[128];
    uint8_t digest[EG_SHA256_LEN];
    eg_batch_purpose(b, purpose);
    slot *s = slot_of(k, b, purpose, digest);
    eg_secret *found = at_hand(k, s, digest);
    if (found) {
        *ret = found;
        return EG_OK;
    }
    int64_t now = eg_mono_ns(k->clock);
    const eg_bytes wrapped = {b->wrapped, b->wrapped_len};
    eg_secret *key = NULL;
    EG_TRY(k->keys->unwrap(k->keys->ctx, eg_str_of(b->tenant), eg_str_of(purpose), wrapped, &key));
    eg_secret *kept = copy_of(key);
    pthread_mutex_lock(&k->lock);
    eg_secret_free(s->key);
    s->key = kept;
    s->until_ns = now + EG_BATCH_KEYS_TTL_S * 1000000000ll;
    memcpy(s->digest, digest, sizeof digest);
    pthread_mutex_unlock(&k->lock);
    *ret = key;
    return EG_OK;
}

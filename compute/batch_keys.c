/* A small cache of unwrapped data keys, by their wrapped form. */
#include "batch_keys.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS 16
#define WAYS 4   /* a few keys that fall together don't put each other out */
#define SLOTS (SETS * WAYS)

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

/* The set that the key belongs in. */
static slot *set_of(eg_batch_keys *k, const eg_batch *b, const char *purpose, uint8_t digest[EG_SHA256_LEN]) {
    const eg_bytes parts[2] = {eg_str_bytes(eg_str_of(purpose)), {b->wrapped, b->wrapped_len}};
    eg_sha256_v(parts, 2, digest);
    return &k->slots[digest[0] % SETS * WAYS];
}

static eg_secret *at_hand(eg_batch_keys *k, const slot *set, const uint8_t digest[EG_SHA256_LEN]) {
    int64_t now = eg_mono_ns(k->clock);
    eg_secret *found = NULL;
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < WAYS && !found; i++) {
        const slot *s = &set[i];
        found = s->key && s->until_ns > now && memcmp(s->digest, digest, EG_SHA256_LEN) == 0 ? copy_of(s->key) : NULL;
    }
    pthread_mutex_unlock(&k->lock);
    return found;
}

/* Under the lock: where the key lies already, else a free slot, else the one that ends first. */
static slot *place_in(slot *set, const uint8_t digest[EG_SHA256_LEN]) {
    slot *best = set;
    for (size_t i = 0; i < WAYS; i++) {
        slot *s = &set[i];
        if (s->key && memcmp(s->digest, digest, EG_SHA256_LEN) == 0) {
            return s;
        }
        if (best->key && (!s->key || s->until_ns < best->until_ns)) {
            best = s;
        }
    }
    return best;
}

eg_err eg_batch_keys_peek(eg_batch_keys *k, const eg_batch *b, eg_secret **ret) {
    char purpose[128];
    uint8_t digest[EG_SHA256_LEN];
    eg_batch_purpose(b, purpose);
    eg_secret *found = at_hand(k, set_of(k, b, purpose, digest), digest);
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
    slot *set = set_of(k, b, purpose, digest);
    eg_secret *found = at_hand(k, set, digest);
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
    slot *s = place_in(set, digest);
    eg_secret_free(s->key);
    s->key = kept;
    s->until_ns = now + EG_BATCH_KEYS_TTL_S * 1000000000ll;
    memcpy(s->digest, digest, sizeof digest);
    pthread_mutex_unlock(&k->lock);
    *ret = key;
    return EG_OK;
}

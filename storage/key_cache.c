/* A bounded cache of unwrapped data keys: at most SLOTS keys, none for longer than a minute, so that a destroyed tenant key
 * stops working soon. */
#include "key_cache.h"

#include <embergate/encoding.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SETS 256
#define WAYS 4
#define LIFETIME_NS ((int64_t)60 * 1000000000)

struct eg_file_key {
    atomic_int refs;
    eg_secret *secret;
};

typedef struct slot {
    eg_id inode;
    uint8_t wrapped[EG_SHA256_LEN];  /* digest: a rewrapped key is another entry */
    int64_t until_ns;
    eg_file_key *key;
} slot;

struct eg_key_cache {
    const eg_keys *keys;
    const eg_clock *clock;
    pthread_mutex_t lock;
    slot slots[SETS][WAYS];
};

eg_bytes eg_file_key_bytes(const eg_file_key *k) { return eg_secret_bytes(k->secret); }

void eg_file_key_unref(eg_file_key *k) {
    if (k && atomic_fetch_sub(&k->refs, 1) == 1) {
        eg_secret_free(k->secret);
        free(k);
    }
}

eg_err eg_file_key_new(eg_secret *taken, eg_file_key **ret) {
    eg_file_key *k = calloc(1, sizeof *k);
    if (!k) {
        eg_secret_free(taken);
        return EG_ERR_NO_MEMORY;
    }
    atomic_init(&k->refs, 1);
    k->secret = taken;
    *ret = k;
    return EG_OK;
}

eg_err eg_key_cache_new(const eg_keys *keys, const eg_clock *clock, eg_key_cache **ret) {
    eg_key_cache *c = calloc(1, sizeof *c);
    if (!c) {
        return EG_ERR_NO_MEMORY;
    }
    c->keys = keys;
    c->clock = clock;
    pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return EG_OK;
}

void eg_key_cache_clear(eg_key_cache *c) {
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < WAYS; j++) {
            eg_file_key_unref(c->slots[i][j].key);
            c->slots[i][j] = (slot){.until_ns = 0};
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void eg_key_cache_free(eg_key_cache *c) {
    if (!c) {
        return;
    }
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < WAYS; j++) {
            eg_file_key_unref(c->slots[i][j].key);
        }
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

eg_str eg_file_key_purpose(const eg_id *inode, char buf[EG_FILE_PURPOSE_MAX]) {
    char hex[33];
    eg_hex(eg_id_bytes(inode), hex);
    snprintf(buf, EG_FILE_PURPOSE_MAX, "file:%s", hex);
    return eg_str_of(buf);
}

/* Takes the place of what expires first in its set. Takes `secret`; gives a reference for the caller. */
static eg_err keep(eg_key_cache *c, const eg_id *inode, const uint8_t digest[EG_SHA256_LEN], eg_secret *secret, eg_file_key **ret) {
    eg_file_key *k = calloc(1, sizeof *k);
    if (!k) {
        eg_secret_free(secret);
        return EG_ERR_NO_MEMORY;
    }
    atomic_init(&k->refs, 2);
    k->secret = secret;
    slot *set = c->slots[inode->b[15]];
    pthread_mutex_lock(&c->lock);
    slot *s = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].until_ns < s->until_ns) {
            s = &set[i];
        }
    }
    eg_file_key *old = s->key;
    s->inode = *inode;
    memcpy(s->wrapped, digest, EG_SHA256_LEN);
    s->until_ns = eg_mono_ns(c->clock) + LIFETIME_NS;
    s->key = k;
    pthread_mutex_unlock(&c->lock);
    eg_file_key_unref(old);
    *ret = k;
    return EG_OK;
}

static eg_file_key *find(eg_key_cache *c, const eg_id *inode, const uint8_t digest[EG_SHA256_LEN]) {
    slot *set = c->slots[inode->b[15]];
    const int64_t now = eg_mono_ns(c->clock);
    eg_file_key *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < WAYS && !found; i++) {
        slot *s = &set[i];
        if (s->key && s->until_ns > now && eg_id_eq(&s->inode, inode) && memcmp(s->wrapped, digest, EG_SHA256_LEN) == 0) {
            atomic_fetch_add(&s->key->refs, 1);
            found = s->key;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

eg_err eg_key_cache_keep(eg_key_cache *c, const eg_id *inode, eg_bytes wrapped, eg_secret *taken) {
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(wrapped, digest);
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *k = NULL;
    return keep(c, inode, digest, taken, &k);
}

eg_file_key *eg_key_cache_peek(eg_key_cache *c, const eg_id *inode, eg_bytes wrapped) {
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(wrapped, digest);
    return find(c, inode, digest);
}

eg_err eg_key_cache_get(eg_key_cache *c, eg_str tenant, const eg_id *inode, eg_bytes wrapped, eg_file_key **ret) {
    uint8_t digest[EG_SHA256_LEN];
    eg_sha256(wrapped, digest);
    eg_file_key *k = find(c, inode, digest);
    if (k) {
        *ret = k;
        return EG_OK;
    }
    char buf[EG_FILE_PURPOSE_MAX];
    eg_secret *secret = NULL;
    EG_TRY(c->keys->unwrap(c->keys->ctx, tenant, eg_file_key_purpose(inode, buf), wrapped, &secret));
    return keep(c, inode, digest, secret, ret);
}

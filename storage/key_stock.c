/* A bounded stock of data keys for new files, so that not each of them waits for the keeper: asked for in bunches as large as they are used up, held for a second. */
#include "key_stock.h"

#include "key_cache.h"

#include <stdlib.h>

#define SHELVES 16
#define LIFETIME_NS ((int64_t)1000000000) /* below the rotation's grace (rotation.c), within which keys of an older version may still be committed */

/* The keys of one tenant under one key. */
typedef struct shelf {
    char tenant[EG_ACCOUNT_NAME_MAX + 1];
    char name[EG_KEY_NAME_MAX + 1];
    eg_new_key *keys;
    size_t count;              /* left, from the end */
    size_t bunch;              /* how many were asked for the last time */
    int64_t made_ns;
    int64_t used_ns;
    bool filling;              /* somebody asks the keeper: the shelf stays where it is */
    uint64_t failures;         /* of such askings */
    eg_err failed;             /* the last one's error */
} shelf;

struct eg_key_stock {
    const eg_keys *keys;
    const eg_clock *clock;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint64_t generation;       /* another one: what was asked for before is dropped */
    shelf shelves[SHELVES];
};

static void drop(shelf *s) {
    for (size_t i = 0; i < s->count; i++) {
        eg_secret_free(s->keys[i].key.secret);
    }
    free(s->keys);
    s->keys = NULL;
    s->count = 0;
}

eg_err eg_key_stock_new(const eg_keys *keys, const eg_clock *clock, eg_key_stock **ret) {
    eg_key_stock *k = calloc(1, sizeof *k);
    if (!k) {
        return EG_ERR_NO_MEMORY;
    }
    k->keys = keys;
    k->clock = clock;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->filled, NULL);
    *ret = k;
    return EG_OK;
}

void eg_key_stock_free(eg_key_stock *k) {
    if (!k) {
        return;
    }
    for (size_t i = 0; i < SHELVES; i++) {
        drop(&k->shelves[i]);
    }
    pthread_cond_destroy(&k->filled);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

void eg_key_stock_forget(eg_key_stock *k) {
    pthread_mutex_lock(&k->lock);
    k->generation++;
    for (size_t i = 0; i < SHELVES; i++) {
        drop(&k->shelves[i]);
    }
    pthread_mutex_unlock(&k->lock);
}

static bool is_for(const shelf *s, const eg_key_use *use) { return eg_str_is(use->tenant, s->tenant) && eg_str_is(use->key, s->name); }

/* The shelf of a use; else the one that was used longest ago becomes it. NULL when all are being filled. */
static shelf *shelf_of(eg_key_stock *k, const eg_key_use *use) {
    shelf *oldest = NULL;
    for (size_t i = 0; i < SHELVES; i++) {
        shelf *s = &k->shelves[i];
        if (s->used_ns > 0 && is_for(s, use)) {
            return s;
        }
        if (!s->filling && (!oldest || s->used_ns < oldest->used_ns)) {
            oldest = s;
        }
    }
    if (oldest) {
        drop(oldest);
        *oldest = (shelf){.bunch = 0};
        memcpy(oldest->tenant, use->tenant.ptr, use->tenant.len);
        memcpy(oldest->name, use->key.len ? use->key.ptr : "", use->key.len);
    }
    return oldest;
}

static bool take_one(shelf *s, int64_t now, eg_new_key *ret) {
    if (now - s->made_ns > LIFETIME_NS) {
        s->bunch = s->count > 0 ? 0 : s->bunch; /* not all were wanted */
        drop(s);
    }
    if (s->count == 0) {
        return false;
    }
    *ret = s->keys[--s->count];
    eg_cleanse(&s->keys[s->count], sizeof s->keys[s->count]);
    return true;
}

static eg_err ask(const eg_key_stock *k, const eg_key_use *use, size_t n, eg_new_key *ret) {
    char text[EG_FRESH_KEYS_MAX][EG_FILE_PURPOSE_MAX];
    eg_str purposes[EG_FRESH_KEYS_MAX] = {{NULL, 0}};
    eg_fresh_key *fresh = calloc(n, sizeof *fresh);
    if (!fresh) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        ret[i].inode = eg_id_new();
        purposes[i] = eg_file_key_purpose(&ret[i].inode, text[i]);
    }
    const eg_err e = k->keys->new_data_keys(k->keys->ctx, use, purposes, n, fresh);
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        ret[i].key = fresh[i];
    }
    free(fresh);
    return e;
}

/* As many as before, twice, while all of them are used within their time; else one, as if there were no stock. Called and returns with the lock held. */
static eg_err fill(eg_key_stock *k, shelf *s, const eg_key_use *use, eg_new_key *ret) {
    const uint64_t generation = k->generation;
    const bool used_up = eg_mono_ns(k->clock) - s->made_ns <= LIFETIME_NS;
    const size_t n = used_up && s->bunch > 0 ? (2 * s->bunch < EG_FRESH_KEYS_MAX ? 2 * s->bunch : EG_FRESH_KEYS_MAX) : 1;
    s->filling = true;
    pthread_mutex_unlock(&k->lock);
    eg_new_key *made = calloc(n, sizeof *made);
    const eg_err e = made ? ask(k, use, n, made) : EG_ERR_NO_MEMORY;
    pthread_mutex_lock(&k->lock);
    s->filling = false;
    if (e == EG_OK) {
        drop(s);
        *ret = made[n - 1];
        s->keys = made;
        s->count = n - 1;
        s->bunch = n;
        s->made_ns = eg_mono_ns(k->clock);
        made = NULL;
        if (generation != k->generation) {
            drop(s);
        }
    }
    if (e != EG_OK) {
        s->failures++;
        s->failed = e;
    }
    free(made);
    pthread_cond_broadcast(&k->filled);
    return e;
}

/* Without a shelf, as without a stock. */
static eg_err ask_one(eg_key_stock *k, const eg_key_use *use, eg_new_key *ret) {
    eg_new_key made = {.key = {NULL, {0}, 0}};
    EG_TRY(ask(k, use, 1, &made));
    *ret = made;
    return EG_OK;
}

eg_err eg_key_stock_take(eg_key_stock *k, const eg_key_use *use, bool wait, eg_new_key *ret) {
    if (use->tenant.len > EG_ACCOUNT_NAME_MAX || use->key.len > EG_KEY_NAME_MAX) {
        return EG_ERR_INVALID;
    }
    pthread_mutex_lock(&k->lock);
    eg_err e = EG_ERR_BUSY;
    for (;;) {
        shelf *s = shelf_of(k, use);
        const int64_t now = eg_mono_ns(k->clock);
        if (s && take_one(s, now, ret)) {
            s->used_ns = now;
            e = EG_OK;
            break;
        }
        if (!wait) {
            break;
        }
        if (!s) {
            pthread_mutex_unlock(&k->lock);
            return ask_one(k, use, ret);
        }
        s->used_ns = now;
        if (!s->filling) {
            e = fill(k, s, use, ret);
            break;
        }
        const uint64_t before = s->failures;
        pthread_cond_wait(&k->filled, &k->lock);
        if (s->failures > before) {
            e = s->failed; /* whoever waited has the same answer, and not a time-out of its own behind it */
            break;
        }
    }
    pthread_mutex_unlock(&k->lock);
    return e;
}
